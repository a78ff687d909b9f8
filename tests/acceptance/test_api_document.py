"""The OpenAPI document, as tools of others read it: a tester of every route, and a generator of clients."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.campaigns import request_loading
from dispatcher.runtime import Runtime
from tests.integration.stepper import Stepper
from tests.integration.web.serving import Api, serving_api

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "openapi.json"
BIN = Path(sys.executable).parent

_ALLOWED = """\
[checks.positive_data_acceptance]
# What only the data can say is refused too: a number of another country, a cursor of another list, a list without rows.
expected-statuses = ["2xx", "400", "404", "409", "415", "422"]
"""
_GENERATOR = """\
post_hooks: []
project_name_override: sms
package_name_override: sms
content_type_overrides:
  text/csv: application/octet-stream
  application/x-ndjson: application/octet-stream
  application/vnd.openxmlformats-officedocument.spreadsheetml.sheet: application/octet-stream
"""
_PROGRAM = """\
import io, json, os, time
from sms import AuthenticatedClient
from sms.api.campaigns import create_campaign, get_campaign
from sms.api.results import list_messages
from sms.api.uploads import create_upload
from sms.models import CampaignCreate, CampaignCreateRecipientsType0Item as Recipient
from sms.types import File

client = AuthenticatedClient(os.environ["URL"], token=os.environ["KEY"], raise_on_unexpected_status=True)
rows = [Recipient.from_dict({"telefono": "1144445555", "nombre": "Ana"})]
inline = create_campaign.sync(
    client=client, idempotency_key="inline", body=CampaignCreate(template="Hola {nombre}", recipients=rows))
upload = create_upload.sync(client=client, body=File(io.BytesIO(b"telefono;nombre\\n1144446666;Eva\\n")))
listed = create_campaign.sync(
    client=client, idempotency_key="listed", body=CampaignCreate(template="Hola {nombre}", upload_id=upload.upload_id))
answer = []
for made in (inline, listed):
    while get_campaign.sync(made.campaign_id, client=client).state != "completed":
        time.sleep(0.1)
    answer += [[row.number, row.status] for row in list_messages.sync(made.campaign_id, client=client).data]
print(json.dumps(answer))
"""


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime(api_rate="10000")


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving_api(runtime) as api:
        yield api


@pytest.mark.slow
def test_no_request_that_the_document_allows_or_forbids_is_answered_otherwise(api: Api, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(_ALLOWED)
    key = api.session.headers["Authorization"]
    command = [str(BIN / "schemathesis"), "run", f"{api.base}/api/v1/openapi.json", "-H", f"Authorization: {key!s}"]
    options = [
        "--checks",
        "all",
        "--phases",
        "examples,coverage,fuzzing,stateful",
        "--max-examples",
        "25",
        "--seed",
        "1",
    ]
    limits = ["--request-timeout", "60", "--suppress-health-check", "all", "--no-color"]
    ran = subprocess.run([*command, *options, *limits], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    cases = re.search(r"([\d,]+) generated, ([\d,]+) passed", ran.stdout)
    assert cases
    assert int(cases[1].replace(",", "")) > 1000


@pytest.mark.slow
def test_a_client_that_was_generated_creates_campaigns_and_reads_their_results(
    api: Api, runtime: Runtime, tmp_path: Path
) -> None:
    (tmp_path / "generator.yml").write_text(_GENERATOR)
    (tmp_path / "program.py").write_text(_PROGRAM)
    generate = ["generate", "--path", str(DOCUMENT), "--config", "generator.yml", "--meta", "none"]
    made = subprocess.run(
        [BIN / "openapi-python-client", *generate, "--output-path", "sms", "--fail-on-warning"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    key = str(api.session.headers["Authorization"]).removeprefix("Bearer ")
    environment = {**os.environ, "URL": api.base, "KEY": key}
    with subprocess.Popen(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        stepper = Stepper(runtime)
        while program.poll() is None:
            for request in request_loading.pending(runtime.engine):
                request_loading.load_request(runtime.engine, runtime.settings, request)
            for row in stepper.sql("SELECT id FROM campaign WHERE state IN ('scheduled', 'running')"):
                stepper.finish(row.id)
        out, error = program.communicate()
    assert program.returncode == 0, error.decode()
    assert json.loads(out) == [["1144445555", "ok"], ["1144446666", "ok"]]


def test_no_name_in_the_document_is_one_of_our_modules() -> None:
    schemas = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    assert [name for name in schemas if "__" in name] == []
