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
