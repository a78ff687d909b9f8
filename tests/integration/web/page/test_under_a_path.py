"""The page under a path of a proxy: every address on it leads there, and nobody is sent elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable

from dispatcher.access import users
from dispatcher.access.roles import Role
from dispatcher.runtime import Runtime
from tests.integration.web.page.visiting import Visitor, visiting

PROXY = {"X-Forwarded-Prefix": "/sms", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "sms.example"}
PAGES = (
    *("/", "/me", "/campaigns", "/campaigns/new", "/replies", "/people", "/optouts", "/system", "/users", "/keys"),
    *("/webhooks", "/nothing", "/campaigns/999"),
)


def test_every_address_on_every_page_is_under_the_path(make_runtime: Callable[..., Runtime]) -> None:
    runtime = make_runtime(trusted_hops=1)
    user = users.create(runtime.engine, "ana", Role.ADMIN)
    with visiting(runtime, None) as visitor:
        browser = visitor.session
        browser.headers.update({**PROXY, "Origin": "https://sms.example"})

        def lead(path: str, **given: object) -> tuple[int, str]:
            answer = browser.request(
                "POST" if "data" in given else "GET",
                visitor.base + path,
                allow_redirects=False,
                timeout=30,
                **given,  # type: ignore[arg-type]
            )
            return answer.status_code, answer.headers.get("Location", "")

        assert lead("/replies?kind=optout") == (303, "/sms/sign-in?next=%2Freplies%3Fkind%3Doptout")
        entered = browser.post(
            f"{visitor.base}/sign-in/{users.make_link(runtime.engine, user)}", allow_redirects=False, timeout=30
        )
        assert entered.headers["Location"] == "/sms/me"
        assert "Path=/sms/" in entered.headers["Set-Cookie"]
        assert "Secure" in entered.headers["Set-Cookie"]
        token = entered.headers["Set-Cookie"].split("=", 1)[1].split(";")[0]
        browser.headers["Cookie"] = f"dispatcher_session={token}"
        for path in PAGES:
            page = browser.get(visitor.base + path, timeout=30).text
            found = re.findall(r'(?:href|src|action|hx-get|hx-post)="([^"]*)"', page)
            assert found
            assert [each for each in found if not each.startswith(("/sms/", "#", "http://127.0.0.1:5555"))] == []
        assert lead("/people/out") == (303, "/sms/people")
        assert lead("/sign-in?next=/people") == (303, "/sms/people")
        assert lead("/sign-in?next=//evil.example") == (303, "/sms/")
        over = browser.get(
            f"{visitor.base}/live", headers={"HX-Request": "true", "Cookie": ""}, allow_redirects=False, timeout=30
        )
        assert over.headers["HX-Redirect"] == "/sms/sign-in"


def test_without_a_proxy_that_is_trusted_its_headers_mean_nothing(make_runtime: Callable[..., Runtime]) -> None:
    with visiting(make_runtime(), Role.ADMIN) as visitor:
        visitor.session.headers.update({**PROXY, "X-Forwarded-Prefix": "//evil.example"})
        assert isinstance(visitor, Visitor)
        page = visitor.get("/users").answer.text
        assert "evil.example" not in page
        assert "sms.example" not in page
