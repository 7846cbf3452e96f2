"""The best tagging of a sequence, by Viterbi's algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert
from millrace.contributed.crf.scores import first_and_rest, one_step
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.core import chosen
from millrace.lib.math.reductions import reduce_max
from millrace.lib.rnn.cells import RNNCell
from millrace.lib.rnn.unrolling import dynamic_rnn
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather_nd
from millrace.ops.array.reorder import reverse_sequence
from millrace.ops.array.reshape import expand_dims, squeeze
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.extremes import argmax
from millrace.ops.math.select import maximum


@public("contrib.crf.viterbi_decode")
def viterbi_decode(score: Any, transition_params: Any) -> tuple[list[Any], Any]:
    """The best tagging of one sequence, with NumPy.

    Args:
      score: `[time, tags]`.
      transition_params: `[tags, tags]`.

    Returns:
      (a list of tags, its score).
    """
    score, transitions = np.asarray(score), np.asarray(transition_params)
    best = np.zeros_like(score)
    parents = np.zeros_like(score, dtype=np.int32)
    best[0] = score[0]
    for t in range(1, score.shape[0]):
        ways = np.expand_dims(best[t - 1], 1) + transitions
        best[t] = score[t] + np.max(ways, 0)
        parents[t] = np.argmax(ways, 0)
    path = [np.argmax(best[-1])]
    for row in reversed(parents[1:]):
        path.append(row[path[-1]])
    path.reverse()
    return path, np.max(best[-1])


@public("contrib.crf.CrfDecodeForwardRnnCell")
class CrfDecodeForwardRnnCell(RNNCell):
    """One step of Viterbi's algorithm: the best score of each tag, and where it came from.

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
        """One tag for each tag."""
        return self._num_tags

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """(the tags before int32 `[batch, tags]`, new scores) for a step's own scores and those so far."""
        ways = expand_dims(state, 2) + self._transitions
        scores = inputs + reduce_max(ways, [1])
        return cast(argmax(ways, 1), dtypes.int32), scores


@public("contrib.crf.CrfDecodeBackwardRnnCell")
class CrfDecodeBackwardRnnCell(RNNCell):
    """One step of the way back.

    Args:
      num_tags: how many tags there are.
    """

    def __init__(self, num_tags: int) -> None:
        super().__init__()
        self._num_tags = num_tags

    @property
    def state_size(self) -> Any:
        """One tag."""
        return 1

    @property
    def output_size(self) -> Any:
        """One tag."""
        return 1

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """(the tag before `[batch, 1]`, the same) for the tags before all tags and the tag of this step."""
        tag = squeeze(state, [1])
        rows = range_(shape_of(inputs)[0])
        before = expand_dims(gather_nd(inputs, stack([rows, tag], 1)), -1)
        return before, before


@public("contrib.crf.crf_decode")
def crf_decode(potentials: Any, transition_params: Any, sequence_length: Any) -> tuple[Tensor, Tensor]:
    """The best tagging of each sequence.

    Args:
      potentials: `[batch, time, tags]`, the score of each tag at each step.
      transition_params: `[tags, tags]`.
      sequence_length: int `[batch]`.

    Returns:
      (tags int32 `[batch, time]`, zero beyond the lengths; scores `[batch]`).
    """
    potentials = convert.to_tensor(potentials)

    def single() -> list[Tensor]:
        scores = squeeze(potentials, [1])
        tags = expand_dims(argmax(scores, 1), 1)
        return [cast(tags, dtypes.int32), reduce_max(scores, 1)]

    def several() -> list[Tensor]:
        count = potentials.get_shape()[2].value
        forward = CrfDecodeForwardRnnCell(transition_params)
        first, rest = first_and_rest(potentials)
        lengths = convert.to_tensor(sequence_length)
        after_first = maximum(constant(0, dtype=lengths.dtype), lengths - 1)
        parents, last = dynamic_rnn(
            forward, rest, sequence_length=after_first, initial_state=first, dtype=dtypes.int32
        )
        parents = reverse_sequence(parents, after_first, seq_dim=1)
        start = expand_dims(cast(argmax(last, 1), dtypes.int32), -1)
        tags, _ = dynamic_rnn(
            CrfDecodeBackwardRnnCell(count),
            parents,
            sequence_length=after_first,
            initial_state=start,
            dtype=dtypes.int32,
        )
        tags = concat([start, squeeze(tags, [2])], 1)
        return [reverse_sequence(tags, lengths, seq_dim=1), reduce_max(last, 1)]

    tags, scores = chosen(one_step(potentials), single, several)
    return tags, scores
