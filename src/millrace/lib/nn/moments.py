"""Means and variances, and normalising with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import bfloat16, float16, float32, int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_mean, reduce_sum, renamed
from millrace.ops.array.fill import zeros_like

_HALVES = (float16, bfloat16)


def _kept(keepdims: bool | None, keep_dims: bool | None) -> bool:
    return bool(renamed(keepdims, keep_dims, "keepdims", "keep_dims"))


@public("nn.moments")
def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and the (uncorrected) variance over `axes`.

    Args:
      x: `[...]`, floating; half precision is averaged in float32.
      axes: a list of axes.
      shift: ignored; the true mean is used.
      name: scope; default "moments".
      keep_dims, keepdims: keep the averaged axes with length 1.

    Returns:
      (mean, variance), `x` without `axes`, the dtype of `x`.

    Example:
      >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.moments(x, axes=[0])))
      (array([2., 3.], dtype=float32), array([1., 1.], dtype=float32))
    """
    keep = _kept(keepdims, keep_dims)
    with name_scope(name, "moments", [x, axes]):
        x = to_tensor(x, name="x")
        dtype = x.dtype.base_dtype
        y = raw.Cast(x, DstT=float32) if dtype in _HALVES else x
        mean = reduce_mean(y, axes, keepdims=True, name="mean")
        squares = raw.SquaredDifference(y, raw.StopGradient(mean))
        variance = reduce_mean(squares, axes, keepdims=True, name="variance")
        if not keep:
            over = _axis_list(axes)
            mean, variance = raw.Squeeze(mean, squeeze_dims=over), raw.Squeeze(variance, squeeze_dims=over)
        if dtype in _HALVES:
            return raw.Cast(mean, DstT=dtype), raw.Cast(variance, DstT=dtype)
        return mean, variance


def _axis_list(axes: Any) -> list[int]:
    if isinstance(axes, Tensor):
        from millrace.building.static import static_value

        value = static_value(axes)
        if value is None:
            raise ValueError(f"moments: the axes must be known while building. Received: {axes}")
        axes = value
    return [] if axes is None else [int(a) for a in np.asarray(axes).reshape(-1)]


@public("nn.weighted_moments")
def weighted_moments(
    x: Any,
    axes: Any,
    frequency_weights: Any,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and variance over `axes` in which every element counts as often as its weight says.

    Args:
      x: `[...]`, floating.
      axes: a list of axes.
      frequency_weights: broadcasts with `x`; not negative.
      name: scope; default "weighted_moments".
      keep_dims, keepdims: keep the averaged axes with length 1.

    Returns:
      (mean, variance), `x` without `axes`, the dtype of `x`.
    """
    keep = _kept(keepdims, keep_dims)
    with name_scope(name, "weighted_moments", [x, frequency_weights, axes]):
        x = to_tensor(x, name="x")
        weights = to_tensor(frequency_weights, name="frequency_weights")
        dtype = x.dtype.base_dtype
        if dtype in _HALVES:
            x = raw.Cast(x, DstT=float32)
        wide = x.dtype.base_dtype
        if weights.dtype.base_dtype is not wide:
            weights = raw.Cast(weights, DstT=wide)
        total = reduce_sum(weights * x, axes, keepdims=True, name="weighted_input_sum")
        # The weights are summed in the shape of x, so that a broadcast weight counts for every element.
        spread = weights + zeros_like(x)
        inverse = raw.Reciprocal(
            reduce_sum(spread, axes, keepdims=True, name="sum_of_weights"), name="inv_weight_sum"
        )
        mean = raw.Mul(total, inverse)
        squares = weights * raw.SquaredDifference(x, mean)
        variance = raw.Mul(reduce_sum(squares, axes, keepdims=True, name="weighted_distsq"), inverse)
        if not keep:
            over = _axis_list(axes)
            mean, variance = raw.Squeeze(mean, squeeze_dims=over), raw.Squeeze(variance, squeeze_dims=over)
        if dtype in _HALVES:
            return raw.Cast(mean, DstT=dtype), raw.Cast(variance, DstT=dtype)
        return mean, variance


@public("nn.sufficient_statistics")
def sufficient_statistics(
    x: Any,
    axes: Any,
    shift: Any = None,
    keep_dims: bool | None = None,
    name: str | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """What the mean and variance over `axes` can be computed from, also over several batches.

    Args:
      x: `[...]`, floating.
      axes: a list of axes.
      shift: a number close to the mean, subtracted first; None for none.
      keep_dims, keepdims: keep the summed axes with length 1.
      name: scope; default "sufficient_statistics".

    Returns:
      The number of elements (a scalar), the (shifted) sum, the (shifted) sum of squares, the shift or None.

    Raises:
      TypeError: `axes` is a tensor.
      ValueError: `x` has no such axis.
    """
    if isinstance(axes, Tensor):
        raise TypeError(f"sufficient_statistics: axes must be a list of integers. Received: {axes}")
    keep = _kept(keepdims, keep_dims)
    with name_scope(name, "sufficient_statistics", [x, shift] if shift is not None else [x]):
        x = to_tensor(x, name="x")
        dtype = x.dtype.base_dtype
        over = [int(a) for a in np.asarray(axes).reshape(-1)]
        if x.dims is not None and not all(-len(x.dims) <= a < len(x.dims) for a in over):
            raise ValueError(
                f"sufficient_statistics: axes must be axes of x, of shape {x.shape}. Received: {axes!r}"
            )
        if x.dims is not None and all(x.dims[a] is not None for a in over):
            size = int(np.prod([x.dims[a] for a in over], dtype=np.int64))
            count = to_tensor(size, dtype, "Const")
        else:
            if any(a < 0 for a in over):
                rank = raw.Rank(x) if x.dims is None else len(x.dims)
                over = [a + rank if a < 0 else a for a in over]
            sizes = raw.GatherV2(raw.Cast(raw.Shape(x), DstT=dtype), over, 0)
            count = raw.Prod(sizes, to_tensor([0], int32, "Const"), name="count")
        if shift is None:
            sums, squares = x, raw.Square(x)
        else:
            shift = to_tensor(shift, dtype, "shift")
            sums, squares = raw.Sub(x, shift), raw.SquaredDifference(x, shift)
        mean_ss = reduce_sum(sums, axes, keepdims=keep, name="mean_ss")
        return count, mean_ss, reduce_sum(squares, axes, keepdims=keep, name="var_ss"), shift


@public("nn.normalize_moments")
def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean and variance from sufficient statistics.

    Args:
      counts: the number of elements, a scalar.
      mean_ss: `[...]`, the (shifted) sum.
      variance_ss: `[...]`, the (shifted) sum of squares.
      shift: what was subtracted, or None.
      name: scope; default "normalize".

    Returns:
      (mean, variance), `[...]`.
    """
    with name_scope(name, "normalize", [counts, mean_ss, variance_ss, shift]):
        divisor = raw.Reciprocal(counts, name="divisor")
        if shift is not None:
            shifted = raw.Mul(mean_ss, divisor, name="shifted_mean")
            mean = raw.Add(shifted, shift, name="mean")
        else:
            shifted = mean = raw.Mul(mean_ss, divisor, name="mean")
        variance = raw.Sub(raw.Mul(variance_ss, divisor), raw.Square(shifted), name="variance")
        return mean, variance


@public("nn.batch_normalization")
def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: Any, name: str | None = None
) -> Tensor:
    """(x - mean) / sqrt(variance + variance_epsilon) * scale + offset.

    Args:
      x: `[...]`, floating.
      mean, variance: broadcast with `x`.
      offset, scale: broadcast with `x`; None for none.
      variance_epsilon: a small number.
      name: scope; default "batchnorm".

    Returns:
      The shape and dtype of `x`.
    """
    with name_scope(name, "batchnorm", [x, mean, variance, scale, offset]):
        x = to_tensor(x, name="x")
        dtype = x.dtype.base_dtype
        mean, variance = to_tensor(mean, name="mean"), to_tensor(variance, name="variance")
        factor = raw.Rsqrt(variance + variance_epsilon)
        if scale is not None:
            factor = factor * scale
        scaled = x * _narrow(factor, dtype)
        moved = raw.Neg(mean) * factor if offset is None else offset - mean * factor
        return scaled + _narrow(moved, dtype)


def _narrow(x: Tensor, dtype: Any) -> Tensor:
    return x if x.dtype.base_dtype is dtype else raw.Cast(x, DstT=dtype)


@public("nn.batch_norm_with_global_normalization")
def batch_norm_with_global_normalization(
    t: Any = None,
    m: Any = None,
    v: Any = None,
    beta: Any = None,
    gamma: Any = None,
    variance_epsilon: Any = None,
    scale_after_normalization: bool | None = None,
    name: str | None = None,
    input: Any = None,
    mean: Any = None,
    variance: Any = None,
) -> Tensor:
    """`batch_normalization` with the argument order of the first releases.

    Args:
      t, input: `[..., channels]`, floating.
      m, mean: `[channels]`.
      v, variance: `[channels]`.
      beta: `[channels]`, the offset.
      gamma: `[channels]`, the scale.
      variance_epsilon: a small number.
      scale_after_normalization: whether `gamma` is used.
      name: scope; default "batchnorm".

    Returns:
      The shape and dtype of `t`.
    """
    x = renamed(input, t, "input", "t")
    mean, variance = renamed(mean, m, "mean", "m"), renamed(variance, v, "variance", "v")
    scale = gamma if scale_after_normalization else None
    return batch_normalization(x, mean, variance, beta, scale, variance_epsilon, name)


@public("nn.fused_batch_norm")
def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalises each channel over batch and space, then scales and shifts it.

    Args:
      x: `[batch, height, width, channels]` (NHWC) or channels second (NCHW); float16, bfloat16 or float32.
      scale, offset: float32 `[channels]`.
      mean, variance: float32 `[channels]`, to normalise with; only when not training.
      epsilon: added to the variance; at least 1.001e-5 is used.
      data_format: "NHWC" or "NCHW".
      is_training: normalise with the batch's own mean and variance.
      name: op name; default "FusedBatchNormV3".

    Returns:
      (y, batch_mean, batch_variance); the variance is corrected for the size of the batch.

    Raises:
      ValueError: a mean or variance while training.
    """
    x, scale, offset = (
        to_tensor(x, name="input"),
        to_tensor(scale, float32, "scale"),
        to_tensor(offset, float32, "offset"),
    )
    if is_training and (mean is not None or variance is not None):
        raise ValueError(
            "fused_batch_norm: mean and variance must be None while training. Received: one of them"
        )
    if mean is None:
        mean = to_tensor(np.zeros(0, np.float32), name="Const")
    if variance is None:
        variance = to_tensor(np.zeros(0, np.float32), name="Const")
    found = raw.FusedBatchNormV3(
        x,
        scale,
        offset,
        mean,
        variance,
        epsilon=max(epsilon, 1.001e-5),
        data_format=data_format,
        is_training=is_training,
        name=name,
    )
    return found[0], found[1], found[2]


@public("nn.l2_normalize", "math.l2_normalize", "linalg.l2_normalize")
def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Tensor:
    """X / sqrt(max(sum of squares, epsilon)).

    Args:
      x: `[...]`, floating.
      axis: the axis or axes of the sum; default all.
      epsilon: the least sum of squares to divide by.
      name: scope and op name; default "l2_normalize".
      dim: the old name of `axis`.

    Returns:
      The shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.l2_normalize([3.0, 4.0])))
      [0.6 0.8]
    """
    axis = renamed(axis, dim, "axis", "dim")
    with name_scope(name, "l2_normalize", [x]) as scope:
        x = to_tensor(x, name="x")
        total = reduce_sum(raw.Square(x), axis, keepdims=True)
        return raw.Mul(x, raw.Rsqrt(raw.Maximum(total, epsilon)), name=scope)
