"""What `compile` makes of losses, weights and metrics: one endpoint for each output."""

from __future__ import annotations

import warnings
from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.lib.layers import settings
from millrace.lib.layers.node import int_shape
from millrace.models.keras.backend import arrays
from millrace.models.keras.losses import classes, functions, weighting
from millrace.models.keras.losses import classes as loss_table
from millrace.models.keras.metrics import accuracy, named
from millrace.models.keras.metrics.base import Mean, MeanMetricWrapper, Metric
from millrace.ops.array.constant import constant, placeholder_with_default
from millrace.ops.math.cast import cast

_WORDS = {"accuracy": "acc", "acc": "acc", "crossentropy": "ce", "ce": "ce"}


class Endpoint:
    """One output while training.

    Attributes:
      output: the output.
      name: its name.
      loss: the loss object, or None.
      weight: the loss's factor in the total.
      mode: None, or "temporal": weights for each time step.
      target: the placeholder or tensor of what is true; None without a loss.
      fed: whether the target is fed.
      sample_weight: the placeholder of weights, where they are fed.
      loss_metric: the mean of the loss, where there are several outputs.
    """

    def __init__(self, output: Any, name: str, loss: Any, weight: float) -> None:
        self.output, self.name, self.loss, self.weight = output, name, loss, weight
        self.mode: str | None = None
        self.target: Any = None
        self.fed = True
        self.sample_weight: Any = None
        self.loss_metric: Any = None
        self.metrics: dict[str, Any] = {}
        self.weighted_metrics: dict[str, Any] = {}

    @property
    def loss_name(self) -> str:
        """The name of the output's loss."""
        return self.name + "_loss"

    def make_target(self, given: Any) -> None:
        """Makes the placeholder of what is true, or takes a tensor."""
        if self.loss is None and given is None:
            return
        if given is not None and not arrays.is_sparse(given):
            self.target, self.fed = (
                given,
                getattr(given, "op", None) is not None and (given.op.type.startswith("Placeholder")),
            )
            return
        self.target = arrays.placeholder(
            ndim=arrays.ndim(self.output), name=self.name + "_target", dtype=arrays.dtype(self.output)
        )

    def make_sample_weight(self, used: bool) -> None:
        """Makes the placeholder of weights, or forgets it."""
        if not used or self.loss is None:
            self.sample_weight = None
        elif self.mode == "temporal":
            self.sample_weight = placeholder_with_default(
                constant([[1.0]], dtype=_floatx()), [None, None], name=self.name + "_sample_weights"
            )
        else:
            self.sample_weight = placeholder_with_default(
                constant([1.0], dtype=_floatx()), [None], name=self.name + "_sample_weights"
            )


def _floatx() -> dtypes.DType:
    return dtypes.as_dtype(settings.floatx())


def loss_of(loss: Any) -> Any:
    """A loss object, or None, of a name, a function or an object."""
    if loss is None or isinstance(loss, classes.Loss):
        return loss
    found = loss_table.get(loss)
    if isinstance(found, classes.Loss | type):
        return found() if isinstance(found, type) else found
    if not hasattr(found, "__name__"):
        return found
    return classes.LossFunctionWrapper(found, name=found.__name__, reduction=weighting.SUM_OVER_BATCH_SIZE)


def _unknown(what: str, given: dict[str, Any], names: list[str]) -> None:
    for name in given:
        if name not in names:
            raise ValueError(
                f"Unknown entries in {what} dictionary: ['{name}']. Only expected following keys: {names}"
            )


def losses_for(loss: Any, names: list[str]) -> list[Any]:
    """One loss for each output.

    Args:
      loss: one for all, a list, or a dict by output.
      names: the outputs' names.

    Raises:
      ValueError: an output is unknown, or there is another number of losses.
    """
    if isinstance(loss, dict):
        _unknown("loss", loss, names)
        for name in names:
            if name not in loss:
                warnings.warn(
                    f"Output {name} missing from loss dictionary. We assume this was done on purpose. The "
                    f"fit and evaluate APIs will not be expecting any data to be passed to {name}.",
                    stacklevel=4,
                )
        return [loss_of(loss.get(name)) for name in names]
    if isinstance(loss, list | tuple):
        if len(loss) != len(names):
            raise ValueError(
                "When passing a list as loss, it should have one entry per model outputs. The model has "
                f"{len(names)} outputs, but you passed loss={loss}"
            )
        return [loss_of(one) for one in loss]
    found = loss_of(loss)
    return [found for _ in names]


def weights_for(loss_weights: Any, names: list[str]) -> list[float]:
    """One factor for each output's loss.

    Raises:
      ValueError: an output is unknown, or there is another number of factors.
      TypeError: they are neither a list nor a dict.
    """
    if loss_weights is None:
        return [1.0] * len(names)
    if isinstance(loss_weights, dict):
        _unknown("loss_weights", loss_weights, names)
        return [loss_weights.get(name, 1.0) for name in names]
    if isinstance(loss_weights, list | tuple):
        if len(loss_weights) != len(names):
            raise ValueError(
                "When passing a list as loss_weights, it should have one entry per model output. The model "
                f"has {len(names)} outputs, but you passed loss_weights={loss_weights}"
            )
        return list(loss_weights)
    raise TypeError(f"Could not interpret loss_weights argument: {loss_weights} - expected a list of dicts.")


def modes_for(mode: Any, names: list[str]) -> list[Any]:
    """How the weights of each output's samples are shaped: None or "temporal".

    Raises:
      ValueError: an output is unknown, or there is another number of modes.
    """
    if isinstance(mode, dict):
        _unknown("sample_weight_mode", mode, names)
        return [mode.get(name) for name in names]
    if isinstance(mode, list | tuple):
        if len(mode) != len(names):
            raise ValueError(
                "When passing a list as sample_weight_mode, it should have one entry per model output. The "
                f"model has {len(names)} outputs, but you passed {len(mode)} sample_weight_modes."
            )
        return list(mode)
    return [mode for _ in names]


# --- metrics ------------------------------------------------------------------------------------------------


def metrics_for(metrics: Any, endpoints: list[Endpoint]) -> list[list[Any]]:
    """The metrics of each output.

    Args:
      metrics: one list for all, nested lists, or a dict by output.
      endpoints: the outputs.

    Raises:
      ValueError: an output is unknown.
      TypeError: it is neither a list nor a dict.
    """
    names = [e.name for e in endpoints]
    if not metrics:
        return [[] for _ in names]
    if isinstance(metrics, dict):
        _unknown("metrics", metrics, names)
        return [list(_listed(metrics.get(name, []))) for name in names]
    if isinstance(metrics, list | tuple):
        if any(isinstance(m, list | tuple) for m in metrics):
            if len(metrics) != len(names):
                raise ValueError(
                    "When passing a list of lists as `metrics`, it should have one entry per model output. "
                    f"The model has {len(names)} outputs, but you passed metrics={metrics}"
                )
            return [list(_listed(m)) for m in metrics]
        if len(names) > 1:
            return [[_copied(m) for m in metrics] for _ in names]
        return [list(metrics)]
    raise TypeError(
        f"Type of `metrics` argument not understood. Expected a list or dictionary, found: {metrics}"
    )


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


def _copied(metric: Any) -> Any:
    if isinstance(metric, Metric):
        return type(metric).from_config(metric.get_config())
    return metric


def metric_name(metric: Any, weighted: bool) -> str:
    """What a metric is called in the results."""
    prefix = "weighted_" if weighted else ""
    if isinstance(metric, str) and metric in _WORDS:
        return prefix + _WORDS[metric]
    found = named.get(metric)
    return prefix + (found.name if hasattr(found, "name") else found.__name__)


def metric_function(metric: Any, shape: Any, loss: Any) -> Any:
    """The function or object of a metric; "accuracy" and "crossentropy" depend on output and loss."""
    if metric not in _WORDS if isinstance(metric, str) else True:
        return named.get(metric)
    fn = getattr(loss, "fn", None)
    sparse = isinstance(loss, classes.SparseCategoricalCrossentropy) or (
        fn is functions.sparse_categorical_crossentropy
    )
    binary = isinstance(loss, classes.BinaryCrossentropy) or fn is functions.binary_crossentropy
    binary = binary or (bool(shape) and shape[-1] == 1)
    if _WORDS[metric] == "acc":
        if binary:
            return accuracy.binary_accuracy
        return accuracy.sparse_categorical_accuracy if sparse else accuracy.categorical_accuracy
    if binary:
        return functions.binary_crossentropy
    if sparse:
        return functions.sparse_categorical_crossentropy
    return functions.categorical_crossentropy


def metric_objects(metrics: list[Any], endpoint: Endpoint, weighted: bool) -> dict[str, Any]:
    """The metric objects of an output by name."""
    found: dict[str, Any] = {}
    for metric in metrics:
        name = metric_name(metric, weighted)
        made = metric_function(metric, int_shape(endpoint.output), endpoint.loss)
        if isinstance(made, type):
            made = made()
        if not isinstance(made, Metric):
            made = MeanMetricWrapper(made, name=name)
        found[name] = made
    return found


def called(metric: Any, y_true: Any, y_pred: Any, weights: Any = None, mask: Any = None) -> Any:
    """The result of a metric after a batch, of which a mask and weights may leave parts out."""
    if mask is not None:
        mask = cast(mask, y_pred.dtype)
        if weights is None:
            weights = mask
        else:
            weights = weighting.weights_for(mask, cast(weights, y_pred.dtype)) * mask
    if y_pred is not None:
        return metric(y_true, y_pred, sample_weight=weights)
    return metric(y_true, sample_weight=weights)


# --- the total ----------------------------------------------------------------------------------------------


def total_loss(endpoints: list[Endpoint], masks: list[Any], extra: Any, has_losses: Any) -> Any:
    """The sum of the outputs' losses, weighted, and of the layers'.

    Args:
      endpoints: the outputs.
      masks: their masks.
      extra: a function that gives the layers' losses.
      has_losses: a function that tells whether layers have losses.

    Raises:
      ValueError: there is no loss at all.
    """
    total = None
    with name_scope("loss"):
        for endpoint, mask in zip(endpoints, masks, strict=True):
            if endpoint.loss is None:
                continue
            with name_scope(endpoint.loss_name):
                loss = _output_loss(endpoint, mask)
            if len(endpoints) > 1:
                endpoint.loss_metric(loss)
            weighted = endpoint.weight * loss
            total = weighted if total is None else total + weighted
        if total is None:
            if not has_losses():
                raise ValueError("The model cannot be compiled because it has no loss to optimize.")
            total = 0.0
        losses = extra()
        if losses:
            total = total + (losses[0] if len(losses) == 1 else raw.AddN(losses))
    return total


def _output_loss(endpoint: Endpoint, mask: Any) -> Any:
    y_true, y_pred, weights = endpoint.target, endpoint.output, endpoint.sample_weight
    if mask is not None:
        mask = cast(mask, y_pred.dtype)
        weights = mask if weights is None else weighting.weights_for(mask, weights) * mask
    loss = endpoint.loss
    if not hasattr(loss, "reduction"):
        return loss(y_true, y_pred, sample_weight=weights)
    each = loss.call(y_true, y_pred)
    found = weighting.compute_weighted_loss(each, weights, reduction=weighting.NONE)
    reduction = loss.reduction
    if reduction == weighting.AUTO:
        reduction = weighting.SUM_OVER_BATCH_SIZE
    return weighting.reduce_weighted_loss(found, reduction)


def loss_metric(name: str) -> Mean:
    """The metric that averages an output's loss."""
    return Mean(name=name)
