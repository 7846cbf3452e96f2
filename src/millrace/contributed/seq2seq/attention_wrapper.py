"""`AttentionWrapper`: a cell that looks at memories after each of its steps."""

from __future__ import annotations

import collections
from typing import Any

from millrace.building.scopes import control_dependencies, name_scope
from millrace.contributed.framework.checks import with_same_shape
from millrace.contributed.seq2seq.attention import AttentionMechanism
from millrace.contributed.seq2seq.basic_decoder import check_cell
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.layers.core import Dense
from millrace.lib.math.checks import assert_equal
from millrace.lib.math.lengths import length
from millrace.lib.rnn.cells import RNNCell, zero_state_of
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import identity, zeros
from millrace.ops.array.reshape import expand_dims, squeeze
from millrace.ops.linalg.matmul import matmul

_State = collections.namedtuple(
    "AttentionWrapperState",
    ("cell_state", "attention", "time", "alignments", "alignment_history", "attention_state"),
)


@public("contrib.seq2seq.AttentionWrapperState")
class AttentionWrapperState(_State):
    """The state of an `AttentionWrapper`.

    Attributes:
      cell_state: that of the cell inside.
      attention: what was read at the step before, `[batch, size]`.
      time: the step's number, a scalar int32.
      alignments: the weights of the step before; a tuple of them for several mechanisms.
      alignment_history: TensorArrays of all weights, or ().
      attention_state: the mechanisms' states, nested as `alignments`.
    """

    __slots__ = ()

    def clone(self, **kwargs: Any) -> AttentionWrapperState:
        """A copy with other values for some fields.

        Raises:
          ValueError: a new value has another structure or shape.
        """

        def checked(old: Any, new: Any) -> Any:
            both = isinstance(old, Tensor) and isinstance(new, Tensor)
            return with_same_shape(old, new) if both else new

        return nest.map_structure(checked, self, self._replace(**kwargs))


@public("contrib.seq2seq.python.ops.attention_wrapper._compute_attention")
def compute_attention(
    attention_mechanism: Any, cell_output: Tensor, attention_state: Any, attention_layer: Any
) -> tuple[Any, Any, Any]:
    """(what was read, the weights, the mechanism's next state)."""
    alignments, next_state = attention_mechanism(cell_output, state=attention_state)
    context = squeeze(matmul(expand_dims(alignments, 1), attention_mechanism.values), [1])
    if attention_layer is None:
        return context, alignments, next_state
    return attention_layer(concat([cell_output, context], 1)), alignments, next_state


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


@public("contrib.seq2seq.AttentionWrapper")
class AttentionWrapper(RNNCell):
    """A cell, and attention to one or more memories.

    Each step: the input and what was read before go into the cell; its output is the query; the weights
    sum the memory's rows; that and the query go through a layer, and are read as the attention.

    Args:
      cell: the cell inside.
      attention_mechanism: one, or a list of them.
      attention_layer_size: the depth of the attention, one for each mechanism; None for the memory's.
      alignment_history: keep the weights of all steps.
      cell_input_fn: of (inputs, attention) to the cell's inputs; default joins them.
      output_attention: give the attention as output; False for the cell's own.
      initial_cell_state: the cell's first state; only for batches of its size.
      name: of the layer.
      attention_layer: layers in place of the ones made for `attention_layer_size`.
      attention_fn: of (mechanism, cell output, state, layer) to (attention, weights, next state).
      dtype: of the layer.

    Raises:
      TypeError: an argument is of another kind.
      ValueError: there are not as many sizes or layers as mechanisms, or both are given.
    """

    def __init__(
        self,
        cell: Any,
        attention_mechanism: Any,
        attention_layer_size: Any = None,
        alignment_history: bool = False,
        cell_input_fn: Any = None,
        output_attention: bool = True,
        initial_cell_state: Any = None,
        name: str | None = None,
        attention_layer: Any = None,
        attention_fn: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        check_cell(cell, "AttentionWrapper")
        self._is_multi = isinstance(attention_mechanism, list | tuple)
        self._attention_mechanisms = _as_tuple(attention_mechanism)
        for mechanism in self._attention_mechanisms:
            if not isinstance(mechanism, AttentionMechanism):
                raise TypeError(
                    "AttentionWrapper: attention_mechanism must be an AttentionMechanism or a list of them. "
                    f"Received: {type(mechanism).__name__}"
                )
        if cell_input_fn is not None and not callable(cell_input_fn):
            raise TypeError(
                f"AttentionWrapper: cell_input_fn must be callable. Received: {type(cell_input_fn).__name__}"
            )
        self._cell = cell
        self._cell_input_fn = cell_input_fn or (lambda inputs, attention: concat([inputs, attention], -1))
        self._attention_fn = attention_fn or compute_attention
        self._set_layers(attention_layer_size, attention_layer, dtype)
        self._output_attention, self._alignment_history = output_attention, alignment_history
        with name_scope(name, "AttentionWrapperInit"):
            self._initial_cell_state = None
            if initial_cell_state is not None:
                batch = length(nest.flatten(initial_cell_state)[-1], 0)
                message = (
                    f"When constructing AttentionWrapper {self._base_name}: non-matching batch sizes between "
                    "the memory (encoder output) and initial_cell_state. With beam search, tile the memory "
                    "by the beam width"
                )
                with control_dependencies(self._batch_size_checks(batch, message)):
                    self._initial_cell_state = nest.map_structure(
                        lambda s: identity(s, name="check_initial_cell_state"), initial_cell_state
                    )

    def _set_layers(self, sizes: Any, layers: Any, dtype: Any) -> None:
        """Makes or takes the layers behind the mechanisms, and adds up the depth of the attention."""
        if sizes is not None and layers is not None:
            raise ValueError("AttentionWrapper: give attention_layer_size or attention_layer, not both")
        given = sizes if sizes is not None else layers
        count = len(self._attention_mechanisms)
        if given is not None and len(_as_tuple(given)) != count:
            raise ValueError(
                f"AttentionWrapper: there must be one attention layer for each of {count} mechanisms. "
                f"Received: {len(_as_tuple(given))}"
            )
        self._attention_layers: tuple[Any, ...] | None = None
        if sizes is not None:
            self._attention_layers = tuple(
                Dense(
                    size,
                    name="attention_layer" if i == 0 else f"attention_layer_{i}",
                    use_bias=False,
                    dtype=getattr(mechanism, "dtype", None) if dtype is None else dtype,
                )
                for i, (size, mechanism) in enumerate(
                    zip(_as_tuple(sizes), self._attention_mechanisms, strict=True)
                )
            )
            self._attention_layer_size = sum(_as_tuple(sizes))
        elif layers is not None:
            self._attention_layers = _as_tuple(layers)
            self._attention_layer_size = sum(
                int(
                    layer.compute_output_shape(
                        [None, self._cell.output_size + int(mechanism.values.get_shape()[-1])]
                    )[-1]
                )
                for layer, mechanism in zip(self._attention_layers, self._attention_mechanisms, strict=True)
            )
        else:
            self._attention_layer_size = sum(
                int(m.values.get_shape()[-1]) for m in self._attention_mechanisms
            )

    def _batch_size_checks(self, batch_size: Any, message: str) -> list[Any]:
        return [assert_equal(batch_size, m.batch_size, message=message) for m in self._attention_mechanisms]

    def _item_or_tuple(self, values: Any) -> Any:
        """The only value, or a tuple of one for each mechanism."""
        values = tuple(values)
        return values if self._is_multi else values[0]

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._attention_layer_size if self._output_attention else self._cell.output_size

    @property
    def state_size(self) -> AttentionWrapperState:
        """The sizes of the state."""
        return AttentionWrapperState(
            cell_state=self._cell.state_size,
            time=shapes.TensorShape([]),
            attention=self._attention_layer_size,
            alignments=self._item_or_tuple(m.alignments_size for m in self._attention_mechanisms),
            attention_state=self._item_or_tuple(m.state_size for m in self._attention_mechanisms),
            alignment_history=self._item_or_tuple(
                m.alignments_size if self._alignment_history else () for m in self._attention_mechanisms
            ),
        )

    def zero_state(self, batch_size: Any, dtype: Any) -> AttentionWrapperState:
        """The state before the first step.

        Raises:
          InvalidArgumentError: when run, the memories have another batch size.
        """
        values = [batch_size] if isinstance(batch_size, Tensor) else []
        with name_scope(type(self).__name__ + "ZeroState", None, values):
            cell_state = self._initial_cell_state
            if cell_state is None:
                cell_state = self._cell.zero_state(batch_size, dtype)
            message = (
                f"When calling zero_state of AttentionWrapper {self._base_name}: non-matching batch sizes "
                "between the memory (encoder output) and the requested batch size. With beam search, tile "
                "the memory by the beam width"
            )
            with control_dependencies(self._batch_size_checks(batch_size, message)):
                cell_state = nest.map_structure(lambda s: identity(s, name="checked_cell_state"), cell_state)
            alignments = [m.initial_alignments(batch_size, dtype) for m in self._attention_mechanisms]
            return AttentionWrapperState(
                cell_state=cell_state,
                time=zeros([], dtype=dtypes.int32),
                attention=zero_state_of(self._attention_layer_size, batch_size, dtype),
                alignments=self._item_or_tuple(alignments),
                attention_state=self._item_or_tuple(
                    m.initial_state(batch_size, dtype) for m in self._attention_mechanisms
                ),
                alignment_history=self._item_or_tuple(self._empty_history(a, dtype) for a in alignments),
            )

    def _empty_history(self, alignments: Tensor, dtype: Any) -> Any:
        if not self._alignment_history:
            return ()
        return TensorArray(dtype, size=0, dynamic_size=True, element_shape=alignments.get_shape())

    def call(self, inputs: Any, state: Any) -> Any:
        """One step.

        Raises:
          TypeError: the state is not an AttentionWrapperState.
        """
        if not isinstance(state, AttentionWrapperState):
            raise TypeError(
                f"Expected state to be instance of AttentionWrapperState. Received: {type(state).__name__}"
            )
        output, cell_state = self._cell(self._cell_input_fn(inputs, state.attention), state.cell_state)
        message = (
            f"When applying AttentionWrapper {self.name}: non-matching batch sizes between the memory "
            "(encoder output) and the query (decoder output). With beam search, tile the memory by the beam "
            "width"
        )
        with control_dependencies(self._batch_size_checks(length(output, 0), message)):
            output = identity(output, name="checked_cell_output")
        split = (lambda value: value) if self._is_multi else (lambda value: [value])
        states, histories = split(state.attention_state), split(state.alignment_history)
        read, weights, new_states, new_histories = [], [], [], []
        for i, mechanism in enumerate(self._attention_mechanisms):
            layer = self._attention_layers[i] if self._attention_layers else None
            attention, alignments, after = self._attention_fn(mechanism, output, states[i], layer)
            history = histories[i].write(state.time, alignments) if self._alignment_history else ()
            read.append(attention)
            weights.append(alignments)
            new_states.append(after)
            new_histories.append(history)
        attention = concat(read, 1)
        new_state = AttentionWrapperState(
            time=state.time + 1,
            cell_state=cell_state,
            attention=attention,
            attention_state=self._item_or_tuple(new_states),
            alignments=self._item_or_tuple(weights),
            alignment_history=self._item_or_tuple(new_histories),
        )
        return (attention if self._output_attention else output), new_state
