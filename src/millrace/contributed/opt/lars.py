"""LARS (You, Gitman and Ginsburg): each layer's rate follows from the norms of its weights and gradient."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import norm
from millrace.ops.math.select import where
from millrace.training.optimizers.momentum import MomentumOptimizer


@public("contrib.opt.LARSOptimizer")
class LARSOptimizer(MomentumOptimizer):
    """Momentum with a rate of its own for each variable.

    The rate is learning_rate * eeta * |var| / (|gradient| + weight_decay * |var| + epsilon), and the gradient
    becomes gradient + weight_decay * var. Sparse gradients are plain momentum's.

    Args:
      learning_rate: a scalar.
      momentum: a scalar.
      weight_decay: how much weights decay.
      eeta: scales the ratio of the norms.
      epsilon: keeps the denominator from zero.
      name: default "LARSOptimizer".
      skip_list: parts of names of variables that plain momentum moves.
      use_nesterov: look one step ahead.

    Raises:
      ValueError: `momentum` is negative.
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any = 0.9,
        weight_decay: float = 0.0001,
        eeta: float = 0.001,
        epsilon: float = 0.0,
        name: str = "LARSOptimizer",
        skip_list: Any = None,
        use_nesterov: bool = False,
    ) -> None:
        if momentum < 0.0:
            raise ValueError(f"momentum should be positive: {momentum}")
        super().__init__(learning_rate, momentum, False, name, use_nesterov)
        self._weight_decay = weight_decay
        self._eeta = eeta
        self._epsilon = epsilon
        self._skip_list = skip_list

    def compute_lr(self, grad: Tensor, var: Any) -> tuple[Tensor, Tensor]:
        """The variable's rate, and its gradient with the decay."""
        rate = self._learning_rate
        if self._skip_list is not None and any(part in var.name for part in self._skip_list):
            return rate, grad
        weights, slope = norm(var), norm(grad)
        if_weights, if_slope = raw.Greater(weights, 0.0), raw.Greater(slope, 0.0)
        ratio = self._eeta * weights / (slope + self._weight_decay * weights + self._epsilon)
        ratio = where(if_weights, where(if_slope, ratio, 1.0), 1.0)
        return rate * ratio, grad + self._weight_decay * var

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        return self._moved(raw.ApplyMomentum, grad, var)

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        return self._moved(raw.ResourceApplyMomentum, grad, handle)

    def _moved(self, apply: Any, grad: Tensor, var: Any) -> Any:
        """Momentum at rate 1; the rate is in the gradient already, and so in what the momentum sums."""
        rate, gradient = self.compute_lr(grad, var)
        one = convert.constant_of(1.0, var.dtype.base_dtype, "Cast/x")
        return apply(
            var._target,
            self.get_slot(var, "momentum")._target,
            one,
            gradient * rate,
            self._momentum,
            use_locking=False,
            use_nesterov=self._use_nesterov,
        )
