"""What `make lint`'s import contract cannot see: imports by name, and who reads the environment."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("schemas", "dispatcher", "workers")
OPS_LOADER = "dispatcher/cli/ops_loader.py"


def modules(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    assert found
    return found


def named_imports(path: Path) -> set[str]:
    """The modules that a file imports through `import_module("…")`."""
    return {
        argument.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_ops_is_loaded_in_one_place_by_name() -> None:
    loading = {path.relative_to(ROOT).as_posix(): named_imports(path) for path in modules(*LAYERS)}
    assert [path for path, names in loading.items() if any(name.startswith("ops") for name in names)] == [OPS_LOADER]


def test_nothing_imports_tests() -> None:
    for path in modules(*LAYERS, "ops"):
        assert "import tests" not in path.read_text(encoding="utf-8"), path
        assert "from tests" not in path.read_text(encoding="utf-8"), path


def test_only_the_settings_read_the_environment_of_the_dispatcher() -> None:
    """`dispatcher/config.py` is the only reader; others may set what a library wants before it is imported."""
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in modules(*LAYERS)
        if any(word in path.read_text(encoding="utf-8") for word in ("os.environ.get", "os.getenv", "environ["))
    ]
    assert readers == ["dispatcher/config.py"]


def test_every_room_says_what_it_does_and_where_to_start() -> None:
    for init in (ROOT / "dispatcher").glob("*/__init__.py"):
        assert len((ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or "").splitlines()) >= 3, init
