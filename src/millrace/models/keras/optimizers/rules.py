"""The optimizers of `tf.keras`."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import control_dependencies
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.layers import settings
from millrace.lib.variables.initializers import Constant
from millrace.models.keras.optimizers.base import Optimizer, assigned
from millrace.ops.array.constant import constant, zeros
from millrace.ops.math.arithmetic import pow as power
from millrace.ops.math.cast import cast


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
        self._momentum = bool(callable(momentum) or not isinstance(momentum, int | float) or momentum > 0)
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
            return raw.ResourceApplyGradientDescent(var.handle, step["lr"], grad, use_locking=True)
        return raw.ResourceApplyKerasMomentum(
            var.handle,
            self.get_slot(var, "momentum").handle,
            step["lr"],
            grad,
            step["momentum"],
            use_locking=True,
            use_nesterov=self.nesterov,
        )

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        if not self._momentum:
            return raw.ResourceScatterAdd(var.handle, indices, -grad * step["lr"])
        return raw.ResourceSparseApplyKerasMomentum(
            var.handle,
            self.get_slot(var, "momentum").handle,
            step["lr"],
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
      epsilon: added to the root.
      name: the optimizer's name.
      **kwargs: as for `Optimizer`.

    Raises:
      ValueError: a value is out of range.
    """

    _once_uncounted = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        name: str = "Adagrad",
        **kwargs: Any,
    ) -> None:
        if initial_accumulator_value < 0.0:
            raise ValueError(
                f"initial_accumulator_value must be non-negative. Received: {initial_accumulator_value}"
            )
        if epsilon is None:
            epsilon = settings.epsilon()
        if epsilon < 1e-7:
            raise ValueError(f"epsilon must be larger than 1e-7. Received: {epsilon}")
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("decay", self._initial_decay)
        self._initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def _create_slots(self, variables: list[Any]) -> None:
        for var in variables:
            first = Constant(self._initial_accumulator_value, dtype=var.dtype.base_dtype)
            self.add_slot(var, "accumulator", first)

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        return {
            **super()._coefficients(dtype),
            "epsilon": constant(self.epsilon, dtype),
        }

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        accumulator = self.get_slot(var, "accumulator")
        return raw.ResourceApplyAdagradV2(
            var.handle, accumulator.handle, step["lr"], step["epsilon"], grad, use_locking=True
        )

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        accumulator = self.get_slot(var, "accumulator")
        return raw.ResourceSparseApplyAdagradV2(
            var.handle, accumulator.handle, step["lr"], step["epsilon"], grad, indices, use_locking=True
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
            step["lr"],
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
            step["lr"],
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


class _Moments(Optimizer):
    """Optimizers with averages of gradients (`m`) and of their squares or sizes (`v`)."""

    def __init__(
        self, learning_rate: Any, beta_1: Any, beta_2: Any, epsilon: float | None, name: str, **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("beta_1", beta_1)
        self._set_hyper("beta_2", beta_2)
        self.epsilon = epsilon or settings.epsilon()

    def _create_slots(self, variables: list[Any]) -> None:
        for name in ("m", "v"):
            for var in variables:
                self.add_slot(var, name)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        return {
            **super().get_config(),
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            "decay": self._serialize_hyperparameter("decay"),
            "beta_1": self._serialize_hyperparameter("beta_1"),
            "beta_2": self._serialize_hyperparameter("beta_2"),
            "epsilon": self.epsilon,
        }


@public("keras.optimizers.Adam")
class Adam(_Moments):
    """Steps from unbiased averages of gradients and of their squares (Kingma and Ba).

    Args:
      learning_rate: a number, a schedule, or a function of no arguments.
      beta_1, beta_2: how much of the two averages is kept.
      epsilon: added to the root.
      amsgrad: divide by the greatest average so far (Reddi and others).
      name: the optimizer's name.
      **kwargs: as for `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        name: str = "Adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name, **kwargs)
        self.amsgrad = amsgrad

    def _create_slots(self, variables: list[Any]) -> None:
        super()._create_slots(variables)
        if self.amsgrad:
            for var in variables:
                self.add_slot(var, "vhat")

    def set_weights(self, weights: Any) -> None:
        """Sets the step count and the slots; those of an Adam without `vhat` leave it out.

        Raises:
          ValueError: their number or shapes differ.
        """
        count = int((len(self.weights) - 1) / 2)
        if len(weights) == 3 * count + 1 and not self.amsgrad:
            weights = weights[: len(self.weights)]
        super().set_weights(weights)

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        step = super()._coefficients(dtype)
        count = cast(self.iterations + 1, dtype)
        beta_1, beta_2 = self._value("beta_1", dtype), self._value("beta_2", dtype)
        beta_1_power, beta_2_power = power(beta_1, count), power(beta_2, count)
        rate = step["lr"] * (raw.Sqrt(1 - beta_2_power) / (1 - beta_1_power))
        return {
            "lr": step["lr"],
            "rate": rate,
            "epsilon": constant(self.epsilon, dtype),
            "beta_1": beta_1,
            "beta_1_power": beta_1_power,
            "less_1": 1 - beta_1,
            "beta_2": beta_2,
            "beta_2_power": beta_2_power,
            "less_2": 1 - beta_2,
        }

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        slots = [self.get_slot(var, name).handle for name in ("m", "v")]
        numbers = [step[k] for k in ("beta_1_power", "beta_2_power", "lr", "beta_1", "beta_2", "epsilon")]
        if self.amsgrad:
            slots.append(self.get_slot(var, "vhat").handle)
            return raw.ResourceApplyAdamWithAmsgrad(var.handle, *slots, *numbers, grad, use_locking=True)
        return raw.ResourceApplyAdam(var.handle, *slots, *numbers, grad, use_locking=True)

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        new_m = _moved_rows(m, step["beta_1"], grad * step["less_1"], indices)
        new_v = _moved_rows(v, step["beta_2"], (grad * grad) * step["less_2"], indices)
        size = new_v
        writes = [new_m.op, new_v.op]
        if self.amsgrad:
            vhat = self.get_slot(var, "vhat")
            size = assigned(vhat, raw.Maximum(vhat, new_v))
            writes.append(size.op)
        change = step["rate"] * new_m / (raw.Sqrt(size) + step["epsilon"])
        return group(var.assign_sub(change).op, *writes)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        return {**super().get_config(), "amsgrad": self.amsgrad}


def _moved_rows(average: Any, kept: Any, change: Any, indices: Any) -> Any:
    """An average of which all rows shrink and some are added to: its new value."""
    shrunk = average.assign(average * kept)
    with control_dependencies([shrunk.op]):
        added = raw.ResourceScatterAdd(average.handle, indices, change)
    with control_dependencies([added]):
        return raw.Identity(average.value())


@public("keras.optimizers.Adamax")
class Adamax(_Moments):
    """Adam with the greatest gradient, fading, in place of the average square.

    Args:
      learning_rate: a number, a schedule, or a function of no arguments.
      beta_1, beta_2: how much of the average and of the greatest is kept.
      epsilon: added to the divisor.
      name: the optimizer's name.
      **kwargs: as for `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: float | None = 1e-7,
        name: str = "Adamax",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name, **kwargs)

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        step = super()._coefficients(dtype)
        count = cast(self.iterations + 1, dtype)
        beta_1, beta_2 = self._value("beta_1", dtype), self._value("beta_2", dtype)
        beta_1_power = power(beta_1, count)
        return {
            "lr": step["lr"],
            "rate": -step["lr"] / (1 - beta_1_power),
            "epsilon": constant(self.epsilon, dtype),
            "beta_1": beta_1,
            "beta_1_power": beta_1_power,
            "less_1": 1 - beta_1,
            "beta_2": beta_2,
            "zero": zeros((), dtype=dtypes.int64),
        }

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        numbers = [step[k] for k in ("beta_1_power", "lr", "beta_1", "beta_2", "epsilon")]
        slots = [self.get_slot(var, name).handle for name in ("m", "v")]
        return raw.ResourceApplyAdaMax(var.handle, *slots, *numbers, grad, use_locking=True)

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        rows = raw.ResourceGather(m.handle, indices, dtype=m.dtype)
        new_m = rows * step["beta_1"] + grad * step["less_1"]
        write_m = raw.ResourceScatterUpdate(m.handle, indices, new_m)
        rows = raw.ResourceGather(v.handle, indices, dtype=v.dtype)
        new_v = raw.Maximum(rows * step["beta_2"], raw.Abs(grad))
        write_v = raw.ResourceScatterUpdate(v.handle, indices, new_v)
        change = step["rate"] * (new_m / (new_v + step["epsilon"]))
        with control_dependencies([write_m, write_v]):
            return raw.ResourceScatterAdd(var.handle, indices, change)


@public("keras.optimizers.Nadam")
class Nadam(_Moments):
    """Adam with Nesterov's look ahead.

    Args:
      learning_rate: a number.
      beta_1, beta_2: how much of the two averages is kept.
      epsilon: added to the root.
      name: the optimizer's name.
      **kwargs: as for `Optimizer`; `schedule_decay`: how fast the momentum grows.

    Raises:
      ValueError: the learning rate is a schedule.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: float | None = 1e-7,
        name: str = "Nadam",
        **kwargs: Any,
    ) -> None:
        kwargs["decay"] = kwargs.pop(
            "schedule_decay", 0.004
        )  # as in TensorFlow, `decay` itself is passed over
        rate = kwargs.get("lr", learning_rate)
        if hasattr(rate, "get_config") and callable(rate):
            raise ValueError(
                "The Nadam optimizer does not support tf.keras.optimizers.LearningRateSchedules as the "
                "learning rate."
            )
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name, **kwargs)
        self._m_cache: Any = None
        self._cache_read: Any = None

    def _create_slots(self, variables: list[Any]) -> None:
        dtype = variables[0].dtype.base_dtype
        if self._m_cache is None:
            self._m_cache = self.add_weight("momentum_cache", (), dtype=dtype, initializer="ones")
            self._weights.append(self._m_cache)
        super()._create_slots(variables)

    def _prepare(self, variables: list[Any]) -> None:
        self._cache_read = raw.Identity(self._m_cache)

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        rate = self._value("learning_rate", dtype)
        beta_1, beta_2 = self._value("beta_1", dtype), self._value("beta_2", dtype)
        step, following = cast(self.iterations + 1, dtype), cast(self.iterations + 2, dtype)
        base = constant(0.96, dtype)
        now = beta_1 * (1.0 - 0.5 * power(base, self._initial_decay * step))
        later = beta_1 * (1.0 - 0.5 * power(base, self._initial_decay * following))
        schedule = cast(self._cache_read, dtype) * now
        if dtype is self._m_cache.dtype.base_dtype:
            schedule = raw.Identity(assigned(self._m_cache, schedule))
        return {
            "lr": rate,
            "epsilon": constant(self.epsilon, dtype),
            "beta_1": beta_1,
            "beta_2": beta_2,
            "later": later,
            "less_1": 1 - beta_1,
            "less_2": 1 - beta_2,
            "less_now": 1.0 - now,
            "less_schedule": 1.0 - schedule,
            "less_next": 1.0 - schedule * later,
            "v_divisor": 1.0 - power(beta_2, step),
        }

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        ahead = grad / step["less_schedule"]
        new_m = assigned(m, step["beta_1"] * m + step["less_1"] * grad)
        new_v = assigned(v, step["beta_2"] * v + step["less_2"] * raw.Square(grad))
        mean = step["less_now"] * ahead + step["later"] * (new_m / step["less_next"])
        size = raw.Sqrt(new_v / step["v_divisor"]) + step["epsilon"]
        return var.assign(var - step["lr"] * mean / size).op

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        ahead = grad / step["less_schedule"]
        new_m = _moved_rows(m, step["beta_1"], grad * step["less_1"], indices)
        new_v = _moved_rows(v, step["beta_2"], raw.Square(grad) * step["less_2"], indices)
        rows_m, rows_v = raw.GatherV2(new_m, indices, 0), raw.GatherV2(new_v, indices, 0)
        mean = step["less_now"] * ahead + step["later"] * (rows_m / step["less_next"])
        size = raw.Sqrt(rows_v / step["v_divisor"]) + step["epsilon"]
        return raw.ResourceScatterAdd(var.handle, indices, -step["lr"] * mean / size)


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
        self._momentum = bool(callable(momentum) or not isinstance(momentum, int | float) or momentum > 0)
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
        }

    def _numbers(self, step: dict[str, Any]) -> list[Any]:
        return [step[k] for k in ("lr", "rho", "momentum", "epsilon")]

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
        return var.assign(var - step["lr"] * grad / (raw.Sqrt(size) + step["epsilon"])).op

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        if self._momentum:
            slots, kind = self._with_momentum(var)
            op = raw.ResourceSparseApplyCenteredRMSProp if kind else raw.ResourceSparseApplyRMSProp
            return op(var.handle, *slots, *self._numbers(step), grad, indices, use_locking=True)
        rms = self.get_slot(var, "rms")
        squares = _moved_rows(rms, step["rho"], (grad * grad) * step["less"], indices)
        size = raw.GatherV2(squares, indices, 0)
        if self.centered:
            mg = self.get_slot(var, "mg")
            mean = raw.GatherV2(_moved_rows(mg, step["rho"], grad * step["less"], indices), indices, 0)
            size = size - raw.Square(mean)
        change = -step["lr"] * grad / (raw.Sqrt(size) + step["epsilon"])
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
        self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
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
        numbers = [step[k] for k in ("lr", "l1_regularization_strength", "l2_regularization_strength")]
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
