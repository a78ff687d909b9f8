from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.provider.codes import CODES, MEANING, account_scope, sentence_to_code

SENTENCES = {
    "el texto del mensaje es muy largo (máximo 160 caracteres)": -6,
    "el texto del mensaje contiene caracteres inválidos": -11,
    "el texto del mensaje contiene un campo personalizable que no ha sido completado (ejemplo: *1*)": -99,
    "el número de celular es muy corto": -7,
    "el número de celular es muy largo": -7,
    "se han agotado los 5000 SMS contratados": -99,
    "el contrato para enviar SMS ha expirado el 3 de marzo": -99,
    "probando sin enviar": 1,
    "el número recibió un mensaje idéntico hace menos de 48 horas (no se hará el envío).": -4,
}
"""Every sentence of the guide, and its code."""

ALL = list(SENTENCES.items()) + [(words, code) for code, words in CODES.items()]


def without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def with_lost_letters(text: str) -> str:
    return "".join(c if c.isascii() else "?" for c in text)


@pytest.mark.parametrize(("sentence", "code"), ALL)
@pytest.mark.parametrize(
    "form",
    [
        str,
        str.upper,
        str.lower,
        without_accents,
        with_lost_letters,
        lambda text: text.encode().decode("latin-1"),
        lambda text: f"1161880001: {text}",
        lambda text: f"NÚMERO DE CELULAR: {text}",
        lambda text: f"  {text} .  ",
        lambda text: text.replace(" ", "  ").replace(",", " ;"),
    ],
    ids=["guide", "upper", "lower", "plain", "lost", "utf8", "number", "prefix", "padded", "punctuation"],
)
def test_every_sentence_and_code_of_the_guide_is_known(sentence: str, code: int, form) -> None:  # type: ignore[no-untyped-def]
    text = form(sentence)
    known = sentence != "Otro" or not text.startswith("NÚMERO")  # a bare word behind a phrase proves nothing
    assert sentence_to_code(text) == (code, known)


@pytest.mark.parametrize("code", CODES)
def test_a_numeric_answer_is_its_number(code: int) -> None:
    assert sentence_to_code(f"{code};lo que sea") == (code, True)
    assert sentence_to_code(f" {code} ; 1155: lo que sea") == (code, True)


def test_an_unknown_number_leaves_the_text_to_decide() -> None:
    assert sentence_to_code("-77;1155: el número de celular es muy corto") == (-7, True)
    assert sentence_to_code("-13;algo nuevo") == (-99, False)


@pytest.mark.parametrize("text", ["", " ", "OK?no", "xx", "el número", "número 5", "okay", "BAJAR", "1161880001:"])
def test_what_is_not_known_is_said_to_be_unmapped(text: str) -> None:
    assert sentence_to_code(text) == ((-99, False))


@given(st.text(max_size=200))
def test_any_text_has_a_code_of_the_guide(text: str) -> None:
    assert sentence_to_code(text)[0] in CODES


def test_every_code_has_a_meaning() -> None:
    assert MEANING.keys() == CODES.keys()


REFUSALS = {
    "apikey incorrecta": "credentials",
    "Acceso no autorizado": "credentials",
    "Error en usuario o clave": "credentials",
    "Error en el usuario y/o la contraseña.": "credentials",
    "Datos de acceso incorrectos": "credentials",
    "Login incorrecto": "credentials",
    "No se pudo autenticar": "credentials",
    "No autorizado": "credentials",
    "Usuario deshabilitado": "credentials",
    "El usuario está bloqueado.": "credentials",
    "Apikey vencida": "credentials",
    "La contraseña ha expirado": "credentials",
    "Su IP (1.2.3.4) no tiene permiso": "ip",
    "La IP 2001:db8::1 no figura en la lista": "ip",
    "La dirección IP no está en la lista de IPs permitidas": "ip",
}
"""Answers to a whole call that nothing was taken of."""


@pytest.mark.parametrize(("sentence", "scope"), REFUSALS.items())
@pytest.mark.parametrize("form", [str, str.upper, without_accents, with_lost_letters])
def test_a_refusal_of_the_account_is_known(sentence: str, scope: str, form) -> None:  # type: ignore[no-untyped-def]
    assert account_scope(form(sentence)) == scope
    assert account_scope(f"1161880001: {form(sentence)}") is None, "of one line: others may have been taken"


@pytest.mark.parametrize(
    "sentence",
    [
        "el número del usuario contiene caracteres inválidos",
        "1161880001: apikey incorrecta",
        "OK",
        "usuario",
        "el número del usuario está bloqueado",
        "Usuario bloqueado por la telefónica",
        "Usuario dado de baja",
        "Error en usuario destinatario",
        "Destinatario no autorizado",
        "No autorizado para este destino",
        "No se pudo autenticar el mensaje",
        "el texto contiene un login incorrecto",
        "el texto contiene una IP que no figura en la lista",
        "el mensaje ha vencido",
        "la clave del texto está vencida",
        "palabra clave inválida",
        "el texto contiene una IP no permitida",
    ],
)
def test_what_may_be_about_a_line_is_no_refusal(sentence: str) -> None:
    assert account_scope(sentence) is None


@pytest.mark.parametrize(("sentence", "code"), ALL)
def test_no_sentence_about_a_message_counts_as_refused_credentials(sentence: str, code: int) -> None:
    assert account_scope(sentence) not in ("credentials", "ip")
    assert account_scope(f"1161880001: {sentence}") not in ("credentials", "ip")
