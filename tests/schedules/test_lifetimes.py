"""What a program drops goes at once, as in CPython, although the search knows it."""

from __future__ import annotations

import copy
import gc
import queue
import textwrap
import threading
import weakref
from concurrent.futures import Future

import pytest

from helpers import every_schedule
from tests.schedules.exploring import outcomes
from tests.schedules.reports import defined
from tests.schedules.scenarios import together


class Node:
    """Has a value."""

    def __init__(self):
        self.value = 0


class Ending:
    """Says when it goes."""

    def __init__(self, log):
        self.log = log

    def __del__(self):
        self.log.append("gone")


class Silent:
    """Has nothing but an end."""

    def __del__(self):
        pass


def holding(lock):
    """Holds a lock while it is suspended."""
    with lock:
        yield 1
        yield 2


NAMES = {
    "threading": threading, "weakref": weakref, "queue": queue, "copy": copy, "gc": gc, "Future": Future,
    "Node": Node, "Ending": Ending, "Silent": Silent, "holding": holding, "together": together,
}  # fmt: skip


def scenario(setup, one, other, result="got"):
    """A program in which two pieces of code run at the same time; `got` is a list that they may fill."""
    pieces = [
        textwrap.indent(piece, spaces)
        for piece, spaces in ((setup, "    "), (one, " " * 8), (other, " " * 8))
    ]
    text = "def scenario():\n    got = []\n{}\n    def one():\n{}\n    def other():\n{}\n    together(one, other)\n"
    return defined(text.format(*pieces) + f"    return {result}\n", **NAMES)["scenario"]


# Ways to have a generator that is suspended in the middle, and to drop it.
DROPPED = {
    "a loop": "for _ in holding(lock): break",
    "a loop that an exception ends": "try:\n    for _ in holding(lock): raise ValueError\nexcept ValueError: pass",
    "del": "steps = holding(lock)\nnext(steps)\ndel steps",
    "any": "any(holding(lock))",
    "zip": "steps = zip(holding(lock), 'ab')\nnext(steps)\nsteps = None",
    "a loop over enumerate": "for _ in enumerate(holding(lock)): break",
    "a list": "steps = [holding(lock)]\nnext(steps[0])\ndel steps",
    "an item of a list": "steps = [holding(lock)]\nnext(steps[0])\nsteps[0] = None",
    "a dictionary in a list": "steps = [{'a': holding(lock)}]\nnext(steps[0]['a'])\ndel steps",
    "an attribute": "x = Node()\nx.steps = holding(lock)\nnext(x.steps)\nx.steps = None",
    "an object": "x = Node()\nx.steps = holding(lock)\nnext(x.steps)\ndel x",
    "a closure": "def run():\n    steps = None\n    steps = holding(lock)\n    def step(): return next(steps)\n    step()\nrun()",
    "a function with a while": "def run():\n    steps = holding(lock)\n    next(steps)\n    n = 0\n    while n < 1: n += 1\nrun()",
    "an item of a queue": "steps = queue.Queue()\nsteps.put(holding(lock))\nnext(steps.get())",
    "a queue": "steps = queue.SimpleQueue()\nsteps.put(holding(lock))\nnext(steps.get())\nsteps.put(1)",
    "a result": "steps = Future()\nsteps.set_result(holding(lock))\nnext(steps.result())\ndel steps",
    "a copied object": "x = Node()\nx.steps = [holding(lock)]\nnext(x.steps[0])\ny = copy.copy(x)\ndel x, y",
    "a thread": "class Stepping(threading.Thread):\n    def run(self):\n        self.steps = holding(lock)\n        next(self.steps)\nt = Stepping()\nt.start()\nt.join()\ndel t",
    "an argument of a thread": "t = threading.Thread(target=next, args=(holding(lock),))\nt.start()\nt.join()",
    "a while": "steps = holding(lock)\nnext(steps)\nn = 0\nwhile n < 1:\n    n += 1\n    steps = None\n    with lock: got.append(0)\ngot.clear()",
}  # fmt: skip


@pytest.mark.parametrize("dropped", DROPPED.values(), ids=DROPPED)
def test_a_generator_gives_back_its_lock_when_it_is_dropped(dropped):
    again = "with lock: pass"
    program = scenario("lock = threading.Lock()", f"{dropped}\n{again}\ngot.append(1)", again)
    assert outcomes(program) == {"[1]"}


def test_a_generator_that_is_kept_holds_its_lock():
    program = scenario("lock = threading.Lock()\nkept = holding(lock)", "next(kept)", "with lock: pass")
    assert outcomes(program) == {"[]", "stuck"}


ENDS = {
    "del": "x = Ending(got)\nx.log\ndel x",
    "another value": "x = Ending(got)\nx.value = 1\nx = None",
    "the end of a function": "def run():\n    x = Ending(got)\n    x.value = 1\nrun()",
    "clear": "x = [Ending(got)]\nx[0].value = 1\nx.clear()",
    "a list": "x = [Ending(got)]\nx[0].value = 1\ndel x",
    "a weak reference": "x = Node()\nweak = weakref.ref(x)\nx.value = 1\ndel x\nif weak() is None: got.append('gone')",
    "a callback": "x = Node()\nweak = weakref.ref(x, lambda _: got.append('gone'))\nx.value = 1\ndel x",
    "finalize": "x = Node()\nweakref.finalize(x, got.append, 'gone')\nx.value = 1\ndel x",
    "a set": "x = {1}\nweak = weakref.ref(x)\nx.add(2)\ndel x\nif weak() is None: got.append('gone')",
}  # fmt: skip


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_what_runs_when_an_object_goes_runs_at_once(ends):
    assert outcomes(scenario("", f"{ends}\ngot.append(len(got))", "pass")) == {"['gone', 1]"}


def test_what_runs_when_an_object_goes_is_explored():
    counted = (
        "class Counted:\n    def __init__(self): self.box = box\n    def __del__(self): self.box.value += 1"
    )
    program = scenario(f"box = Node()\n{counted}", "Counted()", "Counted()", "box.value")
    assert outcomes(program) == {"1", "2"}


PROXIES = {
    "an attribute": ("p.value += 1", "p.value += 1", "x.value", {"1", "2"}),
    "one of the object": ("got.append(p.value)", "x.value = 1", "got", {"[0]", "[1]"}),
    "by name": ("got.append(getattr(p, 'value'))", "setattr(p, 'value', 1)", "got", {"[0]", "[1]"}),
}


@pytest.mark.parametrize("name", PROXIES)
def test_what_is_done_through_a_weak_proxy_is_done_to_the_object(name):
    one, other, result, ends = PROXIES[name]
    assert outcomes(scenario("x = Node()\np = weakref.proxy(x)", one, other, result)) == ends


WHO = "runs in the thread that drops the last reference"
WHETHER = "whether an object is still there for a weak reference"
SAID = {
    "is it there": ("x = Node()\nx.node = Node()\nweak = weakref.ref(x.node)", "got.append(weak() is None)", "x.node = None", WHETHER),
    "is it there for a finalizer": ("x = Node()\nx.node = Node()\nf = weakref.finalize(x.node, int)", "got.append(f.alive)", "x.node = None", WHETHER),
    "is it there for a proxy": ("x = Node()\nx.node = Node()\nweak = weakref.proxy(x.node)", "got.append(weak.value)", "x.node = None", WHETHER),
    "who drops it": ("x = Ending([])\nx, y = [x], [x]", "x.pop().value = 1", "y.pop().value = 2", "Ending.__del__ " + WHO),
    "who drops what nobody touches": ("x = Silent()\nx, y = [x], [x]", "x.clear()", "y.clear()", "Silent.__del__ " + WHO),
    "who calls back": ("x = Node()\nweak = weakref.ref(x, print)\nx, y = [x], [x]", "x.pop().value = 1", "y.pop().value = 2", "what is called when an object goes " + WHO),
    "who finalizes": ("x = Node()\nweakref.finalize(x, print)\nx, y = [x], [x]", "x.pop().value = 1", "y.pop().value = 2", "what is called when an object goes " + WHO),
    "what a weak dictionary has": ("x = Node()\nx.node = Node()\nall = weakref.WeakValueDictionary(a=x.node)", "got.append('a' in all)", "x.node = None", "what is still in a weakref.WeakValueDictionary"),
    "what the collector finds": ("x = Node()\nx.me = x\nweak = weakref.ref(x)\ndel x", "gc.collect()", "got.append(weak())", "which objects gc.collect() finds is not followed"),
    "a proxy of a container": ("x = {1}\np = weakref.proxy(x)", "got.append(len(p))", "x.add(2)", "what is done through a weak proxy to set is not seen"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_depends_on_the_order_in_which_references_are_dropped_is_said(name):
    *program, said = SAID[name]
    result = every_schedule(scenario(*program))
    assert not result.exhausted
    assert any(note.startswith("Line ") and said in note for note in result.notes), result.notes


FOLLOWED = {
    "one that lasts": ("x = Node()\nweak = weakref.ref(x)", "got.append(weak() is x)", "x.value = 1"),
    "one of a single thread": ("", "x = Node()\nweak = weakref.ref(x)\ndel x\ngot.append(weak() is None)", "pass"),
    "an end after all others": ("x = [Silent()]\nt = threading.Thread(target=int)\nt.start()\nt.join()\nx.clear()\ngot.append(True)", "pass", "pass"),
    "one that the others have left": (
        "x = [Node()]\nweak = weakref.ref(x[0], lambda _: got.append(True))\nt = threading.Thread(target=lambda: setattr(x[0], 'value', 1))\nt.start()\nt.join()\nx.clear()",
        "pass", "pass",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWED)
def test_of_others_nothing_is_said(name):
    assert outcomes(scenario(*FOLLOWED[name])) == {"[True]"}
