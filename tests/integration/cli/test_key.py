"""`dispatcher key`: a key is shown once, opens the API, is listed without its secret, and ends when it is revoked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from dispatcher.cli import cli
from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from tests.integration.web.serving import Api, serving


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> Any:
        done = CliRunner().invoke(cli, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return call


def test_a_key_lives_from_its_creation_to_its_revocation(
    run: Callable[..., Any], make_runtime: Callable[..., Runtime]
) -> None:
    made = run(
        "key",
        "create",
        "crm",
        "--scope",
        "campaigns:read",
        "--scope",
        "account:read",
        "--expires",
        "2099-01-01",
        "--from",
        "127.0.0.1",
    )
    assert made["key"].startswith(f"smsd_{made['id']}_")
    assert (made["name"], made["scopes"]) == ("crm", ["account:read", "campaigns:read"])
    assert made["expires_at"].startswith("2099-01-01T03:00:00")
    with serving(make_runtime(), web_app.create_app) as url:
        assert Api(url, made["key"]).get("/me").json()["name"] == "crm"
        (listed,) = run("key", "list")["keys"]
        assert listed["last_used_at"]
        assert made["key"][-43:] not in json.dumps(listed)
        assert run("key", "revoke", made["id"])["revoked_at"]
        assert Api(url, made["key"]).get("/me").json()["code"] == "key_revoked"


def test_a_draft_is_created_released_and_its_events_tell_who(
    run: Callable[..., Any], tmp_path: Any, make_runtime: Callable[..., Runtime]
) -> None:
    (tmp_path / "gente.csv").write_text("telefono,nombre\n1144445555,Ana\n")
    number = run("campaign", "create", str(tmp_path / "gente.csv"), "--template", "Hola {nombre}", "--draft")[
        "campaign_id"
    ]
    assert run("campaign", "show", str(number))["state"] == "draft"
    assert run("campaign", "send", str(number))["state"] == "scheduled"
    events = run("campaign", "events", str(number))["events"]
    assert [event["action"] for event in events] == ["campaign.create", "campaign.send"]
    assert all(event["actor"].startswith("user ") for event in events)
