"""Cells around cells: dropout, residual connections, devices."""

from __future__ import annotations

import hashlib
from typing import Any

from millrace.building import operators, raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import device, name_scope
from millrace.building.static import static_value
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.nn.functions import dropout
from millrace.lib.rnn.cells import LSTMStateTuple, RNNCell, sizes_of
from millrace.ops.array.concat import concat
from millrace.ops.random.draws import random_uniform


class _Wrapper(RNNCell):
    """A cell around another cell, which keeps the variables."""

    def __init__(self, cell: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._cell = cell

    @property
    def wrapped_cell(self) -> Any:
        """The cell inside."""
        return self._cell

    cell = wrapped_cell

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._cell.output_size

    @property
    def trainable_weights(self) -> list[Any]:
        """The trained variables of the cells inside."""
        return self._cell.trainable_weights

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other variables of the cells inside."""
        return self._cell.non_trainable_weights

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """The wrapped cell's."""
        with name_scope(
            type(self).__name__ + "ZeroState", None, [t for t in [batch_size] if isinstance(t, Tensor)]
        ):
            return self._cell.zero_state(batch_size, dtype)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step."""
        return self._step(inputs, state, scope)

    def _step(self, inputs: Any, state: Any, scope: Any) -> Any:
        return self._cell(inputs, state, scope=scope)


@public("nn.rnn_cell.DropoutWrapper", "contrib.rnn.DropoutWrapper")
class DropoutWrapper(_Wrapper):
    """Dropout around a cell (Zaremba et al. 2014; variational: Gal and Ghahramani 2016).

    Args:
      cell: the cell inside.
      input_keep_prob, output_keep_prob, state_keep_prob: how likely an element is kept; floats or scalar
        tensors.
      variational_recurrent: use one mask for all steps.
      input_size: the shape of an input without the batch; needed for the variational mask of inputs.
      dtype: of inputs, states and outputs; needed for variational masks.
      seed: makes the masks repeatable.
      dropout_state_filter_visitor: which states drop elements: of a state to a bool, nested as the state;
        default: all but the memory `c` of LSTMs.

    Raises:
      TypeError: the cell is not a cell.
      ValueError: a probability is outside [0, 1], or a variational argument is missing.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Any = None,
    ) -> None:
        super().__init__(cell)
        if not hasattr(cell, "state_size"):
            raise TypeError(f"DropoutWrapper: cell must be an RNNCell. Received: {cell!r}")
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise TypeError("dropout_state_filter_visitor must be callable")
        with name_scope("DropoutWrapperInit"):
            self._probabilities = {
                "input": _probability(input_keep_prob, "input_keep_prob"),
                "state": _probability(state_keep_prob, "state_keep_prob"),
                "output": _probability(output_keep_prob, "output_keep_prob"),
            }
        self._variational = variational_recurrent
        self._seed = seed
        self._filter = dropout_state_filter_visitor or _all_but_memory
        self._noise: dict[str, Any] = {}
        if variational_recurrent:
            self._draw_noise(input_size, dtype)

    @property
    def _input_keep_prob(self) -> Any:
        return self._probabilities["input"]

    @property
    def _state_keep_prob(self) -> Any:
        return self._probabilities["state"]

    @property
    def _output_keep_prob(self) -> Any:
        return self._probabilities["output"]

    @property
    def _variational_recurrent(self) -> bool:
        return self._variational

    @property
    def _dropout_state_filter(self) -> Any:
        return self._filter

    def _draw_noise(self, input_size: Any, dtype: Any) -> None:
        if dtype is None:
            raise ValueError("When variational_recurrent=True, dtype must be provided")
        cell = self._cell
        if self._drops("input"):
            if input_size is None:
                raise ValueError(
                    "When variational_recurrent=True and input_keep_prob < 1.0, input_size must be provided"
                )
            self._noise["input"] = self._masks("input", input_size, dtype)
        self._noise["state"] = self._masks("state", cell.state_size, dtype)
        self._noise["output"] = self._masks("output", cell.output_size, dtype)

    def _masks(self, kind: str, sizes: Any, dtype: Any) -> list[Tensor]:
        found = []
        for i, size in enumerate(sizes_of(sizes)):
            shape = concat([[1], shapes.as_shape([size] if isinstance(size, int) else size).as_list()], 0)
            noise = _uniform(shape, dtypes.as_dtype(dtype), self._gen_seed(kind, i))
            found.append(noise)
        return found

    def _gen_seed(self, salt_prefix: str, index: int) -> int | None:
        if self._seed is None:
            return None
        text = f"{self._seed}{salt_prefix}_{index}".encode()
        return int(hashlib.md5(text).hexdigest()[:8], 16) & 0x7FFFFFFF

    def _drops(self, kind: str) -> bool:
        keep = self._probabilities[kind]
        return isinstance(keep, Tensor) or keep < 1.0

    def _dropped(self, kind: str, value: Any, only: Any = None) -> Any:
        leaves, found = nest.flatten(value), []
        chosen = [True] * len(leaves) if only is None else nest.flatten(only)
        for i, (leaf, take) in enumerate(zip(leaves, chosen, strict=True)):
            if not take:
                found.append(leaf)
            elif self._variational:
                keep = self._probabilities[kind]
                mask = raw.Floor(keep + self._noise[kind][i])
                result = operators.public_div(leaf, keep) * mask
                result.set_shape(leaf.get_shape())
                found.append(result)
            else:
                found.append(dropout(leaf, keep_prob=self._probabilities[kind], seed=self._gen_seed(kind, i)))
        return nest.pack_sequence_as(value, found)

    def _step(self, inputs: Any, state: Any, scope: Any) -> Any:
        if self._drops("input"):
            inputs = self._dropped("input", inputs)
        output, new_state = self._cell(inputs, state, scope=scope)
        if self._drops("state"):
            new_state = self._dropped("state", new_state, _chosen(new_state, self._filter))
        if self._drops("output"):
            output = self._dropped("output", output)
        return output, new_state


def _probability(value: Any, name: str) -> Any:
    tensor = to_tensor(value)
    known = static_value(tensor)
    if known is None:
        return tensor
    value = float(known)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"Parameter {name} must be between 0 and 1: {value}")
    return value


def _uniform(shape: Any, dtype: dtypes.DType, seed: int | None) -> Tensor:
    return random_uniform(shape, dtype=dtype, seed=seed)


def _all_but_memory(state: Any) -> Any:
    return LSTMStateTuple(c=False, h=True) if isinstance(state, LSTMStateTuple) else True


def _chosen(state: Any, visitor: Any) -> Any:
    """For each leaf of the state whether it drops elements: what the visitor says, level by level."""
    said = visitor(state)
    if isinstance(said, bool):
        if nest.is_nested(state) and said:
            return nest.pack_sequence_as(
                state, [leaf for item in state for leaf in nest.flatten(_chosen(item, visitor))]
            )
        return nest.pack_sequence_as(state, [said] * len(nest.flatten(state)))
    return said


@public("nn.rnn_cell.ResidualWrapper", "contrib.rnn.ResidualWrapper")
class ResidualWrapper(_Wrapper):
    """Adds the input to the output of a cell (Wu et al. 2016).

    Args:
      cell: the cell inside.
      residual_fn: of input and output to the result; default: their sum.
    """

    def __init__(self, cell: Any, residual_fn: Any = None) -> None:
        super().__init__(cell)
        self._residual_fn = residual_fn

    def _step(self, inputs: Any, state: Any, scope: Any) -> Any:
        outputs, new_state = self._cell(inputs, state, scope=scope)
        if self._residual_fn is not None:
            return self._residual_fn(inputs, outputs), new_state
        nest.assert_same_structure(inputs, outputs)
        for a, b in zip(nest.flatten(inputs), nest.flatten(outputs), strict=True):
            a.get_shape().assert_is_compatible_with(b.get_shape())
        return nest.map_structure(lambda a, b: a + b, inputs, outputs), new_state


@public("nn.rnn_cell.DeviceWrapper", "contrib.rnn.DeviceWrapper")
class DeviceWrapper(_Wrapper):
    """Runs a cell on a device.

    Args:
      cell: the cell inside.
      device: as for `tf.device`.
    """

    def __init__(self, cell: Any, device: Any) -> None:
        super().__init__(cell)
        self._device = device

    def _step(self, inputs: Any, state: Any, scope: Any) -> Any:
        with device(self._device):
            return self._cell(inputs, state, scope=scope)
