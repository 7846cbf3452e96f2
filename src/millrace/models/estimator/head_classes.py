"""`tf.estimator.BinaryClassHead` and its relatives: the heads, as classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.models.estimator.classification import BinaryHead, MultiClassHeadBase, MultiLabelHeadBase
from millrace.models.estimator.regression import (
    MultiHeadBase,
    RegressionHeadBase,
    logistic_loss,
    poisson_loss,
)
from millrace.ops.math.elementwise import exp, sigmoid

_OVER_BATCH = "sum_over_batch_size"


@public("estimator.BinaryClassHead")
class BinaryClassHead(BinaryHead):
    """A head for two classes; arguments as for `tf.contrib.estimator.binary_classification_head`."""

    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: str = _OVER_BATCH,
        loss_fn: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(weight_column, thresholds, label_vocabulary, loss_reduction, loss_fn, name)


@public("estimator.MultiClassHead")
class MultiClassHead(MultiClassHeadBase):
    """A head for more than two classes; arguments as for `tf.contrib.estimator.multi_class_head`."""

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: str = _OVER_BATCH,
        loss_fn: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(n_classes, weight_column, label_vocabulary, loss_reduction, loss_fn, name)


@public("estimator.MultiLabelHead")
class MultiLabelHead(MultiLabelHeadBase):
    """A head for any number of classes at once; arguments as for `tf.contrib.estimator.multi_label_head`."""

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        thresholds: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: str = _OVER_BATCH,
        loss_fn: Any = None,
        classes_for_class_based_metrics: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            n_classes,
            weight_column,
            thresholds,
            label_vocabulary,
            loss_reduction,
            loss_fn,
            classes_for_class_based_metrics,
            name,
        )


@public("estimator.RegressionHead")
class RegressionHead(RegressionHeadBase):
    """A head for numbers; arguments as for `tf.contrib.estimator.regression_head`."""

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = _OVER_BATCH,
        loss_fn: Any = None,
        inverse_link_fn: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(weight_column, label_dimension, loss_reduction, loss_fn, inverse_link_fn, name)


@public("estimator.PoissonRegressionHead")
class PoissonRegressionHead(RegressionHeadBase):
    """A head for counts; arguments as for `tf.contrib.estimator.poisson_regression_head`."""

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: Any = None,
        loss_reduction: str = _OVER_BATCH,
        compute_full_loss: bool = True,
        name: str | None = None,
    ) -> None:
        loss = poisson_loss(compute_full_loss)
        super().__init__(weight_column, label_dimension, loss_reduction, loss, exp, name)


@public("estimator.LogisticRegressionHead")
class LogisticRegressionHead(RegressionHeadBase):
    """A head for probabilities; arguments as for `tf.contrib.estimator.logistic_regression_head`."""

    def __init__(
        self, weight_column: Any = None, loss_reduction: str = _OVER_BATCH, name: str | None = None
    ) -> None:
        super().__init__(weight_column, 1, loss_reduction, logistic_loss, sigmoid, name)


@public("estimator.MultiHead")
class MultiHead(MultiHeadBase):
    """Several heads on one model; arguments as for `tf.contrib.estimator.multi_head`."""

    def __init__(self, heads: Any, head_weights: Any = None) -> None:
        super().__init__(heads, head_weights)
