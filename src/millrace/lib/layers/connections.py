"""The calls of a layer: their inputs, outputs, shapes and masks."""

from __future__ import annotations

from typing import Any

from millrace.lib.layers.node import at, mask_of


class Connected:
    """The calls that were made of a layer, by number, and of the only one."""

    name: Any
    _inbound_nodes: list[Any]
    _outbound_nodes: list[Any]

    @property
    def inbound_nodes(self) -> list[Any]:
        """The calls of this layer."""
        return self._inbound_nodes

    @property
    def outbound_nodes(self) -> list[Any]:
        """The calls that take its outputs."""
        return self._outbound_nodes

    def get_input_at(self, node_index: int) -> Any:
        """The inputs of call number `node_index`."""
        return at(self, node_index, "input_tensors", "input")

    def get_output_at(self, node_index: int) -> Any:
        """The outputs of call number `node_index`."""
        return at(self, node_index, "output_tensors", "output")

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shapes of the inputs of call number `node_index`."""
        return at(self, node_index, "input_shapes", "input shape")

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shapes of the outputs of call number `node_index`."""
        return at(self, node_index, "output_shapes", "output shape")

    def get_input_mask_at(self, node_index: int) -> Any:
        """The masks of the inputs of call number `node_index`."""
        inputs = self.get_input_at(node_index)
        return [mask_of(t) for t in inputs] if isinstance(inputs, list) else mask_of(inputs)

    def get_output_mask_at(self, node_index: int) -> Any:
        """The masks of the outputs of call number `node_index`."""
        outputs = self.get_output_at(node_index)
        return [mask_of(t) for t in outputs] if isinstance(outputs, list) else mask_of(outputs)

    def _first(self, what: str) -> int:
        if not self._inbound_nodes:
            raise AttributeError(f"Layer {self.name} is not connected, no {what} to return.")
        return 0

    @property
    def input(self) -> Any:
        """The inputs of the first call."""
        return self.get_input_at(self._first("input"))

    @property
    def output(self) -> Any:
        """The outputs of the first call."""
        return self.get_output_at(self._first("output"))

    @property
    def input_mask(self) -> Any:
        """The masks of the inputs of the first call."""
        return self.get_input_mask_at(self._first("input"))

    @property
    def output_mask(self) -> Any:
        """The masks of the outputs of the first call."""
        return self.get_output_mask_at(self._first("output"))

    def _shape(self, attribute: str, what: str) -> Any:
        nodes = self._inbound_nodes
        if not nodes:
            raise AttributeError(f"The layer has never been called and thus has no defined {what} shape.")
        found = [getattr(node, attribute) for node in nodes]
        if any(str(f) != str(found[0]) for f in found):
            raise AttributeError(
                f'The layer "{self.name}" has multiple inbound nodes, with different {what} shapes. Hence '
                f"the notion of '{what} shape' is ill-defined. Use `get_{what}_shape_at(node_index)`."
            )
        return found[0]

    @property
    def input_shape(self) -> Any:
        """The shape of the inputs, where all calls agree."""
        return self._shape("input_shapes", "input")

    @property
    def output_shape(self) -> Any:
        """The shape of the outputs, where all calls agree."""
        return self._shape("output_shapes", "output")
