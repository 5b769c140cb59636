"""Rewrites a function's syntax tree so that each access to what threads may share is reported.

`x = self.count + f()` becomes, in effect,

    x = read_attribute(self, …).count + f()

The access itself stays where it was, with its line and column, in the program's own frame: the order of
evaluation, results, exceptions and tracebacks are the same. Calls that may be a container's method, and
operators whose right side may take steps, go through `next(prepare(…))`: `prepare` reports once everything
is evaluated, and the C function `next` makes the call, so that no frame of ours comes between.
"""

from __future__ import annotations

import ast
import builtins
import operator
from collections.abc import Callable, Iterator, Sequence
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, TypeVar

from helpers.schedules import as_a_whole, by_key, by_name, calls, containers, importing, reporting
from helpers.schedules.containers import Variables
from helpers.schedules.execution import Site
from helpers.schedules.model import queues
from helpers.schedules.reaching import is_own
from helpers.schedules.reporting import Spot
from helpers.schedules.spinning import Loop
from helpers.schedules.variables import Scope

MARK = "\0reported "  # begins a text that stands for an object of ours

_IN_PLACE: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.iadd, ast.Sub: operator.isub, ast.Mult: operator.imul, ast.MatMult: operator.imatmul,
    ast.Div: operator.itruediv, ast.FloorDiv: operator.ifloordiv, ast.Mod: operator.imod, ast.Pow:
    operator.ipow,
    ast.LShift: operator.ilshift, ast.RShift: operator.irshift, ast.BitOr: operator.ior, ast.BitXor:
    operator.ixor,
    ast.BitAnd: operator.iand,
}  # fmt: skip
# The operators that built-in containers have (`%` puts them into text).
_COMBINING: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.BitAnd: operator.and_,
}  # fmt: skip
_COMPARING: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt:
    operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip

# Of the built-in functions: those to look at, and those that touch nothing another thread could have.
_LOOKED_AT = {
    "all", "any", "ascii", "bool", "breakpoint", "bytearray", "bytes", "delattr", "dict", "float", "format",
    "frozenset", "getattr", "hasattr", "hash", "input", "int", "iter", "len", "list", "max", "min", "next",
    "print", "repr", "reversed", "set", "setattr", "sorted", "str", "sum", "tuple", "deque", "Counter",
    "defaultdict",
    "OrderedDict", "enumerate", "filter", "globals", "map", "zip", "reduce", "heappush",
    "heappop", "heapify",
}  # fmt: skip
_LEFT_ALONE = {
    "super", "locals", "dir", "isinstance", "issubclass", "type", "range", "id", "callable",
    "object", "complex", "abs", "round", "divmod", "pow", "chr", "ord", "hex", "bin",
    "oct", "property", "staticmethod", "classmethod", "slice",
    "memoryview", "open", "__import__", "compile",
}  # fmt: skip
_TELLS_VARIABLES = {"locals", "vars", "dir"}  # where they are asked of nothing
_RUNS_TEXT = {"eval", "exec"}
# Methods of a logger: they say the line that calls them, so that no frame of ours may come between.
_SAYS_ITS_LINE = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# Attributes of what the standard library keeps, which no text assigns: the last ones of loggers and mocks.
_WATCHED = (
    queues.KEPT
    | by_name.KEPT_INSIDE
    | {"alive", "handlers", "filters", "called", "call_count", "call_args", "call_args_list", "mock_calls"}
)
_PASSED_ON = _LOOKED_AT & {name for name in dir(builtins) if not isinstance(getattr(builtins, name), type)}
_TRUE_OR_FALSE = {"isinstance", "issubclass", "callable", "hasattr", "any", "all", "bool"}

_FunctionNode = ast.FunctionDef | ast.Lambda
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Rewriter(ast.NodeTransformer):
    """Rewrites one function.

    Args:
        file: name of the file it is from.
        attributes: the names of attributes that may be assigned while the scenario runs; None for all.
        is_shared: whether a global variable may be assigned while the scenario runs.
        variables: what stands for the function's global variables.
    """

    def __init__(
        self,
        file: str,
        attributes: set[str] | None,
        is_shared: Callable[[str], bool],
        variables: Variables,
    ) -> None:
        self.file = file
        self.attributes = attributes
        self.is_shared = is_shared
        self.variables = variables
        self.scope: Scope
        self.constants: list[Any] = []
        self._marks: dict[int, str] = {}
        self._hidden = 0

    # --- pieces --------------------------------------------------------------------------------------

    def constant(self, value: Any, at: ast.AST) -> ast.expr:
        """An object of ours in the program's code; it takes the place of a mark after compilation."""
        mark = self._marks.get(id(value))
        if mark is None:
            mark = self._marks[id(value)] = f"{MARK}{len(self.constants)}"
            self.constants.append(value)
        return placed(ast.Constant(mark), at)

    def report(self, hook: Callable[..., Any], *args: ast.expr, at: ast.AST) -> ast.Call:
        return placed(ast.Call(self.constant(hook, at), list(args), []), at)

    def performed(self, hook: Callable[..., Any], *args: ast.expr, at: ast.AST) -> ast.Call:
        """A call of a hook that returns an iterator, whose only value is made here."""
        return self.report(builtins.next, self.report(hook, *args, at=at), at=at)

    def spot(self, at: ast.AST, key: str = "", name: str | None = None) -> ast.expr:
        """The constant that says where in the program something is, and what."""
        name = _words(at) if name is None else name
        # What begins at one place is told apart by what it touches: a read of `self.items` is no step
        # only because `self.items.append(item)` is one.
        site = Site(self.file, at.lineno, at.col_offset, f"{name} {key}")  # type: ignore[attr-defined]
        return self.constant(Spot(site, key, name), at)

    def hidden(self) -> str:
        """A variable that no program can name."""
        self._hidden += 1
        return f".{self._hidden}"

    def cell(self, name: str, at: ast.AST) -> ast.expr:
        """The cell of a variable: a function that mentions it has it."""
        arguments = ast.arguments([], [], None, [], [], None, [])
        holder = ast.Lambda(arguments, ast.Name(name, ast.Load()))
        cells = ast.Attribute(holder, "__closure__", ast.Load())
        return _at_all(ast.Subscript(cells, ast.Constant(0), ast.Load()), at)

    def shared(self, name: str) -> str | None:
        """`"cell"` or `"global"` where a variable may be changed by another thread, else None."""
        if name.startswith("."):
            return None
        name = self.scope.mangled(name)
        owner = self.scope.owner(name)
        if owner is None:
            return "global" if self.is_shared(name) else None
        if owner is self.scope and owner.kind == "class":
            return None
        return "cell" if owner.shares(name) else None

    def hooked(
        self, name: str, of_cell: Callable[..., Any], of_global: Callable[..., Any], at: ast.AST
    ) -> tuple[Callable[..., Any], ast.expr] | None:
        """Of two hooks the one for a shared variable, and what the variable is in; None for others."""
        match self.shared(name):
            case "cell":
                return of_cell, self.cell(name, at)
            case "global":
                return of_global, self.constant(self.variables, at)
        return None

    def quiet(self, node: ast.expr) -> bool:
        """Whether evaluating an expression again gives the same and takes no step."""
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Name):
            name = self.scope.mangled(node.id)
            return self.shared(node.id) is None and (
                self.scope.kind != "class" or name not in self.scope.bound
            )
        if isinstance(node, ast.UnaryOp):
            return isinstance(node.operand, ast.Constant)
        if isinstance(node, ast.Tuple):
            return isinstance(node.ctx, ast.Load) and all(map(self.quiet, node.elts))
        if isinstance(node, ast.Slice):
            return all(each is None or self.quiet(each) for each in (node.lower, node.upper, node.step))
        return False

    def fresh(self, node: ast.expr) -> bool:
        """Whether an expression makes a container that nobody else can have, without a step."""
        return isinstance(node, (ast.List, ast.Set)) and all(map(_is_constant, node.elts))

    def watches(self, attribute: str) -> bool:
        if self.attributes is None or attribute in _WATCHED:
            return True
        return self.scope.mangled(attribute) in self.attributes

    def visit_each(self, nodes: Sequence[Any]) -> list[Any]:
        """Visit statements, each of which may become several, or expressions."""
        found: list[Any] = []
        for node in nodes:
            result = self.visit(node)
            found += result if isinstance(result, list) else [result]
        return found

    # --- names ---------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if not isinstance(node.ctx, ast.Load):
            return node
        return self.read_name(node)

    def read_name(self, node: ast.Name) -> ast.expr:
        found = self.hooked(node.id, by_name.read_cell, by_name.read_global, node)
        if found is None:
            return node
        hook, where = found
        before = self.report(hook, where, self.spot(node, self.scope.mangled(node.id)), at=node)
        return placed(ast.BoolOp(ast.Or(), [before, node]), node)  # a report returns None

    def written(self, name: str, value: ast.expr, at: ast.AST) -> ast.expr:
        """The value of an assignment to a name, with the report that it is about to be made."""
        found = self.hooked(name, by_name.write_cell, by_name.write_global, at)
        if found is None:
            return value
        hook, where = found
        return self.report(hook, where, self.spot(at, self.scope.mangled(name), name), value, at=at)

    # --- attributes and items that are read ----------------------------------------------------------

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if not isinstance(node.ctx, ast.Load):
            return self.target(node)
        found = self.read_attribute(node)
        if node.attr in containers.METHODS:
            return self.report(calls.bound, found, self.spot(node), at=node)
        return found

    def read_attribute(self, node: ast.Attribute) -> ast.expr:
        spot = None
        if node.attr == "__dict__":
            spot, hook = self.spot(node), by_name.read_namespace
        elif self.watches(node.attr):
            spot, hook = self.spot(node, self.scope.mangled(node.attr)), by_name.read_attribute
        inner = node.value
        value = self.read_attribute(inner) if isinstance(inner, ast.Attribute) else self.visit(inner)
        if spot is not None:
            value = self.report(hook, value, spot, at=node.value)
        return placed(ast.Attribute(value, node.attr, ast.Load()), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if not isinstance(node.ctx, ast.Load):
            return self.target(node)
        spot = self.spot(node)
        if self.quiet(node.slice):
            held = self.report(
                by_key.read_item, self.visit(node.value), self.key(node.slice), spot, at=node.value
            )
            return placed(ast.Subscript(held, node.slice, ast.Load()), node)
        return self.performed(
            by_key.get_item, spot, self.visit(node.value), self.key(self.visit(node.slice)), at=node
        )

    def key(self, node: ast.expr) -> ast.expr:
        """What stands between brackets, already visited or quiet, as a value that can be passed on."""
        if isinstance(node, ast.Slice):
            parts = [part or placed(ast.Constant(None), node) for part in (node.lower, node.upper, node.step)]
            return self.report(slice, *parts, at=node)
        if isinstance(node, ast.Tuple) and any(isinstance(each, ast.Slice) for each in node.elts):
            return placed(ast.Tuple([self.key(each) for each in node.elts], ast.Load()), node)
        return node

    # --- what is assigned to -------------------------------------------------------------------------

    def simple(self, target: ast.expr) -> bool:
        """Whether a target's report can be put into it, so that it may stand anywhere."""
        if isinstance(target, ast.Name):
            return self.shared(target.id) is None
        if isinstance(target, ast.Starred):
            return self.simple(target.value)
        if isinstance(target, (ast.Tuple, ast.List)):
            return all(map(self.simple, target.elts))
        return not (isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice))

    def target(self, target: ast.expr) -> ast.expr:
        """A target with the report before it is stored to."""
        if isinstance(target, ast.Attribute):
            spot = self.spot(target, self.scope.mangled(target.attr))
            held = self.report(by_name.write_attribute, self.visit(target.value), spot, at=target.value)
            return placed(ast.Attribute(held, target.attr, target.ctx), target)
        if isinstance(target, ast.Subscript):
            spot = self.spot(target)
            deletes = isinstance(target.ctx, ast.Del)
            hook = by_key.delete_item if deletes else by_key.write_item
            if self.quiet(target.slice):
                held = self.report(
                    hook, self.visit(target.value), self.key(target.slice), spot, at=target.value
                )
                return placed(ast.Subscript(held, target.slice, target.ctx), target)
            held = self.report(
                by_key.Target, self.visit(target.value), self.key(self.visit(target.slice)), spot, at=target
            )
            return placed(ast.Attribute(held, "value", ast.Store()), target)
        if isinstance(target, ast.Starred):
            return placed(ast.Starred(self.target(target.value), target.ctx), target)
        if isinstance(target, (ast.Tuple, ast.List)):
            return placed(type(target)([self.target(each) for each in target.elts], target.ctx), target)
        return target

    def store(self, target: ast.expr, value: ast.expr, at: ast.stmt) -> list[ast.stmt]:
        """The statements that assign a value, already rewritten, to a target."""
        if isinstance(target, ast.Name):
            return [placed(ast.Assign([target], self.written(target.id, value, target)), at)]
        takes_apart = isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice)
        if isinstance(target, ast.Subscript) and (takes_apart or not self.quiet(target.slice)):
            call = self.performed(
                as_a_whole.set_slice if takes_apart else by_key.set_item,
                self.spot(target),
                value,
                self.visit(target.value),
                self.key(self.visit(target.slice)),
                at=target,
            )
            return [placed(ast.Expr(call), at), self.finished(at)]
        if isinstance(target, (ast.Tuple, ast.List)) and not self.simple(target):
            names = [self.hidden() for _ in target.elts]
            inner: list[ast.expr] = []
            stored: list[ast.stmt] = []
            for name, each in zip(names, target.elts, strict=True):
                slot: ast.expr = ast.Name(name, ast.Store())
                where = each
                if isinstance(each, ast.Starred):
                    slot, where = ast.Starred(slot, ast.Store()), each.value
                inner.append(slot)
                taken = self.unpacked(where, _load(name, where))
                stored += [*self.store(where, taken, at), _delete(name, at)]
            pattern = _at_all(ast.Tuple(inner, ast.Store()), target)
            return [placed(ast.Assign([pattern], value), at), *stored]
        return [placed(ast.Assign([self.target(target)], value), at), *self.finishing(target, at)]

    def unpacked(self, target: ast.expr, value: ast.expr) -> ast.expr:
        """The value for a target that takes it apart, with the report that it is read."""
        if isinstance(target, (ast.Tuple, ast.List)) and not isinstance(value, (ast.Tuple, ast.List)):
            if isinstance(value, ast.Name) and value.id.startswith("."):
                value.words = f"what {_words(target)} get"  # type: ignore[attr-defined]
            return self.report(as_a_whole.unpack, value, self.spot(value), at=value)
        return value

    def finished(self, at: ast.stmt) -> ast.stmt:
        return placed(ast.Expr(self.report(reporting.finished, at=at)), at)

    def finishing(self, target: ast.expr, at: ast.stmt) -> list[ast.stmt]:
        """After a store to anything but a name: the new value can be seen."""
        return [] if isinstance(target, ast.Name) else [self.finished(at)]

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        value = self.visit(node.value)
        if len(node.targets) == 1:
            return self.store(node.targets[0], self.unpacked(node.targets[0], value), node)
        if all(map(self.simple, node.targets)):
            for target in node.targets:
                value = self.unpacked(target, value)
            stored = placed(ast.Assign([self.target(target) for target in node.targets], value), node)
            return [stored, *self.finishing(node.targets[-1], node)]
        name = self.hidden()
        found: list[ast.stmt] = [placed(ast.Assign([ast.Name(name, ast.Store())], value), node)]
        for target in node.targets:
            found += self.store(target, self.unpacked(target, _load(name, node.value)), node)
        return [*found, _delete(name, node)]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt | list[ast.stmt]:
        if node.value is None:
            return node  # in a function it only says that the name is local
        value = self.visit(node.value)
        if self.scope.kind == "class":
            node.value = value
            if isinstance(node.target, ast.Name):
                node.value = self.written(node.target.id, value, node.target)
            else:
                node.target = self.target(node.target)  # type: ignore[assignment]
            return node
        return self.store(node.target, value, node)

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        target = node.target
        before: list[ast.stmt] = []
        after: list[ast.stmt] = []
        rebinds = any(isinstance(each, ast.NamedExpr) for each in ast.walk(node.value))

        def once(part: ast.expr) -> ast.expr:
            """Evaluate a part of the target that is used twice, once."""
            if self.quiet(part) and not rebinds:
                return part
            name = self.hidden()
            value = self.key(self.visit(part))
            before.append(placed(ast.Assign([_store(name, part)], value), node))
            after.append(_delete(name, node))
            return _load(name, part)

        if isinstance(target, ast.Name):
            if self.shared(target.id) is None and _is_number(node.value):
                return [node]
            read: ast.expr = self.read_name(_load(target.id, target))
            place: ast.expr = target
        elif isinstance(target, ast.Attribute):
            held = once(target.value)
            spot = self.spot(target, self.scope.mangled(target.attr))
            read = placed(
                ast.Attribute(
                    self.report(by_name.read_attribute, held, spot, at=target), target.attr, ast.Load()
                ),
                target,
            )
            place = placed(ast.Attribute(held, target.attr, ast.Store()), target)
        else:
            held = once(target.value)
            key = target.slice
            if rebinds or not self.quiet(key):
                key = once(key)
            spot = self.spot(target)
            read = self.report(by_key.read_item, held, self.key(key), spot, at=target)
            read = placed(ast.Subscript(read, key, ast.Load()), target)
            place = placed(ast.Subscript(held, key, ast.Store()), target)
        name = place.words = _words(target)  # type: ignore[attr-defined]
        operation = self.constant(_IN_PLACE[type(node.op)], node)
        if _is_number(node.value) and not isinstance(node.op, ast.Mult):
            value: ast.expr = placed(ast.Call(operation, [read, node.value], []), node)
        else:
            spot = self.spot(node, "", name)
            value = self.performed(as_a_whole.augment, spot, operation, read, self.visit(node.value), at=node)
        return [*before, *self.store(place, value, node), *after]

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        value = self.visit(node.value)
        return placed(ast.NamedExpr(node.target, self.written(node.target.id, value, node)), node)

    def visit_Delete(self, node: ast.Delete) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for target in _flat(node.targets):
            if isinstance(target, ast.Name):
                if hooked := self.hooked(target.id, by_name.delete_cell, by_name.delete_global, target):
                    hook, where = hooked
                    spot = self.spot(target, self.scope.mangled(target.id))
                    found.append(placed(ast.Expr(self.report(hook, where, spot, at=target)), node))
                found.append(placed(ast.Delete([target]), node))
            elif isinstance(target, ast.Subscript) and not self.quiet(target.slice):
                parts = self.visit(target.value), self.key(self.visit(target.slice))
                call = self.performed(by_key.del_item, self.spot(target), *parts, at=target)
                found.append(placed(ast.Expr(call), node))
            else:
                found.append(placed(ast.Delete([self.target(target)]), node))
        return found

    # --- operators -----------------------------------------------------------------------------------

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        operation = _COMBINING.get(type(node.op))
        if operation is None or (
            (_is_number(node.left) or _is_number(node.right)) and not isinstance(node.op, ast.Mult)
        ):
            return self.generic_visit(node)  # type: ignore[return-value]
        if isinstance(node.left, ast.Constant):
            # A text is added to texts, but a number multiplies lists.
            joins = isinstance(node.op, ast.Mult) or isinstance(node.left.value, bytes)
            right = self.compared(node.right, True) if joins else self.visit(node.right)
            if isinstance(node.op, ast.Mod) and isinstance(node.left.value, (str, bytes)):
                right = self.report(as_a_whole.shown, right, self.spot(node.right), at=node.right)
            return placed(ast.BinOp(node.left, node.op, right), node)
        return self.operated(
            node, operation, node.left, node.right, lambda left: ast.BinOp(left, node.op, node.right)
        )

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) > 1:
            node.left = self.compared(node.left, self.quiet(node.comparators[0]))
            *middle, last = node.comparators
            node.comparators = [*(self.compared(each, False) for each in middle), self.compared(last, True)]
            return node
        (test,), (right,) = node.ops, node.comparators
        if isinstance(test, (ast.In, ast.NotIn)):
            return self.membership(node, node.left, right)
        operation = _COMPARING.get(type(test))
        if operation is None or _is_constant(node.left) or _is_constant(right):
            return self.generic_visit(node)  # type: ignore[return-value]
        return self.operated(
            node, operation, node.left, right, lambda left: ast.Compare(left, node.ops, [right])
        )

    def operated(
        self,
        node: ast.expr,
        operation: Callable[[Any, Any], Any],
        left: ast.expr,
        right: ast.expr,
        again: Callable[[ast.expr], ast.expr],
    ) -> ast.expr:
        """An operator between two values; `again` makes it anew, for a left side with a report before it."""
        spot = self.spot(node)
        if self.quiet(right):
            return placed(again(self.report(as_a_whole.both, self.visit(left), right, spot, at=left)), node)
        if self.fresh(right):
            return placed(again(self.compared(left, True)), node)
        operands = self.visit(left), self.visit(right)
        return self.performed(as_a_whole.operate, spot, self.constant(operation, node), *operands, at=node)

    def membership(self, node: ast.Compare, element: ast.expr, held: ast.expr) -> ast.expr:
        spot = self.spot(held)
        # A container that is compared with what is none is not looked into.
        if _is_constant(held) or (
            isinstance(held, (ast.Tuple, ast.List, ast.Set)) and all(map(_is_constant, held.elts))
        ):
            return self.generic_visit(node)  # type: ignore[return-value]
        if self.quiet(element):
            right = self.report(as_a_whole.member, self.visit(held), element, spot, at=held)
            return placed(ast.Compare(element, node.ops, [right]), node)
        answer = self.performed(as_a_whole.ask_member, spot, self.visit(element), self.visit(held), at=node)
        return placed(ast.UnaryOp(ast.Not(), answer), node) if isinstance(node.ops[0], ast.NotIn) else answer

    def compared(self, node: ast.expr, once: bool) -> ast.expr:
        """An operand in a chain of comparisons; the inner ones are compared twice."""
        if isinstance(node, ast.Constant):
            return node
        hook = as_a_whole.compared if once else as_a_whole.chained
        return self.report(hook, self.visit(node), self.spot(node), at=node)

    def truth(self, node: ast.expr) -> ast.expr:
        """An expression of which only the truth is asked."""
        if isinstance(node, ast.BoolOp):
            return placed(ast.BoolOp(node.op, [self.truth(each) for each in node.values]), node)
        if _says_true_or_false(node):
            return self.visit(node)  # type: ignore[no-any-return]
        return self.report(as_a_whole.truth, self.visit(node), self.spot(node), at=node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        *tested, last = node.values
        return placed(ast.BoolOp(node.op, [*map(self.truth, tested), self.visit(last)]), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            return placed(ast.UnaryOp(node.op, self.truth(node.operand)), node)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        return placed(ast.IfExp(self.truth(node.test), self.visit(node.body), self.visit(node.orelse)), node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        if not isinstance(node.value, ast.Constant):
            node.value = self.report(
                as_a_whole.shown, self.visit(node.value), self.spot(node.value), at=node.value
            )
        if node.format_spec is not None:
            node.format_spec = self.visit(node.format_spec)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        if isinstance(node.ctx, ast.Load):
            spot = self.spot(node.value)
            node.value = self.report(as_a_whole.unpack, self.visit(node.value), spot, at=node.value)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                keys.append(None)
                spot = self.spot(value)
                values.append(self.report(as_a_whole.unpack_pairs, self.visit(value), spot, at=value))
            else:
                keys.append(self.visit(key))
                values.append(self.visit(value))
        return placed(ast.Dict(keys, values), node)

    # --- calls ---------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = node.func
        spot = self.spot(node, "", self.about(node))
        if isinstance(function, ast.Name):
            is_global = self.scope.owner(self.scope.mangled(function.id)) is None
            if is_global and function.id in _TELLS_VARIABLES and not node.args:
                return self.report(reporting.without_hidden, node, at=node)
            if (
                is_global
                and function.id in _LEFT_ALONE
                and not (function.id == "type" and len(node.args) > 1)
            ):
                callee: ast.expr = function
            elif is_global and function.id in _RUNS_TEXT:
                what = f"{function.id} runs code that is not followed"
                said = self.report(reporting.not_followed, self.spot(node, "", what), at=node)
                callee = placed(ast.BoolOp(ast.Or(), [said, function]), node)
            elif is_global and (
                function.id in _LOOKED_AT or function.id == "vars" or self.of_library(function)
            ):
                return self.prepared(node, self.read_name(function), spot)
            else:
                callee = self.report(calls.call, self.read_name(function), spot, at=function)
        elif isinstance(function, ast.Attribute):
            found = self.read_attribute(function)
            prepared = function.attr in containers.METHODS or function.attr in _SAYS_ITS_LINE
            if prepared or self.of_library(function):
                return self.prepared(node, found, spot)
            callee = self.report(calls.call, found, spot, at=function)
        else:
            callee = self.report(calls.call, self.visit(function), spot, at=function)
        return placed(ast.Call(callee, self.arguments(node), self.keywords(node)), node)

    def about(self, call: ast.Call) -> str:
        """What a call is about: the object of a method, or the first argument of a function."""
        function = call.func
        if isinstance(function, ast.Attribute) and not isinstance(function.value, ast.Constant):
            if not isinstance(self.meaning(function.value), ModuleType):
                return f"{_words(function)}()"
        elif len(call.args) > 1 and isinstance(function, ast.Name) and function.id.endswith("attr"):
            name = call.args[1]
            if isinstance(name, ast.Constant):
                return f"{_words(call.args[0])}.{name.value!s}"
        return _words(call.args[0]) if call.args else _words(function)

    def of_library(self, node: ast.expr) -> bool:
        """Whether a name, or an attribute of a module, is now a function that is not the program's own."""
        found = self.meaning(node)
        if isinstance(found, FunctionType):
            return not is_own(found.__code__.co_filename)
        return isinstance(found, BuiltinFunctionType)

    def meaning(self, node: ast.expr) -> Any:
        """What a global name, or an attribute of a module, is now."""
        if isinstance(node, ast.Name) and self.scope.owner(self.scope.mangled(node.id)) is None:
            return self.variables.names.get(node.id)
        if isinstance(node, ast.Attribute):
            module = self.meaning(node.value)
            if isinstance(module, ModuleType):
                return vars(module).get(node.attr)
        return None

    def prepared(self, node: ast.Call, function: ast.expr, spot: ast.expr) -> ast.expr:
        arguments = [spot, function, *self.arguments(node)]
        call = placed(ast.Call(self.constant(calls.prepare, node), arguments, self.keywords(node)), node)
        return self.report(builtins.next, call, at=node)

    def arguments(self, node: ast.Call) -> list[ast.expr]:
        return [self.passed(each, _keeps(node.func)) for each in node.args]

    def keywords(self, node: ast.Call) -> list[ast.keyword]:
        found = []
        for each in node.keywords:
            value = self.passed(each.value, _keeps(node.func))
            if each.arg is None:
                value = self.report(as_a_whole.unpack_pairs, value, self.spot(each.value), at=each.value)
            found.append(placed(ast.keyword(each.arg, value), each))
        return found

    def passed(self, node: ast.expr, kept: bool) -> ast.expr:
        """An argument. A built-in function that is handed on reports itself wherever it is called."""
        if not kept and isinstance(node, ast.Attribute):
            return self.read_attribute(node)
        if (
            kept
            and isinstance(node, ast.Name)
            and node.id in _PASSED_ON
            and self.scope.owner(node.id) is None
        ):
            return self.report(calls.bound, self.read_name(node), self.spot(node), at=node)
        return self.visit(node)  # type: ignore[no-any-return]

    # --- loops ---------------------------------------------------------------------------------------

    def gone_through(self, node: ast.expr) -> ast.expr:
        """What a loop goes through, with the report of each step."""
        if _is_range(node):
            return self.visit(node)  # type: ignore[no-any-return]
        return self.report(as_a_whole.each, self.visit(node), self.spot(node), at=node)

    def may_count(self, node: ast.expr) -> ast.expr | None:
        """What says, at each turn of a loop, whether it goes through `itertools.count`; None if it cannot.

        That is the iterator itself, where it has a name, or the function that made it.
        """
        if isinstance(node, ast.Call):
            node = node.func
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr == "count":
                return copied(node)
        if isinstance(node, ast.Name):
            is_global = self.scope.owner(self.scope.mangled(node.id)) is None
            if not (is_global and hasattr(builtins, node.id)):
                return copied(node)
        return None

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        counts = self.may_count(node.iter)
        loop = self.hidden()
        if counts is None:
            finite = placed(ast.Constant(_is_range(node.iter)), node)
            node.iter = self.gone_through(node.iter)
            spot = self.spot(node, "", "for")
            going_on: ast.expr = self.report(reporting.progress, spot, finite, _load(loop, node), at=node)
        else:
            spot = self.spot(node.iter)
            node.iter = self.report(
                as_a_whole.each_from_call, self.visit(node.iter), counts, spot, at=node.iter
            )
            going_on = self.turn(reporting.counted, loop, node, copied(counts))
        head: list[ast.stmt] = [placed(ast.Expr(going_on), node)]
        if isinstance(node.target, ast.Name) and self.simple(node.target):
            target: ast.expr = node.target
        elif isinstance(node.target, ast.Name | ast.Tuple | ast.List):
            name = self.hidden()
            target = _store(name, node.target)
            value = self.unpacked(node.target, _load(name, node.target))
            head = [*self.store(node.target, value, _place_of(node.target)), _delete(name, node), *head]
        else:
            target = self.target(node.target)
            head = [self.finished(node), *head]
        node.target = target
        node.body = [*head, *self.visit_each(node.body)]
        node.orelse = self.visit_each(node.orelse)
        return self.known_by(loop, node)

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        loop = self.hidden()
        turn = self.turn(reporting.again, loop, node)
        node.test = placed(ast.BoolOp(ast.Or(), [turn, self.truth(node.test)]), node.test)
        node.body = self.visit_each(node.body)
        node.orelse = self.visit_each(node.orelse)
        return self.known_by(loop, node)

    def known_by(self, loop: str, node: ast.For | ast.While) -> list[ast.stmt]:
        """A loop that is known by an object in a hidden variable."""
        made = self.report(Loop, at=_place_of(node))
        return [placed(ast.Assign([_store(loop, node)], made), _place_of(node)), node, _delete(loop, node)]

    def turn(
        self, hook: Callable[..., Any], loop: str, node: ast.For | ast.While, *args: ast.expr
    ) -> ast.expr:
        """The report of a turn of a loop in which a thread may spin."""
        kind = "while" if isinstance(node, ast.While) else "for"
        at = node.test if isinstance(node, ast.While) else node
        unread = self.constant(self.scope.unread(), node)
        return self.report(hook, _load(loop, at), self.spot(node, "", kind), unread, *args, at=at)

    def visit_If(self, node: ast.If) -> ast.If:
        node.test = self.truth(node.test)
        node.body = self.visit_each(node.body)
        node.orelse = self.visit_each(node.orelse)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        node.test = self.truth(node.test)
        if node.msg is not None:
            node.msg = self.visit(node.msg)
        return node

    def comprehension(self, node: _Comprehension) -> ast.expr:
        finite = [_is_range(each.iter) for each in node.generators]
        first = self.gone_through(node.generators[0].iter)
        outer, self.scope = self.scope, node.scope  # type: ignore[union-attr]
        generators: list[ast.comprehension] = []
        for number, each in enumerate(node.generators):
            iterated = self.gone_through(each.iter) if number else first
            ends = placed(ast.Constant(finite[number]), each.target)
            going_on = self.report(
                reporting.progress, self.spot(each.target, "", "for"), ends, at=each.target
            )
            conditions = [going_on, *map(self.truth, each.ifs)]
            if each.is_async or (isinstance(each.target, ast.Name) and self.simple(each.target)):
                generators.append(ast.comprehension(each.target, iterated, conditions, each.is_async))
                continue
            name = self.hidden()
            slot = _store(name, each.target)
            value = self.unpacked(each.target, _load(name, each.target))
            generators.append(ast.comprehension(slot, iterated, [going_on], 0))
            generators += self.assigned_in(each.target, value)
            generators[-1].ifs = conditions[1:]
        node.generators = generators
        if isinstance(node, ast.DictComp):
            # Unpacking in comprehensions is new in Python 3.15: `{**each for each in many}` has a key only.
            if node.value is None:
                spot = self.spot(node.key)
                node.key = self.report(as_a_whole.unpack_pairs, self.visit(node.key), spot, at=node.key)
            else:
                node.key, node.value = self.visit(node.key), self.visit(node.value)
        elif not isinstance(node, ast.GeneratorExp):
            node.elt = self.visit(node.elt)
        elif isinstance(node.elt, ast.Starred):  # step by step, as `yield from`
            node.elt.value = self.gone_through(node.elt.value)
        else:
            node.elt = self.leaving(node.elt, node.elt)
        self.scope = outer
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension

    def assigned_in(self, target: ast.expr, value: ast.expr) -> list[ast.comprehension]:
        """`for target in [value]`: an assignment inside a comprehension."""
        if isinstance(target, ast.Name):
            value = self.written(target.id, value, target)
        elif not self.simple(target):
            assert isinstance(target, (ast.Tuple, ast.List))
            found: list[ast.comprehension] = []
            slots: list[ast.expr] = []
            for each in target.elts:
                name = self.hidden()
                starred = isinstance(each, ast.Starred)
                where = each.value if isinstance(each, ast.Starred) else each
                slot = _store(name, each)
                slots.append(placed(ast.Starred(slot, ast.Store()), each) if starred else slot)
                found += self.assigned_in(where, self.unpacked(where, _load(name, each)))
            pattern = placed(ast.Tuple(slots, ast.Store()), target)
            return [ast.comprehension(pattern, placed(ast.List([value], ast.Load()), target), [], 0), *found]
        return [ast.comprehension(self.target(target), placed(ast.List([value], ast.Load()), target), [], 0)]

    def leaving(self, value: ast.expr | None, at: Any) -> ast.expr:
        """A value that a generator gives, with the report that the generator can be entered again."""
        value = placed(ast.Constant(None), at) if value is None else self.visit(value)
        return self.report(as_a_whole.leaving, value, self.spot(at, "", "a generator"), at=at)

    def visit_Yield(self, node: ast.Yield) -> ast.expr:
        return placed(ast.Yield(self.leaving(node.value, node.value or node)), node)

    def visit_Return(self, node: ast.Return) -> ast.Return:
        if self.scope.generates:
            return placed(ast.Return(self.leaving(node.value, node.value or node)), node)
        return placed(ast.Return(node.value and self.visit(node.value)), node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> ast.expr:
        spot = self.spot(node.value)
        return placed(
            ast.YieldFrom(self.report(as_a_whole.each_from, self.visit(node.value), spot, at=node.value)),
            node,
        )

    # --- statements that bind names ------------------------------------------------------------------

    def visit_With(self, node: ast.With) -> ast.With:
        body: list[ast.stmt] = []
        for number, item in enumerate(node.items):
            manager = item.context_expr
            item.context_expr = self.report(calls.managed, self.visit(manager), at=manager)
            target = item.optional_vars
            if target is None or (isinstance(target, ast.Name) and self.simple(target)):
                continue
            name = self.hidden()
            item.optional_vars = _store(name, target)
            value = self.unpacked(target, _load(name, target))
            bound = [*self.store(target, value, _place_of(target)), _delete(name, _place_of(target))]
            if number + 1 < len(node.items):  # the next manager is made after this target has its value
                inner = placed(ast.With(node.items[number + 1 :], node.body), node)
                node.items = node.items[: number + 1]
                node.body = [*bound, self.visit_With(inner)]
                return node
            body = bound
        node.body = [*body, *self.visit_each(node.body)]
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        if node.type is not None:
            node.type = self.visit(node.type)
        body = self.visit_each(node.body)
        if node.name is not None and self.shared(node.name):
            first = node.body[0]
            caught = self.hidden()
            taken = self.written(node.name, _load(caught, node), node)
            bind = placed(ast.Assign([_store(node.name, node)], taken), node)
            nothing = self.written(node.name, placed(ast.Constant(None), node), node)
            drop: list[ast.stmt] = [
                placed(ast.Assign([_store(node.name, node)], nothing), node),
                _delete(node.name, node),
            ]
            body = [placed(ast.Try([bind, *body], [], [], drop), first)]
            node.name = caught
        first = _place_of(node.body[0])
        node.body = [placed(ast.Expr(self.report(reporting.caught, at=first)), first), *body]
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        said = [self.importing(node, alias.name, (), 0) for alias in node.names]
        return [*said, *self.imported(node, lambda alias: ast.Import([alias]))]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        names = tuple(alias.name for alias in node.names)
        said = self.importing(node, node.module or "", names, node.level)
        return [said, *self.imported(node, lambda alias: ast.ImportFrom(node.module, [alias], node.level))]

    def importing(self, at: ast.stmt, name: str, names: tuple[str, ...], level: int) -> ast.stmt:
        """The report that a module is about to be imported."""
        wanted = self.constant(importing.Wanted(name, names, level), at)
        return placed(ast.Expr(self.report(importing.about_to_import, wanted, at=at)), at)

    def imported(
        self, node: ast.Import | ast.ImportFrom, again: Callable[[ast.alias], ast.stmt]
    ) -> list[ast.stmt]:
        names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        if not any(map(self.shared, names)):
            return [node]
        found: list[ast.stmt] = []
        for name, alias in zip(names, node.names, strict=True):
            if not self.shared(name):
                found.append(placed(again(alias), node))
                continue
            hidden = self.hidden()
            if alias.asname is None and "." in alias.name:  # binds the package that the module is in
                found.append(placed(again(placed(ast.alias(alias.name, hidden), node)), node))
                alias = ast.alias(name, None)
            found.append(placed(again(placed(ast.alias(alias.name, hidden), node)), node))
            value = self.written(name, _load(hidden, node), node)
            found += [
                placed(ast.Assign([_store(name, node)], value), node),
                _delete(hidden, node),
            ]
        return found

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        node.decorator_list = [*self.binding(node), *map(self.decorator, node.decorator_list)]
        self.defaults(node.args)
        self.body(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        what = self.spot(node, "", f"async function {node.name} is not followed")
        said = placed(ast.Expr(self.report(reporting.not_followed, what, at=node)), node)
        node.body.insert(1 if ast.get_docstring(node, clean=False) is not None else 0, said)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self.defaults(node.args)
        self.body(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        node.decorator_list = [*self.binding(node), *map(self.decorator, node.decorator_list)]
        node.bases = self.visit_each(node.bases)
        node.keywords = self.visit_each(node.keywords)
        outer, self.scope = self.scope, node.scope  # type: ignore[attr-defined]
        node.body = self.visit_each(node.body)
        self.scope = outer
        return node

    def decorator(self, node: ast.expr) -> ast.expr:
        """A decorator, which will be called without a call in the text."""
        return self.report(calls.call, self.visit(node), self.spot(node), at=node)

    def binding(self, node: ast.FunctionDef | ast.ClassDef) -> list[ast.expr]:
        """An outermost decorator that reports, where the name it is bound to is shared."""
        at = node.decorator_list[0] if node.decorator_list else _place_of(node)
        found = self.hooked(node.name, by_name.write_cell, by_name.write_global, at)
        if found is None:
            return []
        hook, where = found
        spot = self.spot(at, self.scope.mangled(node.name), node.name)
        return [self.report(as_a_whole.decorating, self.constant(hook, at), where, spot, at=at)]

    def defaults(self, arguments: ast.arguments) -> None:
        arguments.defaults = [self.visit(each) for each in arguments.defaults]
        arguments.kw_defaults = [each and self.visit(each) for each in arguments.kw_defaults]

    def body(self, node: _FunctionNode) -> None:
        outer = getattr(self, "scope", None)
        self.scope = node.scope  # type: ignore[union-attr]
        if isinstance(node, ast.Lambda):
            node.body = self.visit(node.body)
        elif ast.get_docstring(node, clean=False) is not None:
            node.body = [node.body[0], *self.visit_each(node.body[1:])]
        else:
            node.body = self.visit_each(node.body)
        if not isinstance(node, ast.Lambda) and node.name == "__del__" and node.args.args:
            held = _load(node.args.args[0].arg, node.body[0])
            said = self.report(reporting.finalized, held, self.spot(node, "", "__del__"), at=node.body[0])
            node.body.insert(0, placed(ast.Expr(said), node.body[0]))
        if self.scope.generates and not isinstance(node, ast.Lambda):
            last = node.body[-1]
            node.body.append(placed(ast.Expr(self.leaving(None, last)), last))
        if outer is not None:
            self.scope = outer

    # --- match ---------------------------------------------------------------------------------------

    def visit_Match(self, node: ast.Match) -> ast.Match:
        names = {
            name for part in ast.walk(node) if isinstance(part, ast.MatchClass) for name in part.kwd_attrs
        }
        wanted = self.constant(tuple(sorted(names)), node.subject)
        spot = self.spot(node.subject)
        node.subject = self.report(
            as_a_whole.matched, self.visit(node.subject), wanted, spot, at=node.subject
        )
        for case in node.cases:
            case.pattern, bound = self.pattern(case.pattern)
            guard = None if case.guard is None else self.truth(case.guard)
            if bound:
                first: ast.expr = _at_all(ast.Tuple(bound, ast.Load()), case.pattern)
                guard = first if guard is None else placed(ast.BoolOp(ast.And(), [first, guard]), guard)
            case.guard = guard
            case.body = self.visit_each(case.body)
        return node

    def pattern(self, pattern: ast.pattern) -> tuple[ast.pattern, list[ast.expr]]:
        """A pattern in which shared variables are replaced by hidden ones.

        And what gives them their values.
        """
        hidden: dict[str, str] = {}
        bound: list[ast.expr] = []
        for part in ast.walk(pattern):
            field = "rest" if isinstance(part, ast.MatchMapping) else "name"
            name = getattr(part, field, None)
            if not isinstance(name, str) or not self.shared(name):
                continue
            if name not in hidden:
                hidden[name] = self.hidden()
                value = self.written(name, _load(hidden[name], part), part)
                bound.append(placed(ast.NamedExpr(_store(name, part), value), part))
            setattr(part, field, hidden[name])
        return pattern, bound


# --- small pieces of tree --------------------------------------------------------------------------------


_Node = TypeVar("_Node", bound=ast.AST)


def placed(node: _Node, at: ast.AST) -> _Node:
    """Put a new node, and what it has been made of without a place, where another one is."""
    ast.copy_location(node, at)
    for child in ast.iter_child_nodes(node):
        if not hasattr(child, "lineno") and "lineno" in child._attributes:
            placed(child, at)
    return node


def copied(node: _Node) -> _Node:
    """A piece of tree anew, in the same scopes. (`copy.deepcopy` may be rewritten itself.)"""
    twin = type(node).__new__(type(node))
    for name, value in vars(node).items():
        if isinstance(value, list):
            value = [copied(each) if isinstance(each, ast.AST) else each for each in value]
        elif isinstance(value, ast.AST):
            value = copied(value)
        setattr(twin, name, value)
    return twin


def _at_all(node: _Node, at: ast.AST) -> _Node:
    for each in ast.walk(node):
        if "lineno" in each._attributes and not hasattr(each, "lineno"):
            ast.copy_location(each, at)
    return node


def _place_of(node: ast.AST) -> Any:
    """A place to copy, of the node's beginning as a statement."""
    return ast.copy_location(ast.Pass(), node)


def _load(name: str, at: ast.AST) -> ast.Name:
    return placed(ast.Name(name, ast.Load()), at)


def _store(name: str, at: ast.AST) -> ast.Name:
    return placed(ast.Name(name, ast.Store()), at)


def _delete(name: str, at: ast.AST) -> ast.stmt:
    return placed(ast.Delete([ast.Name(name, ast.Del())]), at)


def _flat(targets: Sequence[ast.expr]) -> Iterator[ast.expr]:
    for target in targets:
        if isinstance(target, (ast.Tuple, ast.List)):
            yield from _flat(target.elts)
        else:
            yield target


def _is_range(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float, complex))


def _is_constant(node: ast.expr) -> bool:
    """Whether an expression is a number, a text or the like: no container is compared with it by content."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant)
    # Only with bytes, a `bytearray` is.
    return isinstance(node, ast.Constant) and not isinstance(node.value, bytes)


def _keeps(function: ast.expr) -> bool:
    """Whether what is called may call, later, what it is given."""
    return not isinstance(function, ast.Name) or function.id not in _LEFT_ALONE


def _says_true_or_false(node: ast.expr) -> bool:
    if isinstance(node, (ast.Constant, ast.Compare, ast.Lambda, ast.JoinedStr, ast.GeneratorExp)):
        return True
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _TRUE_OR_FALSE


def _words(node: ast.AST) -> str:
    """A piece of the program as it is written, short."""
    known: str | None = getattr(node, "words", None)  # of a part that stands for another
    if known is not None:
        return known
    if isinstance(node, ast.Name):
        return node.id
    try:
        text = " ".join(ast.unparse(node).split())
    except ValueError:  # an f-string that only the source can write
        return "a text"
    return text if len(text) <= 40 else f"{text[:37]}…"
