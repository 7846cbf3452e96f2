"""Layers and parameters that series models share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.lib.nn.functions import xw_plus_b
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable
from millrace.ops.nn.activation import relu


@public("contrib.timeseries.python.timeseries.model_utils.fully_connected")
def fully_connected(
    inp: Any,
    inp_size: int,
    layer_size: int,
    name: str,
    activation: Callable[[Any], Any] = relu,
    dtype: Any = float32,
) -> Any:
    """A layer of dense units.

    Args:
      inp: `[batch, inp_size]`.
      inp_size: how many inputs a unit has.
      layer_size: how many units there are.
      name: the variables are called `name` with `_weight` and `_bias` behind.
      activation: of the units.
      dtype: of the variables.

    Returns:
      `[batch, layer_size]`.
    """
    weights = get_variable(name=f"{name}_weight", shape=[inp_size, layer_size], dtype=dtype)
    biases = get_variable(name=f"{name}_bias", shape=[layer_size], dtype=dtype, initializer=Zeros())
    return activation(xw_plus_b(inp, weights, biases))


@public("contrib.timeseries.python.timeseries.model_utils.parameter_switch")
def parameter_switch(parameter_overrides: dict[Any, Any]) -> Callable[[Any], Any]:
    """A function that gives the value of a parameter, or what stands for it.

    Args:
      parameter_overrides: from parameters to arrays.

    Returns:
      A function of a parameter; without an override it is evaluated in the default session.
    """
    by_identity = {id(parameter): value for parameter, value in parameter_overrides.items()}

    def value_of(parameter: Any) -> Any:
        if id(parameter) in by_identity:
            return by_identity[id(parameter)]
        return parameter.eval()

    return value_of
