"""What the command line prints: people's words as they are."""

import json

import pytest

from dispatcher.cli.output import Output

WORDS = "[/b] hola [red]x[/red] [\\] \\"


def test_what_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.table("Replies [x]", ["text"], [[WORDS]])
    output.say(WORDS)
    assert capsys.readouterr().out.count(WORDS) == 2
    with pytest.raises(SystemExit):
        output.fail(WORDS, WORDS, 2)
    assert capsys.readouterr().err.count(WORDS) == 2


def test_with_json_there_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.table("Replies", ["text"], [[WORDS]])
    output.say(WORDS)
    with pytest.raises(SystemExit):
        output.fail(WORDS, None, 2)
    assert json.loads(capsys.readouterr().out) == {"error": WORDS, "hint": None}


def test_a_name_cannot_begin_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    forged = "uno\nstate: completed\r" + "x" * 90 + " state: completed"
    output.say(f"Campaign «{forged}»: draft")
    output.note(forged)
    with pytest.raises(SystemExit):
        output.fail(forged, forged, 2)
    told = capsys.readouterr()
    assert len((told.out + told.err).splitlines()) == 4
    assert "\\nstate: completed\\r" in told.out


@pytest.mark.parametrize("hidden", ["\u200b", "\xad", "\ufeff", "\u2060", "\u3164", "\U000e0041", "\ufff9"])
def test_what_takes_no_place_is_shown(hidden: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.say(f"Ana{hidden}")
    output.table("Names", ["name"], [[f"Ana{hidden}"]])
    told = capsys.readouterr().out
    assert hidden not in told
    assert told.count("Ana\\") == 2
