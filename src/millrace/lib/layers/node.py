"""How layers were called: the nodes that connect them, from which models are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from millrace.core import nest
from millrace.graph.tensor import Tensor
from millrace.lib.layers.settings import single


class KerasHistory(NamedTuple):
    """Where a tensor comes from: output `tensor_index` of call `node_index` of `layer`."""

    layer: Any
    node_index: int
    tensor_index: int


def history(tensor: Any) -> KerasHistory | None:
    """Where a tensor comes from; None where no layer's call made it."""
    return getattr(tensor, "_keras_history", None)


def mask_of(tensor: Any) -> Any:
    """The mask that a layer attached to its output, or None."""
    return getattr(tensor, "_keras_mask", None)


def int_shape(x: Any) -> Any:
    """The static shape as a tuple with None for unknown lengths; None where the rank is unknown."""
    dims = x.get_shape().dims_tuple if hasattr(x, "get_shape") else None
    return dims if dims is None else tuple(dims)


class Node:
    """One call of a layer.

    Args:
      outbound_layer: the layer.
      input_tensors: the nested inputs of the call.
      output_tensors: the nested outputs.
      arguments: the call's keywords.
      connects: whether it is a call that makes its outputs; False for a network's own inputs and outputs.
    """

    def __init__(
        self,
        outbound_layer: Any,
        input_tensors: Any,
        output_tensors: Any,
        arguments: dict[str, Any] | None = None,
        connects: bool = True,
    ) -> None:
        self.outbound_layer = outbound_layer
        self.input_tensors, self.output_tensors = input_tensors, output_tensors
        self.arguments = arguments or {}
        given = nest.flatten(input_tensors) if input_tensors is not None and connects else []
        origins = [history(t) for t in given]
        places = [o for o in origins if o is not None]
        self._flat = [(o.layer, o.node_index, o.tensor_index) for o in places]
        named = [history(t) for t in nest.flatten(self.arguments) if isinstance(t, Tensor)]
        self._of_arguments = [(o.layer, o.node_index) for o in named if o is not None]
        if not places:
            self.inbound_layers = self.node_indices = self.tensor_indices = []
        else:
            pack = nest.pack_sequence_as
            self.inbound_layers = pack(input_tensors, [o.layer for o in places])
            self.node_indices = pack(input_tensors, [o.node_index for o in places])
            self.tensor_indices = pack(input_tensors, [o.tensor_index for o in places])
        self.input_shapes = (
            nest.map_structure(int_shape, input_tensors) if input_tensors is not None else None
        )
        self.output_shapes = nest.map_structure(int_shape, output_tensors)
        index = len(outbound_layer._inbound_nodes)
        outbound_layer._inbound_nodes.append(self)
        for layer in [*[o.layer for o in places], *[layer for layer, _ in self._of_arguments]]:
            layer._outbound_nodes.append(self)
        for i, tensor in enumerate(nest.flatten(output_tensors) if connects else []):
            tensor._keras_history = KerasHistory(outbound_layer, index, i)

    @property
    def layer(self) -> Any:
        """The layer that was called."""
        return self.outbound_layer

    @property
    def index(self) -> int:
        """The number of the call."""
        return self.outbound_layer._inbound_nodes.index(self)

    def iterate_inbound(self) -> Iterator[tuple[Any, int, int, Any]]:
        """(layer, number of its call, number of its output, tensor) of each input."""
        if self._flat:
            for (layer, node, place), tensor in zip(
                self._flat, nest.flatten(self.input_tensors), strict=True
            ):
                yield layer, node, place, tensor

    def parents(self) -> list[Node]:
        """The calls that made the inputs, then those that made the arguments."""
        made = [(layer, index) for layer, index, _ in self._flat]
        return [layer._inbound_nodes[index] for layer, index in [*made, *self._of_arguments]]

    def get_config(self) -> dict[str, Any]:
        """The layers, calls and outputs that it joins, by name."""
        names = nest.map_structure(lambda layer: layer.name, self.inbound_layers)
        return {
            "outbound_layer": self.outbound_layer.name,
            "inbound_layers": names,
            "node_indices": self.node_indices,
            "tensor_indices": self.tensor_indices,
        }


def reaches_history(tensors: Any) -> bool:
    """Whether a tensor that a layer made is among `tensors` or what they are computed from."""
    pending = [t for t in nest.flatten(tensors) if isinstance(t, Tensor)]
    seen: set[Any] = set()
    while pending:
        tensor = pending.pop()
        if history(tensor) is not None:
            return True
        if tensor.op not in seen:
            seen.add(tensor.op)
            pending.extend(tensor.op.inputs)
    return False


def reachable_from(inputs: list[Any]) -> Callable[[Any], bool]:
    """A test whether a tensor or operation depends on one of `inputs`."""
    seen: set[Any] = set()
    pending = [i for i in inputs if isinstance(i, Tensor)]
    tensors = set(pending)
    while pending:
        for op in pending.pop().consumers():
            if op not in seen:
                seen.add(op)
                for output in op.outputs:
                    if output not in tensors:
                        tensors.add(output)
                        pending.append(output)

    def test(thing: Any) -> bool:
        if isinstance(thing, Tensor):
            return thing in tensors
        return getattr(thing, "op", thing) in seen

    return test


def at(layer: Any, index: int, attribute: str, what: str) -> Any:
    """An attribute of a layer's call number `index`, without a list around a single one.

    Raises:
      RuntimeError: the layer was never called.
      ValueError: it was not called so often.
    """
    nodes = layer._inbound_nodes
    if not nodes:
        raise RuntimeError(f"The layer has never been called and thus has no defined {what}.")
    if not len(nodes) > index:
        raise ValueError(
            f"Asked to get {what} at node {index}, but the layer has only {len(nodes)} inbound nodes."
        )
    value = getattr(nodes[index], attribute)
    return single(value) if isinstance(value, list) else value
