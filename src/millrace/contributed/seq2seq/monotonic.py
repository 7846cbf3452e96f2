"""Attention that only moves forward along the memory (Raffel et al. 2017)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from millrace.building import convert
from millrace.building.scopes import name_scope
from millrace.contributed.seq2seq.attention import (
    MemoryAttention,
    attention_gain,
    bahdanau_score,
    bahdanau_variables,
    dense_keys,
    luong_score,
)
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.functional import scan
from millrace.lib.math.functions import clip_by_value
from millrace.lib.math.lengths import length
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones, zeros
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.cumulative import cumprod, cumsum
from millrace.ops.math.elementwise import exp, log, sigmoid
from millrace.ops.random.draws import random_normal


@public("contrib.seq2seq.safe_cumprod")
def safe_cumprod(x: Any, *args: Any, **kwargs: Any) -> Tensor:
    """Running products of numbers in [0, 1], by sums of logarithms, so that gradients stay finite.

    Args:
      x: `[...]`, floating.
      *args, **kwargs: as for `tf.cumsum`.
    """
    with name_scope(None, "SafeCumprod", [x]):
        x = convert.to_tensor(x, name="x")
        tiny = np.finfo(x.dtype.np_dtype).tiny
        return exp(cumsum(log(clip_by_value(x, tiny, 1)), *args, **kwargs))


def _recursive(p: Tensor, previous: Tensor) -> Tensor:
    batch = length(p, 0)
    stays = concat([ones([batch, 1]), 1 - p[:, :-1]], 1)

    def step(x: Tensor, pair: Any) -> Tensor:
        return reshape(pair[0] * x + pair[1], (batch,))

    return p * transpose(scan(step, [transpose(stays), transpose(previous)], zeros((batch,))))


def _parallel(p: Tensor, previous: Tensor) -> Tensor:
    survives = safe_cumprod(1 - p, axis=1, exclusive=True)
    return p * survives * cumsum(previous / clip_by_value(survives, 1e-10, 1.0), axis=1)


def _hard(p: Tensor, previous: Tensor) -> Tensor:
    p = p * cumsum(previous, axis=1)
    return p * cumprod(1 - p, axis=1, exclusive=True)


_MODES = {"recursive": _recursive, "parallel": _parallel, "hard": _hard}


@public("contrib.seq2seq.monotonic_attention")
def monotonic_attention(p_choose_i: Any, previous_attention: Any, mode: str) -> Tensor:
    """The weights of a walk that goes on from where it stood, and stops at row i with a probability.

    Args:
      p_choose_i: `[batch, time]`, the probability to stop there.
      previous_attention: `[batch, time]`, where the walk stood.
      mode: "recursive", exact; "parallel", faster, less exact for probabilities near 0 and 1; "hard", for
        probabilities that are 0 or 1.

    Returns:
      `[batch, time]`.

    Raises:
      ValueError: another mode.
    """
    p = convert.to_tensor(p_choose_i, name="p_choose_i")
    previous = convert.to_tensor(previous_attention, name="previous_attention")
    if mode not in _MODES:
        raise ValueError(
            f"monotonic_attention: mode must be 'recursive', 'parallel' or 'hard'. Received: {mode!r}"
        )
    return _MODES[mode](p, previous)


@public("contrib.seq2seq.python.ops.attention_wrapper._monotonic_probability_fn")
def monotonic_weights(
    score: Any, previous_alignments: Any, sigmoid_noise: float, mode: str, seed: int | None = None
) -> Tensor:
    """The weights of a step: scores to probabilities of stopping there, with noise, walked on from the last.

    Args:
      score: `[batch, time]`.
      previous_alignments: the weights of the step before, of the same shape.
      sigmoid_noise: the standard deviation of noise added to the scores; 0 for none.
      mode: "recursive", "parallel" or "hard", as in `monotonic_attention`; "hard" stops where a score is
        positive.
      seed: of the noise.
    """
    if sigmoid_noise > 0:
        noise = random_normal(shape_of(score), dtype=score.dtype, seed=seed)
        score = score + sigmoid_noise * noise
    p = cast(score > 0, score.dtype) if mode == "hard" else sigmoid(score)
    return monotonic_attention(p, previous_alignments, mode)


@public("contrib.seq2seq.python.ops.attention_wrapper._BaseMonotonicAttentionMechanism")
class MonotonicAttention(MemoryAttention):
    """Base of monotonic mechanisms: the walk begins at the first row."""

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Tensor:
        """One at the first row of each memory."""
        return one_hot(zeros((batch_size,), dtype=dtypes.int32), self._alignments_size, dtype=dtype)


def _score_bias(dtype: Any, start: Any) -> Any:
    return get_variable("attention_score_bias", dtype=dtype, initializer=start)


@public("contrib.seq2seq.BahdanauMonotonicAttention")
class BahdanauMonotonicAttention(MonotonicAttention):
    """Monotonic attention with the score of `BahdanauAttention` and a bias, `attention_score_bias`.

    Args:
      num_units, memory, memory_sequence_length, normalize, score_mask_value, dtype, name: as for
        `BahdanauAttention`.
      sigmoid_noise: the deviation of noise added to scores; makes probabilities go to 0 and 1 in training.
      sigmoid_noise_seed: makes it repeatable.
      score_bias_init: the first bias; negative ones help long memories.
      mode: as for `monotonic_attention`.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        score_mask_value: Any = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "BahdanauMonotonicAttention",
    ) -> None:
        super().__init__(
            query_layer=dense_keys(num_units, dtype, "query_layer"),
            memory_layer=dense_keys(num_units, dtype),
            memory=memory,
            probability_fn=functools.partial(
                monotonic_weights, sigmoid_noise=sigmoid_noise, mode=mode, seed=sigmoid_noise_seed
            ),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units, self._normalize, self._name = num_units, normalize, name
        self._score_bias_init = score_bias_init

    def __call__(self, query: Any, state: Any) -> tuple[Tensor, Tensor]:
        """(weights `[batch, time]`, the next state) for a query `[batch, depth]`."""
        with variable_scope(None, "bahdanau_monotonic_attention", [query]):
            processed = query if self._query_layer is None else self._query_layer(query)
            variables = bahdanau_variables(self._num_units, self._normalize, query.dtype)
            score = bahdanau_score(processed, self._keys, *variables)
            score = score + _score_bias(query.dtype, self._score_bias_init)
        alignments = self._probability_fn(score, state)
        return alignments, alignments


@public("contrib.seq2seq.LuongMonotonicAttention")
class LuongMonotonicAttention(MonotonicAttention):
    """Monotonic attention with the score of `LuongAttention` and a bias, `attention_score_bias`.

    Args:
      num_units, memory, memory_sequence_length, scale, score_mask_value, dtype, name: as for
        `LuongAttention`.
      sigmoid_noise, sigmoid_noise_seed, score_bias_init, mode: as for `BahdanauMonotonicAttention`.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        score_mask_value: Any = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "LuongMonotonicAttention",
    ) -> None:
        super().__init__(
            query_layer=None,
            memory_layer=dense_keys(num_units, dtype),
            memory=memory,
            probability_fn=functools.partial(
                monotonic_weights, sigmoid_noise=sigmoid_noise, mode=mode, seed=sigmoid_noise_seed
            ),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units, self._scale, self._name = num_units, scale, name
        self._score_bias_init = score_bias_init

    def __call__(self, query: Any, state: Any) -> tuple[Tensor, Tensor]:
        """(weights `[batch, time]`, the next state) for a query `[batch, depth]`."""
        with variable_scope(None, "luong_monotonic_attention", [query]):
            score = luong_score(query, self._keys, attention_gain(query.dtype) if self._scale else None)
            score = score + _score_bias(query.dtype, self._score_bias_init)
        alignments = self._probability_fn(score, state)
        return alignments, alignments
