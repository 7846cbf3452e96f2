"""`py_func` and what `tf.py_function` adds: Python functions as operations."""

from __future__ import annotations

import gc
import itertools
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert
from millrace.building.apply import apply
from millrace.building.literals import to_array
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes, errors
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import flag, text, types
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor

_FEW = 16
_serial = itertools.count()


class _Graphs(weakref.WeakSet[Any]):
    """The graphs with functions."""

    many = _FEW


_graphs = _Graphs()

# what the program's function raises, and what TensorFlow 1.15's `py_func` raises for it
_CLASSES: tuple[tuple[type[Exception], Any], ...] = (
    (TypeError, errors.InvalidArgumentError),
    (ValueError, errors.InvalidArgumentError),
    (StopIteration, errors.OutOfRangeError),
    (MemoryError, errors.ResourceExhaustedError),
    (NotImplementedError, errors.UnimplementedError),
)


def _call(op: Any, token: str, inputs: Any, wanted: tuple[dtypes.DType, ...]) -> list[Any]:
    """Calls the function on the inputs and checks what it returns.

    A token means something only in the graph in which `py_func` made it: a GraphDef cannot call functions of
    the program that imports it.
    """
    function = op.graph.py_functions.get(token)
    if function is None:
        raise refusal(
            f"callback {token} is not found: its graph was imported, or is another program's",
        )
    try:
        returned = function(*inputs)
    except (Exception, SystemExit, GeneratorExit) as error:  # in a thread, these two would end it unseen
        cls = next((c for kind, c in _CLASSES if isinstance(error, kind)), errors.UnknownError)
        own = error.__traceback__.tb_next if error.__traceback__ is not None else None
        trace = "".join(traceback.format_exception(type(error), error, own))
        raise cls(None, None, f"{type(error).__name__}: {error}\n{trace}") from error
    if returned is None and not wanted:
        return []
    values = returned if isinstance(returned, list | tuple) else [returned]
    if len(values) != len(wanted):
        raise refusal(f"{token} returns {len(values)} values, but expects to see {len(wanted)} values.")
    return [
        _checked(token, i, value, dtype) for i, (value, dtype) in enumerate(zip(values, wanted, strict=True))
    ]


def _argument(value: Any) -> Any:
    """The caller's own copy; a scalar as bytes or a NumPy scalar, which can be hashed and compared."""
    if not isinstance(value, np.ndarray):
        return dtypes.plain_numbers(value)
    value = dtypes.plain_numbers(value)
    return value[()] if value.ndim == 0 else np.array(value)


def _checked(token: str, position: int, value: Any, dtype: dtypes.DType) -> Any:
    if isinstance(value, str | bytes | list | tuple) or np.asarray(value).dtype.kind in "SUO":
        array = to_array(value, dtypes.string) if dtype is dtypes.string else np.asarray(value)
    else:
        array = np.asarray(value)
    if value is None:
        raise refusal(f"{position}-th value returned by {token} is None, but expects {dtype.name}")
    if array.dtype.kind == "O" and dtype is not dtypes.string:
        kind = type(next(iter(array.flat), None)).__name__
        message = f"Unsupported object type {kind}: the {position}-th value returned by {token}"
        raise errors.InternalError(None, None, message)
    found = dtypes.as_dtype(array.dtype)
    if found is not dtype:
        raise refusal(f"{position}-th value returned by {token} is {found.name}, but expects {dtype.name}")
    return array


_CALLING: dict[str, Any] = {"token": text(), "host": True, "alias": True, "blocking": True}


def _unknown(input, Tout):
    return [None] * len(Tout)


def _of_arrays(xp, input, op, token, Tout):
    return _call(op, token, list(map(_argument, input)), Tout)


@declare("PyFunc(input: Tin) -> output: Tout", **_CALLING, Tin=types(), Tout=types(), effect=True)
class PyFunc:
    """Calls a Python function, every time it runs."""

    shape, kernel = _unknown, _of_arrays

    grad = NOT_DIFFERENTIABLE


@declare("PyFuncStateless(input: Tin) -> output: Tout", **_CALLING, Tin=types(), Tout=types())
class PyFuncStateless:
    """Calls a Python function whose results follow from its arguments."""

    shape, kernel = _unknown, _of_arrays

    grad = NOT_DIFFERENTIABLE


@declare(
    "EagerPyFunc(input: Tin) -> output: Tout",
    **_CALLING,
    is_async=flag(False),
    Tin=types(),
    Tout=types(),
    effect=True,
)
class EagerPyFunc:
    """Calls a Python function of tensors that have their values, every time it runs."""

    shape = _unknown

    def kernel(xp, input, op, token, Tout):
        return _call(op, token, [op, *input], Tout)

    def grad(op, *gradients):
        function = op.graph.py_functions.get(op.attrs["token"])
        backward = getattr(function, "backward", None)
        if backward is None:  # a gradient's own function, or another program's
            return [None] * len(op.inputs)
        inputs = [*gradients, *op.inputs]
        with control_dependencies([op] if op.body is op.graph.body else []):  # a loop is done before
            return add_call(EagerPyFunc, backward(), inputs, [t.dtype.base_dtype for t in op.inputs], None)


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

    Example:
      >>> x = tf.constant([1, 2, 3])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.py_func(lambda x: x[::-1].copy(), [x], tf.int32)))
      [3 2 1]
    """
    if not callable(func):
        raise TypeError(f"py_func: func must be callable. Received: {func!r}")
    many = isinstance(Tout, list | tuple)
    wanted = [dtypes.as_dtype(t) for t in (Tout if many else [Tout])]
    inputs = [convert.to_tensor(v, name=f"input_{i}") for i, v in enumerate(_scoped(inp, name))]
    result = add_call(PyFunc if stateful else PyFuncStateless, func, inputs, wanted, name)
    return result if many or not wanted else result[0]


def add_call(
    opdef: Any, func: Callable[..., Any], inputs: list[Any], wanted: list[dtypes.DType], name: str | None
) -> Any:
    """Adds an operation that calls `func`, kept by the graph: its results, or the operation without any."""
    token = f"pyfunc_{next(_serial)}"
    graph = get_default_graph()
    if not graph.is_function:
        graph = next((v.graph for v in inputs if isinstance(v, Tensor)), graph)
    with graph.lock:
        _keep(func, token, graph)
        result = apply(opdef, inputs, token=token, Tout=wanted, name=name)
        return result if wanted else graph.ops[-1]


def _keep(func: Callable[..., Any], token: str, graph: Any) -> None:
    """Keeps the function as long as its graph.

    A graph is freed by Python's collector, which does not know how much a function holds on to: so the
    collector is called when the graphs with functions have doubled.
    """
    if not graph.py_functions:
        _graphs.add(graph)
        if len(_graphs) > _graphs.many and gc.isenabled():
            gc.collect()
            _graphs.many = max(_FEW, 2 * len(_graphs))
    graph.py_functions[token] = func
    graph.on_undo(lambda: graph.py_functions.pop(token, None))


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
