"""Normalization by given moments and by those of a batch, and moving averages."""

from __future__ import annotations

from typing import Any

from millrace.core import shapes
from millrace.core.public import public
from millrace.lib.nn.moments import batch_normalization as normalized
from millrace.lib.nn.moments import fused_batch_norm, moments
from millrace.lib.variables.moving_averages import assign_moving_average
from millrace.models.keras.backend import arrays
from millrace.ops.array.concat import stack
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of


@public("keras.backend.moving_average_update")
def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """Moves a variable towards `value`, keeping `momentum` of it; run the result."""
    return assign_moving_average(x, value, momentum, zero_debias=True)


@public("keras.backend.batch_normalization")
def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """`gamma * (x - mean) / sqrt(var + epsilon) + beta`.

    Args:
      x: `[...]`.
      mean, var, beta, gamma: one number for each channel, or of a shape that broadcasts with `x`; `beta` and
        `gamma` may be None.
      axis: the channels' axis.
      epsilon: added to the variance.
    """
    rank = arrays.ndim(x)
    if rank == 4 and axis in (1, 3, -1):
        layout = "NCHW" if axis == 1 else "NHWC"
        flat = [v if v is None or arrays.ndim(v) <= 1 else reshape(v, [-1]) for v in (mean, var, beta, gamma)]
        beta = arrays.zeros_like(flat[0]) if flat[2] is None else flat[2]
        gamma = arrays.ones_like(flat[0]) if flat[3] is None else flat[3]
        return fused_batch_norm(x, gamma, beta, flat[0], flat[1], epsilon, layout, is_training=False)[0]
    return normalized(x, mean, var, beta, gamma, epsilon)


@public("keras.backend.normalize_batch_in_training")
def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-3
) -> Any:
    """x normalized with its own mean and variance over `reduction_axes`; those two follow in the result."""
    rank = arrays.ndim(x)
    axes = list(reduction_axes)
    if rank == 4 and axes in ([0, 1, 2], [0, 2, 3]):
        layout = "NHWC" if axes == [0, 1, 2] else "NCHW"
        channels = (shapes.as_dims(x.get_shape()) or ())[3 if layout == "NHWC" else 1]
        gamma = arrays.constant(1.0, dtype=x.dtype, shape=[channels]) if gamma is None else gamma
        beta = arrays.constant(0.0, dtype=x.dtype, shape=[channels]) if beta is None else beta
        return tuple(fused_batch_norm(x, gamma, beta, epsilon=epsilon, data_format=layout))
    mean, var = moments(x, axes, None, None, False)
    if sorted(axes) == list(range(rank))[:-1]:
        return normalized(x, mean, var, beta, gamma, epsilon), mean, var
    sizes = stack([1 if a in axes else shape_of(x)[a] for a in range(rank)])
    spread = [None if v is None else reshape(v, sizes) for v in (mean, var, beta, gamma)]
    return normalized(x, spread[0], spread[1], spread[2], spread[3], epsilon), mean, var
