"""A reader at JupyterLab: a real server on loopback, a real browser, chapters from a clean copy."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from helpers.course.requirements import ROOT
from helpers.course.unattended import environment, question

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SETTINGS = ROOT / "helpers" / "course" / "jupyter"  # JupyterLab's, as the course opens it
PATIENCE = 100.0  # seconds; generous, only so that nothing hangs

# The notebook that is in front. JupyterLab says "idle" before there is a kernel, and loses a "Run All" that
# comes then; so the kernel's own connection is asked.
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
KERNEL = f"{NOTEBOOK}?.sessionContext?.session?.kernel"
CODE_CELLS = f"{NOTEBOOK}.content.widgets.filter(cell => cell.model.type === 'code')"
RESTORED = "window.jupyterapp?.shell && window.jupyterapp.restored.then(() => true)"
CONNECTED = f"{KERNEL}?.connectionStatus === 'connected' && {KERNEL}.status === 'idle'"
ALL_RUN = f"{KERNEL}?.status === 'idle' && {CODE_CELLS}.every(cell => cell.model.executionCount)"

# The server ends when its standard input does: also where the test is killed.
JUPYTERLAB = """\
import os, signal, sys, threading
from jupyterlab.labapp import main
def outlive_nobody():
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=outlive_nobody, daemon=True).start()
main()
"""


class Server:
    """JupyterLab with the course's settings, and with nothing of the reader's own.

    Attributes:
        folder: what it shows; a test puts its notebooks there.
        address, token: where a browser finds it.
        process: the server; kernels are its children.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / "course"
        self.folder.mkdir()
        own = {
            name: str(home / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        } | {f"JUPYTERLAB_{name}_DIR": str(home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
        ours = {"JUPYTER_CONFIG_PATH": str(SETTINGS), "JUPYTER_PREFER_ENV_PATH": "1"}
        options = ["--no-browser", "--port=0", "--allow-root", "--LabApp.expose_app_in_browser=True"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", JUPYTERLAB, *options, f"--ServerApp.root_dir={self.folder}"],
            env={**environment(), **own, **ours},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._log: list[str] = []
        self._known = threading.Event()
        # The log is read to its end: a server that cannot write any more stands still.
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._known.wait(PATIENCE) or not self.token:
            self.stop()
            raise RuntimeError(f"JupyterLab did not start:\n{''.join(self._log)}")

    def _read(self) -> None:
        self.address = self.token = ""
        assert self.process.stderr is not None
        with self.process.stderr as log:
            for line in log:
                self._log.append(line)
                if found := re.search(r"(http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)", line):
                    self.address, self.token = found.groups()
                    self._known.set()
        self._known.set()

    def descendants(self) -> list[psutil.Process]:
        """Its kernels, and all that they have started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> None:
        """End it, and whatever it has left running."""
        left = self.descendants()
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for process in psutil.wait_procs(left, timeout=5)[1]:
            process.kill()
        self._reader.join()


class JupyterLab:
    """The page in the browser.

    Attributes:
        page: Playwright's page, for all that has no name here.
        errors: what the browser's console has said in red, and exceptions that no script has caught.
    """

    def __init__(self, server: Server, browser: Browser, **context: Any) -> None:
        self._server = server
        self._context = browser.new_context(viewport={"width": 1200, "height": 1000}, **context)
        self._context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = self._context.new_page()
        self.errors: list[str] = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, notebook: Path) -> Notebook:
        """Open a copy of `notebook` in a tab of its own, and wait until its kernel is ready."""
        shutil.copy(notebook, self._server.folder)
        if self.page.url == "about:blank":
            # Not with the notebook in the address: JupyterLab would open it once more when it is reloaded.
            self.page.goto(f"{self._server.address}/lab?token={self._server.token}&reset")
            self.page.wait_for_function(RESTORED)
        return Notebook(self, notebook.name).reopen()

    def command(self, name: str, **arguments: Any) -> None:
        """Carry out a command of JupyterLab's, such as ``notebook:run-all-cells``."""
        self.page.evaluate(
            "([name, it]) => window.jupyterapp.commands.execute(name, it).then(() => null)", [name, arguments]
        )

    def close(self) -> None:
        self._context.close()


class Notebook:
    """A notebook that is open in JupyterLab, in front, and its kernel.

    Attributes:
        page: Playwright's page.
    """

    def __init__(self, jupyterlab: JupyterLab, name: str) -> None:
        self._jupyterlab = jupyterlab
        self._name = name
        self.page = jupyterlab.page

    def reopen(self) -> Self:
        """Open it, again if it was closed, and wait until its kernel is ready."""
        self._jupyterlab.command("docmanager:open", path=self._name, factory="Notebook")
        self.page.wait_for_function(f"{NOTEBOOK}?.context?.path === {self._name!r}")
        self.wait_until(CONNECTED)
        return self

    def close(self) -> None:
        """Close its tab, with all its changes saved; the kernel goes on."""
        self._jupyterlab.command("docmanager:save")
        self._jupyterlab.command("application:close")
        self.page.wait_for_function(f"{NOTEBOOK}?.context?.path !== {self._name!r}")

    def clear(self) -> None:
        """Clear the outputs of all cells, and wait until the page shows none."""
        self._jupyterlab.command("notebook:clear-all-cell-outputs")
        self.page.wait_for_function(f"{CODE_CELLS}.every(cell => !cell.model.outputs.length)")

    def wait_until(self, condition: str) -> None:
        """Wait until an expression of JavaScript is true."""
        self.page.wait_for_function(condition)

    def run_all(self) -> None:
        """Run all cells; return when every one has ended."""
        self._jupyterlab.command("notebook:run-all-cells")
        self.wait_until(ALL_RUN)

    def run(self, number: int) -> None:
        """Run one code cell, counted from 0; return when it has ended."""
        self.begin(number)
        self.wait_until_ended(number)

    def begin(self, number: int) -> None:
        """Begin to run one code cell; return when it is in its kernel's hands."""
        content = f"{NOTEBOOK}.content"
        self.page.evaluate(f"{content}.activeCellIndex = {content}.widgets.indexOf({CODE_CELLS}[{number}])")
        self.page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")
        self.wait_until(f"{CODE_CELLS}[{number}].model.executionState === 'running' || {self._ended(number)}")

    def runs(self, number: int) -> bool:
        """Whether a code cell is being run."""
        return bool(self.page.evaluate(f"{CODE_CELLS}[{number}].model.executionState === 'running'"))

    def wait_until_ended(self, number: int) -> None:
        self.wait_until(self._ended(number))

    def _ended(self, number: int) -> str:
        cell = f"{CODE_CELLS}[{number}].model"
        return f"{cell}.executionCount && {cell}.executionState === 'idle'"

    def number(self, cell: str) -> int:
        """The number of the code cell with this id."""
        return int(self.page.evaluate(f"{CODE_CELLS}.findIndex(it => it.model.id === {cell!r})"))

    def output(self, number: int) -> Locator:
        """What a code cell, counted from 0, has put out; scrolled to, so that it is there."""
        self.page.evaluate(f"{CODE_CELLS}[{number}].node.scrollIntoView()")
        return (
            self.page.locator(".jp-NotebookPanel:visible .jp-CodeCell").nth(number).locator(".jp-OutputArea")
        )

    def restart_kernel(self) -> None:
        """Restart the kernel, as from the menu; return when it is ready again."""
        self.page.evaluate(f"{KERNEL}.restart()")
        self.wait_until(CONNECTED)

    def wait_until_value(self, expression: str, value: Any) -> None:
        """Wait until a Python expression has a value in the kernel."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.value(expression)) != value:
            assert time.monotonic() < deadline, f"{expression} is {found!r}, not {value!r}"

    def value(self, expression: str) -> Any:
        """The value of a Python expression in the kernel, whose ``repr`` must be a literal."""
        request = question("") | {"user_expressions": {"answer": expression}}
        answer = self.page.evaluate(
            f"request => {KERNEL}.requestExecute(request, true).done.then(it => it.content.user_expressions.answer)",
            request,
        )
        assert answer["status"] == "ok", f"{expression}: {answer['ename']}: {answer['evalue']}"
        return ast.literal_eval(answer["data"]["text/plain"])
