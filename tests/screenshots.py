"""`make screenshots`: the pictures of the README, taken in Chromium from what `dispatcher up --simulated` runs."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.acceptance import test_page
from tests.browser import chromium
from tests.conftest import wait_until
from tests.processes import ROOT

_FOLDER = ROOT / "docs" / "images"


def main() -> None:
    """Take them."""
    with (
        tempfile.TemporaryDirectory(prefix="dispatcher-screenshots-") as folder,
        test_page.running(Path(folder)) as tried,
        chromium("en-US", width=900, height=900) as browser,
    ):
        sample = test_page.sample_of(tried, Path(folder))
        test_page.enter(browser, tried)
        browser.go(f"{tried.url}/campaigns/new")
        test_page.fill_in(browser, sample, "Cuotas de diciembre")
        test_page.press(browser, test_page.FIRST, "/check")
        browser.sees("Go on with")
        browser.driver.save_screenshot(str(_FOLDER / "check.png"))
        test_page.press(browser, test_page.FIRST, "/when")
        test_page.press(browser, test_page.FIRST, "/summary")
        test_page.press(browser, "#send", "/campaigns/")
        wait_until(lambda: "completed" in browser.main)
        browser.driver.save_screenshot(str(_FOLDER / "campaign.png"))
    sys.stdout.write(f"{_FOLDER}: check.png, campaign.png\n")


if __name__ == "__main__":
    main()
