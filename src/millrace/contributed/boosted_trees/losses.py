"""`tf.contrib.boosted_trees.python.utils.losses`: losses of each example that have second derivatives."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.core.dtypes import float32, int64
from millrace.core.public import public
from millrace.lib.losses.weighted import hinge_loss
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.cross_entropy import sigmoid_cross_entropy_with_logits
from millrace.ops.array.constant import no_op
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import greater, greater_equal, less, less_equal
from millrace.ops.math.elementwise import exp, log, sigmoid, square
from millrace.ops.math.select import where

Found = tuple[Any, Any]


@public("contrib.boosted_trees.python.utils.losses.per_example_squared_hinge_loss")
def per_example_squared_hinge_loss(labels: Any, weights: Any, predictions: Any) -> Found:
    """The square of the weighted mean hinge loss.

    Args:
      labels: `[batch, 1]`, 0 or 1.
      weights: `[batch, 1]`.
      predictions: `[batch, 1]` logits.

    Returns:
      A scalar, and an operation that does nothing.
    """
    loss = hinge_loss(labels=labels, logits=predictions, weights=weights)
    return square(loss), no_op()


@public("contrib.boosted_trees.python.utils.losses.per_example_logistic_loss")
def per_example_logistic_loss(labels: Any, weights: Any, predictions: Any) -> Found:
    """The weighted sigmoid cross entropy, `[batch, 1]`; arguments as for the squared hinge loss."""
    labels = cast(labels, float32)
    return sigmoid_cross_entropy_with_logits(labels=labels, logits=predictions) * weights, no_op()


@public("contrib.boosted_trees.python.utils.losses.per_example_quantile_regression_loss")
def per_example_quantile_regression_loss(
    labels: Any, weights: Any, predictions: Any, quantile: float
) -> Found:
    """The weighted loss whose least is near a quantile: squares up to 1, linear beyond on one side.

    Args:
      labels: `[batch, d]`.
      weights: `[batch, d]`.
      predictions: `[batch, d]`.
      quantile: in (0, 1).

    Returns:
      The losses, and an operation that does nothing.
    """
    error = cast(labels, float32) - predictions
    sides = []
    for share in (quantile, quantile - 1):
        is_small = less(error * share, 1)
        sides.append(where(is_small, square(share * error), share * error))
    return where(greater(error, 0), *sides) * weights, no_op()


@public("contrib.boosted_trees.python.utils.losses.per_example_maxent_loss")
def per_example_maxent_loss(
    labels: Any, weights: Any, logits: Any, num_classes: int, eps: float = 1e-15
) -> Found:
    """The negative logarithm of the likelihood of each example's class, by operations that have second
    derivatives.

    Args:
      labels: `[batch]` or `[batch, 1]` integers.
      weights: `[batch, 1]`, or None.
      logits: `[batch, num_classes]`.
      num_classes: how many classes.
      eps: the least likelihood.

    Returns:
      `[batch, 1]`, and an operation that does nothing.
    """
    labels = cast(labels, int64)
    if labels.shape.ndims == 1:
        labels = expand_dims(labels, 1)
    target = reduce_sum(one_hot(labels, num_classes), 1)
    powers = exp(logits)
    total = raw.Add(reduce_sum(powers, 1, keepdims=True), eps)
    likely = reduce_sum(target * (powers / total), 1)
    least, most = zeros_like(likely) + eps, ones_like(likely) - eps
    likely = where(greater_equal(likely, eps), likely, least)
    likely = where(less_equal(likely, 1), likely, most)
    losses = expand_dims(-log(likely), 1)
    return (losses if weights is None else losses * weights), no_op()


@public("contrib.boosted_trees.python.utils.losses.per_example_squared_loss")
def per_example_squared_loss(labels: Any, weights: Any, predictions: Any) -> Found:
    """The weighted squared distance of each example, `[batch, 1]`.

    Args:
      labels: `[batch, d]` float32.
      weights: `[batch, 1]`.
      predictions: `[batch, d]`.

    Returns:
      The losses, and an operation that does nothing.
    """
    distance = reduce_sum(raw.SquaredDifference(predictions, labels), 1, keepdims=True)
    return distance * weights, no_op()


@public("contrib.boosted_trees.python.utils.losses.per_example_exp_loss")
def per_example_exp_loss(
    labels: Any, weights: Any, predictions: Any, name: str | None = None, eps: float = 0.1
) -> Found:
    """The weighted exponential of the signed confidence of each example; being very sure costs nothing more.

    Args:
      labels: `[batch, 1]`, 0 or 1.
      weights: `[batch, 1]`.
      predictions: `[batch, 1]` logits.
      name: not looked at.
      eps: how far from a half a probability counts as sure.

    Returns:
      `[batch, 1]`, and an operation that does nothing.
    """
    del name
    one, minus_one, signs = _signs(labels)
    confidence = 1 / eps * sigmoid(predictions) + -0.5 / eps
    confidence = where(less(confidence, -1), minus_one, confidence)
    confidence = where(greater(confidence, 1), one, confidence)
    return exp(-confidence * signs) * weights, no_op()


@public("contrib.boosted_trees.python.utils.losses.per_example_full_exp_loss")
def per_example_full_exp_loss(labels: Any, weights: Any, predictions: Any, name: str | None = None) -> Found:
    """The weighted exponential of the signed logit of each example; arguments as for the exponential loss."""
    del name
    _, _, signs = _signs(labels)
    return exp(-1.0 * predictions * signs) * weights, no_op()


def _signs(labels: Any) -> tuple[Any, Any, Any]:
    """One and minus one in the labels' shape, and for each label the one that it is."""
    labels = cast(to_tensor(labels), float32)
    zero = zeros_like(labels)
    one, minus_one = ones_like(labels), -ones_like(labels)
    return one, minus_one, where(greater(labels, zero), one, minus_one)
