"""Layers around other layers: at each time step, and in both directions."""

from __future__ import annotations

import copy
from typing import Any

from millrace.building.scopes import name_scope
from millrace.core import homes, nest, shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import settings
from millrace.lib.layers.base import Layer as PlainLayer
from millrace.lib.layers.node import history, int_shape
from millrace.lib.layers.spec import InputSpec
from millrace.lib.math.reductions import reduce_any
from millrace.models.keras.backend import recurrence
from millrace.models.keras.engine import tables
from millrace.models.keras.engine.layer import Layer
from millrace.models.keras.layers.cudnn import CuDNNGRU, CuDNNLSTM
from millrace.models.keras.layers.normalization import BatchNormalization
from millrace.models.keras.layers.recurrent import standardized
from millrace.models.keras.layers.recurrent_kinds import GRU, LSTM
from millrace.ops.array.concat import concat
from millrace.ops.array.reorder import reverse
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of


@public("keras.layers.Wrapper")
class Wrapper(Layer):
    """Base of layers around another layer.

    Args:
      layer: the layer inside.
      **kwargs: as for `Layer`.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise AssertionError(f"Wrapper: the layer inside must be a Layer. Received: {layer!r}")
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer inside."""
        if not self.layer.built:
            _build(self.layer, input_shape, self._dtype)
        self.built = True

    @property
    def activity_regularizer(self) -> Any:
        """The penalty of the layer inside."""
        inner = self.__dict__.get("layer")
        return getattr(inner, "activity_regularizer", None)

    @activity_regularizer.setter
    def activity_regularizer(self, regularizer: Any) -> None:
        self._activity_regularizer = regularizer

    def get_config(self) -> dict[str, Any]:
        """The layer inside."""
        inner = {"class_name": type(self.layer).__name__, "config": self.layer.get_config()}
        return {**super().get_config(), "layer": inner}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` describes."""
        config = copy.deepcopy(config)
        layer = tables.deserialize(config.pop("layer"), custom_objects=custom_objects)
        return cls(layer, **config)


def _build(layer: Any, shape: Any, dtype: Any) -> None:
    if layer._dtype is None:
        layer._dtype = dtype or settings.floatx()
    layer.build(shape)
    layer.built = True


@public("keras.layers.TimeDistributed")
class TimeDistributed(Wrapper):
    """A layer applied to each time step: `[batch, time, ...]`.

    Args:
      layer: the layer.
      **kwargs: as for `Layer`.

    Raises:
      ValueError: it is not a layer.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `TimeDistributed` layer with a `Layer` instance. You passed: {layer}"
            )
        super().__init__(layer, **kwargs)
        self.supports_masking = True
        self._expects_training = "training" in layer._call_arguments
        self._all_at_once = _built_in(layer) and not getattr(layer, "stateful", False)

    def build(self, input_shape: Any = None) -> None:
        """Builds the layer for one time step.

        Raises:
          ValueError: the inputs' rank is below 3.
        """
        dims = tuple(shapes.as_dims(input_shape) or ())
        if len(dims) < 3:
            raise ValueError(
                "`TimeDistributed` Layer should be passed an `input_shape ` with at least 3 dimensions, "
                f"received: {dims}"
            )
        self.input_spec = InputSpec(shape=[None, None, *dims[2:]])
        super().build(TensorShape((dims[0], *dims[2:])))

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims = tuple(shapes.as_dims(input_shape) or ())
        child = shapes.as_dims(self.layer.compute_output_shape(TensorShape((dims[0], *dims[2:])))) or ()
        return TensorShape([child[0], dims[1], *child[1:]])  # pyright: ignore[reportGeneralTypeIssues]

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The layer's outputs at each time step."""
        arguments: dict[str, Any] = {}
        if "training" in self.layer._call_arguments and training is not None:
            arguments["training"] = training
        dims = inputs.dims
        if dims[0] is not None and not self._all_at_once:
            return self._stepwise(inputs, arguments, mask)
        steps = shape_of(inputs)[1] if dims[1] is None else dims[1]
        flat = reshape(inputs, [-1, *_lengths(inputs, 2)])
        self._flattened = inputs, flat
        if "mask" in self.layer._call_arguments and mask is not None:
            arguments["mask"] = reshape(mask, [-1, *_lengths(mask, 2)])
        found = self.layer(flat, **arguments)
        outputs = reshape(found, [-1, steps, *_lengths(found, 1)])
        outputs.set_shape([dims[0], dims[1], *found.dims[1:]])
        return outputs

    _flattened: tuple[Any, Any] = (None, None)  # the inputs of the last call, and what the layer got of them

    def _stepwise(self, inputs: Any, arguments: dict[str, Any], mask: Any) -> Any:
        def step(x: Any, _: Any) -> tuple[Any, list[Any]]:
            return self.layer(x, **arguments), []

        length = int_shape(inputs)[1]
        _, outputs, _ = recurrence.rnn(step, inputs, [], mask=mask, unroll=False, input_length=length)
        return outputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """What the layer makes of the mask of each time step, or the mask of the time steps."""
        if inputs.dims[0] is not None:
            return mask
        flat_mask = None if mask is None else reshape(mask, [-1, *_lengths(mask, 2)])
        known, flat = self._flattened
        if known is not inputs:
            flat = reshape(inputs, [-1, *_lengths(inputs, 2)])
        found = self.layer.compute_mask(flat, flat_mask)
        if found is not None:
            steps = shape_of(inputs)[1] if inputs.dims[1] is None else inputs.dims[1]
            return reshape(found, [-1, steps, *_lengths(found, 1)])
        result = mask
        while result is not None and len(int_shape(result) or ()) > 2:
            result = reduce_any(result, axis=-1)
        return result


# Layers of which TensorFlow does not know that they take any batch: those that only its version 1 has so.
_STEP_BY_STEP = (BatchNormalization, GRU, LSTM, CuDNNGRU, CuDNNLSTM)


def _built_in(layer: Any) -> bool:
    """True for most layers of this package and for what derives from one, not from `Layer` itself."""
    kinds = type(layer).__mro__
    own = [k for k in kinds[: kinds.index(Layer)] if homes.module_of(k).startswith("millrace.")]
    return bool(own) and own[0] is not PlainLayer and own[0] not in _STEP_BY_STEP


def _lengths(tensor: Any, start: int) -> list[Any]:
    """The lengths from an axis on, tensors where they are unknown."""
    return [shape_of(tensor)[i] if d is None else d for i, d in enumerate(tensor.dims) if i >= start]


@public("keras.layers.Bidirectional")
class Bidirectional(Wrapper):
    """A recurrent layer in both directions.

    Args:
      layer: the layer; one in the other direction is made of its settings.
      merge_mode: how outputs are joined: "sum", "mul", "concat", "ave", or None for a list.
      weights: first values of all weights.
      backward_layer: the layer in the other direction, where it differs.
      **kwargs: as for `Layer`.

    Raises:
      ValueError: it is not a layer, or an argument is unknown.
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `Bidirectional` layer with a `Layer` instance. You passed: {layer}"
            )
        if merge_mode not in ("sum", "mul", "ave", "concat", None):
            raise ValueError(
                'Invalid merge mode. Merge mode should be one of {"sum", "mul", "ave", "concat", None}'
            )
        super().__init__(layer, **kwargs)
        self.forward_layer = _recreated(layer)
        self._given_backward = backward_layer
        self.backward_layer = (
            _recreated(layer, go_backwards=True) if backward_layer is None else backward_layer
        )
        if self.backward_layer.go_backwards == self.forward_layer.go_backwards:
            raise ValueError("Forward layer and backward layer should have different `go_backwards` value.")
        self.forward_layer._name = "forward_" + self.forward_layer.name
        self.backward_layer._name = "backward_" + self.backward_layer.name
        self.merge_mode = merge_mode
        if weights:
            half = len(weights) // 2
            self.forward_layer._initial_weights = weights[:half]
            self.backward_layer._initial_weights = weights[half:]
        # `stateful` stays False, as in TensorFlow: a model resets and updates no states of both directions.
        for one in (self.forward_layer, self.backward_layer):
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = one.return_sequences
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state  # pyright: ignore[reportAttributeAccessIssue]
        self._num_constants = 0
        self.input_spec = layer.input_spec

    @property
    def trainable_weights(self) -> list[Any]:
        """Variables that are trained, of both directions."""
        if not self.trainable:
            return []
        return self.forward_layer.trainable_weights + self.backward_layer.trainable_weights

    @property
    def non_trainable_weights(self) -> list[Any]:
        """Variables that are not trained, of both directions."""
        both = (self.forward_layer, self.backward_layer)
        if self.trainable:
            return [w for one in both for w in one.non_trainable_weights]
        return [w for one in both for w in one.weights]

    def build(self, input_shape: Any = None) -> None:
        """Builds both directions."""
        for one in (self.forward_layer, self.backward_layer):
            with name_scope(one.name):
                if not one.built:
                    _build(one, input_shape, self._dtype)
                    if one._initial_weights is not None:
                        one.set_weights(one._initial_weights)
        self.built = True

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        """The outputs.

        Args:
          inputs: `[batch, time, ...]`, or a list of them, the initial states and constants.
          initial_state: the first states, those of the forward direction first.
          constants: more inputs of the cells at each step.
          **kwargs: `mask`, `training`.

        Raises:
          ValueError: the number of states is odd.
        """
        inputs, initial_state, constants = standardized(inputs, initial_state, constants, self._num_constants)
        if initial_state is None and constants is None:
            return super().__call__(inputs, **kwargs)
        extra: list[Any] = []
        if initial_state is not None:
            if len(initial_state) % 2:
                raise ValueError(
                    "When passing `initial_state` to a Bidirectional RNN, the state should be a list "
                    f"containing the states of the underlying RNNs. Found: {initial_state}"
                )
            extra += initial_state
            half = len(initial_state) // 2
            specs = [InputSpec(shape=int_shape(s)) for s in initial_state]
            self.forward_layer.state_spec, self.backward_layer.state_spec = specs[:half], specs[half:]
        if constants is not None:
            extra += constants
            self._num_constants = len(constants)
            self.forward_layer._num_constants = self.backward_layer._num_constants = len(constants)
        if all(history(t) is not None for t in extra):
            before = self.input_spec
            self.input_spec = None
            try:
                return super().__call__([*nest.flatten(inputs), *extra], **kwargs)
            finally:
                self.input_spec = before
        if initial_state is not None:
            kwargs["initial_state"] = initial_state
        if constants is not None:
            kwargs["constants"] = constants
        return super().__call__(inputs, **kwargs)

    def call(
        self,
        inputs: Any,
        training: Any = None,
        mask: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        """The outputs of both directions, joined."""
        arguments: dict[str, Any] = {}
        if "training" in self.layer._call_arguments:
            arguments["training"] = training
        if "mask" in self.layer._call_arguments:
            arguments["mask"] = mask
        ahead, back = self._halves(inputs, initial_state, constants)
        first = self.forward_layer(ahead[0], **arguments, **ahead[1])
        second = self.backward_layer(back[0], **arguments, **back[1])
        states: list[Any] = []
        if self.return_state:
            states = [*first[1:], *second[1:]]
            first, second = first[0], second[0]
        if self.return_sequences:
            second = reverse(second, [0 if getattr(self.forward_layer, "time_major", False) else 1])
        outputs = self._merged(first, second)
        if not self.return_state:
            return outputs
        return [*outputs, *states] if self.merge_mode is None else [outputs, *states]

    def _halves(self, inputs: Any, initial_state: Any, constants: Any) -> tuple[Any, Any]:
        listed = isinstance(inputs, list) and len(inputs) > 1
        if listed and initial_state is None:
            count = self._num_constants
            rest = inputs[1 : len(inputs) - count]
            constants = inputs[len(inputs) - count :] if count else constants
            initial_state, inputs = rest or None, inputs[0]
        shared: dict[str, Any] = {} if constants is None else {"constants": constants}
        if initial_state is None:
            return (inputs, shared), (inputs, shared)
        half = len(initial_state) // 2
        ahead = {**shared, "initial_state": initial_state[:half]}
        return (inputs, ahead), (inputs, {**shared, "initial_state": initial_state[half:]})

    def _merged(self, first: Any, second: Any) -> Any:
        if self.merge_mode == "concat":
            return concat([first, second], -1)
        if self.merge_mode == "sum":
            return first + second
        if self.merge_mode == "ave":
            return (first + second) / 2
        if self.merge_mode == "mul":
            return first * second
        return [first, second]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of shape `input_shape`."""
        found = self.forward_layer.compute_output_shape(input_shape)
        states: list[Any] = []
        if self.return_state:
            states, found = found[1:], found[0]
        dims = list(shapes.as_dims(found) or ())
        if self.merge_mode == "concat":
            dims[-1] *= 2  # pyright: ignore[reportOperatorIssue]
        outputs: Any = TensorShape(dims)
        if self.merge_mode is None:
            outputs = [outputs, TensorShape(dims)]
        if not self.return_state:
            return outputs
        both = [*states, *copy.copy(states)]
        return [*outputs, *both] if self.merge_mode is None else [outputs, *both]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the time steps, where they are all given."""
        if isinstance(mask, list | tuple):
            mask = mask[0] if mask else None
        found = mask if self.return_sequences else None
        outputs: Any = found if self.merge_mode else [found, found]
        if not self.return_state:
            return outputs
        states = [None for _ in self.layer.states] * 2  # pyright: ignore[reportAttributeAccessIssue]
        return [*outputs, *states] if isinstance(outputs, list) else [outputs, *states]

    def reset_states(self) -> None:
        """Resets the states of both directions."""
        self.forward_layer.reset_states()
        self.backward_layer.reset_states()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        config = {**super().get_config(), "merge_mode": self.merge_mode}
        if self._num_constants:
            config["num_constants"] = self._num_constants
        if self._given_backward is not None:
            inner = self._given_backward
            config["backward_layer"] = {"class_name": type(inner).__name__, "config": inner.get_config()}
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` describes."""
        config = copy.deepcopy(config)
        count = config.pop("num_constants", 0)
        layer = tables.deserialize(config.pop("layer"), custom_objects=custom_objects)
        if config.get("backward_layer") is not None:
            config["backward_layer"] = tables.deserialize(
                config["backward_layer"], custom_objects=custom_objects
            )
        made = cls(layer, **config)
        made._num_constants = count
        return made


def _recreated(layer: Any, go_backwards: bool = False) -> Any:
    """A layer of the same settings, in the other direction where asked for."""
    config = layer.get_config()
    if go_backwards:
        config["go_backwards"] = not config["go_backwards"]
    return type(layer).from_config(config)
