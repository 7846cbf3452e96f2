"""What makes a folded layer see the moments of the batch and yet quantize with the long averages.

The weights are scaled with the moving averages, whose changes are slow, and the result of the layer is
scaled back to what the moments of the batch make of it; see Krishnamoorthi, "Quantizing deep convolutional
networks for efficient inference" (2018), section 3.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.quantize.ranges import quantization_step
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.ops.array.constant import constant, identity, ones, zeros


@dataclass
class Normalization:
    """A layer with a batch normalization behind it.

    Attributes:
      layer: the product or convolution.
      result: what the normalization gives.
      weights: of the layer.
      gamma, mean, variance, epsilon: what normalizes.
      moving_mean, moving_variance: the averages; None where nothing moves them.
      updates: the products of their updates, whose second factors are the rates.
      scale, bias: gamma / deviation, and beta less the scaled mean; made last where one operation normalizes.
      beta: the offset.
      x: what the folded layer takes; None for what the layer takes then. As in TensorFlow 1.15 this is what a
        layer takes before anything is folded, so one behind a linear normalization goes on from that.
      trains: the moments are those of the batch.
      batch_to_space: what ends a layer with dilation.
      batch_to_space_scope: the scope of the operation that takes its place.
    """

    layer: Operation
    result: Tensor
    weights: Tensor
    gamma: Any
    mean: Tensor
    variance: Tensor
    epsilon: Any
    moving_mean: Tensor | None
    moving_variance: Tensor | None
    trains: bool
    updates: tuple[Operation | None, Operation | None] = (None, None)
    beta: Tensor | None = None
    x: Tensor | None = None
    scale: Tensor | None = None
    bias: Tensor | None = None
    batch_to_space: Operation | None = None
    batch_to_space_scope: str = ""


def correction(found: Normalization, context: str, freeze_delay: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """The factor of the weights, the factor of the result, and what is added to it.

    Args:
      context: the scope, with a slash at its end.
      freeze_delay: the step from which the moving averages normalize and stay as they are.
    """
    with name_scope(f"{context}batch_norm_correction"):
        slow = raw.Rsqrt(found.moving_variance + found.epsilon)
        fast = raw.Rsqrt(found.variance + found.epsilon)
        scale = identity(raw.RealDiv(slow, fast, name="scale_compute"), name="correction_scale")
        back = raw.Reciprocal(scale, name="reciprocal_compute")
        offset = raw.Mul(found.gamma, found.mean * fast - found.moving_mean * slow, name="offset_compute")
        if freeze_delay is None:
            return scale, back, zeros(offset.shape)
        frozen = raw.GreaterEqual(
            quantization_step(found.layer.graph), freeze_delay, name="use_moving_average"
        )
        for product, name in zip(found.updates, ("freeze_moving_mean", "freeze_moving_var"), strict=True):
            _freeze(product, frozen, name)
        back = cond(frozen, lambda: ones(scale.shape), lambda: back, name="correction_recip")
        offset = cond(frozen, lambda: offset, lambda: zeros(offset.shape), name="correction_offset")
    return scale, back, offset


def update(value: Tensor) -> Operation | None:
    """The product in the update of a moving average with `value`: (average - value) * rate."""
    for taker in value.consumers():
        if taker.type == "Sub":
            for product in taker.outputs[0].consumers():
                if product.type == "Mul" and "/AssignMovingAvg" in product.name:
                    return product
    return None


def _freeze(product: Operation | None, frozen: Tensor, name: str) -> None:
    """Stops the moving average that `product` updates where `frozen` holds."""
    if product is not None:
        rate = product.inputs[1]
        product._update_input(1, cond(frozen, lambda: constant(0.0), lambda: rate, name=name))
