"""The document of the API is the committed one, whole, and true; the page about it can be followed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.runtime import Runtime
from dispatcher.web.api.problem_table import KINDS
from ops import api_pages
from tests.integration.web.serving import Api, serving_api

PAGE = api_pages.PAGE.read_text(encoding="utf-8")
FENCE = re.compile(r"^```(sh|python)( task)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def api(make_runtime: Callable[..., Runtime]) -> Iterator[Api]:
    with serving_api(make_runtime()) as api:
        yield api


def test_the_committed_document_and_page_are_what_the_code_makes() -> None:
    assert api_pages.DOCUMENT.read_text(encoding="utf-8") == api_pages.openapi(), "run `make docs`"
    assert api_pages.page(PAGE) == PAGE, "run `make docs`"


def test_every_operation_has_a_name_of_its_own_a_summary_and_its_problems() -> None:
    document = json.loads(api_pages.openapi())
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", operation["operationId"])
        assert operation["summary"]
        assert operation["description"]
        assert operation["security"] == [{"key": []}]
        for status, answer in operation["responses"].items():
            if not status.startswith("2"):
                for code, example in answer["content"]["application/problem+json"]["examples"].items():
                    assert KINDS[code].status == int(status) == example["value"]["status"]


def test_no_call_takes_an_address_that_we_would_call() -> None:
    """But a webhook's: tests/contract/test_webhook_calls.py shows which addresses are refused."""
    document = json.loads(api_pages.openapi())
    names = [
        (place, name, field)
        for place, schema in document["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
    ] + [
        (path, parameter["name"], parameter["schema"])
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
    ]
    assert len(names) > 100
    answers = {"AccountRef", "Problem"}  # which say our own
    webhooks = {place for place, name, _ in names if "webhook" in place.lower()}
    assert webhooks
    for place, name, field in names:
        assert place in answers | webhooks or not re.search(
            "ur[il]|host|callback|address|endpoint", name, re.IGNORECASE
        ), (
            place,
            name,
        )
        assert '"uri"' not in json.dumps(field), (place, name)


def test_every_problem_has_both_languages_with_the_same_fields() -> None:
    for code, kind in KINDS.items():
        fields = [set(re.findall(r"\{(\w+)\}", words)) for words in (kind.detail, kind.detail_es)]
        assert fields[0] == fields[1], code
        assert kind.title != kind.title_es


def test_the_five_tasks_of_the_page_work_in_curl_and_in_python(api: Api, tmp_path: Path) -> None:
    key = str(api.session.headers["Authorization"]).removeprefix("Bearer ")
    environment = {**os.environ, "DISPATCHER_API_URL": api.base, "DISPATCHER_SERVICE_KEY": key, "no_proxy": "*"}
    tasks = [(kind, text) for kind, task, text in FENCE.findall(PAGE) if task]
    assert [kind for kind, _ in tasks] == ["sh", "python"] * 5
    begin = next(text for kind, _, text in FENCE.findall(PAGE) if kind == "python")
    script = tmp_path / "tasks.py"
    script.write_text(begin + "".join(text for kind, text in tasks if kind == "python"))
    for kind, text in tasks:
        if kind == "sh":
            done = subprocess.run(["sh", "-ec", text], env=environment, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (text, done.stdout, done.stderr)
            assert done.stdout
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[-1] for line in lines] == ["0", "scheduled", lines[2].split()[-1], "0", "None"]
