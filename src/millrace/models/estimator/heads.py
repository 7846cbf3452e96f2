"""Heads: what stands on top of a model's logits: predictions, loss, metrics, and what is exported."""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.defaults import get_default_graph
from millrace.lib.flow.control_flow import group
from millrace.lib.losses.weighted import compute_weighted_loss
from millrace.lib.metrics import means
from millrace.lib.summary.operations import scalar
from millrace.models.estimator.export_outputs import PredictOutput
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.spec import EstimatorSpec
from millrace.models.feature_columns.base import FeatureCache
from millrace.models.feature_columns.numeric import NumericColumn, numeric_column
from millrace.ops.array.constant import identity
from millrace.ops.array.reshape import expand_dims
from millrace.ops.math.arithmetic import add_n
from millrace.ops.math.cast import cast
from millrace.training.global_step import get_global_step

LossSpec = namedtuple("LossSpec", ("training_loss", "unreduced_loss", "weights", "processed_labels"))
_REDUCTIONS = (
    "weighted_sum",
    "weighted_sum_over_batch_size",
    "weighted_mean",
    "weighted_sum_by_nonzero_weights",
)


def checked_reduction(reduction: str) -> str:
    """The name of a reduction of losses to one number.

    Raises:
      ValueError: it is another name, or that of none.
    """
    found = {"sum": "weighted_sum", "sum_over_batch_size": "weighted_sum_over_batch_size"}.get(
        reduction, reduction
    )
    if found not in _REDUCTIONS:
        raise ValueError(f"Invalid loss_reduction: {reduction}")
    return found


def checked_labels(labels: Any, logits: Any, width: int) -> Any:
    """Labels `[batch, width]` that fit the logits.

    Raises:
      ValueError: there are none, or their shape is another.
    """
    if labels is None:
        raise ValueError(
            "You must provide a labels Tensor. Given: None. Suggested troubleshooting steps: Check that your "
            "data contain your label feature. Check that your input_fn properly parses and returns labels."
        )
    with name_scope(None, "labels", (labels, logits)) as scope:
        if hasattr(labels, "indices"):
            raise ValueError(
                "SparseTensor labels are not supported. Labels must be a Tensor of shape "
                f"[D0, D1, ..., DN, {width}]. Received: {labels}"
            )
        labels = convert_to_tensor(labels)
        dims, of_logits = labels.get_shape(), logits.get_shape()
        if dims.ndims is not None and of_logits.ndims is not None and dims.ndims == of_logits.ndims - 1:
            labels = expand_dims(labels, -1)
            dims = labels.get_shape()
        if dims.ndims is not None and dims.ndims == of_logits.ndims:
            if dims[-1].value not in (None, width):
                raise ValueError(
                    f"Mismatched label shape. Expected labels dimension={width}.  Received {dims[-1].value}. "
                    "Suggested Fix: If your classifier expects one-hot encoding label, check your n_classes "
                    "argument to the estimator and/or the shape of your label."
                )
            if not dims[:-1].is_compatible_with(of_logits[:-1]):
                raise ValueError(
                    "Labels and logits must have the same leading dimensions. "
                    f"Received: {dims} and {of_logits}"
                )
        return identity(labels, name=scope)


def checked_logits(logits: Any, width: int) -> Any:
    """Logits `[batch, ..., width]`.

    Raises:
      ValueError: their shape is another.
    """
    if logits is None:
        raise ValueError("logits must not be None.")
    dims = logits.get_shape()
    if dims.ndims is not None and (dims.ndims < 2 or dims[-1].value not in (None, width)):
        raise ValueError(f"logits shape must be [D0, D1, ... DN, {width}], got {dims}.")
    return logits


def weights_of(features: Any, column: Any, logits: Any, per_logit: bool = False) -> Any:
    """The weights of examples: 1 where there is no column.

    Raises:
      ValueError: their shape does not fit.
      TypeError: the column is neither a key nor numeric.
    """
    if column is None:
        return 1.0
    if isinstance(column, str):
        column = numeric_column(column, shape=(1,))
    if not isinstance(column, NumericColumn):
        raise TypeError(
            f"Weight column must be either a string or NumericColumn. Given type: {type(column)}."
        )
    with name_scope(None, "weights"):
        weights = cast(FeatureCache(features).get(column), float32)
        of_logits = TensorShape(None) if logits is None else logits.get_shape()
        rank = weights.get_shape().ndims
        if rank is not None and of_logits.ndims is not None and rank == of_logits.ndims - 1:
            weights = expand_dims(weights, -1)
        width = weights.get_shape()[-1].value
        if width not in (None, 1) and not (per_logit and width == of_logits[-1].value):
            raise ValueError(f"weights shape must be [D0, D1, ... DN, 1]. Received: {weights.get_shape()}")
        return weights


@public("estimator.Head")
class HeadBase:
    """What all heads share.

    Args:
      name: ends the names of metrics and summaries, and is the scope of operations.
      weight_column: the feature with weights, or None.
      loss_reduction: how losses become one number.
      loss_fn: takes `labels` and `logits`, perhaps `features` and `loss_reduction`; gives losses.
    """

    def __init__(
        self, name: str | None, weight_column: Any, loss_reduction: str, loss_fn: Any = None
    ) -> None:
        self._name, self._weight_column = name, weight_column
        self._loss_reduction = checked_reduction(loss_reduction)
        if loss_fn is not None and not callable(loss_fn):
            raise ValueError(f"loss_fn must be callable. Received: {loss_fn!r}")
        self._loss_fn: Any = loss_fn

    @property
    def name(self) -> str | None:
        """The head's name."""
        return self._name

    @property
    def logits_dimension(self) -> int:
        """How many logits an example has."""
        raise TypeError(f"{type(self).__name__} must define logits_dimension")

    @property
    def loss_reduction(self) -> str:
        """How losses become one number."""
        return self._loss_reduction

    def _key(self, key: str) -> str:
        return f"{key}/{self._name}" if self._name else key

    def predictions(self, logits: Any, keys: Any = None) -> dict[str, Any]:
        """What the logits say."""
        raise TypeError(f"{type(self).__name__} must define predictions. Received: {logits}, {keys}")

    def _processed(self, labels: Any, logits: Any) -> Any:
        """The labels as the loss takes them."""
        raise TypeError(f"{type(self).__name__} must define its labels. Received: {labels}, {logits}")

    def _losses(self, labels: Any, logits: Any) -> Any:
        """The loss of each example."""
        raise TypeError(f"{type(self).__name__} must define its losses. Received: {labels}, {logits}")

    def _exports(self, predictions: dict[str, Any]) -> dict[str, Any]:
        """What is exported."""
        return {"predict": PredictOutput(predictions)}

    def _metrics(self, predictions: Any, loss: LossSpec) -> dict[str, Any]:
        """Pairs of value and update, by name."""
        raise TypeError(f"{type(self).__name__} must define its metrics. Received: {predictions}, {loss}")

    _per_logit_weights = False

    def create_loss(self, features: Any, mode: str, logits: Any, labels: Any) -> LossSpec:
        """The loss of a batch.

        Args:
          features: from keys to tensors.
          mode: a `ModeKeys`.
          logits: `[batch, logits_dimension]`.
          labels: one for each example.

        Returns:
          A tuple of training loss, loss of each example, weights and labels as numbers.
        """
        del mode
        logits = checked_logits(logits, self.logits_dimension)
        processed = self._processed(labels, logits)
        losses = (
            self._called(processed, logits, features) if self._loss_fn else self._losses(processed, logits)
        )
        weights = weights_of(features, self._weight_column, logits, self._per_logit_weights)
        with name_scope("weighted_loss"):
            training_loss = compute_weighted_loss(losses, weights=weights, reduction=self._loss_reduction)
        return LossSpec(training_loss, losses, weights, processed)

    def _called(self, labels: Any, logits: Any, features: Any) -> Any:
        names = inspect.signature(self._loss_fn).parameters
        given: dict[str, Any] = {}
        if "features" in names:
            given["features"] = features
        if "loss_reduction" in names:
            given["loss_reduction"] = self._loss_reduction
        return self._loss_fn(labels=labels, logits=logits, **given)

    def create_estimator_spec(
        self,
        features: Any,
        mode: str,
        logits: Any,
        labels: Any = None,
        optimizer: Any = None,
        train_op_fn: Callable[[Any], Any] | None = None,
        regularization_losses: Any = None,
        trainable_variables: Any = None,
        update_ops: Any = None,
    ) -> EstimatorSpec:
        """What a model function gives back.

        Args:
          features: from keys to tensors.
          mode: a `ModeKeys`.
          logits: `[batch, logits_dimension]`.
          labels: one for each example.
          optimizer: trains, instead of `train_op_fn`.
          train_op_fn: takes the loss and gives what trains.
          regularization_losses: added to the loss.
          trainable_variables: those that `optimizer` trains.
          update_ops: run with the training.

        Raises:
          ValueError: not exactly one of `optimizer` and `train_op_fn` is given for training.
        """
        with name_scope(self._name, "head"):
            with name_scope("predictions"):
                predictions = self.predictions(logits)
            if mode == ModeKeys.PREDICT:
                return EstimatorSpec(mode, predictions, export_outputs=self._exports(predictions))
            loss = self.create_loss(features, mode, logits, labels)
            total = with_penalties(loss.training_loss, regularization_losses)
            if mode == ModeKeys.EVAL:
                with name_scope(None, "metrics"):
                    metrics = self._metrics(predictions, loss)
                    if regularization_losses:
                        metrics[self._key("loss/regularization")] = means.mean(add_n(regularization_losses))
                return EstimatorSpec(mode, predictions, loss=total, eval_metric_ops=metrics)
            train_op = training(total, optimizer, train_op_fn, trainable_variables, update_ops)
        self._summarize(total, loss, regularization_losses)
        return EstimatorSpec(mode, predictions, loss=total, train_op=train_op)

    def _summarize(self, total: Any, loss: LossSpec, regularization_losses: Any) -> None:
        with name_scope(""):
            scalar(self._key("loss"), total)
            if self._loss_reduction == "weighted_sum":
                average = compute_weighted_loss(
                    loss.unreduced_loss, weights=loss.weights, reduction="weighted_mean", loss_collection=None
                )
                scalar(self._key("average_loss"), average)
            if regularization_losses:
                scalar(self._key("loss/regularization"), add_n(regularization_losses))


def with_penalties(loss: Any, regularization_losses: Any) -> Any:
    """A loss and its penalties together."""
    return loss + add_n(regularization_losses) if regularization_losses else loss


def training(
    loss: Any, optimizer: Any, train_op_fn: Any, trainable_variables: Any = None, update_ops: Any = None
) -> Any:
    """What trains, with the updates that layers ask for.

    Raises:
      ValueError: not exactly one of `optimizer` and `train_op_fn` is given.
    """
    if (optimizer is None) == (train_op_fn is None):
        raise ValueError(
            f"Exactly one of train_op_fn and optimizer must be set. Received: {train_op_fn}, {optimizer}"
        )
    if optimizer is not None:
        train_op = optimizer.minimize(loss, global_step=get_global_step(), var_list=trainable_variables)
    else:
        train_op = train_op_fn(loss)
    updates = update_ops or get_default_graph().get_collection("update_ops")
    return group(train_op, *updates) if updates else train_op
