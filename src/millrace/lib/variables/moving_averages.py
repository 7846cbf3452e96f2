"""Moving averages of values, kept in variables."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import colocate_with, init_scope, name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables import initializers
from millrace.lib.variables.assigning import assign, assign_add, assign_sub
from millrace.lib.variables.scope import default_store, get_variable, variable_scope


@public("contrib.framework.assign_moving_average", "python.training.moving_averages.assign_moving_average")
def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Any:
    """variable = decay * variable + (1 - decay) * value.

    Args:
      variable: the variable that holds the average.
      value: of its shape.
      decay: a scalar: how much of the average is kept.
      zero_debias: correct for the average's beginning with zero.
      name: default "AssignMovingAvg".

    Returns:
      The new average.
    """
    with name_scope(name, "AssignMovingAvg", [variable, value, decay]) as scope:
        rate = convert.to_tensor(1.0 - decay, name="decay")
        if rate.dtype.base_dtype is not variable.dtype.base_dtype:
            rate = raw.Cast(rate, DstT=variable.dtype.base_dtype)
        if zero_debias:
            return assign(variable, _debiased(variable, value, rate), name=scope)
        delta = (variable - value) * rate
        if getattr(variable, "_is_resource", False):
            return variable.assign_sub(delta)
        return assign_sub(variable, delta, name=scope)


def _debiased(average: Any, value: Any, rate: Tensor) -> Tensor:
    """The unbiased average (Kingma and Ba, section 3) of the values up to this one.

    Two more variables under the name of `average` keep the biased one and the number of values.
    """
    with variable_scope(average.op.name, values=[average, value, rate], auxiliary_name_scope=False) as scope:
        with colocate_with(average.op), init_scope():
            zeros = initializers.Zeros()
            dtype = average.dtype.base_dtype
            biased = get_variable(
                _unused(scope, "biased"), average.get_shape(), dtype, initializer=zeros, trainable=False
            )
            step = get_variable(_unused(scope, "local_step"), [], dtype, initializer=zeros, trainable=False)
        biased = assign_sub(biased, (biased - value) * rate)
        count = assign_add(step, 1)
        return biased / (1 - raw.Pow(1.0 - rate, count))


def _unused(scope: Any, name: str) -> str:
    """`name`, numbered where the scope has a variable of that name and does not reuse it."""
    if scope.reuse:
        return name
    known = default_store()._vars
    full, k, found = f"{scope.name}/{name}", 1, name
    while (f"{full}_{k - 1}" if k > 1 else full) in known:
        found = f"{name}_{k}"
        k += 1
    return found


@public(
    "contrib.framework.weighted_moving_average", "python.training.moving_averages.weighted_moving_average"
)
def weighted_moving_average(
    value: Any,
    decay: Any,
    weight: Any,
    truediv: bool = True,
    collections: Any = None,
    name: str | None = None,
) -> Tensor:
    """The moving average of `value`, weighted by `weight`: of value * weight over that of weight.

    Args:
      value: numeric.
      decay: a scalar: how much of the averages is kept.
      weight: broadcasts with `value`.
      truediv: divide in floating point.
      collections: the collections that the averages join.
      name: default "WeightedMovingAvg".
    """
    with variable_scope(name, "WeightedMovingAvg", [value, weight, decay]) as scope:

        def zero(what: str, shape: Any, dtype: Any) -> Any:
            return get_variable(
                what, shape, dtype, initializer=initializers.Zeros(), trainable=False, collections=collections
            )

        total = zero("value_x_weight", value.get_shape(), value.dtype.base_dtype)
        weights = zero("weight", weight.get_shape(), weight.dtype.base_dtype)
        product = value * weight
        numerator = assign_moving_average(total, product, decay, zero_debias=False)
        denominator = assign_moving_average(weights, weight, decay, zero_debias=False)
        if truediv:
            return raw.RealDiv(numerator, denominator, name=scope.name)
        return raw.Div(numerator, denominator, name=scope.name)
