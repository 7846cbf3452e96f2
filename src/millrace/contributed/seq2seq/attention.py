"""Attention over a memory: how well a query fits each of its rows, as weights that sum to one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.base import Layer
from millrace.lib.layers.core import Dense
from millrace.lib.math.array import sequence_mask
from millrace.lib.math.checks import assert_positive
from millrace.lib.math.lengths import length
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.rnn.cells import zero_state_of
from millrace.lib.variables.initializers import Constant, Ones, Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, ones
from millrace.ops.array.fill import fill, ones_like
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims, reshape, squeeze
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import rsqrt, square
from millrace.ops.math.extremes import argmax
from millrace.ops.math.select import where
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.softmax import softmax


@public("contrib.seq2seq.AttentionMechanism")
class AttentionMechanism:
    """Gives weights for the rows of a memory: a function of a query and of the weights before."""

    @property
    def alignments_size(self) -> Any:
        """How many weights there are."""
        raise NotImplementedError(f"{type(self).__name__} must define alignments_size")

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        raise NotImplementedError(f"{type(self).__name__} must define state_size")


@public("contrib.seq2seq.hardmax")
def hardmax(logits: Any, name: str | None = None) -> Tensor:
    """One at the largest element of the last axis, zero elsewhere; where several are largest, at the first.

    Args:
      logits: `[..., depth]`.
      name: of the scope.
    """
    with name_scope(name, "Hardmax", [logits]):
        logits = convert.to_tensor(logits, name="logits")
        depth = length(logits, -1)
        return one_hot(argmax(logits, -1), depth, dtype=logits.dtype)


def _masked(m: Tensor, mask: Tensor) -> Tensor:
    """`m` `[batch, time, ...]` times a mask `[batch, time]`."""
    rank = rank_of(m) if m.dims is None else len(m.dims)
    if isinstance(rank, int):
        with name_scope("ones") as scope:
            shape = constant([rank - 2], dtypes.int32, name="shape_as_tensor")
            extra = fill(shape, constant(1, dtypes.int32), name=scope)
    else:
        extra = ones(expand_dims(rank - 2, 0), dtypes.int32)
    return m * reshape(mask, concat([shape_of(mask), extra], 0))


@public("contrib.seq2seq.python.ops.attention_wrapper._prepare_memory")
def prepared_memory(
    memory: Any,
    memory_sequence_length: Any = None,
    memory_mask: Any = None,
    check_inner_dims_defined: bool = True,
) -> Any:
    """The memory as tensors, zero beyond the lengths or where the mask is False.

    Args:
      memory: `[batch, time, ...]`, nested.
      memory_sequence_length: int32 `[batch]`.
      memory_mask: bool `[batch, time]`.
      check_inner_dims_defined: require the dimensions behind time to be known.

    Raises:
      ValueError: an inner dimension is unknown, or both lengths and a mask are given.
    """
    _one_of(memory_sequence_length, memory_mask)
    memory = nest.map_structure(lambda m: convert.to_tensor(m, name="memory"), memory)
    if check_inner_dims_defined:
        for m in nest.flatten(memory):
            if m.dims is None or any(d is None for d in m.dims[2:]):
                raise ValueError(
                    f"Expected memory {m.name} to have fully defined inner dims, but saw shape: {m.shape}"
                )
    first = nest.flatten(memory)[0]
    if memory_sequence_length is not None:
        mask = sequence_mask(memory_sequence_length, maxlen=shape_of(first)[1], dtype=first.dtype)
    elif memory_mask is not None:
        mask = cast(memory_mask, first.dtype)
    else:
        return memory
    return nest.map_structure(lambda m: _masked(m, mask), memory)


def _one_of(memory_sequence_length: Any, memory_mask: Any) -> None:
    if memory_sequence_length is not None and memory_mask is not None:
        raise ValueError(
            "memory_sequence_length and memory_mask can't be provided at same time. Received: "
            f"{memory_sequence_length!r}, {memory_mask!r}"
        )


@public("contrib.seq2seq.python.ops.attention_wrapper._maybe_mask_score")
def masked_score(
    score: Any, memory_sequence_length: Any = None, memory_mask: Any = None, score_mask_value: Any = None
) -> Any:
    """Scores `[batch, time]`, replaced beyond the lengths or where the mask is False.

    Args:
      score: the scores.
      memory_sequence_length: int32 `[batch]`, at least 1 each.
      memory_mask: bool `[batch, time]`.
      score_mask_value: what takes the place of those scores.

    Raises:
      ValueError: both lengths and a mask are given.
    """
    _one_of(memory_sequence_length, memory_mask)
    if memory_sequence_length is not None:
        message = "All values in memory_sequence_length must greater than zero."
        with control_dependencies([assert_positive(memory_sequence_length, message=message)]):
            mask = sequence_mask(memory_sequence_length, maxlen=shape_of(score)[1])
            return where(mask, score, score_mask_value * ones_like(score))
    if memory_mask is not None:
        return where(memory_mask, score, score_mask_value * ones_like(score))
    return score


@public("contrib.seq2seq.python.ops.attention_wrapper._BaseAttentionMechanism")
class MemoryAttention(AttentionMechanism):
    """Base of mechanisms: keeps the memory as keys and values.

    Args:
      query_layer, memory_layer: layers for queries and for the keys, or None.
      memory: `[batch, time, ...]`, nested.
      probability_fn: of (scores, the weights before) to weights.
      memory_sequence_length: int32 `[batch]`; rows beyond get no weight.
      check_inner_dims_defined: require the dimensions behind time to be known.
      score_mask_value: the score of rows beyond the lengths; default minus infinity.
      custom_key_value_fn: of (keys, values) to others.
      name: of the scope.

    Raises:
      TypeError: a layer or function is of another kind.
      ValueError: an inner dimension of the memory is unknown.
    """

    def __init__(
        self,
        query_layer: Any,
        memory: Any,
        probability_fn: Any,
        memory_sequence_length: Any = None,
        memory_layer: Any = None,
        check_inner_dims_defined: bool = True,
        score_mask_value: Any = None,
        custom_key_value_fn: Any = None,
        name: str | None = None,
    ) -> None:
        who = type(self).__name__
        for layer, title in ((query_layer, "query_layer"), (memory_layer, "memory_layer")):
            if layer is not None and not isinstance(layer, Layer):
                raise TypeError(f"{who}: {title} must be a Layer. Received: {type(layer).__name__}")
        if not callable(probability_fn):
            raise TypeError(f"{who}: probability_fn must be callable. Received: {probability_fn!r}")
        self._query_layer, self._memory_layer = query_layer, memory_layer
        self.dtype = None if memory_layer is None else memory_layer.dtype
        if score_mask_value is None:
            kind = dtypes.float32 if self.dtype is None else dtypes.as_dtype(self.dtype)
            score_mask_value = kind.np_dtype.type(-np.inf)
        with name_scope(name, "BaseAttentionMechanismInit", nest.flatten(memory)):
            lengths = None
            if memory_sequence_length is not None:
                lengths = convert.to_tensor(memory_sequence_length, name="memory_sequence_length")
            self._values = prepared_memory(memory, lengths, check_inner_dims_defined=check_inner_dims_defined)
            self._keys = self._values if memory_layer is None else memory_layer(self._values)
            if custom_key_value_fn is not None:
                self._keys, self._values = custom_key_value_fn(self._keys, self._values)
            self._batch_size = length(self._keys, 0)
            self._alignments_size = length(self._keys, 1)
        self._probability_fn: Callable[..., Any] = lambda score, previous: probability_fn(
            masked_score(score, memory_sequence_length, score_mask_value=score_mask_value), previous
        )

    @property
    def memory_layer(self) -> Any:
        """The layer that makes keys of the memory."""
        return self._memory_layer

    @property
    def query_layer(self) -> Any:
        """The layer that a query goes through."""
        return self._query_layer

    @property
    def values(self) -> Any:
        """The memory, zero beyond the lengths."""
        return self._values

    @property
    def keys(self) -> Any:
        """What queries are compared with."""
        return self._keys

    @property
    def batch_size(self) -> Any:
        """How many memories there are."""
        return self._batch_size

    @property
    def alignments_size(self) -> Any:
        """How many rows a memory has."""
        return self._alignments_size

    @property
    def state_size(self) -> Any:
        """The size of the state: the weights of the step before."""
        return self._alignments_size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Tensor:
        """The weights before the first step: zeros `[batch_size, alignments_size]`."""
        return zero_state_of(self._alignments_size, batch_size, dtype)

    def initial_state(self, batch_size: Any, dtype: Any) -> Tensor:
        """The state before the first step."""
        return self.initial_alignments(batch_size, dtype)


@public("contrib.seq2seq.python.ops.attention_wrapper._luong_score")
def luong_score(query: Tensor, keys: Tensor, scale: Any) -> Tensor:
    """The product of a query `[batch, depth]` with each key `[batch, time, depth]`.

    Raises:
      ValueError: their depths differ.
    """
    depth, units = query.get_shape()[-1], keys.get_shape()[-1]
    if depth != units:
        raise ValueError(
            f"Incompatible or unknown inner dimensions between query and keys: query ({query.name}) has "
            f"units {depth}, keys ({keys.name}) have units {units}. Set num_units to the query's units"
        )
    score = squeeze(matmul(expand_dims(query, 1), keys, transpose_b=True), [1])
    return score if scale is None else scale * score


@public("contrib.seq2seq.LuongAttention")
class LuongAttention(MemoryAttention):
    """Products of query and keys (Luong et al. 2015).

    Args:
      num_units: the depth of the keys, and so of queries.
      memory: `[batch, time, ...]`.
      memory_sequence_length: int32 `[batch]`; rows beyond get no weight.
      scale: multiply scores by a variable, `attention_g`.
      probability_fn: of scores to weights; default softmax.
      score_mask_value: the score of rows beyond the lengths; default minus infinity.
      dtype: of the keys' layer.
      custom_key_value_fn: of (keys, values) to others.
      name: of the scope.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        scale: bool = False,
        probability_fn: Any = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: str = "LuongAttention",
    ) -> None:
        weigh = probability_fn or softmax
        super().__init__(
            query_layer=None,
            memory_layer=dense_keys(num_units, dtype),
            memory=memory,
            probability_fn=lambda score, _: weigh(score),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            custom_key_value_fn=custom_key_value_fn,
            name=name,
        )
        self._num_units, self._scale, self._name = num_units, scale, name

    def __call__(self, query: Any, state: Any) -> tuple[Tensor, Tensor]:
        """(weights `[batch, time]`, the next state) for a query `[batch, depth]`."""
        with variable_scope(None, "luong_attention", [query]):
            score = luong_score(query, self._keys, attention_gain(query.dtype) if self._scale else None)
        alignments = self._probability_fn(score, state)
        return alignments, alignments


def dense_keys(num_units: int, dtype: Any, name: str = "memory_layer") -> Dense:
    """The layer that makes keys."""
    return Dense(num_units, name=name, use_bias=False, dtype=dtypes.float32 if dtype is None else dtype)


def attention_gain(dtype: Any) -> Any:
    """The variable that scores are multiplied by."""
    return get_variable("attention_g", dtype=dtype, initializer=Ones(), shape=[])


@public("contrib.seq2seq.python.ops.attention_wrapper._bahdanau_score")
def bahdanau_score(
    processed_query: Tensor, keys: Tensor, attention_v: Any, attention_g: Any = None, attention_b: Any = None
) -> Tensor:
    """v · tanh(key + query), or normalized as in weight normalization where there are g and b."""
    query = expand_dims(processed_query, 1)
    if attention_g is None:
        return reduce_sum(attention_v * tanh(keys + query), [2])
    normed = attention_g * attention_v * rsqrt(reduce_sum(square(attention_v)))
    return reduce_sum(normed * tanh(keys + query + attention_b), [2])


def bahdanau_variables(num_units: int, normalize: bool, dtype: Any) -> tuple[Any, Any, Any]:
    """`attention_v`, and `attention_g` and `attention_b` where scores are normalized."""
    v = get_variable("attention_v", [num_units], dtype=dtype)
    if not normalize:
        return v, None, None
    g = get_variable("attention_g", dtype=dtype, initializer=Constant(math.sqrt(1.0 / num_units)), shape=[])
    return v, g, get_variable("attention_b", [num_units], dtype=dtype, initializer=Zeros())


@public("contrib.seq2seq.BahdanauAttention")
class BahdanauAttention(MemoryAttention):
    """A small network of query and key (Bahdanau et al. 2015).

    Args:
      num_units: the depth in which both are added.
      memory: `[batch, time, ...]`.
      memory_sequence_length: int32 `[batch]`; rows beyond get no weight.
      normalize: normalize the scores' weights (Salimans and Kingma 2016).
      probability_fn: of scores to weights; default softmax.
      score_mask_value: the score of rows beyond the lengths; default minus infinity.
      dtype: of the layers.
      custom_key_value_fn: of (keys, values) to others.
      name: of the scope.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: Any = None,
        normalize: bool = False,
        probability_fn: Any = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        custom_key_value_fn: Any = None,
        name: str = "BahdanauAttention",
    ) -> None:
        weigh = probability_fn or softmax
        super().__init__(
            query_layer=dense_keys(num_units, dtype, "query_layer"),
            memory_layer=dense_keys(num_units, dtype),
            memory=memory,
            probability_fn=lambda score, _: weigh(score),
            custom_key_value_fn=custom_key_value_fn,
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units, self._normalize, self._name = num_units, normalize, name

    def __call__(self, query: Any, state: Any) -> tuple[Tensor, Tensor]:
        """(weights `[batch, time]`, the next state) for a query `[batch, depth]`."""
        with variable_scope(None, "bahdanau_attention", [query]):
            processed = query if self._query_layer is None else self._query_layer(query)
            variables = bahdanau_variables(self._num_units, self._normalize, query.dtype)
            score = bahdanau_score(processed, self._keys, *variables)
        alignments = self._probability_fn(score, state)
        return alignments, alignments
