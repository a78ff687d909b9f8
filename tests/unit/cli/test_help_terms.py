"""`dispatcher help terms`: every word is explained, in both languages, and is in the glossary."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dispatcher.cli import cli
from dispatcher.cli.help_terms import TERMS

GLOSSARY = Path(__file__).resolve().parents[3] / "docs" / "glossary.md"


def test_the_words_that_an_operator_must_know_are_explained() -> None:
    assert {"chunk", "doubt", "held", "canary", "window"} <= set(TERMS)
    said = CliRunner().invoke(cli, ["help", "terms"], env={"DISPATCHER_LANGUAGE": "en", "COLUMNS": "60"})
    assert said.exit_code == 0
    assert max(map(len, said.stdout.splitlines())) <= 60
    flat = " ".join(said.stdout.split())
    for term, words in TERMS.items():
        assert f"{term} {words}" in flat


@pytest.mark.parametrize("asked", ["held", "Retenidos"])
def test_one_term_is_asked_for_in_either_language(asked: str) -> None:
    result = CliRunner().invoke(cli, ["help", "terms", asked, "--json"], env={"DISPATCHER_LANGUAGE": "es"})
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["terms"]
    assert list(found) == ["held"]
    assert "campaign resolve" in found["held"]


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_in_the_glossary(term: str) -> None:
    first = [
        line.split("|")[1].casefold() for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if "| **" in line
    ]
    assert any(term in each for each in first), term
