"""Why a field cannot be used, in the caller's language: pydantic's own words in English, ours in Spanish."""

from collections.abc import Mapping
from typing import Any

from dispatcher.i18n.words import Language, translated

_LONGEST = 500

SPANISH = {
    "bool_parsing": "debe ser true o false",
    "bool_type": "debe ser true o false",
    "date_from_datetime_parsing": "debe ser una fecha",
    "datetime_from_date_parsing": "debe ser una fecha con hora",
    "datetime_object_invalid": "no es un momento que exista",
    "datetime_parsing": "debe ser una fecha con hora",
    "datetime_type": "debe ser una fecha con hora",
    "dict_type": "debe ser un objeto",
    "enum": "debe ser {expected}",
    "extra_forbidden": "no existe un campo con este nombre",
    "finite_number": "debe ser un número finito",
    "float_parsing": "debe ser un número",
    "float_type": "debe ser un número",
    "greater_than_equal": "debe ser {ge} o más",
    "idinterno": "debe tener de 1 a 50 letras y dígitos",
    "int_from_float": "debe ser un número entero",
    "int_parsing": "debe ser un número entero",
    "int_parsing_size": "debe ser un número entero, no tan largo",
    "int_type": "debe ser un número entero",
    "invalid_key": "los nombres deben ser textos",
    "less_than_equal": "debe ser {le} o menos",
    "list_type": "debe ser una lista",
    "literal_error": "debe ser {expected}",
    "missing": "falta este campo",
    "model_attributes_type": "debe ser un objeto",
    "model_type": "debe ser un objeto",
    "string_pattern_mismatch": "debe tener la forma {pattern}",
    "string_too_long": "debe tener {max_length} caracteres como máximo",
    "string_too_short": "debe tener {min_length} caracteres como mínimo",
    "string_type": "debe ser un texto",
    "string_unicode": "debe ser un texto con caracteres válidos",
    "timezone_aware": "debe decir su diferencia con UTC, por ejemplo -03:00",
    "too_long": "debe tener {max_length} elementos como máximo",
    "too_short": "debe tener {min_length} elementos como mínimo",
}
"""By pydantic's type of error."""


def sentence(error: Mapping[str, Any], language: Language) -> str:
    """What is wrong with one field."""
    spanish = SPANISH.get(error["type"]) if language == "es" else None
    if spanish is not None:
        return spanish.format_map(_Told(error.get("ctx") or {}))[:_LONGEST]
    return translated(str(error["msg"]).removeprefix("Value error, "), language)[:_LONGEST]


class _Told(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "otro"
