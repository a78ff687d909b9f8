"""The account's figures in one look (guide, "Consulta de saldo", "… de vencimiento", "… de mensajes enviados",
"… de la fecha del servidor")."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from dispatcher.errors import AnswerError
from dispatcher.runtime import Runtime
from dispatcher.window import PROVIDER_ZONE

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figures:
    """What the provider says of the account; None where the plan has no such figure.

    `fecha` is naive provider time; `offset_seconds` the provider's clock less this machine's.
    """

    saldo: int | None
    vencimiento: date | None
    envios: int | None
    fecha: datetime
    offset_seconds: float

    def as_json(self) -> dict[str, Any]:
        """The same, ready for JSON."""
        return {
            "saldo": self.saldo,
            "vencimiento": self.vencimiento.isoformat() if self.vencimiento else None,
            "envios": self.envios,
            "fecha": self.fecha.isoformat(sep=" "),
            "offset_seconds": self.offset_seconds,
        }


def read(runtime: Runtime) -> Figures:
    """Ask the provider for all of them.

    Raises:
        AnswerError: it refuses the account, or gives no usable answer. A sentence such as «no posee un plan prepago»
            is an answer: None. One for every figure is not, since each plan has some.
    """
    provider = runtime.provider
    before = datetime.now(UTC)
    fecha = provider.server_date().fecha
    after = datetime.now(UTC)
    # The answer has whole seconds: its middle against the middle of the question.
    offset = fecha.replace(tzinfo=PROVIDER_ZONE) + timedelta(seconds=0.5) - (before + (after - before) / 2)
    saldo, vencimiento = if_any(provider.saldo), if_any(provider.vencimiento)
    envios = provider.envios() if saldo is None and vencimiento is None else if_any(provider.envios)
    return Figures(
        saldo=saldo,
        vencimiento=vencimiento,
        envios=envios,
        fecha=fecha,
        offset_seconds=round(offset.total_seconds(), 1),
    )


def if_any(question: Callable[[], T]) -> T | None:
    """The figure, or None when the provider says in a sentence that the plan has none."""
    try:
        return question()
    except AnswerError as error:
        if error.reason == "sentence":
            return None
        raise
