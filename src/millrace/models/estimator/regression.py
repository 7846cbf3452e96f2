"""Heads that predict numbers, and several heads on one model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.lib.losses.weighted import mean_squared_error
from millrace.lib.math.reductions import reduce_mean
from millrace.lib.metrics import means
from millrace.lib.nn.cross_entropy import log_poisson_loss, sigmoid_cross_entropy_with_logits
from millrace.lib.summary.operations import scalar
from millrace.models.estimator.export_outputs import PredictOutput, RegressionOutput
from millrace.models.estimator.heads import (
    HeadBase,
    LossSpec,
    checked_labels,
    checked_logits,
    training,
    with_penalties,
)
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.spec import EstimatorSpec
from millrace.ops.array.slicing import slice_
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import exp, sigmoid

_OVER_BATCH = "weighted_sum_over_batch_size"


class RegressionHeadBase(HeadBase):
    """Numbers. See `regression_head`."""

    _per_logit_weights = True

    def __init__(
        self,
        weight_column: Any = None,
        label_dimension: int = 1,
        loss_reduction: str = _OVER_BATCH,
        loss_fn: Any = None,
        inverse_link_fn: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        if label_dimension < 1:
            raise ValueError(f"Invalid label_dimension {label_dimension}.")
        super().__init__(name, weight_column, loss_reduction, loss_fn)
        self._logits_dimension, self._inverse_link_fn = label_dimension, inverse_link_fn

    @property
    def logits_dimension(self) -> int:
        """One for each number."""
        return self._logits_dimension

    def predictions(self, logits: Any, keys: Any = None) -> dict[str, Any]:
        """What the logits say."""
        del keys
        logits = cast(checked_logits(logits, self._logits_dimension), float32)
        if self._inverse_link_fn is None:
            return {"predictions": logits}
        return {"predictions": self._inverse_link_fn(logits), "logits": logits}

    def _processed(self, labels: Any, logits: Any) -> Any:
        return cast(checked_labels(labels, logits, self._logits_dimension), float32)

    def _losses(self, labels: Any, logits: Any) -> Any:
        return mean_squared_error(labels=labels, predictions=logits, reduction="none")

    def _exports(self, predictions: dict[str, Any]) -> dict[str, Any]:
        found = RegressionOutput(predictions["predictions"])
        return {"serving_default": found, "regression": found, "predict": PredictOutput(predictions)}

    def _metrics(self, predictions: Any, loss: LossSpec) -> dict[str, Any]:
        values = {
            "average_loss": loss.unreduced_loss,
            "prediction/mean": predictions["predictions"],
            "label/mean": loss.processed_labels,
        }
        found = {}
        for key, value in values.items():
            name = self._key(key)
            found[name] = means.mean(value, weights=loss.weights, name=name)
        return found


@public("contrib.estimator.regression_head")
def regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _OVER_BATCH,
    loss_fn: Any = None,
    inverse_link_fn: Callable[[Any], Any] | None = None,
    name: str | None = None,
) -> RegressionHeadBase:
    """A head for numbers, with the mean of squares as loss.

    Args:
      weight_column: the feature with weights, or None.
      label_dimension: how many numbers an example has.
      loss_reduction: how losses become one number.
      loss_fn: takes `labels` and `logits` and gives losses.
      inverse_link_fn: from logits to predictions.
      name: ends the names of metrics.
    """
    return RegressionHeadBase(weight_column, label_dimension, loss_reduction, loss_fn, inverse_link_fn, name)


def poisson_loss(compute_full_loss: bool) -> Callable[..., Any]:
    """The loss of counts, for a head."""

    def loss(labels: Any, logits: Any) -> Any:
        return log_poisson_loss(targets=labels, log_input=logits, compute_full_loss=compute_full_loss)

    return loss


@public("contrib.estimator.poisson_regression_head")
def poisson_regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _OVER_BATCH,
    compute_full_loss: bool = True,
    name: str | None = None,
) -> RegressionHeadBase:
    """A head for counts: the logits are logarithms of the means; arguments as for `regression_head`."""
    loss = poisson_loss(compute_full_loss)
    return RegressionHeadBase(weight_column, label_dimension, loss_reduction, loss, exp, name)


def logistic_loss(labels: Any, logits: Any) -> Any:
    """The loss of probabilities, for a head."""
    return sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)


@public("contrib.estimator.logistic_regression_head")
def logistic_regression_head(
    weight_column: Any = None, loss_reduction: str = _OVER_BATCH, name: str | None = None
) -> RegressionHeadBase:
    """A head for probabilities; arguments as for `regression_head`."""
    return RegressionHeadBase(weight_column, 1, loss_reduction, logistic_loss, sigmoid, name)


@public("contrib.estimator.python.estimator.multi_head._MultiHead")
class MultiHeadBase:
    """Several heads on one model. See `multi_head`."""

    def __init__(self, heads: Any, head_weights: Any = None) -> None:
        if not heads:
            raise ValueError(f"Must specify heads. Given: {heads}")
        if head_weights and len(head_weights) != len(heads):
            raise ValueError(
                f"heads and head_weights must have the same size. Given: {len(heads)} and {len(head_weights)}"
            )
        names = [head.name for head in heads]
        if not all(names):
            raise ValueError(f"All given heads must have name specified. Given: {heads}")
        if len(set(names)) != len(names):
            raise ValueError(f"The names of heads must differ. Given: {names}")
        self._heads, self._weights = tuple(heads), tuple(head_weights or ())

    @property
    def name(self) -> str:
        """All names."""
        return "_".join(head.name for head in self._heads)

    @property
    def logits_dimension(self) -> int:
        """Those of all heads together."""
        return sum(head.logits_dimension for head in self._heads)

    def _split(self, logits: Any) -> dict[str, Any]:
        if isinstance(logits, dict):
            missing = [head.name for head in self._heads if head.name not in logits]
            if missing:
                raise ValueError(f"logits lack heads: {missing}. Received: {sorted(logits)}")
            return logits
        found, start = {}, 0
        with name_scope(None, "split_logits", values=[logits]):
            rank = len(logits.get_shape())
            for head in self._heads:
                begin = [0] * (rank - 1) + [start]
                size = [-1] * (rank - 1) + [head.logits_dimension]
                found[head.name] = slice_(logits, begin, size)
                start += head.logits_dimension
        return found

    def create_loss(self, features: Any, mode: str, logits: Any, labels: Any) -> LossSpec:
        """The weighted sum of all losses, and by name those of the heads."""
        parts = self._split(logits)
        found = {
            head.name: head.create_loss(features, mode, parts[head.name], labels[head.name])
            for head in self._heads
        }
        losses = [found[head.name].training_loss for head in self._heads]
        scaled = [x * w for x, w in zip(losses, self._weights, strict=True)] if self._weights else losses
        with name_scope("merge_losses"):
            total = add_n(scaled)
        by_name = [
            {name: getattr(spec, field) for name, spec in found.items()} for field in LossSpec._fields[1:]
        ]
        return LossSpec(total, *by_name)

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Any = None,
        regularization_losses: Any = None,
        trainable_variables: Any = None,
        update_ops: Any = None,
    ) -> EstimatorSpec:
        """What a model function gives back; predictions are named by head and key."""
        parts = self._split(logits)

        def nothing(loss: Any) -> Any:
            return loss

        specs = [
            head.create_estimator_spec(
                features,
                mode,
                parts[head.name],
                labels=None if labels is None else labels[head.name],
                train_op_fn=nothing if mode == ModeKeys.TRAIN else None,
            )
            for head in self._heads
        ]
        predictions = {
            (head.name, key): value
            for head, spec in zip(self._heads, specs, strict=True)
            for key, value in spec.predictions.items()
        }
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions, export_outputs=self._exports(specs, predictions))
        losses = [spec.loss for spec in specs]
        scaled = [x * w for x, w in zip(losses, self._weights, strict=True)] if self._weights else losses
        total = with_penalties(add_n(scaled), regularization_losses)
        if mode == ModeKeys.EVAL:
            metrics: dict[str, Any] = {}
            for head, spec in zip(self._heads, specs, strict=True):
                metrics[f"loss/{head.name}"] = means.mean(reduce_mean(spec.loss), name=f"loss/{head.name}")
                metrics.update(spec.eval_metric_ops)
            return EstimatorSpec(mode, predictions, loss=total, eval_metric_ops=metrics)
        train_op = training(total, optimizer, train_op_fn, trainable_variables, update_ops)
        with name_scope(""):
            scalar("loss", total)
        return EstimatorSpec(mode, predictions, loss=total, train_op=train_op)

    def _exports(self, specs: list[Any], predictions: dict[Any, Any]) -> dict[str, Any]:
        key = "serving_default"
        found: dict[str, Any] = {key: specs[0].export_outputs[key]}
        for head, spec in zip(self._heads, specs, strict=True):
            for name, output in spec.export_outputs.items():
                found[head.name if name == key else f"{head.name}/{name}"] = output
        found["predict"] = PredictOutput({"/".join(k): v for k, v in predictions.items()})
        return found


@public("contrib.estimator.multi_head")
def multi_head(heads: Any, head_weights: Any = None) -> MultiHeadBase:
    """Several heads on one model: logits stand side by side, labels come by the heads' names.

    Args:
      heads: heads with names.
      head_weights: the weights of their losses; default, 1 each.

    Raises:
      ValueError: there are no heads, or their names or weights do not fit.
    """
    return MultiHeadBase(heads, head_weights)
