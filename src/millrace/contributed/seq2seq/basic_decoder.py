"""`BasicDecoder`: a cell, and a rule for what it reads next."""

from __future__ import annotations

import collections
from typing import Any

from millrace.building.scopes import name_scope
from millrace.contributed.seq2seq.decoding import Decoder, map_sizes
from millrace.contributed.seq2seq.feeding import Helper
from millrace.core import nest, shapes
from millrace.core.public import public
from millrace.lib.layers.base import Layer

_Output = collections.namedtuple("BasicDecoderOutput", ("rnn_output", "sample_id"))


@public("contrib.seq2seq.BasicDecoderOutput")
class BasicDecoderOutput(_Output):
    """What a `BasicDecoder` gives: the cell's output `rnn_output`, and `sample_id`, taken from it."""

    __slots__ = ()


def check_cell(cell: Any, who: str) -> None:
    """Refuses what is not a cell.

    Raises:
      TypeError: it has no sizes, or cannot be called.
    """
    if not (hasattr(cell, "output_size") and hasattr(cell, "state_size") and callable(cell)):
        raise TypeError(
            f"{who}: cell must be an RNNCell, with output_size, state_size and a call. Received: {cell!r}"
        )


def projected_size(cell: Any, output_layer: Any) -> Any:
    """The shape of a cell's output without the batch, behind a layer where there is one."""
    size = cell.output_size
    if output_layer is None:
        return size
    with_batch = nest.map_structure(lambda s: shapes.TensorShape([None]).concatenate(_shape(s)), size)
    found = output_layer.compute_output_shape(with_batch)
    return map_sizes(lambda s: s[1:], found)


def _shape(size: Any) -> shapes.TensorShape:
    return shapes.as_shape([size] if isinstance(size, int) else size)


@public("contrib.seq2seq.BasicDecoder")
class BasicDecoder(Decoder):
    """Decodes with a cell.

    Args:
      cell: an `RNNCell`.
      helper: a `Helper`: takes samples from outputs and says what is read next.
      initial_state: of the cell.
      output_layer: a layer applied to each output of the cell before samples are taken.

    Raises:
      TypeError: an argument is of another type.
    """

    def __init__(self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None) -> None:
        check_cell(cell, "BasicDecoder")
        if not isinstance(helper, Helper):
            raise TypeError(f"BasicDecoder: helper must be a Helper. Received: {type(helper).__name__}")
        if output_layer is not None and not isinstance(output_layer, Layer):
            raise TypeError(
                f"BasicDecoder: output_layer must be a Layer. Received: {type(output_layer).__name__}"
            )
        self._cell, self._helper = cell, helper
        self._initial_state, self._output_layer = initial_state, output_layer

    @property
    def batch_size(self) -> Any:
        """How many sequences are decoded."""
        return self._helper.batch_size

    @property
    def output_size(self) -> BasicDecoderOutput:
        """The shapes of a step's outputs."""
        return BasicDecoderOutput(
            rnn_output=projected_size(self._cell, self._output_layer),
            sample_id=self._helper.sample_ids_shape,
        )

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        """The dtypes of a step's outputs; the cell's output has that of its state."""
        dtype = nest.flatten(self._initial_state)[0].dtype
        size = projected_size(self._cell, self._output_layer)
        return BasicDecoderOutput(map_sizes(lambda _: dtype, size), self._helper.sample_ids_dtype)

    def initialize(self, name: str | None = None) -> Any:
        """(finished, first inputs, first state)."""
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """One step: (outputs, next state, next inputs, finished)."""
        with name_scope(name, "BasicDecoderStep", [time, *nest.flatten(inputs), *nest.flatten(state)]):
            output, state = self._cell(inputs, state)
            if self._output_layer is not None:
                output = self._output_layer(output)
            samples = self._helper.sample(time=time, outputs=output, state=state)
            finished, inputs, state = self._helper.next_inputs(
                time=time, outputs=output, state=state, sample_ids=samples
            )
        return BasicDecoderOutput(output, samples), state, inputs, finished
