"""The page in a real browser, against everything that `dispatcher up --simulated` runs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser import Browser, chromium, programs
from tests.conftest import wait_until
from tests.processes import ROOT

pytestmark = pytest.mark.xdist_group("page")

TEXT = "Hola {nombre}, su saldo es ${saldo} y vence el {vence}. Empresa SA"


@dataclass
class Tried:
    """A dispatcher that runs against the simulator; `link` lets somebody in."""

    url: str
    environment: dict[str, str]
    log: Path

    def link(self) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dispatcher", "user", "link"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        return done.stdout.strip().replace("http://127.0.0.1:8080", self.url)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """`dispatcher up --simulated`, started once for all tests here."""
    programs()
    with running(tmp_path_factory.mktemp("page")) as found:
        yield found


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Tried]:
    """`dispatcher up --simulated` with a home in `folder`, and Chromium's way to it."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DISPATCHER_")},
        "DISPATCHER_HOME": str(folder),
        "DISPATCHER_NO_DOTENV": "1",
        "DISPATCHER_WEB_PORT": str(port),
        "DISPATCHER_PUSH_PORT": "0",
        "DISPATCHER_FLOWER_PORT": "0",
    }
    log = folder / "up.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "dispatcher", "up", "--simulated"],
            env=environment,
            stderr=stream,
            stdout=stream,
            cwd=ROOT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: "Running." in log.read_text(errors="replace"), 60)
        wait_until(lambda: answers(url), 30)
        wait_until(lambda: "/sign-in/" in log.read_text(errors="replace"), 10)
        assert log.read_text(errors="replace").rpartition("Running.")[2].count("/sign-in/") == 1
        link = re.search(r"http://\S+/sign-in/\S+", log.read_text())
        assert link is not None
        yield Tried(url, {**environment, "DISPATCHER_HOME": str(folder / "try"), "DISPATCHER_APIKEY": "DEMO"}, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=2).ok
    except requests.RequestException:  # the machine may be busy
        return False


@pytest.fixture(scope="module")
def sample(tried: Tried, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The list that the page offers to try it with."""
    return sample_of(tried, tmp_path_factory.mktemp("sample"))


def sample_of(tried: Tried, folder: Path) -> Path:
    """The same, for somebody who has just come in."""
    path = folder / "lista.csv"
    visitor = requests.Session()
    visitor.post(tried.link(), headers={"Origin": tried.url}, timeout=10)
    path.write_bytes(visitor.get(f"{tried.url}/campaigns/sample.csv", timeout=10).content)
    return path


def enter(browser: Browser, tried: Tried) -> None:
    browser.go(tried.link())
    browser.click("main form button")
    wait_until(lambda: "/sign-in" not in browser.path)


def press(browser: Browser, selector: str, leads_to: str) -> None:
    browser.click(selector)
    browser.wait_for(leads_to)


def fill_in(browser: Browser, sample: Path, name: str) -> None:
    """The first steps, up to the check."""
    browser.go(browser.driver.current_url.partition("/me")[0] if "/me" in browser.path else browser.driver.current_url)
    browser.one("#file").send_keys(str(sample))
    press(browser, "main form.stacked > button", "/columns")
    press(browser, "main form.stacked > button", "/message")
    browser.type("#name", name)
    browser.type("#template", TEXT)


FIRST = "main form .actions button"

SAID = {
    "es": {
        "seen": "Jose Nunez",
        "good": "Continuar con las 4 válidas",
        "send": "Enviar 4 mensajes ahora",
        "over": "completa",
    },
    "en": {
        "seen": "Jose Nunez",
        "good": "Go on with the 4 good ones",
        "send": "Send 4 messages now",
        "over": "completed",
    },
}


@pytest.mark.parametrize(
    ("language", "width", "javascript"),
    [
        pytest.param("es-AR", 1100, True, id="Spanish"),
        pytest.param("en-US", 1100, True, id="English", marks=pytest.mark.slow),
        pytest.param("es-AR", 360, True, id="360 px", marks=pytest.mark.slow),
        pytest.param("es-AR", 1100, False, id="without JavaScript", marks=pytest.mark.slow),
    ],
)
def test_from_the_spreadsheet_to_the_last_result_code(
    tried: Tried, sample: Path, language: str, width: int, javascript: bool
) -> None:
    words = SAID[language[:2]]
    with chromium(language, width=width, javascript=javascript) as browser:
        enter(browser, tried)
        browser.go(f"{tried.url}/")
        press(browser, "main a.button", "/campaigns/new")
        fill_in(browser, sample, f"Cuotas {language} {width} {javascript}")
        if javascript:
            browser.sees(words["seen"])  # the preview, while it is typed
        press(browser, FIRST, "/check")
        if not javascript:
            wait_until(lambda: browser.driver.refresh() or words["good"] in browser.one("main").text, 8)
        else:
            browser.sees(words["good"], 8)
        if browser.all("input[name=again]"):  # another of these tests sent the same list
            browser.click("input[name=again]")
        press(browser, FIRST, "/when")
        press(browser, FIRST, "/summary")
        assert browser.one("#send").text == words["send"]
        press(browser, "#send", "/campaigns/")
        if javascript:
            browser.sees(words["over"], 15)
            assert browser.console() == []
            assert not browser.wider_than_the_screen()
        else:
            wait_until(lambda: browser.driver.refresh() or words["over"] in browser.one("main").text, 15)


def test_by_keyboard_alone(tried: Tried, sample: Path) -> None:
    with chromium() as browser:
        enter(browser, tried)
        browser.go(f"{tried.url}/campaigns/new")
        keys = Keyboard(browser)
        keys.to("summary").press(Keys.ENTER)
        keys.to("#pasted").type(sample.read_text(encoding="utf-8-sig"))
        keys.to("main form button").press(Keys.ENTER)
        browser.wait_for("/columns")
        keys.to("main form.stacked > button").press(Keys.ENTER)
        browser.wait_for("/message")
        keys.to("#name").type("Con el teclado")
        keys.to("#template").type("Estimada/o {nombre}, vence el {vence}. Empresa SA")
        keys.to(FIRST).press(Keys.ENTER)
        browser.sees("Continuar con las 4 válidas")
        if browser.all("input[name=again]"):
            keys.to("input[name=again]").press(Keys.SPACE)
        keys.to(FIRST).press(Keys.ENTER)
        browser.wait_for("/when")
        keys.to(FIRST).press(Keys.ENTER)
        browser.wait_for("/summary")
        keys.to("#send").press(Keys.ENTER)
        browser.wait_for("/campaigns/")
        browser.sees("completa", 15)


class Keyboard:
    """Tab, and the keys that press what has the focus; the focus must be seen."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def to(self, selector: str) -> Keyboard:
        """Tab on until the first element of this selector has the focus."""
        wanted = self._browser.one(selector)
        for _ in range(80):
            focused = self._browser.driver.switch_to.active_element
            if focused == wanted:
                width = focused.value_of_css_property("outline-width")
                assert width not in ("0px", ""), f"the focus on {selector} cannot be seen"
                return self
            ActionChains(self._browser.driver).send_keys(Keys.TAB).perform()
        raise AssertionError(f"{selector} cannot be reached by the Tab key")

    def press(self, key: str) -> None:
        ActionChains(self._browser.driver).send_keys(key).perform()

    def type(self, text: str) -> None:
        self._browser.driver.switch_to.active_element.send_keys(text)


def test_a_double_click_makes_one_campaign(tried: Tried, sample: Path) -> None:
    with chromium() as browser:
        enter(browser, tried)
        browser.go(f"{tried.url}/campaigns/new")
        fill_in(browser, sample, "Doble clic")
        browser.type("#template", "Doble {nombre}. Empresa SA")
        press(browser, FIRST, "/check")
        browser.sees("válidas")
        if browser.all("input[name=again]"):
            browser.click("input[name=again]")
        press(browser, FIRST, "/when")
        press(browser, FIRST, "/summary")
        ActionChains(browser.driver).double_click(browser.one("#send")).perform()
        browser.wait_for("/campaigns/")
        browser.driver.back()
        wait_until(lambda: "/campaigns/" in browser.path or browser.all("#send"))
        if browser.all("#send"):
            press(browser, "#send", "/campaigns/")
        browser.go(f"{tried.url}/campaigns")
        browser.sees("Doble clic")
        assert browser.main.count("Doble clic") == 1


PAGES = (
    *("/", "/me", "/campaigns", "/campaigns/new", "/campaigns/1", "/campaigns/1/messages", "/campaigns/1/messages/1"),
    *("/campaigns/1/doubts", "/campaigns/1/invalid", "/campaigns/999", "/replies", "/people", "/optouts", "/system"),
    *("/users", "/keys", "/webhooks", "/system/checks"),
)


FILLED: dict[str, tuple[str, str, dict[str, str]]] = {
    "a number that is none": ("/people", "form[action='/people']", {"number": "12"}),
    "a person": ("/people", "form[action='/people']", {"number": "11 4999-0001"}),
    "a person who opted out": ("", "form[action^='/people/']", {"reason": "phoned"}),
    "an opt-out import": ("/optouts", "form[action='/optouts/file']", {"file": "telefono\n1144446666\n12\n"}),
    "an opt-out import without numbers": ("/optouts", "form[action='/optouts/file']", {"file": "x\n"}),
    "a new key": ("/keys", "form[action='/keys']", {"name": "crm"}),
    "a new webhook": ("/webhooks", "form[action='/webhooks']", {"url": "https://example.com/hook"}),
    "a webhook to nowhere": ("/webhooks", "form[action='/webhooks']", {"url": "ftp://x"}),
    "a new user": ("/users", "form[action='/users']", {"name": "Ana"}),
}
"""What a form leads to: its page, or none where it is shown already; its form, and what is filled in."""


def fill_and_send(browser: Browser, tried: Tried, path: str, form: str, typed: dict[str, str]) -> None:
    """Send a form as a person does: details are opened, a file is chosen, the last button is pressed."""
    if path:
        browser.go(tried.url + path)
    browser.driver.execute_script("document.querySelectorAll('details').forEach(function (each) { each.open = true; })")
    for name, value in typed.items():
        field = browser.one(f"{form} [name={name}]")
        if name == "file":
            chosen = Path(tried.log).parent / "numeros.csv"
            chosen.write_text(value)
            field.send_keys(str(chosen))
        else:
            field.clear()
            field.send_keys(value)
    boxes = browser.all(f"{form} input[type=checkbox]")
    if boxes and not any(box.is_selected() for box in boxes):
        boxes[0].click()
    shown = browser.one("main")
    browser.all(f"{form} button")[-1].click()
    wait_until(lambda: gone(shown))


def gone(element: Any) -> bool:
    """Whether another page came."""
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    return False


@pytest.mark.parametrize(
    ("language", "dark"),
    [
        pytest.param("es-AR", False, id="Spanish, light"),
        *(
            pytest.param(language, dark, id=f"{language}, {dark}", marks=pytest.mark.slow)
            for language, dark in (("es-AR", True), ("en-US", False), ("en-US", True))
        ),
    ],
)
def test_axe_finds_nothing_on_any_page(tried: Tried, sample: Path, language: str, dark: bool) -> None:
    found = {}
    with chromium(language, dark=dark) as browser:
        browser.go(f"{tried.url}/sign-in")
        found["sign-in"] = browser.complaints()
        enter(browser, tried)
        for path in PAGES:
            browser.go(tried.url + path)
            found[path] = [*browser.complaints(), *browser.small_targets()]
        for what, form in FILLED.items():
            fill_and_send(browser, tried, *form)
            found[what] = [*browser.complaints(), *browser.small_targets()]
        browser.go(f"{tried.url}/campaigns/new")
        fill_in(browser, sample, "Accesible")
        for step, button in (("/message", FIRST), ("/check", FIRST), ("/when", FIRST), ("/summary", None)):
            browser.wait_for(step)
            if step == "/check":
                wait_until(lambda: browser.all(FIRST))
                for box in browser.all("input[name=again]"):
                    box.click()
            found[step] = [*browser.complaints(), *browser.small_targets()]
            if button is not None:
                browser.click(button)
    assert {path: complaints for path, complaints in found.items() if complaints} == {}


def test_no_page_is_wider_than_a_phone(tried: Tried) -> None:
    with chromium(width=360, height=700) as browser:
        enter(browser, tried)
        wide = []
        for path in PAGES:
            browser.go(tried.url + path)
            if browser.wider_than_the_screen():
                wide.append(path)
        assert wide == []


def test_a_hidden_tab_asks_for_nothing(tried: Tried) -> None:
    with chromium() as browser:
        enter(browser, tried)
        browser.go(f"{tried.url}/")
        browser.driver.execute_script(
            "Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true}); window.away = true;"
            "window.asked = 0; document.addEventListener('htmx:beforeSend', () => window.asked++);"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        assert browser.driver.execute_script("return window.asked") == 0
        browser.driver.execute_script("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        wait_until(lambda: browser.driver.execute_script("return window.asked") == 1)
