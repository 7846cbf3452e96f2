"""Cross entropy of softmax distributions, with the gradient that comes for free."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core import shapes
from millrace.core.dtypes import FLOATING, INDEX, int64
from millrace.core.errors import InvalidArgumentError, refusal
from millrace.graph.attrs import dtype
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank

FIXED_LABELS = "_fixed_labels"
"""The attribute by which an operation says that its labels are constants for `tf.gradients`."""

_OF_LABELS: Final = 5  # their part of the gradient, which TensorFlow 1.15 adds also where they are fixed
_FUSED = "The second derivative of {} is not available: its gradient is computed together with the loss."


def _wide(x: Any) -> Any:
    return x.astype("float32") if x.dtype.itemsize == 2 else x


def _log_softmax(xp: Any, x: Any) -> Any:
    if x.size == 0:
        return x
    x = x - xp.max(x, axis=-1, keepdims=True)
    return x - xp.log(xp.sum(xp.exp(x), axis=-1, keepdims=True))


def _weighted(dy: Tensor, rows: Tensor) -> Tensor:
    """`rows` `[batch, classes]` with each row scaled by its element of `dy` `[batch]`."""
    return raw.ExpandDims(dy, -1) * rows


def _is_zero(gradient: Tensor | None) -> bool:
    return gradient is None or gradient.op.type in ("ZerosLike", "Zeros")


@declare("SoftmaxCrossEntropyWithLogits(features: T, labels: T) -> loss: T, backprop: T", T=FLOATING)
class SoftmaxCrossEntropyWithLogits:
    """The cross entropy of `labels` and softmax(features) for each row, and its gradient in `features`."""

    def shape(features, labels):
        both = shapes.broadcast(with_rank(features, 2, "features"), with_rank(labels, 2, "labels"))
        return [both[:1], both]  # type: ignore[index]

    def kernel(xp, features, labels):
        if features.ndim != 2 or labels.ndim != 2:
            raise refusal(
                f"logits and labels must be matrices. Received: {list(features.shape)}, {list(labels.shape)}"
            )
        try:
            both = np.broadcast_shapes(features.shape, labels.shape)
        except ValueError:
            raise refusal(
                "logits and labels must have one shape. "
                f"Received: {list(features.shape)} and {list(labels.shape)}"
            ) from None
        x = xp.broadcast_to(_wide(features), both)
        targets = xp.broadcast_to(_wide(labels), both)
        logs = _log_softmax(xp, x)
        loss = -xp.sum(targets * logs, axis=-1)
        return loss.astype(features.dtype), (xp.exp(logs) - targets).astype(features.dtype)

    def grad(op, dy, d_backprop):
        logits = op.inputs[0]
        if FIXED_LABELS in op.attrs and _is_zero(d_backprop):
            rows = raw.PreventGradient(op.outputs[1], message=_FUSED.format(op.type))
            rows.op.attrs["_gradient_op_type"] = "Identity"
            dy.graph.count(_OF_LABELS - 1)
            return _weighted(dy, rows), None
        dx = _weighted(dy, op.outputs[1])
        d_labels = None
        if FIXED_LABELS not in op.attrs:
            d_labels = _weighted(dy, raw.Neg(raw.LogSoftmax(logits)))
        if not _is_zero(d_backprop):
            softmax = raw.Softmax(logits)
            dx = dx + (d_backprop - raw.Sum(d_backprop * softmax, [-1], keep_dims=True)) * softmax
            d_labels = None if d_labels is None else d_labels - d_backprop
        return dx, d_labels


def _no_class(labels: Any, classes: int) -> InvalidArgumentError:
    received = f" Received: {labels.tolist()}" if isinstance(labels, np.ndarray) else ""
    return refusal(f"labels must be in [0, {classes}).{received}")


@declare("SparseSoftmaxCrossEntropyWithLogits(features: T, labels: Tlabels) -> loss: T, backprop: T",
    T=FLOATING, Tlabels=dtype(INDEX, default=int64))  # fmt: skip
class SparseSoftmaxCrossEntropyWithLogits:
    """The cross entropy of the class in `labels` and softmax(features) for each row, and its gradient."""

    def shape(features, labels):
        rows, classes = with_rank(features, 2, "features")  # type: ignore[misc]
        batch = shapes.merge((rows,), with_rank(labels, 1, "labels"))
        return [batch, (batch[0], classes)]  # type: ignore[index]

    def kernel(xp, features, labels):
        if features.ndim != 2 or labels.shape != features.shape[:1]:
            raise refusal(
                "logits must be a matrix and labels a vector with one class for each row. "
                f"Received: {list(features.shape)} and {list(labels.shape)}"
            )
        classes = features.shape[1]
        if classes == 0 and features.shape[0]:
            raise refusal(f"logits must have at least one class. Received: {list(features.shape)}")
        xp.check((labels >= 0) & (labels < classes), lambda: _no_class(labels, classes))
        logs = _log_softmax(xp, _wide(features))
        chosen = labels[:, None] == xp.arange(classes, dtype=labels.dtype)
        loss = -xp.sum(xp.where(chosen, logs, 0), axis=-1)
        return loss.astype(features.dtype), (xp.exp(logs) - chosen).astype(features.dtype)

    def grad(op, dy, _):
        rows = raw.PreventGradient(op.outputs[1], message=_FUSED.format(op.type))
        return _weighted(dy, rows), None
