"""The timeline viewer in a real browser: JupyterLab in headless Chromium, the slider is moved, an
error is jumped to.

Runs where Chromium is there (`.ci/run` installs it). WTAL_SCREENSHOTS names a folder to keep the
screenshots in.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.browser import keep, needs_browser
from tests.places import ROOT

NOTEBOOK = ROOT / "notebooks" / "diagnose.ipynb"
SECONDS = 120
pytestmark = needs_browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab that serves a copy of the notebook."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(NOTEBOOK, folder / NOTEBOOK.name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    options = [
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={token}",
    ]
    names = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "IPYTHONDIR",
        "JUPYTERLAB_SETTINGS_DIR",
    )
    homes = {name: str(tmp_path_factory.mktemp(name.lower())) for name in names}
    notices = (
        Path(homes["JUPYTERLAB_SETTINGS_DIR"])
        / "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    )
    notices.parent.mkdir(parents=True)
    notices.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with (folder / "lab.log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **homes})
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", folder / "lab.log")
        yield f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}?token={token}"
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def viewer(lab, browser):
    """The viewer's part of the page, after all cells were run."""
    page = browser.new_page(viewport={"width": 1500, "height": 1500})
    page.set_default_timeout(1000 * SECONDS)
    page.goto(lab)
    page.locator(".jp-Notebook").wait_for()
    page.get_by_text("Python 3", exact=False).first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    picture_in_it = page.locator("img.widget-image")
    box = page.locator(".jp-OutputArea-output .widget-vbox").filter(has=picture_in_it).first
    box.locator(".noUi-handle").first.wait_for()
    box.scroll_into_view_if_needed()
    yield box
    page.close()


def picture(box) -> bytes:
    """What the viewer shows now, as the pixels of its picture."""
    return box.locator("img.widget-image").screenshot()


def settled(box, before: bytes) -> bytes:
    """The picture, once it is another one and stays so for a second."""
    deadline, last, since = time.monotonic() + SECONDS, before, time.monotonic()
    while last == before or time.monotonic() < since + 1:
        assert time.monotonic() < deadline, "the picture stays as it is"
        now = picture(box)
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.1)
    return last


def summary(box) -> str:
    """The line of words above the picture."""
    return box.locator(".widget-label").filter(has_text="detections shown").inner_text()


def video_of(box):
    """The list of videos."""
    label = box.page.locator("label", has_text=re.compile("^video$"))
    return box.locator(".widget-dropdown", has=label).locator("select")


def proposals(text: str) -> int:
    return int(re.search(r"(\d+) proposals", text)[1])


def test_the_threshold_slider_cuts_other_proposals(viewer):
    handle = viewer.locator(".widget-slider .noUi-handle").first
    before, at_first = picture(viewer), summary(viewer)
    keep(viewer.page, "opened", False)
    handle.focus()
    for _ in range(60):
        handle.press("ArrowRight")
    settled(viewer, before)
    threshold = viewer.locator(".widget-readout").first.inner_text()
    deadline = time.monotonic() + SECONDS
    while f"above {threshold}" not in summary(viewer):  # a busy kernel draws step by step
        assert time.monotonic() < deadline, summary(viewer)
        time.sleep(0.3)
    assert f"above {threshold}" not in at_first
    assert proposals(summary(viewer)) < proposals(at_first)
    keep(viewer.page, "threshold", False)


def test_an_error_in_the_list_opens_its_video(viewer):
    errors, video = viewer.locator("select[size]"), video_of(viewer)
    before, at_first = picture(viewer), video.input_value()
    lines = errors.locator("option").all_inner_texts()
    number = next(i for i, line in enumerate(lines) if i and at_first not in line)
    errors.select_option(index=number)
    settled(viewer, before)
    assert video.input_value() in lines[number] and video.input_value() in summary(viewer)
    keep(viewer.page, "error", False)


def test_another_video_is_drawn(viewer):
    video = video_of(viewer)
    before = picture(viewer)
    video.select_option(index=3)
    settled(viewer, before)
    assert video.input_value() in summary(viewer)
    keep(viewer.page, "video", False)
