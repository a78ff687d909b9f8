from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain.window import parse_moment
from dispatcher.errors import AccountBlocked, CredentialsRefused, InDoubt, UsageError
from dispatcher.provider import verdict
from dispatcher.provider.codes import CODES
from dispatcher.provider.form import unit_form
from dispatcher.provider.mailserver import API_ADDRESS, MailServer
from dispatcher.provider.message import LINK_MARK, Message, SendResult
from dispatcher.provider.smtp import SmtpSender, verdict_here


@pytest.mark.parametrize(
    "fields",
    [
        {"numero": " "},
        {"texto": "\t"},
        {"idinterno": ""},
        {"idinterno": "A_1"},
        {"idinterno": "A" * 51},
        {"idinterno": "Ñ1"},
        {"html": "<p>x</p>"},
        {"texto": f"Hola {LINK_MARK}"},
    ],
)
def test_a_message_that_nobody_could_carry_out_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Message(**{"numero": "1144445555", "texto": "Hola", **fields})


@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9998, 1, 1)), st.integers(-12, 14))
def test_a_date_is_always_in_the_guide_s_form_and_the_same_instant(moment: datetime, hours: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)), microsecond=0)
    text = Message("1", "x", fechadesde=aware).fechadesde_text
    assert text is not None
    assert parse_moment(text) == aware.astimezone(UTC)


def test_a_naive_date_is_provider_time() -> None:
    assert Message("1", "x", fechadesde=datetime(2014, 6, 16, 17, 56)).fechadesde_text == "2014-06-16 17:56:00"


def test_a_unit_form_has_what_was_given_and_no_more() -> None:
    assert (
        unit_form("K", Message("1144445555", "a b&c")) == b"apikey=K&tos=1144445555&texto=a+b%26c&respuestanumerica=1"
    )
    full = Message("1", f"x {LINK_MARK}", "A1", datetime(2014, 6, 16, 17, 56), True, "ñ€")
    assert unit_form("K", full).endswith(
        b"&idinterno=A1&fechadesde=2014-06-16+17%3A56%3A00&test=1&html=%F1%26%238364%3B"
    )


# -- verdicts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        ("OK", "accepted", 0),
        (" ok\r\n", "accepted", 0),
        ("0;OK", "accepted", 0),
        ("0 ; OK", "accepted", 0),
        ("1;1144445555: probando sin enviar", "simulated", 1),
        ("1144445555: probando sin enviar", "simulated", 1),
        ("-7;1155: el número de celular es muy corto", "rejected", -7),
        ("1155: el número de celular es muy corto", "rejected", -7),
        ("-99;Otro", "rejected", -99),
        ("-13;algo que la guía no lista", "rejected", -99),
        ("1155: algo que nadie conoce", "rejected", -99),
        ("el texto del mensaje contiene un campo personalizable que no ha sido completado", "rejected", -99),
    ],
)
def test_a_verdict_is_read_from_its_code_or_its_words(words: str, status: str, code: int) -> None:
    assert verdict.read_words(words) == SendResult(status, code, words.strip())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "error", "reason"),
    [
        ("", InDoubt, "empty"),
        ("Error interno", InDoubt, "sentence"),
        ("7;algo", InDoubt, "sentence"),
        ("OK\r\nOK", InDoubt, "sentence"),
        ("x" * 500, InDoubt, "sentence"),
        ("\x80\x81", InDoubt, "garbage"),
        ("La apikey es incorrecta.", CredentialsRefused, "credentials"),
        ("-99;Usuario o clave incorrectos.", CredentialsRefused, "credentials"),
        ("-99;La IP 1.2.3.4 no se encuentra habilitada", CredentialsRefused, "ip"),
        ("-99;1144445555: se han agotado los 500 SMS contratados", AccountBlocked, "credit"),
        ("1144445555: el contrato para enviar SMS ha expirado el 3 de marzo", AccountBlocked, "contract"),
    ],
)
def test_words_that_are_no_verdict_say_what_they_prove(words: str, error: type[Exception], reason: str) -> None:
    with pytest.raises(error) as caught:
        verdict.read_words(words)
    assert getattr(caught.value, "reason", None) == reason
    assert getattr(caught.value, "delivered", None) == ("unknown" if error is InDoubt else "no")


@pytest.mark.parametrize(("status", "body"), [(500, b"0;OK"), (302, b"OK"), (200, b"<html>0;OK</html>"), (200, b" ")])
def test_an_answer_that_is_no_plain_200_is_in_doubt(status: int, body: bytes) -> None:
    with pytest.raises(InDoubt):
        verdict.read_answer(status, body)


@given(st.text(max_size=60))
def test_any_words_are_a_verdict_or_an_error(words: str) -> None:
    try:
        result = verdict.read_words(words)
    except (InDoubt, CredentialsRefused, AccountBlocked):
        return
    assert result.code in CODES


# -- mail ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtps://m.example?from=a@b.example", ("m.example", 465, "tls", "", "", "a@b.example", API_ADDRESS)),
        ("smtp://m.example:25?from=a@b.example&tls=no", ("m.example", 25, "no", "", "", "a@b.example", API_ADDRESS)),
        (
            "smtp://ana:p%40ss@m.example/?from=a@b.example&to=x@y.example",
            ("m.example", 587, "starttls", "ana", "p@ss", "a@b.example", "x@y.example"),
        ),
    ],
)
def test_a_mail_server_is_read_from_its_url(url: str, expected: tuple[object, ...]) -> None:
    server = MailServer.of(url)
    assert server == MailServer(*expected)  # type: ignore[arg-type]
    assert "p@ss" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "", "http://m.example?from=a@b.example", "smtps://?from=a@b.example", "smtps://m.example",
        "smtps://m.example?from=nobody", "smtps://m.example?from=a@b.example&tls=no", "smtps://m.example:x?from=a@b.c",
        "smtp://ana:s3cr3t@m.example?from=a@b.example&tls=no", "smtp://m.example?from=a@b.example&tls=yes",
        "smtp://m.example?from=a@b.example&x=1", "smtps://m.example/path?from=a@b.example",
        "smtps://m.example?from=a@b.example%0d%0aBcc:x@y.example", "smtps://m.example?from=a@b.example&from=c@d.example",
    ],
)  # fmt: skip
def test_a_mail_server_that_cannot_work_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        MailServer.of(url)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(("usuario", "clave"), [("", "x"), ("a b", "x"), ("a", "x\r\ny"), ("ñ", "x")])
def test_a_user_that_fits_no_subject_line_is_refused(usuario: str, clave: str) -> None:
    with pytest.raises(UsageError):
        SmtpSender("smtps://m.example?from=a@b.example", usuario, clave)


@pytest.mark.parametrize("texto", [" Hola", "Hola ", "=?utf-8?q?Hola?="])
def test_a_text_that_a_subject_line_would_change_is_refused(texto: str) -> None:
    with pytest.raises(UsageError):
        SmtpSender("smtps://m.example?from=a@b.example", "u", "c").send(Message("1144445555", texto))


@pytest.mark.parametrize(
    ("country", "numero", "code"),
    [
        ("AR", "1144445555", None),
        ("AR", "4144445555", -12),
        ("UY", "94123456", None),
        ("UY", "9412345", -7),
        ("PE", "9a", -8),
    ],
)
def test_a_number_is_judged_by_its_country(country: str, numero: str, code: int | None) -> None:
    assert verdict_here(Message(numero, "Hola"), country) == code
