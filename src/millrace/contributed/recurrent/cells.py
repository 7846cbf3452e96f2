"""Recurrent networks of cells, with the calls of `Recurrent`."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.rnn.unrolling import dynamic_rnn
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.gather import gather
from millrace.ops.array.reorder import reverse, reverse_sequence
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import shape as shape_of


def _backwards(x: Tensor, lengths: Any, time_major: bool) -> Tensor:
    """`x` with its steps in the other order; of sequences with lengths, the steps that count."""
    time, batch = (0, 1) if time_major else (1, 0)
    if lengths is None:
        return reverse(x, [time])
    return reverse_sequence(x, lengths, seq_axis=time, batch_axis=batch)


def _run(
    cell: Any,
    inputs: Any,
    lengths: Any,
    state: Any,
    dtype: Any,
    time_major: bool,
    scope: Any,
    turns: bool = False,
) -> tuple[Any, Any]:
    """The outputs and the last state of a cell; the variables of one layer get the default seeds of 1.15."""
    if state is None and dtype is None:
        raise TypeError("Without an initial state the dtype of the state must be given. Received: None")
    with variable_scope(scope) as inner:
        if not time_major:
            inputs = nest.map_structure(_turned, inputs)
        batch = shape_of(nest.flatten(inputs)[0])[1]
        if state is None:
            state = cell.zero_state(batch, dtype)
        first = nest.map_structure(lambda x: raw.StopGradient(gather(x, 0)), inputs)
        cell(first, state)  # makes the variables; 1.15 does so before the loop, too
        if turns:
            inputs = nest.map_structure(lambda x: _backwards(x, lengths, True), inputs)
        outputs, state = dynamic_rnn(cell, inputs, lengths, state, time_major=True, scope=inner)
        if turns:
            outputs = nest.map_structure(lambda x: _backwards(x, lengths, True), outputs)
        return outputs if time_major else nest.map_structure(_turned, outputs), state


def _turned(x: Tensor) -> Tensor:
    """Time and batch exchanged."""
    return transpose(x, [1, 0, *range(2, len(x.dims or ()))])


@public("contrib.recurrent.functional_rnn")
def functional_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    time_major: bool = False,
    scope: Any = None,
    use_tpu: bool = False,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """A recurrent network: as `tf.nn.dynamic_rnn`.

    Args:
      cell: an `RNNCell`.
      inputs: `[batch, time, ...]`, or `[time, batch, ...]` with `time_major`, or a structure of those.
      sequence_length: int `[batch]`: outputs after it are zeros, and the state is that at it.
      initial_state: default zeros of `dtype`.
      dtype: of the state; needed without an initial one.
      time_major: time is the first axis.
      scope: a variable scope; default "rnn".
      use_tpu: of no effect.
      reverse: from the last step to the first.

    Returns:
      The outputs and the last state.

    Raises:
      TypeError: there is neither an initial state nor a dtype.
      ValueError: as for `tf.nn.dynamic_rnn`.
    """
    inputs = nest.map_structure(to_tensor, inputs)
    return _run(cell, inputs, sequence_length, initial_state, dtype, time_major, scope or "rnn", reverse)


@public("contrib.recurrent.bidirectional_functional_rnn")
def bidirectional_functional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    time_major: bool = False,
    use_tpu: bool = False,
    fast_reverse: bool = False,
    scope: Any = None,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Two recurrent networks, one from the last step to the first: as `tf.nn.bidirectional_dynamic_rnn`.

    Args:
      cell_fw, cell_bw: `RNNCell` objects.
      inputs: `[batch, time, ...]`, or `[time, batch, ...]` with `time_major`.
      initial_state_fw, initial_state_bw: default zeros of `dtype`.
      dtype: of the states; needed without initial ones.
      sequence_length: int `[batch]`.
      time_major: time is the first axis.
      use_tpu: of no effect.
      fast_reverse: the backward network begins at the last step, not at the last that counts.
      scope: a variable scope; default "bidirectional_rnn".

    Returns:
      The outputs and the last states of both.

    Raises:
      TypeError: there is neither an initial state nor a dtype.
      ValueError: as for `tf.nn.dynamic_rnn`.
    """
    inputs = nest.map_structure(to_tensor, inputs)
    turning = None if fast_reverse else sequence_length

    def turned(x: Any) -> Any:
        return nest.map_structure(lambda t: _backwards(t, turning, time_major), x)

    with variable_scope(scope or "bidirectional_rnn"):
        ahead, state_fw = _run(cell_fw, inputs, sequence_length, initial_state_fw, dtype, time_major, "fw")
        back, state_bw = _run(cell_bw, turned(inputs), turning, initial_state_bw, dtype, time_major, "bw")
    return (ahead, turned(back)), (state_fw, state_bw)
