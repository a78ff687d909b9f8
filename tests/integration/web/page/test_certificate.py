"""The certificate: a PDF that any reader shows, with a hash that anybody can check."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator

import pytest

from dispatcher.access.roles import Role
from dispatcher.campaigns import lifecycle
from dispatcher.campaigns.certificate import document
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper
from tests.integration.web.page.signed_in import Pages, serving_pages


@pytest.fixture
def stepper(make_runtime: Callable[..., Runtime]) -> Stepper:
    return Stepper(make_runtime(company="Empresa SA"))


@pytest.fixture
def pages(stepper: Stepper) -> Iterator[Pages]:
    with serving_pages(stepper.runtime) as pages:
        yield pages


def words_of(pdf: bytes) -> str:
    """The text of a PDF of the standard fonts, in the order in which it is written."""
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, flags=re.DOTALL):
        try:
            page = zlib.decompress(stream)
        except zlib.error:
            continue
        for said in re.findall(rb"\(((?:[^()\\]|\\.)*)\) ?Tj", page, flags=re.DOTALL):
            found.append(re.sub(rb"\\(.)", rb"\1", said).decode("cp1252"))
    return " ".join(found)


def test_that_of_a_campaign_says_who_what_and_when_with_the_hash_of_the_download(
    stepper: Stepper, pages: Pages
) -> None:
    campaign = stepper.load(3, name="Cobranzas (áéñ) 漢", draft=True)
    sender = pages.as_(Role.SENDER, "Bea")
    sender.post(f"/campaigns/{campaign}/send")
    stepper.finish(campaign)
    data = sender.get(f"/campaigns/{campaign}/results.jsonl").content
    answer = sender.get(f"/campaigns/{campaign}/certificate.pdf")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert f'filename="constancia-{campaign}.pdf"' in answer.headers["Content-Disposition"]
    said = words_of(answer.content)
    assert hashlib.sha256(data).hexdigest() in said
    for words in (
        "Cobranzas (áéñ) ?",
        "user Bea",
        "Empresa SA",
        "Hola N0",
        "1120000002",
        "phone company · 0",
        "page 1 of",
        "nothing reaches a phone",
    ):
        assert words in said, words
    assert "is not over" not in said
    (entry,) = stepper.sql("SELECT actor FROM audit_entry WHERE action = 'campaign.certificate'")
    assert entry.actor == "Bea"


def test_that_of_a_message_has_its_text_its_number_and_the_provider_s_words(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(3)
    stepper.finish(campaign)
    browser = pages.as_(Role.OPERATOR, language="es")
    (line,) = (
        each
        for each in browser.get(f"/campaigns/{campaign}/results.jsonl").content.splitlines(keepends=True)
        if b'"seq":2,' in each
    )
    said = words_of(browser.get(f"/campaigns/{campaign}/messages/2/certificate.pdf").content)
    assert hashlib.sha256(line).hexdigest() in said
    for words in (
        "Constancia del mensaje 2",
        "1120000001",
        "Hola N1",
        "Entregado a la compañía",
        "el proveedor lo recibió",
        "0: OK",
    ):
        assert words in said, words
    assert "Hola N0" not in said
    browser.get(f"/campaigns/{campaign}/messages/4/certificate.pdf", 404)
    browser.get("/campaigns/999/certificate.pdf", 404)


def test_a_long_one_has_the_counts_and_the_hash_instead_of_the_table(
    stepper: Stepper, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MOST_ROWS", 2)
    campaign = stepper.load(3)
    said = words_of(pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}/certificate.pdf").content)
    assert "Hola N0" not in said
    assert "more than 2 messages" in said
    assert "is not over" in said


def test_what_is_odd_in_a_text_breaks_no_page(stepper: Stepper, pages: Pages) -> None:
    campaign = stepper.load(2, name="**negrita** \\) Tj (x")
    stepper.sql("UPDATE message SET texto = :odd WHERE seq = 1", odd="\u202e(((\\ **b** {nb} \x07 \n fin")
    stepper.sql("UPDATE message SET texto = :long WHERE seq = 2", long="W" * 160)
    lifecycle.pause(stepper.runtime.engine, campaign, wait=0, reason="x" * 500)
    said = words_of(pages.as_(Role.OPERATOR).get(f"/campaigns/{campaign}/certificate.pdf").content)
    assert "**negrita** \\) Tj (x" in said
    assert "W" * 40 in said
    assert "{nb}" in said
