"""Shortcuts through Numba's compiler, taken while one of our entries compiles.

Numba asks the same questions again for each of the hundred functions of an entry: what is the type of
``int64 + int64``, has somebody registered a new function, how large is this struct. Here the first answer is kept.
Nothing else changes: the same functions are compiled to the same code.

All of this reaches into Numba. A shortcut whose place is not where it was in 0.66 to 0.68 is left out, which costs
time and nothing else.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from types import BuiltinFunctionType
from typing import Any

from numba.core import base, imputils, ir, types
from numba.core.runtime import rtsys


@contextmanager
def shortcuts(typing_context: Any, target_context: Any) -> Iterator[None]:
    """Take all shortcuts; the caller holds Numba's compiler lock. Inside another such block, do nothing."""
    if "resolve_function_type" in vars(typing_context):
        yield
        return
    with ExitStack() as undo:
        undo.enter_context(_no_garbage_collection())
        undo.enter_context(_only_what_is_needed(typing_context, target_context))
        undo.enter_context(_remember(typing_context, "resolve_function_type", _key_of_call))
        undo.enter_context(_remember(typing_context, "resolve_getattr", _key_of_attribute))
        undo.enter_context(_remember(target_context, "get_abi_sizeof", str))
        # Numba lists a statement's variables again and again, and reads an implementation's signature at each use.
        undo.enter_context(_swapped(ir.Inst, "_rec_list_vars", lambda slow: _variables))
        undo.enter_context(_swapped(base, "_has_loc", cache))
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put a function in the place of an object's method."""
    setattr(owner, name, value)
    try:
        yield
    finally:
        delattr(owner, name)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep Python from searching for cycles: what a compilation allocates is needed until its end.

    What it leaves would be searched as soon as that is allowed again, for 0.3 s. Frozen and thawed at once, it counts
    as old, and waits for Python's next full search.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if gc.get_freeze_count() == 0:
                gc.freeze()
                gc.unfreeze()
            gc.enable()


@contextmanager
def _remember(owner: Any, name: str, key_of: Callable[..., Any]) -> Iterator[None]:
    """Keep the results of a method that are not None; a key of None is never kept."""
    method = getattr(owner, name, None)
    if method is None:
        yield
        return
    known: dict[Any, Any] = {}

    def remembering(*args: Any) -> Any:
        key = key_of(*args)
        if key is None:
            return method(*args)
        result = known.get(key)
        if result is None:
            result = method(*args)
            if result is not None:
                known[key] = result
        return result

    with _replaced(owner, name, remembering):
        yield


_WITHOUT_VARIABLES = {
    *(str, int, float, bool, type(None), BuiltinFunctionType, type(ir.UNDEFINED)),
    *(ir.Loc, ir.Arg, ir.Const, ir.Global, ir.FreeVar),
}


@contextmanager
def _swapped(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Put what ``make`` makes of a class's or module's function in its place."""
    own = vars(owner).get(name)
    if own is None:
        yield
        return
    setattr(owner, name, make(own))
    try:
        yield
    finally:
        setattr(owner, name, own)


def _variables(statement: Any, value: Any) -> list[Any]:
    """Variables in a value, in the order of its parts."""
    kind = type(value)
    if kind is ir.Var:
        return [value]
    if kind is ir.Expr:
        value = value._kws
    if kind in _WITHOUT_VARIABLES:
        return []
    if isinstance(value, dict | list | tuple):
        found = []
        for part in value.values() if isinstance(value, dict) else value:
            if type(part) is ir.Var:
                found.append(part)
            elif type(part) not in _WITHOUT_VARIABLES:
                found += _variables(statement, part)
        return found
    return list(value.list_vars()) if isinstance(value, ir.Inst) else []


def _key_of_call(function: Any, args: Any, kws: Any) -> Any:
    """Builtin functions and operators; ours are compiled when they are typed, and look after themselves."""
    if kws or not isinstance(function, types.Function) or not all(isinstance(a, types.Type) for a in args):
        return None
    return function, tuple(args)


def _key_of_attribute(kind: Any, name: str) -> Any:
    return kind, name


# -- registrations -------------------------------------------------------------------------------------


def _sizes(context: Any) -> Any:
    """Number of entries in each registry of functions that a context has installed."""
    registries = getattr(context, "_registries", None)
    if not isinstance(registries, dict):
        return None
    return {one: sum(len(part) for part in vars(one).values() if isinstance(part, list)) for one in registries}


# Modules of Numba whose functions our code is made of, and what they register by themselves. Numba would import 180
# more, for linear algebra, dictionaries and random numbers: 0.5 of 6.2 s of a first fit, half of it for the imports and
# half for longer searches.
_NEEDED = ("cpython.numbers", "cpython.rangeobj", "cpython.tupleobj", "cpython.iterators", "np.arrayobj")
_MATH = ("core.typing.mathdecl", "cpython.mathimpl")


@contextmanager
def _only_what_is_needed(typing_context: Any, target_context: Any) -> Iterator[None]:
    """Let ``refresh`` read what our code needs, and then those registries that have grown.

    Numba imports and reads all, a thousand times. It still does for everybody else's code: whatever is missing here is
    there after its own ``refresh``.
    """
    if _sizes(typing_context) is None or _sizes(target_context) is None:
        yield
        return
    try:
        with _replaced(typing_context, "refresh", _nothing), _replaced(target_context, "refresh", _nothing):
            _install_needed(typing_context, target_context)
    except (ImportError, AttributeError):  # another Numba: all of it, then
        typing_context.refresh()
        target_context.refresh()
    types_only = _Refresh(typing_context)
    both = _Refresh(target_context, types_only)
    with _replaced(typing_context, "refresh", types_only), _replaced(target_context, "refresh", both):
        yield


def _nothing() -> None:
    pass


def _install_needed(typing_context: Any, target_context: Any) -> None:
    rtsys.initialize(target_context)
    for name in _NEEDED:
        import_module(f"numba.{name}")
    declared, implemented = (import_module(f"numba.{name}").registry for name in _MATH)
    typing_context.install_registry(declared)
    target_context.install_registry(implemented)
    target_context.install_registry(imputils.builtin_registry)
    typing_context._load_builtins()


class _Refresh:
    """What ``refresh`` does after the first time; a target's also refreshes the types, as Numba's does."""

    def __init__(self, context: Any, *others: Callable[[], None]):
        self._context, self._others, self._sizes = context, others, _sizes(context)

    def __call__(self) -> None:
        sizes = _sizes(self._context)
        if sizes != self._sizes:
            grown = [registry for registry, size in sizes.items() if size != self._sizes.get(registry)]
            self._sizes = sizes
            for registry in grown:
                self._context.install_registry(registry)
        for other in self._others:
            other()
