"""One step of a beam search: scores of all continuations, and the best of them."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.static import static_value
from millrace.contributed.seq2seq.attention_wrapper import AttentionWrapperState
from millrace.contributed.seq2seq.beams import Beams, gather_beams
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.math.lengths import length
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import fill, ones_like
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims, reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, logical_not, logical_or
from millrace.ops.math.division import floormod
from millrace.ops.math.elementwise import log
from millrace.ops.math.select import minimum, where
from millrace.ops.math.top_k import top_k
from millrace.ops.nn.softmax import log_softmax


def beam_step(
    logits: Tensor,
    cell_state: Any,
    state: Any,
    beams: Beams,
    end_token: Tensor,
    length_penalty_weight: Any,
    coverage_penalty_weight: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs and the next state of a search, by name.

    Args:
      logits: `[batch, beams, classes]`.
      cell_state: the cell's next state, `[batch, beams, ...]`, before the best beams are chosen.
      state: the search's state before the step.
      beams: the batch.
      end_token: ends a beam.
      length_penalty_weight, coverage_penalty_weight: see `BeamSearchDecoder`.
    """
    batch, width = beams.batch_size, beams.width
    going = logical_not(state.finished)
    log_probs = ended_stay(log_softmax(logits), end_token, state.finished)
    total = expand_dims(state.log_probs, 2) + log_probs
    classes = length(logits, -1)
    added = one_hot(
        indices=fill([batch, width], end_token),
        depth=classes,
        on_value=cast(0, dtypes.int64, name="ToInt64"),
        off_value=cast(1, dtypes.int64, name="ToInt64"),
        dtype=dtypes.int64,
    )
    added = added * expand_dims(cast(going, dtypes.int64), 2)
    lengths = added + expand_dims(state.lengths, 2)
    weights = attention_probabilities(cell_state, coverage_penalty_weight)
    accumulated: Any = None
    if weights is not None:
        weights = weights * expand_dims(cast(going, weights.dtype), 2)
        accumulated = state.accumulated_attention_probs + weights
    scores = _scores(
        total, lengths, length_penalty_weight, coverage_penalty_weight, state.finished, accumulated
    )
    best, places = top_k(reshape(scores, [batch, -1]), k=convert.to_tensor(width, dtypes.int32, "beam_width"))
    static = None if state.log_probs.dims is None else state.log_probs.dims[0]
    best.set_shape([static, width])
    places.set_shape([static, width])

    def taken(
        indices: Tensor, values: Tensor, span: Any, shape: list[Any], name: str | None = None
    ) -> Tensor:
        return gather_beams(indices, values, batch, span, shape, name)

    next_log_probs = taken(places, total, width * classes, [-1], "next_beam_probs")
    ids = cast(floormod(places, classes, name="next_beam_word_ids"), dtypes.int32)
    parents = cast(places / classes, dtypes.int32, name="next_beam_parent_ids")
    ended_before = taken(parents, state.finished, width, [-1])
    finished = logical_or(ended_before, equal(ids, end_token), name="next_beam_finished")
    next_lengths = taken(parents, state.lengths, width, [-1]) + cast(logical_not(ended_before), dtypes.int64)
    kept: Any = ()
    if accumulated is not None:
        kept = taken(parents, accumulated, width, [batch * width, -1], "next_accumulated_attention_probs")

    def chosen(values: Any) -> Any:
        shape = [batch * width, -1]  # before the question, as 1.15 does: default seeds count it
        if isinstance(values, TensorArray) or len(values.dims) < 2:
            return values
        return taken(parents, values, width, shape)

    return (
        {"scores": best, "predicted_ids": ids, "parent_ids": parents},
        {
            "cell_state": nest.map_structure(chosen, cell_state),
            "log_probs": next_log_probs,
            "finished": finished,
            "lengths": next_lengths,
            "accumulated_attention_probs": kept,
        },
    )


def attention_probabilities(cell_state: Any, coverage_penalty_weight: Any) -> Tensor | None:
    """The weights in a cell's state, averaged over mechanisms and layers; None where coverage does not count.

    Raises:
      ValueError: coverage counts, but the state has no weights.
    """
    if isinstance(coverage_penalty_weight, int | float) and coverage_penalty_weight == 0.0:
        return None
    if isinstance(cell_state, AttentionWrapperState):
        found = [_weights_of(cell_state)]
    elif isinstance(cell_state, tuple):
        found = [_weights_of(s) for s in cell_state if isinstance(s, AttentionWrapperState)]
    else:
        found = []
    if not found:
        raise ValueError(
            "coverage_penalty_weight must be 0.0 for a cell without attention. Received: "
            f"{coverage_penalty_weight!r}"
        )
    return _average(found)


def _weights_of(state: AttentionWrapperState) -> Tensor:
    return _average(state.alignments) if isinstance(state.alignments, tuple) else state.alignments


def _average(values: Any) -> Tensor:
    if len(values) == 1:
        return values[0]
    return reduce_mean(concat([expand_dims(v, -1) for v in values], -1), -1)


def _scores(
    log_probs: Tensor,
    lengths: Tensor,
    length_penalty_weight: Any,
    coverage_penalty_weight: Any,
    finished: Tensor,
    accumulated: Any,
) -> Tensor:
    """Log probabilities divided by the length penalty, plus the coverage penalty of beams that have ended."""
    penalty = length_penalty(lengths, length_penalty_weight)
    scores = log_probs / cast(penalty, log_probs.dtype)
    weight = convert.to_tensor(coverage_penalty_weight, name="coverage_penalty_weight")
    if weight.dims != ():
        raise ValueError(f"coverage_penalty_weight should be a scalar. Received: shape {weight.shape}")
    if static_value(weight) == 0.0:
        return scores
    seen = where(equal(accumulated, 0.0), ones_like(accumulated), accumulated)
    coverage = reduce_sum(log(minimum(seen, 1.0)), 2) * cast(finished, seen.dtype)
    return scores + expand_dims(coverage * weight, 2)


@public("contrib.seq2seq.python.ops.beam_search_decoder._length_penalty")
def length_penalty(sequence_lengths: Any, penalty_factor: Any) -> Any:
    """((5 + length) / 6) ** factor; 1 where the factor is 0."""
    factor = convert.to_tensor(penalty_factor, name="penalty_factor")
    if factor.dims != ():
        raise ValueError(f"length_penalty_weight should be a scalar. Received: shape {factor.shape}")
    if static_value(factor) == 0:
        return 1.0
    return raw.RealDiv(
        (5.0 + cast(sequence_lengths, dtypes.float32)) ** factor, (5.0 + 1.0) ** factor, name="div"
    )


@public("contrib.seq2seq.python.ops.beam_search_decoder._mask_probs")
def ended_stay(probs: Any, eos_token: Any, finished: Any) -> Tensor:
    """For beams that have ended, the end is certain and all else impossible."""
    classes = shape_of(probs)[2]
    row = one_hot(
        eos_token,
        classes,
        dtype=probs.dtype,
        on_value=convert.to_tensor(0.0, probs.dtype.base_dtype),
        off_value=probs.dtype.min,
    )
    rows = tile(reshape(row, [1, 1, -1]), concat([shape_of(finished), [1]], 0))
    return where(tile(expand_dims(finished, 2), [1, 1, classes]), rows, probs)
