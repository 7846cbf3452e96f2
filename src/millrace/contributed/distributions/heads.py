"""A head of `tf.contrib.learn` whose labels are drawn from a distribution that the logits tell of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.learn.heads.base import Head, weighted
from millrace.contributed.learn.heads.numbers import RegressionHead
from millrace.core.public import public
from millrace.ops.array.reshape import squeeze


@public("contrib.distributions.estimator_head_distribution_regression")
def estimator_head_distribution_regression(
    make_distribution_fn: Callable[[Any], Any],
    label_dimension: int = 1,
    logits_dimension: int | None = None,
    label_name: str | None = None,
    weight_column_name: str | None = None,
    enable_centered_bias: bool = False,
    head_name: str | None = None,
) -> Head:
    """A head for numbers that is trained by the likelihood of a distribution.

    Args:
      make_distribution_fn: makes a `Distribution` of the logits.
      label_dimension: how many numbers an example has.
      logits_dimension: how many logits an example has; default, `label_dimension`.
      label_name: which of the labels; None where they are one tensor.
      weight_column_name: the feature that weighs the examples.
      enable_centered_bias: whether a bias is learnt that centres the predictions.
      head_name: behind the names of metrics, and the name of the scope.
    """

    def scores(logits: Any) -> Any:
        return make_distribution_fn(logits).mean()

    def loss(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
        with name_scope(None, "neg_log_prob_loss", [logits, labels]):
            if label_dimension == 1 and labels.shape.ndims == 2:
                labels = squeeze(labels, axis=(1,))
            losses = -make_distribution_fn(logits).log_prob(labels)
            return weighted(losses, weights)

    width = label_dimension if logits_dimension is None else logits_dimension
    return RegressionHead(
        width, loss, scores, label_name, weight_column_name, enable_centered_bias, head_name
    )
