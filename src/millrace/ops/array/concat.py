"""Joining tensors and taking them apart: concat, stack, unstack, split."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.building.dispatch import overridable
from millrace.core import shapes
from millrace.core.dtypes import ALL, INDEX, int32, int64, string
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims, fully_defined
from millrace.graph import attrs
from millrace.graph.attrs import count, dtype, integer
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import rank_tensor, shape_tensor
from millrace.opkit.rules.shape_rules import axis_in, concatenated


def _concatenate(xp: Any, values: Any, axis: Any) -> Any:
    rank = len(np.shape(values[0]))
    at = int(axis.reshape(-1)[0])
    if not -rank <= at < rank:
        raise refusal(f"axis must be in [{-rank}, {rank}). Received: {at}")
    first = np.shape(values[0])
    for v in values[1:]:
        dims = np.shape(v)
        if len(dims) != rank or any(a != b for i, (a, b) in enumerate(zip(first, dims)) if i != at % rank):
            raise refusal(
                f"Dimensions of inputs should match except along axis {at}. "
                f"Received: {list(first)} and {list(dims)}",
            )
    return xp.concatenate(values, at)


@declare(
    "ConcatV2(values: N*T, axis: Tidx) -> output: T",
    N=count(minimum=2),
    T=ALL,
    Tidx=dtype(INDEX, default=int32),
    static=("axis",),
)
class ConcatV2:
    """`values` one after the other along `axis`."""

    def shape(values, axis):
        return concatenated(values, axis)

    def kernel(xp, values, axis):
        return _concatenate(xp, values, axis)

    def bind(dims, values, attrs):
        if values[-1] is None or not all(fully_defined(d) for d in dims[:-1]):
            return None
        at = int(values[-1].reshape(-1)[0])
        return lambda *inputs: np.concatenate(inputs[:-1], at)

    def grad(op, dy):
        values, axis = op.args()
        return *_concat_grad(values, axis, dy), None


@declare(
    "Concat(concat_dim: int32, values: N*T) -> output: T", N=count(minimum=2), T=ALL, static=("concat_dim",)
)
class Concat:
    """`values` one after the other along `concat_dim`; the older form of ConcatV2."""

    def shape(concat_dim, values):
        return concatenated(values, concat_dim)

    def kernel(xp, concat_dim, values):
        return _concatenate(xp, values, concat_dim)

    def grad(op, dy):
        axis, values = op.args()
        return None, *_concat_grad(values, axis, dy)


def _concat_grad(values: Any, axis: Tensor, dy: Tensor) -> list[Tensor]:
    """Each input's part of the gradient, cut out at its offset."""
    rank = rank_tensor(values[0])
    if axis.op.body is not None and axis.op.body.tag == "Switch":
        dy.graph.count(1)  # TensorFlow 1.15 repeats a branch's constant
    at = raw.FloorMod(
        axis if axis.dtype.base_dtype is int32 else raw.Cast(axis, DstT=int32), rank, name="mod"
    )
    if len(values) == 1 or any(not shapes.fully_defined(v.dims) for v in values):
        sizes = raw.ShapeN(list(values), name="ShapeN")
        if len(values) > 1:  # 1.15 takes shape after shape up to the first that is not known
            known = [shapes.fully_defined(v.dims) for v in values]
            dy.graph.count(known.index(False) + 1)
    else:
        sizes = [shape_tensor(v) for v in values]
    offsets = raw.ConcatOffset(at, sizes)
    return [raw.Slice(dy, begin, size) for begin, size in zip(offsets, sizes, strict=True)]


@declare("ConcatOffset(concat_dim: int32, shape: N*int32) -> offset: N*int32", N=count(minimum=2),
         static=("concat_dim", "shape"))  # fmt: skip
class ConcatOffset:
    """Where each of the concatenated tensors begins in the result."""

    def shape(concat_dim, shape):
        return [known.dims for known in shape]

    def kernel(xp, concat_dim, shape):
        at = int(concat_dim)
        offsets, start = [], 0
        for dims in shape:
            offset = np.zeros(len(dims), np.int32)
            offset[at] = start
            start += int(dims[at])
            offsets.append(offset)
        return offsets

    grad = NOT_DIFFERENTIABLE


def _vector_of_strings(*inputs: Any) -> np.ndarray:
    out = np.empty(len(inputs), object)
    for i, value in enumerate(inputs):
        out[i] = value if type(value) is bytes else value[()]
    return out


@declare("Pack(values: N*T) -> output: T", N=count(minimum=1), T=ALL, axis=integer(default=0))
class Pack:
    """`values`, all of one shape, along a new dimension `axis`."""

    def shape(values, axis):
        dims = values[0]
        for other in values[1:]:
            dims = shapes.merge(dims, other)
        if dims is None:
            return None
        at = axis_in(axis, len(dims) + 1)
        return (*dims[:at], len(values), *dims[at:])

    def kernel(xp, values, axis):
        if len({np.shape(v) for v in values}) > 1:
            raise refusal(
                f"Shapes of all inputs must match. "
                f"Received: {', '.join(str(list(np.shape(v))) for v in values)}",
            )
        if not -len(np.shape(values[0])) - 1 <= axis <= len(np.shape(values[0])):
            raise refusal(f"axis is out of range. Received: {axis}")
        return xp.packed(values, axis)

    def bind(dims, values, attrs):
        if attrs["T"].is_quantized or not all(fully_defined(d) for d in dims):
            return None
        if attrs["T"] is string:
            return _vector_of_strings if dims[0] == () else None
        if dims[0] == ():
            kind = attrs["T"].np_dtype
            return lambda *inputs: np.array(inputs, kind)
        at = axis_in(attrs["axis"], len(dims[0]) + 1)
        widened = (*dims[0][:at], 1, *dims[0][at:])
        return lambda *inputs: np.concatenate([x.reshape(widened) for x in inputs], at)

    def grad(op, dy):
        return raw.Unpack(dy, num=op.attrs["N"], axis=op.attrs["axis"], name="unstack")


@declare(
    "Unpack(value: T) -> output: num*T", T=ALL, num=integer(minimum=0), axis=integer(default=0), alias=True
)
class Unpack:
    """The `num` parts of `value` along `axis`, without that dimension."""

    def shape(value, num, axis):
        if value is None:
            return [None] * num
        at = axis_in(axis, len(value))
        if value[at] not in (num, None):
            raise ValueError(f"Dimension {at} must be {num}. Received: {value[at]}")
        return [(*value[:at], *value[at + 1 :])] * num

    def kernel(xp, value, num, axis):
        dims = np.shape(value)
        if not -len(dims) <= axis < len(dims):
            raise refusal(f"axis is out of range for shape {list(dims)}. Received: {axis}")
        if dims[axis] != num:
            raise refusal(f"Input shape axis {axis} must equal {num}. Received: {list(dims)}")
        before = (slice(None),) * (axis % len(dims))
        return [value[(*before, i, Ellipsis)] for i in range(num)]

    def grad(op, *dys):
        return raw.Pack(list(dys), axis=op.attrs["axis"], name="stack")


@declare("ParallelConcat(values: N*T) -> output: T", N=count(minimum=1), T=ALL, shape=attrs.shape())
class ParallelConcat:
    """`values`, each of length 1 in the first dimension, one after the other."""

    def shape(values, shape):
        if shape is None or len(shape) == 0:
            raise ValueError(f"shape must have at least one dimension. Received: {format_dims(shape)}")
        for dims in values:
            shapes.merge(dims, (1, *shape[1:]))
        return shape

    def kernel(xp, values, shape):
        return xp.concatenate(values, 0)

    grad = NOT_DIFFERENTIABLE


def _split_axis(dim: Any, rank: int) -> int:
    axis = int(dim.reshape(-1)[0])
    if not -rank <= axis < rank:
        raise refusal(f"split_dim must be in [{-rank}, {rank}). Received: {axis}")
    return axis % rank


def _one_axis(split_dim: np.ndarray) -> int:
    if split_dim.size != 1:
        raise ValueError(f"split_dim must be one axis. Received: {split_dim.tolist()}")
    return int(split_dim.reshape(-1)[0])


@declare(
    "Split(split_dim: int32, value: T) -> output: num_split*T",
    T=ALL,
    num_split=integer(minimum=1),
    static=("split_dim",),
    alias=True,
)
class Split:
    """`num_split` equal parts of `value` along `split_dim`."""

    def shape(split_dim, value, num_split):
        if value is None:
            return [None] * num_split
        if split_dim.value is None:
            return [(None,) * len(value)] * num_split
        axis = axis_in(_one_axis(split_dim.value), len(value), "split_dim")
        length = value[axis]
        if length is not None and length % num_split:
            raise ValueError(f"dimension {axis} must be evenly divisible by {num_split}. Received: {length}")
        return [
            (*value[:axis], None if length is None else length // num_split, *value[axis + 1 :])
        ] * num_split

    def kernel(xp, split_dim, value, num_split):
        dims = np.shape(value)
        axis = _split_axis(split_dim, len(dims))
        if dims[axis] % num_split:
            raise refusal(
                f"Number of ways to split should evenly divide the split dimension. "
                f"Received: {num_split} ways of {dims[axis]}",
            )
        step = dims[axis] // num_split
        before = (slice(None),) * axis
        return [value[(*before, slice(i * step, (i + 1) * step))] for i in range(num_split)]

    def grad(op, *dys):
        return None, raw.ConcatV2(list(dys), op.inputs[0], name="concat") if len(dys) > 1 else raw.Identity(
            dys[0]
        )


@declare("SplitV(value: T, size_splits: Tlen, split_dim: int32) -> output: num_split*T", T=ALL,
         Tlen=dtype(INDEX, default=int64), num_split=integer(minimum=1), static=("size_splits", "split_dim"),
         alias=True)  # fmt: skip
class SplitV:
    """Parts of `value` of the lengths `size_splits` along `split_dim`; one length may be -1."""

    def shape(value, size_splits, split_dim, num_split):
        if value is None:
            return [None] * num_split
        if split_dim.value is None:
            return [(None,) * len(value)] * num_split
        axis = axis_in(_one_axis(split_dim.value), len(value), "split_dim")
        before, after = value[:axis], value[axis + 1 :]
        if size_splits.value is None:
            if num_split == 1:
                return [value]
            return [(*before, None, *after)] * num_split
        sizes = size_splits.value.reshape(-1).tolist()
        if len(sizes) != num_split:
            raise ValueError(f"size_splits must have {num_split} elements. Received: {sizes}")
        whole = value[axis]
        known = sum(n for n in sizes if n >= 0)
        if sizes.count(-1) > 1:
            raise ValueError(f"size_splits can only have one -1. Received: {sizes}")
        if whole is not None and (known > whole if -1 in sizes else known != whole):
            raise ValueError(
                f"size_splits must sum to dimension {axis} of value, which is {whole}. Received: {sizes}"
            )
        rest = None if whole is None else whole - known
        return [(*before, rest if n == -1 else n, *after) for n in sizes]

    def kernel(xp, value, size_splits, split_dim, num_split):
        dims = np.shape(value)
        axis = _split_axis(split_dim, len(dims))
        sizes = size_splits.reshape(-1).tolist()
        known = sum(n for n in sizes if n != -1)
        if sizes.count(-1) == 1 and known <= dims[axis]:
            sizes = [dims[axis] - known if n == -1 else n for n in sizes]
        if len(sizes) != num_split or sum(sizes) != dims[axis] or min(sizes, default=0) < 0:
            raise refusal(
                f"size_splits must be {num_split} lengths that sum to {dims[axis]}. "
                f"Received: {size_splits.tolist()}",
            )
        before = (slice(None),) * axis
        ends = np.cumsum([0, *sizes]).tolist()
        return [value[(*before, slice(ends[i], ends[i + 1]))] for i in range(num_split)]

    def grad(op, *dys):
        joined = (
            raw.ConcatV2(list(dys), op.inputs[2], name="concat") if len(dys) > 1 else raw.Identity(dys[0])
        )
        return joined, None, None


@public("concat")
@overridable
def concat(values: Any, axis: Any, name: str = "concat") -> Tensor:
    """Joins tensors along one dimension.

    Args:
      values: a list of tensors of one dtype and rank, equal in all dimensions but `axis`.
      axis: int scalar, the dimension that grows.
      name: op name.

    Raises:
      ValueError: the shapes do not fit, or the values are scalars.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.concat([[[1, 2]], [[3, 4]]], axis=0)))
      [[1 2]
       [3 4]]
    """
    if not isinstance(values, list | tuple):
        values = [values]
    if len(values) == 1:
        with get_default_graph().name_scope(name):
            axis = to_tensor(axis, int32, "concat_dim")
            shapes.merge(axis.dims, ())
            return raw.Identity(values[0], name=name)
    return apply(ConcatV2, values, axis, name=name)


@public("stack")
@overridable
def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """Joins tensors of one shape along a new dimension.

    Args:
      values: a list of tensors of one dtype and shape `[...]` of rank n.
      axis: where the new dimension stands, in [-n - 1, n].
      name: op name.

    Returns:
      The shape of the values with `len(values)` inserted at `axis`.

    Raises:
      ValueError: the shapes differ, or `axis` is out of range.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.stack([[1, 2], [3, 4]], axis=1)))
      [[1 3]
       [2 4]]
    """
    if axis == 0:
        try:
            return to_tensor(values, name=name)
        except (TypeError, ValueError):
            pass  # apply says what does not fit
    if isinstance(values, dict | set):
        raise TypeError(f"stack: values must be a list of tensors. Received: {values!r}")
    first = to_tensor(values[0])
    if first.dims is not None and not -len(first.dims) - 1 <= axis <= len(first.dims):
        rank = len(first.dims) + 1
        raise ValueError(f"stack: axis must be in [{-rank}, {rank}). Received: {axis}")
    return apply(Pack, values, axis=axis, name=name)


@public("unstack")
def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> list[Tensor]:
    """The parts of `value` along one dimension, without that dimension.

    Args:
      value: `[...]` of rank n >= 1.
      num: how many parts; default: the static length of the dimension.
      axis: the dimension, in [-n, n).
      name: op name.

    Returns:
      A list of `num` tensors.

    Raises:
      ValueError: the length is unknown and `num` is not given, or `axis` is out of range.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.unstack([[1, 2], [3, 4]])))
      [array([1, 2], dtype=int32), array([3, 4], dtype=int32)]
    """
    if num is None:
        value = to_tensor(value)
        if value.dims is not None:
            if not -len(value.dims) <= axis < len(value.dims):
                raise ValueError(
                    f"unstack: axis must be in [{-len(value.dims)}, {len(value.dims)}). Received: {axis}"
                )
            num = value.dims[axis]
    if num is None:
        raise ValueError(f"unstack: num cannot be inferred and must be given. Received: shape {value.shape}")
    return apply(Unpack, value, num=num, axis=axis, name=name)


@public("split")
def split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split"
) -> list[Tensor]:
    """The parts of `value` along one dimension.

    Args:
      value: `[...]`.
      num_or_size_splits: an int, the number of equal parts; or an int vector, the length of each part.
      axis: the dimension, a scalar.
      num: how many parts there are, where the length of the vector is unknown.
      name: op name.

    Returns:
      A list of tensors.

    Raises:
      ValueError: the parts do not fill the dimension, or their number is unknown.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.split([1, 2, 3, 4, 5], [2, 3])))
      [array([1, 2], dtype=int32), array([3, 4, 5], dtype=int32)]
    """
    if isinstance(num_or_size_splits, int | np.integer | shapes.Dimension):
        to_tensor(int(num_or_size_splits))  # nobody takes it, but TensorFlow adds and counts it
        return apply(Split, axis, value, num_split=int(num_or_size_splits), name=name)
    sizes = to_tensor(num_or_size_splits)
    if sizes.dims == ():
        raise ValueError(
            f"split: num_or_size_splits must be an int or a vector. Received: scalar tensor {sizes}"
        )
    if num is None:
        num = None if sizes.dims is None else sizes.dims[0]
        if num is None:
            raise ValueError(
                f"split: num cannot be inferred and must be given. Received: sizes of shape {sizes.shape}"
            )
    return apply(SplitV, value, sizes, axis, num_split=num, name=name)


@public("parallel_stack")
def parallel_stack(values: Any, name: str = "parallel_stack") -> Tensor:
    """Joins tensors of one fully known shape along a new first dimension; has no gradient.

    Args:
      values: a list of tensors of one dtype and shape `[...]`.
      name: op name.

    Raises:
      TypeError: `values` is not a list.
      ValueError: it is empty, or the shapes differ or are not fully known.
    """
    if not isinstance(values, list | tuple | np.ndarray):
        raise TypeError(f"parallel_stack: values must be a list of tensors. Received: {values!r}")
    if not len(values):
        raise ValueError(f"parallel_stack: values must hold at least one tensor. Received: {values!r}")
    with get_default_graph().name_scope(name):
        first = to_tensor(values[0])
        if not shapes.fully_defined(first.dims):
            raise ValueError(f"parallel_stack: the shape must be fully known. Received: {first.shape}")
        rows = [raw.ExpandDims(v, 0) for v in [first, *values[1:]]]
        return apply(ParallelConcat, rows, shape=(len(rows), *first.dims))  # pyright: ignore[reportOptionalIterable]
