"""Values that are not text (numbers, dates, booleans) as people see them in a spreadsheet. Pure."""

from __future__ import annotations

import datetime
from decimal import Decimal


def shown_value(value: object) -> str | None:
    """Return `value` as a person reads it, None for no value; TypeError for a list or an object.

    1144445555.0 is "1144445555", 1500.5 is "1500.5", and none has an exponent. Dates are dd/mm/yyyy, with the
    time unless it is midnight.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "VERDADERO" if value else "FALSO"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Decimal):
        return format(value, "f").removesuffix(".0")
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.strftime("%d/%m/%Y" if midnight else "%d/%m/%Y %H:%M" + ":%S" * bool(value.second))
    if isinstance(value, datetime.date):
        return value.strftime("%d/%m/%Y")
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M" + ":%S" * bool(value.second))
    if isinstance(value, datetime.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
    raise TypeError(f"{type(value).__name__} is not a single value")


def _number(value: float) -> str:
    if value.is_integer():
        return str(int(value))
    # A spreadsheet shows 15 digits: 0.1 + 0.2 is 0.3 there.
    return format(Decimal(format(value, ".15g")), "f")
