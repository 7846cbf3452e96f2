"""`BeamSearchDecoder`: keeps the best few beginnings of each sequence."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from millrace.building import convert
from millrace.building.scopes import name_scope
from millrace.contributed.seq2seq.basic_decoder import check_cell, projected_size
from millrace.contributed.seq2seq.beam_step import attention_probabilities, beam_step
from millrace.contributed.seq2seq.beams import Beams
from millrace.contributed.seq2seq.decoding import Decoder, map_sizes
from millrace.contributed.seq2seq.sampling import embedding_function, start_and_end
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.lib.flow.control_flow import cond
from millrace.lib.layers.base import Layer
from millrace.lib.math.reductions import reduce_all, reduce_max
from millrace.ops.array.constant import zeros
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims
from millrace.ops.array.shape import size
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.nn.gather_tree import gather_tree

_State = collections.namedtuple(
    "BeamSearchDecoderState",
    ("cell_state", "log_probs", "finished", "lengths", "accumulated_attention_probs"),
)
_Output = collections.namedtuple("BeamSearchDecoderOutput", ("scores", "predicted_ids", "parent_ids"))
_Final = collections.namedtuple("FinalBeamDecoderOutput", ("predicted_ids", "beam_search_decoder_output"))


@public("contrib.seq2seq.BeamSearchDecoderState")
class BeamSearchDecoderState(_State):
    """The state of a beam search.

    Attributes:
      cell_state: that of the cell, `[batch, beams, ...]`.
      log_probs: of each beam, `[batch, beams]`.
      finished: whether a beam has ended, bool `[batch, beams]`.
      lengths: int64 `[batch, beams]`.
      accumulated_attention_probs: the sum of all weights so far, `[batch, beams, time]`, where coverage
        counts; else ().
    """

    __slots__ = ()


@public("contrib.seq2seq.BeamSearchDecoderOutput")
class BeamSearchDecoderOutput(_Output):
    """What a step gives, all `[batch, beams]`: scores, the ids chosen, and the beams they go on from."""

    __slots__ = ()


@public("contrib.seq2seq.FinalBeamSearchDecoderOutput")
class FinalBeamSearchDecoderOutput(_Final):
    """Whole sequences `[batch, time, beams]`, best first, and the outputs of all steps."""

    __slots__ = ()


@public("contrib.seq2seq.BeamSearchDecoder")
class BeamSearchDecoder(Decoder):
    """Decodes by beam search.

    Memories and lengths of an `AttentionWrapper` inside must be tiled by `beam_width` with `tile_batch`, and
    its state made for `batch * beam_width` sequences.

    Args:
      cell: an `RNNCell`.
      embedding: `[classes, depth]`, or a function from ids to vectors.
      start_tokens: int32 `[batch]`.
      end_token: int32 scalar; ends a beam.
      initial_state: of the cell, for `batch * beam_width` sequences.
      beam_width: how many beginnings are kept.
      output_layer: a layer applied to the cell's output; must give logits.
      length_penalty_weight: 0 for none; longer sequences count for more with greater ones (Wu et al. 2016).
      coverage_penalty_weight: 0 for none; else sequences that leave parts of the memory out count for less.
      reorder_tensor_arrays: bring TensorArrays of the state in the order of the sequences that come out.

    Raises:
      TypeError: `cell` is not a cell, or `output_layer` not a layer.
      ValueError: `start_tokens` is not a vector, or `end_token` not a scalar.
    """

    def __init__(
        self,
        cell: Any,
        embedding: Any,
        start_tokens: Any,
        end_token: Any,
        initial_state: Any,
        beam_width: int,
        output_layer: Any = None,
        length_penalty_weight: Any = 0.0,
        coverage_penalty_weight: Any = 0.0,
        reorder_tensor_arrays: bool = True,
    ) -> None:
        check_cell(cell, "BeamSearchDecoder")
        if output_layer is not None and not isinstance(output_layer, Layer):
            raise TypeError(
                f"BeamSearchDecoder: output_layer must be a Layer. Received: {type(output_layer).__name__}"
            )
        self._cell, self._output_layer = cell, output_layer
        self._reorder = reorder_tensor_arrays
        self._embedding_fn = embedding_function(embedding)
        self._start_tokens, self._end_token = start_and_end(start_tokens, end_token, "BeamSearchDecoder")
        self._batch_size = size(start_tokens)
        self._beam_width = beam_width
        self._length_penalty_weight = length_penalty_weight
        self._coverage_penalty_weight = coverage_penalty_weight
        self._beams = Beams(self._batch_size, beam_width)
        self._initial_cell_state = self._over_state(self._beams.split_state, initial_state)
        starts = tile(expand_dims(self._start_tokens, 1), [1, beam_width])
        self._start_inputs = self._embedding_fn(starts)
        self._finished = one_hot(
            zeros([self._batch_size], dtype=dtypes.int32),
            depth=beam_width,
            on_value=False,
            off_value=True,
            dtype=dtypes.bool_,
        )

    def _over_state(self, function: Any, state: Any) -> Any:
        """`function` of each tensor of a cell's state and of its size."""
        sizes = nest.flatten(self._cell.state_size)
        leaves = nest.flatten(state)
        return nest.pack_sequence_as(
            state, [function(leaf, s) for leaf, s in zip(leaves, sizes, strict=True)]
        )

    @property
    def batch_size(self) -> Any:
        """How many sequences are decoded."""
        return self._batch_size

    @property
    def tracks_own_finished(self) -> bool:
        """True: a beam that goes on may replace one that has ended."""
        return True

    @property
    def _dtype(self) -> dtypes.DType:
        return nest.flatten(self._initial_cell_state)[0].dtype

    @property
    def output_size(self) -> BeamSearchDecoderOutput:
        """The shapes of a step's outputs."""
        width = shapes.TensorShape([self._beam_width])
        return BeamSearchDecoderOutput(scores=width, predicted_ids=width, parent_ids=width)

    @property
    def output_dtype(self) -> BeamSearchDecoderOutput:
        """The dtypes of a step's outputs; scores have that of the cell's state."""
        size_ = projected_size(self._cell, self._output_layer)
        scores = map_sizes(lambda _: self._dtype, size_)
        return BeamSearchDecoderOutput(scores=scores, predicted_ids=dtypes.int32, parent_ids=dtypes.int32)

    def initialize(self, name: str | None = None) -> Any:
        """(finished, the vectors of the start tokens, the first state)."""
        log_probs = one_hot(
            zeros([self._batch_size], dtype=dtypes.int32),
            depth=self._beam_width,
            on_value=convert.constant_of(0.0, self._dtype, None),
            off_value=convert.constant_of(-np.inf, self._dtype, None),
            dtype=self._dtype,
        )
        accumulated: Any = ()
        weights = attention_probabilities(self._initial_cell_state, self._coverage_penalty_weight)
        if weights is not None:
            accumulated = weights
        state = BeamSearchDecoderState(
            cell_state=self._initial_cell_state,
            log_probs=log_probs,
            finished=self._finished,
            lengths=zeros([self._batch_size, self._beam_width], dtype=dtypes.int64),
            accumulated_attention_probs=accumulated,
        )
        return self._finished, self._start_inputs, state

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> Any:
        """One step: (outputs, next state, next inputs, finished)."""
        values = [time, *nest.flatten(inputs), *nest.flatten(state)]
        with name_scope(name, "BeamSearchDecoderStep", values):
            beams = self._beams
            inputs = nest.map_structure(lambda x: beams.merge(x, x.get_shape()[2:]), inputs)
            cell_state = self._over_state(beams.merge_state, state.cell_state)
            logits, cell_state = self._cell(inputs, cell_state)
            logits = nest.map_structure(lambda x: beams.split(x, x.get_shape()[1:]), logits)
            cell_state = self._over_state(beams.split_state, cell_state)
            if self._output_layer is not None:
                logits = self._output_layer(logits)
            output, state = beam_step(
                logits,
                cell_state,
                state,
                beams,
                self._end_token,
                self._length_penalty_weight,
                self._coverage_penalty_weight,
            )
            output, state = BeamSearchDecoderOutput(**output), BeamSearchDecoderState(**state)
            inputs = cond(
                reduce_all(state.finished),
                lambda: self._start_inputs,
                lambda: self._embedding_fn(output.predicted_ids),
            )
        return output, state, inputs, state.finished

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Any) -> Any:
        """(whole sequences beside the outputs of all steps, the state with histories in their order)."""
        longest = cast(reduce_max(final_state.lengths, axis=1), dtypes.int32)
        predicted = gather_tree(
            outputs.predicted_ids, outputs.parent_ids, max_sequence_lengths=longest, end_token=self._end_token
        )
        if self._reorder:
            cell_state = nest.map_structure(
                lambda t: self._beams.sort_array(t, outputs.parent_ids, final_state.lengths),
                final_state.cell_state,
            )
            final_state = final_state._replace(cell_state=cell_state)
        final = FinalBeamSearchDecoderOutput(predicted_ids=predicted, beam_search_decoder_output=outputs)
        return final, final_state
