"""Running a decoder: one step after the other, until every sequence has ended."""

from __future__ import annotations

import abc
import contextlib
from typing import Any

from millrace.building import convert
from millrace.building.static import static_value
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.math.reductions import reduce_all
from millrace.lib.rnn.cells import zero_state_of
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import fill, range_, zeros_like
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.comparison import less_equal, logical_not, logical_or
from millrace.ops.math.select import where


@public("contrib.seq2seq.Decoder")
class Decoder(abc.ABC):
    """What `dynamic_decode` runs: it begins, makes steps, and may finish what the steps gave."""

    @property
    def batch_size(self) -> Any:
        """How many sequences are decoded: an int or a scalar tensor."""
        raise NotImplementedError(f"{type(self).__name__} must define batch_size")

    @property
    def output_size(self) -> Any:
        """The shapes of a step's outputs without the batch, nested as they are."""
        raise NotImplementedError(f"{type(self).__name__} must define output_size")

    @property
    def output_dtype(self) -> Any:
        """The dtypes of a step's outputs, nested as they are."""
        raise NotImplementedError(f"{type(self).__name__} must define output_dtype")

    @abc.abstractmethod
    def initialize(self, name: str | None = None) -> Any:
        """What the first step needs: (finished `[batch]`, first inputs, first state)."""

    @abc.abstractmethod
    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """One step: (outputs, next state, next inputs, finished `[batch]`)."""

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """(outputs, state) from those of all steps, `[time, batch, ...]`; optional.

        Raises:
          NotImplementedError: the decoder leaves them as they are.
        """
        raise NotImplementedError

    @property
    def tracks_own_finished(self) -> bool:
        """True where a step's `finished` may take back that a sequence has ended."""
        return False


def swapped(x: Any) -> Any:
    """`[batch, time, ...]` as `[time, batch, ...]`, and back; tensors of a lower rank as they are."""
    if isinstance(x, TensorArray):
        return x
    if x.dims is not None and len(x.dims) < 2:
        return x
    order = concat([[1, 0], range_(2, rank_of(x))], 0)
    turned = transpose(x, order)
    if x.dims is not None:
        turned.set_shape([x.dims[1], x.dims[0], *x.dims[2:]])
    return turned


@public("contrib.seq2seq.dynamic_decode")
def dynamic_decode(
    decoder: Any,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: Any = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
    **kwargs: Any,
) -> Any:
    """Runs a decoder until all sequences have ended.

    Args:
      decoder: a `Decoder`.
      output_time_major: give outputs as `[time, batch, ...]`.
      impute_finished: for sequences that have ended, give zeros and keep the state.
      maximum_iterations: a scalar int32; stop after so many steps.
      parallel_iterations, swap_memory: accepted.
      scope: a variable scope; default "decoder".
      **kwargs: handed to `initialize` of a decoder that is a layer.

    Returns:
      (outputs `[batch, time, ...]`, the last state, lengths int32 `[batch]`).

    Raises:
      TypeError: `decoder` is not a Decoder.
      ValueError: `maximum_iterations` is not a scalar.
    """
    if not isinstance(decoder, Decoder):
        raise TypeError(f"dynamic_decode: decoder must be a Decoder. Received: {type(decoder).__name__}")
    with variable_scope(scope, "decoder") as entered:
        if entered.caching_device is None:
            entered.set_caching_device(lambda op: op.device)
        if maximum_iterations is not None:
            maximum_iterations = convert.to_tensor(maximum_iterations, dtypes.int32, "maximum_iterations")
            if maximum_iterations.dims not in ((), None):
                raise ValueError(
                    f"dynamic_decode: maximum_iterations must be a scalar. Received: shape "
                    f"{maximum_iterations.shape}"
                )
        loop = _Decoding(decoder, impute_finished, maximum_iterations)
        arrays, state, lengths = loop.run(parallel_iterations, swap_memory)
        outputs = nest.map_structure(lambda array: array.stack(), arrays)
        with contextlib.suppress(NotImplementedError):
            outputs, state = decoder.finalize(outputs, state, lengths)
        if not output_time_major:
            outputs = nest.map_structure(swapped, outputs)
    return outputs, state, lengths


class _Decoding:
    """The loop of one call of `dynamic_decode`."""

    def __init__(self, decoder: Decoder, impute: bool, limit: Tensor | None) -> None:
        self.decoder, self.impute, self.limit = decoder, impute, limit
        finished, self.inputs, self.state = decoder.initialize()
        self.zeros = map_sizes(
            lambda size, dtype: zero_state_of(shapes.as_shape(size), decoder.batch_size, dtype),
            decoder.output_size,
            decoder.output_dtype,
        )
        if limit is not None:
            finished = logical_or(finished, less_equal(limit, 0))
        self.finished = finished

    def run(self, parallel: int, swap: bool) -> Any:
        """(arrays of outputs, the last state, lengths)."""
        lengths = zeros_like(self.finished, dtype=dtypes.int32)
        time = constant(0, dtype=dtypes.int32)
        decoder = self.decoder
        arrays = map_sizes(self._array, decoder.output_size, decoder.output_dtype)
        _, arrays, state, _, _, lengths = while_loop(
            lambda time, arrays, state, inputs, finished, lengths: logical_not(reduce_all(finished)),
            self._step,
            (time, arrays, self.state, self.inputs, self.finished, lengths),
            parallel_iterations=parallel,
            maximum_iterations=self.limit,
            swap_memory=swap,
        )
        return arrays, state, lengths

    def _array(self, size: Any, dtype: Any) -> TensorArray:
        """An empty array for one output."""
        element = None
        if isinstance(size, shapes.TensorShape) and size.ndims != 0:
            batch = static_value(convert.to_tensor(self.decoder.batch_size, name="batch_size"))
            element = [None if batch is None else int(batch), *size.as_list()] if size.ndims else None
        return TensorArray(dtype, size=0, dynamic_size=True, element_shape=element)

    def _step(self, time: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any) -> Any:
        outputs, new_state, new_inputs, done = self.decoder.step(time, inputs, state)
        after = done if self.decoder.tracks_own_finished else logical_or(done, finished)
        lengths = where(logical_not(finished), fill(shape_of(lengths), time + 1), lengths)
        nest.assert_same_structure(state, new_state)
        nest.assert_same_structure(arrays, outputs)
        nest.assert_same_structure(inputs, new_inputs)
        emitted = outputs
        if self.impute:
            emitted = nest.map_structure(lambda out, zero: where(finished, zero, out), outputs, self.zeros)
            new_state = nest.map_structure(lambda new, old: _kept(finished, new, old), new_state, state)
        arrays = nest.map_structure(lambda array, out: array.write(time, out), arrays, emitted)
        return time + 1, arrays, new_state, new_inputs, after, lengths


def _kept(finished: Tensor, new: Any, old: Any) -> Any:
    """`old` where a sequence has ended, else `new`; what has no batch is passed through."""
    if isinstance(old, TensorArray):
        return new
    new.set_shape(old.get_shape())
    return new if not new.dims else where(finished, old, new)


def map_sizes(function: Any, sizes: Any, *others: Any) -> Any:
    """`function` of corresponding leaves, where a TensorShape is a leaf of the first structure."""
    leaves = [nest.flatten(other) for other in others]
    flat = [function(*values) for values in zip(nest.flatten(sizes), *leaves, strict=True)]
    return nest.pack_sequence_as(sizes, flat)
