"""Runs one of CPython's own test modules twice: as it is, and with all its functions rewritten.

Prints, as JSON, the tests that do not pass each time, how many ran, and how many accesses were reported.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import unittest

from helpers.schedules import calls, reaching
from helpers.schedules.rewriting import visible
from tests.schedules.reports import Listener, Listening


class Counting(Listener):
    """Keeps nothing of the accesses but their number: there may be a million."""

    made = 0

    def access_all(self, places, write, site, text):
        self.made += 1
        return True

    def saw(self, value):
        pass


def failed(suite: unittest.TestSuite) -> tuple[int, list[str]]:
    result = unittest.TextTestRunner(stream=io.StringIO(), verbosity=0).run(suite)
    return result.testsRun, sorted({test.id() for test, _ in result.failures + result.errors})


def main(name: str) -> None:
    load = unittest.defaultTestLoader.loadTestsFromModule
    ran, bare = failed(load(importlib.import_module(name)))
    del sys.modules[name]  # some keep what they did in their own variables
    module = importlib.import_module(name)
    # For once, a part of the standard library is the program.
    calls.is_own = reaching.is_own = lambda file: file == module.__file__
    with visible(*vars(module).values()) as reached, Listening(Counting()) as listener:
        again, rewritten = failed(load(module))
    assert ran == again
    found = {"ran": ran, "bare": bare, "rewritten": rewritten, "functions": len(reached.functions)}
    print(json.dumps({**found, "accesses": listener.made}))


main(sys.argv[1])
