"""`tf.contrib.learn.models`: recurrent networks over lists of inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.contributed.rnn.attentive import AttentionCellWrapper
from millrace.core.public import public
from millrace.lib.rnn.cells import BasicLSTMCell, BasicRNNCell, GRUCell, MultiRNNCell
from millrace.lib.rnn.internals import reverse_sequences
from millrace.lib.rnn.unrolling import static_rnn
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import concat


@public("contrib.learn.models.bidirectional_rnn")
def bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Sequence[Any],
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: str | None = None,
) -> tuple[list[Any], Any]:
    """Two networks, one from the first step on and one from the last.

    Args:
      cell_fw: the cell of the first.
      cell_bw: that of the other.
      inputs: a tensor `[batch, elements]` for each step.
      initial_state_fw: what the first begins with; default: zeros.
      initial_state_bw: likewise.
      dtype: of zeros to begin with.
      sequence_length: how many steps each example has, `[batch]`.
      scope: of the variables; default "BiRNN".

    Returns:
      For each step both outputs side by side, and both last states side by side.

    Raises:
      TypeError: the inputs are not a list.
      ValueError: there are none.
    """
    if not isinstance(inputs, list):
        raise TypeError(f"inputs must be a list. Received: {inputs!r}")
    if not inputs:
        raise ValueError("inputs must not be empty")
    name = scope or "BiRNN"
    with variable_scope(f"{name}_FW"):
        ahead, state = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length)
    with variable_scope(f"{name}_BW"):
        turned = reverse_sequences(inputs, sequence_length)
        back, other = static_rnn(cell_bw, turned, initial_state_bw, dtype, sequence_length)
    outputs = [concat(pair, 1) for pair in zip(ahead, reverse_sequences(back, sequence_length), strict=True)]
    return outputs, concat([state, other], 1)


_CELLS: dict[str, Callable[[int], Any]] = {
    "rnn": BasicRNNCell,
    "gru": GRUCell,
    "lstm": lambda size: BasicLSTMCell(size, state_is_tuple=False),
}


@public("contrib.learn.models.get_rnn_model")
def get_rnn_model(
    rnn_size: int,
    cell_type: str,
    num_layers: int,
    input_op_fn: Callable[[Any], list[Any]],
    bidirectional: bool,
    target_predictor_fn: Callable[[Any, Any], Any],
    sequence_length: Any,
    initial_state: Any,
    attn_length: int | None,
    attn_size: int | None,
    attn_vec_size: int | None,
) -> Callable[[Any, Any], Any]:
    """A model of the last state of a recurrent network.

    Args:
      rnn_size: of each cell.
      cell_type: "rnn", "gru" or "lstm".
      num_layers: how many cells stand on each other.
      input_op_fn: from the features to a tensor for each step.
      bidirectional: a second network begins at the last step.
      target_predictor_fn: from the last state and the labels to predictions and a loss.
      sequence_length: how many steps each example has, or None.
      initial_state: what the network begins with; None for zeros.
      attn_length: cells attend to so many steps before, or None.
      attn_size: of what they attend to.
      attn_vec_size: of the scores.

    Returns:
      A function from features and labels to what `target_predictor_fn` gives.

    Raises:
      ValueError: there is no such cell.
    """

    def stacked() -> Any:
        if cell_type not in _CELLS:
            raise ValueError(f"cell_type {cell_type} is not supported. Received: {cell_type!r}")
        cells = [_CELLS[cell_type](rnn_size) for _ in range(num_layers)]
        if attn_length is not None:
            cells = [
                AttentionCellWrapper(cell, attn_length, attn_size, attn_vec_size, state_is_tuple=False)
                for cell in cells
            ]
        return MultiRNNCell(cells, state_is_tuple=False)

    def model(x: Any, y: Any) -> Any:
        inputs = input_op_fn(x)
        dtype = inputs[0].dtype
        if bidirectional:
            _, state = bidirectional_rnn(
                stacked(), stacked(), inputs, initial_state, initial_state, dtype, sequence_length
            )
        else:
            _, state = static_rnn(stacked(), inputs, initial_state, dtype, sequence_length)
        return target_predictor_fn(state, y)

    return model
