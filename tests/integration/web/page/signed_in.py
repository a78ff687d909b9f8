"""Somebody who is signed in: a session of cookies that sends forms as a browser does, with their token."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from dispatcher.access import sign_in, users
from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from dispatcher.web.page.routing import SESSION_COOKIE
from tests.integration.web.serving import serving


class Browser:
    """What a browser does without JavaScript: it gets pages, and sends forms with what they hold."""

    def __init__(self, base: str, token: str | None, language: str = "en") -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({"Accept": "text/html", "Accept-Language": language})
        if token is not None:
            self.session.cookies.set(SESSION_COOKIE, token)
            self.csrf = sign_in.csrf_of(token)

    def get(self, path: str, status: int = 200, **given: Any) -> requests.Response:
        """A page, wherever it leads."""
        answer = self.session.get(self.base + path, **{"timeout": 60, **given})
        assert answer.status_code == status, (answer.status_code, text_of(answer))
        return answer

    def post(self, path: str, status: int = 200, /, **fields: Any) -> requests.Response:
        """What a form leads to."""
        answer = self.session.post(self.base + path, data={"csrf": self.csrf, **fields}, timeout=60)
        assert answer.status_code == status, (answer.status_code, text_of(answer))
        return answer


def text_of(answer: requests.Response) -> str:
    """The words of a page, on one line."""
    without = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", answer.text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without)).split())


def links_of(answer: requests.Response) -> list[str]:
    """The addresses that a page leads to."""
    return [html.unescape(each) for each in re.findall(r'href="([^"]+)"', answer.text)]


@contextmanager
def serving_pages(runtime: Runtime) -> Iterator[Pages]:
    """The web listener, and who looks at it."""
    with serving(runtime, web_app.create_app) as base:
        yield Pages(runtime, base)


class Pages:
    """The listener of a runtime; each call of `as_` is another person."""

    def __init__(self, runtime: Runtime, base: str) -> None:
        self.runtime, self.base = runtime, base

    def as_(self, role: Role, name: str | None = None, language: str = "en") -> Browser:
        """A user of this role, signed in."""
        engine = self.runtime.engine
        with engine.connect() as connection:
            user = users.find(connection, name or str(role))
        user = user or users.create(engine, name or str(role), role)
        return Browser(self.base, sign_in.by_link(engine, users.make_link(engine, user)), language)
