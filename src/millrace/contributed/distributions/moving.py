"""`tf.contrib.distributions`: moving means, variances and log-mean-exps of values."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_logsumexp
from millrace.lib.variables.assigning import assign, assign_add, assign_sub
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import stack


@public("contrib.distributions.assign_moving_mean_variance")
def assign_moving_mean_variance(
    mean_var: Any, variance_var: Any, value: Any, decay: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Moves a mean and a variance towards a value.

    Args:
      mean_var, variance_var: floating variables.
      value: what was seen, of their shape.
      decay: how much of the old stays, a number.
      name: scope; default "assign_moving_mean_variance".

    Returns:
      The new mean and the new variance.

    Raises:
      TypeError: the dtypes differ.
    """
    with name_scope(name, "assign_moving_mean_variance", [variance_var, mean_var, value, decay]):
        dtype = variance_var.dtype.base_dtype
        if mean_var.dtype.base_dtype is not dtype:
            raise TypeError(
                f"variance_var.base_dtype({dtype.name}) does not match "
                f"mean_var.base_dtype({mean_var.dtype.base_dtype.name})"
            )
        decay = convert.to_tensor(decay, dtype, "decay")
        delta = convert.to_tensor(value, dtype, "value") - mean_var
        variance = assign_sub(variance_var, (1.0 - decay) * (variance_var - decay * raw.Square(delta)))
        mean = assign_add(mean_var, (1.0 - decay) * delta)
        return mean, variance


@public("contrib.distributions.assign_log_moving_mean_exp")
def assign_log_moving_mean_exp(
    log_mean_exp_var: Any, log_value: Any, decay: Any, name: str | None = None
) -> Tensor:
    """Moves the log of a mean towards a value that is a log, too.

    Args:
      log_mean_exp_var: a floating variable.
      log_value: the log of what was seen, of its shape.
      decay: how much of the old stays, a number.
      name: scope; default "assign_log_moving_mean_exp".
    """
    with name_scope(name, "assign_log_moving_mean_exp", [log_mean_exp_var, log_value, decay]):
        dtype = log_mean_exp_var.dtype.base_dtype
        decay = convert.to_tensor(decay, dtype, "decay")
        old = raw.Log(decay) + log_mean_exp_var
        new = convert.to_tensor(log_value, dtype, "log_value") + raw.Log1p(-decay)
        return assign(log_mean_exp_var, reduce_logsumexp(stack([old, new]), 0))


@public("contrib.distributions.moving_mean_variance")
def moving_mean_variance(
    value: Any, decay: Any, collections: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The moving mean and variance of a value, kept in variables that begin with 0.

    Args:
      value: floating, of known shape.
      decay: how much of the old stays, a number.
      collections: which collections the variables join; default GLOBAL_VARIABLES.
      name: scope of the variables; default "moving_mean_variance".
    """
    with variable_scope(name, "moving_mean_variance", [value, decay]):
        value = convert.to_tensor(value, name="value")
        dtype = value.dtype.base_dtype
        made = [
            get_variable(one, value.shape, dtype, Zeros(), trainable=False, collections=collections)
            for one in ("moving_variance", "moving_mean")
        ]
        return assign_moving_mean_variance(made[1], made[0], value, decay)
