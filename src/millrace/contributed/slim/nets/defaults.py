"""What the Inception networks share: the defaults that they are trained with, and depths made smaller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.framework.arg_scope import arg_scope
from millrace.contributed.layers.core import convolution2d, fully_connected
from millrace.contributed.layers.initializers import variance_scaling_initializer
from millrace.contributed.layers.normalization import batch_norm
from millrace.graph.keys import GraphKeys
from millrace.lib.variables.regularizers import l2_regularizer
from millrace.ops.nn.activation import relu


def depths(min_depth: int, depth_multiplier: float) -> Callable[[int], int]:
    """From the depth of a layer in the paper to its depth in a smaller or larger network.

    Raises:
      ValueError: the multiplier is not positive.
    """
    if depth_multiplier <= 0:
        raise ValueError(f"depth_multiplier is not greater than zero. Received: {depth_multiplier}")
    return lambda depth: max(int(depth * depth_multiplier), min_depth)


def inception_arg_scope(
    weight_decay: float,
    collection: str,
    decay: float = 0.9997,
    epsilon: float = 0.001,
    updates_collections: str = GraphKeys.UPDATE_OPS,
    more: dict[str, Any] | None = None,
    use_batch_norm: bool = True,
    linear: bool = True,
) -> Any:
    """A scope for `arg_scope`: convolutions with batch normalization, relu and weight decay.

    Args:
      weight_decay: of the l2 regularizer of weights.
      collection: the collection of the moving averages.
      decay, epsilon, updates_collections: of batch normalization.
      more: its other arguments.
      use_batch_norm: whether there is any.
      linear: whether fully connected layers decay too.
    """
    norm = {
        "decay": decay,
        "epsilon": epsilon,
        "updates_collections": updates_collections,
        **(more or {}),
        "variables_collections": {
            "beta": None,
            "gamma": None,
            "moving_mean": [collection],
            "moving_variance": [collection],
        },
    }
    decayed = [convolution2d, fully_connected] if linear else [convolution2d]
    with (
        arg_scope(decayed, weights_regularizer=l2_regularizer(weight_decay)),
        arg_scope(
            [convolution2d],
            weights_initializer=variance_scaling_initializer(),
            activation_fn=relu,
            normalizer_fn=batch_norm if use_batch_norm else None,
            normalizer_params=norm if use_batch_norm else {},
        ) as scope,
    ):
        return scope
