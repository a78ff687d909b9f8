"""Imports point one way: workers -> dispatcher -> schemas; ops may use all, and nothing imports ops but one door."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = {"schemas": set(), "dispatcher": {"schemas"}, "workers": {"dispatcher", "schemas"}}
PROJECT = {"schemas", "dispatcher", "workers", "ops", "tests"}
DOOR = ROOT / "dispatcher" / "door.py"


def modules(package: str) -> list[Path]:
    """The files of a package."""
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> set[str]:
    """Full names of what a file imports anywhere in it, `import_module("…")` included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                package = path.relative_to(ROOT).parts[: -node.level]
                names.add(".".join([*package, node.module or ""]).rstrip("."))
            else:
                names.add(node.module or "")
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            names |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return names


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def packages(path: Path) -> set[str]:
    """The project's own packages among a file's imports."""
    return {name.split(".")[0] for name in imported(path)} & PROJECT


@pytest.mark.parametrize("package", LAYERS)
def test_a_layer_imports_only_what_lies_below(package: str) -> None:
    allowed = LAYERS[package] | {package}
    wrong = {str(path.relative_to(ROOT)): packages(path) - allowed for path in modules(package) if path != DOOR}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_ops_is_reached_through_one_door() -> None:
    assert packages(DOOR) == {"dispatcher", "ops"}
    importing = [p for p in modules("dispatcher") + modules("workers") + modules("schemas") if "ops" in packages(p)]
    assert importing == [DOOR]


def test_the_door_opens_only_when_somebody_goes_through() -> None:
    tops = [
        node
        for node in ast.parse(DOOR.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert "ops" not in ast.unparse(ast.Module(tops, [])).replace("ops.", "ops ").split()


def test_ops_and_the_layers_never_import_tests() -> None:
    assert [path for package in ("ops", *LAYERS) for path in modules(package) if "tests" in packages(path)] == []


def test_only_the_settings_read_the_environment_of_the_dispatcher() -> None:
    """`dispatcher/config.py` is the only reader; others may set what a library wants before it is imported."""
    readers = [
        path.relative_to(ROOT).as_posix()
        for package in LAYERS
        for path in modules(package)
        if any(word in path.read_text(encoding="utf-8") for word in ("os.environ.get", "os.getenv", "environ["))
    ]
    assert readers == ["dispatcher/config.py"]


def test_celery_stays_in_workers() -> None:
    outside = [
        p
        for p in modules("dispatcher") + modules("schemas")
        if any(n.split(".")[0] in ("celery", "kombu") for n in imported(p))
    ]
    assert [path.relative_to(ROOT).as_posix() for path in outside if path.name != "doctor.py"] == []
