"""Runs tests of the standard library's `test` package, and writes down how each came out.

    python unittest_results.py RESULTS SHARD OF NAME …

Each line of RESULTS is a JSON list: the test, "started" or how it came out, and what went wrong. Of the test
classes only every OF-th is run, from the SHARD-th on. A name is what `python -m unittest` takes, or
``test.test_multiprocessing_fork`` and the like where a Python has those tests but not the module that makes
them.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types
import unittest


class Results(unittest.TestResult):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def startTest(self, test):
        super().startTest(test)
        self._write(test, "started")

    def addSuccess(self, test):
        self._write(test, "passed")

    def addExpectedFailure(self, test, error):
        self._write(test, "passed")

    def addUnexpectedSuccess(self, test):
        self._write(test, "failed", "unexpected success")

    def addSkip(self, test, reason):
        self._write(test, "skipped", reason)

    def addFailure(self, test, error):
        self._write(test, "failed", self._exc_info_to_string(error, test))

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.addFailure(test, error)

    def _write(self, test: unittest.TestCase, outcome: str, text: str = "") -> None:
        # Opened each time: a test may fork, and its child must have nothing of ours to flush.
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps([test.id(), outcome, text]) + "\n")


def tests_named(name: str) -> unittest.TestSuite:
    method = name.rpartition("_")[2]
    if name.startswith("test.test_multiprocessing_") and importlib.util.find_spec(name) is None:
        from test._test_multiprocessing import install_tests_in_module_dict

        module = sys.modules[name] = types.ModuleType(name)
        install_tests_in_module_dict(vars(module), method)
        return unittest.defaultTestLoader.loadTestsFromModule(module)
    return unittest.defaultTestLoader.loadTestsFromName(name)


def classes_of(tests: unittest.TestSuite) -> dict[str, list[unittest.TestCase]]:
    found: dict[str, list[unittest.TestCase]] = {}
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            for name, those in classes_of(test).items():
                found.setdefault(name, []).extend(those)
        else:
            found.setdefault(test.id().rpartition(".")[0], []).append(test)
    return found


def main(path: str, shard: int, of: int, names: list[str]) -> None:
    from test.support import script_helper

    # Their scripts are run without looking at the environment, and so unrecorded, unless Python needs it.
    script_helper.interpreter_requires_environment = lambda: True
    classes = classes_of(unittest.TestSuite(map(tests_named, names)))
    mine = [test for name in sorted(classes)[shard::of] for test in classes[name]]
    unittest.TestSuite(mine).run(Results(path))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
