"""Optimizers that scale each element's step by the gradients it has had: Adagrad, its kin, and Adadelta."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable
from millrace.ops.math.cast import cast as to_dtype
from millrace.training.optimizers.fused import FusedOptimizer
from millrace.training.optimizers.optimizer import Optimizer, cast


def _positive(name: str, value: float) -> float:
    if value <= 0.0:
        raise ValueError(f"{name} must be positive. Received: {value}")
    return value


@public("train.AdagradOptimizer")
class AdagradOptimizer(FusedOptimizer, Optimizer):
    """accumulator += gradient²; var -= learning_rate * gradient / sqrt(accumulator) (Duchi et al.).

    Args:
      learning_rate: a scalar: number, tensor, or function that gives one.
      initial_accumulator_value: what the accumulator begins with; positive.
      use_locking: accepted; updates are always whole.
      name: default "Adagrad".

    Raises:
      ValueError: `initial_accumulator_value` is not positive.
    """

    rule = "Adagrad"
    slot_inputs = {"accum": "accumulator"}
    tensor_inputs = {"lr": "_learning_rate_tensor"}

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        super().__init__(use_locking, name)
        self._initial_accumulator_value = _positive("initial_accumulator_value", initial_accumulator_value)
        self._learning_rate = learning_rate

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, self._initial_accumulator_value, "accumulator", self._name)

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert.to_tensor(rate, name="learning_rate")


@public("train.ProximalAdagradOptimizer")
class ProximalAdagradOptimizer(FusedOptimizer, Optimizer):
    """Adagrad followed by the proximal step of l1 and l2 penalties.

    Args:
      learning_rate: a scalar.
      initial_accumulator_value: what the accumulator begins with; positive.
      l1_regularization_strength, l2_regularization_strength: scalars, not negative.
      use_locking: accepted; updates are always whole.
      name: default "ProximalAdagrad".

    Raises:
      ValueError: `initial_accumulator_value` is not positive.
    """

    rule = "ProximalAdagrad"
    slot_inputs = {"accum": "accumulator"}
    tensor_inputs = {
        "lr": "_learning_rate_tensor",
        "l1": "_l1_regularization_strength_tensor",
        "l2": "_l2_regularization_strength_tensor",
    }

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._initial_accumulator_value = _positive("initial_accumulator_value", initial_accumulator_value)
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, self._initial_accumulator_value, "accumulator", self._name)

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert.to_tensor(rate, name="learning_rate")
        self._l1_regularization_strength_tensor = convert.to_tensor(
            self._l1_regularization_strength, name="l1_regularization_strength"
        )
        self._l2_regularization_strength_tensor = convert.to_tensor(
            self._l2_regularization_strength, name="l2_regularization_strength"
        )


@public("train.AdagradDAOptimizer")
class AdagradDAOptimizer(FusedOptimizer, Optimizer):
    """Adagrad dual averaging: variables follow the sums of all gradients; penalties keep them sparse.

    Args:
      learning_rate: a scalar.
      global_step: the integer variable that counts steps.
      initial_gradient_squared_accumulator_value: what the sum of squares begins with; positive.
      l1_regularization_strength, l2_regularization_strength: numbers, not negative.
      use_locking: accepted; updates are always whole.
      name: default "AdagradDA".

    Raises:
      ValueError: `initial_gradient_squared_accumulator_value` is not positive.
    """

    rule = "AdagradDA"
    slot_inputs = {
        "gradient_accumulator": "gradient_accumulator",
        "gradient_squared_accumulator": "gradient_squared_accumulator",
    }

    def __init__(
        self,
        learning_rate: Any,
        global_step: Any,
        initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "AdagradDA",
    ) -> None:
        super().__init__(use_locking, name)
        self._initial_gradient_squared_accumulator_value = _positive(
            "initial_gradient_squared_accumulator_value", initial_gradient_squared_accumulator_value
        )
        self._learning_rate = learning_rate
        self._global_step = global_step
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _create_slots(self, var_list: list[Any]) -> None:
        initial = self._initial_gradient_squared_accumulator_value
        for var in var_list:
            self._constant_slot(var, 0.0, "gradient_accumulator", self._name)
            self._constant_slot(var, initial, "gradient_squared_accumulator", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = convert.to_tensor(self._learning_rate, name="learning_rate")
        step = self._global_step
        counted = raw.Identity(step.value() if isinstance(step, Variable) else step) + 1
        self._global_step_on_worker = cast(counted, dtypes.int64)

    def _input(self, name: str, dtype: dtypes.DType) -> Tensor:
        if name == "lr":
            return cast(self._learning_rate_tensor, dtype)
        if name == "global_step":
            return raw.Identity(self._global_step_on_worker)
        return to_dtype(getattr(self, f"_{name}_regularization_strength"), dtype)


@public("train.AdadeltaOptimizer")
class AdadeltaOptimizer(FusedOptimizer, Optimizer):
    """Steps as large as earlier steps were, relative to the gradients (Zeiler).

    Args:
      learning_rate: a scalar that multiplies the step.
      rho: how much of the running averages is kept at each step.
      epsilon: keeps the first steps from zero.
      use_locking: accepted; updates are always whole.
      name: default "Adadelta".
    """

    rule = "Adadelta"
    slot_inputs = {"accum": "accum", "accum_update": "accum_update"}
    tensor_inputs = {"lr": "_lr_t", "rho": "_rho_t", "epsilon": "_epsilon_t"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._rho = rho
        self._epsilon = epsilon

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            self._zeros_slot(var, "accum", self._name)
            self._zeros_slot(var, "accum_update", self._name)

    def _prepare(self) -> None:
        self._lr_t = convert.to_tensor(self._call_if_callable(self._lr), name="lr")
        self._rho_t = convert.to_tensor(self._call_if_callable(self._rho), name="rho")
        self._epsilon_t = convert.to_tensor(self._call_if_callable(self._epsilon), name="epsilon")
