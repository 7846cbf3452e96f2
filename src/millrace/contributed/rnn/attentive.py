"""A cell that attends to its own last outputs."""

from __future__ import annotations

from typing import Any

from millrace.contributed.rnn.linear import Linear
from millrace.contributed.rnn.projections import check_cell
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.rnn.cells import RNNCell, depth_of
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.array.reshape import expand_dims, reshape
from millrace.ops.array.slicing import slice_
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.conv import conv2d
from millrace.ops.nn.softmax import softmax


@public("contrib.rnn.AttentionCellWrapper")
class AttentionCellWrapper(RNNCell):
    """Attention to the last outputs, around a cell (Bahdanau et al. 2015).

    Args:
      cell: the cell inside.
      attn_length: how many outputs are kept.
      attn_size: their depth, and that of the output; default the cell's.
      attn_vec_size: the depth in which state and outputs are compared; default `attn_size`.
      input_size: the depth that goes into the cell; default the inputs'.
      state_is_tuple: False joins the cell's state, what was read and the outputs to one tensor.
      reuse: whether variables may exist already.

    Raises:
      TypeError: `cell` is not a cell.
      ValueError: the cell's state is a tuple and `state_is_tuple` False, or `attn_length` is not positive.
    """

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        check_cell(cell, "AttentionCellWrapper")
        if nest.is_nested(cell.state_size) and not state_is_tuple:
            raise ValueError(
                "AttentionCellWrapper: a cell whose state is a tuple needs state_is_tuple=True. Received: "
                f"state_size {cell.state_size}"
            )
        if attn_length <= 0:
            raise ValueError(
                f"AttentionCellWrapper: attn_length should be greater than zero. Received: {attn_length}"
            )
        self._cell, self._length, self._state_is_tuple = cell, attn_length, state_is_tuple
        self._size = cell.output_size if attn_size is None else attn_size
        self._vec_size = self._size if attn_vec_size is None else attn_vec_size
        self._input_size = input_size
        self._linears: dict[str, Linear] = {}

    @property
    def state_size(self) -> Any:
        """The sizes of the cell's state, of what was read, and of all outputs kept."""
        size = (self._cell.state_size, self._size, self._size * self._length)
        return size if self._state_is_tuple else sum(size)

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._size

    def _linear(self, name: str, values: Any, size: int) -> Tensor:
        if name not in self._linears:
            self._linears[name] = Linear(values, size, True)
        return self._linears[name](values)

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        if self._state_is_tuple:
            state, read, kept = state
        else:
            size, inner = self._size, self._cell.state_size
            joined = state
            state = slice_(joined, [0, 0], [-1, inner])
            read = slice_(joined, [0, inner], [-1, size])
            kept = slice_(joined, [0, inner + size], [-1, size * self._length])
        kept = reshape(kept, [-1, self._length, self._size])
        depth = self._input_size
        if depth is None:
            depth = depth_of(inputs.get_shape())
        output, state = self._cell(self._linear("input", [inputs, read], depth), state)
        query = concat(nest.flatten(state), 1) if self._state_is_tuple else state
        read, later = self._attend(query, kept)
        with variable_scope("attn_output_projection"):
            output = self._linear("output", [output, read], self._size)
        kept = concat([later, expand_dims(output, 1)], 1)
        kept = reshape(kept, [-1, self._length * self._size])
        new = (state, read, kept)
        return output, new if self._state_is_tuple else concat(list(new), 1)

    def _attend(self, query: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """(what is read, all outputs kept but the oldest)."""
        size, vec, length = self._size, self._vec_size, self._length
        with variable_scope("attention"):
            kernel = get_variable("attn_w", [1, 1, size, vec])
            vector = get_variable("attn_v", [vec])
            hidden = reshape(kept, [-1, length, 1, size])
            features = conv2d(hidden, kernel, [1, 1, 1, 1], "SAME")
            y = reshape(self._linear("query", query, vec), [-1, 1, 1, vec])
            weights = softmax(reduce_sum(vector * tanh(features + y), [2, 3]))
            found = reduce_sum(reshape(weights, [-1, length, 1, 1]) * hidden, [1, 2])
            return reshape(found, [-1, size]), slice_(kept, [0, 1, 0], [-1, -1, -1])
