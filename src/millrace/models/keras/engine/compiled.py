"""What `compile` makes of a model: outputs with their losses, weights and metrics, and the total loss."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.lib.layers import tracking
from millrace.lib.layers.node import mask_of
from millrace.models.keras.backend import session
from millrace.models.keras.engine import compiling, data
from millrace.models.keras.engine.compiling import Endpoint
from millrace.models.keras.engine.network import Network
from millrace.models.keras.metrics.base import Metric
from millrace.models.keras.optimizers import named as optimizers


class Compiled(Network):
    """A network with an optimizer, losses and metrics."""

    _endpoints: list[Endpoint]
    _compile_metrics: list[Any]
    _functions: dict[str, Any]  # what runs a batch, by kind
    _collected_trainable_weights: list[Any]  # those that `compile` found

    def _init_base(self, name: str | None, **kwargs: Any) -> None:
        super()._init_base(name, **kwargs)
        object.__setattr__(self, "_endpoints", [])
        object.__setattr__(self, "_compile_metrics", [])
        object.__setattr__(self, "_functions", {})
        self.optimizer: Any = None
        self.loss: Any = None

    # --- compiling ------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        distribute: Any = None,
        **kwargs: Any,
    ) -> None:
        """Prepares the model for training.

        Args:
          optimizer: a name, an optimizer of Keras, or one of `tf.train`.
          loss: a name, function or object; a list, or a dict by output, for several outputs.
          metrics: names, functions or objects; nested lists, or a dict by output, for several outputs.
          loss_weights: the losses' factors, a list or a dict by output.
          sample_weight_mode: "temporal" for weights of each time step.
          weighted_metrics: metrics that sample and class weights weigh.
          target_tensors: what is true, as tensors, instead of placeholders.
          distribute: refused unless None.
          **kwargs: `run_eagerly`, accepted where it asks for nothing; arguments of `Session.run`.

        Raises:
          ValueError: something is unknown, does not fit the outputs, or there is no loss.
        """
        if kwargs.pop("run_eagerly", None):
            raise ValueError("A model is part of a graph: run_eagerly=True is not supported.")
        kwargs.pop("experimental_run_tf_function", None)
        if distribute is not None:
            raise ValueError(
                f"compile: distribute is not supported; use a strategy's scope. Received: {distribute}"
            )
        self._function_kwargs = kwargs
        several = isinstance(optimizer, list | tuple)  # for models that share them out, as WideDeepModel does
        self.optimizer = [optimizers.get(o) for o in optimizer] if several else optimizers.get(optimizer)
        self.loss = loss or {}
        self.loss_weights = loss_weights
        self.sample_weight_mode = sample_weight_mode
        self._compile_arguments = (loss, metrics, loss_weights, sample_weight_mode, weighted_metrics)
        self._is_compiled = True
        if self.built and self.outputs:
            self._compile(target_tensors)

    def _compile(self, target_tensors: Any = None) -> None:
        loss, metrics, loss_weights, mode, weighted_metrics = self._compile_arguments
        names = self.output_names
        found = compiling.losses_for(loss, names)
        self.loss_functions = found
        endpoints = [
            Endpoint(output, name, one, weight)
            for output, name, one, weight in zip(
                self.outputs, names, found, compiling.weights_for(loss_weights, names), strict=True
            )
        ]
        for endpoint, one in zip(endpoints, compiling.modes_for(mode, names), strict=True):
            endpoint.mode = one
        targets = _by_name(target_tensors, names)
        for endpoint, target in zip(endpoints, targets, strict=True):
            endpoint.make_target(target)
        object.__setattr__(self, "_endpoints", endpoints)
        object.__setattr__(self, "_functions", {})
        self._make_metrics(metrics, weighted_metrics)
        masks = [mask_of(t) for t in self.outputs]
        self._call_metrics("metrics", masks)
        self._weights_in_use: tuple[bool, ...] = tuple(e.mode is not None for e in endpoints)
        self._compile_losses()
        object.__setattr__(self, "_collected_trainable_weights", self.trainable_weights)

    def _make_metrics(self, metrics: Any, weighted_metrics: Any) -> None:
        object.__setattr__(self, "_compile_metrics", [])
        plain = compiling.metrics_for(metrics, self._endpoints)
        weighted = compiling.metrics_for(weighted_metrics, self._endpoints)
        taken = list(self.metrics_names)
        for endpoint, one, other in zip(self._endpoints, plain, weighted, strict=True):
            if endpoint.loss is None and endpoint.target is None:
                continue
            endpoint.metrics = self._renamed(compiling.metric_objects(one, endpoint, False), endpoint, taken)
            endpoint.weighted_metrics = self._renamed(
                compiling.metric_objects(other, endpoint, True), endpoint, taken
            )
            self._compile_metrics.extend(endpoint.metrics.values())
            self._compile_metrics.extend(endpoint.weighted_metrics.values())
        if len(self._endpoints) > 1:
            for endpoint in self._endpoints:
                if endpoint.loss is not None:
                    endpoint.loss_metric = compiling.loss_metric(endpoint.loss_name)

    def _renamed(self, metrics: dict[str, Any], endpoint: Endpoint, taken: list[str]) -> dict[str, Any]:
        found = {}
        for name, metric in metrics.items():
            base = f"{endpoint.name}_{name}" if len(self._endpoints) > 1 else name
            unique, count = base, 1
            while unique in taken:
                unique, count = f"{base}_{count}", count + 1
            taken.append(unique)
            metric._name = unique
            found[unique] = metric
        return found

    def _call_metrics(self, which: str, masks: list[Any]) -> None:
        with name_scope("metrics"):
            for endpoint, mask in zip(self._endpoints, masks, strict=True):
                if endpoint.target is None:
                    continue
                weights = endpoint.sample_weight if which == "weighted_metrics" else None
                for name, metric in getattr(endpoint, which).items():
                    with name_scope(name):
                        compiling.called(metric, endpoint.target, endpoint.output, weights, mask)

    def _compile_losses(self) -> None:
        """Makes the total loss and what depends on the weights of samples."""
        for endpoint, used in zip(self._endpoints, self._weights_in_use, strict=True):
            endpoint.make_sample_weight(used)
        masks = [mask_of(t) for t in self.outputs]
        self._call_metrics("weighted_metrics", masks)

        def extra() -> list[Any]:
            return self._extra_losses()

        self.total_loss = compiling.total_loss(self._endpoints, masks, extra, lambda: bool(self.losses))
        object.__setattr__(self, "_functions", {})

    def _extra_losses(self) -> list[Any]:
        return [*self.get_losses_for(None), *self.get_losses_for(self.inputs)]

    def _use_weights(self, used: tuple[bool, ...]) -> None:
        """Takes over which outputs' samples have weights; the losses are made anew where that changes."""
        if used != self._weights_in_use:
            self._weights_in_use = used
            self._compile_losses()

    @property
    def run_eagerly(self) -> bool:
        """False: models are part of a graph."""
        return False

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        if value:
            raise ValueError("A model is part of a graph: run_eagerly=True is not supported.")

    @property
    def sample_weights(self) -> list[Any]:
        """The placeholders of the samples' weights, None where there are none."""
        return [e.sample_weight for e in self._endpoints]

    @property
    def targets(self) -> list[Any]:
        """The placeholders of what is true."""
        return [e.target for e in self._endpoints if e.target is not None]

    @property
    def metrics(self) -> list[Any]:
        """The metrics: those given to `compile`, then those of layers; of a model inside what it was compiled
        with is its own.
        """
        found = list(self._compile_metrics) if self._is_compiled else []
        return tracking.unique([*found, *self._added_metrics()])

    def _added_metrics(self) -> list[Any]:
        """The metrics that were added to this model and to the layers in it."""
        found = list(self._metrics)
        for inner in self._layers:
            found.extend(inner._added_metrics() if isinstance(inner, Compiled) else inner.metrics)
        return found

    @property
    def metrics_names(self) -> list[str]:
        """The names of the results: "loss", the outputs' losses where there are several, the metrics."""
        names = ["loss"]
        if self._is_compiled:
            if len(self._endpoints) > 1:
                names.extend(e.loss_name for e in self._endpoints if e.loss is not None)
            names.extend(m.name for m in self._compile_metrics)
        found = [m for layer in self.layers for m in layer._metrics]
        return [*names, *[m.name for m in [*found, *self._metrics]]]

    def reset_metrics(self) -> None:
        """Sets all metrics to their beginning."""
        metrics = self._all_metrics()
        plain = [m for m in metrics if type(m).reset_states is Metric.reset_states]
        session.batch_set_value([(v, 0) for m in plain for v in m.variables])
        for metric in metrics:
            if type(metric).reset_states is not Metric.reset_states:
                metric.reset_states()

    def _all_metrics(self) -> list[Any]:
        losses = [e.loss_metric for e in self._endpoints if e.loss_metric is not None]
        return [*losses, *self.metrics]


def _by_name(tensors: Any, names: list[str]) -> list[Any]:
    """One target tensor, or None, for each output.

    Raises:
      ValueError: there is another number of them, or an output is unknown.
      TypeError: they are something else.
    """
    if tensors is None or (isinstance(tensors, list) and not tensors):
        return [None] * len(names)
    if isinstance(tensors, dict):
        for name in tensors:
            if name not in names:
                raise ValueError(
                    f'Unknown entry in `target_tensors` dictionary: "{name}". Only expected: {names}'
                )
        return [tensors.get(name) for name in names]
    if isinstance(tensors, list | tuple):
        if len(tensors) != len(names):
            raise ValueError(
                "When passing a list as `target_tensors`, it should have one entry per model output. The "
                f"model has {len(names)} outputs, but you passed target_tensors={tensors}"
            )
        return list(tensors)
    if data.is_symbolic(tensors):
        return [tensors]
    raise TypeError(
        f"Expected `target_tensors` to be a list or tuple or dict or a single tensor, but got: {tensors}"
    )
