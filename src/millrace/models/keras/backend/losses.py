"""Cross-entropies, the loss and the decoders of CTC, and whether a target is among the best."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.math.functions import clip_by_value
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn import ctc
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.models.keras.backend.activations import like
from millrace.ops.array.reshape import reshape, squeeze, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math import elementwise
from millrace.ops.math.cast import cast
from millrace.ops.math.top_k import in_top_k as in_top


def _logits_of(output: Any, activation_type: str) -> Any:
    """What an activation was applied to, where `output` is its result; else None."""
    op = getattr(output, "op", None)
    return op.inputs[0] if op is not None and op.type == activation_type else None


def _probabilities(output: Any) -> Any:
    margin = like(settings.epsilon(), output)
    return clip_by_value(output, margin, 1.0 - margin)


@public("keras.backend.categorical_crossentropy")
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """The cross entropy of distributions along an axis.

    Args:
      target: the true distributions.
      output: the predicted ones, or their logits.
      from_logits: `output` holds logits.
      axis: along which they lie.
    """
    output = convert.to_tensor(output)
    if not from_logits:
        logits = _logits_of(output, "Softmax")
        if logits is None:
            output = _probabilities(output / reduce_sum(output, axis, True))
            return -reduce_sum(target * elementwise.log(output), axis)
        output = logits
    return softmax_cross_entropy_with_logits_v2(labels=target, logits=output, axis=axis)


@public("keras.backend.sparse_categorical_crossentropy")
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """The cross entropy of classes and distributions along an axis.

    Args:
      target: the true classes, integers.
      output: the predicted distributions, or their logits.
      from_logits: `output` holds logits.
      axis: along which the distributions lie.
    """
    output = convert.to_tensor(output)
    if not from_logits:
        logits = _logits_of(output, "Softmax")
        output = elementwise.log(_probabilities(output)) if logits is None else logits
    rank = None if output.dims is None else len(output.dims)
    if rank is not None and axis % rank != rank - 1:
        axis = axis % rank
        output = transpose(output, perm=[*range(axis), *range(axis + 1, rank), axis])
    target = cast(convert.to_tensor(target), dtypes.int64)
    sizes = shape_of(output)
    known = None if target.dims is None else len(target.dims)
    flat = known is None or rank is None or known != rank - 1
    if flat:
        target = reshape(target, [-1])
        output = reshape(output, [-1, sizes[-1]])
    found = sparse_softmax_cross_entropy_with_logits(labels=target, logits=output)
    return reshape(found, sizes[:-1]) if flat and (rank or 0) >= 3 else found


@public("keras.backend.binary_crossentropy")
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """The cross entropy of probabilities, element by element.

    Args:
      target: the true probabilities.
      output: the predicted ones, or their logits.
      from_logits: `output` holds logits.
    """
    output = convert.to_tensor(output)
    if not from_logits:
        logits = _logits_of(output, "Sigmoid")
        if logits is None:
            output = _probabilities(output)
            found = target * elementwise.log(output + settings.epsilon())
            found = found + (1 - target) * elementwise.log(1 - output + settings.epsilon())
            return -found
        output = logits
    return sigmoid_cross_entropy_with_logits(labels=target, logits=output)


@public("keras.backend.in_top_k")
def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether the true class is among the `k` with the greatest predictions."""
    return in_top(predictions, targets, k)


_OF_A_SCAN = 167  # more operations that TensorFlow has, which finds the labels row by row


@public("keras.backend.ctc_label_dense_to_sparse")
def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> Any:
    """Labels `[batch, length]` of which the first `label_lengths` count, as a SparseTensor."""
    lengths = convert.to_tensor(label_lengths)
    open_batch = lengths.dims is None or None in lengths.dims
    lengths.graph.count(_OF_A_SCAN + open_batch)
    return ctc._as_sparse(convert.to_tensor(labels), lengths)


@public("keras.backend.ctc_batch_cost")
def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """The CTC loss of each element of a batch.

    Args:
      y_true: labels, `[batch, length]`.
      y_pred: probabilities, `[batch, time, classes]`; the last class is the blank.
      input_length, label_length: `[batch, 1]`.

    Returns:
      `[batch, 1]`.
    """
    label_length = cast(squeeze(label_length, [-1]), dtypes.int32)
    input_length = cast(squeeze(input_length, [-1]), dtypes.int32)
    labels = ctc_label_dense_to_sparse(cast(y_true, dtypes.int32), label_length)
    logits = elementwise.log(transpose(y_pred, perm=[1, 0, 2]) + settings.epsilon())
    return raw.ExpandDims(ctc.ctc_loss(labels, logits, input_length), 1)


@public("keras.backend.ctc_decode")
def ctc_decode(
    y_pred: Any, input_length: Any, greedy: bool = True, beam_width: int = 100, top_paths: int = 1
) -> Any:
    """The likeliest labels.

    Args:
      y_pred: probabilities, `[batch, time, classes]`; the last class is the blank.
      input_length: `[batch]`.
      greedy: take the likeliest class at each time, not the best of all paths.
      beam_width: how many paths are kept.
      top_paths: how many are returned.

    Returns:
      A list of dense labels, `[batch, length]`, filled up with -1, and their log probabilities.
    """
    logits = elementwise.log(transpose(y_pred, perm=[1, 0, 2]) + settings.epsilon())
    lengths = cast(input_length, dtypes.int32)
    if greedy:
        decoded, probability = ctc.ctc_greedy_decoder(inputs=logits, sequence_length=lengths)
    else:
        decoded, probability = ctc.ctc_beam_search_decoder(
            inputs=logits, sequence_length=lengths, beam_width=beam_width, top_paths=top_paths
        )
    dense = [raw.SparseToDense(st.indices, st.dense_shape, st.values, like(-1, st.values)) for st in decoded]
    return dense, probability
