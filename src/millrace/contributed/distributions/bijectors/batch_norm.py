"""The bijector whose inverse normalizes a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import normalization
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.moments import moments
from millrace.ops.array.reshape import reshape
from millrace.ops.nn.activation import relu


@public("contrib.distributions.bijectors.BatchNormalization")
class BatchNormalization(Bijector):
    """x = (y - mean) / deviation gamma + beta for the inverse, and the way back forward.

    Args:
      batchnorm_layer: a `tf.layers.BatchNormalization`; default one whose gamma is kept positive.
      training: take the inverse's moments from the batch, and move the averages; `forward` uses the averages.
      validate_args, name: as for `Bijector`.

    Raises:
      ValueError: the layer is of another class, or it has renormalization, virtual batches or no trainable
        variables.
    """

    def __init__(
        self,
        batchnorm_layer: Any = None,
        training: bool = True,
        validate_args: bool = False,
        name: str = "batch_normalization",
    ) -> None:
        if batchnorm_layer is None:
            batchnorm_layer = normalization.BatchNormalization(gamma_constraint=_positive)
        _check(batchnorm_layer)
        self.batchnorm, self._training = batchnorm_layer, training
        rank = 1 if isinstance(batchnorm_layer.axis, int) else len(batchnorm_layer.axis)
        super().__init__(forward_min_event_ndims=rank, validate_args=validate_args, name=name)

    def _axes(self, x: Tensor) -> tuple[list[int], list[int]]:
        """The axes that are reduced, and the shape in which statistics broadcast with `x`."""
        rank = len(x.dims or ())
        layer = self.batchnorm.axis
        kept = [a % rank for a in ([layer] if isinstance(layer, int) else layer)]
        shape = [(x.dims or ())[a] if a in kept else 1 for a in range(rank)]
        return [a for a in range(rank) if a not in kept], shape  # pyright: ignore[reportReturnType]

    def _forward(self, x: Tensor) -> Tensor:
        layer = self.batchnorm
        if not layer.built:
            layer.build(x.shape)
        _, shape = self._axes(x)
        y = x if layer.beta is None else x - reshape(layer.beta, shape)
        if layer.gamma is not None:
            y = y / reshape(layer.gamma, shape)
        deviation = raw.Sqrt(reshape(layer.moving_variance, shape) + layer.epsilon)
        return y * deviation + reshape(layer.moving_mean, shape)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.batchnorm(y, training=self._training)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        layer = self.batchnorm
        if not layer.built:
            layer.build(y.shape)
        event = float(np.prod([d or 0 for d in (y.dims or ())[1:]]))
        channels = layer.moving_variance.shape.num_elements()
        axes, _ = self._axes(y)
        variance = moments(y, axes=axes)[1] if self._training else layer.moving_variance
        logs = -0.5 * raw.Log(variance + layer.epsilon)
        if layer.gamma is not None:
            logs = logs + raw.Log(layer.gamma)
        # Every element of an event is scaled by its channel.
        return reduce_sum(logs) * (event / channels)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        return -self._inverse_log_det_jacobian(x)


def _positive(x: Tensor) -> Tensor:
    """What keeps gamma from changing signs."""
    return relu(x) + 1e-6


def _check(layer: Any) -> None:
    if not isinstance(layer, normalization.BatchNormalization):
        raise ValueError(f"batchnorm_layer must be a tf.layers.BatchNormalization. Received: {layer!r}")
    if layer.renorm:
        raise ValueError("BatchNorm Bijector does not support renormalization.")
    if layer.virtual_batch_size:
        raise ValueError("BatchNorm Bijector does not support virtual batch sizes.")
