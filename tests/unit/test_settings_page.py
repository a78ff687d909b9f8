"""docs/settings.md is what the fields of `Settings` say, and every field has a description."""

import re

import pytest

from dispatcher.config import Settings
from ops import settings_page
from ops.settings_page import GROUPS, PAGE, Told, page


def test_the_page_is_what_make_docs_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_setting_has_its_row() -> None:
    rows = re.findall(r"^\| `DISPATCHER_(\w+)` \|", page(), re.MULTILINE)
    assert sorted(rows) == sorted(name.upper() for name in Settings.model_fields)


def test_a_setting_without_a_description_is_named() -> None:
    fewer = {title: {name: told for name, told in group.items() if name != "rate"} for title, group in GROUPS.items()}
    with pytest.raises(ValueError, match=r"without a description.*: rate$"):
        page(fewer)


def test_a_description_without_a_setting_is_named() -> None:
    with pytest.raises(ValueError, match=r"no settings: sped$"):
        page({**GROUPS, "More": {"sped": Told("Speed.")}})


def test_a_setting_that_is_described_twice_is_named() -> None:
    with pytest.raises(ValueError, match=r"described twice.*: rate$"):
        page({**GROUPS, "More": {"rate": Told("Again.")}})


def test_no_words_hide_a_default_that_the_code_has() -> None:
    told = {**GROUPS["Pace"], "rate": Told("Messages a minute.", "unlimited")}
    with pytest.raises(ValueError, match="rate has the default 0"):
        page({**GROUPS, "Pace": told})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("apikey", "text, *secret*"),
        ("home", "path"),
        ("inbox_mark", "`true`, `false`"),
        ("country", "`AR`, `GT`, `MX`, `PE`, `UY`"),
        ("concurrency", "integer, 1 to 64"),
        ("rate", "integer, 0 or more"),
        ("provider_timeout", "number, above 0 and up to 600"),
        ("upload_max", "bytes, or with a unit: `500 MB`, `2 GiB`"),
    ],
)
def test_the_values_come_from_the_field(name: str, words: str) -> None:
    assert settings_page._values(name, Settings.model_fields[name]) == words
