"""Scores of taggings: how likely a sequence of tags is, up to a constant and exactly."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.core import chosen
from millrace.lib.math.array import sequence_mask
from millrace.lib.math.reductions import reduce_logsumexp, reduce_sum
from millrace.lib.rnn.cells import RNNCell
from millrace.lib.rnn.unrolling import dynamic_rnn
from millrace.lib.variables.scope import get_variable
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import fill, range_, zeros_like
from millrace.ops.array.gather import gather, gather_nd
from millrace.ops.array.reshape import expand_dims, reshape, squeeze
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.slicing import slice_
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, less_equal
from millrace.ops.math.select import maximum, where


def one_step(inputs: Tensor) -> Tensor:
    """Whether sequences have a length of one, where there are no transitions."""
    steps = None if inputs.dims is None else inputs.dims[1]
    return equal(steps if steps is not None else shape_of(inputs)[1], 1)


def first_and_rest(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """(scores of the first step `[batch, tags]`, of all others `[batch, time - 1, tags]`)."""
    return squeeze(slice_(inputs, [0, 0, 0], [-1, 1, -1]), [1]), slice_(inputs, [0, 1, 0], [-1, -1, -1])


def _where_not_empty(lengths: Tensor, scores: Tensor) -> Tensor:
    """Zero for sequences without a step."""
    return where(less_equal(lengths, 0), zeros_like(scores), scores)


def _lengths(sequence_lengths: Any) -> Tensor:
    return convert.to_tensor(sequence_lengths, name="sequence_lengths")


@public("contrib.crf.crf_sequence_score")
def crf_sequence_score(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any
) -> Tensor:
    """The score of one tagging of each sequence, not normalized.

    Args:
      inputs: `[batch, time, tags]`, the score of each tag at each step.
      tag_indices: int `[batch, time]`.
      sequence_lengths: int `[batch]`.
      transition_params: `[tags, tags]`, the score of each step from a tag to a tag.

    Returns:
      `[batch]`.
    """
    inputs, tags = convert.to_tensor(inputs), convert.to_tensor(tag_indices)
    lengths = _lengths(sequence_lengths)

    def single() -> Tensor:
        batch = shape_of(inputs, out_type=tags.dtype.base_dtype)[0]
        rows = reshape(range_(batch), [-1, 1])
        first = tags
        if tags.dims is not None and tags.dims[1] not in (None, 1):
            first = reshape(gather_nd(tags, concat([rows, zeros_like(rows)], 1)), [-1, 1])
        scores = gather_nd(squeeze(inputs, [1]), concat([rows, first], 1))
        return _where_not_empty(lengths, scores)

    def several() -> Tensor:
        unary = crf_unary_score(tags, lengths, inputs)
        return unary + crf_binary_score(tags, lengths, transition_params)

    return chosen(one_step(inputs), single, several)


@public("contrib.crf.crf_multitag_sequence_score")
def crf_multitag_sequence_score(
    inputs: Any, tag_bitmap: Any, sequence_lengths: Any, transition_params: Any
) -> Tensor:
    """The score of all taggings of each sequence that take one of the allowed tags at each step.

    Args:
      inputs, sequence_lengths, transition_params: as for `crf_sequence_score`.
      tag_bitmap: bool `[batch, time, tags]`, which tags are allowed.

    Returns:
      `[batch]`.
    """
    inputs = convert.to_tensor(inputs)

    def allowed() -> Tensor:
        return where(tag_bitmap, inputs, fill(shape_of(inputs), float("-inf")))

    return chosen(
        one_step(inputs),
        lambda: reduce_logsumexp(allowed(), axis=[1, 2], keepdims=False),
        lambda: crf_log_norm(allowed(), sequence_lengths, transition_params),
    )


@public("contrib.crf.crf_log_norm")
def crf_log_norm(inputs: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """The logarithm of the sum of the exponential scores of all taggings of each sequence.

    Args:
      inputs, sequence_lengths, transition_params: as for `crf_sequence_score`.

    Returns:
      `[batch]`; 0 for empty sequences.
    """
    inputs, lengths = convert.to_tensor(inputs), _lengths(sequence_lengths)
    first = squeeze(slice_(inputs, [0, 0, 0], [-1, 1, -1]), [1])

    def single() -> Tensor:
        return _where_not_empty(lengths, reduce_logsumexp(first, [1]))

    def several() -> Tensor:
        rest = slice_(inputs, [0, 1, 0], [-1, -1, -1])
        cell = CrfForwardRnnCell(transition_params)
        after_first = maximum(constant(0, dtype=lengths.dtype), lengths - 1)
        _, alphas = dynamic_rnn(
            cell, rest, sequence_length=after_first, initial_state=first, dtype=dtypes.float32
        )
        return _where_not_empty(lengths, reduce_logsumexp(alphas, [1]))

    return chosen(one_step(inputs), single, several)


@public("contrib.crf.crf_log_likelihood")
def crf_log_likelihood(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any = None
) -> tuple[Tensor, Any]:
    """The logarithm of the probability of one tagging of each sequence.

    Args:
      inputs, tag_indices, sequence_lengths: as for `crf_sequence_score`.
      transition_params: `[tags, tags]`; default: the variable `transitions`.

    Returns:
      (`[batch]`, the transitions).
    """
    inputs = convert.to_tensor(inputs)
    if transition_params is None:
        tags = inputs.get_shape()[2].value
        transition_params = get_variable("transitions", [tags, tags])
    scores = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    return scores - crf_log_norm(inputs, sequence_lengths, transition_params), transition_params


@public("contrib.crf.crf_unary_score")
def crf_unary_score(tag_indices: Any, sequence_lengths: Any, inputs: Any) -> Tensor:
    """The sum of the scores of each sequence's tags by themselves, `[batch]`; see `crf_sequence_score`."""
    tags, inputs = convert.to_tensor(tag_indices), convert.to_tensor(inputs)
    batch, steps, count = (shape_of(inputs)[axis] for axis in range(3))
    flat = reshape(inputs, [-1])
    offsets = expand_dims(range_(batch) * steps * count, 1)
    offsets = offsets + expand_dims(range_(steps) * count, 0)
    if tags.dtype.base_dtype is dtypes.int64:
        offsets = cast(offsets, dtypes.int64)
    places = reshape(offsets + tags, [-1])
    scores = reshape(gather(flat, places), [batch, steps])
    mask = sequence_mask(sequence_lengths, maxlen=shape_of(tags)[1], dtype=scores.dtype)
    return reduce_sum(scores * mask, 1)


@public("contrib.crf.crf_binary_score")
def crf_binary_score(tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """The sum of the scores of each sequence's transitions, `[batch]`; see `crf_sequence_score`."""
    tags, transitions = convert.to_tensor(tag_indices), convert.to_tensor(transition_params)
    count = transitions.get_shape()[0]
    steps = shape_of(tags)[1] - 1
    start = slice_(tags, [0, 0], [-1, steps])
    end = slice_(tags, [0, 1], [-1, steps])
    places = start * count.value + end
    scores = gather(reshape(transitions, [-1]), places)
    mask = sequence_mask(sequence_lengths, maxlen=shape_of(tags)[1], dtype=scores.dtype)
    return reduce_sum(scores * slice_(mask, [0, 1], [-1, -1]), 1)


@public("contrib.crf.CrfForwardRnnCell")
class CrfForwardRnnCell(RNNCell):
    """One step of the forward algorithm: the summed scores of all ways to each tag.

    Args:
      transition_params: `[tags, tags]`.
    """

    def __init__(self, transition_params: Any) -> None:
        super().__init__()
        self._transitions = expand_dims(transition_params, 0)
        self._num_tags = self._transitions.get_shape()[1].value

    @property
    def state_size(self) -> Any:
        """One score for each tag."""
        return self._num_tags

    @property
    def output_size(self) -> Any:
        """One score for each tag."""
        return self._num_tags

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """(new scores, new scores) for a step's own scores and those so far, `[batch, tags]`."""
        ways = expand_dims(state, 2) + self._transitions
        alphas = inputs + reduce_logsumexp(ways, [1])
        return alphas, alphas
