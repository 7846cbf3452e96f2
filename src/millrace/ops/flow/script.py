"""`py_func`: Python functions as operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert
from millrace.building.apply import apply
from millrace.building.literals import to_array
from millrace.building.scopes import name_scope
from millrace.core import dtypes, errors
from millrace.core.public import public
from millrace.graph.attrs import text, types
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_functions: dict[str, Callable[..., Any]] = {}  # by token; each graph that uses one keeps it alive

_CLASSES: tuple[tuple[type[Exception], Any], ...] = (
    (TypeError, errors.InvalidArgumentError),
    (ValueError, errors.InvalidArgumentError),
    (StopIteration, errors.OutOfRangeError),
    (MemoryError, errors.ResourceExhaustedError),
    (NotImplementedError, errors.UnimplementedError),
)


def _call(token: str, inputs: Any, wanted: tuple[dtypes.DType, ...]) -> list[Any]:
    """Calls the function on copies of the inputs and checks what it returns."""
    function = _functions[token]
    try:
        returned = function(*[np.array(v) if isinstance(v, np.ndarray) else v for v in inputs])
    except errors.OpError:
        raise
    except Exception as error:
        cls = next((c for kind, c in _CLASSES if isinstance(error, kind)), errors.UnknownError)
        raise cls(None, None, f"{type(error).__name__}: {error}") from error
    if not wanted:
        return []
    values = returned if isinstance(returned, list | tuple) else [returned]
    if len(values) != len(wanted):
        raise errors.InvalidArgumentError(
            None, None, f"{token} returns {len(values)} values, but expects to see {len(wanted)} values."
        )
    return [
        _checked(token, i, value, dtype) for i, (value, dtype) in enumerate(zip(values, wanted, strict=True))
    ]


def _checked(token: str, position: int, value: Any, dtype: dtypes.DType) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "SUO":
        array = to_array(array, dtypes.string)
    found = dtypes.as_dtype(array.dtype)
    if found is not dtype:
        raise errors.InvalidArgumentError(
            None, None, f"{position}-th value returned by {token} is {found.name}, but expects {dtype.name}"
        )
    return array


@declare(
    "PyFunc(input: Tin) -> output: Tout",
    token=text(),
    Tin=types(),
    Tout=types(),
    effect=True,
    host=True,
    alias=True,
)
class PyFunc:
    """Calls a Python function, every time it runs."""

    def shape(input, Tout):
        return [None] * len(Tout)

    def kernel(xp, input, token, Tout):
        return _call(token, input, Tout)

    grad = NOT_DIFFERENTIABLE


@declare(
    "PyFuncStateless(input: Tin) -> output: Tout",
    token=text(),
    Tin=types(),
    Tout=types(),
    host=True,
    alias=True,
)
class PyFuncStateless:
    """Calls a Python function whose results follow from its arguments."""

    def shape(input, Tout):
        return [None] * len(Tout)

    def kernel(xp, input, token, Tout):
        return _call(token, input, Tout)

    grad = NOT_DIFFERENTIABLE


@public("py_func")
def py_func(
    func: Callable[..., Any], inp: Any, Tout: Any, stateful: bool = True, name: str | None = None
) -> Any:
    """Calls `func` on arrays whenever the result is computed.

    Args:
      func: of NumPy arrays (strings as bytes) to one array or a list of them.
      inp: a list of tensors.
      Tout: the dtype, or list of dtypes, of what `func` returns.
      stateful: whether it must be called even when its arguments have not changed.
      name: op name; default "PyFunc".

    Returns:
      A tensor of unknown shape, or a list of them where `Tout` is a list; the Operation where it is empty.

    Raises:
      InvalidArgumentError: when run, where `func` raises TypeError or ValueError, or returns other dtypes.
        Other exceptions become the error of their kind.
    """
    graph = get_default_graph()
    token = f"pyfunc_{len(_functions)}"
    _functions[token] = func
    graph.py_functions[token] = func
    many = isinstance(Tout, list | tuple)
    wanted = [dtypes.as_dtype(t) for t in (Tout if many else [Tout])]
    inputs = [convert.to_tensor(v, name=f"input_{i}") for i, v in enumerate(_scoped(inp, name))]
    result = apply(PyFunc if stateful else PyFuncStateless, inputs, token=token, Tout=wanted, name=name)
    if not wanted:
        return (inputs[0].graph if inputs else graph).ops[-1]
    return result if many else result[0]


def _scoped(inp: Any, name: str | None) -> list[Any]:
    """The inputs as a list; values that are not tensors become constants under the operation's name."""
    values = list(inp)
    if all(convert.is_tensor_like(v) for v in values):
        return values
    with name_scope(name, "PyFunc"):
        return [convert.to_tensor(v) for v in values]


@public("numpy_function")
def numpy_function(func: Callable[..., Any], inp: Any, Tout: Any, name: str | None = None) -> Any:
    """`py_func` that is always stateful."""
    return py_func(func, inp, Tout, True, name)
