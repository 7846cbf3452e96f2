"""LARS (You, Gitman and Ginsburg): each layer's rate follows from the norms of its weights and gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import norm
from millrace.ops.math.select import where
from millrace.training.optimizers.momentum import MomentumOptimizer
from millrace.training.optimizers.optimizer import cast


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
        rate = cast(self._learning_rate_tensor, var.dtype)
        if self._skip_list is not None and any(part in var.name for part in self._skip_list):
            return rate, grad
        weights, slope = norm(var.value()), norm(grad)
        ratio = self._eeta * weights / (slope + self._weight_decay * weights + self._epsilon)
        one = raw.OnesLike(ratio)
        ratio = where(weights > 0, where(slope > 0, ratio, one), one)
        return rate * ratio, grad + self._weight_decay * var

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        scaled = self._scaled(grad, var)
        return self._with_unit_rate(lambda: super(LARSOptimizer, self)._apply_dense(scaled, var))

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        scaled = self._scaled(grad, handle)
        return self._with_unit_rate(lambda: super(LARSOptimizer, self)._resource_apply_dense(scaled, handle))

    def _scaled(self, grad: Tensor, var: Any) -> Tensor:
        rate, gradient = self.compute_lr(grad, var)
        return rate * gradient

    def _with_unit_rate(self, apply: Callable[[], Any]) -> Any:
        """What `apply` returns; the rate is in the gradient already, and so in what the momentum sums."""
        before = self._learning_rate_tensor
        self._learning_rate_tensor = raw.OnesLike(before)
        try:
            return apply()
        finally:
            self._learning_rate_tensor = before
