"""A model made anew in another graph: to train, to be evaluated, or to predict."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from millrace.core import nest
from millrace.lib.layers import settings
from millrace.lib.layers.layer import Layer
from millrace.lib.variables.variable import Variable
from millrace.models.keras.engine.cloning import clone_model, same_layer
from millrace.models.keras.engine.model import Model
from millrace.models.keras.metrics.base import Metric
from millrace.models.keras.optimizers.base import Optimizer
from millrace.models.keras.optimizers.named import TFOptimizer


def fixed_phase(training: bool) -> None:
    """Sets the default graph's learning phase, before anything is made that reads it."""
    settings.set_learning_phase(int(training))


def is_subclassed(model: Any) -> bool:
    """Whether it is defined by `call`, so that its layers cannot be listed without a call."""
    return not model._is_graph_network and not hasattr(model, "_stack")


class Recipe:
    """How a model is made in other graphs, as it is now.

    Args:
      model: the model; it is left as it is.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.by_call = is_subclassed(model)
        self._optimizer = _optimizer_maker(model.optimizer) if model._is_compiled else None

    def made(self, inputs: Any = None, targets: Any = None, steps: Any = None, compiled: bool = True) -> Any:
        """The model in the default graph, compiled as it was.

        Args:
          inputs: tensors to make it on; default: new placeholders.
          targets: what is true, as tensors; default: placeholders.
          steps: the variable that counts the steps; default: one of the optimizer's own.
          compiled: whether it is to be trained or evaluated.
        """
        if self.by_call:
            found = _uncalled(self.model)
            found._begin_with(inputs, [f"input_{k + 1}" for k in range(len(nest.flatten(inputs)))])
        else:
            found = clone_model(self.model, input_tensors=inputs)
        if compiled:
            self._compile(found, targets, steps)
        return found

    def _compile(self, made: Any, targets: Any, steps: Any) -> None:
        loss, metrics, loss_weights, mode, weighted_metrics = self.model._compile_arguments
        optimizer = self._optimizer(steps)  # type: ignore[misc]
        made.compile(
            optimizer,
            loss,
            metrics=_copied(metrics),
            loss_weights=loss_weights,
            sample_weight_mode=mode,
            weighted_metrics=_copied(weighted_metrics),
            target_tensors=targets,
        )


def _optimizer_maker(optimizer: Any) -> Callable[[Any], Any]:
    """What makes equal optimizers, given the counter of their steps or None; the settings are read now."""
    if isinstance(optimizer, TFOptimizer):
        return lambda steps: TFOptimizer(optimizer.optimizer, steps)
    if not isinstance(optimizer, Optimizer):
        return lambda steps: _counting(optimizer, steps)
    kept = [v for v in optimizer._hyper.values() if isinstance(v, Variable)]
    with kept[0].graph.as_default() if kept else contextlib.nullcontext():
        config = optimizer.get_config()
    return lambda steps: _counting(type(optimizer).from_config(config), steps)


def _counting(optimizer: Any, steps: Any) -> Any:
    if steps is not None:
        optimizer.iterations = steps
    return optimizer


def _uncalled(model: Any) -> Any:
    """A model that is defined by `call`, with new layers in place of its own."""
    kind: Any = type(model)
    found = kind.__new__(kind)
    Model.__init__(found, name=model.name)
    for name, value in vars(model).items():
        if name in model._tracked:
            setattr(found, name, nest.map_structure(_new, value))
        elif name not in vars(found):
            setattr(found, name, value)
    return found


def _new(value: Any) -> Any:
    if not isinstance(value, Layer):
        return value
    return _uncalled(value) if isinstance(value, Model) and is_subclassed(value) else same_layer(value)


def _copied(metrics: Any) -> Any:
    """Metrics without the variables of objects among them; nested alike."""
    if isinstance(metrics, Metric):
        return type(metrics).from_config(metrics.get_config())
    if isinstance(metrics, dict):
        return {name: _copied(one) for name, one in metrics.items()}
    if isinstance(metrics, list | tuple):
        return [_copied(one) for one in metrics]
    return metrics
