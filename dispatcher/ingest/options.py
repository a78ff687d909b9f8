"""What is asked of a list."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IngestOptions:
    """What is asked of a list.

    Attributes:
        template: the text, with `{column}` where a column goes in.
        country: whose number rules hold: AR, GT, MX, PE or UY.
        company: the name that verification codes must carry.
        to_column, id_column: the columns of the number and of the caller's own id, by heading. Several number columns,
            divided by commas, give the first valid number.
        strict_text: make a row invalid instead of transliterating what is outside the provider's alphabet.
        literal: send what looks like another tool's placeholder as it is written.
        keep_words: send NULL, nan and the like as they are, rather than take them for an empty field.
        area: the area code of Argentina that local numbers belong to.
        first_number: take the first good number of a cell that holds several.
    """

    template: str
    country: str = "AR"
    company: str | None = None
    to_column: str | None = None
    id_column: str | None = None
    strict_text: bool = False
    literal: bool = False
    keep_words: bool = False
    area: str | None = None
    first_number: bool = False
