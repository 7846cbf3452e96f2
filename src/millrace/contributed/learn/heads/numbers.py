"""Heads of `tf.contrib.learn` that estimate numbers, and one that has a loss alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.contributed.learn.heads.base import Head, SingleHead, weighted
from millrace.contributed.learn.keys import ProblemType
from millrace.contributed.learn.specs import ModelFnOps
from millrace.core.border import bordered
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.lib.nn.cross_entropy import log_poisson_loss
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array import constant
from millrace.ops.array.reshape import expand_dims, squeeze
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import exp


class RegressionHead(SingleHead):
    """Numbers.

    Args:
      label_dimension: how many an example has.
      loss_fn: of logits, labels and weights.
      link_fn: from logits to scores.
      others: as for `SingleHead`.
    """

    def __init__(
        self,
        label_dimension: int,
        loss_fn: Callable[[Any, Any, Any], tuple[Any, Any]],
        link_fn: Callable[[Any], Any],
        label_name: str | None,
        weight_column_name: str | None,
        enable_centered_bias: bool,
        head_name: str | None,
    ) -> None:
        super().__init__(
            ProblemType.LINEAR_REGRESSION, label_dimension, label_name, weight_column_name,
            enable_centered_bias, head_name, "regression_head",
        )  # fmt: skip
        self._loss_fn, self._link_fn = loss_fn, link_fn

    def predictions(self, logits: Any) -> dict[str, Any]:
        """The scores, `[batch]` where an example has one."""
        if self.logits_dimension == 1:
            logits = squeeze(logits, axis=(1,), name="scores")
        return {"scores": self._link_fn(logits)}

    def losses(self, logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
        """That of the function."""
        return self._loss_fn(logits, labels, weights)


def _of_one_rank(labels: Any) -> Any:
    """Labels `[batch]` as `[batch, 1]`."""
    return expand_dims(labels, axis=1) if labels.shape.ndims == 1 else labels


def _squared(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
    with name_scope(None, "mean_squared_loss", [logits, labels]) as name:
        labels = _of_one_rank(labels)
        logits.shape.assert_is_compatible_with(labels.shape)
        return weighted(raw.SquaredDifference(logits, cast(labels, float32), name=name), weights)


def _poisson(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
    with name_scope(None, "_poisson_loss", [logits, labels]) as name:
        labels = _of_one_rank(labels)
        logits.shape.assert_is_compatible_with(labels.shape)
        losses = log_poisson_loss(cast(labels, float32), logits, compute_full_loss=True, name=name)
        return weighted(losses, weights)


@public("contrib.learn.regression_head", "contrib.learn.head.regression_head")
@bordered
def regression_head(
    label_name: str | None = None,
    weight_column_name: str | None = None,
    label_dimension: int = 1,
    enable_centered_bias: bool = False,
    head_name: str | None = None,
    link_fn: Callable[[Any], Any] | None = None,
) -> Head:
    """A head for numbers, trained by squared differences.

    Args:
      label_name: which of the labels; None where they are one tensor.
      weight_column_name: the feature that weighs the examples.
      label_dimension: how many numbers an example has.
      enable_centered_bias: whether a bias is learnt that centres the predictions.
      head_name: behind the names of metrics, and the name of the scope.
      link_fn: from logits to scores; default: they are the scores.
    """
    link = link_fn if link_fn is not None else constant.identity
    return RegressionHead(
        label_dimension, _squared, link, label_name, weight_column_name, enable_centered_bias, head_name
    )


@public("contrib.learn.poisson_regression_head", "contrib.learn.head.poisson_regression_head")
@bordered
def poisson_regression_head(
    label_name: str | None = None,
    weight_column_name: str | None = None,
    label_dimension: int = 1,
    enable_centered_bias: bool = False,
    head_name: str | None = None,
) -> Head:
    """A head for counts, whose logarithm of the mean the logits are.

    Args:
      label_name, weight_column_name, label_dimension, enable_centered_bias, head_name: as for
        `regression_head`.
    """
    return RegressionHead(
        label_dimension, _poisson, exp, label_name, weight_column_name, enable_centered_bias, head_name
    )


class LossOnlyHead(Head):
    """A loss without logits.

    Args:
      loss_fn: makes the loss.
      head_name: behind the name of its summary, and the name of the scope.
    """

    def __init__(self, loss_fn: Callable[[], Any], head_name: str | None) -> None:
        self._loss_fn, self._head_name = loss_fn, head_name or "loss_only_head"

    @property
    def logits_dimension(self) -> int:
        """None."""
        return 0

    @property
    def head_name(self) -> str:
        """Behind the name of the loss."""
        return self._head_name

    def create_model_fn_ops(
        self,
        features: Any,
        mode: str,
        labels: Any = None,
        train_op_fn: Callable[[Any], Any] | None = None,
        logits: Any = None,
        logits_input: Any = None,
        scope: Any = None,
    ) -> ModelFnOps:
        """As every head's."""
        del labels, logits, logits_input
        given = [*features.values()] if isinstance(features, dict) else []
        with variable_scope(scope, default_name=self._head_name, values=given):
            loss = step = None
            if mode != "infer":
                loss = self._loss_fn()
                with name_scope(None):
                    scalar(f"loss/{self._head_name}", constant.identity(loss))
                if mode == "train":
                    if train_op_fn is None:
                        raise ValueError("train_op_fn can not be None in TRAIN mode. Received: None")
                    with name_scope(None, "train_op", [loss]):
                        step = train_op_fn(loss)
            return ModelFnOps(mode, {}, loss, step, {}, {})


@public("contrib.learn.head.loss_only_head")
@bordered
def loss_only_head(loss_fn: Callable[[], Any], head_name: str | None = None) -> Head:
    """A head for a loss that needs no logits, to be joined with others by `multi_head`.

    Args:
      loss_fn: makes the loss.
      head_name: behind the name of its summary, and the name of the scope.
    """
    return LossOnlyHead(loss_fn, head_name)
