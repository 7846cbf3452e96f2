"""Cells around cells: highways, and compiled ones."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.contributed.rnn.projections import Around
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.nn.functions import xw_plus_b
from millrace.lib.rnn.cells import RNNCell
from millrace.lib.variables.initializers import Constant
from millrace.lib.variables.scope import get_variable
from millrace.ops.math.elementwise import sigmoid


@public("contrib.rnn.HighwayWrapper")
class HighwayWrapper(RNNCell):
    """Mixes the input into the output of a cell, by gates that see the input (Srivastava et al. 2015).

    Args:
      cell: the cell inside.
      couple_carry_transform_gates: let the cell's output through where the input is not; False for a gate of
        its own.
      carry_bias_init: how the bias of the input's gate begins.
    """

    def __init__(
        self, cell: Any, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0
    ) -> None:
        super().__init__()
        self._cell = cell
        self._couple, self._carry_bias_init = couple_carry_transform_gates, carry_bias_init

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The inner cell's."""
        values = [batch_size] if isinstance(batch_size, Tensor) else []
        with name_scope(type(self).__name__ + "ZeroState", None, values):
            return self._cell.zero_state(batch_size, dtype)

    def _gate(self, name: str, x: Tensor, start: float) -> Tensor:
        size = x.get_shape().with_rank(2)[1].value
        weights = get_variable(f"{name}_w", [size, size])
        biases = get_variable(f"{name}_b", [size], initializer=Constant(start))
        return sigmoid(xw_plus_b(x, weights, biases))

    def _mixed(self, x: Tensor, output: Tensor) -> Tensor:
        carry = self._gate("carry", x, self._carry_bias_init)
        transform = 1 - carry if self._couple else self._gate("transform", x, -self._carry_bias_init)
        return x * carry + output * transform

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step.

        Raises:
          TypeError, ValueError: the output nests otherwise than the input, or has another shape.
        """
        outputs, new_state = self._cell(inputs, state, scope=scope)
        nest.assert_same_structure(inputs, outputs)
        for x, y in zip(nest.flatten(inputs), nest.flatten(outputs), strict=True):
            x.get_shape().assert_is_compatible_with(y.get_shape())
        return nest.map_structure(self._mixed, inputs, outputs), new_state


@public("contrib.rnn.CompiledWrapper")
class CompiledWrapper(Around):
    """A cell to be compiled. What is worth it is compiled anyway, so this only runs the cell inside.

    Args:
      cell: the cell inside.
      compile_stateful: accepted.
    """

    def __init__(self, cell: Any, compile_stateful: bool = False) -> None:
        super().__init__(cell)
        self._compile_stateful = compile_stateful

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step."""
        return self._cell(inputs, state, scope=scope)
