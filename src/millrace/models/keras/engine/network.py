"""`Network`: layers joined by their calls, as one layer."""

from __future__ import annotations

from typing import Any

from millrace.core import nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import settings, tracking
from millrace.lib.layers.base import Layer as ScopedLayer
from millrace.lib.layers.descendants import late
from millrace.lib.layers.layer import Layer
from millrace.lib.layers.node import Node, history, mask_of, reachable_from
from millrace.lib.layers.registry import calls
from millrace.lib.variables.module import attribute_of, dependent
from millrace.models.keras.backend import arrays
from millrace.models.keras.engine import added, configuration, summary
from millrace.models.keras.engine.inputs import InputLayer
from millrace.models.keras.engine.operations import TensorFlowOpLayer
from millrace.models.keras.engine.ordering import order_of


def _trained_in(value: Any, trained: bool) -> list[Any]:
    """The variables that are trained, or those that are not, of a layer or the layers in a list or dict."""
    kind = "trainable_weights" if trained else "non_trainable_weights"
    found = [w for layer in tracking.parts(value, Layer) for w in getattr(layer, kind)]
    if tracking.holds_parts(value):
        found += [v for v in tracking.variables_in(value) if v.trainable is trained]
    return found


def _weights_of(value: Any) -> list[Any]:
    """All variables of an attribute; lists and dicts name those that are trained first, as a layer does."""
    if isinstance(value, Layer):
        return value.weights
    return [*_trained_in(value, True), *_trained_in(value, False)]


def _has_weights(layer: Any) -> bool:
    try:
        return bool(layer.weights)
    except ValueError:  # a network that is not built yet
        return False


def by_place(layers: list[Any]) -> list[tuple[str, Any]]:
    """Layers by the names that checkpoints give their places; those with weights have two."""
    found: list[tuple[str, Any]] = []
    weighted = 0
    for index, layer in enumerate(layers):
        if _has_weights(layer):
            found.append((f"layer_with_weights-{weighted}", layer))
            weighted += 1
        found.append((f"layer-{index}", layer))
    return found


@public("python.keras.engine.network.Network")
class Network(Layer):
    """Layers joined by their calls: given inputs and outputs, or what a subclass' `call` does.

    Args:
      inputs: nested tensors of `Input`.
      outputs: nested tensors that layers made of them.
      name: its name.
    """

    _makes_masks = True
    _is_graph_network = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _is_functional(args, kwargs):
            self._init_functional(*args, **kwargs)
        else:
            self._init_subclassed(*args, **kwargs)

    def _init_base(self, name: str | None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.inputs: Any = None
        self.outputs: Any = None
        self.input_names: list[str] = []
        self.output_names: list[str] = []
        self._is_compiled = False

    def _init_subclassed(self, name: str | None = None, **kwargs: Any) -> None:
        trainable = kwargs.pop("trainable", True)
        self._init_base(name, **kwargs)
        self.trainable = trainable
        self._is_graph_network = False

    def _init_functional(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        trainable = kwargs.pop("trainable", None)
        self._init_base(name, **kwargs)
        self._connect_graph(inputs, outputs)
        if trainable is not None:
            self.trainable = trainable

    def _connect_graph(self, inputs: Any, outputs: Any) -> None:
        """Makes the network of the calls between inputs and outputs."""
        if isinstance(inputs, list) and len(nest.flatten(inputs)) == 1:
            inputs = inputs[0]
        if isinstance(outputs, list) and len(nest.flatten(outputs)) == 1:
            outputs = outputs[0]
        self._nested_inputs, self._nested_outputs = inputs, outputs
        flat_in, flat_out = nest.flatten(inputs), nest.flatten(outputs)
        self._check_inputs_given(flat_in)
        if any(isinstance(t, Tensor) and history(t) is None for t in flat_out):
            late.adopt(outputs)
        for tensor in flat_out:
            if history(tensor) is None:
                raise ValueError(
                    "Output tensors to a Model must be the output of a TensorFlow `Layer` (thus holding "
                    f"past layer metadata). Found: {tensor}"
                )
        object.__setattr__(self, "inputs", flat_in)
        object.__setattr__(self, "outputs", flat_out)
        order = order_of(flat_in, flat_out)
        _refuse_scoped(order.layers)
        self._order = order
        self._graph_layers = order.layers
        self._is_graph_network = True
        self.supports_masking = False
        self.built = True
        origins = [history(t) for t in flat_in]
        self._input_layers = [o.layer for o in origins]  # type: ignore[union-attr]
        self._input_coordinates = [tuple(o) for o in origins]  # type: ignore[arg-type]
        self._output_coordinates = [tuple(history(t)) for t in flat_out]  # type: ignore[arg-type]
        self._output_layers = [c[0] for c in self._output_coordinates]
        self.input_names = [layer.name for layer in self._input_layers]
        self.output_names = _distinct([layer.name for layer in self._output_layers])  # pyright: ignore[reportAttributeAccessIssue]
        for layer in self._input_layers:
            if isinstance(layer, InputLayer) and not layer.is_placeholder:
                layer._is_fed = False
        self._inbound_nodes = []
        Node(self, inputs, outputs, connects=False)

    def _check_inputs_given(self, flat: list[Any]) -> None:
        if len({id(t) for t in flat}) != len(flat):
            raise ValueError(
                "The list of inputs passed to the model is redundant. All inputs should only appear once. "
                f"Found: {flat}"
            )
        for tensor in flat:
            origin = history(tensor)
            if origin is None:
                raise ValueError(
                    "Input tensors to a Model must come from `tf.keras.Input`. "
                    f"Received: {tensor} (missing previous layer metadata)."
                )
            layer = origin.layer
            if len(layer._inbound_nodes) > 1 or (layer._inbound_nodes and layer._inbound_nodes[0].parents()):
                raise ValueError(
                    f"Model inputs must come from `tf.keras.Input` (thus holding past layer metadata), they "
                    f"cannot be the output of a previous non-Input layer. Here, a tensor specified as input "
                    f'to "{self.name}" was not an Input tensor, it was generated by layer {layer.name}.'
                )

    # --- what it is made of ---------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if "_tracked" not in self.__dict__ and all(isinstance(v, Layer) for v in nest.flatten(value)):
            raise RuntimeError(
                "It looks like you are subclassing `Model` and you forgot to call "
                "`super(YourClass, self).__init__()`. Always start with this line."
            )
        if self._is_graph_network:  # whose layers are those between inputs and outputs
            object.__setattr__(self, name, attribute_of(self, name, value))
        else:
            super().__setattr__(name, value)
        if isinstance(value, Layer) and hasattr(value, "update_state"):
            self._metrics.append(value)

    @property
    def _layers(self) -> list[Any]:
        return tracking.unique(tracking.parts(self._weighted_parts(), Layer))

    @property
    def layers(self) -> list[Any]:
        """The layers, from the inputs to the outputs."""
        return self._graph_layers if self._is_graph_network else self._layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by name, or by its place.

        Raises:
          ValueError: there is no such layer.
        """
        layers = self.layers
        if index is not None:
            if len(layers) <= index:
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has {len(layers)} layers."
                )
            return layers[index]
        if not name:
            raise ValueError("Provide either a layer name or layer index.")
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"No such layer: {name}")

    @property
    def trainable_weights(self) -> list[Any]:
        """Variables that are trained."""
        self._assert_weights_created()
        if not self.trainable:
            return []
        return tracking.unique([*self._in_parts(True), *self._trainable_weights])

    @property
    def non_trainable_weights(self) -> list[Any]:
        """Variables that are not trained."""
        self._assert_weights_created()
        found = [*self._in_parts(False), *self._non_trainable_weights]
        if self.trainable:
            return tracking.unique(found)
        return tracking.unique([*self._in_parts(True), *self._trainable_weights, *found])

    @property
    def weights(self) -> list[Any]:
        """All variables, layer by layer."""
        self._assert_weights_created()
        found = [w for value in self._weighted_parts() for w in _weights_of(value)]
        return tracking.unique([*found, *self._own_weights()])

    def _weighted_parts(self) -> list[Any]:
        """Layers, and lists and dicts of layers, in the order of their variables."""
        known = self._graph_layers if self._is_graph_network else []
        held = [v for k, v in self._tracked.items() if k not in _OWN_LISTS]
        return [*known, *held]

    def _in_parts(self, trained: bool) -> list[Any]:
        return [w for value in self._weighted_parts() for w in _trained_in(value, trained)]

    def get_weights(self) -> list[Any]:
        """The values of all variables, layer by layer."""
        return late.get_values(self.weights)

    def _assert_weights_created(self) -> None:
        if not self._is_graph_network and "build" in type(self).__dict__ and not self.built:
            raise ValueError(
                f"Weights for model {self.name} have not yet been created. Weights are created when the "
                "Model is first called on inputs or `build()` is called with an `input_shape`."
            )

    @property
    def stateful(self) -> bool:
        """Whether a layer keeps state from batch to batch."""
        return any(getattr(layer, "stateful", False) for layer in self._layers)

    @stateful.setter
    def stateful(self, value: bool) -> None:
        pass

    def reset_states(self) -> None:
        """Resets the states of all layers that keep any."""
        for layer in self.layers:
            if hasattr(layer, "reset_states") and getattr(layer, "stateful", False):
                layer.reset_states()

    @property
    def state_updates(self) -> list[Any]:
        """The updates of layers that keep state, which run while evaluating, too."""
        return [u for layer in self.layers if getattr(layer, "stateful", False) for u in layer.updates]

    @property
    def dynamic(self) -> bool:
        """Whether it, or a layer, was made with `dynamic`."""
        return self._dynamic or any(layer.dynamic for layer in self._layers)

    @property
    def input_spec(self) -> Any:
        """None: what layers take is checked where they are called."""
        return None

    # --- updates and losses ---------------------------------------------------------------------------------

    def _relevant_inputs(self) -> list[Any]:
        nodes = [t for node in self._inbound_nodes for t in nest.flatten(node.input_tensors)]
        return nodes + self.__dict__.get("_plain_inputs", [])

    @property
    def updates(self) -> list[Any]:
        """The layers' updates that depend on this network's inputs, or on none."""
        if not self.trainable and not self.stateful:
            return []
        found = tracking.unique([u for layer in self._layers for u in layer.updates])
        inputs = self._relevant_inputs()
        if not inputs:
            return [*found, *self._updates]
        test = reachable_from(inputs)
        chosen = [u for u in found if getattr(u, "_unconditional_update", True) or test(u)]
        return tracking.unique([*chosen, *self._updates])

    def _take_loss(self, loss: Any) -> None:
        if calls.in_call or not self._is_graph_network:
            super()._take_loss(loss)
        else:
            self._join_layer(loss, added.AddLoss(unconditional=False))

    def _watch(self, value: Any, aggregation: str | None, name: Any) -> None:
        if calls.in_call or not self._is_graph_network:
            super()._watch(value, aggregation, name)
        elif hasattr(value, "_metric_obj"):
            raise ValueError(
                "Using the result of calling a `Metric` object when calling `add_metric` on a Functional "
                "Model is not supported. Please pass the Tensor to monitor directly."
            )
        else:
            self._join_layer(value, added.AddMetric(aggregation, name))

    def _join_layer(self, tensor: Any, layer: Layer) -> None:
        """Adds a layer that takes what was computed from the inputs, and those between."""
        nodes, layers = added.joined(self.inputs, tensor, layer)
        self._insert_layers(layers, nodes)

    def _insert_layers(self, layers: list[Any], nodes: list[Any]) -> None:
        """Adds layers, by these calls of them, that lead to no output."""
        added.insert(self._order, nodes)
        known = self._graph_layers
        known.extend(layer for layer in layers if not any(layer is k for k in known))

    # --- calling --------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Makes the variables of a network that is defined by `call`.

        Args:
          input_shape: the shape of the inputs, batch included, or nested shapes.

        Raises:
          ValueError: there is no shape, or `call` does not work with inputs of it.
        """
        if self._is_graph_network:
            self.built = True
            return
        if input_shape is None:
            raise ValueError("Input shape must be defined when calling build on a model subclass network.")
        made = _placeholders(input_shape)
        arguments: dict[str, Any] = {}
        if self._expects_training:
            arguments["training"] = False
        try:
            self.call(made, **arguments)
        except (TypeError, AttributeError) as error:
            raise ValueError(
                "You cannot build your model by calling `build` if your layers do not support float type "
                f"inputs or `call` needs more than the inputs. ({error})"
            ) from error
        self.built = True

    _builds_by_call = True  # `build` only calls the network; a call needs no such call before it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls._builds_by_call = cls.__dict__.get("_builds_by_call", False)

    def _build_once(self, inputs: Any) -> None:
        if self._builds_by_call and not self.built:
            self._take_dtype(inputs)
            self.built = True
        else:
            super()._build_once(inputs)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The outputs for other inputs.

        Args:
          inputs: nested as the network's.
          training: passed to the layers that take it.
          mask: masks of the inputs.

        Raises:
          NotImplementedError: a subclass without inputs and outputs does not say.
        """
        if not self._is_graph_network:
            raise NotImplementedError(
                "When subclassing the `Model` class, you should implement a `call` method."
            )
        return self._run(inputs, training, mask)

    def _run(self, inputs: Any, training: Any, mask: Any) -> Any:
        flat = nest.flatten(inputs)
        masks = [None] * len(flat) if mask is None else nest.flatten(mask)
        if len(flat) != len(self.inputs):
            raise ValueError(
                f"Layer {self.name} expects {len(self.inputs)} inputs, but it received {len(flat)} input "
                f"tensors. Inputs received: {inputs}"
            )
        for tensor, m in zip(flat, masks, strict=False):
            if m is not None:
                tensor._keras_mask = m
        # The calls inside another layer's `call` leave no node.
        plain = [t for t in flat if history(t) is None]
        if plain:
            vars(self).setdefault("_plain_inputs", []).extend(plain)
        known = {id(own): given for own, given in zip(self.inputs, flat, strict=True)}
        by_depth = self._order.by_depth
        for depth in sorted(by_depth, reverse=True):
            for node in by_depth[depth]:
                if node.input_tensors is None:
                    continue
                self._run_node(node, known, training)
        results = [known[id(t)] for t in self.outputs]
        return nest.pack_sequence_as(self._nested_outputs, results)

    def _run_node(self, node: Any, known: dict[int, Any], training: Any) -> None:
        layer = node.outbound_layer
        tensors = nest.flatten(node.input_tensors)
        if not all(id(t) in known for t in tensors):
            return
        computed = nest.pack_sequence_as(node.input_tensors, [known[id(t)] for t in tensors])
        arguments = dict(node.arguments)
        if "training" in layer._call_arguments:
            arguments.setdefault("training", training)
            if arguments["training"] is None:
                del arguments["training"]
        arguments = {k: nest.map_structure(lambda v: known.get(id(v), v), v) for k, v in arguments.items()}
        outputs = layer(computed, **arguments)
        for old, new in zip(nest.flatten(node.output_tensors), nest.flatten(outputs), strict=True):
            known[id(old)] = new

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks of the outputs."""
        if not self._is_graph_network:
            return None
        found = self._run(inputs, None, mask)
        return nest.map_structure(mask_of, found)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of shape `input_shape`.

        Raises:
          NotImplementedError: the network is defined by `call`.
        """
        if not self._is_graph_network:
            return super().compute_output_shape(input_shape)
        given = _shape_list(input_shape)
        if len(given) != len(self.inputs):
            raise ValueError(
                f"Invalid input_shape argument {input_shape}: model has {len(self.inputs)} tensor inputs."
            )
        known = {id(t): s for t, s in zip(self.inputs, given, strict=True)}
        by_depth = self._order.by_depth
        for depth in sorted(by_depth, reverse=True):
            for node in by_depth[depth]:
                if node.input_tensors is None:
                    continue
                tensors = nest.flatten(node.input_tensors)
                found = [known[id(t)] for t in tensors]
                layer = node.outbound_layer
                if isinstance(layer, TensorFlowOpLayer):
                    out: Any = [t.get_shape() for t in nest.flatten(node.output_tensors)]
                else:
                    shape = found[0] if len(found) == 1 else found
                    out = _shape_list(layer.compute_output_shape(shape))
                known.update({id(t): s for t, s in zip(nest.flatten(node.output_tensors), out, strict=True)})
        results = [known[id(t)] for t in self.outputs]
        return results[0] if len(results) == 1 else results

    def _trackable_children(self) -> list[tuple[str, Any]]:
        """What a checkpoint of objects holds of the network: its layers by place, then attributes."""
        found = by_place(self._graph_layers) if self._is_graph_network else []
        attributes = {k: v for k, v in dependent(self, self._tracked).items() if k not in _OWN_LISTS}
        return [*found, *tracking.children({**self._named_weights, **attributes})]

    # --- saving and showing ---------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Layers and how they are joined.

        Raises:
          NotImplementedError: the network is defined by `call`.
        """
        if not self._is_graph_network:
            raise NotImplementedError("A model that is defined by `call` has no configuration.")
        return configuration.of_network(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The network that `get_config` describes."""
        inputs, outputs, made = configuration.network_of(config, custom_objects)
        model = cls(inputs=inputs, outputs=outputs, name=config.get("name"))
        configuration.join_the_rest(model, made)
        return model

    def to_json(self, **kwargs: Any) -> str:
        """Layers and how they are joined, as JSON; **kwargs: for `json.dumps`."""
        return configuration.to_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """Layers and how they are joined, as YAML; **kwargs: for `yaml.dump`.

        Raises:
          ImportError: PyYAML is not installed.
        """
        return configuration.to_yaml(self, **kwargs)

    def summary(self, line_length: int | None = None, positions: Any = None, print_fn: Any = None) -> None:
        """Prints a table of the layers.

        Args:
          line_length: how wide it is.
          positions: where the columns end: shares of the width or places.
          print_fn: takes each line; default `print`.

        Raises:
          ValueError: the model has no variables yet.
        """
        if not self.built:
            raise ValueError(
                "This model has not yet been built. Build the model first by calling `build()` or calling "
                "`fit()` with some data, or specify an `input_shape` argument in the first layer(s) for "
                "automatic build."
            )
        summary.print_summary(self, line_length, positions, print_fn)


_OWN_LISTS = {
    "inputs",
    "outputs",
    "input_names",
    "output_names",
    "_nested_inputs",
    "_nested_outputs",
    "_order",
    "_graph_layers",
    "_input_layers",
    "_output_layers",
    "_input_coordinates",
    "_output_coordinates",
}


def _refuse_scoped(layers: list[Any]) -> None:
    found = [layer for layer in layers if isinstance(layer, ScopedLayer)]
    if found:
        raise TypeError(
            f"The following are legacy tf.layers.Layers:\n  {found}\nTo use keras as a framework (for "
            "instance using the Network, Model, or Sequential classes), please use the tf.keras.layers "
            "implementation instead. (Or, if writing custom layers, subclass from tf.keras.layers rather "
            "than tf.layers)"
        )


def _is_functional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return (
        len(args) == 2
        or (len(args) == 1 and "outputs" in kwargs)
        or ("inputs" in kwargs and "outputs" in kwargs)
    )


def _distinct(names: list[str]) -> list[str]:
    counts: dict[str, int] = {}
    found = []
    for name in names:
        count = counts.get(name, 0)
        found.append(name if count == 0 else f"{name}_{count}")
        counts[name] = count + 1
    return found


def _is_shape(value: Any) -> bool:
    return isinstance(value, shapes.TensorShape) or (
        isinstance(value, list | tuple)
        and all(d is None or isinstance(d, int | shapes.Dimension) for d in value)
    )


def _shape_list(value: Any) -> list[Any]:
    found = [value] if _is_shape(value) else nest.flatten(value) if isinstance(value, dict) else list(value)
    return [tuple(shapes.as_dims(s) or ()) for s in found]


def _placeholders(input_shape: Any) -> Any:
    if _is_shape(input_shape):
        return arrays.placeholder(shape=tuple(shapes.as_dims(input_shape) or ()), dtype=settings.floatx())
    if isinstance(input_shape, dict):
        return {k: _placeholders(v) for k, v in input_shape.items()}
    return [_placeholders(s) for s in input_shape]
