"""Connectionist temporal classification: `tf.nn.ctc_loss`, the decoders, and label arithmetic."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import name_scope
from millrace.building.slicing import boolean_mask
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import bool_, int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.functional import map_fn
from millrace.lib.math.array import sequence_mask
from millrace.lib.math.reductions import reduce_max, reduce_sum
from millrace.opkit.rules import window_args


@public("nn.ctc_loss")
def ctc_loss(
    labels: SparseTensor,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Tensor:
    """Minus the log probability of a labelling of each sequence, over all ways to align it.

    Args:
      labels: a sparse int32 matrix `[batch, most]` of classes.
      inputs: `[time, batch, classes]`, logits, float32 or float64; the last class is blank.
      sequence_length: int32 `[batch]`.
      preprocess_collapse_repeated: write runs of equal labels once before anything else.
      ctc_merge_repeated: let a label last for several steps.
      ignore_longer_outputs_than_inputs: give labellings longer than their sequence a loss of 0, not an error.
      time_major: False for `inputs` of shape `[batch, time, classes]`.
      logits: another name of `inputs`.

    Returns:
      `[batch]`, the dtype of `inputs`.

    Raises:
      TypeError: `labels` is not sparse.
      InvalidArgumentError: when run, a labelling is empty or longer than its sequence.
    """
    if not isinstance(labels, SparseTensor):
        raise TypeError(f"ctc_loss: labels must be a SparseTensor. Received: {labels!r}")
    inputs = to_tensor(window_args.one_of_two("inputs", inputs, "logits", logits), name="inputs")
    if not time_major:
        inputs = raw.Transpose(inputs, [1, 0, 2], name="transpose")
    return raw.CTCLoss(
        inputs,
        labels.indices,
        labels.values,
        sequence_length,
        preprocess_collapse_repeated=preprocess_collapse_repeated,
        ctc_merge_repeated=ctc_merge_repeated,
        ignore_longer_outputs_than_inputs=ignore_longer_outputs_than_inputs,
    ).loss


@public("nn.ctc_loss_v2")
def ctc_loss_v2(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: int | None = None,
    name: str | None = None,
) -> Tensor:
    """`ctc_loss` for dense or sparse labels and any blank class.

    Args:
      labels: int32 `[batch, most]`, or a sparse matrix of that shape.
      logits: `[time, batch, classes]`.
      label_length: int32 `[batch]` for dense labels, else None.
      logit_length: int32 `[batch]`.
      logits_time_major: False for `logits` of shape `[batch, time, classes]`.
      unique: accepted; what it speeds up elsewhere is not done here.
      blank_index: the blank class; negative counts from the end; needed for sparse labels, else 0.
      name: scope; default "ctc_loss".

    Returns:
      `[batch]`, the dtype of `logits`.

    Raises:
      ValueError: sparse labels without `blank_index`, or a number of classes that is not known.
    """
    del unique
    sparse = isinstance(labels, SparseTensor)
    if sparse and blank_index is None:
        raise ValueError("ctc_loss_v2: blank_index must be given for sparse labels. Received: None")
    with name_scope(name, "ctc_loss", [logits]):
        logits = to_tensor(logits, name="logits")
        if not logits_time_major:
            logits = raw.Transpose(logits, [1, 0, 2], name="transpose")
        if not sparse:
            labels = _as_sparse(to_tensor(labels, int32, "labels"), label_length)
        classes = None if logits.dims is None else logits.dims[-1]
        if classes is None:
            raise ValueError(f"ctc_loss_v2: the number of classes must be known. Received: {logits}")
        blank = blank_index or 0
        blank = blank + classes if blank < 0 else blank
        if not 0 <= blank < classes:
            raise ValueError(
                f"ctc_loss_v2: blank_index must be a class in [0, {classes}). Received: {blank_index}"
            )
        values = labels.values if labels.dtype.base_dtype is int32 else raw.Cast(labels.values, DstT=int32)
        if blank != classes - 1:
            parts = [logits[:, :, :blank], logits[:, :, blank + 1 :], logits[:, :, blank : blank + 1]]
            logits = raw.ConcatV2(parts, 2, name="concat")
            values = raw.Select(raw.Less(values, blank), values, values - 1)
        return ctc_loss(SparseTensor(labels.indices, values, labels.dense_shape), logits, logit_length)


def _as_sparse(labels: Tensor, lengths: Any) -> SparseTensor:
    """The first `lengths` labels of each row as a sparse matrix."""
    sizes = shape_tensor(labels, int64)
    mask = sequence_mask(lengths, shape_tensor(labels)[1])
    places = raw.Where(mask)
    return SparseTensor(places, raw.GatherNd(labels, places), sizes)


@public("nn.ctc_greedy_decoder")
def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """The labels of the path that takes the best class at every step.

    Args:
      inputs: `[time, batch, classes]`, logits, float32 or float64; the last class is blank.
      sequence_length: int32 `[batch]`.
      merge_repeated: a class that lasts for several steps is one label.

    Returns:
      A list of one sparse int64 matrix `[batch, most]`, and minus the sum of the logits on
      the path, `[batch, 1]`.
    """
    found = raw.CTCGreedyDecoder(inputs, sequence_length, merge_repeated=merge_repeated)
    return [SparseTensor(*found[:3])], found.log_probability


@public("nn.ctc_beam_search_decoder")
def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """The most probable labellings that a beam search finds.

    Args:
      inputs: `[time, batch, classes]`, logits, float32 or float64; the last class is blank.
      sequence_length: int32 `[batch]`.
      beam_width: how many labellings survive each step.
      top_paths: how many to return; at most `beam_width`.
      merge_repeated: write equal neighbours in a labelling found once.

    Returns:
      `top_paths` sparse int64 matrices `[batch, most]`, and their log probabilities `[batch, top_paths]`.
    """
    found = raw.CTCBeamSearchDecoder(
        inputs, sequence_length, beam_width=beam_width, top_paths=top_paths, merge_repeated=merge_repeated
    )
    paths = zip(found.decoded_indices, found.decoded_values, found.decoded_shape, strict=True)
    return [SparseTensor(*parts) for parts in paths], found.log_probability


@public("nn.ctc_beam_search_decoder_v2")
def ctc_beam_search_decoder_v2(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list[SparseTensor], Tensor]:
    """`ctc_beam_search_decoder` that leaves equal neighbours in a labelling alone."""
    return ctc_beam_search_decoder(inputs, sequence_length, beam_width, top_paths, merge_repeated=False)


@public("nn.collapse_repeated")
def collapse_repeated(labels: Any, seq_length: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """Writes runs of equal labels once.

    Args:
      labels: `[batch, most]`.
      seq_length: int32 `[batch]`.
      name: scope; default "collapse_repeated_labels".

    Returns:
      `[batch, longest]`, zero behind each row's labels, and the new lengths `[batch]`.
    """
    with name_scope(name, "collapse_repeated_labels", [labels, seq_length]):
        labels, seq_length = to_tensor(labels, name="labels"), to_tensor(seq_length, name="seq_length")
        first = raw.Fill(raw.Shape(labels[:, :1]), to_tensor(True, bool_, "Const"))
        changed = raw.ConcatV2([first, raw.NotEqual(labels[:, 1:], labels[:, :-1])], 1, name="concat")
        kept = raw.LogicalAnd(changed, sequence_mask(seq_length, raw.Shape(labels)[1]))
        lengths = reduce_sum(raw.Cast(kept, DstT=int32), 1)
        longest = reduce_max(lengths)
        places = raw.Where(sequence_mask(lengths, longest))
        values = boolean_mask(raw.Reshape(labels, [-1]), raw.Reshape(kept, [-1]))
        shape = raw.Pack([raw.Shape(labels, out_type=int64)[0], raw.Cast(longest, DstT=int64)])
        return raw.ScatterNd(places, values, shape), lengths


@public("nn.ctc_unique_labels")
def ctc_unique_labels(labels: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The different labels of each row.

    Args:
      labels: `[batch, most]`.
      name: scope; default "ctc_unique_labels".

    Returns:
      int64 `[batch, most]`, the different labels of each row in the order they first appear, then zeros; and
      `[batch, most]`, for each label its place among them.
    """
    with name_scope(name, "ctc_unique_labels", [labels]):
        labels = to_tensor(labels, name="labels")
        most = raw.Shape(labels)[1]

        def row(one: Tensor) -> tuple[Tensor, Tensor]:
            values, places = raw.Unique(one)
            wide = values if values.dtype is int64 else raw.Cast(values, DstT=int64)
            return raw.Pad(wide, [[0, most - raw.Shape(values)[0]]]), places

        values, places = map_fn(row, labels, dtype=(int64, int32))
        for found in (values, places):
            found.set_shape(labels.dims)
        return values, places
