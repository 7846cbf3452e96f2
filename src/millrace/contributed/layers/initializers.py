"""`tf.contrib.layers`' initializers: functions from a shape to numbers that keep a layer's scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables.initializers import fans
from millrace.ops.random.draws import random_uniform, truncated_normal

_MODES = ("FAN_IN", "FAN_OUT", "FAN_AVG")

# A normal distribution cut off at two deviations has 0.774 of its variance, about 1 / 1.3.
_CUT_OFF = 1.3


@public(
    "contrib.layers.variance_scaling_initializer",
    "contrib.slim.variance_scaling_initializer",
    "contrib.slim.initializers.variance_scaling_initializer",
    "contrib.layers.python.layers.initializers.variance_scaling_initializer",
)
def variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: Any = dtypes.float32,
) -> Callable[..., Tensor]:
    """An initializer of numbers whose variance is factor / n, where n counts inputs, outputs or their mean.

    Args:
      factor: the default suits layers followed by relu, after He et al.
      mode: "FAN_IN", "FAN_OUT" or "FAN_AVG".
      uniform: draw from a uniform distribution instead of a truncated normal one.
      seed: the operation's seed, see `tf.set_random_seed`.
      dtype: used where the call does not say; floating.

    Returns:
      A function `(shape, dtype, partition_info=None) -> tensor`.

    Raises:
      TypeError: the dtype is not floating, or the mode is none of the three.
    """
    if not dtypes.as_dtype(dtype).is_floating:
        raise TypeError(f"variance_scaling_initializer: the dtype must be floating. Received: {dtype}")
    if mode not in _MODES:
        raise TypeError(f"variance_scaling_initializer: mode must be one of {_MODES}. Received: {mode!r}")

    def initializer(shape: Any, dtype: Any = dtype, partition_info: Any = None) -> Tensor:
        if not dtypes.as_dtype(dtype).is_floating:
            raise TypeError(f"variance_scaling_initializer: the dtype must be floating. Received: {dtype}")
        whole = shape if partition_info is None else partition_info.full_shape
        fan_in, fan_out = fans([int(d) for d in whole])
        count = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2.0}[mode]
        if uniform:
            limit = math.sqrt(3.0 * factor / count)
            return random_uniform(shape, -limit, limit, dtype, seed=seed)
        return truncated_normal(shape, 0.0, math.sqrt(_CUT_OFF * factor / count), dtype, seed=seed)

    return initializer


@public(
    "contrib.layers.xavier_initializer",
    "contrib.layers.xavier_initializer_conv2d",
    "contrib.slim.xavier_initializer",
    "contrib.slim.xavier_initializer_conv2d",
    "contrib.slim.initializers.xavier_initializer",
    "contrib.slim.initializers.xavier_initializer_conv2d",
    "contrib.layers.python.layers.initializers.xavier_initializer",
)
def xavier_initializer(
    uniform: bool = True, seed: int | None = None, dtype: Any = dtypes.float32
) -> Callable[..., Tensor]:
    """An initializer of numbers of variance 2 / (inputs + outputs), after Glorot and Bengio.

    Args:
      uniform: draw from a uniform distribution; False: from a truncated normal one.
      seed: the operation's seed, see `tf.set_random_seed`.
      dtype: used where the call does not say; floating.

    Returns:
      A function `(shape, dtype, partition_info=None) -> tensor`.
    """
    return variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)
