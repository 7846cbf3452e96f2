"""Random tensors and variables."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.nn.functions import dropout as dropped
from millrace.lib.variables import initializers
from millrace.models.keras.backend.arrays import variable
from millrace.ops.array.constant import ones, zeros
from millrace.ops.math.select import where
from millrace.ops.random import draws as random


def _seed(seed: int | None) -> int:
    """The seed, or one from NumPy's generator."""
    return int(np.random.randint(10_000_000)) if seed is None else seed


def _dtype(dtype: Any) -> dtypes.DType:
    return dtypes.as_dtype(dtype or settings.floatx())


@public("keras.backend.random_normal")
def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Normal numbers, new ones in each run."""
    return random.random_normal(shape, mean=mean, stddev=stddev, dtype=_dtype(dtype), seed=_seed(seed))


@public("keras.backend.random_uniform")
def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Uniform numbers in [minval, maxval), new ones in each run."""
    return random.random_uniform(shape, minval=minval, maxval=maxval, dtype=_dtype(dtype), seed=_seed(seed))


@public("keras.backend.random_binomial")
def random_binomial(shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Any:
    """1 with probability `p`, else 0, new ones in each run."""
    chosen = _dtype(dtype)
    drawn = random.random_uniform(shape, dtype=chosen, seed=_seed(seed))
    return where(drawn <= p, ones(shape, dtype=chosen), zeros(shape, dtype=chosen))


@public("keras.backend.truncated_normal")
def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Normal numbers less than two deviations from the mean, new ones in each run."""
    return random.truncated_normal(shape, mean, stddev, dtype=_dtype(dtype), seed=_seed(seed))


@public("keras.backend.random_uniform_variable")
def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Any:
    """A variable whose first value is uniform in [low, high)."""
    chosen = _dtype(dtype)
    maker = initializers.RandomUniform(low, high, dtype=chosen, seed=_variable_seed(seed))
    return variable(maker(shape), dtype=chosen, name=name)


@public("keras.backend.random_normal_variable")
def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Any:
    """A variable whose first value is normal with this mean and deviation."""
    chosen = _dtype(dtype)
    maker = initializers.RandomNormal(mean, scale, dtype=chosen, seed=_variable_seed(seed))
    return variable(maker(shape), dtype=chosen, name=name)


def _variable_seed(seed: int | None) -> int:
    return int(np.random.randint(1_000_000_000)) if seed is None else seed


@public("keras.backend.dropout")
def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """`x` with elements set to zero with probability `level` and the others scaled up."""
    return dropped(x, rate=level, noise_shape=noise_shape, seed=_seed(seed))
