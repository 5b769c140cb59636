"""What `python -m helpers test` offers beyond pytest's own options."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cpython",
        action="store_true",
        help="run the whole of CPython's own tests of concurrency under the recorder (half an hour)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cpython: takes minutes; deselected unless --cpython is given")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--cpython"):
        return
    slow = [item for item in items if item.get_closest_marker("cpython")]
    if slow:
        items[:] = [item for item in items if item not in slow]
        config.hook.pytest_deselected(items=slow)
