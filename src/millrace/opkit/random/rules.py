"""Shape rules and run-time checks that the random operations share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building.convert import convert_to_tensor
from millrace.building.static import Known
from millrace.core import errors, shapes
from millrace.core.errors import refusal
from millrace.core.shapes import Dims
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shown
from millrace.opkit.rules.shape_rules import with_rank


def drawn(shape: Any) -> Dims:
    """The output's dims where an input holds them.

    Raises:
      ValueError: `shape` is not a vector of lengths.
    """
    with_rank(shape.dims, 1, "shape")
    return shape.as_dims()


def sampled(logits: Any, num_samples: Known) -> Dims:
    """The dims `[batch, num_samples]` of draws from the rows of `logits`.

    Raises:
      ValueError: `logits` is not a matrix, or `num_samples` is not a scalar >= 0.
    """
    with_rank(num_samples.dims, 0, "num_samples")
    batch = with_rank(logits, 2, "logits")[0]  # type: ignore[index]
    count = num_samples.value
    if count is None:
        return (batch, None)
    if count < 0:
        raise ValueError(f"'num_samples' must not be negative. Received: {count}")
    return (batch, int(count))


def seed_pair(seed: Any) -> None:
    """Checks that a stateless operation's seed can be two numbers.

    Raises:
      ValueError: it cannot.
    """
    if not shapes.compatible(seed, (2,)):
        raise ValueError(f"'seed' must have shape [2]. Received: shape {shapes.format_dims(seed)}")


def dims_of(shape: np.ndarray, op: str) -> tuple[tuple[int, ...], int]:
    """The lengths in a run-time shape vector, and how many elements they make.

    Raises:
      InvalidArgumentError: `shape` is not a vector of lengths.
    """
    lengths = shape.tolist()
    if shape.ndim != 1 or min(lengths, default=0) < 0:
        raise invalid(f"{op}: 'shape' must be a vector of lengths >= 0. Received: {lengths}")
    return tuple(lengths), math.prod(lengths)


def check_range(xp: Any, minval: Any, maxval: Any, op: str) -> None:
    """Refuses an empty range of integers.

    Raises:
      InvalidArgumentError: `minval` is not below `maxval`.
    """

    def empty() -> errors.InvalidArgumentError:
        return invalid(f"{op}: Need minval < maxval, got {shown(xp, minval)} >= {shown(xp, maxval)}")

    xp.check(minval < maxval, empty)


def invalid(message: str) -> errors.InvalidArgumentError:
    """The error of a kernel that was given wrong values; the runtime adds the operation."""
    return refusal(message)


def shape_input(shape: Any) -> Tensor:
    """A public function's `shape` argument as a tensor: a list or tuple is of int32."""
    return convert_to_tensor(shape, "int32" if isinstance(shape, list | tuple) else None, "shape")
