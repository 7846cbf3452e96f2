"""Sparsemax and its loss, of "From softmax to sparsemax" (Martins and Astudillo)."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.concat import stack
from millrace.ops.array.fill import fill, range_, zeros_like
from millrace.ops.array.gather import gather_nd
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, is_nan, logical_and, logical_or
from millrace.ops.math.cumulative import cumsum
from millrace.ops.math.select import maximum, where
from millrace.ops.math.top_k import top_k


@public("contrib.sparsemax.sparsemax")
def sparsemax(logits: Any, name: str | None = None) -> Tensor:
    """The nearest point of the simplex to each row.

    Args:
      logits: `[batch, classes]`, floating.
      name: a scope; default "sparsemax".

    Returns:
      Shares of the same shape, which sum to 1; NaN in a row that has NaN or only minus infinity.
    """
    with name_scope(name, "sparsemax", [logits]):
        logits = convert_to_tensor(logits, name="logits")
        batch, classes = shape_of(logits)[0], shape_of(logits)[1]
        ordered, _ = top_k(logits, k=classes)
        sums = cumsum(ordered, axis=1)
        places = range_(1, cast(classes, logits.dtype) + 1, dtype=logits.dtype)
        inside = 1 + places * ordered > sums
        support = reduce_sum(cast(inside, int32), axis=1)
        safe = maximum(support, 1)
        at = stack([range_(0, batch), reshape(safe, [-1]) - 1], axis=1)
        threshold = (gather_nd(sums, at) - 1) / cast(support, logits.dtype)
        shares = maximum(cast(0, logits.dtype), logits - reshape(threshold, [-1, 1]))
        broken = logical_or(equal(support, 0), is_nan(sums[:, -1]))
        nan = fill(stack([batch, classes]), cast(float("nan"), logits.dtype))
        return where(broken, nan, shares)


@public("contrib.sparsemax.sparsemax_loss")
def sparsemax_loss(logits: Any, sparsemax: Any, labels: Any, name: str | None = None) -> Tensor:
    """The loss whose gradient is sparsemax - labels.

    Args:
      logits: `[batch, classes]`.
      sparsemax: what `sparsemax` gives for them.
      labels: same shape, shares that sum to 1.
      name: a scope; default "sparsemax_loss".

    Returns:
      `[batch]`.
    """
    with name_scope(name, "sparsemax_loss", [logits, sparsemax, labels]):
        logits, shares, labels = (convert_to_tensor(x) for x in (logits, sparsemax, labels))
        support = logical_or(shares > 0, is_nan(shares))
        inner = where(support, shares * (logits - 0.5 * shares), zeros_like(shares))
        wanted = labels * (0.5 * labels - logits)
        fitting = where(logical_and(equal(labels, 0), raw.IsInf(logits)), zeros_like(wanted), wanted)
        return reduce_sum(inner + fitting, axis=1)
