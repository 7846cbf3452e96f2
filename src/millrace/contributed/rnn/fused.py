"""Cells that run over a whole sequence at once, and sequences of layers in both directions."""

from __future__ import annotations

import abc
from typing import Any

from millrace.core import nest
from millrace.core.public import public
from millrace.lib.rnn.unrolling import (
    bidirectional_dynamic_rnn,
    dynamic_rnn,
    static_bidirectional_rnn,
    static_rnn,
)
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.reorder import reverse, reverse_sequence


@public("contrib.rnn.FusedRNNCell")
class FusedRNNCell(abc.ABC):
    """Runs over all steps in one call."""

    @abc.abstractmethod
    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> Any:
        """All steps.

        Args:
          inputs: `[time, batch, depth]`, or a list of `[batch, depth]`.
          initial_state: default zeros.
          dtype: of the state and outputs; needed where there is no initial state.
          sequence_length: int `[batch]`.
          scope: a variable scope.

        Returns:
          (outputs, in the form of the inputs; the last state).
        """


@public("contrib.rnn.FusedRNNCellAdaptor")
class FusedRNNCellAdaptor(FusedRNNCell):
    """A cell as one that runs over all steps.

    Args:
      cell: an `RNNCell`.
      use_dynamic_rnn: run it in a loop; False draws each step.
    """

    def __init__(self, cell: Any, use_dynamic_rnn: bool = False) -> None:
        self._cell, self._use_dynamic_rnn = cell, use_dynamic_rnn

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> Any:
        """All steps; see `FusedRNNCell`."""
        is_list = isinstance(inputs, list)
        options: dict[str, Any] = dict(
            sequence_length=sequence_length, initial_state=initial_state, dtype=dtype, scope=scope
        )
        if self._use_dynamic_rnn:
            inputs = stack(inputs) if is_list else inputs
            outputs, state = dynamic_rnn(self._cell, inputs, time_major=True, **options)
            return (unstack(outputs) if is_list else outputs), state
        inputs = inputs if is_list else unstack(inputs)
        outputs, state = static_rnn(self._cell, inputs, **options)
        return (outputs if is_list else stack(outputs)), state


@public("contrib.rnn.TimeReversedFusedRNN")
class TimeReversedFusedRNN(FusedRNNCell):
    """Runs over the steps from the last to the first.

    Args:
      cell: a `FusedRNNCell`.
    """

    def __init__(self, cell: Any) -> None:
        self._cell = cell

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Any = None,
        scope: Any = None,
    ) -> Any:
        """All steps; see `FusedRNNCell`."""
        outputs, state = self._cell(
            _turned(inputs, sequence_length),
            initial_state=initial_state,
            dtype=dtype,
            sequence_length=sequence_length,
            scope=scope,
        )
        return nest.map_structure(lambda x: _turned(x, sequence_length), outputs), state


def _turned(x: Any, lengths: Any) -> Any:
    """The steps from the last to the first, of each sequence its own."""
    if isinstance(x, list):
        return list(reversed(x)) if lengths is None else unstack(_turned(stack(x), lengths))
    return reverse(x, [0]) if lengths is None else reverse_sequence(x, lengths, 0, 1)


def _check_cells(cells_fw: Any, cells_bw: Any, states_fw: Any, states_bw: Any) -> None:
    for title, cells in (("cells_fw", cells_fw), ("cells_bw", cells_bw)):
        if not cells:
            raise ValueError(f"Must specify at least one fw cell for BidirectionalRNN: {title} is empty.")
        if not isinstance(cells, list):
            raise ValueError(f"{title} must be a list of RNNCells (one per layer). Received: {cells!r}")
    if len(cells_fw) != len(cells_bw):
        raise ValueError(
            f"Forward and Backward cells must have the same depth. Received: {len(cells_fw)}, {len(cells_bw)}"
        )
    for title, states, cells in (
        ("initial_states_fw", states_fw, cells_fw),
        ("initial_states_bw", states_bw, cells_bw),
    ):
        if states is not None and (not isinstance(states, list) or len(states) != len(cells)):
            raise ValueError(f"{title} must be a list of state tensors (one per layer). Received: {states!r}")


@public("contrib.rnn.stack_bidirectional_rnn")
def stack_bidirectional_rnn(
    cells_fw: Any,
    cells_bw: Any,
    inputs: Any,
    initial_states_fw: Any = None,
    initial_states_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Layers in both directions, each reading the outputs of the one below in both.

    Args:
      cells_fw, cells_bw: lists of cells, one for each layer.
      inputs: a list of `[batch, depth]`.
      initial_states_fw, initial_states_bw: lists of states; default zeros.
      dtype: of states.
      sequence_length: int `[batch]`.
      scope: a variable scope; default "stack_bidirectional_rnn".

    Returns:
      (a list of outputs, last states forwards, last states backwards).

    Raises:
      ValueError: the lists are empty, or differ in length.
    """
    _check_cells(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
    states_fw, states_bw, layer = [], [], inputs
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, (fw, bw) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with variable_scope(f"cell_{i}") as entered:
                layer, state_fw, state_bw = static_bidirectional_rnn(
                    fw,
                    bw,
                    layer,
                    initial_state_fw=initial_states_fw[i] if initial_states_fw else None,
                    initial_state_bw=initial_states_bw[i] if initial_states_bw else None,
                    sequence_length=sequence_length,
                    dtype=dtype,
                    scope=entered,
                )
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return layer, tuple(states_fw), tuple(states_bw)


@public("contrib.rnn.stack_bidirectional_dynamic_rnn")
def stack_bidirectional_dynamic_rnn(
    cells_fw: Any,
    cells_bw: Any,
    inputs: Any,
    initial_states_fw: Any = None,
    initial_states_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> Any:
    """`stack_bidirectional_rnn` in loops.

    Args:
      cells_fw, cells_bw, initial_states_fw, initial_states_bw, dtype, sequence_length: as there.
      inputs: `[batch, time, depth]`; `[time, batch, depth]` with `time_major`.
      parallel_iterations, swap_memory: accepted.
      time_major: how inputs and outputs are laid out.
      scope: a variable scope; default "stack_bidirectional_rnn".

    Returns:
      (outputs of both directions joined, last states forwards, last states backwards).

    Raises:
      ValueError: the lists are empty, or differ in length.
    """
    _check_cells(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
    states_fw, states_bw, layer = [], [], inputs
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, (fw, bw) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with variable_scope(f"cell_{i}"):
                outputs, (state_fw, state_bw) = bidirectional_dynamic_rnn(
                    fw,
                    bw,
                    layer,
                    initial_state_fw=initial_states_fw[i] if initial_states_fw else None,
                    initial_state_bw=initial_states_bw[i] if initial_states_bw else None,
                    sequence_length=sequence_length,
                    dtype=dtype,
                    parallel_iterations=parallel_iterations,
                    time_major=time_major,
                    swap_memory=swap_memory,
                )
                layer = concat(list(outputs), 2)
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return layer, tuple(states_fw), tuple(states_bw)
