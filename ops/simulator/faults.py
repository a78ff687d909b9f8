"""Faults on purpose: which calls they hit, what each does to a call. Several may hit one call and add up."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Take = Literal["all", "half", "none"]

# What happens to a call, by what part of it the kind touches.
WAITS = ("slow", "hold")
ANSWERS = ("error", "html", "redirect", "sentence", "garbage", "huge")
WIRES = ("reset", "close", "hang", "drip", "truncate", "noise")
NETWORK = ("refused", "blackhole")

# Unless told otherwise, these answer before anything is taken; every other kind breaks what comes after.
_BEFORE_TAKING = ("error", "html", "redirect", "sentence")


class Fault(BaseModel):
    """One switchable fault.

    kind      slow, hold (until it is released): the call waits.
              error (an ASP 500), html (a page with 200), redirect, sentence, garbage (random bytes as the
              body), huge: another answer.
              reset, close, hang (silence until the client gives up), drip (byte by byte), truncate, noise
              (bytes that are no HTTP): the answer breaks on its way.
              late, repeat, ignore: the results of the lines taken. shuffle: the rows of a status answer.
              refused (nobody listens), blackhole (connections are not answered): at once, for `seconds`.
    endpoint  bulk, unit, inbox, status (status_fecha, status_idinterno), date, saldo, envios, vencimiento,
              soap (soap_enviar, soap_recibir), wsdl, smtp (the mail server: waits, error, sentence, reset, close,
              hang, noise), or * for all; a list for several
    after     leave the first K calls of that endpoint alone
    times     hit that many calls, then no more; None = no end
    probability, seed   hit that share of calls
    take      how much of a POST is taken: all, half (the first lines) or none
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal[
        "slow", "hold",
        "error", "html", "redirect", "sentence", "garbage", "huge",
        "reset", "close", "hang", "drip", "truncate", "noise",
        "late", "repeat", "ignore", "shuffle",
        "refused", "blackhole",
    ]  # fmt: skip
    endpoint: str | list[str] = "bulk"
    times: int | None = Field(default=None, ge=0)
    after: int = Field(default=0, ge=0)
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    take: Take | None = None
    when: Literal["before", "after"] = Field(default="after", description="slow, hold: before or after taking")
    seconds: float | None = Field(
        default=None, ge=0, description="slow, hang, refused, blackhole: real; late: provider's"
    )
    most: float | None = Field(default=None, description="late: a range, each line between `seconds` and this")
    interval: float = Field(default=0.2, ge=0, description="drip: real seconds per byte")
    status: int = Field(default=0, description="error: 500; redirect: 301")
    location: str = Field(default="/aviso.asp", description="redirect: where to; the default answers OK to a GET")
    text: str = Field(
        default="",
        description="sentence: the words, or bad_key, bad_user, ip, credit, contract; html: the page",
    )
    size: int = Field(default=50_000_000, ge=0, description="huge, garbage: bytes of the answer")
    copies: int = Field(default=2, ge=1, description="repeat: result rows per line")
    share: float = Field(default=0.1, ge=0, le=1, description="ignore: share of lines dropped silently")

    @model_validator(mode="after")
    def _defaults(self) -> Fault:
        if self.take is None:
            self.take = "none" if self.kind in _BEFORE_TAKING else "all"
        if self.kind == "garbage" and "size" not in self.model_fields_set:
            self.size = 4096
        return self

    @property
    def backlog(self) -> float:
        """late: the width of its range in seconds."""
        return max((self.most or 0) - (self.seconds or 0), 0.0)


@dataclass(slots=True)
class Switch:
    """A fault that is on, and what it has done so far."""

    fault: Fault
    seen: int = 0
    hits: int = 0
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.fault.seed)

    def fires(self, endpoint: str) -> bool:
        fault = self.fault
        if fault.kind in NETWORK or not matches(fault.endpoint, endpoint):
            return False
        self.seen += 1
        if self.seen <= fault.after or (fault.times is not None and self.hits >= fault.times):
            return False
        if fault.probability < 1 and self.dice.random() >= fault.probability:
            return False
        self.hits += 1
        return True


def matches(selector: str | list[str], endpoint: str) -> bool:
    """`status` selects status_fecha and status_idinterno alike; `*` everything; a list what any of it selects."""
    names = [selector] if isinstance(selector, str) else selector
    return any(name in ("*", endpoint) or endpoint.startswith(name + "_") for name in names)


@dataclass(frozen=True)
class Hits:
    """The faults that hit one call."""

    faults: Sequence[Fault] = ()

    @property
    def label(self) -> str | None:
        return "+".join(f"{fault.kind}:{fault.take}" for fault in self.faults) or None

    @property
    def take(self) -> Take:
        """The least that any of them takes."""
        takes = {fault.take for fault in self.faults}
        return "none" if "none" in takes else "half" if "half" in takes else "all"

    def of(self, kinds: Sequence[str]) -> list[Fault]:
        return [fault for fault in self.faults if fault.kind in kinds]

    def first(self, kinds: Sequence[str]) -> Fault | None:
        return next(iter(self.of(kinds)), None)


class Faults:
    """The faults that are on."""

    def __init__(self) -> None:
        self.switches: list[Switch] = []

    def set(self, faults: Sequence[Fault], *, replace: bool = False) -> None:
        if replace:
            self.switches.clear()
        self.switches += [Switch(fault) for fault in faults]

    def clear(self) -> None:
        self.switches.clear()

    def hit(self, endpoint: str) -> Hits:
        """Ask every fault about one more call of this endpoint."""
        return Hits([switch.fault for switch in self.switches if switch.fires(endpoint)])
