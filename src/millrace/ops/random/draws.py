"""Random numbers: uniform and normal draws, permutations and categories, from a generator kept by the
session.

An operation's numbers depend on its seeds and on how often the session has run it, and on nothing else:
they are those of TensorFlow 1.15 on a CPU device. See `opkit.philox` for the generator, `opkit.seeds` for
the seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes
from millrace.core.dtypes import ALL, FLOATING, INDEX, REAL
from millrace.core.public import public
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.random import bounded as philox_bounded
from millrace.opkit.random import choice as philox_choice
from millrace.opkit.random.fixed import normal, uniform, uniform_int
from millrace.opkit.random.philox import on_host, reserve, skip
from millrace.opkit.random.rejection import truncated_normal as draw_truncated
from millrace.opkit.random.repeated import repeated
from millrace.opkit.random.rules import check_range, dims_of, drawn, invalid, sampled, shape_input
from millrace.opkit.random.seeds import generator, seed_attrs
from millrace.opkit.rules.idioms import shape_tensor

_PARAMETERS = ("means", "stdevs", "minvals", "maxvals")
_UNIFORM_TYPES = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)


@declare("RandomUniform(shape: T) -> output: dtype", static=("shape",), state=generator,
    seed=integer(0), seed2=integer(0), dtype=dtype_attr(FLOATING), T=INDEX)  # fmt: skip
class RandomUniform:
    """Uniform numbers in [0, 1)."""

    def shape(shape):
        return drawn(shape)

    def kernel(xp, state, shape, dtype):
        dims, count = dims_of(shape, "RandomUniform")
        if on_host(xp) and (again := repeated("uniform", dims, count, dtype.np_dtype)):
            return again.draw(state)
        return uniform(xp, state, count, dtype.np_dtype).reshape(dims), reserve(xp, state, count)

    grad = NOT_DIFFERENTIABLE


@declare("RandomUniformInt(shape: T, minval: Tout, maxval: Tout) -> output: Tout",
    static=("shape",), state=generator, seed=integer(0), seed2=integer(0), Tout=INDEX, T=INDEX)  # fmt: skip
class RandomUniformInt:
    """Uniform integers in [minval, maxval)."""

    def shape(shape, minval, maxval):
        return drawn(shape)

    def kernel(xp, state, shape, minval, maxval):
        dims, count = dims_of(shape, "RandomUniformInt")
        if on_host(xp) and (again := repeated("integers", dims, count, minval.dtype, minval, maxval)):
            return again.draw(state)
        if count:
            check_range(xp, minval, maxval, "RandomUniformInt")
        return uniform_int(xp, state, count, minval, maxval).reshape(dims), reserve(xp, state, count)

    grad = NOT_DIFFERENTIABLE


@declare("RandomStandardNormal(shape: T) -> output: dtype", static=("shape",), state=generator,
    seed=integer(0), seed2=integer(0), dtype=dtype_attr(FLOATING), T=INDEX)  # fmt: skip
class RandomStandardNormal:
    """Normal numbers of mean 0 and deviation 1."""

    def shape(shape):
        return drawn(shape)

    def kernel(xp, state, shape, dtype):
        dims, count = dims_of(shape, "RandomStandardNormal")
        if on_host(xp) and (again := repeated("normal", dims, count, dtype.np_dtype)):
            return again.draw(state)
        return normal(xp, state, count, dtype.np_dtype).reshape(dims), reserve(xp, state, count)

    grad = NOT_DIFFERENTIABLE


@declare("TruncatedNormal(shape: T) -> output: dtype", static=("shape",), state=generator,
    seed=integer(0), seed2=integer(0), dtype=dtype_attr(FLOATING), T=INDEX)  # fmt: skip
class TruncatedNormal:
    """Normal numbers of mean 0 and deviation 1, those of magnitude 2 and more left out."""

    def shape(shape):
        return drawn(shape)

    def kernel(xp, state, shape, dtype):
        dims, count = dims_of(shape, "TruncatedNormal")
        return draw_truncated(xp, state, count, dtype.np_dtype).reshape(dims), reserve(xp, state, count)

    grad = NOT_DIFFERENTIABLE


@declare("ParameterizedTruncatedNormal("
    "shape: T, means: dtype, stdevs: dtype, minvals: dtype, maxvals: dtype) -> output: dtype",
    static=("shape",), state=generator, host=True,
    seed=integer(0), seed2=integer(0), dtype=FLOATING, T=INDEX)  # fmt: skip
class ParameterizedTruncatedNormal:
    """Normal numbers between bounds; each row (first dimension) may have parameters of its own."""

    def shape(shape, means, stdevs, minvals, maxvals):
        return drawn(shape)

    def kernel(xp, state, shape, means, stdevs, minvals, maxvals):
        dims, _ = dims_of(shape, "ParameterizedTruncatedNormal")
        if not dims:
            raise invalid("ParameterizedTruncatedNormal: 'shape' must have a dimension. Received: []")
        # 16-bit parameters are worked with in single precision.
        working = np.float64 if means.dtype == np.float64 else np.float32
        parameters = []
        for name, value in zip(_PARAMETERS, (means, stdevs, minvals, maxvals)):
            if value.ndim > 1 or value.size not in (1, dims[0]):
                raise invalid(
                    f"ParameterizedTruncatedNormal: '{name}' must be a scalar or have length 1 or {dims[0]}. "
                    f"Received: shape {list(value.shape)}"
                )
            parameters.append(value.reshape(-1).astype(working))
        _, deviation, low, high = parameters
        if not (
            (deviation > 0).all() and (low < high).all() and (np.isfinite(low) | np.isfinite(high)).all()
        ):
            raise invalid(
                "ParameterizedTruncatedNormal: deviations must be positive, minvals below maxvals and "
                f"one of them finite. Received: stdevs {stdevs.tolist()}, minvals {minvals.tolist()}, "
                f"maxvals {maxvals.tolist()}"
            )
        out = philox_bounded.bounded_normal(state, dims, *parameters).astype(means.dtype, copy=False)
        plan = philox_bounded.layout(dims, tuple(p.size for p in parameters))
        return out, skip(xp, state, plan.reserved)

    grad = NOT_DIFFERENTIABLE


@declare("RandomShuffle(value: T) -> output: T", state=generator, host=True,
    seed=integer(0), seed2=integer(0), T=ALL)  # fmt: skip
class RandomShuffle:
    """`value` with its rows (first dimension) in random order."""

    def shape(value):
        return value

    def kernel(xp, state, value):
        if value.ndim == 0 or value.size <= 1 or value.shape[0] <= 1:
            return value, state
        size = value.shape[0]
        moved = skip(xp, state, philox_choice.permutation_reserved(size))
        return value[philox_choice.permutation(state, size)], moved

    grad = NOT_DIFFERENTIABLE


@declare("Multinomial(logits: T, num_samples: int32) -> output: output_dtype",
    static=("num_samples",), state=generator, seed=integer(0), seed2=integer(0), T=REAL,
    output_dtype=dtype_attr(INDEX, dtypes.int64))  # fmt: skip
class Multinomial:
    """Category numbers, drawn for each row of `logits` with probabilities softmax(logits)."""

    def shape(logits, num_samples):
        return sampled(logits, num_samples)

    def kernel(xp, state, logits, num_samples, output_dtype):
        batch, classes = logits.shape
        samples = int(num_samples)
        if samples < 0 or classes == 0:
            raise invalid(
                f"Multinomial: 'num_samples' must not be negative and num_classes must be positive. "
                f"Received: num_samples {samples}, logits of shape {[batch, classes]}"
            )
        out = philox_choice.categories(xp, state, logits, samples).astype(output_dtype.np_dtype)
        return out, skip(xp, state, philox_choice.reserved(batch, samples))

    grad = NOT_DIFFERENTIABLE


@public("random_uniform", "random.uniform")
def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Draws uniform numbers in [minval, maxval).

    Integers are slightly biased towards small ones unless `maxval - minval` is a power of two.

    Args:
      shape: int32 or int64 vector: the output's shape.
      minval: scalar, or for floating types what broadcasts with the output; the lower end.
      maxval: as `minval`; the upper end, excluded. Default 1 for floating types; integers need it.
      dtype: a floating type, int32 or int64.
      seed: the operation's seed, see `set_random_seed`.
      name: default "random_uniform".

    Returns:
      `shape`, of `dtype`.

    Raises:
      ValueError: another dtype, or an integer one without `maxval`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.random_uniform([2], maxval=10, dtype=tf.int32, seed=1)))
      [7 9]
    """
    chosen = dtypes.as_dtype(dtype)
    if chosen not in _UNIFORM_TYPES:
        raise ValueError(f"random_uniform: dtype must be floating, int32 or int64. Received: {chosen.name}")
    if maxval is None:
        if chosen.is_integer:
            raise ValueError(f"random_uniform: integer dtypes need maxval. Received: None, {chosen.name}")
        maxval = 1
    with name_scope(name, "random_uniform", [shape, minval, maxval]) as scope:
        shape = shape_input(shape)
        minval = convert_to_tensor(minval, chosen, "min")
        maxval = convert_to_tensor(maxval, chosen, "max")
        seeds = seed_attrs(seed)
        if chosen.is_integer:
            return apply(RandomUniformInt, shape, minval, maxval, name=scope, **seeds)
        numbers = apply(RandomUniform, shape, dtype=chosen, **seeds)
        return raw.Add(numbers * (maxval - minval), minval, name=scope)


@public("random_normal", "random.normal")
def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Draws normal numbers.

    Args:
      shape: int32 or int64 vector: the output's shape.
      mean: broadcasts with the output.
      stddev: broadcasts with the output.
      dtype: a floating type.
      seed: the operation's seed, see `set_random_seed`.
      name: default "random_normal".

    Returns:
      `shape`, of `dtype`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.random_normal([2], seed=1)).round(3))
      [-0.811  1.485]
    """
    return _scaled(RandomStandardNormal, "random_normal", shape, mean, stddev, dtype, seed, name)


@public("truncated_normal", "random.truncated_normal")
def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Draws normal numbers less than two deviations from the mean.

    Args:
      shape: int32 or int64 vector: the output's shape.
      mean: broadcasts with the output.
      stddev: broadcasts with the output; before truncation.
      dtype: a floating type.
      seed: the operation's seed, see `set_random_seed`.
      name: default "truncated_normal".

    Returns:
      `shape`, of `dtype`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.truncated_normal([2], seed=1)).round(3))
      [-0.811  1.485]
    """
    return _scaled(TruncatedNormal, "truncated_normal", shape, mean, stddev, dtype, seed, name)


def _scaled(
    opdef: OpDef, default: str, shape: Any, mean: Any, stddev: Any, dtype: Any, seed: Any, name: str | None
) -> Tensor:
    dtype = dtypes.as_dtype(dtype)
    with name_scope(name, default, [shape, mean, stddev]) as scope:
        shape = shape_input(shape)
        mean = convert_to_tensor(mean, dtype, "mean")
        stddev = convert_to_tensor(stddev, dtype, "stddev")
        numbers = apply(opdef, shape, dtype=dtype, **seed_attrs(seed))
        return raw.Add(numbers * stddev, mean, name=scope)


@public("python.ops.random_ops.parameterized_truncated_normal")
def parameterized_truncated_normal(
    shape: Any,
    means: Any = 0.0,
    stddevs: Any = 1.0,
    minvals: Any = -2.0,
    maxvals: Any = 2.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Draws normal numbers between bounds.

    Args:
      shape: int32 or int64 vector, `[rows, ...]`: the output's shape.
      means: scalar or `[rows]`.
      stddevs: scalar or `[rows]`; positive, before truncation.
      minvals: scalar or `[rows]`.
      maxvals: scalar or `[rows]`; above `minvals`.
      dtype: a floating type.
      seed: the operation's seed, see `set_random_seed`.
      name: default "parameterized_truncated_normal".

    Returns:
      `shape`, of `dtype`.
    """
    dtype = dtypes.as_dtype(dtype)
    with name_scope(name, "parameterized_truncated_normal", [shape, means, stddevs, minvals, maxvals]):
        shape = shape_input(shape)
        given = {"means": means, "stddevs": stddevs, "minvals": minvals, "maxvals": maxvals}
        parameters = [convert_to_tensor(value, dtype, which) for which, value in given.items()]
        return apply(ParameterizedTruncatedNormal, shape, *parameters, **seed_attrs(seed))


@public("random_shuffle", "random.shuffle")
def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """Puts the rows of `value` in random order.

    Args:
      value: `[rows, ...]`.
      seed: the operation's seed, see `set_random_seed`.
      name: default "RandomShuffle".

    Returns:
      Shape and dtype of `value`.
    """
    return apply(RandomShuffle, value, name=name, **seed_attrs(seed))


@public("multinomial", "random.multinomial")
def multinomial(
    logits: Any, num_samples: Any, seed: int | None = None, name: str | None = None, output_dtype: Any = None
) -> Tensor:
    """Draws category numbers; the older name of `tf.random.categorical`.

    Args:
      logits: `[batch, classes]`, unnormalised log-probabilities.
      num_samples: int32 scalar: draws for each row.
      seed: the operation's seed, see `set_random_seed`.
      name: default "multinomial".
      output_dtype: int32 or int64; default int64.

    Returns:
      `[batch, num_samples]`.
    """
    with name_scope(name, "multinomial", [logits]):
        return _multinomial(logits, num_samples, output_dtype, seed)


@public("random.categorical")
def categorical(
    logits: Any, num_samples: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Draws category numbers with probabilities softmax(logits).

    Args:
      logits: `[batch, classes]`, unnormalised log-probabilities.
      num_samples: int32 scalar: draws for each row.
      dtype: int32 or int64; default int64.
      seed: the operation's seed, see `set_random_seed`.
      name: default "categorical".

    Returns:
      `[batch, num_samples]`.
    """
    with name_scope(name, "categorical", [logits]):
        return _multinomial(logits, num_samples, dtype, seed)


def _multinomial(logits: Any, num_samples: Any, dtype: Any, seed: int | None) -> Tensor:
    logits = convert_to_tensor(logits, name="logits")
    output_dtype = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    return apply(Multinomial, logits, num_samples, output_dtype=output_dtype, **seed_attrs(seed))


@public("random_crop", "image.random_crop")
def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """Cuts a part of the given size from a random place.

    Args:
      value: the tensor to cut from.
      size: int vector, one length for each dimension of `value`.
      seed: the operation's seed, see `set_random_seed`.
      name: default "random_crop".

    Returns:
      Shape `size`, dtype of `value`. Running it fails with InvalidArgumentError where `size` exceeds `value`.
    """
    with name_scope(name, "random_crop", [value, size]) as scope:
        value = convert_to_tensor(value, name="value")
        size = convert_to_tensor(size, dtypes.int32, "size")
        shape = shape_tensor(value)
        fits = raw.GreaterEqual(shape, size)
        axes = raw.Const(value=np.zeros(1, np.int32), dtype=dtypes.int32)
        shape = _asserted(raw.All(fits, axes), "Need value.shape >= size, got ", shape, size)
        places = shape - size + 1
        anywhere = random_uniform(shape_tensor(shape), maxval=2**31 - 1, dtype=dtypes.int32, seed=seed)
        return raw.Slice(value, anywhere % places, size, name=scope)


def _asserted(condition: Tensor, message: str, value: Tensor, *others: Tensor) -> Tensor:
    # `value` once `condition` was found to hold; the nodes are those of tf.Assert and its guard.
    with name_scope(None, "Assert", [condition]):
        raw.Const(value=np.array(message.encode(), object), dtype=dtypes.string)
        check = raw.Assert(condition, [message, value, *others], summarize=1000)
    with control_dependencies([check]):
        return raw.Identity(value, name="control_dependency")
