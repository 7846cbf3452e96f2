"""`tf.contrib.losses`: predictions come first, and a loss is divided by how many elements counted."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor, to_tensor
from millrace.building.scopes import add_to_collection, get_collection, name_scope
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_prod, reduce_sum
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.reshape import reshape, squeeze
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import size
from millrace.ops.array.slicing import slice_
from millrace.ops.math.arithmetic import add_n, squared_difference
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater, not_equal
from millrace.ops.math.elementwise import log, square
from millrace.ops.math.select import where
from millrace.ops.nn.activation import relu


def _float(x: Any) -> Tensor:
    return cast(x, float32)


def _rank(x: Tensor, what: str) -> int:
    if x.dims is None:
        raise ValueError(f"compute_weighted_loss: {what} must have a known rank. Received: {x}")
    return len(x.dims)


def _scaled(losses: Tensor, weights: Tensor) -> Tensor:
    """The sum of all losses, each example's with its weight."""
    first = _rank(weights, "weights")
    summed = reduce_sum(losses, axis=list(range(first, _rank(losses, "losses"))))
    return reduce_sum(raw.Mul(summed, weights))


def _num_present(losses: Tensor, weights: Tensor, per_batch: bool = False) -> Tensor:
    """How many losses have a weight other than 0; for each example if `per_batch`."""
    rank = _rank(weights, "weights")
    if rank == 0:
        batch = reshape(slice_(shape_of(losses), [0], [1]), [])
        each = raw.RealDiv(_float(size(losses)), _float(batch), name="div")
        each = where(equal(weights, 0), 0.0, each)
        each = raw.Mul(ones(reshape(batch, [1])), each)
        return each if per_batch else reduce_sum(each)
    counted = reduce_sum(_float(not_equal(weights, 0)), axis=list(range(1, rank)))
    rest = reduce_prod(slice_(shape_of(losses), [rank], [-1]))
    counted = raw.Mul(_float(rest), counted)
    return counted if per_batch else reduce_sum(counted)


def _checked_weights(losses: Tensor, weights: Tensor) -> Tensor:
    if weights.dims is not None and len(weights.dims) > 1 and weights.dims[-1] == 1:
        return squeeze(weights, [-1])
    if _rank(weights, "weights") > _rank(losses, "losses"):
        raise ValueError(
            f"compute_weighted_loss: weights must not have more axes than losses {losses.shape}. "
            f"Received: shape {weights.shape}"
        )
    return weights


@public("contrib.losses.compute_weighted_loss")
def compute_weighted_loss(losses: Any, weights: Any = 1.0, scope: str | None = None) -> Tensor:
    """Weighs losses and divides their sum by how many have a weight other than 0.

    Args:
      losses: `[batch, ...]`.
      weights: a scalar, `[batch]`, or any more leading axes of `losses`; a last axis of 1 is dropped.
      scope: scope; default "weighted_loss".

    Returns:
      A scalar, which joins the collection LOSSES.

    Raises:
      ValueError: a rank is unknown, or the weights have more axes than the losses.
    """
    with name_scope(scope, "weighted_loss", [losses, weights]):
        losses = to_tensor(losses)
        dtype = losses.dtype.base_dtype
        losses = _float(losses)
        weights = _float(convert_to_tensor(weights))
        weights = _checked_weights(losses, weights)
        total = _scaled(losses, weights)
        present = _num_present(losses, weights)
        mean = raw.DivNoNan(reduce_sum(total), present, name="value")
        mean = cast(mean, dtype)
        add_loss(mean)
        return mean


@public("contrib.losses.add_loss")
@add_arg_scope
def add_loss(loss: Tensor, loss_collection: str | None = GraphKeys.LOSSES) -> None:
    """Puts `loss` into a collection; None for none."""
    if loss_collection:
        add_to_collection(loss_collection, loss)


@public("contrib.losses.get_losses")
def get_losses(scope: str | None = None, loss_collection: str = GraphKeys.LOSSES) -> list[Any]:
    """The losses in a collection; with `scope`, those whose name matches it."""
    return get_collection(loss_collection, scope)


@public("contrib.losses.get_regularization_losses")
def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """The regularization losses; with `scope`, those whose name matches it."""
    return get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


@public("contrib.losses.get_total_loss")
def get_total_loss(add_regularization_losses: bool = True, name: str = "total_loss") -> Tensor:
    """The sum of all losses, a scalar.

    Args:
      add_regularization_losses: count the regularization losses too.
      name: op name.

    Raises:
      ValueError: there are no losses.
    """
    losses = get_losses()
    if add_regularization_losses:
        losses += get_regularization_losses()
    return add_n(losses, name=name)


def _pair(predictions: Any, labels: Any) -> tuple[Tensor, Tensor]:
    predictions, labels = _float(predictions), _float(labels)
    predictions.shape.assert_is_compatible_with(labels.shape)
    return predictions, labels


@public("contrib.losses.absolute_difference")
def absolute_difference(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None
) -> Tensor:
    """|prediction - label|, weighed as by `compute_weighted_loss`.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    with name_scope(scope, "absolute_difference", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        return compute_weighted_loss(raw.Abs(raw.Sub(predictions, labels)), weights, scope=scope)


@public("contrib.losses.mean_squared_error")
def mean_squared_error(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None
) -> Tensor:
    """(prediction - label)², weighed as by `compute_weighted_loss`.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    with name_scope(scope, "mean_squared_error", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        return compute_weighted_loss(squared_difference(predictions, labels), weights, scope=scope)


@public("contrib.losses.log_loss")
def log_loss(
    predictions: Any,
    labels: Any = None,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
) -> Tensor:
    """The negative logarithm of how likely each 0 or 1 was held to be, weighed.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    with name_scope(scope, "log_loss", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        hit = raw.Neg(raw.Mul(labels, log(predictions + epsilon)))
        losses = hit - raw.Mul(1 - labels, log(1 - predictions + epsilon))
        return compute_weighted_loss(losses, weights, scope=scope)


@public("contrib.losses.hinge_loss")
def hinge_loss(logits: Any, labels: Any = None, scope: str | None = None) -> Tensor:
    """max(0, 1 - label * logit) for labels of 0 and 1, which count as -1 and 1; in the shape of `logits`.

    Raises:
      ValueError: the shapes differ.
    """
    with name_scope(scope, "hinge_loss", [logits, labels]):
        logits = to_tensor(logits)
        labels = _float(labels)
        logits.shape.assert_is_compatible_with(labels.shape)
        one = ones_like(labels)
        labels = raw.Sub(2 * labels, one)
        return relu(raw.Sub(one, raw.Mul(labels, logits)))


@public("contrib.losses.cosine_distance")
def cosine_distance(
    predictions: Any,
    labels: Any = None,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    dim: int | None = None,
) -> Tensor:
    """1 - the inner product of predictions and labels, both of unit length along `axis` (or `dim`).

    Raises:
      ValueError: no axis, or two were given; the shapes differ, or the weights do not apply.
    """
    if axis is not None and dim is not None:
        raise ValueError("cosine_distance takes 'axis' or 'dim', not both")
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError("cosine_distance needs an axis. Received: None")
    with name_scope(scope, "cosine_distance_loss", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        losses = 1 - reduce_sum(raw.Mul(predictions, labels), axis=[axis])
        return compute_weighted_loss(losses, weights, scope=scope)


@public("contrib.losses.mean_pairwise_squared_error")
def mean_pairwise_squared_error(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: str | None = None
) -> Tensor:
    """How much differences between elements of a prediction differ from those of its label, squared.

    Args:
      predictions: `[batch, ...]`.
      labels: same shape.
      weights: a scalar or `[batch]`.
      scope: scope.

    Returns:
      A scalar, which joins the collection LOSSES; 0 where nothing counts.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    with name_scope(scope, "mean_pairwise_squared_error", [predictions, labels, weights]):
        predictions, labels = _pair(predictions, labels)
        weights = _checked_weights(predictions, _float(convert_to_tensor(weights)))
        diffs = raw.Sub(predictions, labels)
        axes = list(range(1, _rank(diffs, "losses")))
        squares = reduce_sum(square(diffs), axis=axes)
        present = _num_present(diffs, weights, per_batch=True)
        first = 2.0 * raw.DivNoNan(squares, present, name="value")
        total = reduce_sum(diffs, axis=axes)
        second = 2.0 * raw.DivNoNan(square(total), square(present), name="value")
        loss = _scaled(first - second, weights)
        mean = where(greater(reduce_sum(present), 0), loss, zeros_like(loss), name="value")
        add_loss(mean)
        return mean


@public("contrib.losses.sigmoid_cross_entropy")
def sigmoid_cross_entropy(
    logits: Any,
    multi_class_labels: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
) -> Tensor:
    """The cross entropy of independent classes, weighed as by `compute_weighted_loss`.

    Args:
      logits: `[batch, classes]`.
      multi_class_labels: same shape, in [0, 1].
      weights: a scalar, `[batch]` or `[batch, classes]`.
      label_smoothing: how far labels are moved towards 1/2.
      scope: scope.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    arguments = [logits, multi_class_labels, weights]
    with name_scope(scope, "sigmoid_cross_entropy_loss", arguments) as scope:
        logits = to_tensor(logits)
        labels = cast(multi_class_labels, logits.dtype)
        logits.shape.assert_is_compatible_with(labels.shape)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope=scope)


@public("contrib.losses.softmax_cross_entropy")
def softmax_cross_entropy(
    logits: Any,
    onehot_labels: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
) -> Tensor:
    """The cross entropy of exclusive classes, weighed as by `compute_weighted_loss`.

    Args:
      logits: `[batch, classes]`.
      onehot_labels: same shape.
      weights: a scalar or `[batch]`.
      label_smoothing: how far labels are moved towards 1/classes.
      scope: scope.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    with name_scope(scope, "softmax_cross_entropy_loss", [logits, onehot_labels, weights]) as scope:
        logits = to_tensor(logits)
        labels = cast(onehot_labels, logits.dtype)
        logits.shape.assert_is_compatible_with(labels.shape)
        if label_smoothing > 0:
            classes = cast(shape_of(labels)[1], logits.dtype)
            negatives = label_smoothing / classes
            labels = labels * (1.0 - label_smoothing) + negatives
        losses = softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope=scope)


@public("contrib.losses.sparse_softmax_cross_entropy")
def sparse_softmax_cross_entropy(
    logits: Any, labels: Any, weights: Any = 1.0, scope: str | None = None
) -> Tensor:
    """The cross entropy of exclusive classes given by number, weighed as by `compute_weighted_loss`.

    Args:
      logits: `[batch, classes]`.
      labels: int32 or int64 `[batch]` or `[batch, 1]`.
      weights: a scalar or `[batch]`.
      scope: scope.

    Raises:
      ValueError: the shapes do not fit, or the weights do not apply.
    """
    with name_scope(scope, "sparse_softmax_cross_entropy_loss", [logits, labels, weights]) as scope:
        labels = to_tensor(labels)
        labels = reshape(labels, [shape_of(labels)[0]])
        losses = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope=scope)
