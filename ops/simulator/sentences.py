"""What the provider says, in the guide's words. A result line reads `OK` or `NUMBER: sentence`."""

from __future__ import annotations

from datetime import date

OK = "OK"
PENDING = "PENDIENTE"

TEXT_TOO_LONG = "el texto del mensaje es muy largo (máximo 160 caracteres)"
TEXT_CHARACTERS = "el texto del mensaje contiene caracteres inválidos"
TEXT_FIELD = "el texto del mensaje contiene un campo personalizable que no ha sido completado (ejemplo: *1*)"
NUMBER_SHORT = "el número de celular es muy corto"
NUMBER_LONG = "el número de celular es muy largo"
NUMBER_CHARACTERS = "el número contiene caracteres inválidos"
NUMBER_FIRST_DIGIT = "el número nacional debe comenzar con 1, 2 o 3"
NUMBER_PREFIX = "el número tiene una característica inválida"
OPTED_OUT = "el número no puede recibir más mensajes porque envió la palabra BAJA"
NO_CALL = 'el número se encuentra adherido al registro "No Llame"'
TEST = "probando sin enviar"

# The codes of the unit endpoint, in the sentences that bulk uses for them.
BY_CODE: dict[int, str] = {
    0: OK,
    1: TEST,
    -1: "el número corresponde a un teléfono fijo",
    -2: "el número no puede recibir más mensajes porque tuvo muchos fallos en el pasado",
    -3: OPTED_OUT,
    -4: "el número recibió un mensaje idéntico hace menos de 48 horas (no se hará el envío).",
    -5: "el texto del mensaje podría ser categorizado como SPAM",
    -6: TEXT_TOO_LONG,
    -7: NUMBER_SHORT,
    -8: NUMBER_CHARACTERS,
    -9: NUMBER_PREFIX,
    -10: "destinatario rechazado por la telefónica",
    -11: TEXT_CHARACTERS,
    -12: NUMBER_FIRST_DIGIT,
    -14: NO_CALL,
    -99: "error desconocido",
}

BAD_CREDENTIALS = "Usuario o clave incorrectos."
BAD_KEY = "La apikey es incorrecta."
IP_NOT_ALLOWED = "Acceso denegado: la IP {ip} no se encuentra habilitada."
MISSING_KEY = "Falta el parámetro APIKEY."
MISSING_BLOCK = "Falta el parámetro BLOQUE."
MISSING_API = "Falta el parámetro API."
MISSING_TOS = "Falta el parámetro TOS."
MISSING_TEXT = "Falta el parámetro TEXTO."
BAD_IDINTERNO = "el parámetro IDINTERNO debe ser alfanumérico, de 50 caracteres como máximo"
MISSING_QUESTION = "Falta el parámetro IDINTERNO o FECHA."
NO_PREPAID = "El usuario no posee un plan prepago."

_CODES = {**{sentence: code for code, sentence in BY_CODE.items()}, NUMBER_LONG: -7}

MONTHS = (
    *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
    *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
)


def code_of(sentence: str) -> int:
    """The guide's code of a sentence (RESPUESTANUMERICA); -99 for what has none of its own."""
    if sentence.startswith("el número recibió un mensaje idéntico"):
        return -4
    return _CODES.get(sentence, -99)


def identical(hours: float) -> str:
    return f"el número recibió un mensaje idéntico hace menos de {hours:g} horas (no se hará el envío)."


def exhausted(contracted: int) -> str:
    return f"se han agotado los {contracted} SMS contratados"


def expired(day: date) -> str:
    return f"el contrato para enviar SMS ha expirado el {day.day} de {MONTHS[day.month - 1]}"


def outside_window(window: str) -> str:
    return f"el envío se encuentra fuera de la franja horaria habilitada ({window})"
