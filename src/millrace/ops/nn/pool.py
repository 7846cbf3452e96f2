"""Pools over two spatial axes: maxima and means of windows."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.building.static import Known
from millrace.core.dtypes import FLOATING, REAL, uint32, uint64
from millrace.core.public import public
from millrace.graph.attrs import ints, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import pooling, window_args, windows
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.pooling import Frame, pool_shape

_MAX_TYPES = REAL - {uint32, uint64}
_SIZES = ints(minimum=4)
_PADDINGS = one_of("SAME", "VALID")
_FORMATS = one_of("NHWC", "NCHW", default="NHWC")


def _window(value: Any, what: str) -> tuple[int, ...]:
    sizes = tuple(value.tolist()) if value.ndim == 1 else ()
    if len(sizes) != 4 or min(sizes) < 1:
        raise windows.refused(f"'{what}' must be 4 values of at least 1. Received: {value.tolist()}")
    return sizes


def _pool_max(xp: Any, x: Any, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
    if data_format == "NHWC" and ksize[-1] != 1:
        return pooling.max_pool_in_depth(xp, x, ksize, strides)
    return pooling.max_pool(xp, x, Frame(x.shape, ksize, strides, padding, data_format))


def _shape_v2(x: Any, ksize: Known, strides: Known, padding: str, data_format: str) -> Any:
    if ksize.value is None or strides.value is None:
        return None if x is None else (None,) * len(x)
    for sizes, what in ((ksize, "ksize"), (strides, "strides")):
        if sizes.value.shape != (4,):
            raise ValueError(f"'{what}' must be 4 values. Received: {sizes.value.tolist()}")
    return pool_shape(x, tuple(ksize.value.tolist()), tuple(strides.value.tolist()), padding, data_format)


@declare("MaxPool(input: T) -> output: T",
    T=_MAX_TYPES, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class MaxPool:
    """The largest element of each window."""

    def shape(input, ksize, strides, padding, data_format):
        return pool_shape(input, ksize, strides, padding, data_format)

    def kernel(xp, input, ksize, strides, padding, data_format):
        return _pool_max(xp, input, ksize, strides, padding, data_format)

    def grad(op, dy):
        return raw.MaxPoolGrad(op.inputs[0], op.outputs[0], dy, **op.params)


@declare("MaxPoolV2(input: T, ksize: int32, strides: int32) -> output: T",
    static=("ksize", "strides"), T=_MAX_TYPES, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class MaxPoolV2:
    """MaxPool with window and strides as tensors."""

    def shape(input, ksize, strides, padding, data_format):
        return _shape_v2(input, ksize, strides, padding, data_format)

    def kernel(xp, input, ksize, strides, padding, data_format):
        return _pool_max(
            xp, input, _window(ksize, "ksize"), _window(strides, "strides"), padding, data_format
        )

    def grad(op, dy):
        x, ksize, strides = op.inputs
        return raw.MaxPoolGradV2(x, op.outputs[0], dy, ksize, strides, **op.params), None, None


@declare("MaxPoolGrad(orig_input: T, orig_output: T, grad: T) -> output: T",
    T=REAL, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class MaxPoolGrad:
    """The gradient of MaxPool: `grad` goes to the first maximum of each window."""

    def shape(orig_input, orig_output, grad):
        return orig_input

    def kernel(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format):
        frame = Frame(orig_input.shape, ksize, strides, padding, data_format)
        return pooling.max_pool_grad(xp, orig_input, orig_output, grad, frame)

    def xla(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format):
        frame = Frame(orig_input.shape, ksize, strides, padding, data_format)
        return pooling.max_pool_grad_by_index(xp, orig_input, orig_output, grad, frame)

    def grad(op, dz):
        x, y, _ = op.inputs
        return None, None, raw.MaxPoolGradGrad(x, y, dz, **op.params)


@declare("MaxPoolGradV2(orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32) -> output: T",
    static=("ksize", "strides"), T=REAL, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class MaxPoolGradV2:
    """MaxPoolGrad with window and strides as tensors."""

    def shape(orig_input, orig_output, grad, ksize, strides):
        return orig_input

    def kernel(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format):
        frame = Frame(
            orig_input.shape, _window(ksize, "ksize"), _window(strides, "strides"), padding, data_format
        )
        return pooling.max_pool_grad(xp, orig_input, orig_output, grad, frame)

    def grad(op, dz):
        x, y, _, ksize, strides = op.inputs
        return None, None, raw.MaxPoolGradGradV2(x, y, dz, ksize, strides, **op.params), None, None


@declare("MaxPoolGradGrad(orig_input: T, orig_output: T, grad: T) -> output: T",
    T=REAL, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class MaxPoolGradGrad:
    """The gradient of MaxPoolGrad: `grad` at the first maximum of each window."""

    def shape(orig_input, orig_output, grad):
        return orig_output

    def kernel(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format):
        frame = Frame(orig_input.shape, ksize, strides, padding, data_format)
        return pooling.max_pool_grad_grad(xp, orig_input, orig_output, grad, frame)

    def grad(op, dy):
        x, y, _ = op.inputs
        return None, None, raw.MaxPoolGrad(x, y, dy, **op.params)


@declare("MaxPoolGradGradV2("
    "orig_input: T, orig_output: T, grad: T, ksize: int32, strides: int32) -> output: T",
    static=("ksize", "strides"), T=REAL, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class MaxPoolGradGradV2:
    """MaxPoolGradGrad with window and strides as tensors."""

    def shape(orig_input, orig_output, grad, ksize, strides):
        return orig_output

    def kernel(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format):
        frame = Frame(
            orig_input.shape, _window(ksize, "ksize"), _window(strides, "strides"), padding, data_format
        )
        return pooling.max_pool_grad_grad(xp, orig_input, orig_output, grad, frame)

    def grad(op, dy):
        x, y, _, ksize, strides = op.inputs
        return None, None, raw.MaxPoolGradV2(x, y, dy, ksize, strides, **op.params), None, None


@declare("AvgPool(value: T) -> output: T",
    T=FLOATING, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class AvgPool:
    """The mean of each window; padding does not count."""

    def shape(value, ksize, strides, padding, data_format):
        return pool_shape(value, ksize, strides, padding, data_format)

    def kernel(xp, value, ksize, strides, padding, data_format):
        return pooling.avg_pool(xp, value, Frame(value.shape, ksize, strides, padding, data_format))

    def grad(op, dy):
        return raw.AvgPoolGrad(shape_tensor(op.inputs[0]), dy, **op.params)


@declare("AvgPoolGrad(orig_input_shape: int32, grad: T) -> output: T",
    static=("orig_input_shape",), T=FLOATING, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS,
    data_format=_FORMATS)  # fmt: skip
class AvgPoolGrad:
    """The gradient of AvgPool: each window shares `grad` out evenly."""

    def shape(orig_input_shape, grad):
        dims = orig_input_shape.as_dims()
        return (None,) * 4 if dims is None else dims

    def kernel(xp, orig_input_shape, grad, ksize, strides, padding, data_format):
        sizes = tuple(orig_input_shape.tolist())
        frame = Frame(sizes, ksize, strides, padding, data_format)
        return pooling.avg_pool_grad(xp, sizes[0], windows.channel(sizes, data_format), grad, frame)

    def grad(op, dz):
        return None, raw.AvgPool(dz, **op.params)


@public("nn.max_pool")
def max_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The largest element of each window.

    Args:
      value: `[batch, height, width, channels]` (NHWC) or `[batch, channels, height, width]` (NCHW).
      ksize: 1, 2 or 4 integers, or an int32 tensor `[4]`: the window.
      strides: likewise: the steps of the window.
      padding: "SAME" or "VALID".
      data_format: "NHWC" or "NCHW".
      name: op name; default "MaxPool".
      input: another spelling of `value`.

    Returns:
      `[batch, out_height, out_width, channels]` in the layout of `data_format`; the dtype of `value`.

    Raises:
      ValueError: the window does not fit, or a list has another length.

    Example:
      >>> image = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
      >>> pooled = tf.nn.max_pool(image, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.squeeze(pooled)))
      [[ 5.  7.]
       [13. 15.]]
    """
    value = window_args.one_of_two("value", value, "input", input)
    with name_scope(name, "MaxPool", [value]) as scope:
        return _max_pool(value, ksize, strides, padding, data_format, scope)


def _max_pool(value: Any, ksize: Any, strides: Any, padding: str, data_format: str, scope: str) -> Tensor:
    data_format = data_format or "NHWC"
    if any(isinstance(v, Tensor) for v in (ksize, strides)):
        return raw.MaxPoolV2(value, ksize, strides, padding=padding, data_format=data_format, name=scope)
    return raw.MaxPool(
        value,
        ksize=window_args.per_axis(ksize, 2, data_format, "ksize"),
        strides=window_args.per_axis(strides, 2, data_format, "strides"),
        padding=padding,
        data_format=data_format,
        name=scope,
    )


@public("nn.max_pool2d")
def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """The same as `max_pool`, with the default name "MaxPool2d"."""
    with name_scope(name, "MaxPool2d", [input]) as scope:
        return _max_pool(input, ksize, strides, padding, data_format, scope)


@public("nn.avg_pool", "nn.avg_pool2d")
def avg_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The mean of each window; padding does not count. Arguments as for `max_pool`; floating.

    Args:
      value: `[batch, height, width, channels]` (NHWC) or `[batch, channels, height, width]` (NCHW), floating.
      ksize: 1, 2 or 4 integers: the window.
      strides: likewise: the steps of the window.
      padding: "SAME" or "VALID".
      data_format: "NHWC" or "NCHW".
      name: op name; default "AvgPool".
      input: another spelling of `value`.

    Returns:
      `[batch, out_height, out_width, channels]` in the layout of `data_format`.

    Raises:
      ValueError: the window does not fit, or a list has another length.
    """
    value = window_args.one_of_two("value", value, "input", input)
    with name_scope(name, "AvgPool", [value]) as scope:
        return _mean_of_windows(value, ksize, strides, padding, data_format, scope)


@public("compat.v2.nn.avg_pool2d")
def avg_pool2d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """As `tf.nn.avg_pool`; the default of `name` is "AvgPool2D"."""
    with name_scope(name, "AvgPool2D", [input]) as scope:
        return _mean_of_windows(input, ksize, strides, padding, data_format, scope)


def _mean_of_windows(
    value: Any, ksize: Any, strides: Any, padding: str, data_format: str | None, scope: str
) -> Tensor:
    data_format = data_format or "NHWC"
    return raw.AvgPool(
        value,
        ksize=window_args.per_axis(ksize, 2, data_format, "ksize"),
        strides=window_args.per_axis(strides, 2, data_format, "strides"),
        padding=padding,
        data_format=data_format,
        name=scope,
    )
