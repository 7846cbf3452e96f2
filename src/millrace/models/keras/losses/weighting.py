"""How the losses of elements are weighted and become one number."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.broadcast_weights import broadcast_weights
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast
from millrace.ops.math.division import div_no_nan

AUTO, NONE, SUM, SUM_OVER_BATCH_SIZE = "auto", "none", "sum", "sum_over_batch_size"
REDUCTIONS = (AUTO, NONE, SUM, SUM_OVER_BATCH_SIZE)


def check_reduction(reduction: str) -> None:
    """Refuses a reduction that does not exist.

    Raises:
      ValueError: it is not one of REDUCTIONS.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"Invalid Reduction Key {reduction}. Expected keys are {REDUCTIONS}")


def aligned(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Truth and predictions without a last axis of length 1 that the other lacks."""
    rank_true, rank_pred = _rank(y_true), _rank(y_pred)
    if rank_true is None or rank_pred is None:
        return y_true, y_pred
    last = y_pred.dims[-1] if y_pred.dims else None
    if rank_pred == rank_true and last != 1:
        return y_true, y_pred
    if rank_pred - rank_true == 1 and last in (1, None):
        return y_true, raw.Squeeze(y_pred, squeeze_dims=[-1])
    if rank_true - rank_pred == 1 and y_true.dims[-1] in (1, None):
        return raw.Squeeze(y_true, squeeze_dims=[-1]), y_pred
    return y_true, y_pred


def _rank(x: Any) -> int | None:
    return None if x.dims is None else len(x.dims)


def weights_for(values: Any, weights: Any) -> Any:
    """Weights with a last axis of length 1 taken away or added where the values' rank asks for it."""
    rank, found = _rank(values), _rank(weights)
    if found == 0 or rank is None:
        return weights
    if found is None:
        dynamic = raw.Rank(weights)

        def squeezed() -> Any:
            return cond(
                raw.Equal(dynamic - rank, 1),
                lambda: raw.Squeeze(weights, squeeze_dims=[-1]),
                lambda: cond(
                    raw.Equal(rank - dynamic, 1),
                    lambda: raw.ExpandDims(weights, -1),
                    lambda: raw.Identity(weights),
                ),
            )

        return cond(raw.Equal(dynamic, 0), lambda: raw.Identity(weights), squeezed)
    if found - rank == 1:
        return raw.Squeeze(weights, squeeze_dims=[-1])
    if rank - found == 1:
        return raw.ExpandDims(weights, -1)
    return weights


def compute_weighted_loss(
    losses: Any, sample_weight: Any = None, reduction: str = SUM_OVER_BATCH_SIZE, name: str | None = None
) -> Any:
    """The losses times their weights, reduced.

    Args:
      losses: `[...]`.
      sample_weight: broadcasts with the losses; default 1.
      reduction: one of REDUCTIONS.
      name: scope; default "weighted_loss".

    Raises:
      ValueError: there is no such reduction, or the weights do not fit.
    """
    check_reduction(reduction)
    if reduction == AUTO:
        reduction = SUM_OVER_BATCH_SIZE
    with name_scope(name or "weighted_loss"):
        losses = convert.to_tensor(losses)
        dtype = losses.dtype.base_dtype
        weights = cast(1.0 if sample_weight is None else sample_weight, dtypes.float32)
        weights = weights_for(losses, weights)
        losses = cast(losses, dtypes.float32)
        weighted = raw.Mul(losses, broadcast_weights(weights, losses), name="Mul")
        return cast(reduce_weighted_loss(weighted, reduction), dtype)


def reduce_weighted_loss(losses: Any, reduction: str = SUM_OVER_BATCH_SIZE) -> Any:
    """Weighted losses as they are ("none"), summed ("sum"), or divided by their number."""
    if reduction == NONE:
        return losses
    total = reduce_sum(losses)
    if reduction == SUM:
        return total
    with name_scope("num_elements") as scope:
        count = cast(size(losses, name=scope), losses.dtype)
    return div_no_nan(reduce_sum(total), count, name="value")
