"""Parts of a tensor: strided slices, plain slices, and what puts a part back."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.core import errors
from millrace.core.dtypes import ALL, INDEX
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims, fully_defined
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import constant, rank_tensor, shape_tensor
from millrace.opkit.rules.strides import MASKS, index_key, result_dims, single_places, traced_key


@declare(
    "StridedSlice(input: T, begin: Index, end: Index, strides: Index) -> output: T",
    T=ALL, Index=INDEX, static=("begin", "end", "strides"), alias=True, **MASKS,
)  # fmt: skip
class StridedSlice:
    """`input[begin:end:strides]`, with masks for open ends, `...`, new axes and single indices."""

    def shape(input, begin, end, strides, **masks):
        return result_dims(input, begin, end, strides, masks)

    def kernel(xp, input, begin, end, strides, **masks):
        dims = np.shape(input)
        return input[index_key(len(dims), dims, begin, end, strides, masks)]

    def xla(xp, input, begin, end, strides, **masks):
        dims = np.shape(input)
        if isinstance(begin, np.ndarray) and isinstance(end, np.ndarray):
            return input[index_key(len(dims), dims, begin, end, strides, masks)]
        return xp.asarray(input)[traced_key(xp, dims, begin, strides, masks)]

    def traced(dims, values, attrs):
        return single_places(dims, values, attrs, 3)

    def bind(dims, values, masks):
        bounds = values[1:]
        if dims[0] is None or any(v is None for v in bounds):
            return None
        checked = dims[0] if fully_defined(dims[0]) else None
        key = index_key(len(dims[0]), checked, *bounds, {m: masks[m] for m in MASKS})  # pyright: ignore[reportCallIssue]

        def take(input, begin, end, strides):
            try:
                return input[key]
            except IndexError:
                raise refusal(
                    f"slice index out of bounds. Received: shape {np.shape(input)}, begin {begin}"
                ) from None

        return take

    def grad(op, dy):
        x, begin, end, strides = op.inputs
        shape = shape_tensor(x, begin.dtype)
        return raw.StridedSliceGrad(shape, begin, end, strides, dy, **op.params), None, None, None


@declare(
    "StridedSliceGrad(shape: Index, begin: Index, end: Index, strides: Index, dy: T) -> output: T",
    T=ALL, Index=INDEX, static=("shape", "begin", "end", "strides"), **MASKS,
)  # fmt: skip
class StridedSliceGrad:
    """A tensor of `shape` that is `dy` where the slice was taken and zero elsewhere."""

    def shape(shape, begin, end, strides, dy, **masks):
        return shape.as_dims()

    def kernel(xp, shape, begin, end, strides, dy, **masks):
        dims = tuple(shape.tolist())
        key = index_key(len(dims), dims, begin, end, strides, masks)
        return xp.updated(xp.zeros(dims, dy.dtype), key, dy)

    def xla(xp, shape, begin, end, strides, dy, **masks):
        dims = tuple(shape.tolist())
        if isinstance(begin, np.ndarray) and isinstance(end, np.ndarray):
            key = index_key(len(dims), dims, begin, end, strides, masks)
        else:
            key = traced_key(xp, dims, begin, strides, masks)
        return xp.updated(xp.zeros(dims, dy.dtype), key, dy)

    def traced(dims, values, attrs):
        return values[0] is not None and single_places(dims, values, attrs, 3)

    def grad(op, dy):
        _, begin, end, strides, _ = op.inputs
        return None, None, None, None, raw.StridedSlice(dy, begin, end, strides, **op.params)


def _assigned(
    xp: Any, ref: Any, begin: Any, end: Any, strides: Any, value: Any, masks: dict[str, int]
) -> Any:
    dims = np.shape(ref)
    key = index_key(len(dims), dims, begin, end, strides, masks)
    part = _part_shape(dims, key)
    if np.shape(value) != part:
        rule = "a slice is assigned a value of its own shape, nothing is broadcast"
        raise errors.UnimplementedError(None, None, f"{rule}. Received: {np.shape(value)} for {part}")
    return xp.updated(ref, key, value)


def _part_shape(dims: tuple[int, ...], key: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of `x[key]` without having x: of a view that takes no memory."""
    return np.broadcast_to(np.empty((), np.int8), dims)[key].shape


@declare(
    "StridedSliceAssign(ref: Ref[T], begin: Index, end: Index, strides: Index, value: T) -> "
    "output_ref: Ref[T]",
    T=ALL,
    Index=INDEX,
    static=("begin", "end", "strides"),
    writes="ref",
    **MASKS,
)
class StridedSliceAssign:
    """Sets a slice of the variable `ref` to `value`; yields the whole new value."""

    def shape(ref, begin, end, strides, value, **masks):
        return ref

    def kernel(xp, ref, begin, end, strides, value, **masks):
        return _assigned(xp, ref, begin, end, strides, value, masks)

    grad = NOT_DIFFERENTIABLE


@declare(
    "ResourceStridedSliceAssign(ref: resource, begin: Index, end: Index, strides: Index, value: T)",
    T=ALL, Index=INDEX, static=("begin", "end", "strides"), writes="ref", **MASKS,
)  # fmt: skip
class ResourceStridedSliceAssign:
    """Sets a slice of the variable behind the handle `ref` to `value`."""

    def shape(ref, begin, end, strides, value, **masks):
        return []

    def kernel(xp, ref, begin, end, strides, value, **masks):
        return _assigned(xp, ref, begin, end, strides, value, masks)

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorStridedSliceUpdate(input: T, begin: Index, end: Index, strides: Index, value: T) -> output: T",
    T=ALL, Index=INDEX, static=("begin", "end", "strides"), **MASKS,
)  # fmt: skip
class TensorStridedSliceUpdate:
    """`input` with a slice of it replaced by `value`."""

    def shape(input, begin, end, strides, value, **masks):
        return input

    def kernel(xp, input, begin, end, strides, value, **masks):
        return _assigned(xp, input, begin, end, strides, value, masks)

    def grad(op, dy):
        _, begin, end, strides, value = op.inputs
        bounds = (begin, end, strides)
        kept = raw.TensorStridedSliceUpdate(dy, *bounds, raw.ZerosLike(value), **op.params)
        return kept, None, None, None, raw.StridedSlice(dy, *bounds, **op.params)


@declare(
    "Slice(input: T, begin: Index, size: Index) -> output: T",
    T=ALL,
    Index=INDEX,
    static=("begin", "size"),
    alias=True,
)
class Slice:
    """`size` elements of `input` from `begin` on, per dimension; size -1 means all that remain."""

    def shape(input, begin, size):
        starts, sizes = begin.value, size.value
        for known in (begin, size):
            if known.dims is not None and len(known.dims) != 1:
                raise ValueError(f"begin and size must be vectors. Received: shape {format_dims(known.dims)}")
        lengths = {k.dims[0] for k in (begin, size) if k.dims and k.dims[0] is not None}
        if input is not None:
            lengths.add(len(input))
        if len(lengths) > 1:
            raise ValueError(
                f"begin and size must have one element per input dimension. "
                f"Received: begin {format_dims(begin.dims)}, "
                f"size {format_dims(size.dims)}, input {format_dims(input)}"
            )
        if sizes is None or starts is None:
            return _partly_sliced(input, begin, size, lengths)
        if input is None:
            return tuple(None if n == -1 else int(n) for n in sizes)
        dims: list[int | None] = []
        for length, start, n in zip(input, starts.tolist(), sizes.tolist(), strict=True):
            if n != -1:  # whether it reaches too far is checked when it runs, as in TensorFlow
                dims.append(n)
                continue
            if length is not None and not 0 <= start <= length:
                raise ValueError(f"begin must be in [0, {length}]. Received: {start}")
            dims.append(None if length is None else length - start)
        return tuple(dims)

    def kernel(xp, input, begin, size):
        return input[_slice_key(np.shape(input), begin, size)]

    def xla(xp, input, begin, size):
        if isinstance(begin, np.ndarray):
            return input[_slice_key(np.shape(input), begin, size)]
        room = np.array(np.shape(input), np.int64) - size
        rule = f"begin must be in [0, {room.tolist()}]"
        xp.check((begin >= 0) & (begin <= room), lambda: refusal(rule))
        return xp.window(input, begin, size)

    def traced(dims, values, attrs):
        return fully_defined(dims[0]) and values[2] is not None and bool((values[2] >= 0).all())

    def bind(dims, values, attrs):
        _, begin, size = values
        if begin is None or size is None or not fully_defined(dims[0]):
            return None
        key = _slice_key(dims[0], begin, size)
        return lambda input, begin, size: input[key]

    def grad(op, dy):
        x, begin, _ = op.inputs
        rank = rank_tensor(x)
        part = shape_tensor(op.outputs[0], begin.dtype)
        column = to_tensor([rank, 1], name="stack")
        before = raw.Reshape(begin, column)
        after = raw.Reshape(shape_tensor(x, begin.dtype) - part - begin, column)
        return raw.Pad(dy, raw.ConcatV2([before, after], 1, name="concat")), None, None


def _partly_sliced(input: Any, begin: Any, size: Any, lengths: set[int]) -> Any:
    """Sizes other than -1 are known without `begin`, and what remains from a place that is known."""
    if not lengths:
        return None
    (rank,) = lengths
    if size.value is None:
        partial = size.as_dims()
        return partial if partial is not None else (None,) * rank
    starts = begin.as_dims() or (None,) * rank
    made: list[int | None] = []
    for n, start, length in zip(size.value.tolist(), starts, input or (None,) * rank, strict=True):
        rest = None if start is None or length is None or length < start else length - start
        made.append(rest if n == -1 else n)
    return tuple(made)


def _slice_key(dims: tuple[int, ...], begin: Any, size: Any) -> tuple[Any, ...]:
    if len(begin) != len(dims) or len(size) != len(dims):
        raise refusal(
            f"begin and size must have {len(dims)} elements. Received: {begin.tolist()} and {size.tolist()}",
        )
    key: list[Any] = []
    for axis, (length, start, n) in enumerate(zip(dims, begin.tolist(), size.tolist(), strict=True)):
        n = length - start if n == -1 else n
        if not 0 <= start <= length or n < 0 or start + n > length:
            rule = (
                f"Expected size[{axis}] in [0, {max(length - start, 0)}] and begin[{axis}] in [0, {length}]"
            )
            raise refusal(f"{rule}. Received: begin {start}, size {n}")
        key.append(slice(start, start + n))
    return (*key, Ellipsis)


@public("slice")
def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """`size` elements of `input_` from `begin` on.

    Args:
      input_: `[...]` of rank n.
      begin: `[n]`, int32 or int64, where to start in each dimension.
      size: `[n]`, same dtype, how many to take; -1 for all that remain.
      name: op name; default "Slice".

    Returns:
      A tensor of shape `size`, dtype of `input_`.

    Raises:
      ValueError: the slice is known to reach beyond `input_`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.slice([[1, 2, 3], [4, 5, 6]], begin=[0, 1], size=[2, -1])))
      [[2 3]
       [5 6]]
    """
    return apply(Slice, input_, begin, size, name=name)


def _ones_for(begin: Any) -> Tensor:
    """A one for each element of `begin`, of its dtype."""
    with get_default_graph().name_scope("ones_like") as scope:
        begin = to_tensor(begin, name="tensor")
        return raw.Fill(shape_tensor(begin), constant(1, "Const", begin.dtype.base_dtype), name=scope)


@public("strided_slice")
def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Tensor:
    """`input_[begin:end:strides]` with Python's meaning; bit i of a mask concerns position i.

    Args:
      input_: `[...]`.
      begin, end: int vectors of one length, at most one element per dimension.
      strides: int vector of the same length; default all ones.
      begin_mask, end_mask: ignore that bound and take everything on its side.
      ellipsis_mask: position i stands for `...`.
      new_axis_mask: insert a dimension of length 1.
      shrink_axis_mask: take the single index begin[i] and drop the dimension.
      var: the variable that `input_` is the value of; the result then has a method `assign(value)`.
      name: op name; default "StridedSlice".

    Raises:
      ValueError: the bounds do not fit `input_`.
    """
    if strides is None:
        strides = _ones_for(begin)
    masks = dict(
        begin_mask=begin_mask,
        end_mask=end_mask,
        ellipsis_mask=ellipsis_mask,
        new_axis_mask=new_axis_mask,
        shrink_axis_mask=shrink_axis_mask,
    )
    found = apply(StridedSlice, input_, begin, end, strides, name=name, **masks)
    if var is not None:
        bounds, default = (begin, end, strides), name and f"{name}_assign"
        found.assign = lambda value, name=None: var._strided_slice_assign(
            *bounds, value, name=name or default, **masks
        )
    return found
