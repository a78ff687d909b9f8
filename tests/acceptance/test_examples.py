"""Each file of examples/ does what it says, against real processes; one live for all of them."""

import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from tests.acceptance.live_system import LiveSystem
from tests.acceptance.test_replies import free_port
from tests.integration.web.serving import make_key
from tests.processes import ROOT

EXAMPLES = ROOT / "examples"
Done = subprocess.CompletedProcess[str]


class MissingRuntime(Exception):
    """This machine cannot run the example; the message says what it lacks."""


def needed(name: str, package: str) -> str:
    """The path of a program."""
    found = shutil.which(name)
    if found is None:
        raise MissingRuntime(f"{name} is not installed (Debian: {package})")
    return found


def python(name: str) -> Callable[[Path], list[str]]:
    return lambda folder: [sys.executable, str(EXAMPLES / name)]


def php(folder: Path) -> list[str]:
    binary = needed("php", "php-cli")
    if "curl" not in subprocess.run([binary, "-m"], capture_output=True, text=True, check=True).stdout.split():
        raise MissingRuntime("php lacks curl (Debian: php-curl)")
    return [binary, str(EXAMPLES / "php_http.php")]


def node(folder: Path) -> list[str]:
    return [needed("node", "nodejs"), str(EXAMPLES / "node_http.mjs")]


def csharp(folder: Path) -> list[str]:
    """Compiled by Mono; there is no .NET SDK that starts in seconds."""
    mono, compiler = needed("mono", "mono-runtime"), needed("mcs", "mono-mcs")
    program = str(folder / "CsharpHttp.exe")
    references = ["-r:System.Net.Http", "-r:System.Runtime.Serialization"]
    done = subprocess.run(
        [compiler, "-out:" + program, *references, str(EXAMPLES / "CsharpHttp.cs")], capture_output=True, text=True
    )
    if "could not be found" in done.stderr and "CS0006" in done.stderr:
        raise MissingRuntime(f"mono lacks a library: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return [mono, program]


def shell(folder: Path) -> list[str]:
    needed("curl", "curl")
    needed("psql", "postgresql-client")
    return [needed("sh", "dash"), str(EXAMPLES / "curl_psql.sh")]


RUNTIMES: dict[str, Callable[[Path], list[str]]] = {
    "python_celery.py": python("python_celery.py"),
    "python_http.py": python("python_http.py"),
    "php_http.php": php,
    "CsharpHttp.cs": csharp,
    "node_http.mjs": node,
    "curl_psql.sh": shell,
}
RECEIVERS = {"webhook_receiver.py", "webhook_receiver.php"}
"""Those have `test_webhook_examples.py`."""
OVER_HTTP = [name for name in RUNTIMES if name != "python_celery.py"]


def announce(live: LiveSystem, port: int) -> None:
    """Say where the API will be."""
    live.cluster.environment |= {
        "DISPATCHER_WEB_PORT": str(port),
        "DISPATCHER_API_URL": f"http://127.0.0.1:{port}",
        "DISPATCHER_SERVICE_KEY": make_key(live.runtime),
    }


def serve(live: LiveSystem) -> None:
    """Start a worker, beat and the web listener."""
    live.cluster.start()
    live.cluster.spawn("web", [sys.executable, "-m", "dispatcher", "web"])

    def answers() -> bool:
        try:
            with urllib.request.urlopen(
                live.cluster.environment["DISPATCHER_API_URL"] + "/healthz", timeout=2
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    live.wait_for(answers, 30, "the API answers")


def run(live: LiveSystem, command: list[str], key: str, **environment: str) -> Done:
    return subprocess.run(
        [*command, key], env=live.cluster.environment | environment, capture_output=True, text=True, timeout=240
    )


def printed(done: Done) -> tuple[int, dict[str, int]]:
    """The campaign's number and the counts that an example printed."""
    words = f"it ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, words
    number = re.match(r"campaign (\d+)", done.stdout)
    assert number, words
    return int(number[1]), {status: int(n) for status, n in re.findall(r"^  (\w+): (\d+)$", done.stdout, re.M)}


def test_every_example_is_in_the_table_and_has_a_test() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md", "clientes.csv"}
    assert files == set(RUNTIMES) | RECEIVERS
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[([^]]+)\]", table, re.M)) == files


def test_each_example_outlasts_an_absent_api_and_prints_the_outcome_of_its_one_campaign(
    live: LiveSystem, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    commands: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    for name, runtime in RUNTIMES.items():
        try:
            commands[name] = runtime(tmp_path)
        except MissingRuntime as error:
            missing[name] = str(error)
    web = [name for name in OVER_HTTP if name in commands]
    announce(live, free_port())
    with ThreadPoolExecutor(len(commands)) as pool:

        def all_at_once(names: Iterable[str], key: str = "k-{}", **environment: str) -> dict[str, Future[Done]]:
            return {n: pool.submit(run, live, commands[n], key.format(n), **environment) for n in names}

        first = all_at_once(commands)  # nothing answers yet
        serve(live)
        wait(first.values())
        again = all_at_once(commands)
        wait(again.values())
        # Another one's key, a token that is none: the example says so and fails.
        taken = all_at_once(web, key="k-python_celery.py")
        wrong = all_at_once(web, DISPATCHER_SERVICE_KEY="x")
    for name in RUNTIMES:
        with subtests.test(name):
            if name in missing:
                pytest.skip(missing[name])
            number, counts = printed(first[name].result())
            assert counts == {"simulated": 2}
            assert printed(again[name].result()) == (number, counts)
            row = live.sql("SELECT * FROM campaign_request WHERE idempotency_key = :k", k=f"k-{name}")[0]
            assert (row.state, row.campaign_id) == ("created", number)
            assert (live.show(number).invalid, live.show(number).test) == (1, True)
        if name in web:
            with subtests.test(f"{name}, refused"):
                for ended, status, words in (
                    (taken[name], "409", "idempotency_key_reused"),
                    (wrong[name], "401", "key_malformed"),
                ):
                    done = ended.result()
                    assert (done.returncode, done.stdout) == (1, ""), done.stderr
                    assert status in done.stderr
                    assert words in done.stderr
    assert live.value("SELECT count(*) FROM campaign") == len(commands)
    assert live.simulator.sent()["ok"] == 0
