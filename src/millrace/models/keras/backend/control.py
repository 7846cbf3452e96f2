"""Branches, the learning phase, and functions applied to each element."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.flow import functional
from millrace.lib.flow.control_flow import cond
from millrace.lib.layers import settings
from millrace.models.keras.backend import arrays
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.select import where


def _value(thing: Any) -> Any:
    return thing() if callable(thing) else thing


def _maker(thing: Any) -> Any:
    return thing if callable(thing) else lambda: thing


@public("keras.backend.switch")
def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One of two values.

    Args:
      condition: a scalar, or of a rank not above that of the values.
      then_expression, else_expression: tensors, or functions that make them.

    Raises:
      ValueError: the condition's rank is above that of the values.
    """
    condition = convert.to_tensor(condition)
    if condition.dtype.base_dtype is not dtypes.bool_:
        condition = cast(condition, dtypes.bool_)
    rank = arrays.ndim(condition)
    if not rank:
        return cond(condition, _maker(then_expression), _maker(else_expression))
    then, other = convert.to_tensor(_value(then_expression)), convert.to_tensor(_value(else_expression))
    whole = arrays.ndim(then)
    if rank > whole:
        raise ValueError(
            "Rank of `condition` should be less than or equal to rank of `then_expression` and "
            f"`else_expression`. Received: ranks {rank} and {whole}"
        )
    if rank > 1 and whole > rank:
        sizes = raw.ConcatV2([shape_of(condition), [1] * (whole - rank)], 0)
        found, wanted = shape_of(then), sizes
        times = raw.Select(raw.Equal(wanted, 1), found, arrays.ones_like(found))
        condition = tile(raw.Reshape(condition, sizes), times)
    return where(condition, then, other)


@public("keras.backend.in_train_phase")
def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`x` while training, else `alt`.

    Args:
      x, alt: tensors, or functions that make them.
      training: a number or tensor; default the learning phase.
    """
    if training is None:
        training = settings.learning_phase()
    if isinstance(training, int):
        return _value(x) if training else _value(alt)
    return switch(training, x, alt)


@public("keras.backend.in_test_phase")
def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """`alt` while training, else `x`; arguments as for `in_train_phase`."""
    return in_train_phase(alt, x, training=training)


@public("keras.backend.map_fn")
def map_fn(fn: Any, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """`fn` of each element along the first axis, stacked."""
    return functional.map_fn(fn, elems, name=name, dtype=dtype)


@public("keras.backend.foldl")
def foldl(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """`fn` of the result so far and each element along the first axis, from the first on."""
    return functional.foldl(fn, elems, initializer=initializer, name=name)


@public("keras.backend.foldr")
def foldr(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """`fn` of the result so far and each element along the first axis, from the last on."""
    return functional.foldr(fn, elems, initializer=initializer, name=name)


@public("keras.backend.backend")
def backend() -> str:
    """The name of the backend: "tensorflow"."""
    return "tensorflow"
