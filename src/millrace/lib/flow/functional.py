"""`map_fn`, `scan`, `foldl` and `foldr`: loops over the first dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import limited_loop
from millrace.lib.flow.tensor_array import TensorArray


def _elements(elems: Any, who: str) -> tuple[list[Tensor], Any]:
    """The tensors among `elems`, and how many rows they have.

    Raises:
      ValueError: there are none, one is a scalar, or they have different numbers of rows.
    """
    tensors = [convert.convert_to_tensor(e, name="elem") for e in nest.flatten(elems)]
    if not tensors:
        raise ValueError(f"{who}: elems must hold at least one tensor. Received: {elems!r}")
    first = None
    for tensor in tensors:
        if tensor.dims is not None:
            if not tensor.dims:
                raise ValueError(
                    f"{who}: elements must be at least 1-dimensional. Received: the scalar {tensor.name}"
                )
            if first is not None and tensor.dims[0] is not None and tensor.dims[0] != first:
                raise ValueError(
                    f"{who}: elems must have the same number of rows. Received: {first} and {tensor.dims[0]}"
                )
            first = tensor.dims[0] if first is None else first
    known = None if tensors[0].dims is None else tensors[0].dims[0]
    count = known or raw.StridedSlice(
        convert.shape_tensor(tensors[0]),
        convert.to_tensor([0], name="strided_slice/stack"),
        convert.to_tensor([1], name="strided_slice/stack_1"),
        convert.to_tensor([1], name="strided_slice/stack_2"),
        shrink_axis_mask=1,
        name="strided_slice",
    )
    return tensors, count


def _rows(tensors: list[Tensor], count: Any) -> list[TensorArray]:
    """One TensorArray of the rows of each tensor."""
    arrays = []
    for tensor in tensors:
        array = TensorArray(tensor.dtype, size=count, dynamic_size=False, infer_shape=True)
        arrays.append(array.unstack(tensor))
    return arrays


def _known_rows(results: list[Tensor], tensors: list[Tensor], extra: int = 0) -> list[Tensor]:
    rows = next((t.dims[0] for t in tensors if t.dims is not None and t.dims[0] is not None), None)
    for result in results:
        if result.dims is not None:
            result.set_shape((None if rows is None else rows + extra, *result.dims[1:]))
    return results


@public("map_fn")
def map_fn(
    fn: Callable[..., Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """`fn` of each row, stacked.

    Args:
      fn: of one row (in the structure of `elems`) to tensors (in the structure of `dtype`).
      elems: nested tensors `[n, ...]`.
      dtype: nested dtypes of what `fn` returns; default: those of `elems`.
      parallel_iterations, swap_memory: accepted.
      back_prop: whether gradients may flow through.
      infer_shape: require all results to have one static shape.
      name: scope; default "map".

    Raises:
      TypeError: `fn` is not callable, or its result does not nest as `dtype`.
      ValueError: the rows of `elems` differ in number.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.map_fn(lambda row: row * row, tf.constant([1, 2, 3]))))
      [1 4 9]
    """
    if not callable(fn):
        raise TypeError(f"map_fn: fn must be callable. Received: {fn!r}")
    with name_scope(name, "map", [e for e in nest.flatten(elems) if isinstance(e, Tensor)]):
        tensors, count = _elements(elems, "map_fn")
        if dtype is None:
            dtype = nest.pack_sequence_as(elems, [t.dtype.base_dtype for t in tensors])
        kinds = [dtypes.as_dtype(d) for d in nest.flatten(dtype)]
        arrays = _rows(tensors, count)
        start = convert.constant_of(0, None, "Const")
        results = [TensorArray(k, size=count, dynamic_size=False, infer_shape=infer_shape) for k in kinds]

        def step(i: Any, written: list[Any]) -> Any:
            row = nest.pack_sequence_as(elems, [a.read(i) for a in arrays])
            value = fn(row)
            nest.assert_same_structure(dtype, value)
            values = nest.flatten(value)
            return [i + 1, [w.write(i, v) for w, v in zip(written, values, strict=True)]]

        _, after = limited_loop(
            lambda i, _: i < count, step, [start, results], count, parallel_iterations or 10, back_prop
        )
        stacked = _known_rows([a.stack() for a in after], tensors)
        return nest.pack_sequence_as(dtype, stacked)


@public("scan")
def scan(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """All intermediate results of `a = fn(a, row)` over the rows, stacked.

    Args:
      fn: of the accumulated value and one row to the next accumulated value.
      elems: nested tensors `[n, ...]`.
      initializer: the first accumulated value; default: the first row.
      parallel_iterations, swap_memory: accepted.
      back_prop: whether gradients may flow through.
      infer_shape: require all results to have one static shape.
      reverse: go from the last row to the first.
      name: scope; default "scan".

    Raises:
      TypeError: `fn` is not callable.
      ValueError: the rows of `elems` differ in number.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.scan(lambda total, x: total + x, tf.constant([1, 2, 3]))))
      [1 3 6]
    """
    if not callable(fn):
        raise TypeError(f"scan: fn must be callable. Received: {fn!r}")
    with name_scope(name, "scan", [e for e in nest.flatten(elems) if isinstance(e, Tensor)]):
        tensors, count = _elements(elems, "scan")
        arrays = _rows(tensors, count)
        first, structure = _first_value(arrays, elems, initializer, reverse, count)
        results = [
            TensorArray(
                v.dtype, size=count, element_shape=v.shape if infer_shape else None, infer_shape=infer_shape
            )
            for v in first
        ]
        if initializer is None:
            at = count - 1 if reverse else 0
            results = [r.write(at, v) for r, v in zip(results, first, strict=True)]

        def step(i: Any, values: list[Any], written: list[Any]) -> Any:
            row = nest.pack_sequence_as(elems, [a.read(i) for a in arrays])
            value = fn(nest.pack_sequence_as(structure, values), row)
            nest.assert_same_structure(structure, value)
            new = [convert.convert_to_tensor(v) for v in nest.flatten(value)]
            if not reverse:
                i, at = i + 1, i
                return [i, new, [w.write(at, v) for w, v in zip(written, new, strict=True)]]
            kept = [w.write(i, v) for w, v in zip(written, new, strict=True)]
            return [i - 1, new, kept]

        begin = 0 if initializer is not None else 1
        if reverse:
            begin = count - 1 - begin
        _, _, after = limited_loop(
            (lambda i, *_: i >= 0) if reverse else (lambda i, *_: i < count),
            step,
            [begin, first, results],
            count,
            parallel_iterations,
            back_prop,
            _limit(reverse),
        )
        stacked = _known_rows([a.stack() for a in after], tensors)
        return nest.pack_sequence_as(structure, stacked)


def _first_value(
    arrays: list[TensorArray],
    elems: Any,
    initializer: Any,
    reverse: bool,
    count: Any,
) -> tuple[list[Tensor], Any]:
    """The accumulated value to start with, and how values nest."""
    if initializer is not None:
        return [convert.convert_to_tensor(v) for v in nest.flatten(initializer)], initializer
    at = count - 1 if reverse else 0
    return [a.read(at) for a in arrays], elems


def _constant(number: int) -> Tensor:
    return convert.constant_of(number, None, "Const")


def _limit(reverse: bool) -> int:
    """The nodes that TensorFlow has in the test for the limit; from the end it takes one more."""
    return 3 if reverse else 2


def _fold(
    who: str, reverse: bool, fn: Any, elems: Any, initializer: Any, options: tuple[int, bool], name: Any
) -> Any:
    if not callable(fn):
        raise TypeError(f"{who}: fn must be callable. Received: {fn!r}")
    with name_scope(name, who, [e for e in nest.flatten(elems) if isinstance(e, Tensor)]):
        tensors, count = _elements(elems, who)
        arrays = _rows(tensors, count)
        if initializer is not None:
            first = [convert.convert_to_tensor(v) for v in nest.flatten(initializer)]
            structure, begin = initializer, (count if reverse else _constant(0))
        else:
            at = count - 1 if reverse else 0
            first = [a.read(at) for a in arrays]
            structure, begin = elems, (at if reverse else _constant(1))

        def step(i: Any, values: list[Any]) -> Any:
            i = i - 1 if reverse else i
            row = nest.pack_sequence_as(elems, [a.read(i) for a in arrays])
            value = fn(nest.pack_sequence_as(structure, values), row)
            nest.assert_same_structure(structure, value)
            return [i if reverse else i + 1, nest.flatten(value)]

        test = (lambda i, _: i > 0) if reverse else (lambda i, _: i < count)
        _, after = limited_loop(test, step, [begin, first], count, *options, _limit(reverse))
        return nest.pack_sequence_as(structure, after)


@public("foldl")
def foldl(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last result of `a = fn(a, row)` from the first row to the last; arguments as for `scan`."""
    options = parallel_iterations, back_prop
    return _fold("foldl", False, fn, elems, initializer, options, name)


@public("foldr")
def foldr(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """The last result of `a = fn(a, row)` from the last row to the first; arguments as for `scan`."""
    options = parallel_iterations, back_prop
    return _fold("foldr", True, fn, elems, initializer, options, name)
