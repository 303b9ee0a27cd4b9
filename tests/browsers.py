"""A browser for the tests that need one, and what a page opened in it had to complain of."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright

# Those that `scripts/browser` looks for; the first has no windows and takes a fifth less time.
_PROGRAMS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
_APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def launched(playwright: Playwright, pages: str = "the HTML page") -> Browser:
    """The system's Chromium or Chrome, else Playwright's own; without any, the test is skipped."""
    own = playwright.chromium.executable_path
    found = [path for name in _PROGRAMS if (path := shutil.which(name))]
    found += [path for path in (*_APPLICATIONS, own) if Path(path).exists()]
    if not found:
        pytest.skip(
            f"no Chromium or Chrome here: how {pages} looks and behaves in a browser "
            "is NOT tested (scripts/browser installs one where it may)"
        )
    # Root has no sandbox.
    return playwright.chromium.launch(executable_path=found[0], chromium_sandbox=False)


@dataclass(frozen=True)
class Opened:
    page: Page
    complaints: list[str]
    """What was written to the console, raised, or asked of the network."""
    milliseconds: float
    """From the start until every panel was drawn."""


@contextmanager
def opened(
    browser: Browser, address: str, *, at: datetime | None = None, **context: Any
) -> Iterator[Opened]:
    """The page at an address, drawn, at this moment; `context` is Playwright's."""
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}} | context
    with browser.new_context(**options) as room:
        page = room.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda each: complaints.append(f"asked for {each.url}"))
        if at is not None:
            page.clock.set_fixed_time(at)
        page.goto(address)
        drawn(page)
        # The page itself is no complaint.
        complaints.remove(f"asked for {page.url.partition('#')[0]}")
        yield Opened(page, complaints, page.evaluate("performance.now()"))


def drawn(page: Page) -> None:
    """Wait until every panel shows what is chosen."""
    page.wait_for_selector("body[data-drawn]", timeout=15_000)
