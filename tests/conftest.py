"""Checks array shapes and types of every annotated function of the core while tests run, and knows
which tests are slow.

`slow_tests.txt` names the tests that took more than `SLOW_SECONDS`; `make check` leaves them out.
`pytest tests --write-slow` measures and writes it anew.
"""

import re
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests compare with benchmarks/plain

from tests.browser import CHROMIUM, QUIET, SECONDS, note_complaints

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")
install_import_hook("wtal_core", "beartype.beartype")

LOCAL = re.compile("(file|data|blob):")
SLOW_SECONDS = 0.5
SLOW_TESTS = Path(__file__).with_name("slow_tests.txt")


def without_parameters(test: str) -> str:
    return test.split("[")[0]


def pytest_addoption(parser):
    parser.addoption("--write-slow", action="store_true", help="write slow_tests.txt anew")


def pytest_collection_modifyitems(items):
    slow = set(SLOW_TESTS.read_text().splitlines())
    for item in items:
        if without_parameters(item.nodeid) in slow:
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter, config):
    """Whoever meets a module's fixture first pays for it, so setting up counts."""
    if not config.getoption("--write-slow"):
        return
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "duration", 0) > SLOW_SECONDS
    ]
    slow = sorted({without_parameters(report.nodeid) for report in reports})
    SLOW_TESTS.write_text("".join(f"{test}\n" for test in slow))


@pytest.fixture(scope="module")
def one_thread():
    """Several threads are no help with tensors of this size, and a hindrance on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def browser():
    """Chromium, for tests that are marked with `needs_browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a page and waits for its timeline; whatever the browser complains of, or a call to
    anywhere but files and the page itself, fails the test in the end.
    """
    complaints, contexts = [], []

    def opened(path: Path, width: int = 1400, scheme: str = "light", anchor: str = ""):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        page = context.new_page()
        page.set_default_timeout(1000 * SECONDS)
        note_complaints(page, complaints, lambda url: bool(LOCAL.match(url)))
        page.goto(path.as_uri() + anchor)
        page.locator(".stage svg .lane").first.wait_for()
        contexts.append(context)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
