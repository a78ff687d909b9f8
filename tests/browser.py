"""A real Chromium, driven by Selenium; tests skip where it is not installed (Debian: chromium chromium-driver)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.conftest import wait_until

_AXE = Path(__file__).parent / "data" / "axe" / "axe.min.js"
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


def programs() -> tuple[str, str]:
    """Chromium and its driver; a test that needs them skips without, except where CI says that they must be there."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if None in found:
        why = "chromium and chromedriver are not installed (Debian: chromium chromium-driver)"
        if os.environ.get("TESTS_SKIP_NOTHING"):
            pytest.fail(why)
        pytest.skip(why)
    return found  # type: ignore[return-value]


class Browser:
    """A window of Chromium."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def go(self, url: str) -> None:
        self.driver.get(url)

    def one(self, selector: str) -> WebElement:
        """The first element, as soon as it is there."""
        return wait_until(lambda: self.driver.find_elements(By.CSS_SELECTOR, selector), 10)[0]

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def type(self, selector: str, text: str) -> None:
        field = self.one(selector)
        field.clear()
        field.send_keys(text)

    def click(self, selector: str) -> None:
        """Click, and wait for the page that follows when the click leads to one."""
        self.one(selector).click()

    def wait_for(self, part_of_path: str, deadline: float = 15) -> None:
        wait_until(lambda: part_of_path in self.driver.current_url, deadline)

    @property
    def path(self) -> str:
        return "/" + self.driver.current_url.split("/", 3)[3]

    @property
    def main(self) -> str:
        """What is read in the main part."""
        return str(self.driver.execute_script("return document.querySelector('main').innerText"))

    def sees(self, words: str, deadline: float = 20) -> None:
        """Wait until the main part says so."""
        try:
            wait_until(lambda: words in self.main, deadline)
        except AssertionError:
            raise AssertionError(f"{words!r} is not on {self.driver.current_url}:\n{self.main}") from None

    def complaints(self) -> list[str]:
        """What axe finds on the page, and what the browser's console has."""
        self.driver.execute_script(_AXE.read_text(encoding="utf-8"))
        found: Any = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {runOnly: arguments[0]}).then(r => done(r.violations.map("
            "v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + ' ' + (n.any[0] || {}).message).join(' | '))))",
            list(_RULES),
        )
        return [*found, *self.console()]

    def console(self) -> list[str]:
        """What the browser complained of since the last look, but for answers that are errors by design."""
        said = [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        return [words for words in said if "Failed to load resource" not in words]

    def wider_than_the_screen(self) -> bool:
        """Whether a reader would have to scroll sideways."""
        return bool(self.driver.execute_script("return document.documentElement.scrollWidth > innerWidth"))

    def small_targets(self) -> list[str]:
        """Buttons and links outside sentences that are lower or narrower than 24 px."""
        return list(
            self.driver.execute_script(
                "return [...document.querySelectorAll('button, nav a, input:not([type=hidden]), select, summary')]"
                ".filter(e => e.checkVisibility()).map(e => [e, e.getBoundingClientRect()])"
                ".filter(([e, r]) => r.width && (r.height < 24 || r.width < 18) && !e.closest('label'))"
                ".map(([e, r]) => e.outerHTML.slice(0, 80) + ' ' + r.width + 'x' + r.height)"
            )
        )


@contextmanager
def chromium(
    language: str = "es-AR", *, width: int = 1100, height: int = 900, dark: bool = False, javascript: bool = True
) -> Iterator[Browser]:
    """A Chromium of this language and size."""
    binary, driver = programs()
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    with tempfile.TemporaryDirectory(prefix="dispatcher-chromium-", ignore_cleanup_errors=True) as profile:
        for argument in (
            *_QUIET,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"--lang={language}",
        ):
            options.add_argument(argument)
        preferences: dict[str, Any] = {"intl.accept_languages": language}
        if not javascript:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        options.add_experimental_option("prefs", preferences)
        started = webdriver.Chrome(options=options, service=Service(driver))
        try:
            if javascript:
                media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
                started.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
                started.execute_cdp_cmd(
                    "Emulation.setDeviceMetricsOverride",
                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
                )
            yield Browser(started)
        finally:
            started.quit()
