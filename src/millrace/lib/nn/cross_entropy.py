"""Losses of distributions: cross entropies of softmax and sigmoid, and of Poisson counts."""

from __future__ import annotations

import math
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import shapes
from millrace.core.dtypes import bfloat16, float16, float32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.checks import assert_equal
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.math.cast import cast
from millrace.ops.nn.xent import FIXED_LABELS

_HALVES = (float16, bfloat16)


def _check_named(function: str, sentinel: Any, labels: Any, logits: Any) -> None:
    """Refuses positional arguments: their order changed between releases.

    Raises:
      ValueError: an argument came by position, or one is missing.
    """
    if sentinel is not None:
        raise ValueError(f"{function}: labels and logits must be named arguments. Received: a positional one")
    if labels is None or logits is None:
        missing = "labels" if labels is None else "logits"
        raise ValueError(f"{function}: both labels and logits must be given. Received: no {missing}")


def _moved_to_end(x: Tensor, axis: int, rank: Tensor) -> Tensor:
    """`x` with `axis` moved behind the others."""
    parts = [raw.Range(0, axis, 1, name="range"), raw.Range(axis + 1, rank, 1, name="range"), [axis]]
    return raw.Transpose(x, raw.ConcatV2(parts, 0, name="concat"), name="transpose")


def _as_matrix(x: Tensor) -> Tensor:
    """`x` `[..., classes]` as a matrix."""
    rank = rank_tensor(x)
    classes = raw.Slice(shape_tensor(x), [raw.Sub(rank, 1)], [1])
    return raw.Reshape(x, raw.ConcatV2([[-1], classes], 0, name="concat"))


def _softmax_loss(labels: Any, logits: Any, axis: int, name: str | None, fixed: bool) -> Tensor:
    """The loss of each distribution along `axis`; `fixed` labels are constants for `tf.gradients`."""
    logits, labels = to_tensor(logits, name="logits"), to_tensor(labels, name="labels")
    dtype, static = logits.dtype.base_dtype, logits.dims
    if dtype in _HALVES:
        logits = raw.Cast(logits, DstT=float32)
    labels = cast(labels, logits.dtype.base_dtype)
    rank = rank_tensor(logits)
    if static is not None:
        if not -len(static) <= axis < len(static):
            raise ValueError(
                f"softmax_cross_entropy_with_logits: the axis must be in [{-len(static)}, {len(static)}). "
                f"Received: {axis}"
            )
        axis = -1 if axis == len(static) - 1 else axis
        if axis < -1:
            axis += len(static)
    if axis != -1:
        logits, labels = _moved_to_end(logits, axis, rank), _moved_to_end(labels, axis, rank)
    sizes = shape_tensor(logits)
    flat = _as_matrix(logits), _as_matrix(labels)
    mark = {FIXED_LABELS: True} if fixed else {}
    loss = raw.SoftmaxCrossEntropyWithLogits(*flat, name=name, **mark).loss
    outer = raw.Slice(sizes, [0], [raw.Sub(rank, 1)])
    loss = raw.Reshape(loss, outer)
    if static is not None:
        kept = list(static)
        del kept[axis]
        loss.set_shape(kept)
    return raw.Cast(loss, DstT=dtype) if dtype in _HALVES else loss


def _axis(axis: Any, dim: Any, default: int = -1) -> int:
    if dim is not None and axis is not None:
        raise ValueError("give either 'axis' or 'dim', its old name. Received: both")
    chosen = axis if dim is None else dim
    return default if chosen is None else int(chosen)


@public("nn.softmax_cross_entropy_with_logits")
def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
    axis: int | None = None,
) -> Tensor:
    """The cross entropy of `labels` and softmax(logits); labels are constants for `tf.gradients`.

    Args:
      _sentinel: catches positional arguments, which are refused.
      labels: `[..., classes]`, a distribution for each row.
      logits: `[..., classes]`, unnormalised log probabilities, floating.
      dim, axis: the axis of the classes; default the last.
      name: scope and name of the loss operation; default "softmax_cross_entropy_with_logits_sg".

    Returns:
      `[...]`, the shape without `dim`, the dtype of `logits`.

    Raises:
      ValueError: an argument is missing or positional, or the shapes differ.

    Example:
      >>> labels, logits = [[1.0, 0.0]], [[0.0, 0.0]]
      >>> loss = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
      >>> with tf.Session() as sess:
      ...     print(sess.run(loss).round(3))
      [0.693]
    """
    _check_named("softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "softmax_cross_entropy_with_logits_sg", [logits, labels]) as scope:
        labels = raw.StopGradient(labels, name="labels_stop_gradient")
        return _softmax_loss(labels, logits, dim if axis is None else axis, scope, fixed=True)


def softmax_loss(labels: Tensor, logits: Tensor, name: str) -> Tensor:
    """The cross entropies over the last axis; labels are constants for `tf.gradients`."""
    with name_scope(name, values=[logits, labels]) as scope:
        return _softmax_loss(labels, logits, -1, scope, fixed=True)


@public("nn.softmax_cross_entropy_with_logits_v2")
def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """The cross entropy of `labels` and softmax(logits), with gradients in both.

    Args:
      labels: `[..., classes]`, a distribution for each row.
      logits: `[..., classes]`, unnormalised log probabilities, floating.
      axis: the axis of the classes; default the last.
      name: scope and name of the loss operation; default "softmax_cross_entropy_with_logits".
      dim: the old name of `axis`.

    Returns:
      `[...]`, the shape without `axis`, the dtype of `logits`.

    Raises:
      ValueError: an argument is missing, or the shapes differ.

    Example:
      >>> labels, logits = [[1.0, 0.0]], [[0.0, 0.0]]
      >>> loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
      >>> with tf.Session() as sess:
      ...     print(sess.run(loss).round(3))
      [0.693]
    """
    axis = _axis(axis, dim)
    _check_named("softmax_cross_entropy_with_logits_v2", None, labels, logits)
    with name_scope(name, "softmax_cross_entropy_with_logits", [logits, labels]) as scope:
        return _softmax_loss(labels, logits, axis, scope, fixed=False)


@public("nn.sparse_softmax_cross_entropy_with_logits")
def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross entropy of the classes in `labels` and softmax(logits).

    Args:
      _sentinel: catches positional arguments, which are refused.
      labels: `[...]`, int32 or int64: one class in [0, classes) for each row.
      logits: `[..., classes]`, unnormalised log probabilities, floating.
      name: scope; default "SparseSoftmaxCrossEntropyWithLogits".

    Returns:
      `[...]`, the shape of `labels`, the dtype of `logits`.

    Raises:
      ValueError: an argument is missing or positional, or the ranks do not fit.
      InvalidArgumentError: when run, a label is not a class.

    Example:
      >>> loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0], logits=[[0.0, 0.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(loss).round(3))
      [0.693]
    """
    _check_named("sparse_softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "SparseSoftmaxCrossEntropyWithLogits", [labels, logits]):
        labels, logits = to_tensor(labels), to_tensor(logits)
        dtype = logits.dtype.base_dtype
        precise = raw.Cast(logits, DstT=float32) if dtype in _HALVES else logits
        sizes = shape_tensor(labels)
        _check_labels(labels.dims, logits.dims)
        if logits.dims is not None and len(logits.dims) == 2:
            loss = raw.SparseSoftmaxCrossEntropyWithLogits(precise, labels, name=name).loss
        else:
            with control_dependencies(_checked_rows(labels, logits)):
                count = shape_tensor(logits)
                last = raw.Sub(rank_tensor(logits), 1, name="sub")
                rows = raw.Reshape(precise, [-1, count[last]])
                flat = raw.Reshape(labels, [-1])
                loss = raw.SparseSoftmaxCrossEntropyWithLogits(rows, flat, name=name).loss
                loss = raw.Reshape(loss, sizes)
                loss.set_shape(labels.dims)
        return raw.Cast(loss, DstT=dtype) if dtype in _HALVES else loss


def _checked_rows(labels: Tensor, logits: Tensor) -> list[Any]:
    """What checks, when run, that each row of classes has a label, where the static shapes do not tell."""
    known = logits.dims is not None and shapes.fully_defined(logits.dims[:-1])
    if known and shapes.fully_defined(labels.dims):
        return []
    return [assert_equal(shape_tensor(labels), shape_tensor(logits)[:-1])]


def _check_labels(labels: shapes.Dims, logits: shapes.Dims) -> None:
    if logits is not None and len(logits) == 0:
        raise ValueError("logits must have an axis of classes. Received: a scalar")
    if labels is None or logits is None:
        return
    if len(labels) != len(logits) - 1:
        raise ValueError(
            "labels must have one axis less than logits. "
            f"Received: labels {shapes.format_dims(labels)}, logits {shapes.format_dims(logits)}"
        )
    if not shapes.compatible(labels, logits[:-1]):
        raise ValueError(
            "labels must have the shape of logits without the classes. "
            f"Received: labels {shapes.format_dims(labels)}, logits {shapes.format_dims(logits)}"
        )


def _same_shape(function: str, what: str, first: Tensor, other: Tensor) -> None:
    if not shapes.compatible(first.dims, other.dims):
        raise ValueError(
            f"{function}: logits and {what} must have the same shape. "
            f"Received: {shapes.format_dims(first.dims)} and {shapes.format_dims(other.dims)}"
        )


@public("nn.sigmoid_cross_entropy_with_logits")
def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Tensor:
    """The cross entropy of independent yes-or-no answers, element by element.

    Args:
      _sentinel: catches positional arguments, which are refused.
      labels: `[...]`, probabilities.
      logits: `[...]`, the same shape and dtype, floating.
      name: scope and name of the sum; default "logistic_loss".

    Returns:
      The shape and dtype of `logits`.

    Raises:
      ValueError: an argument is missing or positional, or the shapes differ.

    Example:
      >>> loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=[1.0, 0.0], logits=[0.0, 0.0])
      >>> with tf.Session() as sess:
      ...     print(sess.run(loss).round(3))
      [0.693 0.693]
    """
    _check_named("sigmoid_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "logistic_loss", [logits, labels]) as scope:
        logits, labels = to_tensor(logits, name="logits"), to_tensor(labels, name="labels")
        _same_shape("sigmoid_cross_entropy_with_logits", "labels", logits, labels)
        # max(x, 0) - x * z + log(1 + exp(-|x|)), written with selections so that the slope at 0 is right.
        zeros = zeros_like(logits)
        positive = raw.GreaterEqual(logits, zeros)
        rectified = raw.Select(positive, logits, zeros)
        negative = raw.Select(positive, raw.Neg(logits), logits)
        linear = rectified - logits * labels
        return raw.Add(linear, raw.Log1p(raw.Exp(negative)), name=scope)


@public("nn.weighted_cross_entropy_with_logits")
def weighted_cross_entropy_with_logits(
    labels: Any = None,
    logits: Any = None,
    pos_weight: Any = None,
    name: str | None = None,
    targets: Any = None,
) -> Tensor:
    """`sigmoid_cross_entropy_with_logits` in which positive answers count `pos_weight` times.

    Args:
      labels: `[...]`, probabilities.
      logits: `[...]`, the same shape and dtype, floating.
      pos_weight: a number or a tensor that broadcasts with `labels`.
      name: scope and name of the sum; default "logistic_loss".
      targets: the old name of `labels`.

    Returns:
      The shape and dtype of `logits`.

    Raises:
      ValueError: the shapes differ.
    """
    if labels is not None and targets is not None:
        raise ValueError(
            "weighted_cross_entropy_with_logits: give either 'labels' or 'targets'. Received: both"
        )
    labels = targets if labels is None else labels
    with name_scope(name, "logistic_loss", [logits, labels]) as scope:
        logits, labels = to_tensor(logits, name="logits"), to_tensor(labels, name="labels")
        _same_shape("weighted_cross_entropy_with_logits", "labels", logits, labels)
        weight = 1 + (pos_weight - 1) * labels
        linear = (1 - labels) * logits
        tail = raw.Log1p(raw.Exp(raw.Neg(raw.Abs(logits)))) + raw.Relu(raw.Neg(logits))
        return raw.Add(linear, weight * tail, name=scope)


@public("nn.log_poisson_loss")
def log_poisson_loss(
    targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None
) -> Tensor:
    """Minus the log likelihood of counts whose rates have the logarithms `log_input`.

    Args:
      targets: `[...]`, floating.
      log_input: `[...]`, the same shape and dtype.
      compute_full_loss: add Stirling's approximation of log(targets!) where targets > 1.
      name: scope; default "log_poisson_loss".

    Returns:
      The shape and dtype of `log_input`.

    Raises:
      ValueError: the shapes differ.
    """
    with name_scope(name, "log_poisson_loss", [log_input, targets]):
        log_input, targets = to_tensor(log_input, name="log_input"), to_tensor(targets, name="targets")
        _same_shape("log_poisson_loss", "targets", log_input, targets)
        loss = raw.Exp(log_input) - log_input * targets
        if not compute_full_loss:
            return loss
        dtype = targets.dtype.base_dtype
        half, turn = to_tensor(0.5, dtype, "Const"), to_tensor(2 * math.pi, dtype, "Const")
        stirling = targets * raw.Log(targets) - targets + half * raw.Log(turn * targets)
        zeros, ones = zeros_like(targets), ones_like(targets)
        small = raw.LogicalAnd(raw.GreaterEqual(targets, zeros), raw.LessEqual(targets, ones))
        return loss + raw.Select(small, zeros, stirling)
