"""What an object is called, by the line that made it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers.timeline.naming import NameFinder


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 says nothing of it where it does not stop at it")
def test_a_program_with_a_warning_is_read_without_saying_it_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(r'pattern, lock = "\d", Lock()' + "\nother = Lock()\n")
    with pytest.warns(SyntaxWarning):
        compile(program.read_text(), str(program), "exec")
    assert NameFinder().find(str(program), 2, "Lock", 0) == "other"
