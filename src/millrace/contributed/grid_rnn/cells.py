"""`tf.contrib.grid_rnn`: grids of recurrent cells (Kalchbrenner, Danihelka and Graves, 2015)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.contributed.layers.core import fully_connected
from millrace.contributed.layers.initializers import xavier_initializer
from millrace.core import nest
from millrace.core.public import public
from millrace.lib.rnn import cells
from millrace.lib.rnn.cells import LSTMStateTuple, RNNCell
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import zeros
from millrace.ops.linalg.matmul import matmul


def _dims(given: Any) -> list[int]:
    if given is None:
        return []
    return [given] if isinstance(given, int) else list(given)


@public("contrib.grid_rnn.GridRNNCell")
class GridRNNCell(RNNCell):
    """A grid of cells, one for each dimension, each of which gets the outputs of the others.

    The dimensions that get the input take their memories from it rather than from the state. Those with
    priority come last, and get what the others have made in the same step.

    Args:
      num_units: the size of each cell.
      num_dims: how many dimensions there are.
      input_dims: those that get the input, each an equal share of its columns.
      output_dims: those whose outputs are given.
      priority_dims: those that come last.
      non_recurrent_dims: those without a state, which are a layer.
      tied: one cell for all dimensions.
      cell_fn: makes a cell of its size; default an `LSTMCell`.
      non_recurrent_fn: the activation of layers; needed where there are any.
      state_is_tuple: whether states are tuples, or joined.
      output_is_tuple: whether outputs are a tuple, or joined.

    Raises:
      ValueError: there is no dimension, one that is named is not there, or `non_recurrent_fn` is missing.
    """

    def __init__(
        self,
        num_units: int,
        num_dims: int = 1,
        input_dims: Any = None,
        output_dims: Any = None,
        priority_dims: Any = None,
        non_recurrent_dims: Any = None,
        tied: bool = False,
        cell_fn: Callable[[int], Any] | None = None,
        non_recurrent_fn: Any = None,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ) -> None:
        super().__init__()
        if num_dims < 1:
            raise ValueError(f"num_dims must be >= 1: {num_dims}")
        self._units, self._count, self._tied = num_units, num_dims, tied
        self._input_dims, self._output_dims = _dims(input_dims), _dims(output_dims)
        self._priority, self._plain = _dims(priority_dims), _dims(non_recurrent_dims)
        for dim in (*self._input_dims, *self._output_dims, *self._priority, *self._plain):
            if not 0 <= dim < num_dims:
                raise ValueError(f"Dimensions must be below num_dims = {num_dims}. Received: {dim}")
        if self._plain and non_recurrent_fn is None:
            raise ValueError("non_recurrent_fn is required with non_recurrent_dims. Received: None")
        self._fn = non_recurrent_fn
        self._state_is_tuple, self._output_is_tuple = state_is_tuple, output_is_tuple
        make = cell_fn or cells.LSTMCell
        shared = make(num_units) if tied else None
        recurrent = [dim for dim in range(num_dims) if dim not in self._plain]
        self._cells = {dim: shared if shared is not None else make(num_units) for dim in recurrent}
        self._remembers = bool(self._cells) and isinstance(self._cells[recurrent[0]].state_size, tuple)

    @property
    def output_size(self) -> Any:
        """The sizes of the outputs."""
        sizes = (self._units,) * len(self._output_dims)
        return sizes if self._output_is_tuple else sum(sizes)

    @property
    def state_size(self) -> Any:
        """The sizes of the states of the recurrent dimensions."""
        one = LSTMStateTuple(self._units, self._units) if self._remembers else self._units
        sizes = (one,) * len(self._cells)
        return sizes if self._state_is_tuple else sum(nest.flatten(sizes))

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step.

        Args:
          inputs: `[batch, n]`; None where no dimension gets it.
          state: as `state_size` says.
          scope: of the variables; default the class's name.

        Returns:
          The outputs and the next state.
        """
        with variable_scope(scope or type(self).__name__):
            outputs, memories = self._before(inputs, state)
            late = [dim for dim in range(self._count) if dim in self._priority]
            early = [dim for dim in range(self._count) if dim not in self._priority]
            for group in (early, late):
                if group:
                    others, last = self._seen(outputs)
                for dim in group:
                    outputs[dim], memories[dim] = self._step(dim, others, last, memories[dim])
        found = tuple(outputs[dim] for dim in self._output_dims)
        after = tuple(
            LSTMStateTuple(memories[dim], outputs[dim]) if self._remembers else outputs[dim]
            for dim in self._cells
        )
        return (
            found if self._output_is_tuple else _joined(found),
            after if self._state_is_tuple else _joined(nest.flatten(after)),
        )

    def _before(self, inputs: Any, state: Any) -> tuple[list[Any], list[Any]]:
        """The outputs and memories of all dimensions before the step."""
        parts = nest.flatten(state) if self._state_is_tuple else _cut(state, self._units)
        outputs: list[Any] = [None] * self._count
        memories: list[Any] = [None] * self._count
        for dim in self._cells:
            if self._remembers:
                memories[dim] = parts.pop(0)
            outputs[dim] = parts.pop(0)
        if inputs is not None and self._input_dims and inputs.get_shape().as_list()[-1] > 0:
            shares = split(inputs, len(self._input_dims), 1)
            shape = [shares[0].get_shape().as_list()[-1], self._units]
            for dim, share in zip(self._input_dims, shares, strict=True):
                weights = get_variable(f"project_m_{dim}", shape, dtype=inputs.dtype)
                outputs[dim] = matmul(share, weights)
                if self._remembers:
                    weights = get_variable(f"project_c_{dim}", shape, dtype=inputs.dtype)
                    memories[dim] = matmul(share, weights)
        known = next(value for value in (*outputs, inputs) if value is not None)
        for dim in range(self._count):
            if outputs[dim] is None:
                outputs[dim] = zeros(raw.Pack([raw.Shape(known)[0], self._units]), known.dtype)
                outputs[dim].set_shape([None, self._units])
        return outputs, memories

    def _seen(self, outputs: list[Any]) -> tuple[Any, Any]:
        """What cells get in a step: the outputs of all dimensions but the last, and the last one's.

        As in TensorFlow, the last dimension's output stands where a cell's own state would.
        """
        if self._count > 1:
            return concat(outputs[:-1], 1), outputs[-1]
        rows = outputs[0].get_shape().as_list()[0]
        nothing = outputs[0][:, :0] if rows is None else zeros([rows, 0], outputs[0].dtype)
        return nothing, outputs[0]

    def _step(self, dim: int, others: Any, last: Any, memory: Any) -> tuple[Any, Any]:
        """The output and the memory of one dimension after the step."""
        inner = "" if self._tied else f"/cell_{dim}"
        if dim in self._plain:
            with variable_scope(f"non_recurrent{inner}") as scope:
                start = scope.initializer or xavier_initializer()
                seen = concat([others, last], 1) if self._count > 1 else last
                return fully_connected(seen, self._units, self._fn, weights_initializer=start), None
        with variable_scope(f"recurrent{inner}"):
            state = LSTMStateTuple(memory, last) if self._remembers else last
            output, after = self._cells[dim](others, state)
        return output, after[0] if self._remembers else None


def _joined(values: Any) -> Any:
    return concat(list(values), 1) if len(values) > 1 else values[0]


def _cut(state: Any, units: int) -> list[Any]:
    count = state.get_shape().as_list()[1] // units
    return list(split(state, count, 1)) if count > 1 else [state]


@public("contrib.grid_rnn.Grid1BasicRNNCell")
class Grid1BasicRNNCell(GridRNNCell):
    """One dimension with a `BasicRNNCell`; arguments as for `GridRNNCell`."""

    def __init__(self, num_units: int, state_is_tuple: bool = True, output_is_tuple: bool = True) -> None:
        super().__init__(
            num_units, 1, 0, 0, 0, cell_fn=cells.BasicRNNCell,
            state_is_tuple=state_is_tuple, output_is_tuple=output_is_tuple,
        )  # fmt: skip


@public("contrib.grid_rnn.Grid2BasicRNNCell")
class Grid2BasicRNNCell(GridRNNCell):
    """Two dimensions with `BasicRNNCell`s; arguments as for `GridRNNCell`."""

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: Any = None,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ) -> None:
        super().__init__(
            num_units, 2, 0, 0, 0, _first(non_recurrent_fn), tied, cells.BasicRNNCell, non_recurrent_fn,
            state_is_tuple, output_is_tuple,
        )  # fmt: skip


@public("contrib.grid_rnn.Grid1BasicLSTMCell")
class Grid1BasicLSTMCell(GridRNNCell):
    """One dimension with a `BasicLSTMCell`; arguments as for `GridRNNCell`."""

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ) -> None:
        super().__init__(
            num_units, 1, 0, 0, 0, cell_fn=_basic_lstm(forget_bias),
            state_is_tuple=state_is_tuple, output_is_tuple=output_is_tuple,
        )  # fmt: skip


@public("contrib.grid_rnn.Grid2BasicLSTMCell")
class Grid2BasicLSTMCell(GridRNNCell):
    """Two dimensions with `BasicLSTMCell`s; arguments as for `GridRNNCell`."""

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: Any = None,
        forget_bias: float = 1,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ) -> None:
        super().__init__(
            num_units, 2, 0, 0, 0, _first(non_recurrent_fn), tied, _basic_lstm(forget_bias), non_recurrent_fn,
            state_is_tuple, output_is_tuple,
        )  # fmt: skip


@public("contrib.grid_rnn.Grid1LSTMCell")
class Grid1LSTMCell(GridRNNCell):
    """One dimension with an `LSTMCell`; arguments as for `GridRNNCell`."""

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ) -> None:
        super().__init__(
            num_units, 1, 0, 0, 0, cell_fn=_lstm(use_peepholes, forget_bias),
            state_is_tuple=state_is_tuple, output_is_tuple=output_is_tuple,
        )  # fmt: skip


@public("contrib.grid_rnn.Grid2LSTMCell")
class Grid2LSTMCell(GridRNNCell):
    """Two dimensions with `LSTMCell`s; arguments as for `GridRNNCell`."""

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: Any = None,
        use_peepholes: bool = False,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ) -> None:
        super().__init__(
            num_units, 2, 0, 0, 0, _first(non_recurrent_fn), tied, _lstm(use_peepholes, forget_bias),
            non_recurrent_fn, state_is_tuple, output_is_tuple,
        )  # fmt: skip


@public("contrib.grid_rnn.Grid3LSTMCell")
class Grid3LSTMCell(GridRNNCell):
    """Three dimensions with `LSTMCell`s; arguments as for `GridRNNCell`."""

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: Any = None,
        use_peepholes: bool = False,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ) -> None:
        super().__init__(
            num_units, 3, 0, 0, 0, _first(non_recurrent_fn), tied, _lstm(use_peepholes, forget_bias),
            non_recurrent_fn, state_is_tuple, output_is_tuple,
        )  # fmt: skip


@public("contrib.grid_rnn.Grid2GRUCell")
class Grid2GRUCell(GridRNNCell):
    """Two dimensions with `GRUCell`s; arguments as for `GridRNNCell`."""

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: Any = None,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ) -> None:
        super().__init__(
            num_units, 2, 0, 0, 0, _first(non_recurrent_fn), tied, cells.GRUCell, non_recurrent_fn,
            state_is_tuple, output_is_tuple,
        )  # fmt: skip


def _first(non_recurrent_fn: Any) -> int | None:
    return None if non_recurrent_fn is None else 0


def _lstm(use_peepholes: bool, forget_bias: float) -> Callable[[int], Any]:
    return lambda units: cells.LSTMCell(units, use_peepholes=use_peepholes, forget_bias=forget_bias)


def _basic_lstm(forget_bias: float) -> Callable[[int], Any]:
    return lambda units: cells.BasicLSTMCell(units, forget_bias=forget_bias)
