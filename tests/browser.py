"""Chromium for tests: where it is, how it is started so that no call leaves the machine, and where
screenshots are kept. The fixture `browser` of `conftest.py` starts it.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
SECONDS = 60  # that anything may take on a busy machine
needs_browser = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed; `apt-get install chromium`"
    ),
    pytest.mark.filterwarnings("default"),
]


def until(page, condition: str) -> None:
    """Wait for it; asked from outside, because a page may let no text be run as a script."""
    deadline = time.monotonic() + SECONDS
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"never: {condition}"
        page.wait_for_timeout(50)


def note_complaints(page, complaints: list[str], is_local: Callable[[str], bool]) -> None:
    """What the page complains of from now on: warnings, errors, addresses that are not local."""
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else 0)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if is_local(asked.url) else complaints.append(asked.url))


def keep(page, name: str, full_page: bool = True) -> None:
    """A screenshot in the folder that WTAL_SCREENSHOTS names, where it names one."""
    if place := os.environ.get("WTAL_SCREENSHOTS"):
        page.screenshot(path=Path(place) / f"{name}.png", full_page=full_page)
