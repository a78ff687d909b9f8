"""The guide's result codes, and which code each of the provider's sentences means.

Guide: "Envío de mensajes vía http (en tiempo real)", RESPUESTANUMERICA and "Las respuestas posibles".
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

AccountScope = Literal["credentials", "ip", "credit", "contract"]

CODES: dict[int, str] = {
    0: "Mensaje entregado a las telefónicas.",
    1: "Simulacro de envío OK.",
    -1: "El número corresponde a un teléfono fijo.",
    -2: "El número no puede recibir más mensajes porque tuvo muchos fallos en el pasado.",
    -3: "El número no puede recibir más mensajes porque envió la palabra BAJA.",
    -4: "El número recibió un mensaje idéntico hace menos de X tiempo.",
    -5: "El texto del mensaje podría ser categorizado como SPAM.",
    -6: "El texto del mensaje es muy largo",
    -7: "El número debe tener 10 dígitos",
    -8: "El número contiene caracteres inválidos",
    -9: "El número tiene una característica inválida",
    -10: "Destinatario rechazado por la telefónica",
    -11: "El texto del mensaje contiene caracteres inválidos",
    -12: "El número nacional debe comenzar con 1, 2 o 3",
    -14: 'El número se encuentra adherido al registro "No Llame"',
    -99: "Otro",
}
"""The guide's codes in the guide's words, to the letter."""

MEANING: dict[int, str] = {
    0: "Entregado a la compañía telefónica.",
    1: "Simulacro correcto: el mensaje es válido y no se envió.",
    -1: "Es un teléfono fijo: no recibe SMS.",
    -2: "El número falló muchas veces y el proveedor ya no le envía.",
    -3: "La persona pidió la BAJA: no se le puede enviar más.",
    -4: "Ya recibió este mismo mensaje hace poco: no se repitió.",
    -5: "El texto parece SPAM: conviene cambiarlo.",
    -6: "El texto supera los 160 caracteres.",
    -7: "El número no tiene la cantidad de dígitos correcta (10 en Argentina).",
    -8: "El número tiene caracteres que no son dígitos.",
    -9: "El código de área no existe.",
    -10: "La compañía telefónica rechazó al destinatario.",
    -11: "El texto tiene caracteres no permitidos.",
    -12: "El número debe comenzar con 1, 2 o 3.",
    -14: 'El número está en el registro "No Llame".',
    -99: "Otro motivo: ver el texto del proveedor.",
}
"""What each code means to the person who sent the campaign, in plain Spanish."""

OTHER = -99

LONGEST_SENTENCE = 1000
"""Characters of a text that are looked at: a sentence of the provider has about a hundred."""


@dataclass(frozen=True, slots=True)
class _Rule:
    code: int
    needs: tuple[str, ...]
    """Regular expressions over folded words, all of which must be found."""


# First match wins. Beside each rule: the wording it was made from.
_RULES: tuple[_Rule, ...] = (
    # "probando sin enviar"; "Simulacro de envío OK."
    _Rule(1, ("probando sin enviar|simulacro de env[í]o",)),
    _Rule(-14, ("no llame",)),  # 'se encuentra adherido al registro "No Llame"'
    _Rule(-3, (r"\bbaja\b",)),  # "porque envió la palabra BAJA"
    _Rule(-2, ("muchos fallos",)),  # "porque tuvo muchos fallos en el pasado"
    _Rule(-4, ("mensaje id[é]ntico",)),  # "recibió un mensaje idéntico hace menos de 48 horas"
    _Rule(-1, ("tel[é]fono fijo|l[í]nea fija",)),  # "corresponde a un teléfono fijo"
    _Rule(-5, (r"\bspam\b",)),  # "podría ser categorizado como SPAM"
    _Rule(OTHER, ("campo personalizable",)),  # "contiene un campo personalizable que no ha sido completado"
    _Rule(OTHER, ("agotado", r"\bsms\b")),  # "se han agotado los NNNN SMS contratados"
    _Rule(OTHER, ("contrato", "ha expirado")),  # "el contrato para enviar SMS ha expirado el XXXX de XXXMES"
    _Rule(-6, (r"\btexto\b", "muy largo")),  # "el texto del mensaje es muy largo (máximo 160 caracteres)"
    # "el texto del mensaje contiene caracteres inválidos"
    _Rule(-11, (r"\btexto\b", "caracteres inv[á]lidos")),
    # "El número contiene caracteres inválidos"
    _Rule(-8, ("n[ú]mero|celular|destin", "caracteres inv[á]lidos")),
    _Rule(-9, ("caracter[í]stica inv[á]lida",)),  # "El número tiene una característica inválida"
    _Rule(-12, (r"comenzar con 1 2 [oy0] 3",)),  # "El número nacional debe comenzar con 1, 2 o 3"
    _Rule(-7, (r"debe tener \d+ d[í]gitos",)),  # "El número debe tener 10 dígitos"
    # "el número de celular es muy corto", "… muy largo"
    _Rule(-7, ("n[ú]mero|celular", "muy corto|muy largo")),
    _Rule(-10, ("rechazado por la tel[é]f[ó]nica|destinatario rechazado",)),
    # "OK"; "Mensaje entregado a las telefónicas."
    _Rule(0, ("mensaje entregado a las tel[e]f[ó]nicas|^ok$",)),
    _Rule(OTHER, ("^otro$",)),  # "Otro"
)

_REFUSED = (
    r"incorrect|inv[á]lid|inexistente|err[ó]ne|desconocid|denegad|rechazad|fallid"
    r"|no (?:es |fue |est[á] |se encuentra )?(?:v[á]lid|autorizad|reconocid|encontrad|registrad|habilitad)"
    r"|no existe"
    r"|no (?:corresponde|coincide)|falta|obligatori|requerid|debe (?:indicar|especificar|ingresar|colocar)"
)
_NOT_ALLOWED = (
    r"no (?:\w+ ){0,3}(?:permitid|habilitad|autorizad|registrad|v[á]lid)"
    r"|inv[á]lid|denegad|bloquead|rechazad|restringid|inhabilitad|deshabilitad"
)
_CREDENTIAL = r"(?:api ?key|usuario|clave|contrase[ñ]a|password|login)"
_THE = r"(?:(?:el|la|los|las|su|sus|tu) )?"
_OVER = r"(?:deshabilitad|inhabilitad|bloquead|suspendid|vencid|expirad|caducad)[oa]s?"
# "credentials" and "ip" put the chunk back in the queue as not taken, so the sentence must name both the thing and what
# is wrong with it.
_ACCOUNT_RULES: tuple[tuple[AccountScope, tuple[str, ...]], ...] = (
    ("credit", ("agotado", r"\bsms\b")),
    (
        "credit",
        (r"(?:saldo|cr[é]dito) insuficiente|(?:sin|no posee|no tiene) (?:saldo|cr[é]dito)",),
    ),
    ("contract", ("contrato|paquete", r"(?:ha|est[á]) (?:expirado|vencido)|expir[ó]|venci[ó]")),
    ("ip", (r"\bips?\b", _NOT_ALLOWED)),
    # "Su IP (1.2.3.4) no tiene permiso"; "La dirección IP no está en la lista de IPs permitidas"
    (
        "ip",
        (
            rf"^{_THE}(?:direcci[ó]n )?ip (?:[0-9a-f]{{1,4}} ){{0,8}}"
            r"no (?:tiene permisos?|(?:est[á]|figura|se encuentra) en la lista)\b",
        ),
    ),
    (
        "credentials",
        (r"\bapi ?key\b|\busuario\b|\bclave\b|contrase[ñ]a|password|credencial|autenticaci[ó]n", _REFUSED),
    ),
    # "Acceso denegado"; "No autorizado"; "Error de autenticación"; "No se pudo autenticar"
    (
        "credentials",
        (
            r"^(?:acceso denegado|(?:acceso )?no autorizado|error (?:de|en la) autenticaci[ó]n"
            r"|no se (?:pudo|puede|ha podido) autenticar(?: (?:al|el) usuario)?)$",
        ),
    ),
    # "Error en usuario o clave"
    ("credentials", (rf"^error (?:en|de) {_THE}{_CREDENTIAL}(?: (?:y|o|y o) {_THE}{_CREDENTIAL})*$",)),
    # "Datos de acceso incorrectos"; "Login incorrecto"
    ("credentials", (rf"^{_THE}(?:datos de acceso|login) (?:es |son )?(?:{_REFUSED})\w*$",)),
    # "Usuario deshabilitado"; "Usuario bloqueado"; "Apikey vencida". Whole: a recipient may be called usuario too.
    ("credentials", (rf"^{_THE}{_CREDENTIAL} (?:est[á] |fue |ha sido |se encuentra |ha )?{_OVER}$",)),
)

# "el texto tiene una palabra clave inválida" refuses no credential.
_OF_A_MESSAGE = re.compile(r"\b(?:textos?|palabras?|destinatari[oa]s?)\b")
_NUMBER_PREFIX = re.compile(r"\s*\d{1,20}\s*:\s*")
_NUMERIC_ANSWER = re.compile(r"\s*(-?\d{1,3})\s*;(.*)", re.DOTALL)
_ACCENT_CLASS = re.compile(r"\[([^\]\W\d_])\]")


def strip_number(text: str) -> str:
    """`text` without the "NUMBER: " that the provider puts before a sentence."""
    found = _NUMBER_PREFIX.match(text)
    return text[found.end() :] if found else text


@lru_cache(maxsize=4096)
def sentence_to_code(text: str) -> tuple[int, bool]:
    """The guide's code for a result text, and whether the text was recognised.

    Takes "OK", a sentence with or without its "NUMBER: ", and the numeric form "code;text". What is not
    recognised is (-99, False): the caller keeps the text and counts it.
    """
    numeric = _NUMERIC_ANSWER.match(text)
    if numeric:
        if int(numeric[1]) in CODES:
            return int(numeric[1]), True
        text = numeric[2]
    words = fold(strip_number(text))
    for code, needs in _COMPILED:
        if all(need.search(words) for need in needs):
            return code, True
    return OTHER, False


def account_scope(text: str) -> AccountScope | None:
    """What an account-level sentence complains about; None for every other text.

    A sentence about one line (it begins with a number, is one of the guide's, or names the text or its recipient) never
    counts as refused credentials: the post was read, and lines before that one may have been taken.
    """
    sentence = strip_number(text)
    words = fold(sentence)
    about_a_line = sentence != text or sentence_to_code(text)[1] or _OF_A_MESSAGE.search(words)
    for scope, needs in _COMPILED_ACCOUNT:
        if scope in ("credentials", "ip") and about_a_line:
            continue
        if all(need.search(words) for need in needs):
            return scope
    return None


def fold(text: str) -> str:
    """Lower-case words of `text` without accents, one blank between them.

    A letter that was lost on the way (`n?mero`) becomes a blank, which the patterns allow for; UTF-8 that was
    read as latin-1 (`nÃºmero`) is put right first.
    """
    text = text[:LONGEST_SENTENCE]
    if "Ã" in text:
        with contextlib.suppress(UnicodeError):
            text = text.encode("latin-1").decode("utf-8")
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[\W_]+", " ", plain.casefold()).split())


def _pattern(expression: str) -> re.Pattern[str]:
    """Compile a need: a letter in brackets carries an accent and may have been lost on the way."""
    return re.compile(_ACCENT_CLASS.sub(lambda m: f"[{fold(m[1])} ]?", expression))


_COMPILED = tuple((rule.code, tuple(map(_pattern, rule.needs))) for rule in _RULES)
_COMPILED_ACCOUNT = tuple((scope, tuple(map(_pattern, needs))) for scope, needs in _ACCOUNT_RULES)
