"""Decoders that read their own words: the best one, or one drawn by its probability."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert
from millrace.building.scopes import name_scope
from millrace.contributed.seq2seq.feeding import ClassSamples, none_finished
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.reductions import reduce_all, reduce_prod
from millrace.lib.nn.embedding import embedding_lookup
from millrace.ops.array.concat import concat
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, less
from millrace.ops.math.extremes import argmax
from millrace.ops.random.draws import multinomial, random_uniform


def embedding_function(embedding: Any) -> Any:
    """The function from ids to vectors: as given, or a look-up in a matrix."""
    return embedding if callable(embedding) else lambda ids: embedding_lookup(embedding, ids)


def start_and_end(start_tokens: Any, end_token: Any, who: str) -> tuple[Tensor, Tensor]:
    """Both as int32 tensors.

    Raises:
      ValueError: `start_tokens` is not a vector, or `end_token` not a scalar.
    """
    starts = convert.to_tensor(start_tokens, dtypes.int32, "start_tokens")
    end = convert.to_tensor(end_token, dtypes.int32, "end_token")
    if starts.dims is not None and len(starts.dims) != 1:
        raise ValueError(f"{who}: start_tokens must be a vector. Received: shape {starts.shape}")
    if end.dims is not None and end.dims:
        raise ValueError(f"{who}: end_token must be a scalar. Received: shape {end.shape}")
    return starts, end


def _sampled(draw: Callable[[Tensor], Tensor], sample_shape: Any) -> Tensor:
    """`sample_shape` draws, of a function from a number to so many along a first axis."""
    with name_scope(None, "call_sampler"):
        shape = convert.to_tensor(sample_shape, dtypes.int32, "sample_shape")
        scalar = cast(equal(rank_of(shape), 0), dtypes.int32)
        shape = reshape(shape, pad(shape_of(shape), paddings=[[scalar, 0]], constant_values=1))
        draws = draw(reduce_prod(shape))
        return reshape(draws, concat([shape, shape_of(draws)[1:]], 0))


def bernoulli(probability: Any, sample_shape: Any, dtype: Any, seed: int | None) -> Tensor:
    """`sample_shape` draws of one with `probability`, of its shape each."""
    probability = convert.to_tensor(probability, name="probs")
    own = shape_of(probability)

    def draw(count: Tensor) -> Tensor:
        draws = random_uniform(concat([[count], own], 0), dtype=probability.dtype, seed=seed)
        return cast(less(draws, probability), dtype)

    return _sampled(draw, sample_shape)


def categorical(logits: Any, seed: int | None) -> Tensor:
    """One class for each row of `logits` `[..., classes]`, int32."""
    logits = convert.to_tensor(logits, name="logits")
    classes, own = shape_of(logits)[-1], shape_of(logits)[:-1]

    def draw(count: Tensor) -> Tensor:
        is_matrix = logits.dims is not None and len(logits.dims) == 2
        rows = logits if is_matrix else reshape(logits, [-1, classes])
        draws = multinomial(rows, count, seed=seed, output_dtype=dtypes.int32)
        return reshape(transpose(draws), concat([[count], own], 0))

    return _sampled(draw, ())


@public("contrib.seq2seq.GreedyEmbeddingHelper")
class GreedyEmbeddingHelper(ClassSamples):
    """Reads the vector of the most likely class.

    Args:
      embedding: `[classes, depth]`, or a function from ids to vectors.
      start_tokens: int32 `[batch]`.
      end_token: int32 scalar; ends a sequence.

    Raises:
      ValueError: `start_tokens` is not a vector, or `end_token` not a scalar.
    """

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any) -> None:
        self._embedding_fn = embedding_function(embedding)
        self._start_tokens, self._end_token = start_and_end(start_tokens, end_token, type(self).__name__)
        self._batch_size = size(start_tokens)
        self._start_inputs = self._embedding_fn(self._start_tokens)

    def initialize(self, name: str | None = None) -> Any:
        """(nothing has ended, the vectors of the start tokens)."""
        return none_finished(self._batch_size), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The most likely class.

        Raises:
          TypeError: the outputs are not one tensor.
        """
        return argmax(self._one_tensor(outputs), axis=-1, output_type=dtypes.int32)

    def _one_tensor(self, outputs: Any) -> Tensor:
        if not isinstance(outputs, Tensor):
            raise TypeError(
                f"{type(self).__name__}: outputs must be a single Tensor. Received: {type(outputs).__name__}"
            )
        return outputs

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        """(finished, the vectors of the samples, the state)."""
        finished = equal(sample_ids, self._end_token)
        inputs = cond(
            reduce_all(finished), lambda: self._start_inputs, lambda: self._embedding_fn(sample_ids)
        )
        return finished, inputs, state


@public("contrib.seq2seq.SampleEmbeddingHelper")
class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Reads the vector of a class drawn by its probability.

    Args:
      embedding, start_tokens, end_token: as for `GreedyEmbeddingHelper`.
      softmax_temperature: logits are divided by it; a low one makes the best class likelier.
      seed: makes the draws repeatable.
    """

    def __init__(
        self,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        softmax_temperature: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(embedding, start_tokens, end_token)
        self._softmax_temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """A class drawn by its probability.

        Raises:
          TypeError: the outputs are not one tensor.
        """
        logits = self._one_tensor(outputs)
        if self._softmax_temperature is not None:
            logits = logits / self._softmax_temperature
        return categorical(logits, self._seed)
