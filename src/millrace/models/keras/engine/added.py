"""Layers for losses and metrics of tensors that are added to a network, and how such layers join it."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.lib.layers.layer import Layer
from millrace.models.keras.engine.operations import adopt
from millrace.models.keras.engine.ordering import Order, order_of


@public("python.keras.engine.base_layer.AddLoss")
class AddLoss(Layer):
    """Adds its input to the losses.

    Args:
      unconditional: whether the loss does not depend on the network's inputs.
      **kwargs: as for `Layer`.
    """

    def __init__(self, unconditional: bool, **kwargs: Any) -> None:
        kwargs["autocast"] = False
        super().__init__(**kwargs)
        self.unconditional = unconditional

    def call(self, inputs: Any) -> Any:
        """The input, which becomes a loss."""
        self.add_loss(inputs, inputs=not self.unconditional)
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "unconditional": self.unconditional}


@public("python.keras.engine.base_layer.AddMetric")
class AddMetric(Layer):
    """Watches its input.

    Args:
      aggregation: "mean" averages it over the batches; None for the result of a metric.
      metric_name: what the figure is called.
      **kwargs: as for `Layer`.
    """

    def __init__(self, aggregation: str | None = None, metric_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.aggregation = aggregation
        self.metric_name = metric_name

    def call(self, inputs: Any) -> Any:
        """The input, which is watched."""
        self.add_metric(inputs, self.aggregation, self.metric_name)
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "aggregation": self.aggregation, "metric_name": self.metric_name}


def joined(inputs: list[Any], tensor: Any, layer: Layer) -> tuple[list[Any], list[Layer]]:
    """Calls a layer on a tensor computed from a network's inputs.

    Args:
      inputs: the network's inputs.
      tensor: what operations or layers computed from them; each operation becomes a layer.
      layer: a new layer.

    Returns:
      The calls that lead from the inputs to the layer's output, and their layers.

    Raises:
      ValueError: the tensor depends on other inputs.
    """
    adopt(tensor)
    order = order_of(inputs, [tensor])
    layer(tensor)
    nodes = [node for found in order.by_depth.values() for node in found]
    return [*nodes, *layer._inbound_nodes], [*order.layers, layer]


def insert(order: Order, nodes: list[Any]) -> None:
    """Adds calls to those of a network: each comes after those that it takes from, and after the outputs.

    Args:
      order: the network's calls; new ones are added to it.
      nodes: calls, of which the network may have some.

    Raises:
      ValueError: a call takes from one that cannot be computed.
    """
    depths = {node: depth for depth, found in order.by_depth.items() for node in found}
    known, members = set(depths), {*depths, *nodes}
    waiting = list(nodes)
    while waiting:
        still = []
        for node in waiting:
            parents = [parent for parent in node.parents() if parent in members]
            if not all(parent in depths for parent in parents):
                still.append(node)
            elif node not in known:
                depth = min([0, *(depths[parent] for parent in parents)]) - 1
                known.add(node)
                depths[node] = depth
                order.by_depth.setdefault(depth, []).append(node)
                order.nodes.append(node)
        if len(still) == len(waiting):
            raise ValueError("Layers could not be added due to missing dependencies.")
        waiting = still
