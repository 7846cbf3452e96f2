"""Learning rates that fall as the global step grows.

Each function adds its formula to the graph; `global_step` is a scalar tensor or variable, and the result has
the dtype of `learning_rate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import case, cond
from millrace.ops.math.cast import cast
from millrace.ops.random.draws import random_normal


def _step_needed(global_step: Any, function: str) -> None:
    if global_step is None:
        raise ValueError(f"global_step is required for {function}. Received: None")


@public("train.exponential_decay", "python.training.learning_rate_decay.exponential_decay")
def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """learning_rate * decay_rate ^ (global_step / decay_steps).

    Args:
      learning_rate: the first rate, a floating scalar.
      global_step: the step, not negative.
      decay_steps: in how many steps the rate falls by `decay_rate`.
      decay_rate: the factor.
      staircase: let it fall in steps: round the exponent down.
      name: default "ExponentialDecay".

    Raises:
      ValueError: `global_step` is None.

    Example:
      >>> step = tf.constant(200)
      >>> rate = tf.train.exponential_decay(0.1, step, decay_steps=100, decay_rate=0.5)
      >>> with tf.Session() as sess:
      ...     print(sess.run(rate))
      0.025
    """
    _step_needed(global_step, "exponential_decay")
    with name_scope(name, "ExponentialDecay", [learning_rate, global_step, decay_steps, decay_rate]) as scope:
        rate = convert.to_tensor(learning_rate, name="initial_learning_rate")
        dtype = rate.dtype.base_dtype
        steps, factor = cast(decay_steps, dtype), cast(decay_rate, dtype)
        exponent = cast(global_step, dtype) / steps
        if staircase:
            exponent = raw.Floor(exponent)
        return raw.Mul(rate, raw.Pow(factor, exponent), name=scope)


@public(
    "train.piecewise_constant",
    "train.piecewise_constant_decay",
    "python.training.learning_rate_decay.piecewise_constant",
)
def piecewise_constant(x: Any, boundaries: Any, values: Any, name: str | None = None) -> Tensor:
    """values[0] while x <= boundaries[0], values[1] while x <= boundaries[1], ..., then the last value.

    Args:
      x: a scalar.
      boundaries: increasing numbers or tensors of the dtype of `x`.
      values: one more number or tensor, all of one dtype.
      name: default "PiecewiseConstant".

    Raises:
      ValueError: the dtypes or the lengths do not fit.
    """
    if len(boundaries) != len(values) - 1:
        raise ValueError(
            "The length of boundaries should be 1 less than the length of values. "
            f"Received: {len(boundaries)} boundaries, {len(values)} values"
        )
    limits = convert.convert_n_to_tensor(boundaries)
    tensors = convert.convert_n_to_tensor(values)
    x = convert.to_tensor(x)
    for i, limit in enumerate(limits):
        if limit.dtype.base_dtype is not x.dtype.base_dtype:
            if limit.dtype.base_dtype is not dtypes.int32 or x.dtype.base_dtype is not dtypes.int64:
                raise ValueError(
                    f"Boundaries ({limit.dtype.name}) must have the same dtype as x "
                    f"({x.dtype.base_dtype.name})."
                )
            limits[i] = cast(limit, x.dtype.base_dtype)
    for tensor in tensors[1:]:
        if tensor.dtype.base_dtype is not tensors[0].dtype.base_dtype:
            raise ValueError(
                "Values must have elements all with the same dtype "
                f"({tensors[0].dtype.base_dtype.name} vs "
                f"{tensor.dtype.base_dtype.name})."
            )
    if not limits:
        return tensors[0]

    def giving(tensor: Tensor) -> Callable[[], Tensor]:
        return lambda: tensor

    with name_scope(name, "PiecewiseConstant", [x, *limits, *tensors]):
        pairs = [(x <= limits[0], giving(tensors[0])), (x > limits[-1], giving(tensors[-1]))]
        for low, high, tensor in zip(limits[:-1], limits[1:], tensors[1:-1], strict=True):
            pairs.append(((x > low) & (x <= high), giving(tensor)))
        return case(pairs, giving(tensors[0]), exclusive=True)


@public("train.polynomial_decay", "python.training.learning_rate_decay.polynomial_decay")
def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """Falls from `learning_rate` to `end_learning_rate` along (1 - global_step / decay_steps) ^ power.

    Args:
      learning_rate: the first rate, a floating scalar.
      global_step: the step, not negative.
      decay_steps: the step at which the end is reached.
      end_learning_rate: the last rate.
      power: the exponent; 1 for a straight line.
      cycle: after the end, begin again, with `decay_steps` stretched to the next multiple.
      name: default "PolynomialDecay".

    Raises:
      ValueError: `global_step` is None.
    """
    _step_needed(global_step, "polynomial_decay")
    values = [learning_rate, global_step, decay_steps, end_learning_rate, power]
    with name_scope(name, "PolynomialDecay", values) as scope:
        rate = convert.to_tensor(learning_rate, name="initial_learning_rate")
        dtype = rate.dtype.base_dtype
        end, exponent = cast(end_learning_rate, dtype), cast(power, dtype)
        step, steps = cast(global_step, dtype), cast(decay_steps, dtype)
        if cycle:
            # The first multiple of decay_steps that is not below the step; one at step zero.
            steps = raw.Mul(
                steps, cond(raw.Equal(step, 0), lambda: 1.0, lambda: raw.Ceil(step / decay_steps))
            )
        else:
            step = raw.Minimum(step, decay_steps)
        progress = step / steps
        return raw.Add(raw.Mul(rate - end, raw.Pow(1 - progress, exponent)), end, name=scope)


@public("train.natural_exp_decay", "python.training.learning_rate_decay.natural_exp_decay")
def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """learning_rate * exp(-decay_rate * global_step / decay_steps); arguments as for `exponential_decay`."""
    _step_needed(global_step, "natural_exp_decay")
    rate = raw.Exp(raw.Neg(decay_rate))
    return exponential_decay(learning_rate, global_step, decay_steps, rate, staircase, name)


@public("train.inverse_time_decay", "python.training.learning_rate_decay.inverse_time_decay")
def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """learning_rate / (1 + decay_rate * global_step / decay_steps); arguments as for `exponential_decay`."""
    _step_needed(global_step, "inverse_time_decay")
    with name_scope(name, "InverseTimeDecay", [learning_rate, global_step, decay_rate]) as scope:
        rate = convert.to_tensor(learning_rate, name="initial_learning_rate")
        dtype = rate.dtype.base_dtype
        steps, factor = cast(decay_steps, dtype), cast(decay_rate, dtype)
        progress = cast(global_step, dtype) / steps
        if staircase:
            progress = raw.Floor(progress)
        one = cast(convert.to_tensor(1, name="Const"), dtype)
        return raw.RealDiv(rate, raw.Add(one, raw.Mul(factor, progress)), name=scope)


def _cosine(fraction: Tensor, scale: Any = 0.5) -> Tensor:
    """scale * (1 + cos(pi * fraction)): from twice the scale down to 0."""
    angle = convert.to_tensor(math.pi, fraction.dtype, "Const") * fraction
    return scale * (1.0 + raw.Cos(angle))


@public("train.cosine_decay", "python.training.learning_rate_decay.cosine_decay")
def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: Any = 0.0, name: str | None = None
) -> Tensor:
    """Falls along half a cosine from `learning_rate` to `alpha * learning_rate` (Loshchilov and Hutter).

    Args:
      learning_rate: the first rate, a floating scalar.
      global_step: the step, not negative.
      decay_steps: the step at which the end is reached.
      alpha: the last rate as a part of the first.
      name: default "CosineDecay".

    Raises:
      ValueError: `global_step` is None.
    """
    _step_needed(global_step, "cosine_decay")
    with name_scope(name, "CosineDecay", [learning_rate, global_step]):
        rate = convert.to_tensor(learning_rate, name="initial_learning_rate")
        dtype = rate.dtype.base_dtype
        steps = cast(decay_steps, dtype)
        step = raw.Minimum(cast(global_step, dtype), steps)
        return raw.Mul(rate, (1 - alpha) * _cosine(step / steps) + alpha)


@public("train.cosine_decay_restarts", "python.training.learning_rate_decay.cosine_decay_restarts")
def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: Any = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """As `cosine_decay`, but begins again each time the end is reached.

    Args:
      learning_rate: the first rate, a floating scalar.
      global_step: the step, not negative.
      first_decay_steps: the length of the first round.
      t_mul: how much longer each round is than the one before.
      m_mul: by what the first rate of each round is multiplied.
      alpha: the last rate as a part of the first.
      name: default "SGDRDecay".

    Raises:
      ValueError: `global_step` is None.
    """
    _step_needed(global_step, "cosine_decay_restarts")
    with name_scope(name, "SGDRDecay", [learning_rate, global_step]) as scope:
        rate = convert.to_tensor(learning_rate, name="initial_learning_rate")
        dtype = rate.dtype.base_dtype
        first = cast(first_decay_steps, dtype)
        alpha, longer, smaller = cast(alpha, dtype), cast(t_mul, dtype), cast(m_mul, dtype)
        done = cast(global_step, dtype) / first

        def geometric() -> list[Tensor]:
            finished = raw.Floor(raw.Log(1.0 - done * (1.0 - longer)) / raw.Log(longer))
            before = (1.0 - longer**finished) / (1.0 - longer)
            return [finished, (done - before) / longer**finished]

        def equal() -> list[Tensor]:
            finished = raw.Floor(done)
            return [finished, done - finished]

        rounds, fraction = cond(raw.Equal(longer, 1.0), equal, geometric)
        decayed = _cosine(fraction, 0.5 * smaller**rounds)
        return raw.Mul(rate, (1 - alpha) * decayed + alpha, name=scope)


@public("train.linear_cosine_decay", "python.training.learning_rate_decay.linear_cosine_decay")
def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """A falling line times a cosine: learning_rate * ((alpha + line) * cosine + beta) (Bello et al.).

    Args:
      learning_rate: the first rate, a floating scalar.
      global_step: the step, not negative.
      decay_steps: the step at which the end is reached.
      num_periods: periods of the cosine.
      alpha, beta: see the formula.
      name: default "LinearCosineDecay".

    Raises:
      ValueError: `global_step` is None.
    """
    _step_needed(global_step, "linear_cosine_decay")
    with name_scope(name, "LinearCosineDecay", [learning_rate, global_step]) as scope:
        rate = convert.to_tensor(learning_rate, name="initial_learning_rate")
        dtype = rate.dtype.base_dtype
        steps = cast(decay_steps, dtype)
        periods, alpha, beta = cast(num_periods, dtype), cast(alpha, dtype), cast(beta, dtype)
        step = raw.Minimum(cast(global_step, dtype), steps)
        linear = (steps - step) / steps
        cosine = _cosine(2.0 * periods * (step / steps))
        return raw.Mul(rate, (alpha + linear) * cosine + beta, name=scope)


@public("train.noisy_linear_cosine_decay", "python.training.learning_rate_decay.noisy_linear_cosine_decay")
def noisy_linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    initial_variance: Any = 1.0,
    variance_decay: Any = 0.55,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """As `linear_cosine_decay`, with normal noise of falling variance on the line.

    Args:
      learning_rate, global_step, decay_steps, num_periods, alpha, beta: as for `linear_cosine_decay`.
      initial_variance: of the noise at step zero.
      variance_decay: the variance is initial_variance / (1 + step) ^ variance_decay.
      name: default "NoisyLinearCosineDecay".

    Raises:
      ValueError: `global_step` is None.
    """
    _step_needed(global_step, "noisy_linear_cosine_decay")
    with name_scope(name, "NoisyLinearCosineDecay", [learning_rate, global_step]) as scope:
        rate = convert.to_tensor(learning_rate, name="initial_learning_rate")
        dtype = rate.dtype.base_dtype
        steps = cast(decay_steps, dtype)
        first, fall = cast(initial_variance, dtype), cast(variance_decay, dtype)
        periods, alpha, beta = cast(num_periods, dtype), cast(alpha, dtype), cast(beta, dtype)
        step = raw.Minimum(cast(global_step, dtype), steps)
        linear = (steps - step) / steps
        deviation = raw.Sqrt(first / raw.Pow(1.0 + step, fall))
        noisy = linear + random_normal(linear.get_shape().as_list(), stddev=deviation, dtype=dtype)
        cosine = _cosine(2.0 * periods * (step / steps))
        return raw.Mul(rate, (alpha + noisy) * cosine + beta, name=scope)
