"""Connectionist temporal classification: its loss and two decoders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core import shapes
from millrace.core.dtypes import float32, float64
from millrace.core.errors import refusal
from millrace.graph.attrs import dtype, flag, integer, later
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules import ctc
from millrace.opkit.rules.shape_rules import with_rank

_TYPES = dtype(frozenset({float32, float64}), default=float32)


def _check_lengths(inputs: np.ndarray, lengths: np.ndarray) -> None:
    if inputs.ndim != 3 or inputs.shape[2] == 0:
        raise refusal(f"inputs must be [time, batch, classes]. Received: shape {list(inputs.shape)}")
    if lengths.shape != inputs.shape[1:2]:
        raise refusal(
            f"sequence_length must have one element for each of {inputs.shape[1]} sequences. "
            f"Received: shape {list(lengths.shape)}"
        )
    if lengths.size and (lengths.min() < 0 or lengths.max() > inputs.shape[0]):
        raise refusal(f"sequence_length must be in [0, {inputs.shape[0]}]. Received: {lengths.tolist()}")


def _labels_of(indices: np.ndarray, values: np.ndarray, batch: int, classes: int) -> list[list[int]]:
    """The labels of each sequence; one at or beyond the blank class ends it."""
    rows: list[list[int]] = [[] for _ in range(batch)]
    for row, value in zip(indices[:, 0].tolist(), values.tolist(), strict=True):
        if not 0 <= row < batch:
            raise refusal(f"labels_indices must name sequences in [0, {batch}). Received: {row}")
        if value < 0:
            raise refusal(f"labels must not be negative. Received: {value} in sequence {row}")
        rows[row].append(value)
    for b, row in enumerate(rows):
        if not row:
            raise refusal(f"every sequence must have a label. Received: none in sequence {b}")
        ends = next((i for i, v in enumerate(row) if v >= classes - 1), len(row))
        if any(v < classes - 1 for v in row[ends:]):
            raise refusal(f"no label may follow a blank one. Received: {row} in sequence {b}")
        del row[ends:]
    return rows


@declare("CTCLoss(inputs: T, labels_indices: int64, labels_values: int32, sequence_length: int32) -> "
    "loss: T, gradient: T",
    preprocess_collapse_repeated=flag(False), ctc_merge_repeated=flag(True),
    ignore_longer_outputs_than_inputs=flag(False), T=_TYPES, host=True)  # fmt: skip
class CTCLoss:
    """Minus the log probability of the labels of each sequence, and its gradient in `inputs`."""

    def shape(inputs, labels_indices, labels_values, sequence_length):
        times, batch, classes = with_rank(inputs, 3, "inputs")  # type: ignore[misc]
        indices, values = (
            with_rank(labels_indices, 2, "labels_indices"),
            with_rank(labels_values, 1, "labels_values"),
        )
        shapes.merge(indices[:1], values)  # type: ignore[index]
        batch = shapes.merge((batch,), with_rank(sequence_length, 1, "sequence_length"))[0]  # type: ignore[index]
        return [(batch,), (times, batch, classes)]

    def kernel(
        xp,
        inputs,
        labels_indices,
        labels_values,
        sequence_length,
        preprocess_collapse_repeated,
        ctc_merge_repeated,
        ignore_longer_outputs_than_inputs,
    ):
        _check_lengths(inputs, sequence_length)
        _, batch, classes = inputs.shape
        rows = _labels_of(labels_indices, labels_values, batch, classes)
        loss, gradient = np.zeros(batch, inputs.dtype), np.zeros(inputs.shape, inputs.dtype)
        for b, (labels, steps) in enumerate(zip(rows, sequence_length.tolist(), strict=True)):
            if preprocess_collapse_repeated:
                labels = ctc.collapse(labels)
            if len(labels) > steps:
                if ignore_longer_outputs_than_inputs:
                    continue
                raise refusal(
                    f"sequence {b} needs at least as many steps as it has labels, unless "
                    f"ignore_longer_outputs_than_inputs is set. Received: {steps} steps, {len(labels)} labels"
                )
            if steps:
                logits = inputs[:steps, b].astype(np.float64)
                loss[b], gradient[:steps, b] = ctc.loss_and_gradient(logits, labels, ctc_merge_repeated)
        return loss, gradient

    def grad(op, dy, _):
        message = "The second derivative of CTCLoss is not available: its gradient is computed with the loss."
        return raw.ExpandDims(dy, -1) * raw.PreventGradient(op.outputs[1], message=message), None, None, None


def _sparse(found: Sequence[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices, values and shape of the sparse matrix whose rows are `found`."""
    places = [(b, i) for b, labels in enumerate(found) for i in range(len(labels))]
    values = [label for labels in found for label in labels]
    longest = max((len(labels) for labels in found), default=0)
    return (
        np.array(places, np.int64).reshape(-1, 2),
        np.array(values, np.int64),
        np.array([len(found), longest], np.int64),
    )


@declare("CTCGreedyDecoder(inputs: T, sequence_length: int32) -> "
    "decoded_indices: int64, decoded_values: int64, decoded_shape: int64, log_probability: T",
    merge_repeated=flag(False), blank_index=later(integer(-1)), T=_TYPES, host=True)  # fmt: skip
class CTCGreedyDecoder:
    """The labels of the path that takes the best class at every step."""

    def shape(inputs, sequence_length):
        batch = with_rank(inputs, 3, "inputs")[1:2]  # type: ignore[index]
        batch = shapes.merge(batch, with_rank(sequence_length, 1, "sequence_length"))
        return [(None, 2), (None,), (2,), (*batch, 1)]  # type: ignore[misc]

    def kernel(xp, inputs, sequence_length, merge_repeated, blank_index):
        _check_lengths(inputs, sequence_length)
        classes = inputs.shape[2]
        if not -classes <= blank_index < classes:
            raise refusal(f"blank_index must be in [-{classes}, {classes}). Received: {blank_index}")
        blank = blank_index % classes if classes else 0
        lengths = enumerate(sequence_length.tolist())
        found = [ctc.greedy(inputs[:n, b], merge_repeated, blank) for b, n in lengths]
        costs = np.array([cost for _, cost in found], inputs.dtype).reshape(-1, 1)
        return *_sparse([labels for labels, _ in found]), costs

    grad = NOT_DIFFERENTIABLE


@declare("CTCBeamSearchDecoder(inputs: T, sequence_length: int32) -> decoded_indices: top_paths*int64, "
    "decoded_values: top_paths*int64, decoded_shape: top_paths*int64, log_probability: T",
    beam_width=integer(minimum=1), top_paths=integer(minimum=1), merge_repeated=flag(True), T=_TYPES,
    host=True)  # fmt: skip
class CTCBeamSearchDecoder:
    """The most probable labels that a search with a beam of `beam_width` prefixes finds."""

    def shape(inputs, sequence_length, top_paths):
        batch = with_rank(inputs, 3, "inputs")[1:2]  # type: ignore[index]
        batch = shapes.merge(batch, with_rank(sequence_length, 1, "sequence_length"))
        lists = [(None, 2)] * top_paths + [(None,)] * top_paths + [(2,)] * top_paths
        return [*lists, (*batch, top_paths)]  # type: ignore[misc]

    def kernel(xp, inputs, sequence_length, beam_width, top_paths, merge_repeated):
        _check_lengths(inputs, sequence_length)
        if top_paths > beam_width:
            raise refusal(f"top_paths must be at most beam_width. Received: {top_paths} and {beam_width}")
        found = [
            ctc.beam_search(inputs[:n, b], beam_width, top_paths, merge_repeated)
            for b, n in enumerate(sequence_length.tolist())
        ]
        for b, paths in enumerate(found):
            if len(paths) < top_paths:
                raise refusal(
                    f"sequence {b} must have top_paths labellings. Received: {len(paths)} were found"
                )
        parts = [_sparse([paths[i][0] for paths in found]) for i in range(top_paths)]
        logs = np.array([[log for _, log in paths] for paths in found], inputs.dtype).reshape(-1, top_paths)
        return *(tuple(part[i] for part in parts) for i in range(3)), logs

    grad = NOT_DIFFERENTIABLE
