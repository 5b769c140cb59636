"""``python -m helpers lab``: a real server, asked as a browser asks it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, build_opener

import pytest

ROOT = Path(__file__).parents[2]


class Server:
    """JupyterLab as the course opens it, for a reader who has a kernel ``python3`` of their own at home."""

    def __init__(self, home: Path) -> None:
        impostor = home / ".local" / "share" / "jupyter" / "kernels" / "python3"
        impostor.mkdir(parents=True)
        (impostor / "kernel.json").write_text('{"argv": ["false"], "display_name": "Impostor"}')
        self.log = ""
        self.process = subprocess.Popen(
            # A free port of the system's choice, since two test runs may go on at once.
            [sys.executable, "-m", "helpers.course.lab", "--no-browser", "--port=0", "--allow-root"],
            cwd=ROOT,
            env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line
            if found := re.search(r"(http://127\.0\.0\.1:\d+)(/lab\S*)\?token=(\w+)", line):
                self.address, self.first_page, self.token = found.groups()
                break
        else:
            pytest.fail(f"it did not start:\n{self.log}")
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        """The server says its address a moment before it listens there."""
        where = ("127.0.0.1", int(self.address.rpartition(":")[2]))
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(where, timeout=1).close()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "it never listened"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("home"))
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.communicate()


@pytest.fixture
def reader(server: Server) -> OpenerDirector:
    """A browser that has followed the link with the token."""
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
    browser.open(f"{server.address}/lab?token={server.token}").close()
    return browser


def test_it_opens_on_the_first_chapter(server: Server) -> None:
    if (ROOT / "notebooks" / "00_start_here.ipynb").exists():
        assert server.first_page == "/lab/tree/notebooks/00_start_here.ipynb"
    else:
        assert server.first_page == "/lab"


def test_without_the_token_nobody_gets_in(server: Server) -> None:
    stranger = build_opener(ProxyHandler({}))
    with stranger.open(f"{server.address}/lab") as answer:
        assert "/login" in answer.url


def test_no_news_and_no_updates(server: Server, reader: OpenerDirector) -> None:
    with reader.open(f"{server.address}/lab") as answer:
        page = answer.read().decode()
    settings = json.loads(
        re.search(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1]
    )
    assert "@jupyterlab/apputils-extension:announcements" in settings["disabledExtensions"]
    assert settings["news"] == {"disabled": True}


def test_the_kernel_is_that_of_the_environment(server: Server, reader: OpenerDirector) -> None:
    with reader.open(f"{server.address}/api/kernelspecs") as answer:
        specs = json.load(answer)
    assert specs["default"] == "python3"
    assert specs["kernelspecs"]["python3"]["spec"]["display_name"] != "Impostor"


def test_the_file_browser_starts_at_the_project(server: Server, reader: OpenerDirector) -> None:
    with reader.open(f"{server.address}/api/contents/helpers/course?content=0") as answer:
        assert json.load(answer)["type"] == "directory"


def test_ctrl_c_ends_it_without_asking_back(server: Server) -> None:
    assert server.stop() == 0
