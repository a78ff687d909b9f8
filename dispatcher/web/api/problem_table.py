"""Every `code` of the API's problems: its HTTP status and its words. `docs/api.md` shows the same table."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of problem; `detail` may have fields in braces."""

    status: int
    title: str
    detail: str
    title_es: str
    detail_es: str


_K = Kind
KINDS: dict[str, Kind] = {
    "bad_request": _K(
        400,
        "The request cannot be read",
        "{why}",
        "No se puede leer el pedido",
        "{why}",
    ),
    "bad_json": _K(
        400,
        "The body is not the JSON that is taken here",
        "{why}",
        "El cuerpo no es el JSON que se espera",
        "{why}",
    ),
    "bad_cursor": _K(
        400,
        "The cursor is not one of this list",
        "Send next_cursor of the answer before, unchanged, with the same filters; or leave cursor out to begin anew.",
        "El cursor no es de esta lista",
        "Envíe el next_cursor de la respuesta anterior, sin cambios y con los mismos filtros; o no envíe cursor para "
        "empezar de nuevo.",
    ),
    "idempotency_key_missing": _K(
        400,
        "The header Idempotency-Key is missing",
        "Send Idempotency-Key: any text of your own that is new for each thing to do, such as a UUID. Sent again with "
        "the same body it does nothing twice.",
        "Falta el encabezado Idempotency-Key",
        "Envíe Idempotency-Key: un texto propio, nuevo para cada operación, por ejemplo un UUID. Repetido con el mismo "
        "cuerpo no hace nada dos veces.",
    ),
    "idempotency_key_invalid": _K(
        400,
        "The header Idempotency-Key cannot be used",
        "It must be 1 to 200 printable ASCII characters.",
        "El encabezado Idempotency-Key no sirve",
        "Debe tener de 1 a 200 caracteres ASCII imprimibles.",
    ),
    "key_missing": _K(
        401,
        "No key was sent",
        "Send the header Authorization: Bearer KEY. `dispatcher key create` makes a key.",
        "No se envió una clave",
        "Envíe el encabezado Authorization: Bearer CLAVE. `dispatcher key create` crea una clave.",
    ),
    "key_malformed": _K(
        401,
        "This is not a key of the dispatcher",
        "A key has the form smsd_<8 characters>_<43 characters>. Was it cut when it was copied?",
        "Esto no es una clave del despachador",
        "Una clave tiene la forma smsd_<8 caracteres>_<43 caracteres>. ¿Se cortó al copiarla?",
    ),
    "key_unknown": _K(
        401,
        "This key is not known here",
        "This database has no such key: it was made for another installation, or was not copied exactly. "
        "`dispatcher key list` shows the keys of this one.",
        "No se conoce esta clave",
        "Esta base de datos no tiene esa clave: es de otra instalación o no se copió exactamente. "
        "`dispatcher key list` muestra las de esta.",
    ),
    "key_revoked": _K(
        401,
        "This key was revoked",
        "Somebody ended it for good. Make a new one with `dispatcher key create`.",
        "Esta clave fue revocada",
        "Alguien la anuló para siempre. Cree una nueva con `dispatcher key create`.",
    ),
    "key_expired": _K(
        401,
        "This key has expired",
        "Make a new one with `dispatcher key create`, with a later --expires or none.",
        "Esta clave venció",
        "Cree una nueva con `dispatcher key create`, con un --expires posterior o sin él.",
    ),
    "key_network": _K(
        403,
        "This key may not be used from here",
        "The address {address} is in none of the networks that the key was made for (--from).",
        "Esta clave no puede usarse desde aquí",
        "La dirección {address} no está en ninguna de las redes de la clave (--from).",
    ),
    "scope_missing": _K(
        403,
        "This key lacks a scope",
        "This call needs the scope {scope}. A key's scopes cannot change: make a new key with `dispatcher key create "
        "NAME --scope {scope}`.",
        "A esta clave le falta un permiso",
        "Esta llamada necesita el permiso {scope}. Los permisos de una clave no cambian: cree otra con `dispatcher key "
        "create NOMBRE --scope {scope}`.",
    ),
    "not_found": _K(
        404,
        "There is nothing here",
        "{why}",
        "Aquí no hay nada",
        "{why}",
    ),
    "method_not_allowed": _K(
        405,
        "This cannot be done here",
        "{method} means nothing for this address; the header Allow says what does.",
        "Esto no se puede hacer aquí",
        "{method} no significa nada para esta dirección; el encabezado Allow dice qué sí.",
    ),
    "body_too_slow": _K(
        408,
        "The body did not come in time",
        "Send the same again over a better connection.",
        "El cuerpo no llegó a tiempo",
        "Envíe lo mismo otra vez con una conexión mejor.",
    ),
    "idempotency_key_reused": _K(
        409,
        "The Idempotency-Key belongs to another request",
        "Another body came under this key before. Use a new key for a new thing to do.",
        "La Idempotency-Key es de otro pedido",
        "Antes llegó otro cuerpo con esta clave. Use una nueva para una operación nueva.",
    ),
    "wrong_state": _K(
        409,
        "The state does not allow it",
        "It is {state}; this is possible in these states: {allowed}.",
        "El estado no lo permite",
        "Está en {state}; esto es posible en estos estados: {allowed}.",
    ),
    "conflict": _K(409, "Something stands in the way", "{why}", "Algo lo impide", "{why}"),
    "body_too_large": _K(
        413,
        "The body is too large",
        "At most {limit} bytes are taken here. {instead}",
        "El cuerpo es demasiado grande",
        "Aquí se aceptan como máximo {limit} bytes. {instead}",
    ),
    "unsupported_media_type": _K(
        415,
        "The body is of a kind that is not taken here",
        "Send it as {kinds}, and say so in Content-Type.",
        "El tipo del cuerpo no se acepta aquí",
        "Envíelo como {kinds} e indíquelo en Content-Type.",
    ),
    "compressed": _K(
        415,
        "The body is compressed",
        "Send it as it is, without Content-Encoding.",
        "El cuerpo está comprimido",
        "Envíelo tal cual, sin Content-Encoding.",
    ),
    "invalid_fields": _K(
        422,
        "Some fields cannot be used as they are",
        "errors names each of them.",
        "Algunos campos no sirven así",
        "errors nombra cada uno.",
    ),
    "refused": _K(422, "This cannot be done as it was asked", "{why}", "No se puede hacer lo pedido", "{why}"),
    "value_not_storable": _K(
        422,
        "A value cannot be stored",
        "The database cannot hold a value that was sent, such as a text with a NUL: change it.",
        "Un valor no se puede guardar",
        "La base de datos no puede guardar un valor enviado, por ejemplo un texto con un NUL: cámbielo.",
    ),
    "rate_limited": _K(
        429,
        "Too many calls with this key",
        "Wait as many seconds as Retry-After says, then go on more slowly.",
        "Demasiadas llamadas con esta clave",
        "Espere los segundos que dice Retry-After y siga más despacio.",
    ),
    "internal_error": _K(
        500,
        "Something is wrong on our side",
        "It was logged under this request's id. The same call may be made again.",
        "Algo anda mal de nuestro lado",
        "Quedó registrado con el id de este pedido. La misma llamada puede repetirse.",
    ),
    "database_unavailable": _K(
        503,
        "The database does not answer just now",
        "Send the same again after as many seconds as Retry-After says.",
        "La base de datos no responde en este momento",
        "Envíe lo mismo otra vez después de los segundos que dice Retry-After.",
    ),
    "database_refused": _K(
        503,
        "The database refuses the dispatcher",
        "Nothing is wrong with the request. Whoever runs the dispatcher must set this right: `dispatcher doctor` says "
        "what it is. The same request can be sent again afterwards.",
        "La base de datos rechaza al despachador",
        "El pedido está bien. Quien opera el despachador debe corregirlo: `dispatcher doctor` dice qué es. Después "
        "se puede enviar el mismo pedido.",
    ),
    "broker_unavailable": _K(
        503,
        "The broker does not answer just now",
        "Send the same again after as many seconds as Retry-After says.",
        "El intermediario de mensajes no responde en este momento",
        "Envíe lo mismo otra vez después de los segundos que dice Retry-After.",
    ),
    "provider_unavailable": _K(
        503,
        "The provider does not answer just now",
        "Send the same again after as many seconds as Retry-After says.",
        "El proveedor no responde en este momento",
        "Envíe lo mismo otra vez después de los segundos que dice Retry-After.",
    ),
}
"""By `code`, which never changes its meaning."""

LATER = frozenset({"database_unavailable", "broker_unavailable", "provider_unavailable"})
"""Codes of which the same may succeed a little later."""
