"""What queues and barriers are told of the components of an element: their dtypes and shapes."""

from __future__ import annotations

from typing import Any

from millrace.core import dtypes, shapes


def as_dtypes(given: Any) -> list[dtypes.DType]:
    """The dtypes of the components, which may be given as one."""
    return [dtypes.as_dtype(d) for d in (given if isinstance(given, list | tuple) else [given])]


def as_shapes(given: Any, count: int) -> list[shapes.TensorShape] | None:
    """The shapes of `count` components, which may be given as one; None where none are given."""
    if given is None:
        return None
    if isinstance(given, shapes.TensorShape):
        given = [given]
    found = list(given)
    if count == 1 and (not found or not isinstance(found[0], list | tuple | shapes.TensorShape)):
        found = [found]
    return [shapes.as_shape(s) for s in found]


def all_known(given: list[shapes.TensorShape] | None) -> list[shapes.TensorShape] | None:
    """The shapes as they are.

    Raises:
      ValueError: a length is not known.
    """
    if given is not None and not all(s.is_fully_defined() for s in given):
        raise ValueError(f"All shapes must be fully defined: {given}")
    return given
