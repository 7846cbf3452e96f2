"""Initializers: functions from a shape to the first value of a variable."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import eye
from millrace.ops.array.constant import constant, ones, zeros
from millrace.ops.array.reshape import matrix_transpose
from millrace.ops.random.draws import random_normal, random_uniform, truncated_normal

# The deviation of a normal distribution of deviation 1 cut off at 2.
_TRUNCATED_DEVIATION = 0.87962566103423978


@public("keras.initializers.Initializer", "python.ops.init_ops.Initializer")
class Initializer:
    """A function `(shape, dtype=None, partition_info=None) -> tensor` with settings that can be saved."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """The first value.

        Args:
          shape: the value's shape.
          dtype: default the initializer's own.
          partition_info: where a part lies in its whole (`full_shape`, `var_offset`), or None.
        """
        raise TypeError(f"{type(self).__name__} is not a complete initializer: it does not define __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The initializer that `get_config` describes."""
        return cls(
            **{
                k: v
                for k, v in config.items()
                if k != "dtype" or "dtype" in cls.__init__.__code__.co_varnames
            }
        )


def _floating(dtype: Any) -> dtypes.DType:
    found = dtypes.as_dtype(dtype)
    if not found.is_floating:
        raise ValueError(f"Expected floating point type. Received: {found}")
    return found


def _known(shape: Any) -> Any:
    """`shape`, which must be known unless it is, or holds, a tensor.

    Raises:
      ValueError: lengths are missing.
    """
    if isinstance(shape, list | tuple) and any(isinstance(size, Tensor) for size in shape):
        return shape
    if not isinstance(shape, Tensor) and not shapes.fully_defined(dims := shapes.as_dims(shape)):
        raise ValueError(f"an initializer needs a fully defined shape. Received: {shapes.format_dims(dims)}")
    return shape


@public(
    "zeros_initializer",
    "initializers.zeros",
    "keras.initializers.Zeros",
    "keras.initializers.zeros",
    "python.ops.init_ops.zeros_initializer",
)
class Zeros(Initializer):
    """Zeros (False, empty strings).

    Example:
      >>> w = tf.get_variable("w", [2], initializer=tf.zeros_initializer())
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(w))
      [0. 0.]
    """

    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = dtypes.as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """Zeros of `shape`."""
        chosen = self.dtype if dtype is None else dtypes.as_dtype(dtype)
        return zeros(_known(shape), chosen.base_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"dtype": self.dtype.name}


@public(
    "ones_initializer",
    "initializers.ones",
    "keras.initializers.Ones",
    "keras.initializers.ones",
    "python.ops.init_ops.ones_initializer",
)
class Ones(Initializer):
    """Ones (True)."""

    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = dtypes.as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """Ones of `shape`."""
        return ones(_known(shape), (self.dtype if dtype is None else dtypes.as_dtype(dtype)).base_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"dtype": self.dtype.name}


@public(
    "constant_initializer",
    "initializers.constant",
    "keras.initializers.Constant",
    "keras.initializers.constant",
    "python.ops.init_ops.constant_initializer",
)
class Constant(Initializer):
    """A given value: a scalar for all elements, or a list or array whose last element is repeated.

    Args:
      value: the value.
      dtype: used where the call does not say.
      verify_shape: refuse a value whose own shape is not the shape asked for.

    Example:
      >>> w = tf.get_variable("w", [2, 2], initializer=tf.constant_initializer(3.0))
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(w))
      [[3. 3.]
       [3. 3.]]
    """

    def __init__(self, value: Any = 0, dtype: Any = dtypes.float32, verify_shape: bool = False) -> None:
        if not (np.isscalar(value) or isinstance(value, list | tuple | np.ndarray)):
            raise TypeError(
                "Constant: the value must be a Python scalar, list or tuple of values, or an array. "
                f"Received: {type(value).__name__}"
            )
        self.value = value
        self.dtype = dtypes.as_dtype(dtype)
        self._verify_shape = verify_shape

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: Any = None, verify_shape: bool | None = None
    ) -> Tensor:
        """The value in `shape`."""
        chosen = self.dtype if dtype is None else dtypes.as_dtype(dtype)
        verify = self._verify_shape if verify_shape is None else verify_shape
        if isinstance(shape, Tensor):
            return raw.Fill(shape, constant(self.value, chosen, []))
        return constant(self.value, chosen, shape, verify_shape=verify)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"value": self.value, "dtype": self.dtype.name}


@public(
    "random_uniform_initializer",
    "initializers.random_uniform",
    "python.ops.init_ops.random_uniform_initializer",
)
class RandomUniform(Initializer):
    """Uniform numbers in [minval, maxval).

    Args:
      minval, maxval: scalars; `maxval` is 1 for floating types where it is not given.
      seed: the operation's seed, see `tf.set_random_seed`.
      dtype: used where the call does not say.
    """

    def __init__(
        self, minval: Any = 0, maxval: Any = None, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        self.minval, self.maxval, self.seed, self.dtype = minval, maxval, seed, dtypes.as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """Numbers of `shape`."""
        chosen = self.dtype if dtype is None else dtype
        return random_uniform(shape, self.minval, self.maxval, chosen, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed, "dtype": self.dtype.name}


@public(
    "random_normal_initializer", "initializers.random_normal", "python.ops.init_ops.random_normal_initializer"
)
class RandomNormal(Initializer):
    """Normal numbers.

    Args:
      mean, stddev: scalars.
      seed: the operation's seed, see `tf.set_random_seed`.
      dtype: used where the call does not say; floating.

    Example:
      >>> w = tf.get_variable("w", [2], initializer=tf.random_normal_initializer(stddev=0.1, seed=1))
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(w).round(3))
      [-0.081  0.148]
    """

    def __init__(
        self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        self.mean, self.stddev, self.seed, self.dtype = mean, stddev, seed, _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """Numbers of `shape`."""
        chosen = self.dtype if dtype is None else dtype
        return random_normal(shape, self.mean, self.stddev, chosen, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed, "dtype": self.dtype.name}


@public(
    "truncated_normal_initializer",
    "initializers.truncated_normal",
    "python.ops.init_ops.truncated_normal_initializer",
)
class TruncatedNormal(RandomNormal):
    """Normal numbers less than two deviations from the mean; arguments as for `random_normal_initializer`.

    Example:
      >>> w = tf.get_variable("w", [2], initializer=tf.truncated_normal_initializer(stddev=0.1, seed=1))
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     print(sess.run(w).round(3))
      [-0.081  0.148]
    """

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """Numbers of `shape`."""
        chosen = self.dtype if dtype is None else dtype
        return truncated_normal(shape, self.mean, self.stddev, chosen, seed=self.seed)


def _whole(shape: Any, partition_info: Any) -> list[int]:
    return [int(d) for d in (shape if partition_info is None else partition_info.full_shape)]


@public(
    "uniform_unit_scaling_initializer",
    "initializers.uniform_unit_scaling",
    "python.ops.init_ops.uniform_unit_scaling_initializer",
)
class UniformUnitScaling(Initializer):
    """Uniform numbers in ±factor·sqrt(3 / n), n the number of inputs: a linear layer keeps the scale.

    Args:
      factor: multiplies the range.
      seed: the operation's seed, see `tf.set_random_seed`.
      dtype: used where the call does not say; floating.
    """

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        self.factor, self.seed, self.dtype = factor, seed, _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """Numbers of `shape`."""
        chosen = self.dtype if dtype is None else dtype
        size = max(float(math.prod(_whole(shape, partition_info)[:-1])), 1.0)
        limit = math.sqrt(3 / size) * self.factor
        return random_uniform(shape, -limit, limit, chosen, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"factor": self.factor, "seed": self.seed, "dtype": self.dtype.name}


@public("python.ops.init_ops._compute_fans")
def fans(shape: list[int]) -> tuple[int, int]:
    """How many inputs and outputs a unit of a weight tensor of this shape has."""
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


@public(
    "variance_scaling_initializer",
    "initializers.variance_scaling",
    "keras.initializers.VarianceScaling",
    "python.ops.init_ops.variance_scaling_initializer",
)
class VarianceScaling(Initializer):
    """Numbers whose variance is scale / n, where n counts inputs, outputs or their mean.

    Args:
      scale: positive.
      mode: "fan_in", "fan_out" or "fan_avg".
      distribution: "normal" or "truncated_normal" (the same), "untruncated_normal" or "uniform".
      seed: the operation's seed, see `tf.set_random_seed`.
      dtype: used where the call does not say; floating.

    Raises:
      ValueError: an argument is not one of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: Any = dtypes.float32,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"VarianceScaling: `scale` must be a positive float. Received: {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"VarianceScaling: invalid `mode` argument. Received: {mode!r}")
        distribution = distribution.lower()
        if distribution not in ("normal", "uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(f"VarianceScaling: invalid `distribution` argument. Received: {distribution!r}")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.seed, self.dtype = seed, _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """Numbers of `shape`."""
        chosen = self.dtype if dtype is None else dtype
        fan_in, fan_out = fans(_whole(shape, partition_info))
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        scale = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * scale)
            return random_uniform(shape, -limit, limit, chosen, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random_normal(shape, 0.0, math.sqrt(scale), chosen, seed=self.seed)
        return truncated_normal(shape, 0.0, math.sqrt(scale) / _TRUNCATED_DEVIATION, chosen, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "seed": self.seed,
            "dtype": self.dtype.name,
        }


@public(
    "glorot_uniform_initializer",
    "initializers.glorot_uniform",
    "keras.initializers.glorot_uniform",
    "python.ops.init_ops.glorot_uniform_initializer",
)
class GlorotUniform(VarianceScaling):
    """Uniform numbers of variance 2 / (inputs + outputs), after Glorot and Bengio."""

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"seed": self.seed, "dtype": self.dtype.name}


@public(
    "glorot_normal_initializer",
    "initializers.glorot_normal",
    "keras.initializers.glorot_normal",
    "python.ops.init_ops.glorot_normal_initializer",
)
class GlorotNormal(VarianceScaling):
    """Truncated normal numbers of variance 2 / (inputs + outputs), after Glorot and Bengio."""

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"seed": self.seed, "dtype": self.dtype.name}


@public("initializers.lecun_normal", "keras.initializers.lecun_normal")
def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal numbers of variance 1 / inputs, after LeCun."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


@public("initializers.lecun_uniform", "keras.initializers.lecun_uniform")
def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform numbers of variance 1 / inputs, after LeCun."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


@public("initializers.he_normal", "keras.initializers.he_normal")
def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal numbers of variance 2 / inputs, after He et al."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


@public("initializers.he_uniform", "keras.initializers.he_uniform")
def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform numbers of variance 2 / inputs, after He et al."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


@public(
    "orthogonal_initializer",
    "initializers.orthogonal",
    "keras.initializers.Orthogonal",
    "keras.initializers.orthogonal",
    "python.ops.init_ops.orthogonal_initializer",
)
class Orthogonal(Initializer):
    """Orthogonal rows or columns, whichever are fewer, of the tensor seen as a matrix.

    Args:
      gain: multiplies the result.
      seed: the operation's seed, see `tf.set_random_seed`.
      dtype: used where the call does not say; floating.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        self.gain, self.seed, self.dtype = gain, seed, _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """Numbers of `shape`, which has at least two dimensions."""
        chosen = self.dtype if dtype is None else dtype
        dims = [int(d) for d in shape]
        if len(dims) < 2:
            raise ValueError(
                f"The tensor to initialize must be at least two-dimensional. Received: shape {dims}"
            )
        rows, cols = math.prod(dims[:-1]), dims[-1]
        numbers = random_normal([max(rows, cols), min(rows, cols)], dtype=chosen, seed=self.seed)
        q, r = raw.Qr(numbers, full_matrices=False)
        q = q * raw.Sign(raw.DiagPart(r))
        if rows < cols:
            q = matrix_transpose(q)
        return self.gain * raw.Reshape(q, dims)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"gain": self.gain, "seed": self.seed, "dtype": self.dtype.name}


@public("initializers.identity", "keras.initializers.Identity", "keras.initializers.identity")
class Identity(Initializer):
    """The identity matrix.

    Args:
      gain: multiplies it.
      dtype: used where the call does not say; floating.
    """

    def __init__(self, gain: float = 1.0, dtype: Any = dtypes.float32) -> None:
        self.gain, self.dtype = gain, _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """The matrix of `shape`, or the part of it that `partition_info` describes."""
        whole = _whole(shape, partition_info)
        if len(whole) != 2:
            raise ValueError(
                f"Identity matrix initializer can only be used for 2D matrices. Received: shape {whole}"
            )
        chosen = self.dtype if dtype is None else dtypes.as_dtype(dtype)
        rows, columns = whole
        matrix = eye(rows, None if rows == columns else columns, dtype=chosen)
        if partition_info is not None:
            matrix = raw.Slice(matrix, list(partition_info.var_offset), [int(d) for d in shape])
        return self.gain * matrix

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {"gain": self.gain, "dtype": self.dtype.name}
