"""The order of the calls that lead from a model's inputs to its outputs."""

from __future__ import annotations

from typing import Any, NamedTuple

from millrace.core import nest
from millrace.lib.layers.node import history


class Order(NamedTuple):
    """The calls between inputs and outputs.

    Attributes:
      nodes: all of them.
      by_depth: those at each distance from the outputs.
      layers: the layers, from the inputs to the outputs.
      layers_by_depth: those at each distance.
    """

    nodes: list[Any]
    by_depth: dict[int, list[Any]]
    layers: list[Any]
    layers_by_depth: dict[int, list[Any]]


def order_of(inputs: list[Any], outputs: list[Any]) -> Order:
    """The calls between tensors.

    Raises:
      ValueError: the outputs cannot be computed from the inputs, or two layers have one name.
    """
    nodes, indices = _traversed(outputs)
    depths: dict[Any, int] = {}
    layer_depths: dict[Any, int] = {}
    for node in reversed(nodes):
        depth = max(depths.setdefault(node, 0), layer_depths.get(node.outbound_layer, 0))
        layer_depths[node.outbound_layer] = depths[node] = depth
        for parent in node.parents():
            depths[parent] = max(depth + 1, depths.get(parent, 0))
    for tensor in inputs:
        origin = history(tensor)
        if origin is not None and origin.layer not in layer_depths:
            layer_depths[origin.layer] = 0
            indices[origin.layer] = -1
            depths[origin.layer._inbound_nodes[0]] = 0
            nodes.append(origin.layer._inbound_nodes[0])
    by_depth: dict[int, list[Any]] = {}
    for node, depth in depths.items():
        by_depth.setdefault(depth, []).append(node)
    layers_by_depth: dict[int, list[Any]] = {}
    for layer, depth in layer_depths.items():
        layers_by_depth.setdefault(depth, []).append(layer)
    layers = []
    for depth in sorted(layers_by_depth, reverse=True):
        layers_by_depth[depth].sort(key=lambda layer: indices[layer])
        layers.extend(layers_by_depth[depth])
    _check(inputs, by_depth, layers)
    return Order(nodes, by_depth, layers, layers_by_depth)


def _traversed(outputs: list[Any]) -> tuple[list[Any], dict[Any, int]]:
    """The calls before the outputs, each after those it needs; and the order in which layers were met."""
    finished: list[Any] = []
    done: set[Any] = set()
    active: set[Any] = set()
    indices: dict[Any, int] = {}

    for tensor in outputs:
        origin = history(tensor)
        assert origin is not None
        stack: list[tuple[Any, bool]] = [(origin.layer._inbound_nodes[origin.node_index], False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                active.discard(node)
                if node not in done:
                    done.add(node)
                    finished.append(node)
                continue
            if node in done:
                continue
            if node in active:
                raise ValueError(f'The tensor at layer "{node.outbound_layer.name}" is part of a cycle.')
            indices.setdefault(node.outbound_layer, len(indices))
            active.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in reversed(node.parents()) if parent not in done)
    return finished, indices


def _check(inputs: list[Any], by_depth: dict[int, list[Any]], layers: list[Any]) -> None:
    computable = {id(t) for t in inputs}
    seen: list[str] = []
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            layer = node.outbound_layer
            begins = node.input_tensors is None
            for tensor in nest.flatten(node.output_tensors if begins else node.input_tensors):
                if id(tensor) not in computable:
                    raise ValueError(
                        f"Graph disconnected: cannot obtain value for tensor {tensor} at layer "
                        f'"{layer.name}". The following previous layers were accessed without issue: {seen}'
                    )
            computable.update(id(t) for t in nest.flatten(node.output_tensors))
            seen.append(layer.name)
    names = [layer.name for layer in layers]
    for name in names:
        if names.count(name) != 1:
            raise ValueError(
                f'The name "{name}" is used {names.count(name)} times in the model. All layer names should '
                "be unique."
            )
