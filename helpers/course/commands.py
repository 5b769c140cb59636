"""The command line: which command is which module, and in which environment it runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from helpers.course import environment
from helpers.course.problem import Problem


class Command(NamedTuple):
    """One command of ``python -m helpers``.

    Attributes:
        module: what is run, in the course's environment.
        groups: of pyproject.toml, that it needs there; nothing is installed where it is empty.
        help: for the reader.
    """

    module: str
    groups: tuple[str, ...]
    help: str


LAB = ("lab",)
TEST = ("lab", "test")
COMMANDS = {
    "lab": Command(
        "helpers.course.lab", LAB, "open the course; options go to JupyterLab: --no-browser, --port"
    ),
    "test": Command("helpers.course.testing", TEST, "run every test; options go to pytest: -k, -x, paths"),
    "check": Command("helpers.course.check", (), "say [ok] or the mend for each thing the course needs"),
    "refresh": Command("helpers.course.refresh", TEST, "execute notebooks afresh and save them: [CHAPTER …]"),
    "bench": Command(
        "helpers.course.bench",
        TEST,
        "measure the tools: recorder, schedules, labs or labs_panel, and options",
    ),
    "run": Command(
        "helpers.run_command", LAB, "record your script: SCRIPT … [--timeline FILE] [--timeout S]"
    ),
}


def main(argv: list[str]) -> int:
    """Carry out the command line `argv`; return the exit code."""
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="python -m helpers",
        description="A course on concurrency in Python. What it needs is put into .venv the first time.",
        epilog="\n".join(f"  {name:{width}}  {command.help}" for name, command in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="…", help="what the command takes")
    if not argv:
        parser.print_help()
        return 0
    arguments = parser.parse_args(argv)
    command = COMMANDS[arguments.command]
    options = arguments.options
    if arguments.command == "run":
        # The script is the reader's own and belongs to the Python they typed, with the packages it has.
        options = ["--python", sys.executable, *options]
    try:
        python = environment.provide(command.groups) if command.groups else environment.find(LAB)
        return environment.hand_over(python or Path(sys.executable), command.module, options)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
