"""The systemd units: systemd understands them, and they say what production needs."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dispatcher.config import Settings
from ops import commands
from tests.processes import ROOT

UNITS = sorted((ROOT / "ops" / "systemd").glob("*.service"))
PROGRAMS = "/opt/sms-dispatcher/bin/"


def services() -> dict[str, dict[str, str]]:
    """What each unit's [Service] says, by the unit's file name."""
    found = {}
    for path in UNITS:
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # the usual way to keep capitals
        parser.read(path, encoding="utf-8")
        found[path.name] = dict(parser["Service"])
    return found


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    if not (verify := shutil.which("systemd-analyze")):
        pytest.skip("systemd-analyze is not installed: nobody here can check the units")
    for path in UNITS:
        text = path.read_text(encoding="utf-8")
        # The programs stand elsewhere here; everything else is checked as it is.
        text = re.sub(rf"^ExecStart={PROGRAMS}\w+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    instances = [
        tmp_path / name.replace("@.", f"@{queue}.")
        for name in services()
        for queue in (commands.QUEUES if "@" in name else ("",))
    ]
    done = subprocess.run([verify, "verify", *map(str, instances)], capture_output=True, text=True, timeout=60)
    complaints = [line for line in done.stderr.splitlines() if "dispatcher-" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_there_is_a_unit_for_whatever_up_runs() -> None:
    commands = {name: each["ExecStart"].removeprefix(PROGRAMS) for name, each in services().items()}
    assert commands.pop("dispatcher-worker@.service") == "python -m ops.worker %i"
    for name in ("push", "web"):
        assert commands.pop(f"dispatcher-{name}.service") == f"dispatcher {name}"
    started = {name: command.split()[:4] for name, command in commands.items()}
    assert started == {
        f"dispatcher-{name}.service": ["celery", "-A", "workers.app:app", name] for name in ("beat", "flower")
    }


@pytest.mark.parametrize("name", [path.name for path in UNITS])
def test_a_unit_comes_back_keeps_its_files_to_itself_and_has_no_rights(name: str) -> None:
    said = services()[name]
    assert {key: said[key] for key in ("Restart", "KillSignal", "UMask", "NoNewPrivileges", "ProtectSystem")} == {
        "Restart": "always",
        "KillSignal": "SIGTERM",
        "UMask": "0077",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
    }
    assert said["EnvironmentFile"] == "/etc/sms-dispatcher/environment"
    assert said["User"] != "root"
    assert said["CapabilityBoundingSet"] == ""


def test_a_worker_is_given_time_to_finish_its_call() -> None:
    soft = Settings.model_fields["provider_timeout"].default + 15
    assert int(services()["dispatcher-worker@.service"]["TimeoutStopSec"]) >= soft + 30
