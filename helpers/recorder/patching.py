"""Replacing pieces of the standard library for the time of a recording, and putting them back."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType
    from typing import Any

# Attribute under which a recorded object keeps its number.
NUMBER = "_recorder_number"

# What is made in these does not clutter the picture: the standard library, and what a notebook runs on.
INTERNAL = sys.stdlib_module_names | {"IPython", "ipykernel", "jupyter_client", "tornado", "zmq"}

_replaced: list[tuple[Any, str, Any]] = []
_ABSENT = object()


def replace(owner: Any, name: str, new: Any) -> None:
    """Set `owner.name` to `new` until `put_back`."""
    _replaced.append((owner, name, owner.__dict__.get(name, _ABSENT)))
    setattr(owner, name, new)


def put_back() -> None:
    """Undo every `replace`, newest first."""
    while _replaced:
        owner, name, old = _replaced.pop()
        if old is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, old)
    if _on_import in sys.meta_path:
        sys.meta_path.remove(_on_import)


def same_face(new: Callable[..., Any], old: Callable[..., Any]) -> Any:
    """Make `new` look like `old` to whoever asks for its name, text or signature."""
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(new, attribute, getattr(old, attribute, None))
    # Read by inspect.signature; and functools.wraps would cost an import here.
    new.__wrapped__ = old  # type: ignore[attr-defined]
    return new


def caller(frame: FrameType | None, made: object = None) -> tuple[str, int, bool]:
    """Find who makes an object: the file and line, and whether that is in the standard library.

    Args:
        frame: where to begin to look.
        made: the object being made; its own `__init__` and those of subclasses are passed over.
    """
    while frame is not None and made is not None and _is_init_of(frame, made):
        frame = frame.f_back
    if frame is None:
        return "", 0, True
    module = frame.f_globals.get("__name__") or ""
    internal = module.partition(".")[0] in INTERNAL
    return frame.f_code.co_filename, frame.f_lineno, internal


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
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_on_import = _OnImport()


def when_imported(name: str, patch: Callable[[Any], None]) -> None:
    """Call `patch(module)` now if the module is there already, otherwise when it is imported."""
    if name in sys.modules:
        patch(sys.modules[name])
    else:
        _on_import.waiting[name] = patch
        if _on_import not in sys.meta_path:
            sys.meta_path.insert(0, _on_import)
