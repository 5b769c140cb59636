"""What rewritten code reports: which accesses, in which order, with which values."""

from __future__ import annotations

import sys
import threading

import pytest

from helpers.schedules.rewriting import visible
from tests.schedules.reports import Listening, defined, reported

AROUND = """
import collections, contextlib, heapq, itertools, json, operator

total = 0

class Box:
    kind = "box"
    def __init__(self): self.n = 0; self.items = [1]; self.__own = 5
    def own(self):
        self.__own += 1
        return self.__own
    def __len__(self): return len(self.items)
    @property
    def double(self): return self.n * 2
    @double.setter
    def double(self, value): self.n = value // 2

class Slots:
    __slots__ = ("a",)

def setup():
    counter, other = 0, 0
    items = [3, 1, 2]
    d = dict(a=1, b=2)
    s = {1, 2}
    q = collections.deque([1, 2])
    dd = collections.defaultdict(int)
    dl = collections.defaultdict(lambda: [])
    c = Box()
    slots = Slots(); slots.a = 1
    ids = itertools.count()
    pairs = [[1, 2], [3, 4]]
    key = "a"
    def f(value): return value
    def task():
        nonlocal counter, other, items, s
        global total
        STATEMENT
    return task
"""


def task(statement):
    """A function of one statement (or several, with ` | ` between them), with variables that others have too."""
    return defined(AROUND.replace("STATEMENT", statement.replace(" | ", "\n        ")))["setup"]()


# By the statement what it reports. What only the statement itself has is reported too: the execution finds out
# that nobody else has it. Variables that nobody assigns are not reported.
REPORTS = {
    "counter += 1": ["read counter", "write counter"],
    "counter = counter + f(counter)": ["read counter", "read counter", "write counter"],
    "total += 1": ["read total", "write total"],
    "counter = other = 1": ["write counter", "write other"],
    "counter, other = other, counter": ["read other", "read counter", "write counter", "write other"],
    "(counter, (other, x)) = 1, (2, 3)": ["write counter", "write other"],
    "counter, *rest = items": ["read items", "write counter"],
    "c.n += 1": ["read c.n", "write c.n"],
    "c.n = c.n + f(1)": ["read c.n", "write c.n"],
    "c.n, c.items[0] = 1, 2": ["write c.n", "read c.items", "write c.items[0]"],
    "c.own()": ["read self.__own", "write self.__own", "read self.__own"],
    "c.double = 4": ["write self.n"],
    "x = c.double": ["read self.n"],
    "x = c.kind": [],
    'Box.kind = "b" | x = c.kind | x = Box.kind': ["write Box.kind", "read c.kind", "read Box.kind"],
    "slots.a += 1": ["read slots.a", "write slots.a"],
    "del c.n": ["write c.n"],
    "items.append(4)": ["write items.append()"],
    "items.append(f(4))": ["write items.append()"],
    "x = items[0]": ["read items[0]"],
    "items[0] += 1": ["read items[0]", "write items[0]"],
    "items[f(0)] += f(1)": ["read items[f(0)]", "write items[f(0)]"],
    "items[0], items[1] = items[1], items[0]": ["read items[1]", "read items[0]", "write items[0]", "write items[1]"],
    "x = items[1:]": ["read items[1:]"],
    "items[1:] = [1]": ["write items[1:]"],
    "del items[0]": ["write items[0]"],
    "items += [4]": ["read items", "write items", "write items"],
    "items *= 2": ["read items", "write items", "write items"],
    'd["a"] += 1': ["read d['a']", "write d['a']"],
    "d[key] = 2": ["write d[key]"],
    'd["new"] = 1': ["write d['new']"],
    'x = d.get("a")': ["read d.get()"],
    'x = d.setdefault("a", 0)': ["read d.setdefault()"],
    'x = d.setdefault("z", 0)': ["write d.setdefault()"],
    'x = d.pop("a")': ["write d.pop()"],
    "d.clear()": ["write d.clear()"],
    "d.update(b=3)": ["write d.update()"],
    'del d["a"]': ["write d['a']"],
    'x = "a" in d': ["read d"],
    "x = 1 in items": ["read items"],
    "x = f(1) not in items": ["read items"],
    "x = len(d)": ["read d"],
    'dd["k"] += 1': ["write dd['k']", "write dd['k']"],
    'dl["k"].append(1)': ["read dl['k']", "write dl['k']", "read dl['k']", "write dl['k'].append()"],
    "s.add(4)": ["write s.add()"],
    "s |= {5}": ["read s", "write s", "write s"],
    "q.popleft()": ["write q.popleft()"],
    "q.append(1)": ["write q.append()"],
    "for x in items: pass": ["read items", "read items", "read items", "read items"],
    "for k in d: pass": ["read d", "read d", "read d", "read d"],
    "for k, v in d.items(): pass": ["read d.items()", "read d.items()", "read d.items()", "read d.items()"],
    "for i, x in enumerate(items): pass": ["write enumerate(items)", "read enumerate(items)", "write enumerate(items)", "read enumerate(items)", "write enumerate(items)", "read enumerate(items)", "write enumerate(items)", "read enumerate(items)"],
    "for a, b in pairs: pass": ["read pairs", "read what (a, b) get", "read pairs", "read what (a, b) get", "read pairs"],
    "for counter in range(2): pass": ["write counter", "write counter"],
    "for c.n in items: pass": ["read items", "write c.n", "read items", "write c.n", "read items", "write c.n", "read items"],
    "x = [y for y in items]": ["read items", "read items", "read items", "read items"],
    "x = [y for y in items if y > 1]": ["read items", "read items", "read items", "read items"],
    "x = {a: b for a, b in pairs}": ["read pairs", "read what (a, b) get", "read pairs", "read what (a, b) get", "read pairs"],
    "x = sum(y for y in items)": ["write (y for y in items)", "read items", "write a generator", "write (y for y in items)", "read items", "write a generator", "write (y for y in items)", "read items", "write a generator", "write (y for y in items)", "read items"],
    "x = list(map(f, items))": ["write map(f, items)", "read map(f, items)", "write map(f, items)", "read map(f, items)", "write map(f, items)", "read map(f, items)", "write map(f, items)", "read map(f, items)"],
    "x = list(map(str, items))": ["write map(str, items)", "read map(str, items)"],
    "x = sorted(items)": ["read items"],
    "x = sorted(items, key=f)": ["read items"],
    "x = max(items, key=f)": ["read items", "read items", "read items", "read items"],
    "items.sort()": ["write items.sort()"],
    "items.sort(key=f)": ["write items.sort()"],
    "x = sum(items)": ["read items"],
    "x = any(items)": ["read items"],
    "x = list(zip(items, q))": ["read items", "write zip(items, q)", "read zip(items, q)"],
    "x = next(ids)": ["write ids"],
    "it = iter(items) | x = next(it)": ["write it", "read it"],
    "if items: pass": ["read items"],
    "if not items: pass": ["read items"],
    "x = items or d": ["read items"],
    "x = bool(items)": ["read items"],
    'x = f"{d!r}"': ["read d"],
    'x = "%s" % items': ["read items"],
    'x = "{}".format(items)': ["read items"],
    "x = str(items)": ["read items"],
    'x = ", ".join(str(y) for y in items)': ["write (str(y) for y in items)", "read items", "write a generator", "write (str(y) for y in items)", "read items", "write a generator", "write (str(y) for y in items)", "read items", "write a generator", "write (str(y) for y in items)", "read items"],
    "x = items == [1]": ["read items"],
    "x = items == items": ["read items == items"],
    "x = items + [1]": ["read items"],
    "x = items + f([1])": ["read items + f([1])"],
    "x = [*items, 0]": ["read items"],
    "x = {**d}": ["read d"],
    "f(*[items])": ["read [items]"],
    "print(*items)": ["read items", "read sys.stdout"],
    "print(items)": ["read sys.stdout", "read items"],
    'x = getattr(c, "n")': ["read c.n"],
    'setattr(c, "n", 1)': ["write c.n"],
    'x = hasattr(c, "missing")': ["read c.missing"],
    "if (n := len(items)): counter = n": ["read items", "write counter"],
    "if (counter := 3): pass": ["write counter"],
    'with __import__("contextlib").nullcontext(5) as counter: pass': ["write counter"],
    'with __import__("contextlib").nullcontext(5) as c.n: pass': ["write c.n"],
    "try: 1/0 | except ZeroDivisionError as counter: pass": ["write counter", "write counter"],
    "import json as counter": ["write counter"],
    "add = items.append | add(5)": ["write items.append"],
    'x = operator.itemgetter("a")(d)': ["read d"],
    "x = operator.add(items, [1])": ["read items"],
    "heapq.heappush(items, 0)": ["write items"],
    "x = json.dumps(d)": ["read d"],
    "x = json.dumps([d, items])": ["read [d, items]"],
    'x = operator.attrgetter("n")(c)': ["read c"],
    "x = copy_of = dict(d)": ["read d"],
    "x = d.items()": [],
    "x = list(d)": ["read d"],
    "x = c.items[0]": ["read c.items", "read c.items[0]"],
    "x = len(c.items)": ["read c.items", "read c.items"],
    "items[-1] = f(2)": ["write items[-1]"],
    "x = c.n = 7": ["write c.n"],
    "c.n: int = 3": ["write c.n"],
    "c.n, counter = 5, 6": ["write c.n", "write counter"],
    'x = "a" if items else "b"': ["read items"],
    "x = [*d.values()]": ["read d.values()"],
    "x = all(y for y in items)": ["write (y for y in items)", "read items", "write a generator", "write (y for y in items)", "read items", "write a generator", "write (y for y in items)", "read items", "write a generator", "write (y for y in items)", "read items"],
    "x = itertools.chain(items, q) | y = list(x)": ["write x", "read x"],
    'x = d[f("a")]': ["read d[f('a')]"],
    'd[f("a")] = f(2)': ["write d[f('a')]"],
    'del d[f("a")]': ["write d[f('a')]"],
    'x = d["a"] if "a" in d else d.get("b")': ["read d", "read d['a']"],
    "x = items.copy()": ["read items.copy()"],
    "x = items.index(1)": ["read items.index()"],
    '(lambda: setattr(c, "n", 9))()': ["write c.n"],
    "x = min(items) < counter < len(d)": ["read items"],
    'assert items, f"{items}"': ["read items"],
    "items.extend(q)": ["write items.extend()"],
    "x = len(c)": ["read self.items", "read self.items"],
    "del counter": ["write counter"],
    "x = (yield_ for yield_ in items)": [],
    "lst = [0 for counter in [1,2]]": ["read [1, 2]", "read [1, 2]", "read [1, 2]"],
    'exec("x = 1")': [],
    "c.items.append(2)": ["read c.items", "write c.items.append()"],
    "c.items[0] += 1": ["read c.items", "read c.items[0]", "write c.items[0]"],
    "items[counter] = 5": ["write items[counter]"],
    "x = tuple(d.values())": ["read d.values()"],
    "x = list(reversed(items))": ["write reversed(items)", "read reversed(items)"],
}  # fmt: skip
if sys.version_info >= (3, 15):  # unpacking in comprehensions
    REPORTS |= {
        "x = [*y for y in (items, q)]": ["read y", "read y"],
        "x = {**y for y in (d, dd)}": ["read y", "read y"],
        "x = (*y for y in (items,)) | y = next(x)": ["write x", "read y"],
    }


@pytest.mark.parametrize("statement", REPORTS)
def test_accesses_are_reported_in_the_order_in_which_python_makes_them(statement, capsys):
    assert reported(task(statement)).said == REPORTS[statement]


def test_a_report_comes_before_the_access():
    program = defined("""
        def setup():
            counter, items, box = 0, [], {"n": 0}
            def task():
                nonlocal counter
                counter += 1
                items.append("mine")
                box["n"] += 1
                return items, box
            def others():
                nonlocal counter
                counter += 10
                items.append("other")
                box["n"] += 10
            return task, others
    """)
    task, others = program["setup"]()
    with visible(task), Listening() as listener:
        listener.before = others
        items, box = task()
    assert listener.said == [
        "read counter",
        "write counter",
        "write items.append()",
        "read box['n']",
        "write box['n']",
    ]
    # What the others do before a read is read; what they do before a write is overwritten.
    assert listener.seen == [10, 11, "mine", 40, 41]
    assert items == ["other", "other", "other", "mine", "other", "other"]
    assert box == {"n": 41}


def test_the_value_that_is_seen_is_the_one_that_is_read_or_written():
    listener = reported(
        task('c.n = 7 | x = c.n | d["a"] = x | total = d["a"] | items[0] = total | counter = items[0]')
    )
    assert listener.seen == [7] * len(listener.said)


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        ('d["a"] = 1', 'x = d["a"]', True),
        ('d["a"] = 1', 'x = d["b"]', False),
        ('d["a"] = 1', 'd["b"] = 2', False),
        ('d["a"] = 1', "x = len(d)", False),
        ('d["new"] = 1', "x = len(d)", True),
        ('d["new"] = 1', 'x = "new" in d', True),
        ('d["new"] = 1', 'x = "a" in d', False),
        ('d["a"] = 1', "x = list(d.values())", True),
        ('d["a"] = 1', "for k, v in d.items(): pass", True),
        ('d["a"] = 1', "for k in d: pass", False),
        ('del d["a"]', "for k in d: pass", True),
        ('del d["a"]', 'x = d.get("a")', True),
        ('d.setdefault("a", 0)', 'x = d["a"]', False),
        ('d.setdefault("new", 0)', 'x = d.get("new")', True),
        ("d.clear()", 'x = d["a"]', True),
        ("d.update(a=5)", 'x = d["a"]', True),
        ('d.pop("missing", None)', "x = len(d)", False),
        ('d.pop("a", None)', "x = len(d)", True),
        ("items.append(1)", "x = items[0]", True),
        ("items.append(1)", "x = f'{items}'", True),
        ("items.append(1)", "if items: pass", True),
        ("items.append(1)", "x = items == [1]", True),
        ("items.append(1)", "x = sum(v for v in items)", True),
        ("items.append(1)", "x = list(itertools.chain(items, q))", True),
        ("items.append(1)", "x = list(zip(q, items))", True),
        ("items.append(1)", "x, *y = items", True),
        ("items.append(1)", "f(*items[:1])", True),
        ("items.append(1)", "x = json.dumps({'x': items})", True),
        ("items.append(1)", "x = '%s' % (items,)", True),
        ("items.append(1)", "x = q", False),
        ("x = items[0]", "x = len(items)", False),
        ("x = next(ids)", "x = next(ids)", True),
        ("c.n = 1", "x = c.n", True),
        ("c.n = 1", "x = c.double", True),
        ("c.n = 1", "c.items", False),
        ("c.late = 1", "x = hasattr(c, 'late')", True),
        ("Box.kind = 1", "x = c.kind", True),
        ("c.kind = 1", "x = Box.kind", False),
        ("setattr(c, 'n', 1)", "x = c.n", True),
        ("c.n = 1", "x = operator.attrgetter('n')(c)", True),
        ("c.n = 1", "x = vars(c)['n']", True),
        ("c.__dict__['n'] = 1", "x = c.n", True),
        ("c.__dict__.update(n=1)", "x = c.n", True),
        ("heapq.heappush(items, 1)", "x = items[0]", True),
        ("items += [1]", "x = len(items)", True),
        ("s |= {3}", "x = 3 in s", True),
        ("q.append(1)", "for x in q: pass", True),
        ("dd['x'] += 1", "x = len(dd)", True),
        ("dl['x'].append(1)", "x = 'x' in dl", True),
    ],
)
def test_two_accesses_conflict_where_their_order_matters_and_else_not(one, other, conflict):
    program = defined(AROUND.replace("STATEMENT", "pass").replace("return task", f"""
    def first():
        nonlocal counter, items, s
        {one}
    def second():
        {other}
    return lambda: (first(), True) if which[0] == 1 else second()
""").replace("def setup():", "which = [1]\ndef setup():"))  # fmt: skip
    both = program["setup"]()

    def touched(number):
        program["which"][0] = number
        listener = reported(both)
        return {place for access in listener.touched[1:] for place in access}

    second = touched(2)
    first = touched(1)
    met = any(
        (about, key) == (with_about, with_key) and (writes or also)
        for about, key, writes in first
        for with_about, with_key, also in second
    )
    assert met == conflict


def test_the_site_is_the_place_in_the_program():
    program = defined("""
        def setup():
            counter = 0
            def task():
                nonlocal counter
                counter = (
                    counter
                      + 1)
            return task
    """)
    listener = reported(program["setup"]())
    assert list(zip(listener.said, listener.sites, strict=True)) == [
        ("read counter", (7, 12)), ("write counter", (6, 8)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "note"),
    [
        ("items.sort(key=f)", "items.sort() runs the program's own code while it is under way"),
        ('exec("x = 1")', "exec runs code that is not followed"),
        (
            "x = __import__('random').sample(items, 1)",
            "Random.sample is not followed, and gets something that is shared",
        ),
        ("x = [] < items < [9]", "items is compared twice in one expression"),
    ],
)
def test_what_cannot_be_followed_is_said(statement, note):
    listener = reported(task(statement))
    assert [what for what, _ in listener.notes] == [note]
    assert listener.notes[0][1] is not None


def test_other_threads_report_nothing():
    function = task("counter += 1")
    with visible(function), Listening() as listener:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()
    assert listener.said == []
