"""What the simulated provider is like: every setting, its unit and its default, changeable at run time."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ops.simulator.clock import Window
from ops.simulator.status import Reading, Results
from ops.simulator.verdicts import Mix


class Options(BaseModel):
    """One flat set of settings; a bad value is refused with its name and why, and changes nothing."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    apikey: list[str] = Field(default=["SIMULADOR"], description="accepted key, or KEY:ACCOUNT; several allowed")
    user: list[str] = Field(default=[], description="accepted legacy usuario:clave, of account main; several allowed")
    allow_ip: list[str] = Field(default=[], description="only these addresses may call; none = all")
    country: Literal["AR", "GT", "MX", "PE", "UY"] = Field(default="AR", description="whose number rules hold")
    invalid_prefix: list[str] = Field(default=[], description="characteristics that do not exist (-9)")

    window: str = Field(default="08:00-22:00", description="hours that send, provider-local; 00:00-24:00 = always")
    outside_window: Literal["hold", "refuse"] = Field(
        default="hold", description="what comes outside is kept or refused"
    )
    dup_hours: float = Field(
        default=48, ge=0, description="identical text to a number is refused for so long; 0 = never"
    )
    credit: int | None = Field(default=None, ge=0, description="SMS contracted in all; none = an open plan")
    debit: Literal["on_processing", "on_taking"] = Field(
        default="on_processing", description="when saldo and envios count a line: with its result, or at the POST"
    )
    refunds: bool = Field(default=True, description="on_taking: a line that is refused gets its SMS back")
    strangers: float = Field(
        default=0, ge=0, description="messages a minute (provider's) that other users of each account send"
    )
    refuse_calls: bool = Field(
        default=False,
        description="without credit or contract a bulk call gets the sentence, and nothing is taken",
    )
    contract_expires: date | None = Field(default=None, description="last day of the contract; none = never")
    baja: list[str] = Field(default=[], description="numbers that sent BAJA (-3)")
    no_call: list[str] = Field(default=[], description='numbers of the registry "No Llame" (-14)')
    mix: dict[str, float] = Field(default={}, description="guide code or sentence -> share of lines; the rest are OK")
    seed: int = Field(default=0, ge=0, description="of the mix, delays and ignored lines")

    any_idinterno: bool = Field(
        default=False,
        description="a unit IDINTERNO may hold any characters (clients send UUIDs), not only alphanumerics",
    )
    unit_status: bool = Field(default=False, description="the bulk status pages show unit messages too")
    raw_replies: bool = Field(default=False, description="tabs and line ends of a reply stay in the inbox's answer")
    soap_controls: Literal["entity", "drop"] = Field(
        default="entity",
        description="a reply's control characters by SOAP: &#x1A; as .NET writes them, though no XML may, or left out",
    )
    push_url: str | None = Field(default=None, description="where each reply is pushed to at once; none = nowhere")
    push_method: Literal["GET", "POST"] = Field(default="GET", description="how")
    push_encoding: Literal["latin-1", "utf-8"] = Field(default="latin-1", description="of a pushed reply's TEXTO")
    push_tries: int = Field(default=1, ge=1, description="pushes of one reply until one is answered 2xx")
    wsdl_address: str | None = Field(
        default=None, description="the address that the WSDL names; none = the one that it was asked at"
    )

    delay_min: float = Field(default=0, ge=0, description="provider seconds from taking a line to its result, least")
    delay_max: float = Field(default=0, ge=0, description="and most (below delay_min: the same)")
    out_of_order: bool = Field(
        default=False, description="each line draws its own delay, so that results come in any order"
    )
    refuse_at_once: bool = Field(
        default=False, description="a line that is refused for its number or text has its result as it is taken"
    )
    slow_prefix: list[str] = Field(default=[], description="numbers that begin so are of a slow carrier (bulk lines)")
    slow_suffix: list[str] = Field(default=[], description="numbers that end so are, too")
    slow_seconds: float | None = Field(
        default=None,
        ge=0,
        description="provider seconds that its lines wait beyond the delays; none = until released by hand",
    )
    fecha_lag: float = Field(default=0, ge=0, description="a row may show up to so many seconds after its own fecha")
    fecha_reading: Reading = Field(default="since", description="what a question by fecha means")
    results: Results = Field(default="both", description="one idinterno with two results shows both, or one of them")
    shuffle_rows: bool = Field(default=False, description="rows of an answer come in random order")

    ok_answer: str = Field(default="OK", description="how bulk says OK (any case, padded)")
    trailing_crlf: bool = Field(default=False, description="answers end in CRLF")
    latency: float = Field(default=0, ge=0, description="real seconds before each answer")
    max_body: int = Field(default=200 * 1024, ge=0, description="bytes of a request body, 0 = unlimited")
    max_field: int = Field(default=100 * 1024, ge=0, description="encoded bytes of one form field, 0 = unlimited")
    max_answer: int = Field(default=4 * 1024 * 1024, ge=0, description="bytes of a status answer, 0 = unlimited")

    @field_validator("window")
    @classmethod
    def _window_reads(cls, text: str) -> str:
        Window(text)
        return text

    @field_validator("mix")
    @classmethod
    def _mix_adds_up(cls, shares: dict[str, float]) -> dict[str, float]:
        Mix.of(shares, 0)
        return shares

    def accounts(self) -> set[str]:
        """Every account that a credential opens."""
        return {"main", *(entry.partition(":")[2] or "main" for entry in self.apikey)}

    def account_of_key(self, key: str) -> str | None:
        """The account that a key opens, `main` unless it names one; None when the key is wrong."""
        for entry in self.apikey:
            known, _, account = entry.partition(":")
            if known == key:
                return account or "main"
        return None
