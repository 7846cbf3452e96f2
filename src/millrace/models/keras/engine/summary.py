"""`model.summary()`: a table of the layers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.lib.layers.node import int_shape


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Callable[[str], Any] | None = None,
) -> None:
    """Prints a table of a model's layers; arguments as for `Model.summary`."""
    write = print_fn or _write
    sequential = _is_sequential(model)
    if sequential:
        line_length = line_length or 65
        positions = list(positions or (0.45, 0.85, 1.0))
        titles = ["Layer (type)", "Output Shape", "Param #"]
    else:
        line_length = line_length or 98
        positions = list(positions or (0.33, 0.55, 0.67, 1.0))
        titles = ["Layer (type)", "Output Shape", "Param #", "Connected to"]
    if positions[-1] <= 1:
        positions = [int(line_length * p) for p in positions]
    write(f'Model: "{model.name}"')
    write("_" * line_length)
    _row(titles, positions, write)
    write("=" * line_length)
    relevant = set(model._order.nodes) if not sequential and hasattr(model, "_order") else set()
    layers = model.layers
    for i, layer in enumerate(layers):
        fields = [f"{layer.name} ({type(layer).__name__})", _shape(layer), _parameters(layer)]
        if sequential:
            _row(fields, positions, write)
        else:
            _connected_row(layer, fields, relevant, positions, write)
        write(("=" if i == len(layers) - 1 else "_") * line_length)
    trained = getattr(model, "_collected_trainable_weights", None)  # what `compile` found
    trainable = count(model.trainable_weights if trained is None else trained)
    frozen = count(model.non_trainable_weights)
    write(f"Total params: {trainable + frozen:,}")
    write(f"Trainable params: {trainable:,}")
    write(f"Non-trainable params: {frozen:,}")
    write("_" * line_length)


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")


def count(weights: list[Any]) -> int:
    """How many numbers variables hold."""
    return int(sum(np.prod(int_shape(w) or ()) for w in {id(w): w for w in weights}.values()))


def _is_sequential(model: Any) -> bool:
    """Whether each layer has one call before and one after it."""
    if not getattr(model, "_is_graph_network", False) or type(model).__name__ == "Sequential":
        return True
    nodes = []
    for found in model._order.by_depth.values():
        if len(found) > 1 or (len(found) == 1 and len(list(found[0].iterate_inbound())) > 1):
            return False
        nodes += found
    for layer in model.layers:
        flag = False
        for node in layer._inbound_nodes:
            if node in nodes:
                if flag:
                    return False
                flag = True
    return True


def _row(fields: list[Any], positions: list[int], write: Callable[[str], Any]) -> None:
    line = ""
    for i, field in enumerate(fields):
        if i > 0:
            line = line[:-1] + " "
        line += str(field)
        line = line[: positions[i]]
        line += " " * (positions[i] - len(line))
    write(line)


def _shape(layer: Any) -> str:
    try:
        return str(layer.output_shape)
    except AttributeError:
        return "multiple"
    except RuntimeError:
        return "?"


def _parameters(layer: Any) -> Any:
    if not layer.built and not getattr(layer, "_is_graph_network", False):
        return "0 (unused)"
    return layer.count_params()


def _connected_row(
    layer: Any, fields: list[Any], relevant: set[Any], positions: list[int], write: Callable[[str], Any]
) -> None:
    connections = [
        f"{inbound.name}[{node_index}][{place}]"
        for node in layer._inbound_nodes
        if not relevant or node in relevant
        for inbound, node_index, place, _ in node.iterate_inbound()
    ]
    _row([*fields, connections[0] if connections else ""], positions, write)
    for connection in connections[1:]:
        _row(["", "", "", connection], positions, write)
