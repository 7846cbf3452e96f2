"""Adding a bias to every position, and half the squared norm."""

from __future__ import annotations

import math
from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import FLOATING, NUMERIC
from millrace.core.public import public
from millrace.core.shapes import Dims, format_dims
from millrace.graph.attrs import one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import windows
from millrace.opkit.rules.shape_rules import at_least, with_rank

_FORMATS = one_of("NHWC", "NCHW", default="NHWC")


def _bias_axis(rank: int, data_format: str) -> int:
    return 1 if data_format == "NCHW" else rank - 1


def _shape(value: Dims, bias: Dims, data_format: str) -> Dims:
    value = at_least(value, 2, "value")
    (size,) = with_rank(bias, 1, "bias")  # type: ignore[misc]
    if value is None:
        return None
    axis = _bias_axis(len(value), data_format)
    channels = value[axis]
    if None not in (size, channels) and size != channels:
        raise ValueError(
            f"bias must have one element per channel: {channels}. "
            f"Received: value {format_dims(value)}, bias [{size}]"
        )
    return tuple(size if i == axis and d is None else d for i, d in enumerate(value))


def _aligned(xp: Any, value: Any, bias: Any, data_format: str) -> Any:
    """`bias` in a shape that broadcasts along the channels of `value`."""
    if value.ndim < 2 or bias.ndim != 1:
        raise windows.refused(
            "value must be at least a matrix and bias a vector. "
            f"Received: {list(value.shape)} and {list(bias.shape)}"
        )
    axis = _bias_axis(value.ndim, data_format)
    if value.shape[axis] != bias.shape[0]:
        raise windows.refused(
            f"bias must have one element per channel: {value.shape[axis]}. Received: {bias.shape[0]} elements"
        )
    return xp.reshape(bias, (-1, *(1,) * (value.ndim - 1 - axis)))


def _wide(x: Any) -> Any:
    """Half precision as float32: sums need the digits."""
    return x.astype("float32") if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x


@declare("BiasAdd(value: T, bias: T) -> output: T", T=NUMERIC, data_format=_FORMATS)
class BiasAdd:
    """value + bias, the same bias at every position."""

    def shape(value, bias, data_format):
        return _shape(value, bias, data_format)

    def kernel(xp, value, bias, data_format):
        return value + _aligned(xp, value, bias, data_format)

    def grad(op, dy):
        return dy, raw.BiasAddGrad(dy, data_format=op.attrs["data_format"])


@declare("BiasAddV1(value: T, bias: T) -> output: T", T=NUMERIC)
class BiasAddV1:
    """value + bias, bias along the last axis."""

    def shape(value, bias):
        return _shape(value, bias, "NHWC")

    def kernel(xp, value, bias):
        return value + _aligned(xp, value, bias, "NHWC")

    def grad(op, dy):
        value = op.inputs[0]
        if value.dims is not None:
            axes = list(range(len(value.dims) - 1))
        else:
            axes = raw.Range(0, raw.Sub(raw.Rank(dy), 1), 1)
        return dy, raw.Sum(dy, axes)


def _channel_sums(xp, out_backprop, data_format):
    if out_backprop.ndim < 2:
        raise windows.refused(f"out_backprop must be at least a matrix. Received: {list(out_backprop.shape)}")
    axis = _bias_axis(out_backprop.ndim, data_format)
    if axis == out_backprop.ndim - 1:  # one contiguous reduction, which NumPy does much faster
        *rows, channels = out_backprop.shape
        total = xp.sum(_wide(xp.reshape(out_backprop, (math.prod(rows), channels))), axis=0)
    else:
        total = xp.sum(_wide(out_backprop), axis=tuple(i for i in range(out_backprop.ndim) if i != axis))
    return total.astype(out_backprop.dtype)


@declare("BiasAddGrad(out_backprop: T) -> output: T", T=NUMERIC, data_format=_FORMATS)
class BiasAddGrad:
    """The sum over all positions, one element per channel."""

    def shape(out_backprop, data_format):
        dims = at_least(out_backprop, 2, "out_backprop")
        return (None,) if dims is None else (dims[_bias_axis(len(dims), data_format)],)

    def kernel(xp, out_backprop, data_format):
        return _channel_sums(xp, out_backprop, data_format)

    def xla(xp, out_backprop, data_format):
        rank = out_backprop.ndim
        last = rank >= 2 and _bias_axis(rank, data_format) == rank - 1
        found = xp.column_sums(out_backprop) if last else None
        return _channel_sums(xp, out_backprop, data_format) if found is None else found

    def grad(op, dz):
        return raw.BiasAdd(raw.ZerosLike(op.inputs[0]), dz, data_format=op.attrs["data_format"])


@declare("L2Loss(t: T) -> output: T", T=FLOATING)
class L2Loss:
    """Half the sum of squares."""

    def shape(t):
        return ()

    def kernel(xp, t):
        flat = _wide(xp.reshape(t, (-1,)))
        return (xp.dot(flat, flat) / 2).astype(t.dtype)

    def xla(xp, t):
        return (xp.sum(xp.square(_wide(t))) / 2).astype(t.dtype)

    def grad(op, dy):
        return raw.Mul(op.inputs[0], dy, name="mul")


@public("nn.bias_add")
def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Tensor:
    """Adds one number per channel to every position.

    Args:
      value: `[batch, ..., channels]`, or `[batch, channels, ...]` for channels-first formats; numeric.
      bias: `[channels]`, the same dtype.
      data_format: one that starts with "NC" (channels second), or "NHWC", "N...C", None (channels last).
      name: op name; default "BiasAdd".

    Returns:
      The shape and dtype of `value`.

    Raises:
      TypeError: `data_format` is not a string.
      ValueError: the shapes do not fit, or `data_format` is none of these.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.bias_add([[1.0, 2.0], [3.0, 4.0]], [10.0, 20.0])))
      [[11. 22.]
       [13. 24.]]
    """
    layout = _layout(data_format)
    with name_scope(name, "BiasAdd", [value, bias]) as scope:
        value = to_tensor(value, name="input")
        bias = to_tensor(bias, value.dtype.base_dtype, "bias")
        return raw.BiasAdd(value, bias, data_format=layout, name=scope)


def _layout(data_format: str | None) -> str:
    if data_format is not None and not isinstance(data_format, str):
        raise TypeError(f"bias_add: data_format must be a string. Received: {data_format!r}")
    if data_format is None or (data_format.startswith("N") and data_format.endswith("C")):
        return "NHWC"
    if data_format.startswith("NC"):
        return "NCHW"
    raise ValueError(f"bias_add: data_format must be of the form N...C or NC... Received: {data_format!r}")


@public("nn.l2_loss")
def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """Half the sum of the squares of all elements.

    Args:
      t: `[...]`, floating.
      name: op name; default "L2Loss".

    Returns:
      A scalar of the dtype of `t`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.l2_loss([3.0, 4.0])))
      12.5
    """
    return raw.L2Loss(t, name=name)
