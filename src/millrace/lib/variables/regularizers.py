"""Regularizers: functions from a variable to a scalar penalty."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum

Regularizer = Callable[[Any], "Tensor | None"]


def _scale(scale: Any, what: str = "regularizer") -> Any:
    if isinstance(scale, numbers.Integral):
        raise ValueError(f"scale cannot be an integer: {what} takes a float. Received: {scale}")
    if isinstance(scale, numbers.Real) and scale < 0.0:
        raise ValueError(f"Setting a scale less than 0 on a {what} is an error. Received: {scale:g}")
    return scale


def _is_zero(scale: Any) -> bool:
    return isinstance(scale, numbers.Real) and scale == 0.0


@public("contrib.layers.l1_regularizer", "contrib.slim.l1_regularizer")
def l1_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """A function from weights to scale * sum(|weights|).

    Args:
      scale: a float, not negative, or a scalar tensor; 0.0 turns the penalty off.
      scope: name scope; default "l1_regularizer".

    Raises:
      ValueError: `scale` is negative or an integer.
    """
    if _is_zero(_scale(scale)):
        return lambda _: None

    def l1(weights: Any, name: str | None = None) -> Tensor:
        with name_scope(scope if name is None else name, "l1_regularizer", [weights]) as inner:
            factor = convert.to_tensor(scale, weights.dtype.base_dtype, "scale")
            return raw.Mul(factor, reduce_sum(raw.Abs(convert.to_tensor(weights))), name=inner)

    return l1


@public("contrib.layers.l2_regularizer", "contrib.slim.l2_regularizer")
def l2_regularizer(scale: Any, scope: str | None = None) -> Regularizer:
    """A function from weights to scale * sum(weights²) / 2.

    Args:
      scale: a float, not negative, or a scalar tensor; 0.0 turns the penalty off.
      scope: name scope; default "l2_regularizer".

    Raises:
      ValueError: `scale` is negative or an integer.
    """
    if _is_zero(_scale(scale)):
        return lambda _: None

    def l2(weights: Any) -> Tensor:
        with name_scope(scope, "l2_regularizer", [weights]) as inner:
            factor = convert.to_tensor(scale, weights.dtype.base_dtype, "scale")
            return raw.Mul(factor, raw.L2Loss(weights), name=inner)

    return l2


@public("contrib.layers.l1_l2_regularizer", "contrib.slim.l1_l2_regularizer")
def l1_l2_regularizer(scale_l1: Any = 1.0, scale_l2: Any = 1.0, scope: str | None = None) -> Regularizer:
    """The sum of `l1_regularizer(scale_l1)` and `l2_regularizer(scale_l2)`.

    Args:
      scale_l1, scale_l2: floats, not negative; 0.0 turns a penalty off.
      scope: name scope; default "l1_l2_regularizer".

    Raises:
      ValueError: a scale is negative or an integer.
    """
    if _is_zero(_scale(scale_l1)):
        return l2_regularizer(scale_l2, scope)
    if _is_zero(_scale(scale_l2)):
        return l1_regularizer(scale_l1, scope)
    scope = scope or "l1_l2_regularizer"
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope=scope)  # pyright: ignore[reportReturnType]


@public("contrib.layers.sum_regularizer", "contrib.slim.sum_regularizer")
def sum_regularizer(regularizer_list: Any, scope: str | None = None) -> Regularizer | None:
    """The sum of several regularizers, None among them left out; None where none is left.

    Args:
      regularizer_list: regularizers.
      scope: name scope; default "sum_regularizer".
    """
    chosen = [r for r in regularizer_list if r is not None]
    if not chosen:
        return None

    def total(weights: Any) -> Tensor | None:
        with name_scope(scope, "sum_regularizer", [weights]) as inner:
            found = [p for p in (r(weights) for r in chosen) if p is not None]
            return raw.AddN(found, name=inner) if found else None

    return total


@public("contrib.layers.apply_regularization", "contrib.slim.apply_regularization")
def apply_regularization(regularizer: Regularizer, weights_list: Any = None) -> Tensor:
    """The sum of a regularizer's penalties, also put into `GraphKeys.REGULARIZATION_LOSSES`.

    Args:
      regularizer: a function from a variable to a scalar or None.
      weights_list: variables; default those of `GraphKeys.WEIGHTS`.

    Raises:
      ValueError: there are no weights, or the regularizer gives something that is no scalar.
    """
    if not weights_list:
        weights_list = get_default_graph().get_collection(GraphKeys.WEIGHTS)
    if not weights_list:
        raise ValueError("No weights to regularize.")
    with name_scope("get_regularization_penalty", values=weights_list) as inner:
        found = [regularizer(w) for w in weights_list]
        penalties = [convert.to_tensor(0.0, name="Const") if p is None else p for p in found]
        for penalty in penalties:
            if penalty.get_shape().ndims != 0:
                raise ValueError(
                    f"regularizer must return a scalar Tensor instead of a Tensor with rank {penalty}"
                )
        total = raw.AddN(penalties, name=inner)
        get_default_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
        return total
