"""`python -m ops.audit PIP-AUDIT REQUIREMENTS`: known vulnerabilities of pinned packages, told from not having asked.

Exit 0: asked, none known. 1: vulnerabilities were found. 3: the database was not reached, so nothing was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

FOUND, NOT_REACHED = 1, 3


def main(pip_audit: str, requirements: str) -> int:
    """Ask, and say what came of it."""
    command = [pip_audit, "--strict", "--disable-pip", "--require-hashes", "--format", "json", "-r", requirements]
    asked = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True)
    packages = _packages(asked.stdout)
    if packages is None:
        print(asked.stderr.strip()[-2000:], file=sys.stderr)
        print("The database of vulnerabilities was not reached: nothing was checked.")
        return NOT_REACHED
    weak = [(each, weakness) for each in packages for weakness in each["vulns"]]
    for each, weakness in weak:
        mended = ", ".join(weakness.get("fix_versions", ())) or "no version yet"
        print(f"{each['name']} {each['version']}: {weakness['id']}, mended in {mended}")
    if weak:
        print(f"Vulnerabilities were found: {len(weak)} in {len(packages)} packages.")
        return FOUND
    print(f"No vulnerability is known in {len(packages)} packages.")
    return 0


def _packages(answer: str) -> list[dict[str, Any]] | None:
    """What pip-audit answers once it has asked about every package; None if it has not."""
    try:
        packages: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    return packages if packages and all("vulns" in each for each in packages) else None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
