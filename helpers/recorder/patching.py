"""Replacing pieces of the standard library for the time of a recording, and putting them back."""

from __future__ import annotations

import sys
from _operator import itemgetter

from .fileformat import GENERATED

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType
    from typing import Any

# Attribute under which a recorded object keeps its number. A recorded program may itself use
# `helpers.record`: then there are two recorders, each with numbers of its own.
NUMBER = f"_number_by_{__package__}".replace(".", "_")

# What is made in these does not clutter the picture: the standard library, and what a notebook runs on.
_NOTEBOOK = frozenset({"IPython", "ipykernel", "jupyter_client", "tornado", "zmq"})
INTERNAL = sys.stdlib_module_names | _NOTEBOOK

_BUILTIN = type(len)
_left_out = INTERNAL  # whose locks and the like are not recorded
_replaced: list[tuple[Any, str, Any]] = []
_rebound: list[tuple[Any, Any, Any, Any]] = []
_ABSENT = object()


def replace(owner: Any, name: str, new: Any) -> None:
    """Set `owner.name` to `new` until `put_back`."""
    _replaced.append((owner, name, owner.__dict__.get(name, _ABSENT)))
    setattr(owner, name, new)


def rebind(container: Any, key: Any, new: Any) -> None:
    """Set `container[key]` to `new` until `put_back`, unless the program sets it meanwhile."""
    _rebound.append((container, key, container[key], new))
    container[key] = new


def replacements() -> dict[int, Any]:
    """What stands in modules now in place of what was replaced there, by the `id` of that."""
    module = type(sys)
    return {id(old): getattr(owner, name) for owner, name, old in _replaced if isinstance(owner, module)}


def put_back() -> None:
    """Undo every `rebind` and `replace`, newest first."""
    while _rebound:
        container, key, bound, new = _rebound[-1]
        try:
            if container[key] is new:
                container[key] = bound
        except LookupError:
            pass  # the program has deleted it
        _rebound.pop()
    while _replaced:
        # Taken off the list only when it is done: an interrupt may come in between, and a second call then
        # finds what is left.
        owner, name, old = _replaced[-1]
        if old is not _ABSENT:
            setattr(owner, name, old)
        elif name in owner.__dict__:
            delattr(owner, name)
        _replaced.pop()
    if _on_import in sys.meta_path:
        sys.meta_path.remove(_on_import)


def same_face(new: Callable[..., Any], old: Callable[..., Any]) -> Any:
    """Make `new` look like `old` to whoever asks for its name, text or signature."""
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(new, attribute, getattr(old, attribute, None))
    # Read by inspect.signature; and functools.wraps would cost an import here.
    new.__wrapped__ = old  # type: ignore[attr-defined]
    # A function of C that a program keeps in a class is not bound to the instance; one of Python is.
    return _Unbound(new) if type(old) is _BUILTIN else new


class _Unbound(staticmethod):  # type: ignore[type-arg]
    """A function that is not bound to an instance; and like any function it is pickled by its name."""

    __dict__ = property()  # a function of C has none, and xmlrpc asks for it

    def __reduce__(self) -> Any:
        if getattr(sys.modules.get(self.__module__), self.__name__, None) is self:
            return self.__name__
        # The module of `os.kill` is `posix`, where the function of C still is: pickled as that one.
        replaced: Any = self.__wrapped__
        return itemgetter(0), ((replaced.__wrapped__,),)


def show_internals(shown: bool) -> None:
    """Record what the standard library makes for itself, or leave it out.

    What `threading` makes for itself is left out in any case: an Event's condition and that one's lock are
    the Event.
    """
    global _left_out
    _left_out = _NOTEBOOK | {"threading"} if shown else INTERNAL


def caller(frame: FrameType | None) -> tuple[str, int, bool]:
    """Say who makes an object: the file and line, and whether it is one of those that are left out."""
    if frame is None:
        return "", 0, True
    return frame.f_code.co_filename, frame.f_lineno, is_left_out(frame)


def is_left_out(frame: FrameType) -> bool:
    """Whether locks and the like that are made there are not recorded: see `show_internals`."""
    return _package(frame) in _left_out


def maker(frame: FrameType | None, made: object) -> FrameType | None:
    """Find who makes an object, from `frame` on; its own `__init__`, and those of subclasses, do not."""
    while frame is not None and _is_init_of(frame, made):
        frame = frame.f_back
    return frame


def user_frame(frame: FrameType | None) -> tuple[str, int]:
    """The nearest line, from `frame` on outwards, that is not the standard library's; or ("", 0)."""
    frame = outside(frame)
    return ("", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def outside(frame: FrameType | None) -> FrameType | None:
    """The nearest frame, from `frame` on outwards, that is not the standard library's."""
    while frame is not None and is_internal(frame):
        frame = frame.f_back
    return frame


def is_internal(frame: FrameType) -> bool:
    """Whether what runs there is in the standard library, or in what a notebook runs on."""
    return _package(frame) in INTERNAL


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__") or "").partition(".")[0]


def owner(frame: FrameType | None) -> tuple[str, int, str, str]:
    """Where the program makes the object whose `__init__` is running in `frame`, and that one's class.

    Or a method is running there that its `__init__` has called. The line is 0 where there is no such object.
    The last is the field that is being set, where that is a data class.
    """
    if frame is None or not _is_method(frame):
        return "", 0, "", ""
    made = frame.f_locals.get("self")
    inner, outer = frame, frame.f_back
    while outer is not None and _is_method(outer) and outer.f_locals.get("self") is made:
        inner, outer = outer, outer.f_back
    if outer is None or inner.f_code.co_name != "__init__":
        return "", 0, "", ""
    if is_internal(frame):
        return *user_frame(outer), type(made).__name__, ""
    line = 0 if is_internal(outer) else outer.f_lineno
    field = _field(frame, made) if frame.f_code.co_filename == GENERATED else ""
    return outer.f_code.co_filename, line, type(made).__name__, field


def _field(frame: FrameType, made: Any) -> str:
    """The field of a data class that is being set by the `__init__` that `dataclasses` has written, or ""."""
    for cls in type(made).__mro__:
        its = cls.__dict__
        if getattr(its.get("__init__"), "__code__", None) is frame.f_code:
            if "__dataclass_params__" not in its or not its["__dataclass_params__"].init:
                return ""  # somebody has written it, in a text that has no file
            # Each has a line there; but those that are no attributes, or that nobody sets.
            without = sys.modules["dataclasses"].MISSING
            fields = [
                each
                for each in its["__dataclass_fields__"].values()
                if each._field_type.name == "_FIELD" and (each.init or each.default_factory is not without)
            ]
            nth = frame.f_lineno - frame.f_code.co_firstlineno - 1
            if nth < len(fields) and fields[nth].default_factory is not without:
                return str(fields[nth].name)
    return ""


def _is_method(frame: FrameType) -> bool:
    """Whether its first argument is called `self`: quickly, since there may be many locks."""
    code = frame.f_code
    return code.co_argcount > 0 and code.co_varnames[0] == "self"


def _is_init_of(frame: FrameType, made: object) -> bool:
    return frame.f_code.co_name == "__init__" and frame.f_locals.get("self") is made


class _OnImport:
    """A finder that lets others find a module, and then has it patched as soon as it is loaded.

    The recorder imports nothing on its own account: what the program does not use, it does not pay for.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, Callable[[Any], None]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.waiting:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None and spec.loader is not None:
                    break
        else:
            return None
        patch = self.waiting.pop(name)
        if isinstance(spec.loader, type):  # one class loads all modules that are built in
            spec.loader = _Loader(spec.loader, patch)  # type: ignore[assignment]
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


class _Loader:
    """Loads a module as another loader does, and then has it patched."""

    def __init__(self, loader: Any, patch: Callable[[Any], None]) -> None:
        self._loader, self._patch = loader, patch
        self.create_module = loader.create_module

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._patch(module)


_on_import = _OnImport()


def when_imported(name: str, patch: Callable[[Any], None]) -> None:
    """Call `patch(module)` now if the module is there already, otherwise when it is imported."""
    if name in sys.modules:
        patch(sys.modules[name])
    else:
        _on_import.waiting[name] = patch
        if _on_import not in sys.meta_path:
            sys.meta_path.insert(0, _on_import)
