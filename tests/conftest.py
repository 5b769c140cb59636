"""What `python -m helpers test` offers beyond pytest's own options."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from helpers.course import browser

BROWSER_TESTS = Path(__file__).parent / "browser"
# Markers of tests that take long, and run only with the option of the same name.
LONG = {
    "cpython": "run the whole of CPython's own tests of concurrency under the recorder (half an hour)",
    "exhaustive": "explore thousands of random programs, and run them on real threads (half an hour)",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, what in LONG.items():
        parser.addoption(f"--{name}", action="store_true", help=what)
    parser.addoption(
        "--no-browser-tests", action="store_true", help="leave out the tests that lead a real browser"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Whoever starts the tests in a shell's background has interrupts ignored, and so has every child of theirs.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in LONG:
        config.addinivalue_line("markers", f"{name}: takes minutes; deselected unless --{name} is given")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    too_long = {name for name in LONG if not config.getoption(f"--{name}")}
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in too_long)]
    if config.getoption("--no-browser-tests"):
        left_out += [item for item in items if BROWSER_TESTS in item.path.parents]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end that no browser was led, since all may look well without."""
    skipped = [report.nodeid for report in terminalreporter.getreports("skipped")]
    if config.getoption("--no-browser-tests"):
        said = "They were left out, as --no-browser-tests asks."
    elif any(node.startswith("tests/browser/") for node in skipped) and not browser.find():
        said = f"They were skipped: {browser.NONE}."
    else:
        return
    terminalreporter.section("browser tests")
    terminalreporter.line(said)
