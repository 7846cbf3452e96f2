"""Gradient descent, and by the size that gradients had: SGD, Adagrad, Adadelta, RMSprop, Ftrl."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.variables.initializers import Constant
from millrace.models.keras.optimizers.base import Optimizer, assigned, moved_rows
from millrace.ops.array.constant import constant
from millrace.ops.math.cast import cast


def _counts(momentum: Any) -> bool:
    """Whether steps are taken again: a number above zero, or what only becomes a number later."""
    return callable(momentum) or hasattr(momentum, "op") or bool(momentum > 0)


@public("keras.optimizers.SGD")
class SGD(Optimizer):
    """weight -= learning_rate * gradient, or with momentum.

    Args:
      learning_rate: a number, a schedule, or a function of no arguments.
      momentum: how much of the last step is taken again.
      nesterov: look ahead.
      name: the optimizer's name.
      **kwargs: as for `Optimizer`.

    Raises:
      ValueError: `momentum` is not in [0, 1].
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: Any = 0.0,
        nesterov: bool = False,
        name: str = "SGD",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("decay", self._initial_decay)
        self._momentum = _counts(momentum)
        if isinstance(momentum, int | float) and not 0 <= momentum <= 1:
            raise ValueError("`momentum` must be between [0, 1].")
        self._set_hyper("momentum", momentum)
        self.nesterov = nesterov

    def _create_slots(self, variables: list[Any]) -> None:
        if self._momentum:
            for var in variables:
                self.add_slot(var, "momentum")

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        step = super()._coefficients(dtype)
        step["momentum"] = self._value("momentum", dtype)
        return step

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        if not self._momentum:
            return raw.ResourceApplyGradientDescent(var.handle, step["lr_t"], grad, use_locking=True)
        return raw.ResourceApplyKerasMomentum(
            var.handle,
            self.get_slot(var, "momentum").handle,
            step["lr_t"],
            grad,
            step["momentum"],
            use_locking=True,
            use_nesterov=self.nesterov,
        )

    def _resource_apply_sparse_duplicate_indices(
        self, grad: Any, var: Any, indices: Any, **kwargs: Any
    ) -> Any:
        if self._momentum:
            return super()._resource_apply_sparse_duplicate_indices(grad, var, indices, **kwargs)
        step = self._step(var, kwargs.get("apply_state"))
        return raw.ResourceScatterAdd(var.handle, indices, -grad * step["lr_t"])

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        return raw.ResourceSparseApplyKerasMomentum(
            var.handle,
            self.get_slot(var, "momentum").handle,
            step["lr_t"],
            grad,
            indices,
            step["momentum"],
            use_locking=True,
            use_nesterov=self.nesterov,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            "decay": self._serialize_hyperparameter("decay"),
            "momentum": self._serialize_hyperparameter("momentum"),
            "nesterov": self.nesterov,
        }


@public("keras.optimizers.Adagrad")
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    Args:
      learning_rate: a number, a schedule, or a function of no arguments.
      initial_accumulator_value: the first value of that sum.
      epsilon: added to the root; zero or None for that of `keras.backend`.
      name: the optimizer's name.
      **kwargs: as for `Optimizer`.

    Raises:
      ValueError: the first value is negative.
    """

    _once_uncounted = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        name: str = "Adagrad",
        **kwargs: Any,
    ) -> None:
        if initial_accumulator_value < 0.0:
            raise ValueError(
                f"initial_accumulator_value must be non-negative. Received: {initial_accumulator_value}"
            )
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("decay", self._initial_decay)
        self._initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon or settings.epsilon()

    def _create_slots(self, variables: list[Any]) -> None:
        for var in variables:
            first = Constant(self._initial_accumulator_value, dtype=var.dtype.base_dtype)
            self.add_slot(var, "accumulator", first)

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        step = super()._coefficients(dtype)
        step["epsilon"] = constant(self.epsilon, dtype)
        step["neg_lr_t"] = -step["lr_t"]  # read by subclasses, and counted by default seeds, as the zero is
        step["zero"] = constant(0, dtypes.int64)
        return step

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        accumulator = self.get_slot(var, "accumulator")
        return raw.ResourceApplyAdagradV2(
            var.handle, accumulator.handle, step["lr_t"], step["epsilon"], grad, use_locking=True
        )

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        accumulator = self.get_slot(var, "accumulator")
        return raw.ResourceSparseApplyAdagradV2(
            var.handle, accumulator.handle, step["lr_t"], step["epsilon"], grad, indices, use_locking=True
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            "decay": self._serialize_hyperparameter("decay"),
            "initial_accumulator_value": self._initial_accumulator_value,
            "epsilon": self.epsilon,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The optimizer that `get_config` describes; sums begin with 0 where it does not say."""
        return super().from_config({"initial_accumulator_value": 0.0, **config}, custom_objects)


@public("keras.optimizers.Adadelta")
class Adadelta(Optimizer):
    """Steps as large as recent steps, in proportion to recent gradients.

    Args:
      learning_rate: a number, a schedule, or a function of no arguments.
      rho: how much of the averages is kept.
      epsilon: added under the roots.
      name: the optimizer's name.
      **kwargs: as for `Optimizer`.
    """

    _once_uncounted = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: float = 1e-7,
        name: str = "Adadelta",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("rho", rho)
        self.epsilon = epsilon or settings.epsilon()

    def _create_slots(self, variables: list[Any]) -> None:
        for name in ("accum_grad", "accum_var"):
            for var in variables:
                self.add_slot(var, name)

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        return {
            **super()._coefficients(dtype),
            "epsilon": constant(self.epsilon, dtype),
            "rho": self._value("rho", dtype),
        }

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        return raw.ResourceApplyAdadelta(
            var.handle,
            self.get_slot(var, "accum_grad").handle,
            self.get_slot(var, "accum_var").handle,
            step["lr_t"],
            step["rho"],
            step["epsilon"],
            grad,
            use_locking=True,
        )

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        return raw.ResourceSparseApplyAdadelta(
            var.handle,
            self.get_slot(var, "accum_grad").handle,
            self.get_slot(var, "accum_var").handle,
            step["lr_t"],
            step["rho"],
            step["epsilon"],
            grad,
            indices,
            use_locking=True,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            "decay": self._serialize_hyperparameter("decay"),
            "rho": self._serialize_hyperparameter("rho"),
            "epsilon": self.epsilon,
        }


@public("keras.optimizers.RMSprop")
class RMSprop(Optimizer):
    """Steps divided by the root of the average squared gradient.

    Args:
      learning_rate: a number, a schedule, or a function of no arguments.
      rho: how much of the average is kept.
      momentum: how much of the last step is taken again.
      epsilon: added to the root, with momentum under it.
      centered: subtract the squared average of the gradients.
      name: the optimizer's name.
      **kwargs: as for `Optimizer`.

    Raises:
      ValueError: `momentum` is not in [0, 1].
    """

    _once_uncounted = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: float | None = 1e-7,
        centered: bool = False,
        name: str = "RMSprop",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("rho", rho)
        self._momentum = _counts(momentum)
        if isinstance(momentum, int | float) and not 0 <= momentum <= 1:
            raise ValueError("`momentum` must be between [0, 1].")
        self._set_hyper("momentum", momentum)
        self.epsilon = epsilon or settings.epsilon()
        self.centered = centered

    def _create_slots(self, variables: list[Any]) -> None:
        names = ["rms"] + ["momentum"] * self._momentum + ["mg"] * self.centered
        for name in names:
            for var in variables:
                self.add_slot(var, name)

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        step = super()._coefficients(dtype)
        rho = self._value("rho", dtype)
        return {
            **step,
            "rho": rho,
            "epsilon": constant(self.epsilon, dtype),
            "momentum": self._value("momentum", dtype),
            "less": 1.0 - rho,
            "neg_lr_t": -step["lr_t"],  # read by subclasses, and counted by default seeds
        }

    def _numbers(self, step: dict[str, Any]) -> list[Any]:
        return [step[k] for k in ("lr_t", "rho", "momentum", "epsilon")]

    def _with_momentum(self, var: Any) -> tuple[list[Any], str]:
        slots = [self.get_slot(var, name).handle for name in ("rms", "momentum")]
        if self.centered:
            return [self.get_slot(var, "mg").handle, *slots], "Centered"
        return slots, ""

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        if self._momentum:
            slots, kind = self._with_momentum(var)
            op = raw.ResourceApplyCenteredRMSProp if kind else raw.ResourceApplyRMSProp
            return op(var.handle, *slots, *self._numbers(step), grad, use_locking=True)
        rms = self.get_slot(var, "rms")
        size = assigned(rms, step["rho"] * rms + step["less"] * raw.Square(grad))
        if self.centered:
            mg = self.get_slot(var, "mg")
            mean = assigned(mg, step["rho"] * mg + step["less"] * grad)
            size = size - raw.Square(mean)
        return var.assign(var - step["lr_t"] * grad / (raw.Sqrt(size) + step["epsilon"])).op

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        if self._momentum:
            slots, kind = self._with_momentum(var)
            op = raw.ResourceSparseApplyCenteredRMSProp if kind else raw.ResourceSparseApplyRMSProp
            return op(var.handle, *slots, *self._numbers(step), grad, indices, use_locking=True)
        rms = self.get_slot(var, "rms")
        squares = moved_rows(rms, step["rho"], (grad * grad) * step["less"], indices)
        size = raw.GatherV2(squares, indices, 0)
        if self.centered:
            mg = self.get_slot(var, "mg")
            mean = raw.GatherV2(moved_rows(mg, step["rho"], grad * step["less"], indices), indices, 0)
            size = size - raw.Square(mean)
        change = -step["lr_t"] * grad / (raw.Sqrt(size) + step["epsilon"])
        return raw.ResourceScatterAdd(var.handle, indices, change)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            "decay": self._serialize_hyperparameter("decay"),
            "rho": self._serialize_hyperparameter("rho"),
            "momentum": self._serialize_hyperparameter("momentum"),
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


@public("keras.optimizers.Ftrl")
class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan and others).

    Args:
      learning_rate: a number, a schedule, or a function of no arguments.
      learning_rate_power: not above 0: how the rate falls.
      initial_accumulator_value: the first value of the sums of squares.
      l1_regularization_strength, l2_regularization_strength: penalties.
      name: the optimizer's name.
      l2_shrinkage_regularization_strength: a penalty on the weights' sizes at each step.
      **kwargs: as for `Optimizer`.

    Raises:
      ValueError: a value is out of range.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        name: str = "Ftrl",
        l2_shrinkage_regularization_strength: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        at_least_zero = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for what, value in at_least_zero.items():
            if value < 0.0:
                raise ValueError(f"{what} {value} needs to be positive or zero")
        if learning_rate_power > 0.0:
            raise ValueError(f"learning_rate_power {learning_rate_power} needs to be negative or zero")
        self._set_hyper("learning_rate", learning_rate)
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("learning_rate_power", learning_rate_power)
        self._set_hyper("l1_regularization_strength", l1_regularization_strength)
        self._set_hyper("l2_regularization_strength", l2_regularization_strength)
        self._initial_accumulator_value = initial_accumulator_value
        self._shrinkage = l2_shrinkage_regularization_strength

    def _create_slots(self, variables: list[Any]) -> None:
        for var in variables:
            first = Constant(self._initial_accumulator_value, dtype=var.dtype.base_dtype)
            self.add_slot(var, "accumulator", first)
            self.add_slot(var, "linear")

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        step = super()._coefficients(dtype)
        for name in ("learning_rate_power", "l1_regularization_strength", "l2_regularization_strength"):
            step[name] = self._value(name, dtype)
        step["shrinkage"] = cast(self._shrinkage, dtype)
        return step

    def _arguments(self, var: Any, step: dict[str, Any], *gradient: Any) -> tuple[list[Any], list[Any]]:
        slots = [self.get_slot(var, name).handle for name in ("accumulator", "linear")]
        numbers = [step[k] for k in ("lr_t", "l1_regularization_strength", "l2_regularization_strength")]
        shrinkage = [step["shrinkage"]] if self._shrinkage > 0.0 else []
        return [var.handle, *slots, *gradient, *numbers, *shrinkage], [step["learning_rate_power"]]

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        first, last = self._arguments(var, step, grad)
        op = raw.ResourceApplyFtrlV2 if self._shrinkage > 0.0 else raw.ResourceApplyFtrl
        return op(*first, *last, use_locking=True)

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        first, last = self._arguments(var, step, grad, indices)
        op = raw.ResourceSparseApplyFtrlV2 if self._shrinkage > 0.0 else raw.ResourceSparseApplyFtrl
        return op(*first, *last, use_locking=True)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        names = ("learning_rate_power", "l1_regularization_strength", "l2_regularization_strength")
        return {
            **super().get_config(),
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            "decay": self._serialize_hyperparameter("decay"),
            "initial_accumulator_value": self._initial_accumulator_value,
            **{name: self._serialize_hyperparameter(name) for name in names},
            "l2_shrinkage_regularization_strength": self._shrinkage,
        }
