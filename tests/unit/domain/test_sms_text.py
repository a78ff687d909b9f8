"""A text ends up in the provider's alphabet, or the characters that prevent it are named."""

from __future__ import annotations

import re
from urllib.parse import quote_plus

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.domain.sms_text import (
    ALPHABET,
    ENCODED_AS_THREE,
    OUTSIDE,
    VERIFICATION,
    is_verification,
    leftover,
    names_company,
    outside_alphabet,
    transliterate,
)
from dispatcher.errors import UsageError
from dispatcher.ingest.template import Literal, parse
from dispatcher.ingest.texts import CompanyRule, Renderer

KEPT = "&_[]\\|~^<>{}`"


@pytest.mark.parametrize(
    ("written", "spelled", "dropped"),
    [
        ("Ñandú pingüino", "Nandu pinguino", 0),
        ("¿Qué? ¡Hola!", "Que? Hola!", 2),
        ("“a” «b» 'c' \"d\"", "a b c d", 8),
        ("5€ … – — nº 3ª 20°", "5EUR ... - - no 3a 20o", 0),
        ("a\u00a0b\tc\r\nd\ne", "a b c d e", 0),
        ("Cafe\u0301\u200b", "Cafe", 0),
        ("½ ﬁn ß", "1/2 fin ss", 0),
        ("👍🏽", "", 1),
        ("👨‍👩‍👧‍👦", "", 1),
        ("🇦🇷🇺🇾", "", 2),
        ("1️⃣ a", " a", 1),
        ("❤️‍🔥 ❤ ☎️", "", 3),
        ("Ana 😀, hola", "Ana, hola", 1),
        ("Hola 😀 Ana", "Hola Ana", 1),
        ("Hola 😀🎉 🎉.", "Hola.", 3),
        ("a😀b", "ab", 1),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿!", "!", 1),
    ],
)
def test_spanish_is_spelled_in_the_alphabet(written: str, spelled: str, dropped: int) -> None:
    assert transliterate(written) == (spelled, dropped)


@settings(deadline=None)
@given(st.text(ALPHABET))
def test_a_text_of_the_alphabet_is_left_alone(text: str) -> None:
    assert transliterate(text) == (text, 0)
    assert outside_alphabet(text) == []
    assert len(text) + 2 * len(re.findall(ENCODED_AS_THREE, text)) == len(quote_plus(text))


@settings(deadline=None)
@given(st.text())
def test_a_text_is_in_the_alphabet_or_the_rest_is_named(text: str) -> None:
    spelled, dropped = transliterate(text)
    left = outside_alphabet(spelled)
    assert set(spelled) <= set(ALPHABET) | set(left)
    assert dropped >= 0
    assert transliterate(spelled)[0] == spelled


@settings(deadline=None)
@given(st.text(ALPHABET + KEPT))
def test_characters_of_addresses_are_never_altered(text: str) -> None:
    assert transliterate(text) == (text, 0)
    assert set(outside_alphabet(text)) == set(text) & set(KEPT)


@settings(deadline=None)
@given(st.lists(st.text(st.one_of(st.sampled_from("áñÜ€º…– \u00a0\n\r“¿👍🏽&aB1"), st.characters())), max_size=8))
def test_a_column_of_texts_is_spelled_as_each_of_them_alone(texts: list[str]) -> None:
    texts = [text for text in texts if not any("\ud800" <= char <= "\udfff" for char in text)]
    frame = pl.DataFrame({"line": range(len(texts)), "c0": texts}, schema={"line": pl.Int64, "c0": pl.String})
    rendered = Renderer((Literal("«"), "c0", Literal("» é")), strict=False).render(frame)
    for text, texto, dropped, changed in rendered.select("c0", "texto", "dropped", "changed").iter_rows():
        spelled, gone = transliterate(text)
        assert texto == spelled + " e"
        assert dropped == gone + 2
        assert changed


def test_strict_text_is_not_touched() -> None:
    frame = pl.DataFrame({"line": [2], "c0": ["José"]})
    rendered = Renderer((Literal("¡"), "c0", Literal("!")), strict=True).render(frame)
    assert rendered["texto"].to_list() == ["¡José!"]
    assert rendered["texto"].str.contains(OUTSIDE).all()


@pytest.mark.parametrize(("text", "found"), [("a *1* b", "*1*"), ("{x}", "{x}"), ("2*3*4", "*3*"), ("* {", None)])
def test_a_placeholder_left_over_is_found(text: str, found: str | None) -> None:
    assert leftover(text) == found


CODES = [
    "Su código de verificación es 1234",
    "CODIGO  DE SEGURIDAD 12",
    "Tu clave de acceso: 1",
    "OTP 1234",
    "PIN de ingreso 12",
    "Your verification code is 12",
    "Tu código es 482910",
    "Código: 1234",
    "Tu codigo es: 482 910",
    "Código de confirmación 1234",
    "Código de activación x",
    "Tu PIN es 1234",
    "PIN 1234",
    "Usa 123456 para verificar tu cuenta",
    "Ingresá el código 1234 para confirmar",
    "verificacion: 1234",
    "Contraseña temporal: x",
    "Su clave de ingreso",
    "482910 es tu código.",
    "482910 es su clave para entrar",
]
NO_CODES = [
    "Su código de cliente es 12",
    "Su código de cliente es 1234",
    "Código de descuento",
    "Usá el código de descuento PROMO10",
    "Su código postal 1425 cambia",
    "El código postal es 1425",
    "Tu código es PROMO10",
    "Mostrá el código 4521 en la caja",
    "1234 es su código de cliente",
    "La clave del éxito",
    "La clave: ahorrar 20%",
    "La clave es llegar temprano",
    "Cambie su contraseña una vez por mes",
    "Llame al 43211234 para confirmar su turno",
    "Usá 2000 puntos para ingresar",
    "Verificación técnica vehicular 2025",
    "Traiga el token que le dimos",
    "Código: 20% en todo",
    "Pinos de seguridad",
    "Opina 1234",
    "El acceso es por la puerta 2",
]


@pytest.mark.parametrize(
    ("text", "verification"), [(text, True) for text in CODES] + [(text, False) for text in NO_CODES]
)
def test_verification_codes_are_told_by_their_words(text: str, verification: bool) -> None:
    assert is_verification(text) is verification
    plain = pl.Series([transliterate(text)[0]])
    assert plain.str.contains(VERIFICATION).to_list() == [verification]


@pytest.mark.parametrize(
    ("text", "company", "named"),
    [
        ("Hola, Ñandú S.A. le avisa", "nandu sa", True),
        ("la vaca", "ACA", False),
        ("De A&B: hola", "A & B", True),
        ("nada", "---", False),
    ],
)
def test_a_company_is_named_as_whole_words(text: str, company: str, named: bool) -> None:
    assert names_company(text, company) is named


def test_a_verification_template_must_name_the_company() -> None:
    template = parse("Su codigo de verificacion es {x}")
    with pytest.raises(UsageError) as caught:
        CompanyRule(template, None)
    assert "DISPATCHER_COMPANY" in str(caught.value.hint)
    with pytest.raises(UsageError):
        CompanyRule(template, "Empresa")
    assert CompanyRule(parse("Empresa: su codigo de verificacion es {x}"), "EMPRESA").settled
