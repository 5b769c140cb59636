"""What `python -m helpers test` offers beyond pytest's own options."""

from __future__ import annotations

import pytest

# Markers of tests that take long, and run only with the option of the same name.
LONG = {
    "cpython": "run the whole of CPython's own tests of concurrency under the recorder (half an hour)",
    "exhaustive": "explore thousands of random programs, and run them on real threads (half an hour)",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    for name, what in LONG.items():
        parser.addoption(f"--{name}", action="store_true", help=what)


def pytest_configure(config: pytest.Config) -> None:
    for name in LONG:
        config.addinivalue_line("markers", f"{name}: takes minutes; deselected unless --{name} is given")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {name for name in LONG if not config.getoption(f"--{name}")}
    slow = [item for item in items if any(item.get_closest_marker(name) for name in left_out)]
    if slow:
        items[:] = [item for item in items if item not in slow]
        config.hook.pytest_deselected(items=slow)
