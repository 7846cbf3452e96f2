"""Random numbers as functions of a seed that is an input: the same seed, the same numbers."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.dtypes import FLOATING, INDEX, REAL
from millrace.core.public import public
from millrace.graph.attrs import Attr
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.random.choice import categories
from millrace.opkit.random.fixed import normal, uniform, uniform_int
from millrace.opkit.random.philox import stateless_state
from millrace.opkit.random.rejection import truncated_normal
from millrace.opkit.random.rules import check_range, dims_of, drawn, invalid, sampled, seed_pair, shape_input

_SEED = Attr("type", dtypes.int64, INDEX)
_SHAPE = Attr("type", dtypes.int32, INDEX)
_TYPES = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)


@declare("StatelessRandomUniform(shape: T, seed: Tseed) -> output: dtype", static=("shape",),
    dtype=dtype_attr(FLOATING, dtypes.float32), T=_SHAPE, Tseed=_SEED)  # fmt: skip
class StatelessRandomUniform:
    """Uniform numbers in [0, 1)."""

    def shape(shape, seed):
        seed_pair(seed)
        return drawn(shape)

    def kernel(xp, shape, seed, dtype):
        dims, count = dims_of(shape, "StatelessRandomUniform")
        return uniform(xp, stateless_state(xp, seed), count, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare("StatelessRandomNormal(shape: T, seed: Tseed) -> output: dtype", static=("shape",),
    dtype=dtype_attr(FLOATING, dtypes.float32), T=_SHAPE, Tseed=_SEED)  # fmt: skip
class StatelessRandomNormal:
    """Normal numbers of mean 0 and deviation 1."""

    def shape(shape, seed):
        seed_pair(seed)
        return drawn(shape)

    def kernel(xp, shape, seed, dtype):
        dims, count = dims_of(shape, "StatelessRandomNormal")
        return normal(xp, stateless_state(xp, seed), count, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare("StatelessTruncatedNormal(shape: T, seed: Tseed) -> output: dtype", static=("shape",),
    dtype=dtype_attr(FLOATING, dtypes.float32), T=_SHAPE, Tseed=_SEED)  # fmt: skip
class StatelessTruncatedNormal:
    """Normal numbers of mean 0 and deviation 1, those of magnitude 2 and more left out."""

    def shape(shape, seed):
        seed_pair(seed)
        return drawn(shape)

    def kernel(xp, shape, seed, dtype):
        dims, count = dims_of(shape, "StatelessTruncatedNormal")
        return truncated_normal(xp, stateless_state(xp, seed), count, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare("StatelessRandomUniformInt(shape: T, seed: Tseed, minval: dtype, maxval: dtype) -> output: dtype",
    static=("shape",), dtype=INDEX, T=INDEX, Tseed=_SEED)  # fmt: skip
class StatelessRandomUniformInt:
    """Uniform integers in [minval, maxval)."""

    def shape(shape, seed, minval, maxval):
        seed_pair(seed)
        return drawn(shape)

    def kernel(xp, shape, seed, minval, maxval):
        dims, count = dims_of(shape, "StatelessRandomUniformInt")
        if count:
            check_range(xp, minval, maxval, "StatelessRandomUniformInt")
        return uniform_int(xp, stateless_state(xp, seed), count, minval, maxval).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare("StatelessMultinomial(logits: T, num_samples: int32, seed: Tseed) -> output: output_dtype",
    static=("num_samples",), T=REAL, Tseed=_SEED, output_dtype=dtype_attr(INDEX, dtypes.int64))  # fmt: skip
class StatelessMultinomial:
    """Category numbers, drawn for each row of `logits` with probabilities softmax(logits)."""

    def shape(logits, num_samples, seed):
        seed_pair(seed)
        return sampled(logits, num_samples)

    def kernel(xp, logits, num_samples, seed, output_dtype):
        samples = int(num_samples)
        if samples < 0 or logits.shape[1] == 0:
            raise invalid(
                "StatelessMultinomial: 'num_samples' must not be negative and num_classes must be positive. "
                f"Received: num_samples {samples}, logits of shape {list(logits.shape)}"
            )
        return categories(xp, stateless_state(xp, seed), logits, samples).astype(output_dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@public("random.stateless_uniform", "contrib.stateless.stateless_random_uniform")
def stateless_random_uniform(
    shape: Any,
    seed: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Draws uniform numbers in [minval, maxval) that follow from `seed` alone.

    Args:
      shape: int32 or int64 vector: the output's shape.
      seed: int32 or int64 `[2]`.
      minval: scalar, or for floating types what broadcasts with the output; the lower end.
      maxval: as `minval`; the upper end, excluded. Default 1 for floating types; integers need it.
      dtype: a floating type, int32 or int64.
      name: default "stateless_random_uniform".

    Returns:
      `shape`, of `dtype`.

    Raises:
      ValueError: another dtype, or an integer one without `maxval`.
    """
    chosen = dtypes.as_dtype(dtype)
    if chosen not in _TYPES:
        raise ValueError(
            f"stateless_uniform: dtype must be a floating type, int32 or int64. Received: {chosen.name}"
        )
    if maxval is None:
        if chosen.is_integer:
            raise ValueError(
                f"stateless_uniform: integer dtypes need maxval. Received: None, dtype {chosen.name}"
            )
        maxval = 1
    with name_scope(name, "stateless_random_uniform", [shape, seed, minval, maxval]) as scope:
        shape = shape_input(shape)
        minval = convert_to_tensor(minval, chosen, "min")
        maxval = convert_to_tensor(maxval, chosen, "max")
        if chosen.is_integer:
            return apply(StatelessRandomUniformInt, shape, seed, minval, maxval, name=scope)
        numbers = apply(StatelessRandomUniform, shape, seed, dtype=chosen)
        return raw.Add(numbers * (maxval - minval), minval, name=scope)


@public("random.stateless_normal", "contrib.stateless.stateless_random_normal")
def stateless_random_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Draws normal numbers that follow from `seed` alone.

    Args:
      shape: int32 or int64 vector: the output's shape.
      seed: int32 or int64 `[2]`.
      mean: broadcasts with the output.
      stddev: broadcasts with the output.
      dtype: a floating type.
      name: default "stateless_random_normal".

    Returns:
      `shape`, of `dtype`.
    """
    return _scaled(StatelessRandomNormal, "stateless_random_normal", shape, seed, mean, stddev, dtype, name)


@public("random.stateless_truncated_normal", "contrib.stateless.stateless_truncated_normal")
def stateless_truncated_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Draws normal numbers less than two deviations from the mean that follow from `seed` alone.

    Args:
      shape: int32 or int64 vector: the output's shape.
      seed: int32 or int64 `[2]`.
      mean: broadcasts with the output.
      stddev: broadcasts with the output; before truncation.
      dtype: a floating type.
      name: default "stateless_truncated_normal".

    Returns:
      `shape`, of `dtype`.
    """
    return _scaled(
        StatelessTruncatedNormal, "stateless_truncated_normal", shape, seed, mean, stddev, dtype, name
    )


def _scaled(
    opdef, default: str, shape: Any, seed: Any, mean: Any, stddev: Any, dtype: Any, name: str | None
) -> Tensor:
    dtype = dtypes.as_dtype(dtype)
    with name_scope(name, default, [shape, seed, mean, stddev]) as scope:
        shape = shape_input(shape)
        mean = convert_to_tensor(mean, dtype, "mean")
        stddev = convert_to_tensor(stddev, dtype, "stddev")
        numbers = apply(opdef, shape, seed, dtype=dtype)
        return raw.Add(numbers * stddev, mean, name=scope)


@public("random.stateless_multinomial", "contrib.stateless.stateless_multinomial")
def stateless_multinomial(
    logits: Any, num_samples: Any, seed: Any, output_dtype: Any = dtypes.int64, name: str | None = None
) -> Tensor:
    """Draws category numbers that follow from `seed` alone; the older name of `stateless_categorical`.

    Args:
      logits: `[batch, classes]`, unnormalised log-probabilities.
      num_samples: int32 scalar: draws for each row.
      seed: int32 or int64 `[2]`.
      output_dtype: int32 or int64.
      name: default "stateless_multinomial".

    Returns:
      `[batch, num_samples]`.
    """
    with name_scope(name, "stateless_multinomial", [logits, seed]):
        return _multinomial(logits, num_samples, seed, output_dtype)


@public("random.stateless_categorical")
def stateless_categorical(
    logits: Any, num_samples: Any, seed: Any, dtype: Any = dtypes.int64, name: str | None = None
) -> Tensor:
    """Draws category numbers with probabilities softmax(logits) that follow from `seed` alone.

    Args:
      logits: `[batch, classes]`, unnormalised log-probabilities.
      num_samples: int32 scalar: draws for each row.
      seed: int32 or int64 `[2]`.
      dtype: int32 or int64.
      name: default "stateless_categorical".

    Returns:
      `[batch, num_samples]`.
    """
    with name_scope(name, "stateless_categorical", [logits, seed]):
        return _multinomial(logits, num_samples, seed, dtype)


def _multinomial(logits: Any, num_samples: Any, seed: Any, dtype: Any) -> Tensor:
    logits = convert_to_tensor(logits, name="logits")
    return apply(StatelessMultinomial, logits, num_samples, seed, output_dtype=dtypes.as_dtype(dtype))
