"""An execution that only listens: what rewritten code reports, in order."""

from __future__ import annotations

import itertools
import linecache
import textwrap
import threading
from types import SimpleNamespace

from helpers.schedules import as_a_whole, by_key, by_name, calls, reporting
from helpers.schedules.rewriting import visible

_numbers = itertools.count()

ASKING = (as_a_whole, by_key, by_name, calls, reporting)  # whether the calling thread is explored


class Listener:
    """Takes the place of an execution in which every access is a step.

    Attributes:
        said: the accesses, in words.
        seen: the values that were read or written.
        touched: the places of each: what it is about, which key of it, and whether that is written.
        sites: line and column of each.
        notes: what could not be followed.
        before: called at each access, before it is made: what "other threads" do meanwhile.
    """

    watched = True
    written = None
    tasks = ()

    def __init__(self) -> None:
        self.said: list[str] = []
        self.seen: list[object] = []
        self.touched: list[tuple] = []
        self.sites: list[tuple[int, int]] = []
        self.notes: list[tuple[str, int | None]] = []
        self.quiet = False
        self.before = lambda: None
        self.search = SimpleNamespace(met=lambda sites: None, racy=frozenset())
        self.watches = SimpleNamespace(
            watch=lambda about, runs=None: None,
            refers=lambda reference: None,
            looked=lambda reference, site: None,
            finalized=lambda about, site: None,
        )

    def access(self, about, key, write, site, text):
        return self.access_all([(about, key)], write, site, text)

    def counts(self, about, site, text):
        return self.access(about, None, True, site, text)

    def access_all(self, places, write, site, text):
        if self.quiet:
            return False
        hash(tuple(key for _, key in places))
        self.said.append(text)
        self.touched.append(tuple((id(about), key, write) for about, key in places))
        self.sites.append((site.line, site.column))
        assert text.startswith("write " if write else "read ")
        self.before()
        return True

    def others_could_come_between(self):
        return True

    def meets_in_parallel(self, about, key, write):
        return False

    def accompanied(self):
        return False

    def saw(self, value):
        self.quiet = True  # a `repr` of the program's own makes no steps
        self.seen.append(value if isinstance(value, (int, str, float, type(None))) else repr(value))
        self.quiet = False

    def again(self, loop, frame, site, unread):
        pass

    def progress(self, frame=None, site=None, loop=None, finite=False):
        pass

    def cannot_follow(self, what, site=None):
        self.notes.append((what, site and site.line))


class Listening:
    """Within this context the calling thread is explored, as far as rewritten code can tell."""

    def __init__(self, listener: Listener | None = None) -> None:
        self.listener = listener or Listener()

    def __enter__(self) -> Listener:
        me, self._current = threading.get_ident(), reporting.current
        for module in ASKING:
            module.current = lambda: self.listener if threading.get_ident() == me else None
        return self.listener

    def __exit__(self, *error) -> None:
        for module in ASKING:
            module.current = self._current


def defined(source: str, **names) -> dict:
    """Run a program's text as a notebook's cell is run, so that its source can be found; gives its variables."""
    source = textwrap.dedent(source)
    file = f"<program {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    variables = {"__name__": "__main__", **names}
    exec(compile(source, file, "exec"), variables)
    return variables


def reported(function, *args, **keywords):
    """Call a function while it is rewritten; gives the listener, and what came of the call."""
    with visible(function) as reached, Listening() as listener:
        listener.notes += [(what, site and site.line) for what, site in reached.notes]
        listener.result = function(*args, **keywords)
    return listener
