"""Losses of lists of logits, and models for several lengths."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.cross_entropy import sparse_softmax_cross_entropy_with_logits
from millrace.lib.variables.scope import get_variable_scope, variable_scope
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.cast import cast


@public("contrib.legacy_seq2seq.sequence_loss_by_example")
def sequence_loss_by_example(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Tensor:
    """The weighted cross entropy of each sequence.

    Args:
      logits: a list of `[batch, classes]`.
      targets: a list of int32 `[batch]`, the right classes.
      weights: a list of `[batch]`, floating.
      average_across_timesteps: divide by the sum of the weights.
      softmax_loss_function: of (labels=, logits=) to the loss of each, in place of the softmax's.
      name: of the scope; default "sequence_loss_by_example".

    Returns:
      `[batch]`.

    Raises:
      ValueError: the lists differ in length.
    """
    if len(targets) != len(logits) or len(weights) != len(logits):
        raise ValueError(
            "Lengths of logits, weights, and targets must be the same "
            f"{len(logits)}, {len(weights)}, {len(targets)}."
        )
    with name_scope(name, "sequence_loss_by_example", [*logits, *targets, *weights]):
        losses = []
        for logit, target, weight in zip(logits, targets, weights, strict=True):
            if softmax_loss_function is None:
                labels = reshape(target, [-1])
                loss = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logit)
            else:
                loss = softmax_loss_function(labels=target, logits=logit)
            losses.append(loss * weight)
        total = add_n(losses)
        if average_across_timesteps:
            total = total / (add_n(weights) + 1e-12)
    return total


@public("contrib.legacy_seq2seq.sequence_loss", "contrib.legacy_seq2seq.python.ops.seq2seq.sequence_loss")
def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Tensor:
    """The sum of `sequence_loss_by_example`, a scalar; its mean with `average_across_batch`.

    Raises:
      ValueError: the lists differ in length.
    """
    with name_scope(name, "sequence_loss", [*logits, *targets, *weights]):
        cost = reduce_sum(
            sequence_loss_by_example(
                logits,
                targets,
                weights,
                average_across_timesteps=average_across_timesteps,
                softmax_loss_function=softmax_loss_function,
            )
        )
        if average_across_batch:
            return cost / cast(shape_of(targets[0])[0], cost.dtype)
    return cost


@public("contrib.legacy_seq2seq.model_with_buckets")
def model_with_buckets(
    encoder_inputs: Any,
    decoder_inputs: Any,
    targets: Any,
    weights: Any,
    buckets: Any,
    seq2seq: Any,
    softmax_loss_function: Any = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> tuple[list[Any], list[Any]]:
    """One model for each of several lengths, with one set of variables.

    Args:
      encoder_inputs, decoder_inputs: lists as long as the longest bucket.
      targets, weights: as for `sequence_loss`.
      buckets: pairs of lengths, of the encoder's list and of the decoder's.
      seq2seq: of (encoder inputs, decoder inputs) to (outputs, states).
      softmax_loss_function: as for `sequence_loss`.
      per_example_loss: give the losses of each sequence rather than their mean.
      name: of the scope; default "model_with_buckets".

    Returns:
      (for each bucket its outputs, for each bucket its loss).

    Raises:
      ValueError: a list is shorter than the last bucket.
    """
    for title, values, needed in (
        ("encoder_inputs", encoder_inputs, buckets[-1][0]),
        ("targets", targets, buckets[-1][1]),
        ("weights", weights, buckets[-1][1]),
    ):
        if len(values) < needed:
            raise ValueError(
                f"Length of {title} ({len(values)}) must be at least that of last bucket ({needed})."
            )
    losses, outputs = [], []
    loss = sequence_loss_by_example if per_example_loss else sequence_loss
    with name_scope(name, "model_with_buckets", [*encoder_inputs, *decoder_inputs, *targets, *weights]):
        for j, (encoder_length, length) in enumerate(buckets):
            with variable_scope(get_variable_scope(), reuse=True if j > 0 else None):
                found, _ = seq2seq(encoder_inputs[:encoder_length], decoder_inputs[:length])
                outputs.append(found)
                losses.append(
                    loss(
                        found,
                        targets[:length],
                        weights[:length],
                        softmax_loss_function=softmax_loss_function,
                    )
                )
    return outputs, losses
