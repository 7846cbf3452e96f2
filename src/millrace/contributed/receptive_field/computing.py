"""The receptive field of a value of a network: its size, stride and padding.

Along a path of layers with windows k, strides s and paddings p the size is 1 + sum (k_i - 1) S_i and the
padding sum p_i S_i, S_i being the product of the strides before layer i; see Araujo, Norris and Sim,
"Computing Receptive Fields of Convolutional Neural Networks" (Distill, 2019).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from millrace.contributed.receptive_field.windows import Window, name_of, windows
from millrace.core.public import public
from millrace.graph.graph import Graph


class NodeInfo(NamedTuple):
    """One node of a graph in the order of computing.

    Attributes:
      order: how many nodes there are on the longest way to it.
      node: its NodeDef.
      input_size, output_size: `(height, width)` of the image; None where unknown.
    """

    order: int
    node: Any
    input_size: Any = None
    output_size: Any = None


class ReceptiveField:
    """Size, stride and padding of a receptive field, each `(x, y)`; iterates over the six numbers.

    Paddings are None where they depend on the size of an image that is unknown.
    """

    def __init__(self, size: Any, stride: Any, padding: Any) -> None:
        self.size = np.asarray(size)
        self.stride = np.asarray(stride)
        self.padding = np.asarray(padding)

    def compute_input_center_coordinates(self, y: Any, axis: Any = None) -> np.ndarray:
        """The places of the image in the middle of what features see.

        Args:
          y: `[..., d]`, places of features.
          axis: the `d` dimensions that they are in; default both.
        """
        at = self._axes(y, axis)
        return -self.padding[at] + np.asarray(y) * self.stride[at] + (self.size[at] - 1) / 2

    def compute_feature_coordinates(self, x: Any, axis: Any = None) -> np.ndarray:
        """The places of the features whose fields have places of an image in their middle; the way back.

        Args:
          x: `[..., d]`, places of the image.
          axis: the `d` dimensions that they are in; default both.
        """
        at = self._axes(x, axis)
        return (np.asarray(x) + self.padding[at] + (1 - self.size[at]) / 2) / self.stride[at]

    def _axes(self, places: Any, axis: Any) -> list[int]:
        at = list(range(2)) if axis is None else list(axis)
        if np.shape(places)[-1:] != (len(at),):
            raise ValueError(
                f"The last dimension of the places must be {len(at)}. Received: shape {np.shape(places)}"
            )
        return at

    def __iter__(self) -> Iterator[Any]:
        return iter(np.concatenate([self.size, self.stride, self.padding]).tolist())


@public("contrib.receptive_field.get_compute_order")
def get_compute_order(
    graph_def: Any, input_node_name: str = "", input_node_size: Any = None
) -> tuple[dict[str, NodeInfo], dict[str, Any]]:
    """When each node of a graph is computed, and of what size the images are.

    Args:
      graph_def: a GraphDef or graph.
      input_node_name: the node that gives the image.
      input_node_size: `[height, width]` of the image; None where unknown.

    Returns:
      Names to (order, node, input size, output size), and names to nodes.
    """
    nodes = {node.name: node for node in _message(graph_def).node}
    found: dict[str, NodeInfo] = defaultdict(lambda: NodeInfo(0, None))
    for name in _ordered(nodes):
        node = nodes[name]
        before = [found[name_of(i)] for i in node.input if name_of(i) in found]
        order = 1 + max((b.order for b in before), default=-1)
        if name == input_node_name and input_node_size is not None:
            found[name] = NodeInfo(order, node, tuple(input_node_size), tuple(input_node_size))
            continue
        size = next((b.output_size for b in before if b.output_size is not None), None)
        found[name] = NodeInfo(order, node, size, None if size is None else _result_size(node, nodes, size))
    return found, nodes


def _result_size(node: Any, nodes: dict[str, Any], size: Any) -> tuple[int | None, int | None] | None:
    """The height and width of what a node gives; None for a node of another kind."""
    try:
        height, width = windows(node, nodes, size)
    except ValueError:
        return None
    return height.output, width.output


def _message(graph: Any) -> Any:
    return graph.as_graph_def() if isinstance(graph, Graph) else graph


def _ordered(nodes: dict[str, Any]) -> list[str]:
    """The names, each after those of its inputs; back edges of loops are left out."""
    done: dict[str, None] = {}
    state: dict[str, bool] = {}
    for first in nodes:
        stack = [first]
        while stack:
            name = stack[-1]
            if state.get(name) is None:
                state[name] = False
                stack += [
                    k for i in reversed(nodes[name].input) if (k := name_of(i)) in nodes and k not in state
                ]
                continue
            stack.pop()
            if not state[name]:
                state[name] = True
                done[name] = None
    return list(done)


class _Field(NamedTuple):
    """One dimension of the field of what follows a node: seen from the result of the node."""

    size: int
    stride: int
    padding: int | None

    def before(self, window: Window) -> _Field:
        """The same, seen from the input of a node with this window."""
        size = self.size * window.stride + window.size - window.stride
        padding = None
        if self.padding is not None and window.padding is not None:
            padding = self.padding * window.stride + window.padding
        return _Field(size, self.stride * window.stride, padding)

    def joined(self, other: _Field, direction: str) -> _Field:
        """The field of two paths that meet."""
        if self.padding is None or other.padding is None:
            return _Field(max(self.size, other.size), max(self.stride, other.stride), None)
        if self.stride != other.stride:
            raise ValueError(
                f"Graph is not aligned: all paths must have one effective stride in {direction} "
                f"direction. Received: {self.stride} and {other.stride}"
            )
        if self.size - 2 * self.padding != other.size - 2 * other.padding:
            raise ValueError(
                f"Graph is not aligned: the fields of all paths must have one center in {direction} "
                f"direction. Received: sizes {self.size} and {other.size} with paddings {self.padding} and "
                f"{other.padding}"
            )
        return self if self.size >= other.size else other


@public("contrib.receptive_field.compute_receptive_field_from_graph_def")
def compute_receptive_field_from_graph_def(
    graph_def: Any,
    input_node: str,
    output_node: str,
    stop_propagation: Any = None,
    input_resolution: Any = None,
) -> ReceptiveField:
    """What a value of a convolutional network sees of its image.

    Args:
      graph_def: a GraphDef or graph.
      input_node, output_node: the names of the nodes that give the image and the features.
      stop_propagation: names of nodes behind which nothing is followed.
      input_resolution: `[height, width]` of the image; without it paddings that depend on it are None.

    Returns:
      size_x, size_y, stride_x, stride_y, padding_x, padding_y of the field.

    Raises:
      ValueError: a node is not found or of an unknown kind, or paths are not aligned.
    """
    order, nodes = get_compute_order(graph_def, input_node, input_resolution)
    if output_node not in nodes:
        raise ValueError(f"Output node was not found. Received: {output_node!r}")
    stops = set(stop_propagation or ())
    fields: dict[str, tuple[_Field, _Field]] = {output_node: (_Field(1, 1, 0), _Field(1, 1, 0))}
    within = _reached(nodes, input_node)
    for name in reversed(_ordered(nodes)):
        if name == input_node or name not in fields or name in stops:
            continue
        node = nodes[name]
        taken = [k for i in node.input if (k := name_of(i)) in within]
        if not taken:
            continue
        size = order[name].input_size or (None, None)
        seen = tuple(f.before(w) for f, w in zip(fields[name], windows(node, nodes, size), strict=True))
        for source in taken:
            known = fields.get(source)
            if known is None:
                fields[source] = (seen[0], seen[1])
            else:
                fields[source] = (
                    known[0].joined(seen[0], "vertical"),
                    known[1].joined(seen[1], "horizontal"),
                )
    if input_node not in fields:
        raise ValueError(f"Input node was not found. Received: {input_node!r}")
    height, width = fields[input_node]
    return ReceptiveField(
        (width.size, height.size), (width.stride, height.stride), (width.padding, height.padding)
    )


def _reached(nodes: dict[str, Any], first: str) -> set[str]:
    """The nodes that take what `first` gives, `first` included."""
    found = {first}
    for name in _ordered(nodes):
        if any(name_of(i) in found for i in nodes[name].input if not i.startswith("^")):
            found.add(name)
    return found
