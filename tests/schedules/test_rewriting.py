"""Rewriting is not to be noticed: results, exceptions, tracebacks and everything a function has stay the same."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import textwrap
import threading
import traceback
from pathlib import Path

import pytest

from helpers.schedules.rewriting import visible
from tests.schedules.reports import Listening, defined, reported

ROOT = Path(__file__).resolve().parents[2]

# CPython's own tests of the language: their functions are rewritten, and must find all as it was.
LANGUAGE = [
    "test_augassign", "test_bisect", "test_class", "test_contextlib", "test_dictcomps", "test_fstring", "test_generators",
    "test_grammar", "test_named_expressions", "test_patma", "test_property", "test_scope", "test_super", "test_textwrap",
    "test_with", "test_dataclasses", "test_fractions", "test_userdict", "test_descr",
]  # fmt: skip
# Tests that look at what rewriting cannot hide. Each must really fail: one that passes is to be taken out.
INTROSPECTIVE = {
    "test.test_descr.MiscTests.test_type_lookup_mro_reference": "a key that changes the class while it is compared",
    "test.test_descr.ClassPropertiesAndMethods.test_vicious_descriptor_nonsense": "a key that deletes what is looked up",
}
NEW_IN_3_15 = pytest.mark.skipif(sys.version_info < (3, 15), reason="unpacking in comprehensions")


@pytest.mark.skipif(importlib.util.find_spec("test.test_grammar") is None, reason="needs CPython's own tests")
@pytest.mark.parametrize("module", LANGUAGE)
def test_cpythons_own_tests_come_out_rewritten_as_they_come_out_bare(module):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", ROOT / "tests/schedules/cpython_rewritten.py", f"test.{module}"],
        capture_output=True, text=True, timeout=100, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["functions"] and found["accesses"]
    known = {name for name in INTROSPECTIVE if name.startswith(f"test.{module}.")}
    assert set(found["rewritten"]) - set(found["bare"]) == known


def both_ways(program, *args):
    """What a program's `main` gives as it is, and rewritten: its result or exception, and what it logged."""
    outcomes = []
    for rewritten in (False, True):
        main = defined(program)["main"]
        log = []
        try:
            outcome = reported(main, log, *args).result if rewritten else main(log, *args)
        except Exception as error:
            frames = [
                (frame.name, frame.lineno, frame.colno, frame.end_lineno, frame.end_colno)
                for frame in traceback.extract_tb(error.__traceback__)
                if frame.filename.startswith("<program")
            ]
            ours = [
                f for f in traceback.extract_tb(error.__traceback__) if "/helpers/schedules/" in f.filename
            ]
            outcome = (type(error), str(error), frames, ours)
        outcomes.append((outcome, log))
    return outcomes


LOGGING = """
class Logged:
    "Writes down everything that is done to it."
    def __init__(self, name, log): self.__dict__.update(name=name, log=log)
    def __getattr__(self, name): self.log.append(f"{self.name}.{name}"); return Logged(f"{self.name}.{name}", self.log)
    def __setattr__(self, name, value): self.log.append(f"{self.name}.{name} = {value}")
    def __delattr__(self, name): self.log.append(f"del {self.name}.{name}")
    def __getitem__(self, key): self.log.append(f"{self.name}[{key}]"); return Logged(f"{self.name}[{key}]", self.log)
    def __setitem__(self, key, value): self.log.append(f"{self.name}[{key}] = {value}")
    def __delitem__(self, key): self.log.append(f"del {self.name}[{key}]")
    def __call__(self, *args, **keywords): self.log.append(f"{self.name}{args}{keywords}"); return self
    def __iadd__(self, other): self.log.append(f"{self.name} += {other}"); return self
    def __add__(self, other): self.log.append(f"{self.name} + {other}"); return self
    def __lt__(self, other): self.log.append(f"{self.name} < {other}"); return self
    def __eq__(self, other): self.log.append(f"{self.name} == {other}"); return self
    def __contains__(self, other): self.log.append(f"{other} in {self.name}"); return True
    def __iter__(self): self.log.append(f"iter {self.name}"); return iter([self, self])
    def __bool__(self): self.log.append(f"bool {self.name}"); return True
    def __enter__(self): self.log.append(f"enter {self.name}"); return self
    def __exit__(self, *error): self.log.append(f"exit {self.name}")
    def __str__(self): return self.name
    __repr__ = __str__
    __hash__ = object.__hash__
def main(log):
    a, b, c, d, e, f = (Logged(name, log) for name in "abcdef")
    shared = 0
    def inner():
        nonlocal shared, a
        STATEMENT
    return str(inner()), str(shared)
"""


@pytest.mark.parametrize(
    "statement",
    [
        "a.x = b.y = c[d] = e()",
        "a.x[b], c.y, *d[e] = f",
        "(a.x, (b[c], d.y)) = e, [f, f.z]",
        "a[b()] += c()",
        "a.x.y += b(c)",
        "a.x[b.y][c()] += d",
        "a[b:c] += d",
        "a[b(), c:d] = e",
        "del a.x, b[c()], (d.y, e[f])",
        "return a(b, *c, d=e, **{'g': f})",
        "return a.x(b.y(c), *d.z)",
        "return a < b() < c.x < d",
        "return a in b.x and c not in d() or e",
        "return [x.y for x in a.x if x.z for z in x.w]",
        "return {x.y: z for x in a for z in b}",
        "for a.x in b: c()\n        else: d()",
        "for a[b()], c.y in [(1, 2)]: d()",
        "for shared in a: b(shared)",
        "while a.x < b:\n            c(); break",
        "with a.x as b.y, c() as d[e()]: f()",
        "with a as shared, b as c.z: d(shared)",
        "if a.x and not b() or c: d()",
        "return a.x if b.y else c.z",
        "return f'{a.x} {b()!r:>{c(5) and 5}}'",
        "return (lambda x=a.x: x + b)()",
        "return a + b.x + c()",
        "shared = a.x; shared += 2 if b else 1",
        "return (shared := b.x, shared)",
        "return [shared := x for x in a]",
        "x = a.x; x += b()\n        return x",
        "match a.x:\n            case [shared, y] if shared.z: return b(shared, y)",
        "match {'k': a}:\n            case {'k': shared, **rest}: return shared, rest",
        "try: a.x; raise ValueError(b.y)\n        except (ValueError, c.x and KeyError) as shared: d(shared)\n        finally: e.z",
        "import json as shared\n        return shared.dumps(1)",
        "from os import path as shared, sep\n        return sep",
        "global other\n        other = a.x\n        return other",
        "assert a.x < b, c",
        "assert not a.x, b.y",
        "def g(x=a.x, *, y: int = b.y) -> list[int]: return x(y)\n        return g()",
        "class K(metaclass=type): x = a.x; y: int = x.z\n        return K.x, K.y",
        "x: int = b.x; c.y: int = d.z\n        return 1",
        "x, *y, z = a.x, b.y, c, d\n        return y",
        "return [*a.x, *b], {**{'k': c.x}}, (*d,)",
        "def g():\n            got = yield a.x\n            b.y = got\n            yield from c.x\n            return d()\n        h = g(); next(h); h.send(e); return list(h)",
        "return sorted([3, 1, 2], key=lambda v: a.x and -v)",
        "return max(b'abc', default=a.x), sum([1, 2], start=3), min([4], [5])",
        "shared = 1\n        return [shared for _ in range(2)]",
        "return [shared for shared in range(3)][shared]",
        "i = 0; x = [1, 2]\n        x[i] += (i := 1)\n        return x, i",
        "i = [5, 6]\n        i, i[0] = [7, 8], 9\n        return i",
        "x = [[0] * 2] * 2\n        x[0][1] = x[1][0] = a.x\n        return len(x)",
        *(
            pytest.param(statement, marks=NEW_IN_3_15)
            for statement in [
                "return [*x.y for x in a.x if x.z], {*x.y for x in b}",
                "return {**{'k': x.y} for x in a}",
                "return list((*x for x in [a.x, [b.y], (c, 1)] if d))",
                "x = (*y for y in [a.x, 'bc']); return next(x), [*x]",
            ]
        ),
    ],
)
def test_the_order_of_evaluation_is_the_same(statement):
    nonlocals = "nonlocal a" if "shared" not in statement else "nonlocal shared, a"
    program = LOGGING.replace("nonlocal shared, a", nonlocals).replace("STATEMENT", statement)
    bare, rewritten = both_ways(program)
    assert bare == rewritten


@pytest.mark.parametrize(
    "statement",
    [
        "x = c.missing",
        "c.n.m = 1",
        "x = items[7]",
        "items[7] = 1",
        "x = items[1:2][5]",
        "x = d['missing']",
        "x = d[f('missing')]",
        "del d[f('missing')]",
        "d[[]] = 1",
        "items.pop(9)",
        "x = len(5)",
        "items.remove(9)",
        "x = (1 +\n             items[0]\n             + 'a')",
        "counter += 'a'",
        "x = counter / 0",
        "x = f(1) + f('a')",
        "items += 5",
        "x = items < 5",
        "x = items < f(5)",
        "a, b = items",
        "a, b, *c = [1]",
        "for a, b in [[1]]: pass",
        "for x in 5: pass",
        "x = [y for y in 5]",
        "x = [y.z for y in items]",
        "x = not_there",
        "x = f(*5)",
        "x = f(**5)",
        "x = f(1, 2, 3)",
        "next(iter([]))",
        "int('x')",
        "assert items == [], 'said'",
        "assert False, f'{items}'",
        "raise KeyError(items)",
        "raise ValueError from c.missing",
        "with c: pass",
        "x = {1, 2, items}",
        "x = f'{items:d}'",
        "x = '%d' % f('a')",
        "x = max([], key=f)",
        "x = sorted([1, 'a'])",
        "list(map(lambda v: v.z, items))",
        "sum(v.z for v in items)",
        "def g():\n            yield items[9]\n        x = list(g())",
        "del counter\n        counter",
        "x = y\n        y = 1",
        "from math import nothing as counter",
        "import no_such_module",
        "for x in d: d[x + 'y'] = 1",
        "c(1)",
        "type(c)(1, 2)",
        "setattr(c, 5, 1)",
        "getattr(c, 'missing')",
        "match items:\n            case [a, b, x]: x.y.z",
    ],
)
def test_exceptions_and_tracebacks_are_the_same_to_the_column(statement):
    program = """
        class C:
            n = 1
        def f(value): return value
        def main(log):
            counter, items, d, c = 0, [1, 2, 3], {"a": 1}, C()
            def inner():
                nonlocal counter, items
                STATEMENT
            inner()
            lambda: counter
    """
    program = textwrap.dedent(program).replace("STATEMENT", statement)
    (bare, _), (rewritten, _) = both_ways(program)
    assert bare == rewritten
    assert isinstance(bare[0], type)


class Base:
    def greet(self):
        return "base"


class Derived(Base):
    """Doc of the class."""

    __hidden = 3

    def greet(self, *, loud: bool = False) -> str:
        """Doc of the method."""
        self.__hidden += 1
        return super().greet() + __class__.__name__ + str(self.__hidden) * loud

    @functools.wraps(Base.greet)
    def wrapped(self):
        return self.greet()

    @property
    def hidden(self):
        return self.__hidden

    @staticmethod
    def static(x, /, y=2):
        return [x * y for x in range(x) if (z := x + y) and z]

    @classmethod
    def of_class(cls):
        return cls.__name__


def facts(function):
    code = function.__code__
    nested = [constant.co_qualname for constant in code.co_consts if hasattr(constant, "co_qualname")]
    return (
        function.__name__, function.__qualname__, function.__module__, function.__doc__, function.__defaults__,
        function.__kwdefaults__, function.__annotations__, function.__closure__, inspect.signature(function),
        code.co_name, code.co_qualname, code.co_filename, code.co_firstlineno, code.co_freevars, code.co_argcount,
        code.co_flags & inspect.CO_GENERATOR, [name for name in nested if not name.endswith("<lambda>")],
    )  # fmt: skip


def test_a_function_keeps_all_that_it_has_and_gets_its_code_back():
    functions = [Derived.greet, Derived.static, Derived.of_class.__func__, Derived.hidden.fget]
    codes = [function.__code__ for function in functions]
    before = [facts(function) for function in functions]
    with visible(Derived):
        assert [function.__code__ is code for function, code in zip(functions, codes, strict=True)] == [
            False
        ] * 4
        assert [facts(function) for function in functions] == before
        derived = Derived()
        assert derived.greet(loud=True) == "baseDerived4"
        assert derived.wrapped() == "baseDerived"
        assert derived.hidden == 5
        assert Derived.static(3) == [0, 2, 4]
        assert Derived.of_class() == "Derived"
    assert [function.__code__ for function in functions] == codes


def test_the_code_comes_back_after_an_exception_too():
    code = Derived.greet.__code__
    with pytest.raises(KeyboardInterrupt), visible(Derived):
        raise KeyboardInterrupt
    assert Derived.greet.__code__ is code


def test_nothing_is_added_to_globals_builtins_or_locals():
    program = defined("""
        import builtins
        counter = 0
        def setup():
            shared = 0
            def task(items):
                nonlocal shared
                global counter
                shared, counter = counter, shared
                items[shared] += 1
                for items[0], shared in [(1, 2)]:
                    while True:
                        return sorted(locals()), sorted(vars()), dir(), sorted(globals()), dir(builtins)
            return task
    """)
    task = program["setup"]()
    bare = task([1, 2, 3])
    assert reported(program["setup"](), [1, 2, 3]).result == bare


def test_compiling_again_takes_what_was_made_before():
    with visible(Derived):
        first = Derived.greet.__code__
    with visible(Derived):
        assert Derived.greet.__code__ is first


def test_a_generator_that_is_under_way_when_the_search_ends_goes_on():
    program = defined("""
        def setup():
            items = [1, 2, 3]
            def task():
                for x in items:
                    yield x
            return task
    """)
    task = program["setup"]()
    with visible(task), Listening() as listener:
        generator = task()
        assert next(generator) == 1
    assert "read items" in listener.said
    said = len(listener.said)
    assert list(generator) == [2, 3]
    assert len(listener.said) == said


def test_rewritten_code_runs_in_threads_that_are_not_explored():
    program = defined("""
        def setup():
            counter, items, d = 0, [], {}
            def task():
                nonlocal counter
                counter += 1
                items.append(counter)
                d[counter] = [x for x in items if x in d or x]
                for k, v in d.items(): v.sort(key=lambda x: -x)
                return f"{items} {d}", max(items), len(d), counter
            return task
    """)
    task = program["setup"]()
    results = []
    with visible(task):
        threads = [threading.Thread(target=lambda: results.append(task())) for _ in range(3)]
        for thread in threads:
            thread.start()
            thread.join()
    assert results[-1] == ("[1, 2, 3] {1: [1], 2: [2, 1], 3: [3, 2, 1]}", 3, 3, 3)
