"""A person with a browser that has no JavaScript: follows links, fills in the forms of the pages that it sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import lxml.html
import requests

from dispatcher.access import users
from dispatcher.access.roles import Role
from dispatcher.campaigns import list_checks, request_loading
from dispatcher.runtime import Runtime
from dispatcher.web import web_app
from dispatcher.web.web_app import NO_HINTS, Hints
from tests.integration.web.serving import serving


@dataclass
class Seen:
    """A page as it was answered."""

    answer: requests.Response
    tree: Any = field(init=False)

    def __post_init__(self) -> None:
        self.tree = lxml.html.fromstring(self.answer.text, base_url=self.answer.url) if self.answer.text else None

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def path(self) -> str:
        return "/" + self.answer.url.split("/", 3)[3]

    @property
    def text(self) -> str:
        """What is read in the page's main part."""
        return " ".join(self.tree.xpath("//main")[0].text_content().split())

    @property
    def title(self) -> str:
        return str(self.tree.findtext(".//title"))


class Visitor:
    """A browser of one person."""

    def __init__(self, base: str, language: str = "en") -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept-Language"] = language
        self.session.headers["Accept"] = "text/html"

    def get(self, path: str, **given: Any) -> Seen:
        return Seen(self.session.get(urljoin(self.base, path), timeout=30, **given))

    def post(self, path: str, fields: Any, **given: Any) -> Seen:
        headers = {"Origin": self.base, **given.pop("headers", {})}
        return Seen(self.session.post(urljoin(self.base, path), data=fields, headers=headers, timeout=30, **given))

    def submit(self, seen: Seen, action: str, press: str | None = None, files: Any = None, **typed: Any) -> Seen:
        """Send the form of a page whose action ends so; `typed` fills in fields (None unticks a box), `press` is the
        name of the button."""
        form = next(each for each in seen.tree.forms if (each.action or "").endswith(action))
        fields = dict(form.form_values())
        for name, value in typed.items():
            if value is None:
                fields.pop(name, None)
            else:
                fields[name] = value
        if press is not None:
            button = form.xpath(f".//button[@name='{press}']")[0]
            fields[press] = button.get("value", "")
        return self.post(form.action, fields, files=files)

    def look_for(self, number: str) -> Seen:
        """Search for a person."""
        return self.submit(self.get("/people"), "/people", number=number)


def at_once(runtime: Runtime) -> Hints:
    """Hints that do the work of a worker before they return."""

    def check(check_id: str) -> None:
        list_checks.run(runtime.engine, runtime.settings, check_id)

    def load(key: str) -> None:
        request_loading.load_request(runtime.engine, runtime.settings, key)

    return NO_HINTS._replace(check_list=check, load_request=load)


@contextmanager
def visiting(runtime: Runtime, role: Role | None = Role.ADMIN, language: str = "en") -> Iterator[Visitor]:
    """The web listener, and somebody of this role who looks at it; None has not signed in."""
    with serving(runtime, lambda known: web_app.create_app(known, at_once(known))) as base:
        yield signed_in(runtime, base, role, language) if role is not None else Visitor(base, language)


def signed_in(runtime: Runtime, base: str, role: Role, language: str = "en", name: str | None = None) -> Visitor:
    """Somebody who has come in by a link."""
    made = users.create(runtime.engine, name or f"{role} person", role)
    visitor = Visitor(base, language)
    visitor.post(f"/sign-in/{users.make_link(runtime.engine, made)}", {})
    return visitor
