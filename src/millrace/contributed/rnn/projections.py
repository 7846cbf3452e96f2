"""Cells behind an embedding, and with a projection before or after them."""

from __future__ import annotations

import math
from typing import Any

from millrace.building.scopes import device, name_scope
from millrace.contributed.rnn.linear import Linear
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.base import activation_of
from millrace.lib.nn.embedding import embedding_lookup
from millrace.lib.rnn.cells import RNNCell
from millrace.lib.variables.initializers import RandomUniform
from millrace.lib.variables.scope import get_variable, get_variable_scope
from millrace.ops.array.reshape import reshape


def check_cell(cell: Any, who: str) -> None:
    """Refuses what is not a cell.

    Raises:
      TypeError: it has no sizes, or cannot be called.
    """
    if not (hasattr(cell, "output_size") and hasattr(cell, "state_size") and callable(cell)):
        raise TypeError(f"{who}: The parameter cell is not RNNCell. Received: {cell!r}")


class Around(RNNCell):
    """A cell around another cell: sizes and first state are the inner one's."""

    def __init__(self, cell: Any, reuse: Any = None) -> None:
        super().__init__(_reuse=reuse)
        check_cell(cell, type(self).__name__)
        self._cell = cell

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


@public("contrib.rnn.EmbeddingWrapper")
class EmbeddingWrapper(Around):
    """Looks ids up before they go into a cell; its variable is `embedding`.

    Args:
      cell: the cell inside.
      embedding_classes: how many ids there are.
      embedding_size: the depth of a vector.
      initializer: of the vectors; default the scope's, else uniform in [-√3, √3].
      reuse: whether variables may exist already.

    Raises:
      TypeError: `cell` is not a cell.
      ValueError: a size is not positive.
    """

    def __init__(
        self,
        cell: Any,
        embedding_classes: int,
        embedding_size: int,
        initializer: Any = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, reuse)
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError(
                "EmbeddingWrapper: Both embedding_classes and embedding_size must be > 0. Received: "
                f"{embedding_classes}, {embedding_size}"
            )
        self._classes, self._size, self._initializer = embedding_classes, embedding_size, initializer

    def call(self, inputs: Any, state: Any) -> Any:
        """One step from ids `[batch]` or `[batch, 1]`."""
        with device("/cpu:0"):
            start = self._initializer or get_variable_scope().initializer
            if start is None:
                start = RandomUniform(-math.sqrt(3), math.sqrt(3))
            dtype = state[0].dtype if isinstance(state, tuple) else state.dtype
            embedding = get_variable("embedding", [self._classes, self._size], initializer=start, dtype=dtype)
            vectors = embedding_lookup(embedding, reshape(inputs, [-1]))
        return self._cell(vectors, state)


@public("contrib.rnn.InputProjectionWrapper")
class InputProjectionWrapper(Around):
    """A linear map, then a cell.

    Args:
      cell: the cell inside.
      num_proj: the depth that goes into it.
      activation: of the map; default none.
      input_size: accepted for old programs.
      reuse: whether variables may exist already.

    Raises:
      TypeError: `cell` is not a cell.
    """

    def __init__(
        self, cell: Any, num_proj: int, activation: Any = None, input_size: Any = None, reuse: Any = None
    ) -> None:
        super().__init__(cell, reuse)
        self._num_proj, self._activation = num_proj, activation_of(activation)
        self._linear: Any = None

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        if self._linear is None:
            self._linear = Linear(inputs, self._num_proj, True)
        projected = self._linear(inputs)
        if self._activation:
            projected = self._activation(projected)
        return self._cell(projected, state)


@public("contrib.rnn.OutputProjectionWrapper")
class OutputProjectionWrapper(Around):
    """A cell, then a linear map.

    Args:
      cell: the cell inside.
      output_size: the depth of the result.
      activation: of the map; default none.
      reuse: whether variables may exist already.

    Raises:
      TypeError: `cell` is not a cell.
      ValueError: `output_size` is not positive.
    """

    def __init__(self, cell: Any, output_size: int, activation: Any = None, reuse: Any = None) -> None:
        super().__init__(cell, reuse)
        if output_size < 1:
            raise ValueError(
                f"OutputProjectionWrapper: Parameter output_size must be > 0. Received: {output_size}"
            )
        self._output_size, self._activation = output_size, activation_of(activation)
        self._linear: Any = None

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._output_size

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        output, state = self._cell(inputs, state)
        if self._linear is None:
            self._linear = Linear(output, self._output_size, True)
        projected = self._linear(output)
        return (self._activation(projected) if self._activation else projected), state
