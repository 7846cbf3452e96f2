"""What a decoder reads at each step: the truth while training, or what a function says."""

from __future__ import annotations

import abc
from typing import Any

from millrace.building import convert
from millrace.building.scopes import name_scope
from millrace.contributed.seq2seq.decoding import swapped
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.math.reductions import reduce_all
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import size
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal
from millrace.ops.math.extremes import argmax


@public("contrib.seq2seq.Helper")
class Helper(abc.ABC):
    """Takes samples from a decoder's outputs and says what it reads next."""

    @property
    @abc.abstractmethod
    def batch_size(self) -> Any:
        """How many sequences there are, a scalar int32 tensor."""

    @property
    @abc.abstractmethod
    def sample_ids_shape(self) -> Any:
        """The shape of a sample, without the batch."""

    @property
    @abc.abstractmethod
    def sample_ids_dtype(self) -> Any:
        """The dtype of samples."""

    @abc.abstractmethod
    def initialize(self, name: str | None = None) -> Any:
        """(finished `[batch]`, first inputs)."""

    @abc.abstractmethod
    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The samples of one step."""

    @abc.abstractmethod
    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        """(finished `[batch]`, next inputs, next state)."""


class ClassSamples(Helper):
    """Base of those whose samples are one int32 for each sequence."""

    _batch_size: Any

    @property
    def batch_size(self) -> Any:
        """How many sequences there are."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> Any:
        """A scalar."""
        return shapes.TensorShape([])

    @property
    def sample_ids_dtype(self) -> Any:
        """int32."""
        return dtypes.int32


def none_finished(batch_size: Any) -> Tensor:
    """False for each sequence."""
    return tile([False], [batch_size])


@public("contrib.seq2seq.TrainingHelper")
class TrainingHelper(ClassSamples):
    """Reads the given inputs, whatever the decoder gives.

    Args:
      inputs: `[batch, time, ...]`, nested; `[time, batch, ...]` with `time_major`.
      sequence_length: int32 `[batch]`.
      time_major: how `inputs` is laid out.
      name: of the scope.

    Raises:
      ValueError: `sequence_length` is not a vector.
    """

    def __init__(
        self, inputs: Any, sequence_length: Any, time_major: bool = False, name: str | None = None
    ) -> None:
        with name_scope(name, "TrainingHelper", [*nest.flatten(inputs), sequence_length]):
            inputs = nest.map_structure(lambda x: convert.to_tensor(x, name="inputs"), inputs)
            self._inputs = inputs
            if not time_major:
                inputs = nest.map_structure(swapped, inputs)
            self._arrays = nest.map_structure(rows_of, inputs)
            self._sequence_length = convert.to_tensor(sequence_length, name="sequence_length")
            if self._sequence_length.dims is not None and len(self._sequence_length.dims) != 1:
                raise ValueError(
                    f"{type(self).__name__}: sequence_length must be a vector. Received: shape "
                    f"{self._sequence_length.shape}"
                )
            self._zero_inputs = nest.map_structure(lambda x: zeros_like(x[0, :]), inputs)
            self._batch_size = size(sequence_length)

    @property
    def inputs(self) -> Any:
        """The inputs, as given."""
        return self._inputs

    @property
    def sequence_length(self) -> Tensor:
        """The lengths."""
        return self._sequence_length

    def initialize(self, name: str | None = None) -> Any:
        """(whether the length is zero, the first inputs)."""
        with name_scope(name, "TrainingHelperInitialize"):
            finished = equal(0, self._sequence_length)
            return finished, self._read_unless(reduce_all(finished), 0)

    def _read_unless(self, ended: Tensor, time: Any) -> Any:
        """The inputs of a time, or zeros when all sequences have ended."""
        return cond(
            ended,
            lambda: self._zero_inputs,
            lambda: nest.map_structure(lambda array: array.read(time), self._arrays),
        )

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The most likely class."""
        with name_scope(name, "TrainingHelperSample", [time, outputs]):
            return cast(argmax(outputs, axis=-1), dtypes.int32)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: str | None = None
    ) -> Any:
        """(finished, the inputs of the next time, the state)."""
        with name_scope(name, "TrainingHelperNextInputs", [time, *nest.flatten(outputs)]):
            following = time + 1
            finished = following >= self._sequence_length
            return finished, self._read_unless(reduce_all(finished), following), state


@public("contrib.seq2seq.python.ops.helper._unstack_ta")
def rows_of(inp: Any) -> TensorArray:
    """An array of the rows of `inp`."""
    rest = None if inp.dims is None else inp.dims[1:]
    return TensorArray(inp.dtype, size=shape_of(inp)[0], element_shape=rest).unstack(inp)


@public("contrib.seq2seq.CustomHelper")
class CustomHelper(Helper):
    """A helper of three functions.

    Args:
      initialize_fn: of nothing to (finished `[batch]`, first inputs).
      sample_fn: of (time, outputs, state) to samples.
      next_inputs_fn: of (time, outputs, state, sample_ids) to (finished, next inputs, next state).
      sample_ids_shape: of a sample, without the batch; default a scalar.
      sample_ids_dtype: default int32.
    """

    def __init__(
        self,
        initialize_fn: Any,
        sample_fn: Any,
        next_inputs_fn: Any,
        sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ) -> None:
        self._initialize_fn, self._sample_fn, self._next_inputs_fn = initialize_fn, sample_fn, next_inputs_fn
        self._batch_size: Any = None
        self._shape = shapes.TensorShape(sample_ids_shape or [])
        self._dtype = sample_ids_dtype or dtypes.int32

    @property
    def batch_size(self) -> Any:
        """How many sequences there are.

        Raises:
          ValueError: `initialize` was not called yet.
        """
        if self._batch_size is None:
            raise ValueError("CustomHelper: batch_size is known only after initialize was called")
        return self._batch_size

    @property
    def sample_ids_shape(self) -> Any:
        """The shape of a sample."""
        return self._shape

    @property
    def sample_ids_dtype(self) -> Any:
        """The dtype of samples."""
        return self._dtype

    def initialize(self, name: str | None = None) -> Any:
        """What the first function says."""
        with name_scope(name, "CustomHelperInitialize"):
            finished, inputs = self._initialize_fn()
            if self._batch_size is None:
                self._batch_size = size(finished)
        return finished, inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """What the second function says."""
        with name_scope(name, "CustomHelperSample", [time, *nest.flatten(outputs), *nest.flatten(state)]):
            return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        """What the third function says."""
        with name_scope(name, "CustomHelperNextInputs", [time, *nest.flatten(outputs), *nest.flatten(state)]):
            return self._next_inputs_fn(time=time, outputs=outputs, state=state, sample_ids=sample_ids)


@public("contrib.seq2seq.InferenceHelper")
class InferenceHelper(Helper):
    """Reads what is made of the samples themselves.

    Args:
      sample_fn: of outputs to samples.
      sample_shape: of a sample, without the batch.
      sample_dtype: of samples.
      start_inputs: `[batch, ...]`.
      end_fn: of samples to whether a sequence ends, `[batch]`.
      next_inputs_fn: of samples to the next inputs; default: the samples.
    """

    def __init__(
        self,
        sample_fn: Any,
        sample_shape: Any,
        sample_dtype: Any,
        start_inputs: Any,
        end_fn: Any,
        next_inputs_fn: Any = None,
    ) -> None:
        self._sample_fn, self._end_fn, self._next_inputs_fn = sample_fn, end_fn, next_inputs_fn
        self._shape, self._dtype = shapes.TensorShape(sample_shape), sample_dtype
        self._start_inputs = convert.to_tensor(start_inputs, name="start_inputs")
        self._batch_size = shape_of(self._start_inputs)[0]

    @property
    def batch_size(self) -> Any:
        """How many sequences there are."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> Any:
        """The shape of a sample."""
        return self._shape

    @property
    def sample_ids_dtype(self) -> Any:
        """The dtype of samples."""
        return self._dtype

    def initialize(self, name: str | None = None) -> Any:
        """(nothing has ended, the first inputs)."""
        return none_finished(self._batch_size), self._start_inputs

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Any:
        """What `sample_fn` takes from the outputs."""
        return self._sample_fn(outputs)

    def next_inputs(
        self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> Any:
        """(finished, what is made of the samples, the state)."""
        inputs = sample_ids if self._next_inputs_fn is None else self._next_inputs_fn(sample_ids)
        return self._end_fn(sample_ids), inputs, state
