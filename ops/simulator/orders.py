"""What the control pages take, page by page; a field that is not here is refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ops.simulator.faults import Fault


class Order(BaseModel):
    """The body of one control call."""

    model_config = ConfigDict(extra="forbid")


class SetFaults(Order):
    """Switch faults on; `replace` switches the others off first."""

    faults: list[Fault]
    replace: bool = False


class SetClock(Order):
    """See `ProviderClock.change`: seconds, a factor, or `YYYY-MM-DD HH:MM:SS`."""

    offset: float | None = None
    advance: float | None = None
    at: str | None = None
    speed: float | None = None


class Row(Order):
    """One result row; without `fecha` (`YYYYMMDDHHNNSS`) it carries the provider's now."""

    idinterno: str
    text: str = "OK"
    fecha: str | None = None


class Inject(Order):
    """Result rows that no POST brought."""

    rows: list[Row]
    account: str = "main"


class NewReply(Order):
    """What a person answers. Without `idinterno` it is that of the last message to the number; without `fecha`
    (`YYYY-MM-DD HH:MM:SS`) it comes now; without `push` nobody is told."""

    origen: str = Field(pattern=r"^[0-9]{1,18}$")
    texto: str
    idinterno: str | None = None
    fecha: str | None = None
    push: bool = True
    account: str = "main"


class Fill(Order):
    """Many replies at once: `count` of them with `size` characters of TEXTO each, from a number each, told to nobody.

    `texto` opens each text, before its number in the inbox; `read` gives them a read flag from the start.
    """

    count: int = Field(ge=1, le=1_000_000)
    size: int = Field(default=1000, ge=1, le=1_000_000)
    texto: str = ""
    fecha: str | None = None
    read: bool = False
    account: str = "main"


class ChangePlan(Order):
    """The account buys `top_up` SMS more, so that saldo rises; with `new_month` envios counts from zero again."""

    top_up: int = Field(default=0, ge=0)
    new_month: bool = False
    account: str = "main"


class Release(Order):
    """Let the oldest `count` held calls of an endpoint go on; without a count all of them."""

    count: int | None = None
    endpoint: str = "*"
