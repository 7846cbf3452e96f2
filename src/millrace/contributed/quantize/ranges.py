"""Fake quantization with a range that is kept in two variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.reductions import reduce_max, reduce_min
from millrace.lib.variables import initializers
from millrace.lib.variables.assigning import assign, assign_add
from millrace.lib.variables.moving_averages import assign_moving_average
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.lib.variables.settings import AUTO_REUSE
from millrace.ops.array.constant import identity

_STEP = "fake_quantization_step"


@dataclass(frozen=True)
class Settings:
    """What one rewrite of a graph is asked for.

    Attributes:
      is_training: ranges follow the values.
      weight_bits, activation_bits: of the quantized values.
      symmetric: ranges are symmetric around zero.
      delay: the step from which values are quantized; None or 0 from the first.
      scope: only layers whose names begin with it; "" for all.
    """

    is_training: bool
    weight_bits: int = 8
    activation_bits: int = 8
    symmetric: bool = False
    delay: int | None = None
    scope: str = ""


def operation(graph: Graph, name: str) -> Operation | None:
    """The operation of that name; None without one."""
    try:
        return graph.get_operation_by_name(name)
    except KeyError:
        return None


def quantization_step(graph: Graph) -> Tensor:
    """The int64 scalar that counts the runs of a rewritten graph: one for each graph."""
    made = operation(graph, f"{_STEP}/Identity")
    if made is not None:
        return made.outputs[0]
    with variable_scope("", reuse=AUTO_REUSE):
        step = get_variable(
            _STEP,
            shape=[],
            dtype=dtypes.int64,
            initializer=initializers.Zeros(),
            trainable=False,
            collections=[GraphKeys.GLOBAL_VARIABLES],
        )
    with name_scope(f"{_STEP}/"):
        return identity(assign_add(step, 1))


def quantized(
    values: Tensor,
    prefix: str,
    settings: Settings,
    follow: Literal["last", "average"],
    initial: tuple[float, float] = (-6.0, 6.0),
) -> Tensor:
    """`values`, rounded as their quantization to integers would round them.

    Args:
      values: float32.
      prefix: of the names of operations and variables.
      follow: in training the range is that of the last values, or a moving average.
      initial: the range at first.
    """
    bits = settings.weight_bits if follow == "last" else settings.activation_bits
    narrow = follow == "last"
    with variable_scope(None, default_name=prefix, values=[values]):
        low, high = _bound("min", initial[0]), _bound("max", initial[1])
        ends: tuple[Any, Any] = (low, high)
        if settings.is_training:
            ends = _followed(
                values, low, high, follow, _asymmetry(bits, narrow) if settings.symmetric else None
            )
        return raw.FakeQuantWithMinMaxVars(
            values, *ends, num_bits=bits, narrow_range=narrow, name="FakeQuantWithMinMaxVars"
        )


def _bound(name: str, value: float) -> Any:
    return get_variable(
        name,
        shape=[],
        initializer=initializers.Constant(value),
        trainable=False,
        collections=[GraphKeys.GLOBAL_VARIABLES],
    )


def _asymmetry(bits: int, narrow: bool) -> float:
    """The greatest integer over the least one; -1 where the least one is left out."""
    return -1.0 if narrow else (2 ** (bits - 1) - 1) / -(2 ** (bits - 1))


def _followed(
    values: Tensor, low: Any, high: Any, follow: str, asymmetry: float | None
) -> tuple[Tensor, Tensor]:
    """The new bounds: of the values, with zero in between."""
    least, most = reduce_min(values, name="BatchMin"), reduce_max(values, name="BatchMax")
    if asymmetry is None:
        # A range must have zero in it, so that padding with zeros loses nothing.
        least = raw.Minimum(least, 0.0)
        most = raw.Maximum(most, 0.0)
    else:
        least, most = (
            raw.Minimum(least, most / asymmetry),
            raw.Maximum(most, least * asymmetry),
        )
    if follow == "last":
        return assign(low, least, name="AssignMinLast"), assign(high, most, name="AssignMaxLast")
    return (
        assign_moving_average(low, least, 0.999, name="AssignMinEma"),
        assign_moving_average(high, most, 0.999, name="AssignMaxEma"),
    )


def delayed(values: Tensor, quantized: Tensor, prefix: str, delay: int) -> Tensor:
    """`quantized` from step `delay` on, `values` before.

    Args:
      prefix: the scope of `quantized`.
    """
    step = quantization_step(values.graph)
    active = raw.GreaterEqual(step, delay, name=f"{prefix}/activate_quant")
    return cond(active, lambda: quantized, lambda: values, name=f"{prefix}/delayed_quant")
