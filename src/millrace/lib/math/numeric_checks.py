"""Checks made of operations: finite values, ascending values."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import renamed


@public("verify_tensor_all_finite", "debugging.assert_all_finite")
def verify_tensor_all_finite(
    t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None, message: str | None = None
) -> Tensor:
    """`t`; running it is an error if it holds infinities or NaNs.

    Args:
      t: `[...]`, floating.
      msg: what the error says first.
      name: a scope; default "VerifyFinite".
      x: another name of `t`.
      message: another name of `msg`.

    Returns:
      Shape and dtype of `t`.

    Raises:
      InvalidArgumentError: when run, if a number is not finite.
    """
    source = renamed(x, t, "x", "t")
    text = renamed(message, msg, "message", "msg")
    with name_scope(name, "VerifyFinite", [source]):
        source = convert_to_tensor(source, name="x")
        check = raw.CheckNumerics(source, message=text)
        with source.graph.control_dependencies([check]):
            return raw.Identity(source, name="control_dependency")


@public("add_check_numerics_ops")
def add_check_numerics_ops() -> Any:
    """Adds a check to every floating-point tensor of the default graph.

    Returns:
      An operation that runs all checks, each one as soon as the tensor is there.
    """
    checks: list[Any] = []
    graph = get_default_graph()
    for op in list(graph.get_operations()):
        for tensor in op.outputs:
            if tensor.dtype.base_dtype in (dtypes.float16, dtypes.float32, dtypes.float64):
                with graph.control_dependencies(checks[-1:]):
                    checks.append(raw.CheckNumerics(tensor, message=f"{op.name}:{tensor.value_index}"))
    with graph.control_dependencies(checks):
        return raw.NoOp(name="group_deps")


# TensorFlow takes differences in a branch, which fewer than two elements have not.
_OF_DIFFERENCES = 22


def _ascending(x: Any, compare: str, name: str | None, scope: str) -> Tensor:
    with name_scope(name, scope, [x]):
        x = raw.Reshape(convert_to_tensor(x, name="x"), [-1])
        holds = getattr(raw, compare)(x[:-1], x[1:])
        x.graph.count(_OF_DIFFERENCES)
        return raw.All(holds, 0)


@public("is_non_decreasing", "math.is_non_decreasing", "debugging.is_non_decreasing")
def is_non_decreasing(x: Any, name: str | None = None) -> Tensor:
    """True where no element is smaller than the one before it, in row-major order.

    Args:
      x: `[...]`, real.
      name: a scope; default "is_non_decreasing".

    Returns:
      A bool scalar; true for fewer than two elements.
    """
    return _ascending(x, "LessEqual", name, "is_non_decreasing")


@public("is_strictly_increasing", "math.is_strictly_increasing", "debugging.is_strictly_increasing")
def is_strictly_increasing(x: Any, name: str | None = None) -> Tensor:
    """True where each element is greater than the one before it; arguments and result as for
    `is_non_decreasing`.
    """
    return _ascending(x, "Less", name, "is_strictly_increasing")
