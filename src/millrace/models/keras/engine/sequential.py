"""`Sequential`: layers one after the other."""

from __future__ import annotations

import copy
from typing import Any

from millrace.core import nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.layer import Layer
from millrace.lib.layers.node import history, int_shape, mask_of
from millrace.models.keras.engine import tables
from millrace.models.keras.engine.inputs import Input, InputLayer
from millrace.models.keras.engine.model import Model
from millrace.models.keras.engine.network import by_place


@public("keras.Sequential", "keras.models.Sequential")
class Sequential(Model):
    """Layers one after the other.

    Args:
      layers: a list of layers.
      name: the model's name.
    """

    _stack: list[Any]  # the input, where there is one, and the layers
    _places: dict[str, Any]  # the layers by the names that checkpoints give to them
    _builds_by_call = True

    def __init__(self, layers: Any = None, name: str | None = None) -> None:
        object.__setattr__(self, "_stack", [])
        object.__setattr__(self, "_places", {})
        super().__init__(name=name)
        self.supports_masking = True  # until it is a graph of layers, each of which says so for itself
        self._build_input_shape = None
        if layers:
            for layer in layers if isinstance(layers, list | tuple) else [layers]:
                self.add(layer)

    @property
    def _layers(self) -> list[Any]:
        return list(self._stack)

    def _weighted_parts(self) -> list[Any]:
        return self._layers

    @property
    def layers(self) -> list[Any]:
        """The layers in order, without the input."""
        found = self._stack
        return found[1:] if found and isinstance(found[0], InputLayer) else list(found)

    def add(self, layer: Any) -> None:
        """Adds a layer after the last.

        Raises:
          TypeError: it is not a layer, or its outputs are several.
          ValueError: the first layer was called elsewhere with several outputs.
        """
        origin = history(layer) if isinstance(layer, Tensor) else None
        if origin is not None and isinstance(origin.layer, InputLayer):
            layer = origin.layer
        if not isinstance(layer, Layer):
            raise TypeError(f"The added layer must be an instance of class Layer. Found: {layer}")
        self.built = False
        first: Any = None
        if not self._stack:
            first = self._begin(layer)
        elif self.outputs:
            output = layer(self.outputs[0])
            if isinstance(output, list | tuple) and len(nest.flatten(output)) != 1:
                raise TypeError(
                    "All layers in a Sequential model should have a single output tensor. For multi-output "
                    "layers, use the functional API."
                )
            first = (self.inputs, nest.flatten(output))
        self._stack.append(layer)
        if first is not None:
            self._join(*first)
        self._note_places()

    def _begin(self, layer: Any) -> Any:
        """The inputs and outputs of the first layer, where its shape is known."""
        if isinstance(layer, InputLayer):
            output = nest.flatten(layer._inbound_nodes[-1].output_tensors)
            return list(output), list(output)
        shape, dtype = _first_shape(layer)
        if not shape:
            return None
        given = Input(batch_shape=shape, dtype=dtype, name=layer.name + "_input")
        output = layer(given)
        if len(nest.flatten(output)) != 1:
            raise ValueError(
                "All layers in a Sequential model should have a single output tensor. For multi-output "
                "layers, use the functional API."
            )
        self._stack.append(history(given).layer)  # type: ignore[union-attr]
        return [given], nest.flatten(output)

    def _join(self, inputs: Any, outputs: Any) -> None:
        self._connect_graph(inputs, outputs)
        self.built = True

    def _insert_layers(self, layers: list[Any], nodes: list[Any]) -> None:
        super()._insert_layers(layers, nodes)
        self._stack.extend(layer for layer in layers if not any(layer is k for k in self._stack))

    def pop(self) -> None:
        """Takes the last layer away.

        Raises:
          TypeError: there is none.
        """
        if not self.layers:
            raise TypeError("There are no layers in the model.")
        self._stack.pop()
        if not self.layers:
            self._stack.clear()
            object.__setattr__(self, "outputs", None)
            object.__setattr__(self, "inputs", None)
            self.built = self._is_graph_network = False
        elif self._is_graph_network:
            last = self._stack[-1]
            last._outbound_nodes = []
            self._join(self.inputs, nest.flatten(last._inbound_nodes[-1].output_tensors))
        self._places.clear()
        self._note_places()

    def _note_places(self) -> None:
        if not self._is_graph_network:
            self._places.update(by_place(self.layers))

    def build(self, input_shape: Any = None) -> None:
        """Makes the variables for inputs of a shape, batch included.

        Raises:
          ValueError: there is no shape.
        """
        if self._is_graph_network:
            self.built = True
            return
        if input_shape is None:
            raise ValueError("You must provide an `input_shape` argument.")
        self._build_input_shape = input_shape
        super().build(input_shape)

    def _remember_input_shape(self, made: list[Any]) -> None:
        self._build_input_shape = int_shape(made[0])

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The outputs of the last layer.

        Args:
          inputs: of the first layer.
          training: passed to the layers that take it.
          mask: the mask of the inputs.
        """
        if self._is_graph_network:
            return super().call(inputs, training=training, mask=mask)
        if mask is not None:
            inputs._keras_mask = mask
        for layer in self.layers:
            arguments = {}
            if "training" in layer._call_arguments and training is not None:
                arguments["training"] = training
            inputs = layer(inputs, **arguments)
        return inputs

    def _trackable_children(self) -> list[tuple[str, Any]]:
        """What a checkpoint of objects holds of the model.

        Without a known input shape these are its layers by place; the first of a layer's names is that of a
        layer with weights only where it had some when it was added.
        """
        found = super()._trackable_children()
        return found if self._is_graph_network else [*self._places.items(), *found]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of shape `input_shape`."""
        shape = tuple(shapes.as_dims(input_shape) or ())
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs."""
        return mask_of(self.call(inputs, mask=mask))

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Any:
        """Predictions, one row for each input."""
        return self.predict(x, batch_size, verbose)

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Any:
        """The likeliest class of each input."""
        found = self.predict(x, batch_size=batch_size, verbose=verbose)
        return found.argmax(axis=-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")

    def get_config(self) -> dict[str, Any]:
        """The layers, one after the other."""
        layers = [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in self.layers]
        if self._is_graph_network and layers and "batch_input_shape" not in layers[0]["config"]:
            layers[0]["config"]["batch_input_shape"] = self._stack[0]._batch_input_shape
        config: dict[str, Any] = {"name": self.name, "layers": copy.deepcopy(layers)}
        if not self._is_graph_network and self._build_input_shape is not None:
            config["build_input_shape"] = self._build_input_shape
        return config

    @classmethod
    def from_config(cls, config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        """The model that `get_config` describes."""
        name, shape, layers = None, None, config
        if isinstance(config, dict):
            name, shape, layers = config.get("name"), config.get("build_input_shape"), config["layers"]
        model = cls(name=name)
        for data in layers:
            model.add(tables.deserialize(data, custom_objects=custom_objects))
        if not model.inputs and shape:
            model.build(shape)
        return model


def _first_shape(layer: Any) -> tuple[Any, Any]:
    """The shape and dtype of what a layer takes, where it or the first layer inside it says."""
    shape = getattr(layer, "_batch_input_shape", None)
    if shape is not None:
        return shape, layer.dtype
    inner = getattr(layer, "layers", None)
    if inner is not None and hasattr(layer, "_is_graph_network"):
        if layer._is_graph_network and layer.inputs:
            return tuple(layer.inputs[0].dims), layer.inputs[0].dtype.base_dtype.name
        if inner:
            return _first_shape(inner[0])
    return None, None
