"""What a recurrent layer does at one time step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core import nest, shapes
from millrace.core.public import public
from millrace.lib.layers import constraints, penalties, settings
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.backend import control, randomness
from millrace.models.keras.engine import tables
from millrace.models.keras.engine.layer import Layer
from millrace.models.keras.layers.core import weight_settings
from millrace.ops.array.concat import concat, split, unstack
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import ones_like
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul
from millrace.ops.nn.bias import bias_add


def zero_states(batch: Any, state_size: Any, dtype: Any) -> Any:
    """States of zeros.

    Args:
      batch: the batch's length, an integer or a tensor.
      state_size: nested sizes: integers or shapes.
      dtype: of the states.

    Raises:
      ValueError: the batch's length or the dtype is missing.
    """
    if batch is None or dtype is None:
        raise ValueError(
            "batch_size and dtype cannot be None while constructing initial state: "
            f"batch_size={batch}, dtype={dtype}"
        )

    def one(size: Any) -> Any:
        return zeros([batch, *_lengths(size)], dtype)

    if is_sizes(state_size):
        return [zero_states(batch, size, dtype) for size in state_size]
    return one(state_size)


def _lengths(size: Any) -> list[Any]:
    if isinstance(size, shapes.TensorShape):
        return list(size.dims_tuple or ())
    return [size]


def is_sizes(value: Any) -> bool:
    """Whether `value` holds several sizes."""
    return isinstance(value, list | tuple) and not isinstance(value, shapes.TensorShape)


@public("keras.layers.AbstractRNNCell")
class AbstractRNNCell(Layer):
    """Base of cells: subclasses say `state_size`, `output_size` and `call(inputs, states)`."""

    def call(self, inputs: Any, states: Any) -> Any:
        """The output and the new states; subclasses say which.

        Raises:
          NotImplementedError: the subclass does not.
        """
        raise NotImplementedError("Abstract method")

    @property
    def state_size(self) -> Any:
        """The states' sizes.

        Raises:
          NotImplementedError: the subclass does not say.
        """
        raise NotImplementedError("Abstract method")

    @property
    def output_size(self) -> Any:
        """The output's size.

        Raises:
          NotImplementedError: the subclass does not say.
        """
        raise NotImplementedError("Abstract method")

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """States of zeros."""
        return initial_states(self, inputs, batch_size, dtype)


def initial_states(cell: Any, inputs: Any, batch: Any, dtype: Any) -> Any:
    """States of zeros for a cell, of the inputs' batch where there are inputs."""
    if inputs is not None:
        batch, dtype = shape_of(inputs)[0], inputs.dtype
    return zero_states(batch, cell.state_size, dtype)


class DroppingCell(Layer):
    """A cell that drops elements of inputs and states, the same ones at each step.

    Attributes:
      dropout, recurrent_dropout: the probabilities.
    """

    dropout: float
    recurrent_dropout: float
    gates = 1

    def reset_dropout_mask(self) -> None:
        """Forgets which elements of the inputs are dropped."""
        object.__setattr__(self, "_input_masks", None)

    def reset_recurrent_dropout_mask(self) -> None:
        """Forgets which elements of the states are dropped."""
        object.__setattr__(self, "_state_masks", None)

    def get_dropout_mask_for_cell(self, inputs: Any, training: Any, count: int = 1) -> Any:
        """The factors of the inputs, one for each gate; None without dropout."""
        return self._masks("_input_masks", self.dropout, inputs, training, count)

    def get_recurrent_dropout_mask_for_cell(self, inputs: Any, training: Any, count: int = 1) -> Any:
        """The factors of the states, one for each gate; None without dropout."""
        return self._masks("_state_masks", self.recurrent_dropout, inputs, training, count)

    def _masks(self, place: str, rate: float, x: Any, training: Any, count: int) -> Any:
        if not rate:
            return None
        found = self.__dict__.get(place)
        if found is None:
            ones = ones_like(x)

            def dropped() -> Any:
                return randomness.dropout(ones, rate)

            found = [control.in_train_phase(dropped, ones, training=training) for _ in range(count)]
            object.__setattr__(self, place, found)
        return found


class _Cell(DroppingCell):
    """A cell with the usual three weights.

    Args:
      units: the state's size.
      activation, use_bias: as for `Dense`.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras_initializers.get(kernel_initializer)
        self.recurrent_initializer = keras_initializers.get(recurrent_initializer)
        self.bias_initializer = keras_initializers.get(bias_initializer)
        self.kernel_regularizer = penalties.get(kernel_regularizer)
        self.recurrent_regularizer = penalties.get(recurrent_regularizer)
        self.bias_regularizer = penalties.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))

    @property
    def state_size(self) -> Any:
        """The states' sizes."""
        return self.units

    @property
    def output_size(self) -> int:
        """The output's size."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """Makes `kernel`, `recurrent_kernel` and `bias`."""
        depth = (shapes.as_dims(input_shape) or (None,))[-1]
        width = self.units * self.gates
        self.kernel = self.add_weight(
            shape=(depth, width),
            name="kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width),
            name="recurrent_kernel",
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self._more_weights()
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=self._bias_shape(),
                name="bias",
                initializer=self._first_bias(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def _more_weights(self) -> None:
        """Makes further weights, before the bias."""

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.units * self.gates,)

    def _first_bias(self) -> Any:
        return self.bias_initializer

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """States of zeros."""
        return initial_states(self, inputs, batch_size, dtype)

    def _config_of_weights(self) -> dict[str, Any]:
        found = weight_settings(self, ("kernel", "recurrent", "bias"))
        found.pop("activity_regularizer")
        return found

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cell."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **self._config_of_weights(),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }


@public("keras.layers.SimpleRNNCell")
class SimpleRNNCell(_Cell):
    """output = activation(inputs @ kernel + state @ recurrent_kernel + bias).

    Args:
      units: the state's size.
      activation, use_bias: as for `Dense`.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      **kwargs: as for `Layer`.
    """

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """The output and the new state."""
        state = states[0]
        factor = self.get_dropout_mask_for_cell(inputs, training)
        again = self.get_recurrent_dropout_mask_for_cell(state, training)
        hidden = matmul(_times(inputs, factor and factor[0]), self.kernel)
        if self.bias is not None:
            hidden = bias_add(hidden, self.bias)
        state = _times(state, again and again[0])
        output = self.activation(hidden + matmul(state, self.recurrent_kernel))
        return output, [output]


def _times(value: Any, factor: Any) -> Any:
    return value if factor is None else value * factor


class _GatedCell(_Cell):
    """A cell with gates, which have an activation of their own.

    Args:
      units, activation: as for `SimpleRNNCell`.
      recurrent_activation: of the gates.
      implementation: 1 computes gate by gate, 2 all at once.
      **kwargs: as for `SimpleRNNCell`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, use_bias, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.implementation = implementation

    def _factors(self, inputs: Any, state: Any, training: Any) -> tuple[list[Any], list[Any]]:
        """What each gate's inputs and states are multiplied with, None where nothing is dropped."""
        given = self.get_dropout_mask_for_cell(inputs, training, count=self.gates)
        kept = self.get_recurrent_dropout_mask_for_cell(state, training, count=self.gates)
        nothing = [None] * self.gates
        return given or nothing, kept or nothing

    def _part(self, matrix: Any, gate: int, stop: int | None = None) -> Any:
        """The columns of a gate, or of all before `stop`; the last gate's are those that are left."""
        stop = stop or gate + 1
        return matrix[:, self.units * gate or None : self.units * stop if stop < self.gates else None]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cell."""
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "implementation": self.implementation,
        }


@public("keras.layers.GRUCell")
class GRUCell(_GatedCell):
    """A gated recurrent unit (Cho and others).

    Args:
      units: the state's size.
      activation, recurrent_activation: of the state and of the gates.
      use_bias: whether there is a bias.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      implementation: 1 computes gate by gate, 2 all at once.
      reset_after: apply the reset gate after the product with the state.
      **kwargs: as for `Layer`.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        reset_after: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            implementation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            **kwargs,
        )
        self.reset_after = reset_after

    def _bias_shape(self) -> tuple[int, ...]:
        width = 3 * self.units
        return (2, width) if self.reset_after else (width,)

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """The output and the new state."""
        state = states[0]
        bias, again = self.bias, None
        factors = self._factors(inputs, state, training)
        if bias is not None and self.reset_after:
            bias, again = unstack(bias)
        if self.implementation == 1:
            z, fresh = self._by_gates(inputs, state, factors, bias, again)
        else:
            z, fresh, state = self._at_once(inputs, state, factors, bias, again)
        output = z * state + (1 - z) * fresh
        return output, [output]

    def _by_gates(self, inputs: Any, state: Any, factors: Any, bias: Any, again: Any) -> tuple[Any, Any]:
        u = self.units
        given = [_times(inputs, f) for f in factors[0]]
        x = [matmul(g, self._part(self.kernel, i)) for i, g in enumerate(given)]
        if bias is not None:
            parts = slice(None, u), slice(u, 2 * u), slice(2 * u, None)
            x = [bias_add(v, bias[p]) for v, p in zip(x, parts, strict=True)]
        kept = [_times(state, f) for f in factors[1]]
        kernel = self.recurrent_kernel
        inner_z, inner_r = matmul(kept[0], self._part(kernel, 0)), matmul(kept[1], self._part(kernel, 1))
        if again is not None:
            inner_z, inner_r = bias_add(inner_z, again[:u]), bias_add(inner_r, again[u : 2 * u])
        z = self.recurrent_activation(x[0] + inner_z)
        r = self.recurrent_activation(x[1] + inner_r)
        if self.reset_after:
            inner = matmul(kept[2], self._part(kernel, 2))
            inner = r * (inner if again is None else bias_add(inner, again[2 * u :]))
        else:
            inner = matmul(r * kept[2], self._part(kernel, 2))
        return z, self.activation(x[2] + inner)

    def _at_once(self, inputs: Any, state: Any, factors: Any, bias: Any, again: Any) -> tuple[Any, Any, Any]:
        """The update gate, the candidate, and the state with what was dropped of it."""
        x = matmul(_times(inputs, factors[0][0]), self.kernel)
        if bias is not None:
            x = bias_add(x, bias)
        x_z, x_r, x_h = (self._part(x, i) for i in range(3))
        state = _times(state, factors[1][0])
        kernel = self.recurrent_kernel
        if self.reset_after:
            inner = matmul(state, kernel)
            inner = inner if again is None else bias_add(inner, again)
        else:
            inner = matmul(state, self._part(kernel, 0, 2))
        inner_z, inner_r = self._part(inner, 0), inner[:, self.units : 2 * self.units]
        z = self.recurrent_activation(x_z + inner_z)
        r = self.recurrent_activation(x_r + inner_r)
        inner_h = r * self._part(inner, 2) if self.reset_after else matmul(r * state, self._part(kernel, 2))
        return z, self.activation(x_h + inner_h), state

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cell."""
        return {**super().get_config(), "reset_after": self.reset_after}


@public("keras.layers.LSTMCell")
class LSTMCell(_GatedCell):
    """A long short-term memory (Hochreiter and Schmidhuber).

    Args:
      units: the states' size.
      activation, recurrent_activation: of the states and of the gates.
      use_bias: whether there is a bias.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      unit_forget_bias: begin with a bias of 1 for the forget gate.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      implementation: 1 computes gate by gate, 2 all at once.
      **kwargs: as for `Layer`.
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            implementation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            **kwargs,
        )
        self.unit_forget_bias = unit_forget_bias

    @property
    def state_size(self) -> Any:
        """The sizes of output and memory."""
        return [self.units, self.units]

    def _first_bias(self) -> Any:
        return (
            forget_bias(self.bias_initializer, self.units) if self.unit_forget_bias else self.bias_initializer
        )

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """The output and the new states, of which the first is the output."""
        state, memory = states[0], states[1]
        factors = self._factors(inputs, state, training)
        gate = self._gate_by_gate if self.implementation == 1 else self._gates_at_once
        return self._stepped(gate(inputs, state, *factors), memory)

    def _gate_by_gate(self, inputs: Any, state: Any, given: Any, kept: Any) -> Callable[[int], Any]:
        inputs = [_times(inputs, f) for f in given]
        x = [matmul(g, k) for g, k in zip(inputs, split(self.kernel, 4, axis=1), strict=True)]
        if self.bias is not None:
            x = [bias_add(v, b) for v, b in zip(x, split(self.bias, 4, axis=0), strict=True)]
        states = [_times(state, f) for f in kept]
        return lambda i: x[i] + matmul(states[i], self._part(self.recurrent_kernel, i))

    def _gates_at_once(self, inputs: Any, state: Any, given: Any, kept: Any) -> Callable[[int], Any]:
        z = matmul(_times(inputs, given[0]), self.kernel)
        z = z + matmul(_times(state, kept[0]), self.recurrent_kernel)
        if self.bias is not None:
            z = bias_add(z, self.bias)
        return split(z, 4, axis=1).__getitem__

    def _stepped(self, gate: Callable[[int], Any], memory: Any) -> Any:
        """The step for what goes into each gate, which is asked for in order."""
        i = self.recurrent_activation(gate(0))
        f = self.recurrent_activation(gate(1))
        new = f * memory + i * self.activation(gate(2))
        o = self.recurrent_activation(gate(3))
        output = o * self.activation(new)
        return output, [output, new]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cell."""
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


def forget_bias(initializer: Any, units: int) -> Any:
    """An initializer whose second quarter is 1."""

    def first(_: Any, *args: Any, **kwargs: Any) -> Any:
        one = keras_initializers.get("ones")
        return concat(
            [
                initializer([units], *args, **kwargs),
                one([units], *args, **kwargs),
                initializer([units * 2], *args, **kwargs),
            ],
            0,
        )

    return first


@public("keras.experimental.PeepholeLSTMCell")
class PeepholeLSTMCell(LSTMCell):
    """An LSTM whose gates see the memory; arguments as for `LSTMCell`."""

    input_gate_peephole_weights: Any
    forget_gate_peephole_weights: Any
    output_gate_peephole_weights: Any

    def build(self, input_shape: Any) -> None:
        """Makes the weights of an LSTM, and one for each gate's look at the memory."""
        super().build(input_shape)
        for gate in ("input", "forget", "output"):
            made = self.add_weight(
                shape=(self.units,), name=f"{gate}_gate_peephole_weights", initializer=self.kernel_initializer
            )
            setattr(self, f"{gate}_gate_peephole_weights", made)

    def _stepped(self, gate: Callable[[int], Any], memory: Any) -> Any:
        i = self.recurrent_activation(gate(0) + self.input_gate_peephole_weights * memory)
        f = self.recurrent_activation(gate(1) + self.forget_gate_peephole_weights * memory)
        new = f * memory + i * self.activation(gate(2))
        o = self.recurrent_activation(gate(3) + self.output_gate_peephole_weights * new)
        output = o * self.activation(new)
        return output, [output, new]


@public("keras.layers.StackedRNNCells")
class StackedRNNCells(Layer):
    """Cells one on top of the other, as one cell.

    Args:
      cells: the cells, from the inputs up.
      **kwargs: as for `Layer`; `reverse_state_order`: the last cell's state comes first.

    Raises:
      ValueError: a cell lacks `call` or `state_size`.
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        for cell in cells:
            if not hasattr(cell, "call"):
                raise ValueError(f"All cells must have a `call` method. received cells: {cells}")
            if not hasattr(cell, "state_size"):
                raise ValueError(f"All cells must have a `state_size` attribute. received cells: {cells}")
        reverse = kwargs.pop("reverse_state_order", False)
        super().__init__(**kwargs)
        self.cells = list(cells)
        self.reverse_state_order = reverse

    @property
    def state_size(self) -> Any:
        """The cells' sizes."""
        cells = self.cells[::-1] if self.reverse_state_order else self.cells
        return tuple(c.state_size for c in cells)

    @property
    def output_size(self) -> Any:
        """The last cell's size."""
        last = self.cells[-1]
        if getattr(last, "output_size", None) is not None:
            return last.output_size
        return last.state_size[0] if is_sizes(last.state_size) else last.state_size

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """States of zeros."""
        found = []
        for cell in self.cells[::-1] if self.reverse_state_order else self.cells:
            make = getattr(cell, "get_initial_state", None)
            if make is not None:
                found.append(make(inputs=inputs, batch_size=batch_size, dtype=dtype))
            else:
                found.append(zero_states(batch_size, cell.state_size, dtype))
        return tuple(found)

    def call(self, inputs: Any, states: Any, constants: Any = None, **kwargs: Any) -> Any:
        """The last cell's output and all cells' new states."""
        sizes = self.state_size[::-1] if self.reverse_state_order else self.state_size
        flat, nested = list(nest.flatten(states)), []
        for size in sizes:
            count = len(list(size)) if is_sizes(size) else 1
            nested.append(flat[:count])
            flat = flat[count:]
        found = []
        for cell, state in zip(self.cells, nested, strict=True):
            arguments = {}
            names = cell._call_arguments if isinstance(cell, Layer) else []
            if "constants" in names and constants is not None:
                arguments["constants"] = constants
            if "training" in names and kwargs.get("training") is not None:
                arguments["training"] = kwargs["training"]
            inputs, new = cell.call(inputs, state, **arguments)  # pyright: ignore[reportCallIssue]
            found.append(list(nest.flatten(new)))
        if self.reverse_state_order:
            found = found[::-1]
        return inputs, [s for one in found for s in one]

    def build(self, input_shape: Any) -> None:
        """Builds the cells."""
        dims = tuple(shapes.as_dims(input_shape) or ())
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                if cell._dtype is None:
                    cell._dtype = self._dtype or settings.floatx()
                cell.build(dims)
                cell.built = True
            size = getattr(cell, "output_size", None)
            if size is None:
                size = cell.state_size[0] if is_sizes(cell.state_size) else cell.state_size  # pyright: ignore[reportAttributeAccessIssue]
            dims = (dims[0], *_lengths(size))
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """The cells."""
        cells = [{"class_name": type(c).__name__, "config": c.get_config()} for c in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The cells that `get_config` describes."""
        config = dict(config)
        cells = [tables.deserialize(c, custom_objects=custom_objects) for c in config.pop("cells")]
        return cls(cells, **config)
