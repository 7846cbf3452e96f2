"""What an operation does with its tokens: kernels on NumPy values, variables, stacks and arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from millrace.core import errors, shapes
from millrace.core.errors import refusal
from millrace.dialect import numpy_dialect
from millrace.exchange.tokens import needs_tokens
from millrace.graph.operation import Operation, group, is_ref
from millrace.graph.references import VARIABLE_TYPES, cell_key
from millrace.runtime import failures, interpret
from millrace.runtime.commit import owned, store_all
from millrace.runtime.plan.planner import Step, body_cells, with_bodies
from millrace.runtime.store import Store
from millrace.runtime.values import host

Call = Callable[["Run", Sequence[Any]], Sequence[Any]]


class Reference:
    """A variable by name: what travels along an edge that is a reference or a handle."""

    __slots__ = ("key", "op")

    def __init__(self, key: str, op: Operation) -> None:
        self.key = key
        self.op = op


class Run:
    """The variables and states of one run: read from the store once, given back when all has succeeded."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._values: dict[str, Any] = {}
        self._changed: set[str] = set()

    def read(self, reference: Reference, must_exist: bool) -> Any:
        """The present value of a variable.

        Raises:
          FailedPreconditionError: it has none, and `must_exist`.
        """
        value = self.get(reference.key)
        if value is None and must_exist:
            raise failures.uninitialized(reference.op)
        return value

    def get(self, key: str) -> Any:
        """The present value of a cell."""
        if key not in self._values:
            self._values[key] = host(self._store.cell(key).value)
        return self._values[key]

    def set(self, key: str, value: Any) -> None:
        """Gives a cell another value."""
        self._values[key] = value
        self._changed.add(key)

    def state_of(self, op: Operation) -> Any:
        """The state of an operation; a first one is made at once, since other threads may share it."""
        key = cell_key(op)
        if self.get(key) is None:
            assert op.opdef.state is not None
            cell = self._store.cell(key)
            cell.value = self._values[key] = op.opdef.state(op.attrs)
        return self._values[key]

    def commit(self) -> None:
        """Gives the new values to the store."""
        cells = [self._store.cell(key) for key in self._changed]
        store_all(cells, [owned(self._values[key]) for key in self._changed])


class Kernels:
    """Makes the function of each operation: of a run and its inputs to its outputs, flat."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self) -> Run:
        """The state of a new run."""
        return Run(self._store)

    def for_operation(self, op: Operation) -> Call:
        """The function of one operation."""
        if needs_tokens(op):
            return partial(_RESOURCES[op.type], op)
        if op.type in VARIABLE_TYPES:
            found = [Reference(cell_key(op), op)]
            return lambda run, values: found
        if op.opdef.kernel is None:
            return partial(_missing, op)
        if op.opdef.has_body:
            return _with_bodies(op)
        if op.type in ("Identity", "RefIdentity") and is_ref(op.outputs[0].dtype):
            return lambda run, values: values
        return _plain(op, self._store.lock if op.opdef.blocking else None)


def _missing(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    dtype, shape = op.outputs[0].dtype.name, op.outputs[0].shape
    raise errors.InvalidArgumentError(
        None,
        op,
        f"You must feed a value for placeholder tensor '{op.name}' with dtype {dtype} and shape {shape}",
    )


def _plain(op: Operation, lock: Any) -> Call:
    opdef = op.opdef
    kernel, xp = opdef.kernel, numpy_dialect()
    attrs = {a: op if a == "op" else op.attrs[a] for a in opdef.kernel_attrs}
    flat_args = [arg for arg, part in zip(opdef.inputs, op.args(), strict=True) for _ in _parts(part)]
    written = [i for i, arg in enumerate(flat_args) if arg.name in opdef.writes]
    must_exist = not opdef.reads_uninitialized
    lists = any(arg.is_list for arg in opdef.inputs)
    versions = bool(op.outputs) and bool(opdef.writes) and opdef.outputs[0].is_ref
    assert kernel is not None

    def call(run: Run, values: Sequence[Any]) -> Sequence[Any]:
        references = [_written(op, values[i]) for i in written]
        inputs = [run.read(v, must_exist) if isinstance(v, Reference) else v for v in values]
        args = group(opdef.inputs, inputs, op.attrs) if lists else inputs
        state = [] if opdef.state is None else [run.state_of(op)]
        if lock is None:
            result = kernel(xp, *state, *args, **attrs)
        else:  # what waits must not hold the lock
            lock.release()
            try:
                result = kernel(xp, *state, *args, **attrs)
            finally:
                lock.acquire()
        if references:
            rest = op.outputs[1:] if versions else op.outputs
            parts = [result] if len(references) + len(rest) == 1 else list(result)
            for reference, value in zip(references, parts, strict=False):
                run.set(reference.key, value)
            others = parts[len(references) :]
            return [references[0], *others] if versions else others
        if state:
            *parts, last = result
            run.set(cell_key(op), last)
        else:
            parts = [result] if len(opdef.outputs) == 1 else list(result or ())
        if any(arg.is_list for arg in opdef.outputs):
            return [
                v for arg, part in zip(opdef.outputs, parts, strict=True) for v in _parts(part, arg.is_list)
            ]
        return parts

    return call


def _parts(value: Any, is_list: bool | None = None) -> Sequence[Any]:
    if is_list is None:
        is_list = isinstance(value, tuple)
    return value if is_list else (value,)


def _written(op: Operation, value: Any) -> Reference:
    if not isinstance(value, Reference):
        raise errors.InvalidArgumentError(
            None, op, f"{op.type} '{op.name}' would write a variable that is fed in this run"
        )
    return value


def _with_bodies(op: Operation) -> Call:
    """A branch or loop with bodies among the tokens."""
    opdef, xp = op.opdef, numpy_dialect()
    step = Step(op, list(range(len(op.inputs))), list(range(len(op.outputs))))
    attrs = {n: with_bodies(op.attrs[n], partial(interpret.bind_body, step)) for n in opdef.kernel_attrs}
    cells = body_cells(op)
    places = [t.value_index for t in op.outputs]
    kernel = opdef.kernel
    assert kernel is not None

    def call(run: Run, values: Sequence[Any]) -> Sequence[Any]:
        inputs = [v if not isinstance(v, Reference) or (is_ref(t.dtype) and not t.dtype.is_ref_dtype)
                  else run.read(v, True) for v, t in zip(values, op.inputs, strict=True)]  # fmt: skip
        args = group(opdef.inputs, inputs, op.attrs)
        args[-1] = (*args[-1], *(run.get(key) for key in cells))
        results = list(kernel(xp, *args, **attrs))
        for (key, (_, changed)), value in zip(cells.items(), results[len(places) :], strict=True):
            if changed:
                run.set(key, value)
        found: list[Any] = [None] * (max(places, default=-1) + 1)
        for place, value in zip(places, results, strict=False):
            found[place] = value
        return found

    return call


# --- stacks and tensor arrays as resources ------------------------------------------------------------------


class _Array:
    """A tensor array as TensorFlow has it: shared by all who hold its handle.

    Attributes:
      items: None where nothing was written.
      like: for an array of gradients, the array whose gradients they are.
    """

    def __init__(self, size: int, attrs: Any, like: _Array | None = None) -> None:
        self.items: list[Any] = [None] * size
        self.attrs = attrs
        self.like = like
        self.gradients: dict[str, _Array] = {}

    def write(self, index: int, value: Any) -> None:
        """Puts `value` at `index`; in an array of gradients adds it."""
        items = self.items
        if index >= len(items) >= 0 and self.attrs["dynamic_size"] and index >= 0:
            items.extend([None] * (index + 1 - len(items)))
        self._check(index)
        if items[index] is None:
            items[index] = value
        elif self.like is not None:
            items[index] = items[index] + value
        else:
            raise _invalid(
                f"Could not write to TensorArray index {index} because it has already been written to."
            )

    def read(self, index: int) -> Any:
        """The value at `index`; zeros where nothing was written and the shape is known."""
        self._check(index)
        value = self.items[index]
        return self._zeros(index) if value is None else value

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self.items):
            raise _invalid(f"Tried to access index {index} but array size is: {len(self.items)}")

    def _zeros(self, index: int) -> Any:
        dtype = self.attrs["dtype"].np_dtype
        if self.like is not None and index < len(self.like.items) and self.like.items[index] is not None:
            return np.zeros_like(self.like.items[index], dtype)
        dims = self.attrs["element_shape"]
        if not shapes.fully_defined(dims):
            written = next((v for v in self.items if v is not None), None)
            if written is None:
                raise _invalid(f"Could not read index {index}: it has not been written to")
            dims = np.shape(written)
        return np.zeros(dims, dtype)

    def gather(self, indices: Any, dims: shapes.Dims) -> Any:
        """The values at `indices`, stacked."""
        rows = [self.read(int(i)) for i in np.ravel(indices)]
        if rows:
            return np.stack(rows)
        known = dims if dims is not None else self.attrs["element_shape"] or ()
        return np.zeros((0, *[d or 0 for d in known]), self.attrs["dtype"].np_dtype)

    def gradient(self, source: str) -> _Array:
        """The array of the gradients that `source` collects."""
        if source not in self.gradients:
            self.gradients[source] = _Array(len(self.items), self.attrs, self)
        return self.gradients[source]


def _invalid(message: str) -> errors.InvalidArgumentError:
    return refusal(message)


_DONE = np.float32(0)


def _new_array(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    if values[0] < 0:
        raise _invalid(f"Size should be >= 0. Received: {values[0]}")
    return [_Array(int(values[0]), op.attrs), _DONE]


def _write(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    array, index, value, flow = values
    array.write(int(index), value)
    return [flow]


def _read(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    return [values[0].read(int(values[1]))]


def _gather(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    return [values[0].gather(values[1], op.attrs["element_shape"])]


def _scatter(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    array, indices, value, flow = values
    for index, row in zip(np.ravel(indices).tolist(), value, strict=True):
        array.write(index, row)
    return [flow]


def _concat(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    array = values[0]
    rows = [array.read(i) for i in range(len(array.items))]
    lengths = np.array([len(row) for row in rows], np.int64)
    if not rows:
        rest = op.attrs["element_shape_except0"] or ()
        return [np.zeros((0, *[d or 0 for d in rest]), op.attrs["dtype"].np_dtype), lengths]
    return [np.concatenate(rows), lengths]


def _split(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    array, value, lengths, flow = values
    if np.sum(lengths) != len(value):
        raise _invalid(
            f"Expected lengths to sum to {len(value)}, the first dimension of value. Received: {lengths}"
        )
    for i, row in enumerate(np.split(value, np.cumsum(lengths)[:-1]) if len(lengths) else ()):
        array.write(i, row)
    return [flow]


def _size(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    return [np.int32(len(values[0].items))]


def _gradient(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    return [values[0].gradient(op.attrs["source"]), values[1]]


def _close(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    return []


def _new_stack(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    return [[]]


def _push(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    values[0].append(values[1])
    return [values[1]]


def _pop(op: Operation, run: Run, values: Sequence[Any]) -> Any:
    if not values[0]:
        raise _invalid("Stack is empty when calling Pop()")
    return [values[0].pop()]


_RESOURCES: dict[str, Callable[..., Sequence[Any]]] = {
    "TensorArrayV3": _new_array,
    "TensorArrayWriteV3": _write,
    "TensorArrayReadV3": _read,
    "TensorArrayGatherV3": _gather,
    "TensorArrayScatterV3": _scatter,
    "TensorArrayConcatV3": _concat,
    "TensorArraySplitV3": _split,
    "TensorArraySizeV3": _size,
    "TensorArrayCloseV3": _close,
    "TensorArrayGradV3": _gradient,
    "StackV2": _new_stack,
    "StackPushV2": _push,
    "StackPopV2": _pop,
    "StackCloseV2": _close,
}
