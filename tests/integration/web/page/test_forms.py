"""What a browser sends: forms with files that are odd, cut off, or meet a disk that is full."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import pytest

from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from tests.integration.web.page.visiting import Visitor, visiting

PATH = f"/prepare/{'1' * 32}/list"


def send(visitor: Visitor, body: bytes, boundary: str = "b") -> int:
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Origin": visitor.base}
    return visitor.session.post(f"{visitor.base}{PATH}", data=body, headers=headers, timeout=20).status_code


def part(name: str, content: bytes, more: str = "") -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime(upload_max=10_000)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"no form at all", 400),
        (part("file", b"celular\n1144445555\n", '; filename="a.csv"'), 400),  # without its end
        (part("x", b"y" * 600_000) + b"--b--\r\n", 413),
        (b"".join(part(f"f{n}", b"x") for n in range(600)) + b"--b--\r\n", 400),
        (part("file", b"x" * 20_000, '; filename="a.csv"') + b"--b--\r\n", 413),
        (part("file", b"celular\n1\n", '; filename="../../etc/passwd"') + b"--b--\r\n", 409),  # without our token
    ],
)
def test_a_form_that_is_none_is_refused(runtime: Runtime, body: bytes, status: int) -> None:
    with visiting(runtime, Role.OPERATOR) as visitor:
        assert send(visitor, body) == status


def test_a_full_disk_is_no_fault_of_the_form(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with visiting(runtime, Role.OPERATOR) as visitor:
        monkeypatch.setattr(tempfile, "TemporaryFile", full)
        body = part("file", b"celular\n1144445555\n", '; filename="a.csv"') + b"--b--\r\n"
        assert send(visitor, body) == 500
        monkeypatch.undo()
        assert visitor.get("/campaigns/new").status == 200
