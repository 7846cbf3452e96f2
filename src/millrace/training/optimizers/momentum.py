"""Gradient descent with momentum."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.core.public import public
from millrace.training.optimizers.fused import FusedOptimizer
from millrace.training.optimizers.optimizer import Optimizer


@public("train.MomentumOptimizer", "python.training.momentum.MomentumOptimizer")
class MomentumOptimizer(FusedOptimizer, Optimizer):
    """accumulation = momentum * accumulation + gradient; var -= learning_rate * accumulation.

    Args:
      learning_rate, momentum: scalars: numbers, tensors, or functions that give one.
      use_locking: accepted; updates are always whole.
      name: default "Momentum".
      use_nesterov: look one step ahead, as Nesterov does.
    """

    rule = "Momentum"
    slot_inputs = {"accum": "momentum"}
    tensor_inputs = {"lr": "_learning_rate_tensor", "momentum": "_momentum_tensor"}

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._use_nesterov = use_nesterov

    def _attrs(self) -> dict[str, Any]:
        return {"use_nesterov": self._use_nesterov}

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            self._zeros_slot(var, "momentum", self._name)

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert.to_tensor(rate, name="learning_rate")
        self._momentum_tensor = convert.to_tensor(self._call_if_callable(self._momentum), name="momentum")
