"""The loss of predicted sequences."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import count_nonzero, reduce_sum
from millrace.lib.nn.cross_entropy import sparse_softmax_cross_entropy_with_logits
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.division import div_no_nan


@public("contrib.seq2seq.sequence_loss")
def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross entropy of sequences of classes.

    Args:
      logits: `[batch, time, classes]`, floating.
      targets: int `[batch, time]`, the right classes.
      weights: `[batch, time]`, floating; zero where a sequence has ended.
      average_across_timesteps: divide the sum over time by the sum of the weights.
      average_across_batch: divide the sum over the batch by the sum of the weights.
      sum_over_timesteps: divide the sum over time by the number of weights that are not zero.
      sum_over_batch: divide the sum over the batch by the number of weights that are not zero.
      softmax_loss_function: of (labels=, logits=) to the loss of each, in place of the softmax's.
      name: of the scope; default "sequence_loss".

    Returns:
      A scalar with both averages or both sums, `[time]` with those over the batch only, `[batch]` with those
      over time only, else `[batch, time]`; an average over one axis wins over a sum over the other.

    Raises:
      AttributeError: an argument is not a tensor.
      ValueError: a rank is another one, or an average and a sum go over the same axis.
    """
    for title, value, rank in (("logits", logits, 3), ("targets", targets, 2), ("weights", weights, 2)):
        _check_rank(title, value, rank)
    if average_across_timesteps and sum_over_timesteps:
        raise ValueError("sequence_loss: average_across_timesteps and sum_over_timesteps exclude each other")
    if average_across_batch and sum_over_batch:
        raise ValueError("sequence_loss: average_across_batch and sum_over_batch exclude each other")
    with name_scope(name, "sequence_loss", [logits, targets, weights]):
        classes = shape_of(logits)[2]
        flat = reshape(logits, [-1, classes])
        labels = reshape(targets, [-1])
        if softmax_loss_function is None:
            losses = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=flat)
        else:
            losses = softmax_loss_function(labels=labels, logits=flat)
        losses = losses * reshape(weights, [-1])
        if average_across_timesteps and average_across_batch:
            return div_no_nan(reduce_sum(losses), reduce_sum(weights))
        if sum_over_timesteps and sum_over_batch:
            count = cast(count_nonzero(weights), losses.dtype)
            return div_no_nan(reduce_sum(losses), count)
        losses = reshape(losses, shape_of(logits)[0:2])
        if average_across_timesteps or average_across_batch:
            axis = [0] if average_across_batch else [1]
            return div_no_nan(reduce_sum(losses, axis=axis), reduce_sum(weights, axis=axis))
        if sum_over_timesteps or sum_over_batch:
            axis = [0] if sum_over_batch else [1]
            total = cast(count_nonzero(weights, axis=axis), losses.dtype)
            return div_no_nan(reduce_sum(losses, axis=axis), total)
    return losses


def _check_rank(title: str, value: Any, rank: int) -> None:
    if not hasattr(value, "get_shape"):  # 1.15's class
        raise AttributeError(f"sequence_loss: {title} must be a tensor. Received: {value!r}")
    if value.get_shape().ndims not in (rank, None):
        raise ValueError(
            f"sequence_loss: {title} must be a {rank}-dimensional tensor. Received: shape {value.get_shape()}"
        )
