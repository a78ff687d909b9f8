"""`make audit` never passes what was not checked."""

import json
import re
from pathlib import Path

import pytest

from ops import audit

ROOT = Path(__file__).parents[3]
SOUND = {"name": "click", "version": "8.3", "vulns": []}
WEAK = {"name": "flower", "version": "2.2", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["2.3"]}]}


@pytest.mark.parametrize(
    ("answer", "code", "ends", "says"),
    [
        (json.dumps({"dependencies": [SOUND]}), 0, 0, "No vulnerability is known in 1 packages."),
        (json.dumps({"dependencies": [SOUND, WEAK]}), 1, 1, "Vulnerabilities were found: 1 in 2 packages."),
        ("", 1, 3, "The database of vulnerabilities was not reached: nothing was checked."),
        ("<html>", 0, 3, "not reached"),
        (json.dumps({"dependencies": []}), 0, 3, "not reached"),
        (json.dumps({"dependencies": [{"name": "x", "skip_reason": "no answer"}, SOUND]}), 0, 3, "not reached"),
    ],
)
def test_what_was_found_is_told_from_not_having_asked(
    answer: str, code: int, ends: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\nexit {code}\n")
    tool.chmod(0o755)
    assert audit.main(str(tool), "requirements.txt") == ends
    told = capsys.readouterr().out
    assert says in told
    assert ("CVE-2026-1, mended in 2.3" in told) == (ends == 1)


def test_its_tools_are_pinned_with_hashes() -> None:
    pinned = (ROOT / "requirements-tools.txt").read_text(encoding="utf-8")
    for tool in ("pip-audit", "cyclonedx-bom", "pip-tools"):
        assert re.search(rf"^{tool}==[0-9.]+ \\\n    --hash=sha256:", pinned, re.MULTILINE), tool
    assert not re.search(r"pip --quiet install (?!--require-hashes)", (ROOT / "Makefile").read_text(encoding="utf-8"))
