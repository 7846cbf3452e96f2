"""FTRL (McMahan et al.): follow the regularised leader."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.training.optimizers.fused import FusedOptimizer
from millrace.training.optimizers.optimizer import Optimizer


@public("train.FtrlOptimizer", "python.training.ftrl.FtrlOptimizer")
class FtrlOptimizer(FusedOptimizer, Optimizer):
    """Variables minimise the sum of all linearised losses plus penalties; suited to large sparse models.

    Args:
      learning_rate: a scalar: number, tensor, or function that gives one.
      learning_rate_power: how the rate falls; not positive, 0 for a fixed rate.
      initial_accumulator_value: what the sum of squares begins with; not negative.
      l1_regularization_strength, l2_regularization_strength: not negative; penalties that stabilise.
      use_locking: accepted; updates are always whole.
      name: default "Ftrl".
      accum_name, linear_name: names of the slots; default `name`.
      l2_shrinkage_regularization_strength: not negative; a penalty on the magnitude.

    Raises:
      ValueError: an argument is out of its range.
    """

    slot_inputs = {"accum": "accum", "linear": "linear"}
    tensor_inputs = {
        "lr": "_learning_rate_tensor",
        "l1": "_l1_regularization_strength_tensor",
        "l2": "_l2_regularization_strength_tensor",
        "l2_shrinkage": "_l2_shrinkage_regularization_strength_tensor",
        "lr_power": "_learning_rate_power_tensor",
    }

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
    ) -> None:
        super().__init__(use_locking, name)
        for what, value in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if value < 0.0:
                raise ValueError(f"{what} needs to be positive or zero. Received: {value}")
        if learning_rate_power > 0.0:
            raise ValueError(
                f"learning_rate_power needs to be negative or zero. Received: {learning_rate_power}"
            )
        self._learning_rate = learning_rate
        self._learning_rate_power = learning_rate_power
        self._initial_accumulator_value = initial_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength
        self._l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self._accum_name = accum_name
        self._linear_name = linear_name

    def _rule(self) -> str:
        return "FtrlV2" if self._l2_shrinkage_regularization_strength > 0.0 else "Ftrl"

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, self._initial_accumulator_value, "accum", self._accum_name or self._name)
            self._zeros_slot(var, "linear", self._linear_name or self._name)

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert.to_tensor(rate, name="learning_rate")
        names = ["l1_regularization_strength", "l2_regularization_strength"]
        if self._l2_shrinkage_regularization_strength > 0.0:
            names.append("l2_shrinkage_regularization_strength")
        else:
            get_default_graph().count(1)  # TensorFlow 1.15 has a constant for it in any case
        for name in (*names, "learning_rate_power"):
            setattr(self, f"_{name}_tensor", convert.to_tensor(getattr(self, f"_{name}"), name=name))
