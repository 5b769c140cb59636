"""A browser, and a JupyterLab for it, as fixtures; where there is no browser, these tests are skipped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from helpers.course.browser import NONE, find
from tests.browser.jupyterlab import PATIENCE, JupyterLab, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def executable() -> str:
    """The browser's program."""
    found = find()
    if found is None:
        pytest.skip(NONE)
    return found


@pytest.fixture(scope="module")
def browser(executable: str) -> Iterator[Browser]:
    """For one file only: as long as Playwright is at work, no other event loop can run in this thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(executable: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("jupyterlab"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def jupyterlab(server: Server, browser: Browser) -> Iterator[JupyterLab]:
    """One page for all tests of a file. When they have ended, so have their kernels, and all is as before."""
    before = {process.pid for process in server.descendants()}
    jupyterlab = JupyterLab(server, browser)
    yield jupyterlab
    jupyterlab.page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
    jupyterlab.close()
    deadline = time.monotonic() + PATIENCE
    while left := [process for process in server.descendants() if process.pid not in before]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _no_errors(jupyterlab: JupyterLab) -> Iterator[None]:
    """Nothing red in the browser's console."""
    jupyterlab.errors.clear()
    yield
    assert jupyterlab.errors == []
