"""A real Chromium."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = os.environ.get("ROOMKEEPER_BROWSER") == "required"
PATIENCE = 30_000  # milliseconds: others take the processor, and five seconds are the default
#: Without these, Chromium asks services of its maker's at every start.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
    if CHROMIUM is None and not REQUIRED:
        pytest.skip("there is no Chromium here: the pages are not tried in a browser")
    assert CHROMIUM is not None, "CI needs Chromium: `.ci/run` installs it"
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield one
        one.close()
