"""What a recurrent layer does at one time step."""

from __future__ import annotations

from typing import Any

from millrace.core import nest, shapes
from millrace.core.public import public
from millrace.lib.layers import constraints, penalties
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.backend import control, randomness
from millrace.models.keras.engine import tables
from millrace.models.keras.engine.layer import Layer
from millrace.models.keras.layers.core import weight_settings
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import ones_like
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul
from millrace.ops.nn.bias import bias_add


@public("python.keras.layers.recurrent._generate_zero_filled_state")
def zero_states(batch_size_tensor: Any, state_size: Any, dtype: Any) -> Any:
    """States of zeros.

    Args:
      batch_size_tensor: the batch's length, an integer or a tensor.
      state_size: nested sizes: integers or shapes.
      dtype: of the states.

    Raises:
      ValueError: the batch's length or the dtype is missing.
    """
    batch = batch_size_tensor
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


@public("python.keras.layers.recurrent._is_multiple_state")
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


@public("python.keras.layers.recurrent._generate_zero_filled_state_for_cell")
def initial_states(cell: Any, inputs: Any, batch_size: Any, dtype: Any) -> Any:
    """States of zeros for a cell, of the inputs' batch where there are inputs."""
    if inputs is not None:
        batch_size, dtype = shape_of(inputs)[0], inputs.dtype
    return zero_states(batch_size, cell.state_size, dtype)


@public("python.keras.layers.recurrent.DropoutRNNCellMixin")
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


class UnitsCell(DroppingCell):
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
class SimpleRNNCell(UnitsCell):
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
        hidden = matmul(times_or_same(inputs, factor and factor[0]), self.kernel)
        if self.bias is not None:
            hidden = bias_add(hidden, self.bias)
        state = times_or_same(state, again and again[0])
        output = self.activation(hidden + matmul(state, self.recurrent_kernel))
        return output, [output]


def times_or_same(value: Any, factor: Any) -> Any:
    """A value times a factor, or as it is where there is none."""
    return value if factor is None else value * factor


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
