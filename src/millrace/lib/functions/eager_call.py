"""`tf.py_function`: Python functions of tensors that have their values, as operations with a gradient."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from millrace.autodiff.gradients import gradients
from millrace.building import convert
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.opdef import lookup
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable
from millrace.ops.flow.script import add_call
from millrace.session.immediate import ImmediateGraph

_MOST_TAPES = 8  # calls whose gradient may still be asked for; beyond that a call is repeated


class _Tape(NamedTuple):
    """What one call did: its graph, its arguments and its results there."""

    graph: ImmediateGraph
    arguments: list[Any]
    results: list[Any]

    def is_of(self, values: Sequence[Any]) -> bool:
        """Whether the call was given these values."""
        return all(
            a.held is v or _bytes(a.held) == _bytes(v) for a, v in zip(self.arguments, values, strict=True)
        )


def _bytes(value: Any) -> Any:
    array = np.asarray(value)
    return array.shape, array.tolist() if array.dtype.hasobject else array.tobytes()


class EagerFunction:
    """A function of tensors with values, as one of an operation and the arrays that it takes.

    Args:
      function: of tensors to a tensor, or whatever becomes one; a list of them; or None.
      wanted: the dtypes of what it returns.
    """

    def __init__(self, function: Callable[..., Any], wanted: Sequence[dtypes.DType]) -> None:
        self._function = function
        self._wanted = wanted
        self._tapes: deque[_Tape] | None = None

    def __call__(self, op: Operation, *values: Any) -> list[Any]:
        """What the function gives as arrays, for those that `op` takes."""
        tape = self._recorded([t.dtype for t in op.inputs], values)
        found = [r.held for r in tape.results]
        if self._tapes is not None:
            self._tapes.append(tape)
        else:
            tape.graph.release()
        return found

    def _recorded(self, taken: Sequence[dtypes.DType], values: Sequence[Any]) -> _Tape:
        graph = ImmediateGraph()
        arguments = [graph.holding(v, d) for v, d in zip(values, taken, strict=True)]
        with graph.called():
            returned = self._function(*arguments)
        with graph.called():
            return _Tape(graph, arguments, [graph.capture(r) for r in self._results(returned)])

    def _results(self, returned: Any) -> list[Tensor]:
        if returned is None:
            return []
        if isinstance(returned, list | tuple):
            return [_result(v, d) for v, d in zip(returned, self._wanted, strict=False)]
        if not self._wanted:
            raise IndexError(f"the function must return None, for Tout is empty. Received: {returned!r}")
        return [_result(returned, self._wanted[0])]

    def backward(self) -> Callable[..., list[Any]]:
        """A function of an operation, the gradients by the results and the arguments, to the gradients by
        the arguments.
        """
        if self._tapes is None:
            self._tapes = deque(maxlen=_MOST_TAPES)
        return self._backward

    def _backward(self, op: Operation, *values: Any) -> list[Any]:
        count = len(self._wanted)
        taken = [t.dtype for t in op.inputs[count:]]
        graph, arguments, results = self._tape_of(taken, values[count:])
        with graph.called():
            given = [graph.holding(v, r.dtype) for v, r in zip(values, results, strict=False)]
            found = gradients(results, arguments, given, unconnected_gradients="zero")
            dense: list[Any] = [convert.to_tensor(g) for g in found]
        graph.release()
        return [g.held for g in dense]

    def _tape_of(self, taken: Sequence[dtypes.DType], values: Sequence[Any]) -> _Tape:
        """The last call with these arguments, done again where it has been forgotten."""
        assert self._tapes is not None
        for tape in reversed(list(self._tapes)):
            if tape.is_of(values):
                self._tapes.remove(tape)
                return tape
        return self._recorded(taken, values)


def _result(value: Any, dtype: dtypes.DType) -> Tensor:
    if isinstance(value, Variable):
        raise RuntimeError(
            "Attempting to return a variable from an eagerly executed py_func. Only numeric data structures "
            "like Tensors or NumPy arrays should be returned; to return the value of a variable, make sure "
            f"to obtain the Tensor backing it by calling `.read_value()`. Received: {value!r}"
        )
    return convert.to_tensor(value, dtype)


@public("py_function", "contrib.eager.py_func")
def py_function(func: Callable[..., Any], inp: Any, Tout: Any, name: str | None = None) -> Any:  # noqa: N803
    """Calls `func` on tensors that have their values, whenever the result is computed.

    Inside of `func` operations run as they are called: tensors have `numpy()`, decide an `if`, are counted
    and iterated over. The result can be differentiated by the arguments.

    Args:
      func: of tensors to a tensor or what becomes one, a list of them, or None where there is no result.
      inp: a list of tensors.
      Tout: the dtype, or list of dtypes, of what `func` returns.
      name: op name; default "EagerPyFunc".

    Returns:
      A tensor of unknown shape, or a list of them where `Tout` is a list; the Operation where it is empty.

    Raises:
      ValueError: `func` cannot be called.
      TypeError: `inp` is not a list.
      InvalidArgumentError: when run, where `func` raises TypeError or ValueError, or what it returns does not
        become a tensor of its dtype. Other exceptions become the error of their kind.

    Example:
      >>> def clipped(x):
      ...     return x if x < 10.0 else tf.constant(10.0)
      >>> x = tf.constant(12.0)
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.py_function(clipped, [x], tf.float32)))
      10.0
    """
    if not callable(func):
        raise ValueError(f"py_function: expected func to be callable. Received: {func!r}")
    if not isinstance(inp, list | tuple):
        raise TypeError(f"py_function: inp must be a list of tensors. Received: {inp!r}")
    many = isinstance(Tout, list | tuple)
    wanted = [dtypes.as_dtype(t) for t in (Tout if many else [Tout])]
    result = add_call(lookup("EagerPyFunc"), EagerFunction(func, wanted), list(inp), wanted, name)
    return result if many or not wanted else result[0]
