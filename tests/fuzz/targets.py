"""The readers. Each takes any bytes, and ends in a value whose promise holds or in an error of ours: nothing else."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

from dispatcher.domain import formulas, idinterno, phone, sms_text
from dispatcher.errors import ListRefused, ProviderError, UsageError
from dispatcher.ingest import IngestOptions, Reading, ingest, open_source, template
from dispatcher.provider import answers, envelopes, frames, replies, slices, verdict
from dispatcher.replies import push
from dispatcher.web import json_body
from tests.fuzz.bodies import form, told, upload

CORPUS = Path(__file__).parent / "corpus"
_SPOOL = Path(tempfile.gettempdir())
_ALPHABET_OF_NUMBERS = set("0123456789")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode("utf-8")


def bulk_answer(data: bytes) -> None:
    """The answer to a bulk POST, with any HTTP status."""
    status = 100 + (data[0] if data else 100) * 2
    for read in (answers.read_bulk_answer, verdict.read_answer):
        try:
            read(status, data[1:])
        except ProviderError as error:
            told(error)


def status(data: bytes) -> None:
    """Result lines, whole and as a stream: both find the same ones."""
    try:
        whole = answers.parse_status(data)
    except ProviderError:
        whole = None
    try:
        found = [frames.parse_slice(each) for each in slices.line_slices([data[:7], data[7:]], framed=True)]
    except ProviderError:
        found = None
    if whole is not None and found is not None:
        assert sum(each.frame.height for each in found) <= len(whole) + 1


def inbox(data: bytes) -> None:
    """Replies, as text and as the table."""
    for framed in (True, False):
        for read in (replies.parse_text, replies.parse_excel):
            try:
                list(read(data, framed=framed))
            except ProviderError as error:
                told(error)


def envelope(data: bytes) -> None:
    """An answer of the Web Service."""
    envelopes.words(data)
    mended, changes = envelopes.repaired(data)
    assert changes >= 0
    assert envelopes.repaired(mended)[1] == 0


def pushed(data: bytes) -> None:
    """PUSH: query and body."""
    query, _, body = data.partition(b"\x00")
    try:
        found = push.read(query, body)
    except push.BadPush as error:
        told(error)
    else:
        assert found.origen
        assert found.texto is not None


def number(data: bytes) -> None:
    """A written number becomes ten digits or a reason."""
    for country, digits in (("AR", 10), ("UY", 8)):
        found = phone.normalise(_text(data), country, area="11" if country == "AR" else None)
        if isinstance(found, str):
            assert len(found) == digits
            assert set(found) <= _ALPHABET_OF_NUMBERS
        else:
            assert found.detail
            assert len(found.detail) < 1_000


def text(data: bytes) -> None:
    """Any text has a spelling in the SMS alphabet, and what was spelled stays."""
    given = _text(data)[:2_000]
    spelled, _ = sms_text.transliterate(given)
    assert sms_text.transliterate(spelled)[0] == spelled
    sms_text.outside_alphabet(spelled)
    sms_text.is_verification(given)
    sms_text.names_company(given, "Empresa S.A.")


def cell(data: bytes) -> None:
    """A cell of an export is no formula, whatever was in it."""
    guarded = formulas.harmless_in_csv(_text(data))
    assert not guarded.lstrip("\ufeff\u200b \t\r\n").startswith(("=", "@"))


def campaign_template(data: bytes) -> None:
    """A template is bound to columns, or refused with a sentence."""
    try:
        template.parse(_text(data)).bind(["telefono", "nombre", "saldo"])
    except UsageError as error:
        told(error)


def body(data: bytes) -> None:
    """A JSON body."""
    try:
        json_body.parse(data)
    except json_body.BadJson as error:
        told(error)


def own_id(data: bytes) -> None:
    """An idinterno that is read is the one that would be written."""
    given = _text(data)
    found = idinterno.decode(given)
    if found is not None:
        assert idinterno.encode(*found) == given.upper()


def recipients(data: bytes) -> None:
    """A list: every row is a message or an invalid row with its line and reason, or the whole of it is refused."""
    options = IngestOptions(template="Hola {nombre|cliente}")
    try:
        with open_source(io.BytesIO(data), spool=_SPOOL, reading=Reading()) as source:
            for batch in ingest(source, options):
                assert batch.rows == batch.messages.height + batch.invalid_rows.height
                assert batch.invalid_rows["reason"].null_count() == 0
                assert batch.messages["destino"].str.contains("^[0-9]{10}$").all()
                assert batch.messages["texto"].str.len_chars().is_between(1, 160).all()
    except (UsageError, ListRefused) as error:
        told(error)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "body": body,
    "bulk_answer": bulk_answer,
    "campaign_template": campaign_template,
    "cell": cell,
    "envelope": envelope,
    "form": form,
    "inbox": inbox,
    "number": number,
    "own_id": own_id,
    "pushed": pushed,
    "recipients_csv": recipients,
    "recipients_jsonl": recipients,
    "recipients_xlsx": recipients,
    "status": status,
    "text": text,
    "upload": upload,
}


def corpus(name: str) -> list[bytes]:
    """The seeds of a target, the smallest first."""
    return sorted((path.read_bytes() for path in (CORPUS / name).glob("*")), key=len)
