"""`make docs`: writes docs/openapi.json and the problems in docs/api.md, so that pages and code cannot differ."""

from pathlib import Path

from dispatcher import config
from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from dispatcher.web.api import document
from dispatcher.web.api.problem_table import KINDS

_DOCS = Path(__file__).resolve().parents[1] / "docs"
DOCUMENT, PAGE = _DOCS / "openapi.json", _DOCS / "api.md"
_BEGIN, _END = "<!-- problems: written by `make docs` -->\n", "<!-- end -->\n"


def openapi() -> str:
    """The document of the API."""
    return document.text(web_app.create_app(Runtime(config.load())))


def page(written: str) -> str:
    """docs/api.md with the table of problems as it must be."""
    before, _, rest = written.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    rows = "".join(f"| `{code}` | {kind.status} | {kind.title} |\n" for code, kind in KINDS.items())
    return f"{before}{_BEGIN}| code | status | means |\n|---|---|---|\n{rows}{_END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(openapi(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"Wrote {DOCUMENT} and {PAGE}")
