"""`tf.losses`: losses with weights and reductions, which a collection gathers."""

from __future__ import annotations

from typing import Any, final

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import shapes
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.losses.collected import add_loss
from millrace.lib.math.broadcast_weights import assert_broadcastable, broadcast_weights
from millrace.lib.math.reductions import reduce_sum, renamed
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_loss,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast


@public("losses.Reduction")
@final
class Reduction:
    """How the weighted losses of the elements become one."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """All reductions."""
        return (
            cls.NONE,
            cls.SUM,
            cls.MEAN,
            cls.SUM_OVER_BATCH_SIZE,
            cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )

    @classmethod
    def validate(cls, key: str) -> None:
        """Checks a reduction.

        Raises:
          ValueError: `key` is none.
        """
        if key not in cls.all():
            raise ValueError(f"a reduction must be one of {', '.join(cls.all())}. Received: {key!r}")


def _to_float(x: Any) -> Tensor:
    return cast(x, float32)


@public("python.ops.losses.losses_impl._safe_mean")
def _safe_mean(losses: Tensor, num_present: Tensor) -> Tensor:
    """The mean, 0 where nothing is present."""
    return raw.DivNoNan(reduce_sum(losses), num_present, name="value")


@public("python.ops.losses.losses_impl._num_present")
def _num_present(losses: Tensor, weights: Any, per_batch: bool = False) -> Tensor:
    """How many elements of `losses` have a weight other than 0; for each example if `per_batch`."""
    if isinstance(weights, float) and weights != 0.0:
        return _num_elements(losses)
    with name_scope(None, "num_present", [losses, weights]) as scope:
        weights = _to_float(weights)
        present = raw.Select(raw.Equal(weights, 0.0), zeros_like(weights), ones_like(weights))
        present = broadcast_weights(present, losses)
        if per_batch:
            return reduce_sum(
                present, raw.Range(1, rank_tensor(present), 1, name="range"), keepdims=True, name=scope
            )
        return reduce_sum(present, name=scope)


@public("python.ops.losses.losses_impl._num_elements")
def _num_elements(losses: Tensor) -> Tensor:
    """How many elements there are, in the dtype of `losses`."""
    with name_scope(None, "num_elements", [losses]) as scope:
        return cast(size(losses, name=scope), losses.dtype.base_dtype)


@public("losses.compute_weighted_loss")
def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Weights and reduces losses.

    Args:
      losses: `[batch, ...]`.
      weights: a scalar, or of the rank of `losses` with every length equal or 1.
      scope: scope; default "weighted_loss".
      loss_collection: the collection that the result joins; None for none.
      reduction: a `Reduction`.

    Returns:
      A scalar of the dtype of `losses`; the shape of `losses` for `Reduction.NONE`.

    Raises:
      ValueError: the weights do not broadcast, or `reduction` is none.
    """
    Reduction.validate(reduction)
    with (
        name_scope(scope, "weighted_loss", [losses, weights]),
        control_dependencies([assert_broadcastable(weights, losses)]),
    ):
        losses = to_tensor(losses)
        dtype = losses.dtype.base_dtype
        losses, weights = _to_float(losses), _to_float(weights)
        loss = weighted = raw.Mul(losses, weights)
        if reduction != Reduction.NONE:
            loss = reduce_sum(weighted)
            if reduction == Reduction.MEAN:
                loss = _safe_mean(loss, reduce_sum(ones_like(losses) * weights))
            elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
                loss = _safe_mean(loss, _num_present(losses, weights))
            elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
                loss = _safe_mean(loss, _num_elements(losses))
        if dtype is not float32:
            loss = raw.Cast(loss, DstT=dtype)
        add_loss(loss, loss_collection)
        return loss


def _given(function: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is None:
            raise ValueError(f"{function}: '{name}' must be given. Received: None")


def _check_same(predictions: Tensor, labels: Tensor) -> None:
    if not shapes.compatible(predictions.dims, labels.dims):
        raise ValueError(
            "predictions and labels must have compatible shapes. "
            f"Received: {shapes.format_dims(predictions.dims)} and {shapes.format_dims(labels.dims)}"
        )


def _pair(predictions: Any, labels: Any) -> tuple[Tensor, Tensor]:
    """Both as float32, of one shape."""
    predictions, labels = _to_float(predictions), _to_float(labels)
    _check_same(predictions, labels)
    return predictions, labels


@public("losses.absolute_difference")
def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """|predictions - labels|, weighted and reduced.

    Args:
      labels: `[batch, ...]`.
      predictions: the same shape.
      weights, loss_collection, reduction: as for `compute_weighted_loss`.
      scope: scope; default "absolute_difference".

    Returns:
      A scalar; the shape of `labels` for `Reduction.NONE`.

    Raises:
      ValueError: the shapes differ, or an argument is None.
    """
    _given("absolute_difference", labels=labels, predictions=predictions)
    with name_scope(scope, "absolute_difference", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        losses = raw.Abs(raw.Sub(predictions, labels))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@public("losses.cosine_distance")
def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    dim: int | None = None,
) -> Tensor:
    """1 - the inner product along `axis` of vectors that have length 1 already.

    Args:
      labels: `[batch, ...]`.
      predictions: the same shape.
      axis: the axis of the vectors.
      weights, loss_collection, reduction: as for `compute_weighted_loss`.
      scope: scope; default "cosine_distance_loss".
      dim: the old name of `axis`.

    Returns:
      A scalar; the shape of `labels` with length 1 along `axis` for `Reduction.NONE`.

    Raises:
      ValueError: the shapes differ, or an argument is None.
    """
    axis = renamed(axis, dim, "axis", "dim")
    _given("cosine_distance", axis=axis, labels=labels, predictions=predictions)
    with name_scope(scope, "cosine_distance_loss", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        losses = 1 - reduce_sum(raw.Mul(predictions, labels), [axis], keepdims=True)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@public("losses.hinge_loss")
def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """max(1 - sign * logits, 0), where a label of 1 has sign 1 and one of 0 has sign -1.

    Args:
      labels: `[batch, ...]`, 0 or 1.
      logits: the same shape.
      weights, loss_collection, reduction: as for `compute_weighted_loss`.
      scope: scope; default "hinge_loss".

    Returns:
      A scalar; the shape of `labels` for `Reduction.NONE`.

    Raises:
      ValueError: the shapes differ, or an argument is None.
    """
    _given("hinge_loss", labels=labels, logits=logits)
    with name_scope(scope, "hinge_loss", [logits, labels, weights]) as scope:
        logits, labels = _pair(logits, labels)
        ones = ones_like(labels)
        signs = raw.Sub(2 * labels, ones)
        losses = raw.Relu(raw.Sub(ones, raw.Mul(signs, logits)))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@public("losses.huber_loss")
def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Half the squared error up to `delta`, growing linearly beyond.

    Args:
      labels: `[batch, ...]`.
      predictions: the same shape.
      weights, loss_collection, reduction: as for `compute_weighted_loss`.
      delta: where the loss becomes linear.
      scope: scope; default "huber_loss".

    Returns:
      A scalar; the shape of `labels` for `Reduction.NONE`.

    Raises:
      ValueError: the shapes differ, or an argument is None.
    """
    _given("huber_loss", labels=labels, predictions=predictions)
    with name_scope(scope, "huber_loss", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        size = raw.Abs(raw.Sub(predictions, labels))
        quadratic = raw.Minimum(size, delta)
        linear = raw.Sub(size, quadratic)
        half = raw.Mul(to_tensor(0.5, float32), raw.Mul(quadratic, quadratic))
        losses = raw.Add(half, raw.Mul(delta, linear))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@public("losses.log_loss")
def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The cross entropy of `labels` and `predictions`, both probabilities of yes.

    Args:
      labels: `[batch, ...]`.
      predictions: the same shape.
      weights, loss_collection, reduction: as for `compute_weighted_loss`.
      epsilon: added inside the logarithms.
      scope: scope; default "log_loss".

    Returns:
      A scalar; the shape of `labels` for `Reduction.NONE`.

    Raises:
      ValueError: the shapes differ, or an argument is None.
    """
    _given("log_loss", labels=labels, predictions=predictions)
    with name_scope(scope, "log_loss", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        minus_yes = raw.Neg(raw.Mul(labels, raw.Log(predictions + epsilon)))
        no = raw.Mul(1 - labels, raw.Log(1 - predictions + epsilon))
        return compute_weighted_loss(minus_yes - no, weights, scope, loss_collection, reduction)


@public("losses.mean_pairwise_squared_error")
def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
) -> Tensor:
    """The mean squared difference between the errors of all pairs of elements of an example.

    Args:
      labels: `[batch, ...]`.
      predictions: the same shape.
      weights: a scalar, `[batch]` with trailing ones, or the shape of `labels`.
      scope: scope; default "mean_pairwise_squared_error".
      loss_collection: the collection that the result joins; None for none.

    Returns:
      A scalar.

    Raises:
      ValueError: the shapes differ, or an argument is None.
    """
    _given("mean_pairwise_squared_error", labels=labels, predictions=predictions)
    with name_scope(scope, "mean_pairwise_squared_error", [predictions, labels, weights]):
        weights, labels = _to_float(weights), _to_float(labels)
        with control_dependencies([assert_broadcastable(weights, labels)]):
            predictions = _to_float(predictions)
            _check_same(predictions, labels)
            diffs = raw.Sub(predictions, labels)
            axes = raw.Range(1, rank_tensor(diffs), 1, name="range")
            squares = reduce_sum(raw.Square(diffs), axes, keepdims=True)
            count = _num_present(diffs, weights, per_batch=True)
            first = 2.0 * raw.DivNoNan(squares, raw.Maximum(count - 1, 0), name="value")
            total = reduce_sum(diffs, axes, keepdims=True)
            square = raw.Square(total)
            pairs = raw.Maximum(raw.Mul(count, count - 1), 0)
            second = 2.0 * raw.DivNoNan(square, pairs, name="value")
            weighted = raw.Mul(raw.Sub(first, second), weights)
            loss = reduce_sum(weighted)
            any_present = raw.Greater(reduce_sum(count), 0)
            mean = raw.Select(any_present, loss, zeros_like(loss), name="value")
            add_loss(mean, loss_collection)
            return mean


@public("losses.mean_squared_error")
def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """(predictions - labels)^2, weighted and reduced.

    Args:
      labels: `[batch, ...]`.
      predictions: the same shape.
      weights, loss_collection, reduction: as for `compute_weighted_loss`.
      scope: scope; default "mean_squared_error".

    Returns:
      A scalar; the shape of `labels` for `Reduction.NONE`.

    Raises:
      ValueError: the shapes differ, or an argument is None.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.losses.mean_squared_error([1.0, 2.0], [2.0, 4.0])))
      2.5
    """
    _given("mean_squared_error", labels=labels, predictions=predictions)
    with name_scope(scope, "mean_squared_error", [predictions, labels, weights]) as scope:
        predictions, labels = _pair(predictions, labels)
        losses = raw.SquaredDifference(predictions, labels)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@public("losses.sigmoid_cross_entropy")
def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`tf.nn.sigmoid_cross_entropy_with_logits`, weighted and reduced.

    Args:
      multi_class_labels: `[batch, classes]`, probabilities.
      logits: the same shape, floating.
      weights, loss_collection, reduction: as for `compute_weighted_loss`.
      label_smoothing: how far to move the labels towards 1/2.
      scope: scope; default "sigmoid_cross_entropy_loss".

    Returns:
      A scalar of the dtype of `logits`; its shape for `Reduction.NONE`.

    Raises:
      ValueError: the shapes differ, or an argument is None.
    """
    _given("sigmoid_cross_entropy", multi_class_labels=multi_class_labels, logits=logits)
    with name_scope(scope, "sigmoid_cross_entropy_loss", [logits, multi_class_labels, weights]) as scope:
        logits = to_tensor(logits)
        labels = _as_dtype_of(multi_class_labels, logits)
        _check_same(logits, labels)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def _as_dtype_of(labels: Any, logits: Tensor) -> Tensor:
    labels = to_tensor(labels)
    dtype = logits.dtype.base_dtype
    return labels if labels.dtype.base_dtype is dtype else raw.Cast(labels, DstT=dtype)


@public("losses.softmax_cross_entropy")
def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`tf.nn.softmax_cross_entropy_with_logits`, weighted and reduced; `tf.gradients` takes labels as fixed.

    Args:
      onehot_labels: `[batch, classes]`, a distribution for each row.
      logits: the same shape, floating.
      weights: a scalar or `[batch]`.
      loss_collection, reduction: as for `compute_weighted_loss`.
      label_smoothing: how far to move the labels towards 1/classes.
      scope: scope; default "softmax_cross_entropy_loss".

    Returns:
      A scalar of the dtype of `logits`; `[batch]` for `Reduction.NONE`.

    Raises:
      ValueError: the shapes differ, or an argument is None.
    """
    _given("softmax_cross_entropy", onehot_labels=onehot_labels, logits=logits)
    with name_scope(scope, "softmax_cross_entropy_loss", [logits, onehot_labels, weights]) as scope:
        logits = to_tensor(logits)
        labels = _as_dtype_of(onehot_labels, logits)
        _check_same(logits, labels)
        if label_smoothing > 0:
            classes = raw.Cast(shape_tensor(labels)[-1], DstT=logits.dtype.base_dtype)
            elsewhere = label_smoothing / classes
            labels = labels * (1.0 - label_smoothing) + elsewhere
        labels = raw.StopGradient(labels, name="labels_stop_gradient")
        losses = softmax_loss(labels, logits, "xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


@public("losses.sparse_softmax_cross_entropy")
def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`tf.nn.sparse_softmax_cross_entropy_with_logits`, weighted and reduced.

    Args:
      labels: `[batch]` or `[batch, 1]`, int32 or int64: one class for each row.
      logits: `[batch, classes]`, floating.
      weights: a scalar, or of the shape of `labels`.
      loss_collection, reduction: as for `compute_weighted_loss`.
      scope: scope; default "sparse_softmax_cross_entropy_loss".

    Returns:
      A scalar of the dtype of `logits`; the shape of `labels` for `Reduction.NONE`.

    Raises:
      ValueError: the shapes do not fit, or an argument is None.
    """
    _given("sparse_softmax_cross_entropy", labels=labels, logits=logits)
    with name_scope(scope, "sparse_softmax_cross_entropy_loss", [logits, labels, weights]) as scope:
        labels, logits, weights = _squeezed(to_tensor(labels), to_tensor(logits), weights)
        losses = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def _squeezed(labels: Tensor, logits: Tensor, weights: Any) -> tuple[Tensor, Tensor, Any]:
    """Drops a last axis of length 1 from labels, and then from weights, where they have one too many."""
    if labels.dims and logits.dims is not None:
        with name_scope(None, "remove_squeezable_dimensions", [labels, logits]):
            labels = _without_last(labels, len(logits.dims))
    weights = to_tensor(weights)
    if labels.dims is None:
        return labels, logits, weights
    if weights.dims is None:
        one_more = raw.Equal(raw.Rank(weights), len(labels.dims) + 1)
        return (
            labels,
            logits,
            cond(one_more, lambda: raw.Squeeze(weights, squeeze_dims=[-1]), lambda: weights),
        )
    return labels, logits, _without_last(weights, len(labels.dims) + 1) if weights.dims else weights


def _without_last(x: Tensor, rank: int) -> Tensor:
    """`x` without its last axis where it has `rank` axes and the last can have length 1."""
    dims: Any = x.dims or ()
    return raw.Squeeze(x, squeeze_dims=[-1]) if len(dims) == rank and dims[-1] in (None, 1) else x
