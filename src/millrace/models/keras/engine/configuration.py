"""Networks as descriptions, and networks made of descriptions."""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy as np

from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.node import history
from millrace.lib.variables.variable import Variable
from millrace.models.keras.backend.session import get_value
from millrace.models.keras.engine import tables
from millrace.models.keras.engine.operations import TensorFlowOpLayer

KERAS_VERSION = public("keras.__version__")("2.2.4-tf")


# --- to a description ---------------------------------------------------------------------------------------


def of_network(network: Any) -> dict[str, Any]:
    """The layers of a functional network and how they are joined."""
    nodes = set(network._order.nodes)
    places: dict[tuple[str, int], int] = {}
    for layer in network.layers:
        # A network's own inputs and outputs are its first call.
        kept = 1 if getattr(layer, "_is_graph_network", False) else 0
        for index, node in enumerate(layer._inbound_nodes):
            if node in nodes:
                places[layer.name, index] = kept
                kept += 1
    described = [
        {
            "name": layer.name,
            "class_name": type(layer).__name__,
            "config": layer.get_config(),
            "inbound_nodes": _calls(layer, nodes, places),
        }
        for layer in network.layers
    ]
    return {
        "name": network.name,
        "layers": described,
        "input_layers": _coordinates(network._input_coordinates, places),
        "output_layers": _coordinates(network._output_coordinates, places),
    }


def _coordinates(found: list[Any], places: dict[tuple[str, int], int]) -> list[Any]:
    return [[layer.name, places[layer.name, node], place] for layer, node, place in found]


def _calls(layer: Any, nodes: set[Any], places: dict[tuple[str, int], int]) -> list[Any]:
    found = []
    for node in layer._inbound_nodes:
        if node not in nodes or node.input_tensors is None or not node.parents():
            continue
        arguments = {k: _argument(v, places) for k, v in node.arguments.items()}
        try:
            json.dumps(arguments, default=default)
        except TypeError:
            arguments = {}
        found.append(
            [
                [inbound.name, places.get((inbound.name, index), 0), place, arguments]
                for inbound, index, place, _ in node.iterate_inbound()
            ]
        )
    return found


def _argument(value: Any, places: dict[tuple[str, int], int]) -> Any:
    if isinstance(value, Tensor):
        origin = history(value)
        if origin is not None:
            layer, node, place = origin
            return [layer.name, places.get((layer.name, node), 0), place]
        return get_value(value)
    if isinstance(value, list | tuple):
        return [_argument(v, places) for v in value]
    return value


def default(value: Any) -> Any:
    """What JSON has no form for: class and settings, numbers, lists, names.

    Raises:
      TypeError: the value has no form.
    """
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if isinstance(value, np.ndarray):
        return value.tolist() if value.ndim else value.item()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, shapes.TensorShape):
        return value.as_list() if value.dims is not None else None
    if isinstance(value, shapes.Dimension):
        return value.value
    if isinstance(value, dtypes.DType):
        return value.name
    if isinstance(value, Tensor | Variable):
        return default(get_value(value))
    if callable(value):
        return value.__name__
    if type(value).__name__ == type.__name__:
        return value.__name__
    raise TypeError(f"Not JSON Serializable: {value!r}")


def described(model: Any) -> dict[str, Any]:
    """A model's class, configuration and versions."""
    return {
        "class_name": type(model).__name__,
        "config": model.get_config(),
        "keras_version": KERAS_VERSION,
        "backend": "tensorflow",
    }


def to_json(model: Any, **kwargs: Any) -> str:
    """A model's description as JSON; **kwargs: for `json.dumps`."""
    return json.dumps(described(model), default=default, **kwargs)


def to_yaml(model: Any, **kwargs: Any) -> str:
    """A model's description as YAML; **kwargs: for `yaml.dump`.

    Raises:
      ImportError: PyYAML is not installed.
    """
    return _yaml().dump(json.loads(to_json(model)), **kwargs)


def _yaml() -> Any:
    try:
        return importlib.import_module("yaml")
    except ImportError:
        raise ImportError("Requires yaml module installed (`pip install pyyaml`).") from None


# --- from a description -------------------------------------------------------------------------------------


def network_of(config: dict[str, Any], custom_objects: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The inputs and outputs of a described network, and its layers by name."""
    made: dict[str, Any] = {}
    waiting: list[tuple[Any, Any]] = []
    for data in config["layers"]:
        layer = tables.deserialize(data, custom_objects=custom_objects)
        made[data["name"]] = layer
        constant = isinstance(layer, TensorFlowOpLayer) and not data["inbound_nodes"]
        waiting.extend((layer, call) for call in ([[]] if constant else data["inbound_nodes"]))
    while waiting:
        still = []
        blocked: set[int] = set()
        for layer, call in waiting:
            # A layer's calls keep their order.
            if id(layer) in blocked or not _call(layer, call, made):
                blocked.add(id(layer))
                still.append((layer, call))
        if len(still) == len(waiting):
            names = sorted({layer.name for layer, _ in still})
            raise ValueError(f"The configuration joins layers that cannot be computed: {names}")
        waiting = still
    inputs = [_output(made[n], i, t) for n, i, t in config["input_layers"]]
    outputs = [_output(made[n], i, t) for n, i, t in config["output_layers"]]
    return (inputs[0] if len(inputs) == 1 else inputs, outputs[0] if len(outputs) == 1 else outputs, made)


def _output(layer: Any, node: int, place: int) -> Any:
    return nest.flatten(layer._inbound_nodes[node].output_tensors)[place]


def _call(layer: Any, call: Any, made: dict[str, Any]) -> bool:
    """Calls a layer as described, where its inputs exist already; says whether they do."""
    tensors, arguments = [], {}
    if call and isinstance(call[0], str):
        call = [call]
    for data in nest_calls(call):
        name, node, place = data[0], data[1], data[2]
        arguments = data[3] if len(data) > 3 else {}
        inbound = made.get(name)
        if inbound is None or len(inbound._inbound_nodes) <= node:
            return False
        tensors.append(_output(inbound, node, place))
    found = {}
    for key, value in arguments.items():
        known, tensor = _given(value, made)
        if not known:
            return False
        found[key] = tensor
    layer(tensors[0] if len(tensors) == 1 else tensors, **found)
    return True


def nest_calls(call: Any) -> list[Any]:
    """The inputs of a described call, out of any nesting."""
    if isinstance(call, dict):
        return [c for k in sorted(call) for c in nest_calls(call[k])]
    if call and isinstance(call[0], str):
        return [call]
    return [c for item in call for c in nest_calls(item)]


def _given(value: Any, made: dict[str, Any]) -> tuple[bool, Any]:
    """An argument in which outputs of layers are described; and whether they exist already."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and value[0] in made:
        layer = made[value[0]]
        if len(layer._inbound_nodes) <= value[1]:
            return False, None
        return True, _output(layer, value[1], value[2])
    if isinstance(value, list) and any(isinstance(v, list) for v in value):
        pairs = [_given(v, made) for v in value]
        return all(p[0] for p in pairs), [p[1] for p in pairs]
    return True, value


def join_the_rest(model: Any, made: dict[str, Any]) -> None:
    """Adds described layers that lead to no output."""
    known = {id(layer) for layer in model.layers}
    extra = [layer for layer in made.values() if id(layer) not in known]
    if extra:
        # The first call of a network is that which makes its own outputs.
        nodes = [
            node
            for layer in made.values()
            for node in layer._inbound_nodes[1 if getattr(layer, "_is_graph_network", False) else 0 :]
        ]
        model._insert_layers(extra, nodes)


@public("keras.models.model_from_config")
def model_from_config(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model of a description.

    Raises:
      TypeError: the description is a list.
    """
    if isinstance(config, list):
        raise TypeError(
            "`model_from_config` expects a dictionary, not a list. Maybe you meant to use "
            "`Sequential.from_config(config)`?"
        )
    return tables.deserialize(config, custom_objects=custom_objects)


@public("keras.models.model_from_json")
def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that `to_json` described."""
    return model_from_config(json.loads(json_string), custom_objects)


_TRACKED_LIST = "tensorflow.python.training.tracking.data_structures.ListWrapper"


def _read_yaml(text: str) -> Any:
    """Plain values, and the tuples and tracked lists with which TensorFlow 1.15 writes shapes and axes."""
    yaml = _yaml()

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor(
        "tag:yaml.org,2002:python/tuple",
        lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),
    )
    Loader.add_constructor(
        f"tag:yaml.org,2002:python/object/apply:{_TRACKED_LIST}",
        lambda loader, node: list(loader.construct_sequence(node, deep=True)[0]),
    )
    return yaml.load(text, Loader=Loader)  # the loader makes nothing but plain values


@public("keras.models.model_from_yaml")
def model_from_yaml(yaml_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that `to_yaml` described.

    Raises:
      ImportError: PyYAML is not installed.
    """
    return model_from_config(_read_yaml(yaml_string), custom_objects)
