"""Whether a function may hold anything to convert: told from its code, without its source.

Most functions of datasets and layers neither branch nor loop. They cost a look at their bytes; only for the
others the converter is imported and the source is read.
"""

from __future__ import annotations

import functools
import opcode
import sys
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from millrace.graph.location import PACKAGE

_GENERATORS = 0x20 | 0x80 | 0x100 | 0x200  # generators and coroutines, plain and asynchronous
_LIBRARIES = frozenset((
    "millrace", "tensorflow", "tensorflow_core", "numpy", "scipy", "jax", "jaxlib", "six", "absl", "google",
    "PIL", "h5py", "pandas", "matplotlib", "pytest", "_pytest", "IPython", "ipykernel", "psutil",
))  # fmt: skip
_BRANCHING = frozenset(
    code
    for name, code in opcode.opmap.items()
    if name.startswith(("POP_JUMP", "JUMP_IF", "JUMP_BACKWARD", "FOR_ITER", "UNARY_NOT", "LOAD_ASSERTION"))
)
_CALLS = frozenset(code for name, code in opcode.opmap.items() if name.startswith("CALL"))


@functools.cache
def is_library(module: str) -> bool:
    """Whether what a module of this name defines is left as it is."""
    top = module.partition(".")[0]
    return top in _LIBRARIES or top in sys.stdlib_module_names


def convertible(function: Any) -> bool:
    """Whether something is a function of the user's that is neither a generator nor converted already."""
    if type(function) is MethodType:
        function = function.__func__
    if type(function) is not FunctionType:
        return False
    code = function.__code__
    return not (
        code.co_filename.startswith(PACKAGE)
        or code.co_flags & _GENERATORS
        or "ag__" in code.co_freevars
        or is_library(function.__globals__.get("__name__") or "")
    )


def call_method(value: Any) -> FunctionType | None:
    """The function that is called for a callable object, where its class defines one in Python."""
    found = next((vars(k)["__call__"] for k in type(value).__mro__ if "__call__" in vars(k)), None)
    return found if isinstance(found, FunctionType) else None


def plain(code: CodeType) -> bool:
    """Whether code neither branches, nor loops, nor calls anything."""
    return not (_bytes(code) & (_BRANCHING | _CALLS)) and not any(
        isinstance(c, CodeType) for c in code.co_consts
    )


def needs_conversion(function: Any) -> bool:
    """Whether a function, or one of the user's that it calls, branches or loops."""
    return _needs(function, set())


def _needs(function: Any, seen: set[int]) -> bool:
    if isinstance(function, functools.partial):
        return _needs(function.func, seen)
    if not convertible(function):
        if isinstance(function, FunctionType | MethodType):
            return False
        call = call_method(function)
        return call is not None and convertible(call) and _needs(MethodType(call, function), seen)
    owner = None
    if type(function) is MethodType:
        owner, function = function.__self__, function.__func__
    code = function.__code__
    if id(code) in seen:
        return False
    seen.add(id(code))
    codes = list(_nested(code))
    if any(_bytes(c) & _BRANCHING for c in codes):
        return True
    names = {name for c in codes for name in c.co_names}
    known = [owner] if owner is not None else []
    for cell in function.__closure__ or ():
        try:
            known.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            continue
    known += [function.__globals__[name] for name in names if name in function.__globals__]
    return any(_needs(found, seen) for value in known for found in _functions(value, names))


def _bytes(code: CodeType) -> set[int]:
    return set(code.co_code[::2])


def _nested(code: CodeType) -> Any:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _functions(value: Any, names: set[str]) -> Any:
    """What may be called of a value by these names: itself, functions of a module, methods of an object."""
    if isinstance(value, FunctionType | MethodType | functools.partial):
        yield value
        return
    if isinstance(value, ModuleType):
        if not is_library(value.__name__):
            yield from (v for name in names if isinstance(v := vars(value).get(name), FunctionType))
        return
    kind = value if isinstance(value, type) else type(value)
    if is_library(kind.__module__):
        return
    own = {} if isinstance(value, type) else getattr(value, "__dict__", {})
    yield from (own[name] for name in names if callable(own.get(name)))
    for base in kind.__mro__:
        for name in (*names, "__call__"):
            found = vars(base).get(name)
            found = getattr(found, "__func__", found)
            if isinstance(found, FunctionType):
                yield found if isinstance(value, type) else MethodType(found, value)
