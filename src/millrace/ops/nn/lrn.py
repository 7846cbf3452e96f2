"""Local response normalisation: each channel is damped by its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core.dtypes import bfloat16, float16, float32
from millrace.core.public import public
from millrace.graph.attrs import integer, number
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import windows
from millrace.opkit.rules.shape_rules import with_rank

_TYPES = frozenset({float16, bfloat16, float32})


def _wide(x: Any) -> Any:
    return x.astype("float32")


def _neighbours(xp: Any, x: Any, radius: int) -> Any:
    """The sum over the channels at most `radius` away."""
    channels = x.shape[-1]
    radius = min(radius, channels)
    padded = xp.pad(x, (*((0, 0),) * (x.ndim - 1), (radius, radius)))
    if 2 * radius + 1 <= 16:
        total = padded[..., :channels]
        for i in range(1, 2 * radius + 1):
            total = total + padded[..., i : i + channels]
        return total
    distance = np.abs(np.arange(channels)[:, None] - np.arange(channels))
    return xp.mat_product(x, (distance <= radius).astype(x.dtype))


@declare("LRN(input: T) -> output: T",
    T=_TYPES, depth_radius=integer(5), bias=number(1.0), alpha=number(1.0), beta=number(0.5))  # fmt: skip
class LRN:
    """input / (bias + alpha * sum of the neighbouring channels' squares) ** beta."""

    def shape(input):
        return with_rank(input, 4)

    def kernel(xp, input, depth_radius, bias, alpha, beta):
        if input.ndim != 4:
            raise windows.refused(f"input must have rank 4. Received: shape {list(input.shape)}")
        x = _wide(input)
        norm = _neighbours(xp, xp.square(x), depth_radius) * np.float32(alpha) + np.float32(bias)
        return (x * xp.power(norm, np.float32(-beta))).astype(input.dtype)

    def grad(op, dy):
        return raw.LRNGrad(dy, op.inputs[0], op.outputs[0], **op.params)


@declare("LRNGrad(input_grads: T, input_image: T, output_image: T) -> output: T",
    T=_TYPES, depth_radius=integer(5), bias=number(1.0), alpha=number(1.0), beta=number(0.5))  # fmt: skip
class LRNGrad:
    """The gradient of LRN."""

    def shape(input_grads, input_image, output_image):
        return with_rank(input_image, 4)

    def kernel(xp, input_grads, input_image, output_image, depth_radius, bias, alpha, beta):
        dy, x, y = _wide(input_grads), _wide(input_image), _wide(output_image)
        norm = _neighbours(xp, xp.square(x), depth_radius) * np.float32(alpha) + np.float32(bias)
        shared = _neighbours(xp, dy * y / norm, depth_radius)
        direct = dy * xp.power(norm, np.float32(-beta))
        return (direct - x * shared * np.float32(2 * alpha * beta)).astype(input_image.dtype)

    def grad(op, dz):
        dy, x, y = op.inputs
        radius, bias, alpha, beta = (op.attrs[n] for n in ("depth_radius", "bias", "alpha", "beta"))
        norm = _sum_near(raw.Square(x), radius) * alpha + bias
        damped = raw.Pow(norm, raw.ZerosLike(norm) - beta)
        near = _sum_near(x * dz, radius)
        shared = _sum_near(dy * y / norm, radius)
        twice = 2 * alpha * beta
        d_norm = near * dy * y / raw.Square(norm) * twice - dz * dy * damped / norm * beta
        dx = x * _sum_near(d_norm, radius) * (2 * alpha) - dz * shared * twice
        return dz * damped - near * y / norm * twice, dx, raw.Neg(near * dy / norm * twice)


def _sum_near(x: Tensor, radius: int) -> Tensor:
    """`_neighbours` as graph operations: a product with a band of ones."""
    sizes = raw.Shape(x)
    channels = sizes[-1]
    places = raw.Range(0, channels, 1)
    apart = raw.Abs(raw.Sub(raw.ExpandDims(places, 1), places))
    band = raw.Cast(raw.LessEqual(apart, radius), DstT=x.dtype.base_dtype)
    flat = raw.Reshape(x, raw.Pack([-1, channels]))
    return raw.Reshape(raw.MatMul(flat, band), sizes)


@public("nn.lrn", "nn.local_response_normalization")
def lrn(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1,
    alpha: float = 1,
    beta: float = 0.5,
    name: str | None = None,
) -> Tensor:
    """Divides each channel by a power of its neighbourhood's energy.

    Args:
      input: `[batch, height, width, channels]`, float16, bfloat16 or float32.
      depth_radius: how many channels on either side are neighbours.
      bias: added to the energy.
      alpha: scales the energy.
      beta: the power.
      name: op name; default "LRN".

    Returns:
      `input / (bias + alpha * sum of squares) ** beta`, of the shape and dtype of `input`.

    Raises:
      ValueError: `input` has not rank 4.
    """
    return raw.LRN(input, depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta, name=name)
