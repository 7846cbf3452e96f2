"""`ImmediateGraph`: a graph whose operations run as they are added, for the functions that
`tf.py_function` calls.

It keeps what was done, so that gradients are drawn as in any graph, and run as they are drawn.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from millrace.building.create import create
from millrace.core import dtypes, errors, shapes
from millrace.core.waiting import limited
from millrace.graph.defaults import graph_stack
from millrace.graph.graph import Graph
from millrace.graph.opdef import lookup
from millrace.graph.operation import Operation
from millrace.graph.references import VARIABLE_TYPES
from millrace.graph.tensor import Tensor
from millrace.runtime import failures
from millrace.runtime.executable import Executables
from millrace.runtime.functions import Functions
from millrace.runtime.store import Store
from millrace.runtime.token_kernels import Kernels, Reference
from millrace.session.eager_tensor import EagerTensor

_state_lock = threading.RLock()  # variables made in one call may be used by another, in another thread


class ImmediateGraph(Graph):
    """A graph that runs each operation as it is added, outside of branches and loops being drawn."""

    is_function = True  # tensors of other such graphs are taken in
    executes = True

    def __init__(self) -> None:
        super().__init__()
        self.captures: dict[Tensor, Tensor] = {}
        self._store = Store()
        self._store.lock = _state_lock
        self._store.cancellation.functions = Functions(self._store)
        self._kernels = Kernels(self._store)
        self._keeps_state = False

    @contextlib.contextmanager
    def called(self) -> Generator[None, None, None]:
        """A context for one call of a program's function: what it enters and does not leave ends with it."""
        before = list(graph_stack.items)
        graph_stack.items.append(self)
        try:
            yield
        finally:
            graph_stack.items[:] = before

    @property
    def building_function(self) -> bool:
        """False: nothing is left to be called later."""
        return False

    def holding(self, value: Any, dtype: dtypes.DType, dims: shapes.Dims = None) -> Tensor:
        """A tensor that has `value`.

        Args:
          value: an array, a scalar, or what a handle stands for.
          dtype: its dtype.
          dims: its shape, where it is a handle or a variant.
        """
        dtype = dtype.base_dtype
        with graph_stack.entered(self), self.inside(None):
            old, self.scope = self.scope, ""
            try:
                dims = np.shape(value) if dtype.is_numpy_compatible else dims
                op = create(lookup("BodyArg"), dtype=dtype, shape=dims)
            finally:
                self.scope = old
        return _hold(op.outputs[0], value)

    def capture(self, tensor: Tensor) -> Tensor:
        """What stands in this graph for a tensor that has a value: itself, where it is from here.

        Raises:
          TypeError: it is a tensor of a graph that a session runs.
        """
        if tensor.op.graph is self:
            return tensor
        if not isinstance(tensor, EagerTensor):
            raise TypeError(
                'An op outside of the function building code is being passed a "Graph" tensor: what '
                "tf.py_function calls gets tensors of the graph as its arguments only. Received: "
                f"{tensor.name}"
            )
        known = self.captures.get(tensor)
        if known is None:
            if isinstance(tensor.held, Reference):
                self._share(tensor)
            known = self.captures[tensor] = self.holding(tensor.held, tensor.dtype, tensor.dims)
        return known

    def _share(self, handle: Any) -> None:
        """Shares the value of a variable that another graph made."""
        key = handle.held.key
        self._store.cells[key] = handle.op.graph._store.cell(key)

    def misfit(self, op: Operation, message: str) -> Exception:
        """The error for inputs whose shapes `op` does not take: that of a kernel."""
        return errors.InvalidArgumentError(None, op, message)

    def outer_of(self, inside: Tensor) -> Tensor | None:
        """The tensor of another graph that `inside` stands for, or None."""
        return next((outer for outer, tensor in self.captures.items() if tensor is inside), None)

    def entered(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs of an operation, with what stands here for tensors of other graphs."""
        return tuple(
            self.capture(v)
            if isinstance(v, Tensor)
            else [self.capture(t) if isinstance(t, Tensor) else t for t in v]
            if type(v) in (list, tuple)
            else v
            for v in inputs
        )

    def append(self, op: Operation) -> None:
        """Adds an operation and runs it, unless it is part of a branch or loop, or stands for a value."""
        if op.type in VARIABLE_TYPES or op.opdef.state is not None:
            self._keeps_state = True
            if "shared_name" in op.opdef.attrs:  # every object is new, whatever its name
                op.attrs["shared_name"] = f"{op.name}_{id(op)}"
        super().append(op)
        if op.body is None and op.type != "BodyArg":
            self._run(op)

    def _run(self, op: Operation) -> None:
        if op.opdef.kernel is None and op.type.startswith("Placeholder"):
            raise RuntimeError("tf.placeholder() is not compatible with eager execution.")
        values: list[Any] = [vars(t)["held"] for t in op.inputs]
        opdef = op.opdef
        plain = not (opdef.blocking or opdef.writes or opdef.reads) and opdef.state is None
        try:
            with np.errstate(all="ignore"), limited(self._store.cancellation):
                if opdef.has_body:
                    found = self._branched(op)
                elif plain:
                    found = self._kernels.for_operation(op)(self._kernels.begin(), values)
                else:
                    with _state_lock:
                        run = self._kernels.begin()
                        found = self._kernels.for_operation(op)(run, values)
                        run.commit()
        except Exception as error:
            raised = failures.from_exception(error, op, values)
            if raised is error:
                raise
            raise raised from (error.__cause__ if isinstance(error, errors.OpError) else error)
        for tensor, value in zip(op.outputs, found, strict=True):
            _hold(tensor, value)

    def _branched(self, op: Operation) -> Sequence[Any]:
        """The results of a branch or loop that was drawn with its bodies, as a function's graph has them."""
        given: list[Any] = [t for t in op.inputs if t.dtype is not dtypes.resource]
        executables = Executables(op.outputs, [_Feed(t) for t in given], self._store, "interpret")
        return executables.run([np.asarray(t.held) if t.dtype.is_numpy_compatible else t.held for t in given])

    def release(self) -> None:
        """Forgets what was done, so that its memory is free at once; values that somebody holds stay."""
        if self._keeps_state:
            return
        for op in self.ops:
            for tensor in op.outputs:
                tensor.takers = None
            op.inputs, op.outputs, op.control_inputs = (), [], []
        self.ops.clear()
        self.by_name.clear()
        self.captures.clear()


class _Feed(NamedTuple):
    """An input with its value, in the form in which `Executables` takes feeds."""

    tensor: Tensor
    any_shape: bool = True


def _hold(tensor: Tensor, value: Any) -> Tensor:
    """Gives a tensor its value."""
    if tensor.dtype.is_numpy_compatible and not tensor.dtype.is_ref_dtype:
        tensor.known_value = np.asarray(value)
    tensor.__class__ = EagerTensor
    vars(tensor)["held"] = value
    return tensor
