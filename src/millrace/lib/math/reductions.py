"""The public reductions: which axes they mean, and the ones that are made of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.dispatch import overridable
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.shape import rank as rank_of


def renamed(new: Any, old: Any, new_name: str, old_name: str) -> Any:
    """The value of an argument that may come under its old name.

    Raises:
      ValueError: both are given.
    """
    if old is None:
        return new
    if new is not None:
        raise ValueError(f"Cannot specify both '{old_name}' and '{new_name}'. Received: {old!r} and {new!r}")
    return old


def axes_of(x: Any, axis: Any) -> Any:
    """What a reduction takes as its second input: `axis`, or all axes of `x`."""
    if axis is not None:
        return axis
    rank = None
    if isinstance(x, Tensor):
        rank = None if x.dims is None else len(x.dims)
    if rank is not None:
        return raw.Const(value=np.arange(rank, dtype=np.int32), dtype=dtypes.int32)
    return raw.Range(0, rank_of(x), 1, name="range")


def _kept(keepdims: Any, keep_dims: Any) -> bool:
    """Whether reduced axes are kept, from the argument under its present and its old name."""
    chosen = renamed(keepdims, keep_dims, "keepdims", "keep_dims")
    if chosen is not None and not isinstance(chosen, bool):
        raise TypeError(f"keepdims must be a bool. Received: {chosen!r}")
    return bool(chosen)


def _reduce(
    op_type: str, x: Any, axis: Any, keepdims: Any, name: str | None, reduction_indices: Any, keep_dims: Any
) -> Tensor:
    axis = renamed(axis, reduction_indices, "axis", "reduction_indices")
    keepdims = _kept(keepdims, keep_dims)
    result = getattr(raw, op_type)(x, axes_of(x, axis), keep_dims=keepdims, name=name)
    if axis is None and not keepdims:
        result.set_shape(())  # true even where the rank, and so the axes, are known only when run
    return result


@public("reduce_sum", "math.reduce_sum")
@overridable
def reduce_sum(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The sum over axes.

    Args:
      input_tensor: `[...]`, numeric.
      axis: an axis, or a list of them, negative ones counted from the end; all where None.
      keepdims: keep the reduced axes with length 1.
      name: op name; default "Sum".
      reduction_indices: the old name of `axis`.
      keep_dims: the old name of `keepdims`.

    Returns:
      The shape without the axes, or with length 1 there; dtype of `input_tensor`.

    Raises:
      ValueError: an axis is out of range, or an argument is given under both names.

    Example:
      >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.reduce_sum(x, axis=1, keepdims=True)))
      [[3.]
       [7.]]
    """
    return _reduce("Sum", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


@public("reduce_mean", "math.reduce_mean")
@overridable
def reduce_mean(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The mean over axes; of integers, rounded towards zero. NaN where there is nothing.

    Arguments, result and errors are those of `reduce_sum`.

    Example:
      >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run([tf.reduce_mean(x), tf.reduce_mean(x, axis=0)]))
      [np.float32(2.5), array([2., 3.], dtype=float32)]
    """
    return _reduce("Mean", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


@public("reduce_prod", "math.reduce_prod")
@overridable
def reduce_prod(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The product over axes.

    Arguments, result and errors are those of `reduce_sum`.

    Example:
      >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.reduce_prod(x, axis=0)))
      [3. 8.]
    """
    return _reduce("Prod", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


@public("reduce_max", "math.reduce_max")
@overridable
def reduce_max(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The largest element over axes; NaN where one is NaN.

    Arguments, result and errors are those of `reduce_sum`, for real numbers.

    Example:
      >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.reduce_max(x, axis=0)))
      [3. 4.]
    """
    return _reduce("Max", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


@public("reduce_min", "math.reduce_min")
@overridable
def reduce_min(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The smallest element over axes; NaN where one is NaN.

    Arguments, result and errors are those of `reduce_sum`, for real numbers.

    Example:
      >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.reduce_min(x, axis=1)))
      [1. 3.]
    """
    return _reduce("Min", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


@public("reduce_all", "math.reduce_all")
@overridable
def reduce_all(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """True where all elements over axes are true.

    Arguments, result and errors are those of `reduce_sum`, for bools.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.reduce_all([[True, False], [True, True]], axis=1)))
      [False  True]
    """
    return _reduce("All", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


@public("reduce_any", "math.reduce_any")
@overridable
def reduce_any(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """True where any element over axes is true.

    Arguments, result and errors are those of `reduce_sum`, for bools.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.reduce_any([[False, False], [True, False]], axis=1)))
      [False  True]
    """
    return _reduce("Any", input_tensor, axis, keepdims, name, reduction_indices, keep_dims)


@public("math.reduce_euclidean_norm")
def reduce_euclidean_norm(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The root of the sum of squares over axes; arguments, result and errors as for `reduce_sum`."""
    return _reduce("EuclideanNorm", input_tensor, axis, keepdims, name, None, None)


@public("reduce_logsumexp", "math.reduce_logsumexp")
def reduce_logsumexp(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """log(sum(exp(input_tensor))) over axes, without overflow or underflow.

    Arguments, result and errors are those of `reduce_sum`, for floating numbers.
    """
    axis = renamed(axis, reduction_indices, "axis", "reduction_indices")
    keepdims = _kept(keepdims, keep_dims)
    x = convert_to_tensor(input_tensor)
    with name_scope(name, "ReduceLogSumExp", [x]):
        largest = raw.Max(x, axes_of(x, axis), keep_dims=True)
        # An infinite largest element must not turn into inf - inf.
        finite = raw.Select(raw.IsFinite(largest), largest, zeros_like(largest))
        shift = raw.StopGradient(finite)
        total = raw.Log(_reduce("Sum", raw.Exp(raw.Sub(x, shift)), axis, keepdims, None, None, None))
        return raw.Add(total, shift if keepdims else raw.Reshape(shift, shape_tensor(total)))


@public("math.reduce_variance")
def reduce_variance(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The mean squared distance from the mean over axes.

    Arguments and errors are those of `reduce_sum`, for floating or complex numbers; the variance is real.
    """
    with name_scope(name, "reduce_variance", [input_tensor]):
        x = convert_to_tensor(input_tensor)
        distance = x - _reduce("Mean", x, axis, True, None, None, None)
        if x.dtype.is_complex:
            modulus = raw.ComplexAbs(distance, Tout=x.dtype.base_dtype.real_dtype)
            return _reduce("Mean", raw.Square(modulus), axis, keepdims, None, None, None)
        return _reduce("Mean", raw.Square(distance), axis, keepdims, None, None, None)


@public("math.reduce_std")
def reduce_std(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The root of `reduce_variance`, with its arguments and result."""
    with name_scope(name, "reduce_std", [input_tensor]):
        return raw.Sqrt(reduce_variance(input_tensor, axis, keepdims))


@public("count_nonzero", "math.count_nonzero")
def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Tensor:
    """The number of elements over axes that are not zero, not False, not the empty string.

    Args:
      input_tensor: `[...]`, numeric, bool or string.
      axis: an axis, or a list of them; all where None.
      keepdims: keep the reduced axes with length 1.
      dtype: the dtype of the result.
      name: a scope; default "count_nonzero".
      reduction_indices: the old name of `axis`.
      keep_dims: the old name of `keepdims`.
      input: another name of `input_tensor`.

    Returns:
      The shape without the axes, or with length 1 there; dtype `dtype`.

    Raises:
      ValueError: an axis is out of range, or an argument is given under both names.
    """
    axis = renamed(axis, reduction_indices, "axis", "reduction_indices")
    keepdims = _kept(keepdims, keep_dims)
    source = renamed(input_tensor, input, "input_tensor", "input")
    with name_scope(name, "count_nonzero", [source]):
        x = convert_to_tensor(source, name="input")
        base = x.dtype.base_dtype
        nothing = b"" if base is dtypes.string else False if base.is_bool else 0
        zero = raw.Const(value=np.asarray(nothing, base.np_dtype), dtype=base, name="zeros")
        different = raw.Cast(raw.NotEqual(x, zero), DstT=dtypes.int64)
        total = _reduce("Sum", different, axis, keepdims, None, None, None)
        wanted = dtypes.as_dtype(dtype)
        return total if wanted is dtypes.int64 else raw.Cast(total, DstT=wanted)
