"""Recurrent layers: a cell applied to each time step in turn."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from millrace.core import nest, shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers.node import history, int_shape
from millrace.lib.layers.spec import InputSpec
from millrace.lib.variables.assigning import assign
from millrace.models.keras.backend import arrays, recurrence, session
from millrace.models.keras.engine import tables
from millrace.models.keras.engine.layer import Layer
from millrace.models.keras.layers.cells import (
    StackedRNNCells,
    _lengths,
    is_sizes,
    zero_states,
)
from millrace.ops.array.shape import shape as shape_of


@public("keras.layers.RNN")
class RNN(Layer):
    """A cell applied to each time step in turn.

    Args:
      cell: a cell, or a list of cells to be stacked.
      return_sequences: give the outputs of all steps, not of the last alone.
      return_state: also give the last states.
      go_backwards: begin with the last step.
      stateful: begin with the last states of the batch before.
      unroll: build every step, not a loop.
      time_major: inputs and outputs are `[time, batch, ...]`.
      **kwargs: as for `Layer`; `zero_output_for_mask`.

    Raises:
      ValueError: the cell lacks `call` or `state_size`.
    """

    _states: Any

    _counts_steps = False  # its loop has a bound of iterations beside its condition

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        time_major: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, list | tuple):
            cell = StackedRNNCells(cell)
        if not hasattr(cell, "call"):
            raise ValueError(f"`cell` should have a `call` method. The RNN was passed: {cell}")
        if not hasattr(cell, "state_size"):
            raise ValueError(
                "The RNN cell should have an attribute `state_size` (tuple of integers, one integer per RNN "
                f"state). The RNN was passed: {cell}"
            )
        self_zero = kwargs.pop("zero_output_for_mask", False)
        if "input_shape" not in kwargs and ("input_dim" in kwargs or "input_length" in kwargs):
            kwargs["input_shape"] = (kwargs.pop("input_length", None), kwargs.pop("input_dim", None))
        super().__init__(**kwargs)
        self.zero_output_for_mask = self_zero
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.time_major = time_major
        self.supports_masking = True
        object.__setattr__(self, "_states", None)
        self.constants_spec: Any = None
        self.state_spec: Any = None
        self._num_constants = 0

    # --- states ---------------------------------------------------------------------------------------------

    @property
    def states(self) -> Any:
        """The states kept from batch to batch, or None for each."""
        if self._states is None:
            return [None for _ in nest.flatten(_sizes(self.cell.state_size))]
        return self._states if isinstance(self._states, list) else [self._states]

    @states.setter
    def states(self, states: Any) -> None:
        object.__setattr__(self, "_states", states)

    def get_initial_state(self, inputs: Any) -> Any:
        """States of zeros for inputs."""
        first = nest.flatten(inputs)[0]
        batch = shape_of(first)[1 if self.time_major else 0]
        make = getattr(self.cell, "get_initial_state", None)
        if make is not None:
            found = make(inputs=None, batch_size=batch, dtype=first.dtype)
        else:
            found = zero_states(batch, self.cell.state_size, first.dtype)
        return list(found) if isinstance(found, list | tuple) else [found]

    def reset_states(self, states: Any = None) -> None:
        """Sets the states that are kept to zero, or to given values.

        Raises:
          AttributeError: the layer keeps none.
          ValueError: the batch's length is not fixed, or the values do not fit.
        """
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        batch = None
        if self.input_spec is not None:
            batch = nest.flatten(self.input_spec)[0].shape[1 if self.time_major else 0]
        if not batch:
            raise ValueError(
                "If a RNN is stateful, it needs to know its batch size. Specify the batch size of your input "
                "tensors: \n- If using a Sequential model, specify the batch size by passing a "
                "`batch_input_shape` argument to your first layer.\n- If using the functional API, specify "
                "the batch size by passing a `batch_shape` argument to your Input layer."
            )
        sizes = nest.flatten(_sizes(self.cell.state_size))
        if self._states is None:
            object.__setattr__(
                self, "_states", [arrays.zeros([batch, *self._state_lengths(s)]) for s in sizes]
            )
            if states is None:
                return
        if states is None:
            values = [np.zeros((batch, *self._state_lengths(s))) for s in sizes]
        else:
            values = list(nest.flatten(states))
            if len(values) != len(self.states):
                raise ValueError(
                    f"Layer {self.name} expects {len(self.states)} states, but it received {len(values)} "
                    f"state values. Input received: {states}"
                )
            for i, (value, size) in enumerate(zip(values, sizes, strict=True)):
                wanted = (batch, *self._state_lengths(size))
                if tuple(np.shape(value)) != wanted:
                    raise ValueError(
                        f"State {i} is incompatible with layer {self.name}: expected shape={wanted}, found "
                        f"shape={np.shape(value)}"
                    )
        session.batch_set_value(list(zip(self.states, values, strict=True)))

    def _state_lengths(self, size: Any) -> list[Any]:
        return _lengths(size)

    # --- building and calling -------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Builds the cell."""
        several = isinstance(input_shape, list)
        whole = input_shape[0] if several else input_shape
        if isinstance(whole, tuple | list) and whole and not isinstance(whole[0], int | None):
            whole = whole[0]
        dims = tuple(shapes.as_dims(whole) or ())
        batch, time = (1, 0) if self.time_major else (0, 1)
        free = list(dims)
        if not self.stateful:
            free[batch] = None
        free[time] = None
        spec = InputSpec(shape=tuple(free))
        self.input_spec = [spec]
        step = (dims[batch], *dims[2:])
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build(step)
            self.cell.built = True
        self._build_states()
        if self.stateful:
            self.reset_states()
        self.built = True

    def _build_states(self) -> None:
        sizes = nest.flatten(_sizes(self.cell.state_size))
        if self.state_spec is None:
            self.state_spec = [InputSpec(shape=(None, *self._state_lengths(s))) for s in sizes]
            return
        wanted = [tuple(self._state_lengths(s)) for s in sizes]
        found = [tuple(s.shape[1:]) for s in nest.flatten(self.state_spec)]
        if len(wanted) != len(found) or any(
            len(a) != len(b)
            or any(x is not None and y is not None and x != y for x, y in zip(a, b, strict=True))
            for a, b in zip(wanted, found, strict=False)
        ):
            raise ValueError(
                "An `initial_state` was passed that is not compatible with `cell.state_size`. Received "
                f"`state_spec`={self.state_spec}; however `cell.state_size` is {self.cell.state_size}"
            )

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        """The outputs.

        Args:
          inputs: `[batch, time, ...]`, or a list of them, the initial states and constants.
          initial_state: the first states.
          constants: more inputs of the cell at each step.
          **kwargs: `mask`, `training`.
        """
        inputs, initial_state, constants = standardized(inputs, initial_state, constants, self._num_constants)
        if initial_state is None and constants is None:
            return super().__call__(inputs, **kwargs)
        extra: list[Any] = []
        specs: list[Any] = []
        if initial_state is not None:
            extra += initial_state
            self.state_spec = [InputSpec(shape=int_shape(s)) for s in initial_state]
            specs += self.state_spec
        if constants is not None:
            extra += constants
            self.constants_spec = [InputSpec(shape=int_shape(c)) for c in constants]
            self._num_constants = len(constants)
            specs += self.constants_spec
        layered = [history(t) is not None for t in extra]
        if not any(layered):
            if initial_state is not None:
                kwargs["initial_state"] = initial_state
            if constants is not None:
                kwargs["constants"] = constants
            return super().__call__(inputs, **kwargs)
        if not all(layered):
            raise ValueError(
                "The initial state or constants of an RNN layer cannot be specified with a mix of Keras "
                'tensors and non-Keras tensors (a "Keras tensor" is a tensor that was returned by a Keras '
                "layer, or by `Input`)"
            )
        before = self.input_spec
        flat = nest.flatten(inputs)
        own = nest.flatten(before) if self.built and before else [None] * len(flat)
        self.input_spec = [*own, *specs]
        try:
            return super().__call__([*flat, *extra], **kwargs)
        finally:
            self.input_spec = nest.flatten(self.input_spec)[: len(flat)]

    def _takes(self) -> list[str]:
        return self.cell._call_arguments if isinstance(self.cell, Layer) else _parameters(self.cell.call)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        """The outputs; arguments as for calling the layer."""
        inputs, initial_state, constants = self._process(inputs, initial_state, constants)
        self._forget_dropout()
        if isinstance(mask, list | tuple):
            mask = mask[0] if mask else None
        arguments: dict[str, Any] = {}
        if "training" in self._takes():
            arguments["training"] = training
        if constants and "constants" not in self._takes():
            raise ValueError("RNN cell does not support constants")

        def step(x: Any, states: Any) -> Any:
            count = len(states) - len(constants or [])
            own, rest = list(states[:count]), list(states[count:])
            if constants:
                arguments["constants"] = rest
            output, new = self.cell.call(x, self._packed_states(own), **arguments)
            return output, nest.flatten(new)

        length = int_shape(nest.flatten(inputs)[0])[0 if self.time_major else 1]
        if self.unroll and length is None:
            raise ValueError(
                "Cannot unroll a RNN if the time dimension is undefined. \n- If using a Sequential model, "
                "specify the time dimension by passing an `input_shape` or `batch_input_shape` argument to "
                "your first layer. If your first layer is an Embedding, you can also use the `input_length` "
                "argument.\n- If using the functional API, specify the time dimension by passing a `shape` "
                "or `batch_shape` argument to your Input layer."
            )
        last, outputs, states = recurrence.rnn(
            step,
            inputs,
            nest.flatten(initial_state),
            constants=constants,
            go_backwards=self.go_backwards,
            mask=mask,
            unroll=self.unroll,
            input_length=length if self._counts_steps else None,
            time_major=self.time_major,
            zero_output_for_mask=self.zero_output_for_mask,
        )
        if self.stateful:
            self.add_update([assign(old, new) for old, new in zip(self.states, states, strict=True)])
        output = outputs if self.return_sequences else last
        return [output, *states] if self.return_state else output

    def _packed_states(self, flat: list[Any]) -> Any:
        sizes = self.cell.state_size
        if not is_sizes(sizes) or not any(is_sizes(s) for s in sizes):
            return flat
        found = []
        for size in sizes:
            count = len(nest.flatten(_sizes(size))) if is_sizes(size) else 1
            found.append(flat[:count] if is_sizes(size) else flat[0])
            flat = flat[count:]
        return found

    def _process(self, inputs: Any, initial_state: Any, constants: Any) -> tuple[Any, Any, Any]:
        """Inputs, initial states and constants out of one list, or of what is kept."""
        if isinstance(inputs, list) and len(inputs) > 1 and not self._nested_inputs():
            states = inputs[1:]
            if self._num_constants:
                constants = inputs[-self._num_constants :]
                states = inputs[1 : -self._num_constants]
            inputs = inputs[0]
            initial_state = states or None
        elif isinstance(inputs, list) and len(inputs) == 1:
            inputs = inputs[0]
        if initial_state is None and self.stateful:
            initial_state = list(self.states)
        elif initial_state is None:
            initial_state = self.get_initial_state(inputs)
        found = nest.flatten(initial_state)
        if len(found) != len(self.states):
            raise ValueError(
                f"Layer has {len(self.states)} states but was passed {len(found)} initial states."
            )
        return inputs, found, constants

    def _nested_inputs(self) -> bool:
        return False

    def _forget_dropout(self) -> None:
        cells = self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]
        for cell in cells:
            if hasattr(cell, "reset_dropout_mask"):
                cell.reset_dropout_mask()
                cell.reset_recurrent_dropout_mask()

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs: that of the time steps, where they are all given."""
        if isinstance(mask, list | tuple):
            mask = mask[0] if mask else None
        found = mask if self.return_sequences else None
        return [found, *[None for _ in self.states]] if self.return_state else found

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of shape `input_shape`."""
        if isinstance(input_shape, list) and not all(isinstance(d, int | None) for d in input_shape):
            input_shape = input_shape[0]
        dims = tuple(shapes.as_dims(input_shape) or ())
        batch, time = (dims[1], dims[0]) if self.time_major else (dims[0], dims[1])
        size = getattr(self.cell, "output_size", None)
        if size is None:
            first = self.cell.state_size
            size = first[0] if is_sizes(first) else first
        lengths = _lengths(size)
        if self.return_sequences:
            found = TensorShape([time, batch, *lengths] if self.time_major else [batch, time, *lengths])
        else:
            found = TensorShape([batch, *lengths])
        if not self.return_state:
            return found
        states = [TensorShape([batch, *_lengths(s)]) for s in nest.flatten(_sizes(self.cell.state_size))]
        return [found, *states]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        config = {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "time_major": self.time_major,
        }
        if self._num_constants:
            config["num_constants"] = self._num_constants
        if self.zero_output_for_mask:
            config["zero_output_for_mask"] = True
        if type(self) is RNN:
            config["cell"] = {"class_name": type(self.cell).__name__, "config": self.cell.get_config()}
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` describes."""
        config = dict(config)
        count = config.pop("num_constants", 0)
        if "cell" in config:
            cell = tables.deserialize(config.pop("cell"), custom_objects=custom_objects)
            layer = cls(cell, **config)
        else:
            layer = cls(**config)
        layer._num_constants = count
        return layer


def _sizes(sizes: Any) -> Any:
    """Sizes as nested lists with shapes as leaves."""
    if is_sizes(sizes):
        return [_sizes(s) for s in sizes]
    return sizes


def _parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@public("python.keras.layers.recurrent._standardize_args")
def standardized(
    inputs: Any, initial_state: Any, constants: Any, num_constants: int | None = None
) -> tuple[Any, list[Any] | None, list[Any] | None]:
    """Inputs, initial states and constants, each apart.

    Args:
      inputs: the inputs, or a list of them, the states and the constants.
      initial_state, constants: where they are given on their own.
      num_constants: how many constants a list holds.
    """
    if isinstance(inputs, list):
        if num_constants:
            constants, inputs = inputs[-num_constants:], inputs[:-num_constants]
        if len(inputs) > 1:
            initial_state, inputs = inputs[1:], inputs[:1]
        inputs = inputs[0] if len(inputs) == 1 else inputs

    def listed(x: Any) -> Any:
        if x is None or isinstance(x, list):
            return x
        return list(x) if isinstance(x, tuple) else [x]

    return inputs, listed(initial_state), listed(constants)
