"""Softmax and its logarithm, over any axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.static import static_value
from millrace.core.dtypes import FLOATING
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import rank_tensor
from millrace.opkit.rules.shape_rules import at_least


def _shifted(xp: Any, logits: Any) -> Any:
    """Logits less their maximum, so that no exponential overflows; float32 for half precision."""
    if logits.ndim < 1:
        raise refusal(f"logits must have at least one axis. Received: shape {list(logits.shape)}")
    x = logits.astype("float32") if logits.dtype.itemsize == 2 else logits
    return x if x.size == 0 else x - xp.max(x, axis=-1, keepdims=True)


@declare("Softmax(logits: T) -> softmax: T", T=FLOATING)
class Softmax:
    """exp(logits) / sum(exp(logits)) over the last axis."""

    def shape(logits):
        return at_least(logits, 1, "logits")

    def kernel(xp, logits):
        powers = xp.exp(_shifted(xp, logits))
        return (powers / xp.sum(powers, axis=-1, keepdims=True)).astype(logits.dtype)

    def grad(op, dy):
        softmax = op.outputs[0]
        return (dy - raw.Sum(dy * softmax, -1, keep_dims=True)) * softmax


@declare("LogSoftmax(logits: T) -> logsoftmax: T", T=FLOATING)
class LogSoftmax:
    """logits - log(sum(exp(logits))) over the last axis."""

    def shape(logits):
        return at_least(logits, 1, "logits")

    def kernel(xp, logits):
        x = _shifted(xp, logits)
        return (x - xp.log(xp.sum(xp.exp(x), axis=-1, keepdims=True))).astype(logits.dtype)

    def grad(op, dy):
        softmax = raw.Exp(op.outputs[0])
        return dy - raw.Sum(dy, [-1], keep_dims=True) * softmax


def _over_axis(declared: Any, logits: Any, axis: int, name: str | None) -> Tensor:
    """Applies an operation on the last axis to another one, swapping the two before and after."""
    logits = to_tensor(logits)
    rank = None if logits.dims is None else len(logits.dims)
    last = axis == -1 or (rank is not None and axis == rank - 1)
    if last:
        return declared(logits, name=name)
    if rank is not None and not -rank <= axis < rank:
        raise refusal(f"the axis must be in [{-rank}, {rank}) for logits of rank {rank}. Received: {axis}")
    if rank is None:
        raise TypeError(f"an axis other than the last needs logits of known rank. Received: axis {axis}")
    axis %= rank
    rank_tensor(logits)  # nobody takes it, but TensorFlow adds and counts it
    ranks = rank_tensor(logits)
    order = _swapped(axis, ranks)
    moved = declared(raw.Transpose(logits, order, name="transpose"))
    moved = raw.Transpose(moved, _swapped(axis, ranks), name=name or "transpose")
    moved.set_shape(logits.get_shape())
    return moved


def _swapped(axis: int, rank: Tensor) -> Tensor:
    """The permutation that exchanges `axis` with the last one."""
    last = raw.Sub(rank, 1, name="Sub")
    return raw.ConcatV2(
        [raw.Range(0, axis, 1, name="range"), [last], raw.Range(axis + 1, last, 1, name="range"), [axis]],
        0,
        name="concat",
    )


def _axis(axis: Any, dim: Any) -> int:
    if dim is not None:
        if axis is not None:
            raise ValueError("softmax: give either 'axis' or 'dim', its old name. Received: both")
        axis = dim
    if isinstance(axis, Tensor):
        value = static_value(axis)
        if value is None:
            raise TypeError(f"softmax: the axis must be known while building. Received: {axis}")
        axis = value
    return -1 if axis is None else int(np.asarray(axis))


@public("nn.softmax", "math.softmax")
def softmax(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Tensor:
    """exp(logits) / sum(exp(logits)) along one axis.

    Args:
      logits: `[...]` of rank >= 1, floating.
      axis: the axis of the sum; default the last.
      name: op name; default "Softmax".
      dim: the old name of `axis`.

    Returns:
      The shape and dtype of `logits`.

    Raises:
      InvalidArgumentError: `axis` is out of range.
      ValueError: `logits` is a scalar.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.softmax([0.0, 0.0, 0.0, 0.0])))
      [0.25 0.25 0.25 0.25]
    """
    return _over_axis(raw.Softmax, logits, _axis(axis, dim), name)


@public("nn.log_softmax", "math.log_softmax")
def log_softmax(
    logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """Logits - log(sum(exp(logits))) along one axis.

    Args:
      logits: `[...]` of rank >= 1, floating.
      axis: the axis of the sum; default the last.
      name: op name; default "LogSoftmax".
      dim: the old name of `axis`.

    Returns:
      The shape and dtype of `logits`.

    Raises:
      InvalidArgumentError: `axis` is out of range.
      ValueError: `logits` is a scalar.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.log_softmax([0.0, 0.0])).round(3))
      [-0.693 -0.693]
    """
    return _over_axis(raw.LogSoftmax, logits, _axis(axis, dim), name)
