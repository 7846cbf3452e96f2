"""Pools over three spatial axes."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core.dtypes import FLOATING
from millrace.core.public import public
from millrace.graph.attrs import ints, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import pooling, window_args, windows
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.pooling import Frame, pool_shape

_SIZES = ints(minimum=5)
_PADDINGS = one_of("SAME", "VALID")
_FORMATS = one_of("NDHWC", "NCDHW", default="NDHWC")


@declare("MaxPool3D(input: T) -> output: T",
    T=FLOATING, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class MaxPool3D:
    """The largest element of each window."""

    def shape(input, ksize, strides, padding, data_format):
        return pool_shape(input, ksize, strides, padding, data_format)

    def kernel(xp, input, ksize, strides, padding, data_format):
        return pooling.max_pool(xp, input, Frame(input.shape, ksize, strides, padding, data_format))

    def grad(op, dy):
        return raw.MaxPool3DGrad(op.inputs[0], op.outputs[0], dy, **op.params)


@declare("MaxPool3DGrad(orig_input: TInput, orig_output: TInput, grad: T) -> output: T",
    T=FLOATING, TInput=FLOATING, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS,
    data_format=_FORMATS)  # fmt: skip
class MaxPool3DGrad:
    """The gradient of MaxPool3D: `grad` goes to every maximum of each window."""

    def shape(orig_input, orig_output, grad):
        return orig_input

    def kernel(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format):
        frame = Frame(orig_input.shape, ksize, strides, padding, data_format)
        return pooling.max_pool_grad(xp, orig_input, orig_output, grad, frame, every=True)

    def grad(op, dz):
        x, y, _ = op.inputs
        return None, None, raw.MaxPool3DGradGrad(x, y, dz, **op.params)


@declare("MaxPool3DGradGrad(orig_input: T, orig_output: T, grad: T) -> output: T",
    T=FLOATING, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class MaxPool3DGradGrad:
    """The gradient of MaxPool3DGrad: `grad` at the first maximum of each window."""

    def shape(orig_input, orig_output, grad):
        return orig_output

    def kernel(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format):
        frame = Frame(orig_input.shape, ksize, strides, padding, data_format)
        return pooling.max_pool_grad_grad(xp, orig_input, orig_output, grad, frame)

    def grad(op, dy):
        x, y, _ = op.inputs
        return None, None, raw.MaxPool3DGrad(x, y, dy, **op.params)


@declare("AvgPool3D(input: T) -> output: T",
    T=FLOATING, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS, data_format=_FORMATS)  # fmt: skip
class AvgPool3D:
    """The mean of each window; padding does not count."""

    def shape(input, ksize, strides, padding, data_format):
        return pool_shape(input, ksize, strides, padding, data_format)

    def kernel(xp, input, ksize, strides, padding, data_format):
        return pooling.avg_pool(xp, input, Frame(input.shape, ksize, strides, padding, data_format))

    def grad(op, dy):
        return raw.AvgPool3DGrad(shape_tensor(op.inputs[0]), dy, **op.params)


@declare("AvgPool3DGrad(orig_input_shape: int32, grad: T) -> output: T",
    static=("orig_input_shape",), T=FLOATING, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS,
    data_format=_FORMATS)  # fmt: skip
class AvgPool3DGrad:
    """The gradient of AvgPool3D: each window shares `grad` out evenly."""

    def shape(orig_input_shape, grad):
        dims = orig_input_shape.as_dims()
        return (None,) * 5 if dims is None else dims

    def kernel(xp, orig_input_shape, grad, ksize, strides, padding, data_format):
        sizes = tuple(orig_input_shape.tolist())
        frame = Frame(sizes, ksize, strides, padding, data_format)
        return pooling.avg_pool_grad(xp, sizes[0], windows.channel(sizes, data_format), grad, frame)

    def grad(op, dz):
        return None, raw.AvgPool3D(dz, **op.params)


def _args(ksize: Any, strides: Any, padding: str, data_format: str) -> dict[str, Any]:
    return {
        "ksize": window_args.per_axis(ksize, 3, data_format, "ksize"),
        "strides": window_args.per_axis(strides, 3, data_format, "strides"),
        "padding": padding,
        "data_format": data_format,
    }


@public("nn.max_pool3d")
def max_pool3d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NDHWC", name: str | None = None
) -> Tensor:
    """The largest element of each window.

    Args:
      input: `[batch, depth, height, width, channels]` (NDHWC) or channels second (NCDHW), floating.
      ksize: 1, 3 or 5 integers: the window.
      strides: likewise: the steps of the window.
      padding: "SAME" or "VALID".
      data_format: "NDHWC" or "NCDHW".
      name: op name; default "MaxPool3D".

    Returns:
      A tensor of the same rank, layout and dtype.

    Raises:
      ValueError: the window does not fit, or a list has another length.
    """
    with name_scope(name, "MaxPool3D", [input]) as scope:
        return raw.MaxPool3D(input, **_args(ksize, strides, padding, data_format or "NDHWC"), name=scope)


@public("nn.avg_pool3d")
def avg_pool3d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NDHWC", name: str | None = None
) -> Tensor:
    """The mean of each window without padding; arguments as for `max_pool3d`; default name "AvgPool3D"."""
    with name_scope(name, "AvgPool3D", [input]) as scope:
        return raw.AvgPool3D(input, **_args(ksize, strides, padding, data_format or "NDHWC"), name=scope)
