"""Tensors made from a rule: one value everywhere, ranges, evenly spaced numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.building.dispatch import elementwise
from millrace.core import dtypes
from millrace.core.dtypes import ALL, BOOL, COMPLEX, INDEX, bfloat16, float32, float64, int32, int64
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims, fully_defined
from millrace.graph.attrs import dtype, flag
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import all_axes, filled, shape_tensor


def _whole_dims(dims: Any) -> tuple[int, ...]:
    sizes = tuple(dims.tolist())
    if any(n < 0 for n in sizes):
        raise refusal(f"Dimensions must be >= 0. Received: {list(sizes)}")
    return sizes


@declare(
    "Fill(dims: index_type, value: T) -> output: T",
    T=ALL,
    index_type=dtype(INDEX, default=int32),
    static=("dims",),
)
class Fill:
    """A tensor of shape `dims` whose elements are all `value`."""

    def shape(dims, value):
        if value not in (None, ()):
            raise ValueError(f"value must be a scalar. Received: shape {format_dims(value)}")
        if dims.dims is not None and len(dims.dims) != 1:
            raise ValueError(f"dims must be a vector. Received: shape {format_dims(dims.dims)}")
        if dims.value is not None and (dims.value < 0).any():
            raise ValueError(f"Dimensions must be >= 0. Received: {dims.value.tolist()}")
        return dims.as_dims()

    def kernel(xp, dims, value):
        return xp.filled(_whole_dims(dims), value)

    def bind(dims, values, attrs):
        size, value = values
        if size is None or value is None or np.asarray(value).dtype.kind in "OV":
            return None
        full, target = np.full, _whole_dims(size)
        return lambda dims, value: full(target, value)

    def grad(op, dy):
        return None, raw.Sum(dy, all_axes(dy))


@declare("ZerosLike(x: T) -> y: T", T=ALL)
class ZerosLike:
    """Zeros (empty strings, False) in the shape of `x`."""

    def shape(x):
        return x

    def kernel(xp, x):
        return xp.zeros_of(x)

    grad = NOT_DIFFERENTIABLE


_ONES = BOOL | COMPLEX | dtypes.FLOATING | dtypes.SIGNED | frozenset({dtypes.uint8, dtypes.uint16})


@declare("OnesLike(x: T) -> y: T", T=_ONES)
class OnesLike:
    """Ones (True) in the shape of `x`."""

    def shape(x):
        return x

    def kernel(xp, x):
        return xp.ones_like(x)

    grad = NOT_DIFFERENTIABLE


@declare("Empty(shape: int32) -> output: dtype", dtype=dtype(), init=flag(False), static=("shape",))
class Empty:
    """A tensor of `shape`; its elements are zero (empty strings), whatever `init` says."""

    def shape(shape):
        return shape.as_dims()

    def kernel(xp, shape, dtype):
        zero = np.array(b"" if dtype is dtypes.string else 0, dtype.np_dtype)
        return xp.filled(_whole_dims(shape), zero)

    grad = NOT_DIFFERENTIABLE


_COUNTED = frozenset({bfloat16, float32, float64, int32, int64})


def _range_size(start: Any, limit: Any, delta: Any) -> int:
    """How many numbers there are from `start` to before `limit`, in the arithmetic of their dtype.

    Raises:
      ValueError: `delta` is zero or leads away from `limit`.
    """
    if delta == 0:
        raise ValueError("delta must not be zero. Received: delta 0")
    if (start > limit) if delta > 0 else (start < limit):
        order = "start <= limit when delta > 0" if delta > 0 else "start >= limit when delta < 0"
        raise ValueError(f"Requires {order}. Received: start {start}, limit {limit}, delta {delta}")
    if start.dtype.kind == "i":
        return -((int(start) - int(limit)) // int(delta))
    return math.ceil(abs(float((limit - start) / delta)))


@declare("Range(start: Tidx, limit: Tidx, delta: Tidx) -> output: Tidx", Tidx=dtype(_COUNTED, default=int32),
         static=("start", "limit", "delta"))  # fmt: skip
class Range:
    """`start`, `start + delta`, ... up to but without `limit`."""

    def shape(start, limit, delta):
        for known in (start, limit, delta):
            if known.dims not in (None, ()):
                raise ValueError(
                    f"start, limit and delta must be scalars. Received: shape {format_dims(known.dims)}"
                )
        values = [known.value for known in (start, limit, delta)]
        return (None,) if any(v is None for v in values) else (_range_size(*values),)

    def kernel(xp, start, limit, delta):
        start, limit, delta = (np.asarray(v) for v in (start, limit, delta))
        try:
            size = _range_size(start, limit, delta)
        except ValueError as error:
            raise refusal(str(error)) from None
        if start.dtype.kind == "i":
            return np.arange(int(start), int(start) + size * int(delta), int(delta), start.dtype)  # pyright: ignore[reportCallIssue]
        # TensorFlow adds delta again and again; so do we, to get the same roundings.
        steps = np.full(size, delta, start.dtype)
        steps[:1] = start
        return np.add.accumulate(steps, dtype=start.dtype)

    grad = NOT_DIFFERENTIABLE


@declare("LinSpace(start: T, stop: T, num: Tidx) -> output: T", T=frozenset({bfloat16, float32, float64}),
         Tidx=dtype(INDEX, default=int32), static=("num",))  # fmt: skip
class LinSpace:
    """`num` evenly spaced numbers from `start` to `stop`, both included."""

    def shape(start, stop, num):
        for dims in (start, stop, num.dims):
            if dims not in (None, ()):
                raise ValueError(f"start, stop and num must be scalars. Received: shape {format_dims(dims)}")
        if num.value is None:
            return (None,)
        if num.value <= 0:
            raise ValueError(f"Requires num > 0. Received: {int(num.value)}")
        return (int(num.value),)

    def kernel(xp, start, stop, num):
        n = int(num)
        if n <= 0:
            raise refusal(f"Requires num > 0. Received: {n}")
        if n == 1:
            return xp.reshape(start + xp.zeros((), start.dtype), (1,))
        step = (stop - start) / xp.asarray(n - 1, start.dtype)
        spaced = start + step * xp.arange(n - 1).astype(start.dtype)
        return xp.concatenate([spaced, xp.reshape(stop, (1,))])

    grad = NOT_DIFFERENTIABLE


@public("fill")
def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of shape `dims` whose elements are all `value`.

    Args:
      dims: `[n]`, int32 or int64.
      value: scalar of any dtype.
      name: op name; default "Fill".

    Raises:
      ValueError: `value` is not a scalar.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.fill([2, 2], 7)))
      [[7 7]
       [7 7]]
    """
    return apply(Fill, dims, value, name=name)


def _filled_like(tensor: Tensor, value: Any, chosen: dtypes.DType, optimize: bool, scope: str) -> Tensor:
    shape = shape_tensor(tensor) if optimize else raw.Shape(tensor)
    if chosen is dtypes.string:
        value = b"" if value == 0 else b"1"
    scalar = raw.Const(value=np.array(value, chosen.np_dtype), dtype=chosen, name="Const")
    result = apply(Fill, shape, scalar, name=scope)
    result.set_shape(tensor.dims)
    return result


@public("zeros_like")
@elementwise("unary")
def zeros_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Zeros (empty strings, False) in the shape of `tensor`.

    Args:
      tensor: `[...]`.
      dtype: the dtype; default that of `tensor`.
      name: op name; default "zeros_like".
      optimize: take the shape as a constant where it is known.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.zeros_like([[1, 2], [3, 4]])))
      [[0 0]
       [0 0]]
    """
    with get_default_graph().name_scope(name or "zeros_like") as scope:
        tensor = to_tensor(tensor, name="tensor")
        chosen = tensor.dtype.base_dtype if dtype is None else dtypes.as_dtype(dtype).base_dtype
        dims = tensor.dims
        if optimize and fully_defined(dims):
            zero: Any = False if chosen.is_bool else b"" if chosen is dtypes.string else 0
            return filled(dims, zero, chosen, scope)  # type: ignore[arg-type]
        if chosen is tensor.dtype.base_dtype:
            return apply(ZerosLike, tensor, name=scope)
        return _filled_like(tensor, 0, chosen, optimize, scope)


@public("ones_like")
@elementwise("unary")
def ones_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """Ones (True) in the shape of `tensor`; arguments as for `zeros_like`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.ones_like([[1, 2], [3, 4]])))
      [[1 1]
       [1 1]]
    """
    with get_default_graph().name_scope(name or "ones_like") as scope:
        tensor = to_tensor(tensor, name="tensor")
        chosen = tensor.dtype.base_dtype if dtype is None else dtypes.as_dtype(dtype).base_dtype
        return _filled_like(tensor, 1, chosen, optimize, scope)


@public("range")
def range_(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Tensor:
    """`start`, `start + delta`, ... up to but without `limit`; with one argument, from 0 to before it.

    Args:
      start: scalar; with `limit` None it is the limit.
      limit: scalar.
      delta: scalar, may be negative.
      dtype: the dtype; default the widest among the arguments.
      name: op name.

    Raises:
      TypeError: an argument is not a number.
      ValueError: `delta` is zero or leads away from `limit`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.range(2, 10, 3)))
      [2 5 8]
    """
    if limit is None:
        start, limit = 0, start
    with get_default_graph().name_scope(name or "Range") as scope:
        chosen = None if dtype is None else dtypes.as_dtype(dtype)
        names = ("start", "limit", "delta")
        ends = [to_tensor(v, chosen, n) for v, n in zip((start, limit, delta), names, strict=True)]
        if chosen is None:
            widths = [int32, int64, float32, float64]
            for end in ends:
                if end.dtype.base_dtype not in widths:
                    raise TypeError(
                        f"range: start, limit and delta must be int or float. Received: {end.dtype.name}"
                    )
            chosen = max((end.dtype.base_dtype for end in ends), key=widths.index)
            ends = [e if e.dtype.base_dtype is chosen else raw.Cast(e, DstT=chosen) for e in ends]
        return apply(Range, *ends, name=scope)


@public("lin_space", "linspace")
def lin_space(start: Any, stop: Any, num: Any, name: str | None = None) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`, both included.

    Args:
      start: float scalar.
      stop: float scalar of the same dtype.
      num: int scalar, at least 1.
      name: op name; default "LinSpace".

    Returns:
      `[num]`.

    Raises:
      ValueError: `num` is known to be less than 1.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.linspace(0.0, 1.0, 5)))
      [0.   0.25 0.5  0.75 1.  ]
    """
    return apply(LinSpace, start, stop, num, name=name)
