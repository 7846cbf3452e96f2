"""The graph rewrite for mixed precision: an option of the session, and an optimizer with a scaled loss."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.lib.platform import config
from millrace.models.keras.mixed_precision.loss_scale_optimizer import LossScaleOptimizer
from millrace.models.keras.optimizers.base import Optimizer
from millrace.training.optimizers import optimizer as graph_optimizers
from millrace.training.optimizers.loss_scale import loss_scale_of
from millrace.training.optimizers.loss_scaling import MixedPrecisionLossScaleOptimizer

_OPTION = "auto_mixed_precision"


class _Switch:
    """Whether the rewrite is on, for the process."""

    on = False


def is_on() -> bool:
    """Whether the rewrite is on."""
    return _Switch.on


@public("train.experimental.enable_mixed_precision_graph_rewrite")
def enable_mixed_precision_graph_rewrite(opt: Any, loss_scale: Any = "dynamic") -> Any:
    """An optimizer that scales its loss, and the option of the process that asks for mixed precision.

    The option is kept, as on TensorFlow without a GPU; numbers are computed in the dtypes of the graph.

    Args:
      opt: an optimizer of `tf.train` or of `tf.keras.optimizers`.
      loss_scale: a number, "dynamic", or a `LossScale`.

    Raises:
      ValueError: `opt` is something else, or scales its loss already.
    """
    if isinstance(opt, MixedPrecisionLossScaleOptimizer | LossScaleOptimizer):
        kind = type(opt).__name__
        raise ValueError(
            f'"opt" must not already be an instance of a {kind}: `enable_mixed_precision_graph_rewrite` '
            f"wraps the optimizer itself. Received: {opt}"
        )
    if not isinstance(opt, graph_optimizers.Optimizer | Optimizer):
        raise ValueError(
            '"opt" must be an instance of a tf.train.Optimizer or a tf.keras.optimizers.Optimizer, but got: '
            f"{opt}"
        )
    scale = loss_scale_of(loss_scale)
    of_keras = isinstance(opt, Optimizer)
    made = LossScaleOptimizer(opt, scale) if of_keras else MixedPrecisionLossScaleOptimizer(opt, scale)
    config.set_experimental_options({_OPTION: True})
    _Switch.on = True
    return made


@public("train.experimental.disable_mixed_precision_graph_rewrite")
def disable_mixed_precision_graph_rewrite() -> None:
    """Takes the option of `enable_mixed_precision_graph_rewrite` back; optimizers keep their scales."""
    config.set_experimental_options({_OPTION: False})
    _Switch.on = False
