"""Which functions are found from a scenario, and what is said of those that cannot be followed."""

from __future__ import annotations

import contextlib
import functools
import queue
import textwrap
import threading

import pytest

from helpers.schedules.reaching import Reached, is_own
from helpers.schedules.rewriting import visible
from tests.schedules.reports import defined, reported


def names(*roots):
    reached = Reached()
    for root in roots:
        reached.add(root)
    return {function.__code__.co_qualname for function in reached.functions}, [
        what for what, _ in reached.notes
    ]


AROUND = """
import functools, threading, types
from collections import defaultdict, namedtuple
def work(): return 1
def other(): return 2
class Base:
    def inherited(self): pass
class Worker(Base):
    def __init__(self): self.work = work
    def method(self): pass
    @staticmethod
    def static(): pass
    @classmethod
    def of_class(cls): pass
    @property
    def attribute(self): return 1
    @functools.cached_property
    def late(self): return 2
    class Inner:
        def deep(self): pass
class Child(Worker):
    def overridden(self): pass
table = {"a": [work, (other,)]}
bound = Worker().method
made = functools.partial(work)
factories = defaultdict(lambda: work())
space = types.SimpleNamespace(call=work)
pair = namedtuple("Pair", "call")(work)
view = {"a": work}.items()
proxy = types.MappingProxyType({"a": work})
@functools.wraps(work)
def decorated(): return other()
def defaults(f=work, *, g=other): return f() or g()
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("work()", {"work"}),
        ("threading.Thread(target=work)", {"work"}),
        ("table['a'][0]()", {"work", "other"}),
        ("made()", {"work"}),
        ("factories['x']", {"<lambda>", "work"}),
        ("space.call()", {"work"}),
        ("pair.call()", {"work"}),
        ("next(iter(view))[1]()", {"work"}),
        ("proxy['a']()", {"work"}),
        ("decorated()", {"decorated", "other", "work"}),
        ("defaults()", {"defaults", "work", "other"}),
        ("[work() for _ in range(2)]", {"work"}),
        ("(lambda: work())()", {"work"}),
        ("bound()", {"work", "Worker.__init__", "Worker.method", "Child.overridden", "Base.inherited"}),
        (
            "Worker()",
            {
                "Worker.__init__", "Worker.method", "Worker.static", "Worker.of_class", "Worker.attribute",
                "Worker.late", "Worker.Inner.deep", "Base.inherited", "Child.overridden", "work",
            },
        ),
    ],
)  # fmt: skip
def test_functions_are_found_wherever_the_program_keeps_them(body, expected):
    program = defined(f"{AROUND}\ndef scenario():\n    {body}\n")
    found, notes = names(program["scenario"])
    assert found >= {"scenario", *expected}
    assert "other" in expected or "other" not in found
    assert not notes


def test_closures_and_nested_functions_are_found():
    program = defined("""
        def make():
            def inner(): return 1
            def outer(): return inner()
            return outer
        scenario = make()
    """)
    assert names(program["scenario"])[0] == {"make.<locals>.outer", "make.<locals>.inner"}


def test_the_standard_library_and_installed_packages_are_not_entered():
    def scenario():
        threading.Thread(target=functools.partial(contextlib.suppress, queue.Queue()))
        textwrap.dedent(pytest.__name__)

    assert {name.rpartition(".")[2] for name in names(scenario)[0]} == {"scenario"}
    assert is_own(__file__)
    assert is_own("<ipython-input-1>")
    assert not is_own(textwrap.__file__)
    assert not is_own(pytest.__file__)
    assert not is_own("<frozen importlib._bootstrap>")


def test_what_cannot_be_followed_is_said_with_its_line():
    program = defined("""
        import functools
        exec(compile("def unseen(): pass", "<no file>", "exec"))
        async def later(): pass
        @functools.lru_cache
        def cached(): return 1
        def numbers(): yield 1
        going = numbers()
        def scenario():
            unseen(); cached(); next(going)
            return later
    """)
    with visible(program["scenario"]) as reached:
        notes = {what: site and site.line for what, site in reached.notes}
    assert notes == {
        "unseen is not followed: its source cannot be found": 1,
        "async function later is not followed": 4,
        "cached keeps its results from call to call, in C": 5,
        "generator numbers was made before the search": 7,
    }


def test_the_methods_of_data_classes_are_known_without_source():
    program = defined("""
        import dataclasses
        @dataclasses.dataclass(order=True)
        class Point:
            x: int = 0
            def moved(self): self.x += 1
        @dataclasses.dataclass(frozen=True)
        class Fixed:
            y: int
        def scenario():
            point = Point(1)
            point.moved()
            return repr(point), Fixed(2)
    """)
    found, notes = names(program["scenario"])
    assert found >= {"scenario", "Point.moved"}
    assert notes == []
    listener = reported(program["scenario"])
    assert listener.said == ["read self.x", "write self.x", "read point"]
    assert listener.result[0] == "Point(x=2)"


def test_a_function_that_is_found_only_when_it_is_called_is_rewritten_then():
    program = defined("""
        def hidden():
            global counter
            counter = counter + 1
        counter = 0
        def scenario():
            function = globals()["".join(["hid", "den"])]
            function()
            return counter
    """)
    assert "hidden" not in names(program["scenario"])[0]
    listener = reported(program["scenario"])
    assert listener.result == 1
    assert listener.said[-3:] == ["read counter", "write counter", "read counter"]


def test_counters_methods_are_followed_though_they_are_the_standard_librarys():
    program = defined("""
        from collections import Counter
        def setup():
            counts = Counter(a=1)
            def task():
                counts.update({"a": 2})
                return counts
            return task
    """)
    listener = reported(program["setup"]())
    assert listener.result == {"a": 3}
    # Reading the old count and writing the new one are two steps, as in every `+=`.
    assert [text for text in listener.said if text in ("read self.get", "write self[elem]")] == [
        "read self.get",
        "write self[elem]",
    ]


def test_what_the_compiler_makes_of_annotations_is_no_function_of_the_program():
    program = defined("""
        import dataclasses
        @dataclasses.dataclass
        class Account:
            balance: int = 0
        def scenario(account: Account = Account(1)) -> int:
            return account.balance
    """)
    assert names(program["scenario"])[1] == []
