"""HTML content of a campaign: each of its messages is a unit call, since the bloque has no place for it (guide, HTML).

Such a campaign's chunks have one message, so that all that is true of a chunk is true of the call: it is claimed and
that is committed before it, it is made once, and pause, window, rate and lists are looked at before each.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from dispatcher.config import Settings
from dispatcher.db.transactions import retry_deadlocks
from dispatcher.domain import idinterno
from dispatcher.domain.sms_text import MAX_LENGTH
from dispatcher.domain.window import PROVIDER_ZONE
from dispatcher.errors import ProviderError, UsageError
from dispatcher.i18n.words import worded
from dispatcher.provider import unit, verdict
from dispatcher.provider.answers import ResultLine
from dispatcher.provider.deadline import now as boot_clock
from dispatcher.provider.message import LINK_MARK, Message, SendResult
from dispatcher.runtime import Runtime
from dispatcher.sending import claims
from dispatcher.sending.claims import Claim
from schemas.payload import CampaignSpec

if TYPE_CHECKING:
    import polars as pl

_IDENTICAL = -4
_LONGEST_KEY = "x" * 100


def check(spec: CampaignSpec, settings: Settings, *, rendered: bool = False) -> None:
    """Refuse content that no call could carry, and a mark or content without the other.

    The mark of texts that were `rendered` before is in each of them, and not in the template.

    Raises:
        UsageError: why, and what to do.
    """
    from dispatcher.ingest import template  # with polars, which the workers that send do without

    if not rendered and (spec.html is not None) != (LINK_MARK in template.parse(spec.template).sample()):
        raise UsageError(
            "A campaign with HTML content has a mark for its link in the template, and only such a campaign has one.",
            hint=worded(
                "Write {mark} where the link goes in the template, and give the content with --html.",
                mark=LINK_MARK,
            ),
        )
    if spec.html is not None:
        key = settings.apikey.get_secret_value() if settings.apikey else _LONGEST_KEY
        texto = LINK_MARK + ":" * (MAX_LENGTH - len(LINK_MARK))
        unit.body_of(key, Message("9" * 15, texto, idinterno="M" * 50, test=True, html=spec.html))


def message_of(claim: Claim) -> Message:
    """The one line of a claimed chunk as a unit call."""
    reference, numero, texto = claim.bloque.decode("latin-1").split("\t")
    return Message(numero, texto, idinterno=reference, test=claim.test, html=claim.html)


def finish_answered(runtime: Runtime, claim: Claim, answer: SendResult) -> str | None:
    """The provider's verdict: the message's result and the chunk's end, together. Returns the chunk's new state.

    None when this attempt no longer counts; its result does all the same. The verdict carries no fecha: the provider's
    clock at this moment takes its place.
    """
    from dispatcher.results import settle  # with polars, which campaigns without HTML do without

    reference = claim.bloque.decode("latin-1").partition("\t")[0]
    moment = claim.latest + timedelta(seconds=boot_clock() - claim.claimed_at)
    fecha = moment.astimezone(PROVIDER_ZONE).replace(tzinfo=None, microsecond=0)
    code = -99 if answer.code is None else answer.code
    lines = [ResultLine(reference, fecha, verdict.sentence(answer.text), code)]
    if code == _IDENTICAL and claim.chunk_no != claim.root_no:
        lines += _earlier_results(runtime, reference)

    def transaction() -> str | None:
        with runtime.engine.begin() as connection:
            frame = _frame(claim, lines)
            settle.settle_ours(connection, claim.account_id, frame, settle.Settled(), refusals_count=True)
            return claims.accept(connection, claim)

    return retry_deadlocks(transaction)


def _earlier_results(runtime: Runtime, reference: str) -> Iterable[ResultLine]:
    """-4 on a line that was sent before: the first one's result decides, when the provider can tell it.

    When it cannot be asked now, -4 is kept until a poll brings the result: an OK overwrites it.
    """
    try:
        return runtime.provider.status_by_idinterno(reference)
    except ProviderError:
        return ()


def _frame(claim: Claim, lines: list[ResultLine]) -> pl.DataFrame:
    """Result lines of a claim's message in the columns of `settle_ours`."""
    import polars as pl

    reference = idinterno.decode(lines[0].idinterno)
    assert reference is not None, "we wrote it"
    return pl.DataFrame(
        {
            "hash": range(len(lines)),
            "campaign_id": reference.campaign_id,
            "generation": reference.generation,
            "seq": reference.seq,
            "root_no": claim.root_no,
            "fecha": [line.fecha for line in lines],
            "text": [line.text for line in lines],
            "code": [line.code for line in lines],
        },
        schema={
            "hash": pl.UInt64,
            "campaign_id": pl.Int64,
            "generation": pl.Int16,
            "seq": pl.Int32,
            "root_no": pl.Int32,
            "fecha": pl.Datetime("us"),
            "text": pl.String,
            "code": pl.Int16,
        },
    )
