"""`and`, `or`, `not`, `==`, `!=` and `assert`: Python's own, or operations where a tensor decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.graph.operation import Operation
from millrace.lib.autograph.values import is_tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.control_flow import cond


def and_(*parts: Callable[[], Any]) -> Any:
    """`a and b and ...`; from the first tensor on, `tf.cond`."""
    value = parts[0]()
    rest = parts[1:]
    if not rest:
        return value
    if is_tensor(value):
        return cond(value, lambda: and_(*rest), lambda: value)
    return and_(*rest) if value else value


def or_(*parts: Callable[[], Any]) -> Any:
    """`a or b or ...`; from the first tensor on, `tf.cond`."""
    value = parts[0]()
    rest = parts[1:]
    if not rest:
        return value
    if is_tensor(value):
        return cond(value, lambda: value, lambda: or_(*rest))
    return value if value else or_(*rest)


def not_(value: Any) -> Any:
    """`not value`; of a tensor, `tf.logical_not`."""
    return raw.LogicalNot(value) if is_tensor(value) else not value


def equal(a: Any, b: Any) -> Any:
    """`a == b`; of a tensor, `tf.equal`."""
    return raw.Equal(a, b) if is_tensor(a) or is_tensor(b) else a == b


def not_equal(a: Any, b: Any) -> Any:
    """`a != b`; of a tensor, the negation of `tf.equal`."""
    return not_(equal(a, b)) if is_tensor(a) or is_tensor(b) else a != b


def assert_(test: Any, message: Callable[[], Any]) -> Operation | None:
    """`assert test, message`; of a tensor, `tf.Assert`.

    Raises:
      AssertionError: the condition is Python's and does not hold.
    """
    if is_tensor(test):
        said = message()
        return Assert(test, list(said) if isinstance(said, list | tuple) else [said])
    assert test, message()
    return None
