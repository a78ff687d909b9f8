"""The proxy of the operator's document: nginx with TLS in front of the page, as it is written there."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPSConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.test_replies import free_port
from tests.conftest import wait_until
from tests.processes import ROOT, Cluster

BLOCK = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "operator.md").read_text(encoding="utf-8"), re.DOTALL)


class Answer(NamedTuple):
    status: int
    headers: Message
    text: str


@dataclass
class Proxy:
    """A browser's side of it."""

    port: int
    trust: ssl.SSLContext
    cookie: str = ""

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        sent = {"Cookie": self.cookie, **headers}
        with closing(HTTPSConnection("127.0.0.1", self.port, context=self.trust, timeout=30)) as connection:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())


@pytest.fixture
def proxy(cluster: Cluster, tmp_path: Path) -> Proxy:
    """nginx and the web listener."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    openssl = shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("nginx or openssl is not installed")
    key, pem = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)],
        check=True, capture_output=True,
    )  # fmt: skip
    ours, theirs = free_port(), free_port()
    assert BLOCK is not None
    block = BLOCK[1].replace("listen 443 ssl", f"listen 127.0.0.1:{ours} ssl").replace(":8080", f":{theirs}")
    block = block.replace("/etc/ssl/certs/sms.example.com.pem", str(pem))
    block = block.replace("/etc/ssl/private/sms.example.com.key", str(key))
    folders = "".join(
        f"{kind}_temp_path {tmp_path / kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.getuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(
        f"{user}daemon off;\npid {tmp_path}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{folders}{block}}}\n"
    )
    cluster.spawn("nginx", [nginx, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)])
    cluster.spawn(
        "web",
        [sys.executable, "-m", "dispatcher", "web"],
        DISPATCHER_WEB_PORT=str(theirs),
        DISPATCHER_TRUSTED_HOPS="1",
    )
    found = Proxy(ours, ssl.create_default_context(cafile=str(pem)))

    def answers() -> bool:
        try:
            return found.ask("GET", "/sign-in").status == 200
        except OSError:
            return False

    wait_until(answers, 60, cluster.log("nginx") + cluster.log("web"))
    return found


def test_the_page_behind_the_proxy_of_the_document(proxy: Proxy, cluster: Cluster) -> None:
    made = cluster.cli("user", "create", "Ana", "--role", "admin")
    path = "/sign-in/" + str(made["link"]).partition("/sign-in/")[2]
    shown = proxy.ask("GET", path)
    token = re.search(r'name="csrf" value="([^"]+)"', shown.text)
    answer = proxy.ask(
        *("POST", path, f"csrf={token[1]}" if token else ""),
        **{"Content-Type": "application/x-www-form-urlencoded", "Origin": f"https://127.0.0.1:{proxy.port}"},
    )
    assert answer.status == 303, answer.text
    cookie = next(each for each in answer.headers.get_all("Set-Cookie") or [] if "Max-Age=0" not in each)
    assert "; secure" in cookie.lower(), "the page knows that the browser speaks HTTPS"
    proxy.cookie = cookie.partition(";")[0]
    home = proxy.ask("GET", "/")
    assert home.status == 200
    assert "Ana" in home.text
    foreign = proxy.ask(
        *("POST", "/sign-out", "csrf=x"),
        **{"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://elsewhere.example.com"},
    )
    assert foreign.status == 403


def test_metrics_are_not_for_the_public(proxy: Proxy) -> None:
    assert proxy.ask("GET", "/metrics").status == 403
    assert proxy.ask("GET", "/api/v1/campaigns").status == 401
