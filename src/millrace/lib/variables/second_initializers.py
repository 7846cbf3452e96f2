"""The initializers of `tf.compat.v2`: the call says the dtype, and a seed alone decides the numbers."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import eye
from millrace.lib.variables.initializers import fans
from millrace.ops.array.constant import constant, ones, zeros
from millrace.ops.array.reshape import matrix_transpose
from millrace.ops.random import draws, stateless

_TRUNCATED_DEVIATION = 0.87962566103423978


def _fits(dtype: Any, what: str, fits: bool) -> dtypes.DType:
    found = dtypes.as_dtype(dtype)
    if not fits:
        raise ValueError(f"Expected {what} dtype, got {found}.")
    return found


def _floating(dtype: Any) -> dtypes.DType:
    return _fits(dtype, "floating point", dtypes.as_dtype(dtype).is_floating)


def _plain(dtype: Any) -> dtypes.DType:
    found = dtypes.as_dtype(dtype)
    return _fits(dtype, "numeric or boolean", found is not dtypes.string and found.is_numpy_compatible)


def _uniform(shape: Any, low: Any, high: Any, dtype: Any, seed: Any) -> Tensor:
    if seed is None:
        return draws.random_uniform(shape, low, high, dtype)
    return stateless.stateless_random_uniform(shape, [seed, 0], low, high, dtype)


def _normal(shape: Any, mean: Any, deviation: Any, dtype: Any, seed: Any) -> Tensor:
    if seed is None:
        return draws.random_normal(shape, mean, deviation, dtype)
    return stateless.stateless_random_normal(shape, [seed, 0], mean, deviation, dtype)


def _truncated(shape: Any, mean: Any, deviation: Any, dtype: Any, seed: Any) -> Tensor:
    if seed is None:
        return draws.truncated_normal(shape, mean, deviation, dtype)
    return stateless.stateless_truncated_normal(shape, [seed, 0], mean, deviation, dtype)


def _dims(shape: Any) -> list[int]:
    return [int(d) for d in cast("list[int]", shapes.TensorShape(shape).as_list())]


@public("compat.v2.initializers.Initializer", "python.ops.init_ops_v2.Initializer")
class Initializer:
    """A function `(shape, dtype=None) -> tensor` with settings that can be saved."""

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """The first value.

        Args:
          shape: the value's shape.
          dtype: its dtype; float32 where it is not said.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The initializer that `get_config` describes; a dtype in it is passed over."""
        return cls(**{k: v for k, v in config.items() if k != "dtype"})


@public(
    "compat.v2.initializers.zeros",
    "compat.v2.initializers.Zeros",
    "compat.v2.zeros_initializer",
    "compat.v2.keras.initializers.zeros",
    "compat.v2.keras.initializers.Zeros",
    "python.ops.init_ops_v2.Zeros",
)
class Zeros(Initializer):
    """Zeros of any plain dtype."""

    def __call__(self, shape: Any, dtype: Any = dtypes.float32) -> Tensor:
        """Zeros of `shape`."""
        return zeros(shape, _plain(dtype))


@public(
    "compat.v2.initializers.ones",
    "compat.v2.initializers.Ones",
    "compat.v2.ones_initializer",
    "compat.v2.keras.initializers.ones",
    "compat.v2.keras.initializers.Ones",
    "python.ops.init_ops_v2.Ones",
)
class Ones(Initializer):
    """Ones of any plain dtype."""

    def __call__(self, shape: Any, dtype: Any = dtypes.float32) -> Tensor:
        """Ones of `shape`."""
        return ones(shape, _plain(dtype))


@public(
    "compat.v2.initializers.constant",
    "compat.v2.initializers.Constant",
    "compat.v2.constant_initializer",
    "compat.v2.keras.initializers.constant",
    "compat.v2.keras.initializers.Constant",
    "python.ops.init_ops_v2.Constant",
)
class Constant(Initializer):
    """A number, or an array of the shape that is asked for.

    Args:
      value: the number, list or array.

    Raises:
      TypeError: `value` is something else.
    """

    def __init__(self, value: Any = 0) -> None:
        if not (np.isscalar(value) or isinstance(value, list | tuple | np.ndarray)):
            raise TypeError(
                f"Invalid type for initial value: {type(value)} (expected Python scalar, list or array)"
            )
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """The value in `shape`."""
        return constant(self.value, dtype, shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"value": self.value}


@public(
    "compat.v2.initializers.RandomUniform",
    "compat.v2.random_uniform_initializer",
    "compat.v2.keras.initializers.RandomUniform",
    "python.ops.init_ops_v2.RandomUniform",
)
class RandomUniform(Initializer):
    """Uniform numbers.

    Args:
      minval: the least.
      maxval: above all.
      seed: decides the numbers alone.
    """

    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: int | None = None) -> None:
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32) -> Tensor:
        """Numbers of `shape`."""
        found = dtypes.as_dtype(dtype)
        _fits(dtype, "float or integer", found.is_floating or found.is_integer)
        return _uniform(shape, self.minval, self.maxval, found, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


@public(
    "compat.v2.initializers.RandomNormal",
    "compat.v2.random_normal_initializer",
    "compat.v2.keras.initializers.RandomNormal",
    "python.ops.init_ops_v2.RandomNormal",
)
class RandomNormal(Initializer):
    """Normal numbers.

    Args:
      mean: their mean.
      stddev: their deviation.
      seed: decides the numbers alone.
    """

    _draw = staticmethod(_normal)

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | None = None) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32) -> Tensor:
        """Numbers of `shape`."""
        return type(self)._draw(shape, self.mean, self.stddev, _floating(dtype), self.seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


@public(
    "compat.v2.initializers.TruncatedNormal",
    "compat.v2.keras.initializers.TruncatedNormal",
    "python.ops.init_ops_v2.TruncatedNormal",
)
class TruncatedNormal(RandomNormal):
    """Normal numbers less than two deviations from the mean."""

    _draw = staticmethod(_truncated)


@public(
    "compat.v2.initializers.VarianceScaling",
    "compat.v2.keras.initializers.VarianceScaling",
    "python.ops.init_ops_v2.VarianceScaling",
)
class VarianceScaling(Initializer):
    """Numbers whose variance is scale / n, where n counts inputs, outputs or their mean.

    Args:
      scale: positive.
      mode: "fan_in", "fan_out" or "fan_avg".
      distribution: "truncated_normal", "untruncated_normal" or "uniform".
      seed: decides the numbers alone.

    Raises:
      ValueError: an argument is not one of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"VarianceScaling: `scale` must be a positive float. Received: {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"VarianceScaling: invalid `mode` argument. Received: {mode!r}")
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(f"VarianceScaling: invalid `distribution` argument. Received: {distribution!r}")
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32) -> Tensor:
        """Numbers of `shape`."""
        found = _floating(dtype)
        fan_in, fan_out = fans(_dims(shape))
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        scale = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * scale)
            return _uniform(shape, -limit, limit, found, self.seed)
        if self.distribution == "untruncated_normal":
            return _normal(shape, 0.0, math.sqrt(scale), found, self.seed)
        return _truncated(shape, 0.0, math.sqrt(scale) / _TRUNCATED_DEVIATION, found, self.seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "seed": self.seed,
        }


@public(
    "compat.v2.initializers.glorot_uniform",
    "compat.v2.initializers.GlorotUniform",
    "compat.v2.keras.initializers.glorot_uniform",
    "compat.v2.keras.initializers.GlorotUniform",
    "python.ops.init_ops_v2.GlorotUniform",
)
class GlorotUniform(VarianceScaling):
    """Uniform numbers of variance 2 / (inputs + outputs), after Glorot and Bengio."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"seed": self.seed}


@public(
    "compat.v2.initializers.glorot_normal",
    "compat.v2.initializers.GlorotNormal",
    "compat.v2.keras.initializers.glorot_normal",
    "compat.v2.keras.initializers.GlorotNormal",
    "python.ops.init_ops_v2.GlorotNormal",
)
class GlorotNormal(VarianceScaling):
    """Truncated normal numbers of variance 2 / (inputs + outputs), after Glorot and Bengio."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"seed": self.seed}


@public(
    "compat.v2.initializers.orthogonal",
    "compat.v2.initializers.Orthogonal",
    "compat.v2.keras.initializers.orthogonal",
    "compat.v2.keras.initializers.Orthogonal",
    "python.ops.init_ops_v2.Orthogonal",
)
class Orthogonal(Initializer):
    """Orthogonal rows or columns, whichever are fewer, of the tensor seen as a matrix.

    Args:
      gain: multiplies the result.
      seed: decides the numbers alone.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain, self.seed = gain, seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32) -> Tensor:
        """Numbers of `shape`, which has at least two dimensions."""
        found, dims = _floating(dtype), _dims(shape)
        if len(dims) < 2:
            raise ValueError(
                f"The tensor to initialize must be at least two-dimensional. Received: shape {dims}"
            )
        rows, columns = math.prod(dims[:-1]), dims[-1]
        numbers = _normal([max(rows, columns), min(rows, columns)], 0.0, 1.0, found, self.seed)
        q, r = raw.Qr(numbers, full_matrices=False)
        q = q * raw.Sign(raw.DiagPart(r))
        if rows < columns:
            q = matrix_transpose(q)
        return self.gain * raw.Reshape(q, dims)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"gain": self.gain, "seed": self.seed}


@public(
    "compat.v2.initializers.identity",
    "compat.v2.initializers.Identity",
    "compat.v2.keras.initializers.identity",
    "compat.v2.keras.initializers.Identity",
    "python.ops.init_ops_v2.Identity",
)
class Identity(Initializer):
    """The identity matrix, times `gain`."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = dtypes.float32) -> Tensor:
        """The matrix of `shape`."""
        found, dims = _floating(dtype), _dims(shape)
        if len(dims) != 2:
            raise ValueError(
                f"Identity matrix initializer can only be used for 2D matrices. Received: shape {dims}"
            )
        rows, columns = dims
        return self.gain * eye(rows, None if rows == columns else columns, dtype=found)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"gain": self.gain}


@public(
    "compat.v2.initializers.he_normal",
    "compat.v2.keras.initializers.he_normal",
    "python.ops.init_ops_v2.he_normal",
)
def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal numbers of variance 2 / inputs, after He et al."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


@public(
    "compat.v2.initializers.he_uniform",
    "compat.v2.keras.initializers.he_uniform",
    "python.ops.init_ops_v2.he_uniform",
)
def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform numbers of variance 2 / inputs, after He et al."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


@public(
    "compat.v2.initializers.lecun_normal",
    "compat.v2.keras.initializers.lecun_normal",
    "python.ops.init_ops_v2.lecun_normal",
)
def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal numbers of variance 1 / inputs, after LeCun."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


@public(
    "compat.v2.initializers.lecun_uniform",
    "compat.v2.keras.initializers.lecun_uniform",
    "python.ops.init_ops_v2.lecun_uniform",
)
def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform numbers of variance 1 / inputs, after LeCun."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)
