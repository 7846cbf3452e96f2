"""What shapes say: shape, size and rank of a tensor as tensors, and shapes that broadcast."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.building.dispatch import overridable
from millrace.core import dtypes, shapes
from millrace.core.dtypes import ALL, INDEX, int32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.attrs import count, dtype
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank


def _is_array(kind: dtypes.DType) -> bool:
    """True where values are NumPy's: a scalar string may be `bytes`, and a list of tensors has no shape."""
    return kind.is_numpy_compatible and kind is not dtypes.string


@declare("Shape(input: T) -> output: out_type", T=ALL, out_type=dtype(INDEX, default=int32))
class Shape:
    """The lengths of all dimensions, a vector."""

    def shape(input):
        return (None if input is None else len(input),)

    def kernel(xp, input, out_type):
        return np.array(np.shape(input), out_type.np_dtype)

    def bind(dims, values, attrs):
        kind = attrs["out_type"].np_dtype
        return (lambda x: np.array(x.shape, kind)) if _is_array(attrs["T"]) else None

    grad = NOT_DIFFERENTIABLE


@declare(
    "ShapeN(input: N*T) -> output: N*out_type",
    N=count(minimum=1),
    T=ALL,
    out_type=dtype(INDEX, default=int32),
)
class ShapeN:
    """The shapes of several tensors."""

    def shape(input):
        return [(None if dims is None else len(dims),) for dims in input]

    def kernel(xp, input, out_type):
        return [np.array(np.shape(x), out_type.np_dtype) for x in input]

    grad = NOT_DIFFERENTIABLE


@declare("Size(input: T) -> output: out_type", T=ALL, out_type=dtype(INDEX, default=int32))
class Size:
    """How many elements there are."""

    def shape(input):
        return ()

    def kernel(xp, input, out_type):
        return np.array(math.prod(np.shape(input)), out_type.np_dtype)

    def bind(dims, values, attrs):
        kind = attrs["out_type"].np_dtype
        return (lambda x: np.array(x.size, kind)) if _is_array(attrs["T"]) else None

    grad = NOT_DIFFERENTIABLE


@declare("Rank(input: T) -> output: int32", T=ALL)
class Rank:
    """How many dimensions there are."""

    def shape(input):
        return ()

    def kernel(xp, input):
        return np.array(len(np.shape(input)), np.int32)

    grad = NOT_DIFFERENTIABLE


@declare("EnsureShape(input: T) -> output: T", T=ALL, shape=attrs.shape(), alias=True)
class EnsureShape:
    """`input`; an error where its shape does not fit the attribute."""

    def shape(input, shape):
        return shapes.merge(input, shape)

    def kernel(xp, input, shape):
        if not shapes.compatible(np.shape(input), shape):
            raise refusal(
                f"the shape must fit {shapes.format_dims(shape)}. Received: {list(np.shape(input))}",
            )
        return input

    def grad(op, dy):
        return dy


def _same_int_vectors(s0: Any, s1: Any) -> None:
    for known in (s0, s1):
        with_rank(known.dims, 1, "shape")


def _broadcast_dims(a: Any, b: Any) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(tuple(a.tolist()), tuple(b.tolist()))
    except ValueError:
        raise refusal(f"shapes must be broadcastable. Received: {a.tolist()} and {b.tolist()}") from None


@declare("BroadcastArgs(s0: T, s1: T) -> r0: T", T=dtype(INDEX, default=int32), static=("s0", "s1"))
class BroadcastArgs:
    """The shape that shapes `s0` and `s1` broadcast to."""

    def shape(s0, s1):
        _same_int_vectors(s0, s1)
        lengths = [with_rank(k.dims, 1)[0] for k in (s0, s1)]
        return (None if None in lengths else max(lengths),)

    def kernel(xp, s0, s1):
        return np.array(_broadcast_dims(s0, s1), s0.dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BroadcastGradientArgs(s0: T, s1: T) -> r0: T, r1: T", T=dtype(INDEX, default=int32), static=("s0", "s1")
)
class BroadcastGradientArgs:
    """The dimensions over which a gradient of the broadcast shape is summed for each of two operands."""

    def shape(s0, s1):
        _same_int_vectors(s0, s1)
        return [(None,), (None,)]

    def kernel(xp, s0, s1):
        if np.array_equal(s0, s1):
            return [np.array([], s0.dtype)] * 2  # nothing was broadcast, not even a dimension of length 1
        whole = _broadcast_dims(s0, s1)
        return [_summed(s, whole) for s in (s0, s1)]

    grad = NOT_DIFFERENTIABLE


def _summed(part: Any, whole: tuple[int, ...]) -> np.ndarray:
    """Where `part` has no dimension or one of length 1; in a dimension that is 1 in both, too."""
    missing = len(whole) - len(part)
    axes = [i for i in range(len(whole)) if i < missing or part[i - missing] == 1]
    return np.array(axes, part.dtype)


def _is_sparse(value: Any) -> bool:
    return hasattr(value, "dense_shape") and not isinstance(value, Tensor)


@public("shape")
def shape(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """The shape of `input` as a tensor.

    Args:
      input: `[...]`, or a SparseTensor.
      name: op name; default "Shape".
      out_type: int32 or int64.

    Returns:
      `[rank]`, dtype `out_type`; a constant where the static shape is whole.

    Example:
      >>> x = tf.placeholder(tf.float32, [None, 3])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.shape(x), {x: [[1, 2, 3]]}))
      [1 3]
    """
    return shape_internal(input, name, True, dtypes.as_dtype(out_type))


@public("python.ops.array_ops.shape_internal")
def shape_internal(
    input: Any, name: str | None = None, optimize: bool = True, out_type: Any = int32
) -> Tensor:
    """`shape`, but without `optimize` never a constant."""
    out_type = dtypes.as_dtype(out_type)
    with get_default_graph().name_scope(name or "Shape") as scope:
        if _is_sparse(input):
            return raw.Cast(input.dense_shape, DstT=out_type, name="Cast")
        input = to_tensor(input)
        if optimize and shapes.fully_defined(input.dims):
            return raw.Const(value=np.array(input.dims, out_type.np_dtype), dtype=out_type, name=scope)
        return apply(Shape, input, out_type=out_type, name=scope)


@public("shape_n")
def shape_n(input: Any, out_type: Any = int32, name: str | None = None) -> list[Tensor]:
    """The shapes of all tensors of a list.

    Args:
      input: a list of tensors of one dtype.
      out_type: int32 or int64.
      name: op name; default "ShapeN".
    """
    return apply(ShapeN, input, out_type=dtypes.as_dtype(out_type), name=name)


@public("size")
@overridable
def size(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """The number of elements of `input`, a scalar; arguments as for `shape`."""
    chosen = dtypes.as_dtype(out_type)
    with get_default_graph().name_scope(name or "Size") as scope:
        if _is_sparse(input):
            return raw.Prod(raw.Cast(input.dense_shape, DstT=chosen, name="Cast"), 0, name=scope)
        input = to_tensor(input)
        if shapes.fully_defined(input.dims):
            total = np.array(shapes.num_elements(input.dims), chosen.np_dtype)
            return raw.Const(value=total, dtype=chosen, name=scope)
        return apply(Size, input, out_type=chosen, name=scope)


@public("python.ops.array_ops.size_internal")
def size_internal(
    input: Any, name: str | None = None, optimize: bool = True, out_type: Any = dtypes.int32
) -> Tensor:
    """`tf.size`; what is known statically is folded before it runs, asked for or not."""
    del optimize
    return size(input, name, out_type)


@public("python.ops.array_ops.rank_internal")
def rank_internal(input: Any, name: str | None = None, optimize: bool = True) -> Tensor:
    """`tf.rank`; what is known statically is folded before it runs, asked for or not."""
    del optimize
    return rank(input, name)


@public("rank")
@overridable
def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of dimensions of `input`, an int32 scalar; not the rank of a matrix."""
    with get_default_graph().name_scope(name or "Rank") as scope:
        if _is_sparse(input):
            return apply(Size, input.dense_shape, out_type=int32, name=scope)
        input = to_tensor(input)
        if input.dims is not None:
            return raw.Const(value=np.array(len(input.dims), np.int32), dtype=int32, name=scope)
        return apply(Rank, input, name=scope)


@public("ensure_shape")
def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """`x`, checked when it runs to have a shape that fits `shape`.

    Args:
      x: `[...]`.
      shape: a TensorShape or list, None for unknown dimensions.
      name: op name; default "EnsureShape".

    Raises:
      ValueError: the static shape contradicts `shape` already.
    """
    return apply(EnsureShape, x, shape=shapes.as_dims(shape), name=name)


@public("broadcast_dynamic_shape")
def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The shape that two int vectors broadcast to.

    Args:
      shape_x: `[n]`, int32 or int64.
      shape_y: `[m]`, same dtype.

    Returns:
      `[max(n, m)]`.
    """
    shape_x = to_tensor(shape_x)
    return apply(BroadcastArgs, shape_x, to_tensor(shape_y, shape_x.dtype))


@public("broadcast_static_shape")
def broadcast_static_shape(shape_x: Any, shape_y: Any) -> shapes.TensorShape:
    """The TensorShape that two of them broadcast to.

    Raises:
      ValueError: they do not broadcast.
    """
    return shapes.shape_of(shapes.broadcast(shapes.as_dims(shape_x), shapes.as_dims(shape_y)))
