"""Branches that are taken while the graph is built where the condition is known then: `smart_cond`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.static import constant_value as static_constant
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import case, cond


@public("python.framework.smart_cond.smart_constant_value", "contrib.framework.smart_constant_value")
def smart_constant_value(pred: Any) -> Any:
    """What a condition is known to be: a bool, an array for a tensor, or None.

    Raises:
      TypeError: `pred` is neither a tensor nor a bool, 0 or 1.
    """
    if isinstance(pred, Tensor):
        return static_constant(pred)
    if isinstance(pred, bool) or pred in (0, 1):
        return bool(pred)
    raise TypeError(
        "`pred` must be a Tensor, or a Python bool, or 1 or 0. Found instead: "
        f"{type(pred)}. Received: {pred!r}"
    )


@public("python.framework.smart_cond.smart_cond", "contrib.framework.smart_cond")
def smart_cond(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:
    """The result of one function where `pred` is known now, else `tf.cond` of both.

    Args:
      pred: a bool, 0, 1, or a bool scalar.
      true_fn: what to call where it holds.
      false_fn: what to call where it does not.
      name: a scope for `tf.cond`.

    Raises:
      TypeError: `pred` is of another kind, or a function is not callable.
    """
    for label, function in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(function):
            raise TypeError(f"`{label}` must be callable. Received: {function!r}")
    value = smart_constant_value(pred)
    if value is None:
        return cond(pred, true_fn, false_fn, name=name)
    return (true_fn if value else false_fn)()  # pyright: ignore[reportOptionalCall]


@public("python.framework.smart_cond.smart_case", "contrib.framework.smart_case")
def smart_case(
    pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, name: str = "smart_case"
) -> Any:
    """`tf.case`, where conditions known now choose at once.

    Args:
      pred_fn_pairs: pairs of a condition and a function, or a dict.
      default: what to call where no condition holds.
      exclusive: more than one that holds is an error.
      name: a scope.
    """
    pairs = list(pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs)
    known = [(smart_constant_value(pred), pred, function) for pred, function in pairs]
    open_ = [(pred, function) for value, pred, function in known if value is None]
    if not open_ or (known[0][0] is not None and known[0][0]):
        for value, _, function in known:
            if value:
                return function()
        if default is None:
            raise ValueError(f"smart_case: no condition holds and there is no default. Received: {pairs!r}")
        return default()
    return case([(p, f) for v, p, f in known if v is None or v], default, exclusive, name=name)
