"""What a layer adds to the training of a model: updates, losses and metrics."""

from __future__ import annotations

import functools
from typing import Any

from millrace.building.convert import to_tensor
from millrace.core import dtypes, nest
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.layers import settings
from millrace.lib.layers.descendants import late
from millrace.lib.layers.node import reachable_from
from millrace.lib.layers.registry import calls
from millrace.lib.layers.weights import Weighted
from millrace.lib.variables.variable import Variable


class Collecting(Weighted):
    """A layer's updates, losses and metrics, and those of the layers inside it."""

    stateful: bool
    _updates: list[Any]
    _losses: list[Any]
    _callable_losses: list[Any]
    _metrics: list[Any]

    @property
    def updates(self) -> list[Any]:
        """Operations that training must run beside the step."""
        if not self.trainable and not self.stateful:
            return []
        return [*self._updates, *self._of_children("updates")]

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds operations that training must run beside the step.

        Args:
          updates: an operation, the result of an assignment, a function that makes one, or a list.
          inputs: ignored: whether an update depends on the inputs is seen in the graph.
        """
        relevant = nest.flatten(inputs) if inputs is not None else _relevant_inputs(self)
        test = None
        for update in settings.as_list(updates):
            update = update() if callable(update) else update
            if not isinstance(update, Operation):
                update = getattr(update, "op", None) or to_tensor(update).op
            if test is None:
                test = reachable_from(relevant)
            setattr(update, "_unconditional_update", not test(update))  # noqa: B010 - operations have slots
            self._updates.append(update)

    @property
    def losses(self) -> list[Any]:
        """Losses to add to the model's; those of weights are computed anew each time."""
        found = list(self._losses)
        for make in self._callable_losses:
            loss = make()
            if loss is not None:
                found.append(loss)
        return found + self._of_children("losses")

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds losses to the model's.

        Args:
          losses: a scalar tensor, a function that makes one, or a list.
          inputs: tensors that the losses depend on; None for losses of the layer's weights.
        """

        def made(loss: Any) -> Any:
            loss = loss() if callable(loss) else loss
            if loss is None:
                return None
            if not isinstance(loss, Tensor):
                loss = to_tensor(loss, dtypes.as_dtype(settings.floatx()))
            loss._unconditional_loss = inputs is None
            return loss

        for loss in nest.flatten(losses):
            if callable(loss) and not isinstance(loss, Tensor | Variable):
                self._callable_losses.append(functools.partial(made, loss))
            elif loss is not None:
                self._take_loss(made(loss))

    def _take_loss(self, loss: Any) -> None:
        self._losses.append(loss)

    @property
    def metrics(self) -> list[Any]:
        """Metrics that the layer and those inside it watch."""
        return [*self._metrics, *self._of_children("metrics")]

    def add_metric(self, value: Any, aggregation: str | None = None, name: str | None = None) -> None:
        """Watches a tensor while training.

        Args:
          value: the tensor, or the result of a metric.
          aggregation: "mean" averages it over the batches; None for the result of a metric.
          name: what the figure is called.

        Raises:
          ValueError: the name or the aggregation is missing.
        """
        if aggregation is not None and aggregation != "mean":
            raise ValueError(
                "We currently support only `mean` sample-wise metric aggregation. You provided "
                f"aggregation=`{aggregation}`"
            )
        metric = getattr(value, "_metric_obj", None)
        if name is None and metric is None:
            raise ValueError(
                "Please provide a name for your metric like "
                "`self.add_metric(tf.reduce_sum(inputs), name='mean_activation', aggregation='mean')`"
            )
        if not calls.in_call and not settings.symbolic(value):
            raise ValueError(f"Expected a symbolic Tensor for the metric value, received: {value}")
        self._watch(value, aggregation, name if metric is None else metric.name)

    def _watch(self, value: Any, aggregation: str | None, name: Any) -> None:
        known = [m for m in self._metrics if m.name == name]
        if len(known) > 1:
            raise ValueError(
                "Please provide different names for the metrics you have added. We found "
                f'{len(known)} metrics with the name: "{name}"'
            )
        if aggregation is not None:
            metric = known[0] if known else late.mean(name=name)
            metric(value)
        elif known:
            return
        elif (metric := getattr(value, "_metric_obj", None)) is None:
            raise ValueError(
                "Please provide `aggregation` for a metric that is a tensor: "
                f"`self.add_metric(value, name={name!r}, aggregation='mean')`"
            )
        if not known:
            self._metrics.append(metric)

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The updates that depend on `inputs`, or for None those that depend on none."""
        if inputs is None:
            return [u for u in self.updates if getattr(u, "_unconditional_update", True)]
        test = reachable_from(nest.flatten(inputs))
        found = [u for u in self.updates if not getattr(u, "_unconditional_update", True)]
        return [u for u in found if test(u)]

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses that depend on `inputs`, or for None those of weights."""
        if inputs is None:
            return [loss for loss in self.losses if getattr(loss, "_unconditional_loss", True)]
        test = reachable_from(nest.flatten(inputs))
        found = [loss for loss in self.losses if not getattr(loss, "_unconditional_loss", True)]
        return [loss for loss in found if test(loss)]


def _relevant_inputs(layer: Any) -> list[Any]:
    """The inputs of the call in progress, or of a layer's calls so far."""
    if calls.in_call:
        return nest.flatten(calls.inputs[-1])
    return [t for node in layer._inbound_nodes for t in nest.flatten(node.input_tensors)]
