"""`dispatcher person show`, as programs and people read it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from dispatcher.cli import cli
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(cli, ["person", "show", *arguments])


def test_a_check_says_whether_a_number_gets_messages(
    run: Callable[..., Any], make_runtime: Callable[..., Runtime]
) -> None:
    def check(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["optout", "check", *arguments])

    stepper = Stepper(make_runtime())
    assert check("011 15 4444-5555").output.strip() == "1144445555 gets messages."
    stepper.sql("INSERT INTO optout (destino, source, since) VALUES ('1144445555', 'import', '2026-03-01 02:30Z')")
    assert check("1144445555").output.strip() == "1144445555 opted out on 2026-02-28 23:30:00 (file)."
    stepper.sql("INSERT INTO undeliverable VALUES ('1144445555', -2, now(), now() + interval '9 days')")
    found = json.loads(check("1144445555", "--json").stdout)
    assert [each["source"] for each in found["optouts"]] == ["import"]
    assert [each["code"] for each in found["undeliverable"]] == [-2]
    assert check("nadie").exit_code == 2


def test_a_number_in_any_form_shows_what_is_known(
    run: Callable[..., Any], make_runtime: Callable[..., Runtime]
) -> None:
    stepper = Stepper(make_runtime())
    campaign = stepper.load(2)
    number = stepper.sql("SELECT destino FROM message WHERE seq = 1")[0].destino
    stepper.sql("UPDATE campaign SET created_at = '2026-03-01 02:30:00+00'")
    stepper.sql("INSERT INTO optout_event (destino, action, source) VALUES (:n, 'add', 'import')", n=number)
    found = json.loads(run(f"0{number[:2]} 15 {number[2:]}", "--json").stdout)
    assert found["number"] == number
    assert [(m["campaign_id"], m["seq"], m["status"]) for m in found["messages"]] == [(campaign, 1, "pending")]
    assert (found["replies"], [o["source"] for o in found["optouts"]]) == ([], ["import"])
    readable = run(number)
    assert readable.exit_code == 0
    assert re.search(r"2026-02-28 23:30:00", readable.output), readable.output


def test_what_is_no_number_is_bad_usage(run: Callable[..., Any]) -> None:
    assert run("nadie").exit_code == 2
    assert run("1144440000").output.strip() == "Nothing is known about 1144440000."
