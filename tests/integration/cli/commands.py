"""What the tests of the command line share: how a command is run, a list, and the one object that it answers."""

import json
from collections.abc import Callable
from typing import Any

from click.testing import Result

from tests.integration.core_harness import CoreHarness

Run = Callable[..., Result]

GOOD = "telefono;nombre;saldo\n1144445555;Ana;10\n1144446666;José;20\n123;Corto;30\n"
TEMPLATE = ("--template", "Hola {nombre}, su saldo es ${saldo}. Empresa SA")


def answer(result: Result, code: int = 0) -> dict[str, Any]:
    """The one JSON object on stdout."""
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
    lines = result.stdout.splitlines()
    assert len(lines) == 1, result.stdout
    found = json.loads(lines[0])
    assert isinstance(found, dict)
    return found


def contents(core: CoreHarness) -> dict[str, int]:
    """Rows of every table."""
    names = [r.relname for r in core.rows("SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'public'")]
    return {name: core.one(f'SELECT count(*) FROM "{name}"') for name in sorted(names)}
