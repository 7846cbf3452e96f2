"""Scheduled sampling (Bengio et al. 2015): in training, some inputs are the decoder's own words."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.building.scopes import name_scope
from millrace.contributed.seq2seq.decoding import swapped
from millrace.contributed.seq2seq.feeding import TrainingHelper, rows_of
from millrace.contributed.seq2seq.sampling import bernoulli, categorical, embedding_function
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.reductions import reduce_all, reduce_any
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import fill
from millrace.ops.array.gather import gather_nd
from millrace.ops.array.scatter_nd import scatter_nd
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import logical_not, logical_or
from millrace.ops.math.select import where


def _probability(value: Any, who: str) -> Tensor:
    probability = convert.to_tensor(value, name="sampling_probability")
    if probability.dims is not None and len(probability.dims) > 1:
        raise ValueError(
            f"{who}: sampling_probability must be a scalar or a vector. Received: shape {probability.shape}"
        )
    return probability


def _mixed(sampled: Tensor, indices: Tensor, given: Tensor, others: Tensor, base: Tensor) -> Tensor:
    """Rows of `base`'s shape: `sampled` at `indices`, `given` at `others`."""
    dims = shape_of(base)
    return scatter_nd(indices=indices, updates=sampled, shape=dims) + scatter_nd(
        indices=others, updates=given, shape=dims
    )


@public("contrib.seq2seq.ScheduledEmbeddingTrainingHelper")
class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """Reads the given inputs, or with some probability the vector of a class drawn from the outputs.

    Args:
      inputs, sequence_length, time_major: as for `TrainingHelper`.
      embedding: `[classes, depth]`, or a function from ids to vectors.
      sampling_probability: of a draw, scalar or `[batch]`.
      seed: of the classes.
      scheduling_seed: of whether to draw.
      name: of the scope.

    Raises:
      ValueError: `sampling_probability` has a higher rank.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        embedding: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        scheduling_seed: int | None = None,
        name: str | None = None,
    ) -> None:
        with name_scope(name, "ScheduledEmbeddingSamplingWrapper", [embedding, sampling_probability]):
            self._embedding_fn = embedding_function(embedding)
            self._sampling_probability = _probability(sampling_probability, type(self).__name__)
            self._seed, self._scheduling_seed = seed, scheduling_seed
            super().__init__(inputs, sequence_length, time_major, name)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """A drawn class where one is read next, elsewhere -1."""
        with name_scope(name, "ScheduledEmbeddingTrainingHelperSample", [time, outputs, state]):
            chosen = bernoulli(
                self._sampling_probability, self.batch_size, dtypes.bool_, self._scheduling_seed
            )
            drawn = categorical(outputs, self._seed)
            return where(chosen, drawn, fill([self.batch_size], -1))

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None
    ) -> Any:
        """(finished, the inputs of the next time with the drawn ones in their places, the state)."""
        with name_scope(name, "ScheduledEmbeddingTrainingHelperNextInputs", [time, outputs]):
            finished, base, state = super().next_inputs(time, outputs, state, sample_ids)

            def mixed() -> Tensor:
                drawn = cast(where(sample_ids > -1), dtypes.int32)
                given = cast(where(sample_ids <= -1), dtypes.int32)
                ids, rest = gather_nd(sample_ids, drawn), gather_nd(base, given)
                return _mixed(self._embedding_fn(ids), drawn, rest, given, base)

            return finished, cond(reduce_all(finished), lambda: base, mixed), state


@public("contrib.seq2seq.ScheduledOutputTrainingHelper")
class ScheduledOutputTrainingHelper(TrainingHelper):
    """Reads the given inputs, or with some probability the decoder's output.

    Args:
      inputs, sequence_length, time_major: as for `TrainingHelper`.
      sampling_probability: of reading the output, a scalar or `[batch]`.
      seed: of whether to read the output.
      next_inputs_fn: from outputs to inputs; default: as they are.
      auxiliary_inputs: `[batch, time, ...]`, laid out as `inputs`; joined to all inputs at the last axis.
      name: of the scope.

    Raises:
      ValueError: `sampling_probability` has a higher rank.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: Any,
        sampling_probability: Any,
        time_major: bool = False,
        seed: int | None = None,
        next_inputs_fn: Any = None,
        auxiliary_inputs: Any = None,
        name: str | None = None,
    ) -> None:
        with name_scope(name, "ScheduledOutputTrainingHelper", [inputs, sampling_probability]):
            self._sampling_probability = _probability(sampling_probability, type(self).__name__)
            self._auxiliary: Any = None
            if auxiliary_inputs is not None:
                inputs, self._auxiliary = _joined_inputs(inputs, auxiliary_inputs, time_major)
            self._seed, self._next_inputs_fn = seed, next_inputs_fn
            super().__init__(inputs, sequence_length, time_major, name)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """1 where the output is read next, else 0."""
        with name_scope(name, "ScheduledOutputTrainingHelperSample", [time, outputs, state]):
            return bernoulli(self._sampling_probability, self.batch_size, dtypes.int32, self._seed)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None
    ) -> Any:
        """(finished, the inputs of the next time with outputs in the chosen places, the state)."""
        with name_scope(name, "ScheduledOutputTrainingHelperNextInputs", [time, outputs]):
            finished, base, state = super().next_inputs(time, outputs, state, sample_ids)
            chosen = cast(sample_ids, dtypes.bool_)

            def with_auxiliary(values: Any, indices: Any = None) -> Any:
                if self._auxiliary is None:
                    return values
                extra = nest.map_structure(lambda array: array.read(time + 1), self._auxiliary)
                if indices is not None:
                    extra = nest.map_structure(lambda x: gather_nd(x, indices), extra)
                return nest.map_structure(lambda x, y: concat([x, y], -1), values, extra)

            def mixed() -> Any:
                if self._next_inputs_fn is None:
                    return where(chosen, with_auxiliary(outputs), base)
                drawn = cast(where(chosen), dtypes.int32)
                given = cast(where(logical_not(chosen)), dtypes.int32)
                own, rest = gather_nd(outputs, drawn), gather_nd(base, given)
                own = with_auxiliary(self._next_inputs_fn(own), drawn)
                return _mixed(own, drawn, rest, given, base)

            none = logical_not(reduce_any(chosen))
            return finished, cond(logical_or(reduce_all(finished), none), lambda: base, mixed), state


def _joined_inputs(inputs: Any, auxiliary: Any, time_major: bool) -> tuple[Any, Any]:
    """(inputs with the auxiliary ones joined at the last axis, arrays of the auxiliary ones)."""
    inputs = convert.to_tensor(inputs, name="inputs")
    auxiliary = nest.map_structure(lambda x: convert.to_tensor(x, name="auxiliary_inputs"), auxiliary)
    joined = nest.map_structure(lambda x, y: concat([x, y], -1), inputs, auxiliary)
    rows = auxiliary if time_major else nest.map_structure(swapped, auxiliary)
    return joined, nest.map_structure(rows_of, rows)
