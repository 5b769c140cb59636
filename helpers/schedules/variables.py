"""Which variables of a function can be seen by another thread.

A local variable belongs to one call and so to one thread, unless a function made in that call mentions it:
then it lives in a *cell*, and whoever has the inner function shares it. Most cells are never worth watching,
because they get their value before any inner function can run and keep it:

    def scenario():
        lock = Lock()             # assigned once, before `add` can be called: needs no watching
        total = 0                 # assigned again below: shared
        def add():
            nonlocal total
            with lock:
                total += 1

This is decided from the text alone, as the compiler decides what is a cell, with the order of lines on top:
outside loops what stands earlier runs earlier.
"""

from __future__ import annotations

import ast
from typing import Any, Literal

Kind = Literal["module", "function", "lambda", "generator", "comprehension", "class"]
Position = tuple[int, int]

_LATER: frozenset[Kind] = frozenset(
    {"function", "lambda", "generator"}
)  # run after their line, by whoever has them
_BEYOND: Position = (1 << 60, 0)
# Where one of these is called, variables may be read and set by names that no text shows.
_LOOKS_INSIDE = {"locals", "vars", "eval", "exec"}


class Scope:
    """A part of the program with variables of its own.

    Attributes:
        kind: what makes the scope.
        name: what it is bound to in the scope around it, for a function without decorators; otherwise None.
        at: where its text begins.
        parent: the scope around it; None for the module's.
        class_name: the innermost class around, whose name goes into the mangled ones; None outside classes.
        bound: for each variable of this scope, where it is assigned: position, and whether that is in a loop.
        parameters: those that the call itself assigns.
        generates: whether it is a generator function's, by a `yield` of its own.
    """

    def __init__(
        self, kind: Kind, parent: Scope | None, at: Position, name: str | None, class_name: str | None
    ):
        self.kind = kind
        self.parent = parent
        self.at = at
        self.name = name
        self.class_name = class_name
        self.bound: dict[str, list[tuple[Position, bool]]] = {}
        self.parameters: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.loads: dict[str, Position] = {}  # the first of each name, here or in a comprehension
        self.children: list[Scope] = []
        self.looked_into = False
        self.generates = False
        self._captured: dict[str, list[Scope]] = {}
        self._assigned_within: set[str] = set()
        self._shared: dict[str, bool] = {}
        if parent is not None:
            parent.children.append(self)

    def mangled(self, name: str) -> str:
        """The name as the compiler writes it: `__x` in class `C` is `_C__x`."""
        if self.class_name is None or not name.startswith("__") or name.endswith("__") or "." in name:
            return name
        stripped = self.class_name.lstrip("_")
        return f"_{stripped}{name}" if stripped else name

    def owner(self, name: str) -> Scope | None:
        """The scope whose variable a (mangled) name means here; None for a global one."""
        scope: Scope | None = self
        while scope is not None:
            if scope.kind == "module" or (name in scope.globals and (scope is self or scope.kind != "class")):
                return None
            if (
                (scope is self or scope.kind != "class")
                and name in scope.bound
                and name not in scope.nonlocals
            ):
                return scope
            scope = scope.parent
        return None

    def shares(self, name: str) -> bool:
        """Whether another thread may see this scope's variable change."""
        known = self._shared.get(name)
        if known is None:
            known = self._shared[name] = self._decide(name)
        return known

    def unread(self) -> frozenset[str]:
        """The variables of a function that it sets and nobody looks at, such as the number of its tries."""
        if self.kind != "function" or self.looked_into:
            return frozenset()
        return frozenset(self.bound.keys() - self.loads.keys() - self._captured.keys())

    def _decide(self, name: str) -> bool:
        if name not in self._captured or self.kind == "class":
            return False
        if name in self._assigned_within or self.kind in ("generator", "comprehension") or self.looked_into:
            return True
        assigned = self.bound[name]
        if name in self.parameters:
            return bool(assigned)
        if len(assigned) != 1:
            return True
        ((end, in_loop),) = assigned
        if in_loop:
            return True
        usable = self._usable()
        return any(usable[child] <= end for child in self._captured[name])

    def _usable(self) -> dict[Scope, Position]:
        """From which position on the code of each inner scope may run."""
        usable: dict[Scope, Position] = {}
        for child in self.children:
            plain = child.name is not None and len(self.bound.get(child.name, ())) == 1
            usable[child] = self.loads.get(child.name or "", _BEYOND) if plain else child.at
        changed = True
        while changed:
            changed = False
            for child in self.children:
                for other in self.children:
                    if other is child or child.name is None or usable[other] >= usable[child]:
                        continue
                    if other._mentions(child.name):
                        usable[child] = usable[other]
                        changed = True
        return usable

    def _mentions(self, name: str) -> bool:
        return name in self.loads or any(child._mentions(name) for child in self.children)

    def settle(self, use: str, assigns: bool) -> None:
        """Tell the owner of a variable that it is used from here."""
        owner = self.owner(use)
        if owner is None or owner is self:
            return
        scope, later = self, False
        while True:
            later = later or scope.kind in _LATER
            if scope.parent is owner:
                break
            assert scope.parent is not None
            scope = scope.parent
        if later:
            owner._captured.setdefault(use, []).append(scope)
            if assigns:
                owner._assigned_within.add(use)
        elif assigns:
            owner.bound[use].append((self.at, True))


class _Reader(ast.NodeVisitor):
    """Goes through a module once and gives every node that makes a scope its `scope`."""

    def __init__(self) -> None:
        self.scope = Scope("module", None, (0, 0), None, None)
        self.uses: list[tuple[Scope, str, bool]] = []
        self.loops = 0
        self.end: Position = (0, 0)  # of the statement being read: what it assigns, it assigns there

    # --- scopes --------------------------------------------------------------------------------------

    def _enter(self, kind: Kind, node: Any, name: str | None = None, class_name: str | None = None) -> Scope:
        scope = Scope(
            kind, self.scope, (node.lineno, node.col_offset), name, class_name or self.scope.class_name
        )
        node.scope = scope
        self.scope = scope
        return scope

    def _leave(self, scope: Scope) -> None:
        assert scope.parent is not None
        self.scope = scope.parent

    def _function(self, node: Any, kind: Kind, name: str | None) -> None:
        arguments = node.args
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self.visit(default)
        scope = self._enter(kind, node, name)
        for each in [
            *arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg,
        ]:  # fmt: skip
            if each is not None:
                parameter = scope.mangled(each.arg)
                scope.parameters.add(parameter)
                scope.bound.setdefault(parameter, [])
        loops, self.loops, end = self.loops, 0, self.end
        for statement in node.body if isinstance(node.body, list) else [node.body]:
            self.visit(statement)
        self.loops, self.end = loops, end
        self._leave(scope)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        end = self.end
        self.end = (node.end_lineno or 0, node.end_col_offset or 0)
        for decorator in node.decorator_list:
            self.visit(decorator)
        self._binds(node.name)
        self._function(node, "function", None if node.decorator_list else self.scope.mangled(node.name))
        self.end = end

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, "lambda", None)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        end = self.end
        self.end = (node.end_lineno or 0, node.end_col_offset or 0)
        for outside in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(outside)
        plain = not (node.decorator_list or node.bases or node.keywords)
        self._binds(node.name)
        scope = self._enter("class", node, self.scope.mangled(node.name) if plain else None, node.name)
        for statement in node.body:
            self.visit(statement)
        self._leave(scope)
        self.end = end

    def _comprehension(self, node: Any, kind: Kind) -> None:
        self.visit(node.generators[0].iter)
        scope = self._enter(kind, node)
        self.loops += 1
        for number, each in enumerate(node.generators):
            if number:
                self.visit(each.iter)
            self.visit(each.target)
            for condition in each.ifs:
                self.visit(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            if part is not None:  # `{**each for each in many}`, from Python 3.15 on, has a key only
                self.visit(part)
        self.loops -= 1
        self._leave(scope)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node, "generator")

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.DictComp) -> None:
        self._comprehension(node, "comprehension")

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp

    # --- names ---------------------------------------------------------------------------------------

    def _binds(self, name: str, scope: Scope | None = None) -> None:
        scope = scope or self.scope
        name = scope.mangled(name)
        self.uses.append((scope, name, True))
        if name not in scope.globals and name not in scope.nonlocals:
            scope.bound.setdefault(name, []).append((self.end, self.loops > 0))

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._binds(node.id)
            return
        name = self.scope.mangled(node.id)
        self.uses.append((self.scope, name, False))
        scope: Scope | None = self.scope
        while scope is not None:
            scope.loads.setdefault(name, (node.lineno, node.col_offset))
            if scope.kind not in ("comprehension", "class"):
                break
            scope = scope.parent

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scope = self.scope  # `:=` in a comprehension assigns in the function around it
        while scope.kind in ("comprehension", "generator") and scope.parent is not None:
            scope = scope.parent
        self._binds(node.target.id, scope)
        if scope is not self.scope:
            self.uses.append((self.scope, scope.mangled(node.target.id), True))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in _LOOKS_INSIDE:
            scope: Scope | None = self.scope
            while scope is not None:
                scope.looked_into = True
                scope = scope.parent
        self.generic_visit(node)

    def visit_Yield(self, node: ast.Yield | ast.YieldFrom) -> None:
        self.scope.generates = True
        self.generic_visit(node)

    visit_YieldFrom = visit_Yield

    def visit_Global(self, node: ast.Global) -> None:
        self.scope.globals.update(map(self.scope.mangled, node.names))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.scope.nonlocals.update(map(self.scope.mangled, node.names))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._binds(node.name)
            self._binds(node.name)  # taken away again at the end
        self.generic_visit(node)

    def visit_alias(self, node: ast.alias) -> None:
        if node.name != "*":
            self._binds(node.asname or node.name.partition(".")[0])

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._binds(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._binds(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._binds(node.rest)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        pass  # an annotation is no use of a variable that matters here

    def visit_Assign(self, node: ast.Assign) -> None:
        counted = _counted(node)
        if counted is None:
            self.generic_visit(node)
            return
        # As `n += 1` it is no look at the number: nothing depends on it.
        self.uses.append((self.scope, self.scope.mangled(counted), False))
        self._binds(counted)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)
        elif not isinstance(node.target, ast.Name):
            self.visit(node.target)
        elif self.scope.kind != "module":
            name = self.scope.mangled(
                node.target.id
            )  # `x: int` alone makes x a variable without assigning it
            self.scope.bound.setdefault(name, [])

    # --- order ---------------------------------------------------------------------------------------

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.loops += 1
        self.visit(node.target)
        for statement in node.body:
            self.visit(statement)
        self.loops -= 1
        for statement in node.orelse:
            self.visit(statement)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.loops += 1
        self.generic_visit(node)
        self.loops -= 1

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.stmt):
            super().visit(node)
            return
        end = self.end
        inner = getattr(node, "body", None) or (node.cases[0].body if isinstance(node, ast.Match) else None)
        if inner:  # what the head of a statement assigns is assigned before its body begins
            self.end = (inner[0].lineno, inner[0].col_offset)
        else:
            self.end = (node.end_lineno or 0, node.end_col_offset or 0)
        super().visit(node)
        self.end = end

    def visit_match_case(self, node: ast.match_case) -> None:
        self.end = (node.body[0].lineno, node.body[0].col_offset)
        self.generic_visit(node)


def _counted(node: ast.Assign) -> str | None:
    """The variable in `n = n + 1`; None in any other assignment."""
    match node:
        case ast.Assign(
            targets=[ast.Name(id=name)],
            value=ast.BinOp(left=ast.Name(id=left), right=ast.Constant(value=int() | float())),
        ) if left == name:
            return name
    return None


def analyse(tree: ast.Module) -> None:
    """Give each function, class and comprehension of a module its `Scope`, as an attribute `scope`."""
    reader = _Reader()
    tree.scope = reader.scope  # type: ignore[attr-defined]
    for statement in tree.body:
        reader.visit(statement)
    for scope, name, assigns in reader.uses:
        scope.settle(name, assigns)
