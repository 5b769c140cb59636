"""Two threads meet in every way in which Python can read and write what they share.

Each program is explored in both modes, and what can come of it is known from Python's own rules: where one
of them is missing, an access was not seen.
"""

from __future__ import annotations

import argparse
import builtins
import collections
import configparser
import contextlib
import copy
import ctypes
import dataclasses
import functools
import heapq
import io
import itertools
import json
import logging
import operator
import os
import pickle
import queue
import statistics
import string
import textwrap
import threading
import types
import weakref
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

import numpy
import pytest

from helpers import every_schedule
from tests.schedules.exploring import outcomes
from tests.schedules.reports import defined
from tests.schedules.scenarios import together


class Program(NamedTuple):
    """Two pieces of code that run at the same time.

    Attributes:
        setup: what comes before.
        one, other: the two.
        result: what is looked at in the end; `got` is a list that they may fill.
        outcomes: what can come of it.
    """

    setup: str
    one: str
    other: str
    result: str
    outcomes: set[str]


@dataclasses.dataclass
class Record:
    value: object = 0


class Thing:
    """Has any attributes."""

    value = 0


@dataclasses.dataclass
class Pair:
    one: int = 0
    other: int = 0


class Kept:
    """Goes through what it keeps."""

    def __init__(self) -> None:
        self.items = [1]

    def __iter__(self):
        return iter(self.items)


class Strict:
    """Every access to its attributes goes through its own methods."""

    def __init__(self) -> None:
        self.value = 0

    def __setattr__(self, name, value):
        super().__setattr__(name, value)

    def __getattribute__(self, name):
        return super().__getattribute__(name)


class Curious:
    """Looks up in a dictionary what it has not got, and fails if that has it neither."""

    def __init__(self) -> None:
        self.values = {"value": 0}

    def __getattr__(self, name):
        return self.values[name]


class Job:
    """Is put in order, and found, by code of its own."""

    def __lt__(self, other):
        return False

    def __eq__(self, other):
        return True


class Owned:
    """Has an attribute that the models have, too."""

    owner = "Ann"
    value = 0


def add_one(thing):
    thing.value += 1


NAMES = {
    module.__name__: module
    for module in (argparse, builtins, collections, configparser, contextlib, copy, ctypes, dataclasses, functools, heapq,
                   io, itertools, json, logging, numpy, operator, os, pickle, queue, statistics, string, textwrap, threading, types, weakref)
} | {thing.__name__: thing for thing in (Record, Thing, Pair, Job, Kept, Strict, Curious, Owned, add_one)} | {"mock": mock}  # fmt: skip


def scenario(setup: str, one: str, other: str, result: str) -> Callable[[], object]:
    """A program in which two pieces of code run at the same time."""
    text = f"""
def scenario():
    got = []
{textwrap.indent(setup, "    ")}
    def one():
{textwrap.indent(one, "        ")}
    def other():
{textwrap.indent(other, "        ")}
    together(one, other)
    return {result}
"""
    found: Callable[[], object] = defined(text, together=together, **NAMES)["scenario"]
    return found


CHANGED = "'changed size'"  # what a dictionary or set says that grows while it is gone through


_ADVANCE = "try: got.append(next(numbers)[0])\nexcept ValueError: got.append(-1)"


def _gone_through(expression: str) -> str:
    return f"try: got.extend({expression})\nexcept RuntimeError: got.append('changed size')"


def _added(setup: str, expression: str, result: str = "thing.value") -> Program:
    """A number is added: "lost update", or both are there."""
    return Program(setup, expression, expression, result, {"1", "2"})


SEEN = {
    "a defaultdict of locks": Program(
        "d = collections.defaultdict(threading.Lock)", "got.append(d['a'])", "got.append(d['a'])", "got[0] is got[1]", {"True"}
    ),
    "a defaultdict of plain objects": Program(
        "class Plain: pass\nd = collections.defaultdict(Plain)", "got.append(d['a'])", "got.append(d['a'])", "got[0] is got[1]", {"True"}
    ),
    "a defaultdict that makes in Python": Program(
        "d = collections.defaultdict(lambda: [])", "got.append(d['a'])", "got.append(d['a'])", "got[0] is got[1]", {"True", "False"}
    ),
    "enumerate over a generator": Program(
        "numbers = enumerate(number for number in (add_one, add_one) if number)", _ADVANCE, _ADVANCE, "sorted(got)", {"[0, 1]", "[-1, 0]"}
    ),
    "two iterators over one": Program(
        "numbers = iter([1, 2])\none_, other_ = zip('a', numbers), zip('b', numbers)", "got.append(next(one_)[1])", "got.append(next(other_)[1])", "got", {"[1, 2]", "[2, 1]"}
    ),
    "two that consume one iterator": Program(
        "numbers = iter([1, 2])", "x = list(zip('a', numbers))\ngot.append(x)", "list(zip('b', numbers))", "got", {"[[('a', 1)]]", "[[('a', 2)]]"}
    ),
    # Views and iterators keep the size that was there when they were made.
    "for in items()": Program(
        "d = {1: 1}", _gone_through("key for key, _ in d.items()"), "d[2] = 2", "got", {"[1]", "[1, 2]", f"[1, {CHANGED}]", f"[{CHANGED}]"}
    ),
    "for in values()": Program("d = {1: 1}", "for each in d.values(): got.append(each)", "d[1] = 2", "got", {"[1]", "[2]"}),
    "comprehension of items()": Program(
        "d = {1: 1}", _gone_through("[{key for key, _ in d.items()}]"), "d[2] = 2", "got", {"[{1}]", "[{1, 2}]", f"[{CHANGED}]"}
    ),
    "map": Program("s = {1}", _gone_through("list(map(lambda x: x, s))"), "s.add(2)", "got", {"[1]", "[1, 2]", f"[{CHANGED}]"}),
    "zip": Program("s = {1}", _gone_through("zip(s, 'ab')"), "s.add(2)", "len(got)", {"1", "2"}),
    "islice": Program("d = {1: 1}", _gone_through("list(itertools.islice(d, 5))"), "d[2] = 2", "got", {"[1]", "[1, 2]", f"[{CHANGED}]"}),
    "tee": Program("s = [1]", "first, _ = itertools.tee(s)\ngot.extend(first)", "s.append(2)", "got", {"[1]", "[1, 2]"}),
    "mappingproxy item": Program("d = {1: 1}\nm = types.MappingProxyType(d)", "got.append(m[1])", "d[1] = 2", "got", {"[1]", "[2]"}),
    "mappingproxy get": Program("d = {1: 1}\nm = types.MappingProxyType(d)", "got.append(m.get(1))", "d[1] = 2", "got", {"[1]", "[2]"}),
    # An `__iter__` of the program's own that gives an iterator of C's.
    "for in own __iter__": Program("x = Kept()", "for each in x: got.append(each)", "x.items.append(2)", "got", {"[1]", "[1, 2]"}),
    "extend by own __iter__": Program("x = Kept()", "got.extend(x)", "x.items.append(2)", "got", {"[1]", "[1, 2]"}),
    "list of own __iter__": Program("x = Kept()", "got.extend(list(x))", "x.items.append(2)", "got", {"[1]", "[1, 2]"}),
    "star of own __iter__": Program("x = Kept()", "got.append(len([*x]))", "x.items.append(2)", "got", {"[1]", "[2]"}),
    "join of own __iter__": Program("x = Kept()\nx.items = ['a']", "got.append(''.join(x))", "x.items.append('b')", "got", {"['a']", "['ab']"}),
    # Attributes and items that code of C reads and writes.
    "str.format attribute": Program("x = Thing()", "got.append('{0.value}'.format(x))", "x.value = 1", "got", {"['0']", "['1']"}),
    "str.format item": Program("x = Thing()\nx.value = [0]", "got.append('{x.value[0]}'.format(x=x))", "x.value[0] = 1", "got", {"['0']", "['1']"}),
    "map attrgetter": Program("x = Thing()", "got.extend(map(operator.attrgetter('value'), [x]))", "x.value = 1", "got", {"[0]", "[1]"}),
    "sorted itemgetter": Program(
        "x, y = [1], [2]", "got.append(sorted([x, y], key=operator.itemgetter(0))[0] is x)", "x[0] = 3", "got", {"[True]", "[False]"}
    ),
    "starmap setitem": Program("s = [0]", "list(itertools.starmap(operator.setitem, [(s, 0, 1)]))", "got.append(s[0])", "got", {"[0]", "[1]"}),
    "reduce dict.get": Program("d = {1: {2: 0}}", "got.append(functools.reduce(dict.get, [1, 2], d))", "d[1][2] = 1", "got", {"[0]", "[1]"}),
    "max of two": Program("s, t = [0], [1]", "got.append(max(s, t) is s)", "s[0] = 2", "got", {"[True]", "[False]"}),
    "copy": Program("x = Thing()\nx.value = 0", "got.append(copy.copy(x).value)", "x.value = 1", "got", {"[0]", "[1]"}),
    "deepcopy": Program("x = Thing()\nx.value = [Thing()]", "got.append(copy.deepcopy(x).value[0].value)", "x.value[0].value = 1", "got", {"[0]", "[1]"}),
    "deepcopy of what grows": Program(
        "d = {1: [1], 2: [2]}", _gone_through("copy.deepcopy(d)"), "d[3] = [3]", "got", {"[1, 2]", "[1, 2, 3]", f"[{CHANGED}]"}
    ),
    "deepcopy of what is changed in two places": Program(
        "x, y = Thing(), Thing()", "got.extend(each.value for each in copy.deepcopy([x, y]))", "x.value = 1\ny.value = 1", "got",
        {"[0, 0]", "[1, 0]", "[0, 1]", "[1, 1]"},
    ),
    "dataclasses.asdict of two values": Program(
        "x = Pair()", "got.extend(dataclasses.asdict(x).values())", "x.one = 1\nx.other = 1", "got", {"[0, 0]", "[0, 1]", "[1, 0]", "[1, 1]"}
    ),
    "dataclasses.replace": Program("x = Record()", "got.append(dataclasses.replace(x).value)", "x.value = 1", "got", {"[0]", "[1]"}),
    "dataclasses.asdict": Program("x = Record([Record()])", "got.append(dataclasses.asdict(x)['value'][0]['value'])", "x.value[0].value = 1", "got", {"[0]", "[1]"}),
    "repr of a record in a list": Program("x = Record()", "got.append(repr([x])[-3])", "x.value = 1", "got", {"['0']", "['1']"}),
    "records in records compared": Program("x = Record(Record())", "got.append(x == Record(Record()))", "x.value.value = 1", "got", {"[True]", "[False]"}),
    "past own __setattr__": _added("thing = Strict()", "thing.value = thing.value + 1"),
    "partial of a function": _added("thing = Thing()\nadd = functools.partial(add_one, thing)", "add()"),
    "own __getattr__ that fails": Program("x = Curious()", "x.values['value'] = x.value + 1", "x.values['value'] = x.value + 1", "x.value", {"1", "2"}),
    "an owner that is no thread": _added("thing = Owned()", "thing.value += 1"),
    "globals()": Program("globals()['n'] = 0", "globals()['n'] += 1", "globals()['n'] += 1", "n", {"1", "2"}),
    "a module's __dict__": Program("m = types.ModuleType('m')\nm.n = 0", "m.__dict__['n'] += 1", "m.n += 1", "m.n", {"1", "2"}),
    "memoryview": Program("b = bytearray(b'a')\nm = memoryview(b)", "m[0] = 98", "got.append(b[0])", "got", {"[97]", "[98]"}),
    "memoryview.tobytes": Program("b = bytearray(b'a')\nm = memoryview(b)", "got.append(m.tobytes())", "b[0] = 98", "got", {"[b'a']", "[b'b']"}),
    "ctypes": _added("thing = ctypes.c_int(0)", "thing.value += 1"),
    "ctypes array": Program("s = (ctypes.c_int * 1)()", "s[0] += 1", "s[0] += 1", "s[0]", {"1", "2"}),
    "a copied method": Program("s = []", "copy.copy(s.append)(1)", "got.append(len(s))", "got", {"[0]", "[1]"}),
    "a method copied deep is the same": Program("s = []", "copy.deepcopy({'add': s.append})['add'](1)", "got.append(len(s))", "got", {"[0]", "[1]"}),
    "a pickled method": Program("s = [1]", "got.append(pickle.loads(pickle.dumps(s.copy))())", "got.append(0)", "got", {"[[1], 0]", "[0, [1]]"}),
    "os.environ": Program(
        "os.environ['HELPERS_N'] = '0'", "os.environ['HELPERS_N'] += '1'", "got.append(os.environ.get('HELPERS_N'))", "got", {"['0']", "['01']"}
    ),
    # What is compared, added up or taken apart may itself hold what is shared.
    "a list in a literal": Program("a = [0]", "got.append(a in [[0]])", "a[0] = 1", "got", {"[True]", "[False]"}),
    "in a literal of shared lists": Program("a = [1]", "got.append([0] not in (a, [2]))", "a[0] = 0", "got", {"[True]", "[False]"}),
    "in a tuple": Program("a = [1]\nt = (a,)", "got.append([0] in t)", "a[0] = 0", "got", {"[True]", "[False]"}),
    "a list in a list": Program("a = [0]\ns = [[0]]", "got.append(a in s)", "a[0] = 1", "got", {"[True]", "[False]"}),
    "in a list of shared lists": Program("s = [[1]]\na = s[0]", "got.append([0] in s)", "a[0] = 0", "got", {"[True]", "[False]"}),
    "in values()": Program("a = [0]\nd = {1: [0]}", "got.append(a in d.values())", "a[0] = 1", "got", {"[True]", "[False]"}),
    "operator.contains": Program("a = [0]", "got.append(operator.contains([[0]], a))", "a[0] = 1", "got", {"[True]", "[False]"}),
    "__contains__": Program("a = [0]\ns = [[0]]", "got.append(s.__contains__(a))", "a[0] = 1", "got", {"[True]", "[False]"}),
    "count": Program("a = [0]\ns = [[0]]", "got.append(s.count(a))", "a[0] = 1", "got", {"[0]", "[1]"}),
    "count of a deque": Program("a = [0]\ns = collections.deque([[0]])", "got.append(s.count(a))", "a[0] = 1", "got", {"[0]", "[1]"}),
    "count of a tuple": Program("a = [1]\nt = (a,)", "got.append(t.count([0]))", "a[0] = 0", "got", {"[0]", "[1]"}),
    "index": Program("a = [0]\ns = [[1], [0]]", "got.append(s.index(a))", "a[0] = 1", "got", {"[0]", "[1]"}),
    "index of a tuple": Program("a = [1]\nt = (a, [0])", "got.append(t.index([0]))", "a[0] = 0", "got", {"[0]", "[1]"}),
    "remove": Program("a = [0]\ns = [[1], [0]]", "s.remove(a)\ngot.append(s)", "a[0] = 1", "got", {"[[[0]]]", "[[[1]]]"}),
    "== a literal of shared lists": Program("a = [0]\ns = [[0]]", "got.append(s == [a])", "a[0] = 1", "got", {"[True]", "[False]"}),
    "== bytes": Program("b = bytearray(b'a')", "got.append(b == b'a')", "b[0] = 98", "got", {"[True]", "[False]"}),
    "__eq__": Program("s = [[0]]\na = s[0]", "got.append([[0]].__eq__(s))", "a[0] = 1", "got", {"[True]", "[False]"}),
    "a named tuple compared": Program("P = collections.namedtuple('P', 'x')\np = P([0])", "got.append(p == P([0]))", "p.x[0] = 1", "got", {"[True]", "[False]"}),
    "a namespace compared": Program("x = types.SimpleNamespace(n=0)", "got.append(x == types.SimpleNamespace(n=0))", "x.n = 1", "got", {"[True]", "[False]"}),
    "repr of a namespace": Program("x = types.SimpleNamespace(n=0)", "got.append(repr(x)[-2])", "x.n = 1", "got", {"['0']", "['1']"}),
    "sum of lists": Program("a, b = [0], [1]", "got.extend(sum((a, b), []))", "a.append(5)", "got", {"[0, 1]", "[0, 5, 1]"}),
    "dict of pairs": Program("a = [1, 2]", "got.append(dict([a])[1])", "a[1] = 3", "got", {"[2]", "[3]"}),
    "update by pairs": Program("a = [1, 2]\nd = {}", "d.update([a])\ngot.append(d)", "a[1] = 3", "got", {"[{1: 2}]", "[{1: 3}]"}),
    "sorted": Program("a, b = [0], [1]", "got.append(sorted((a, b))[0] is a)", "a[0] = 2", "got", {"[True]", "[False]"}),
    "sort": Program("a, b = [0], [1]\ns = [a, b]", "s.sort()\ngot.append(s[0] is a)", "a[0] = 2", "got", {"[True]", "[False]"}),
    "min of a list": Program("a, b = [0], [1]", "got.append(min([a, b]) is a)", "a[0] = 2", "got", {"[True]", "[False]"}),
    "heappush": Program("a = [0]\ns = [a]", "heapq.heappush(s, [1])\ngot.append(s[0] is a)", "a[0] = 2", "got", {"[True]", "[False]"}),
    "sum with a start": Program("a = [0]", "got.extend(sum([[1]], start=a))", "a[0] = 5", "got", {"[0, 1]", "[5, 1]"}),
    "sorted by dict.get": Program("d = {1: [0], 2: [1]}\na = d[1]", "got.append(sorted(d, key=d.get)[0])", "a[0] = 5", "got", {"[1]", "[2]"}),
    "a slice assigned": Program("a = [0]\ns = []", "s[:] = a\ngot.extend(s)", "a[0] = 1", "got", {"[0]", "[1]"}),
    "a slice assigned from a generator": Program("a = [0]\ns = []", "s[:] = (x for x in a)\ngot.extend(s)", "a[0] = 1", "got", {"[0]", "[1]"}),
    "a slice among targets": Program("a = [0]\ns = []", "b = s[:] = a\ngot.extend(s)", "a[0] = 1", "got", {"[0]", "[1]"}),
    "a slice by operator": Program("a = [0]\ns = []", "operator.setitem(s, slice(None), a)\ngot.extend(s)", "a[0] = 1", "got", {"[0]", "[1]"}),
    "a slice by __setitem__": Program("a = [0]\ns = []", "s.__setitem__(slice(None), a)\ngot.extend(s)", "a[0] = 1", "got", {"[0]", "[1]"}),
    "a number times a list": Program("a = [0]", "got.extend(2 * a)", "a[0] = 1", "got", {"[0, 0]", "[1, 1]"}),
    "bytes and a bytearray": Program("b = bytearray(b'a')", "got.append(b'c' + b)", "b[0] = 98", "got", {"[b'ca']", "[b'cb']"}),
    "a key that update adds": Program("d = {}", "got.append(d.get('x'))", "d.update(x=1)", "got", {"[None]", "[1]"}),
    "a key that update puts back": Program("d = {'x': 1}", "got.append(d.get('x'))", "del d['x']\nd.update(x=2)", "got", {"[1]", "[None]", "[2]"}),
    "a key that update adds, missed": Program("d = {}", "got.append('x' in d)", "d.update({'x': 1})", "got", {"[False]", "[True]"}),
    "a key that |= adds": Program("x = Thing()\nx.d = {}", "got.append(x.d.pop('x', 0))", "x.d |= {'x': 1}", "got", {"[0]", "[1]"}),
    "a word that a Counter counts": Program("d = collections.Counter()", "got.append(d['x'])", "d.update('xx')", "got", {"[0]", "[2]"}),
    "words that two count": Program("d = collections.Counter()", "d.update('x')", "d.update(each for each in 'x')", "d['x']", {"2"}),
    "bytes in bytes": Program("b = bytearray(b'a')", "got.append(b in b'abc')", "b[0] = 120", "got", {"[True]", "[False]"}),
    "a class of names": Program("d = {}", "got.append(hasattr(type('C', (), d), 'x'))", "d['x'] = 1", "got", {"[False]", "[True]"}),
    "lists on a heap": Program("a = [2]\nh = [a]", "heapq.heappush(h, [1])", "a[0] = 0", "h", {"[[0], [1]]", "[[1], [0]]"}),
    "bytes joined": Program("b = bytearray(b'a')", "got.append(b''.join([b]))", "b[0] = 98", "got", {"[b'a']", "[b'b']"}),
    "translate": Program("d = {97: 'b'}", "got.append('a'.translate(d))", "d[97] = 'c'", "got", {"['b']", "['c']"}),
    "repr of a namespace that grows": Program("x = types.SimpleNamespace()", "got.append(len(repr(x)))", "x.n = 1", "got", {"[11]", "[14]"}),
    "any": Program("a = []", "got.append(any([a]))", "a.append(1)", "got", {"[True]", "[False]"}),
    "all": Program("a = []", "got.append(all((a,)))", "a.append(1)", "got", {"[True]", "[False]"}),
    "set of map of tuple": Program("a = [0]\nrows = [a]", "got.append(set(map(tuple, rows)))", "a[0] = 1", "got", {"[{(0,)}]", "[{(1,)}]"}),
    "extend by map of tuple": Program("a = [0]\nrows = [a]", "got.extend(map(tuple, rows))", "a[0] = 1", "got", {"[(0,)]", "[(1,)]"}),
    "filter of none": Program("a = []\nrows = [a]", "got.append(len(list(filter(None, rows))))", "a.append(1)", "got", {"[0]", "[1]"}),
    "groupby": Program("a = [0]\nrows = [a, [0]]", "got.append(len(list(itertools.groupby(rows))))", "a[0] = 1", "got", {"[1]", "[2]"}),
    "accumulate": Program("a = [0]\nrows = [a, [2]]", "got.append(list(itertools.accumulate(rows))[1])", "a[0] = 1", "got", {"[[0, 2]]", "[[1, 2]]"}),
    "a record initialized again": Program("x = Record()", "x.__init__(1)", "got.append(x.value)", "got", {"[0]", "[1]"}),
    "a record initialized by its class": Program("x = Record()", "Record.__init__(x, 1)", "got.append(x.value)", "got", {"[0]", "[1]"}),
    "__eq__ of a record": Program("x = Record()", "got.append(x.__eq__(Record()))", "x.value = 1", "got", {"[True]", "[False]"}),
    "UserString": Program("x = collections.UserString('a')", "got.append((len(x), x == 'a'))", "x.data = 'b'", "got", {"[(1, True)]", "[(1, False)]"}),
    "UserString in a text": Program("x = collections.UserString('a')", "got.append(f'{x}')", "x.data = 'b'", "got", {"['a']", "['b']"}),
    "UserList": Program("x = collections.UserList()", "x.append(len(x))", "x.append(len(x))", "x.data", {"[0, 0]", "[0, 1]"}),
    "UserDict": _added("thing = collections.UserDict(value=0)", "thing['value'] += 1", "thing['value']"),
    "the least by a method of C": Program("d = {'a': 1, 'b': 2}", "got.append(min(d, key=d.get))", "d['c'] = 0", "got", {"['a']", "['c']"}),
    "sorted by a method of C": Program(
        "d = {'a': 1, 'b': 2}", "got.append(sorted(d, key=d.__getitem__))", "d['a'] = 3", "got", {"[['a', 'b']]", "[['b', 'a']]"}
    ),
    "the longest": Program("s = {'a'}", "got.append(max(s, key=len))", "s.add('bb')", "got", {"['a']", "['bb']"}),
    "the least by a function": Program(
        "d = {'a': 1}", _gone_through("[min(d, key=lambda key: d[key])]"), "d['c'] = 0", "got", {"['a']", "['c']", f"[{CHANGED}]"}
    ),
    "the handlers of a logger": Program(
        "log = logging.Logger('x')", "if not log.handlers: log.addHandler(logging.NullHandler())", "if not log.handlers: log.addHandler(logging.NullHandler())", "len(log.handlers)", {"1", "2"}
    ),
    "a namespace of a library": _added("thing = argparse.Namespace(value=0)", "thing.value += 1"),
    "a name of a Thread": Program("t = threading.Thread(name='a')", "t.name = 'b'", "got.append(t.name)", "got", {"['a']", "['b']"}),
}  # fmt: skip

# Where something is not seen: the line of it, and what is said.
SAID = {
    "functools.cache": ("f = functools.cache(lambda: got.append(1))", "f()", "f()", "scenario.<locals>.<lambda> keeps its results from call to call"),
    "WeakSet": ("s = weakref.WeakSet()", "got.append(add_one in s)", "s.add(add_one)", "WeakSet is not followed, and is shared"),
    "ExitStack": ("s = contextlib.ExitStack()", "s.callback(print)", "s.close()", "ExitStack is not followed, and is shared"),
    "a weak dictionary": ("d = weakref.WeakKeyDictionary()", "d[add_one] = 1", "got.append(d.get(add_one))", "WeakKeyDictionary is not followed, and is shared"),
    "json.dumps in Python": ("d = {1: 1}", "json.dumps(d, indent=2)", "d[2] = 2", "json.dumps does this in Python"),
    "a function of a library": ("s = [1]", "statistics.mean(s)", "s.append(2)", "mean is not followed, and gets something that is shared"),
    "a mapping of a library": (
        "c = configparser.ConfigParser()\nc['a'] = {}", "c['a'].update(n='1')", "got.append(c['a'].get('n'))", "SectionProxy is not followed, and is shared",
    ),
    "a mapping of a library made a dictionary": (
        "c = configparser.ConfigParser()\nc['a'] = {}", "c['a'].update(n='1')", "got.append(dict(c['a']))", "SectionProxy is not followed, and is shared",
    ),
    "a mapping of a library made a list": (
        "c = configparser.ConfigParser()\nc['a'] = {}", "c['a'].update(n='1')", "got.append([*c['a'], *list(c['a'])])", "SectionProxy is not followed, and is shared",
    ),
    "a mapping of a library gone through": (
        "c = configparser.ConfigParser()\nc['a'] = {}", "c['a'].update(n='1')", "for each in c['a']: got.append(each)", "SectionProxy is not followed, and is shared",
    ),
    "a view of a mapping": (
        "d = collections.UserDict(a=1)", "for each in d.items(): got.append(each)", "d['b'] = 2", "ItemsView of UserDict takes one key after the other",
    ),
    "a view made a list": ("d = collections.UserDict(a=1)", "got.extend(list(d.values()))", "d['b'] = 2", "ValuesView of UserDict takes one key after the other"),
    "a mock that is called": ("m = mock.Mock()", "m()", "got.append(m.call_count)", "Mock is not followed, and is shared"),
    "a method of a mock": ("m = mock.Mock()", "m.go()", "m.go()", "Mock is not followed, and is shared"),
    "a setting of what a library keeps": (
        "w = textwrap.TextWrapper()", "w.width = 5", "got.append(w.fill('a b'))", "TextWrapper is not followed, and is shared",
    ),
    "a buffer that a library fills": ("s = io.StringIO()", "json.dump([1], s)", "json.dump([2], s)", "dump is not followed, and gets something that is shared"),
    "Queue.maxsize": ("q = queue.Queue(1)", "q.maxsize = 0", "q.put(1)", "q.maxsize: whom that lets wait, or wakes, is not seen"),
    "Semaphore._value": ("s = threading.Semaphore(0)", "got.append(s._value)", "s.release()", "s._value is what the primitive keeps inside"),
    "Event._flag": ("e = threading.Event()", "e._flag = True", "e.wait(1)", "e._flag is set: what that does to others is not seen"),
    "__dict__": ("x = Thing()", "x.__dict__ = {'value': 1}", "got.append(x.value)", "x.__dict__ is set"),
    "__code__": ("f, g = lambda: 1, lambda: 2", "f.__code__ = g.__code__", "got.append(f())", "f.__code__ is set"),
    "__defaults__": ("f = lambda x=1: x", "f.__defaults__ = (2,)", "got.append(f())", "f.__defaults__ is set"),
    "__defaults__ by name": ("f = lambda x=1: x", "setattr(f, '__defaults__', (2,))", "got.append(f())", "f.__defaults__ is set"),
    "__kwdefaults__": ("f = lambda *, x=1: x", "f.__kwdefaults__ = {'x': 2}", "got.append(f())", "f.__kwdefaults__ is set"),
    "an item of __kwdefaults__": ("f = lambda *, x=1: x", "f.__kwdefaults__['x'] = 2", "got.append(f())", "f.__kwdefaults__ is what the function keeps inside"),
    "__bases__": ("class A: n = 1\nclass B: n = 2\nclass C(A): pass", "C.__bases__ = (B,)", "got.append(C().n)", "C.__bases__ is set"),
    "numpy": ("x = numpy.zeros(1)", "y = x\ny += 1", "got.append(float(x[0]))", "numpy's arrays are not followed"),
    "numpy imported there": ("import numpy as n\nx = n.zeros(1)", "y = x\ny += 1", "got.append(float(x[0]))", "numpy's arrays are not followed"),
    "a record is shown field by field": ("x = Pair()", "got.append(f'{x}')", "x.one = 1\nx.other = 1", "Pair looks at its fields one after the other"),
    "records are compared field by field": ("x = Pair()", "got.append([x] == [Pair()])", "x.one = 1\nx.other = 1", "Pair looks at its fields one after the other"),
    "a record is initialized field by field": ("x = Pair()", "x.__init__(1, 1)", "got.append(x.one)\ngot.append(x.other)", "Pair sets its fields one after the other"),
    "a generic function": ("f = functools.singledispatch(lambda x: 0)", "@f.register\ndef _(x: int): return 1", "got.append(f(1))", "functools.singledispatch changes a generic function"),
    "match": ("x = Pair()", "match x:\n    case Pair(one=1, other=0): got.append(1)", "x.one = 1\nx.other = 1", "match takes a shared object apart in one step"),
    "__class__": ("x = Thing()", "x.__class__ = Owned", "got.append(x)", "x.__class__ is set"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEN)
def test_what_can_come_of_two_threads_that_meet(name):
    program = SEEN[name]
    assert outcomes(scenario(*program[:4])) == program.outcomes


@pytest.mark.parametrize("name", SAID)
def test_what_is_not_seen_is_said_with_its_line(name):
    *program, said = SAID[name]
    result = every_schedule(scenario(*program, result="got"))
    assert not result.exhausted
    assert any(note.startswith("Line ") and said in note for note in result.notes), result.notes


# What takes several steps, some of them in code of the program's own or of a library.
IN_PARTS = [
    "json.dumps(d, indent=2)", "statistics.mean(d)", "heapq.heappush(h, Job())", "h.append(Job()); h.sort()",
    "h.sort(key=lambda each: each)", "Job() in h or h.append(Job())", "[] < h < [d]", "h += (d for _ in 'a')",
    "repr(p); p.one = p.other = d", "p == Pair(1, 1); p.one = p.other = d", "string.Template('$d').substitute(d=d)",
]  # fmt: skip


@pytest.mark.parametrize("library", IN_PARTS)
def test_what_a_lock_keeps_apart_needs_not_be_seen(library):
    setup = "d, h, p = {1: 1}, [], Pair()\nlock = threading.Lock()"
    one = f"with lock: {library}" if "+=" not in library else f"nonlocal h\nwith lock: {library}"
    result = every_schedule(
        scenario(setup, one, "with lock: d[2] = h.append(Job()) or 2; p.one = p.other = 3", "got")
    )
    assert (result.exhausted, result.failing, result.schedules) == (True, 0, 2)


def test_a_builtin_name_that_is_set_is_said(monkeypatch):
    monkeypatch.setattr(builtins, "level", 0, raising=False)
    result = every_schedule(scenario("", "builtins.level = 1", "got.append(level)", "got"))
    assert not result.exhausted
    assert any("builtins.level is set" in note for note in result.notes), result.notes


def test_methods_that_abstract_classes_write_are_known_to_use_the_programs_own():
    def counted():
        line = collections.UserDict()

        def add():
            line["n"] = line.get("n", 0) + 1

        together(add, add)
        return line["n"]

    assert outcomes(counted) == {"1", "2"}


def test_a_context_manager_made_of_a_function_is_followed():
    def counted():
        line = []

        @contextlib.contextmanager
        def using(held):
            held.append(len(held))
            yield

        def use():
            with using(line):
                pass

        together(use, use)
        return line

    assert outcomes(counted) == {"[0, 1]", "[0, 0]"}


def test_a_failure_of_an_object_with_an_owner_is_told():
    def owned():
        thing = Owned()
        together(lambda: add_one(thing), lambda: add_one(thing))
        assert thing.value == 2

    result = every_schedule(owned)
    assert (result.schedules, result.failing, result.notes) == (4, 2, ())
