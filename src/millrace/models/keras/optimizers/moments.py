"""Optimizers with averages of the gradient and of its size: Adam, Adamax, Nadam."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import control_dependencies
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.layers import settings
from millrace.models.keras.optimizers.base import Optimizer, assigned, moved_rows
from millrace.ops.array.constant import constant, zeros
from millrace.ops.math.arithmetic import pow as power
from millrace.ops.math.cast import cast


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
        rate = step["lr_t"] * (raw.Sqrt(1 - beta_2_power) / (1 - beta_1_power))
        return {
            "lr_t": step["lr_t"],
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
        numbers = [step[k] for k in ("beta_1_power", "beta_2_power", "lr_t", "beta_1", "beta_2", "epsilon")]
        if self.amsgrad:
            slots.append(self.get_slot(var, "vhat").handle)
            return raw.ResourceApplyAdamWithAmsgrad(var.handle, *slots, *numbers, grad, use_locking=True)
        return raw.ResourceApplyAdam(var.handle, *slots, *numbers, grad, use_locking=True)

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        new_m = moved_rows(m, step["beta_1"], grad * step["less_1"], indices)
        new_v = moved_rows(v, step["beta_2"], (grad * grad) * step["less_2"], indices)
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
            "lr_t": step["lr_t"],
            "rate": -step["lr_t"] / (1 - beta_1_power),
            "epsilon": constant(self.epsilon, dtype),
            "beta_1": beta_1,
            "beta_1_power": beta_1_power,
            "less_1": 1 - beta_1,
            "beta_2": beta_2,
            "zero": zeros((), dtype=dtypes.int64),
        }

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        numbers = [step[k] for k in ("beta_1_power", "lr_t", "beta_1", "beta_2", "epsilon")]
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

    def _prepare(self, var_list: list[Any]) -> dict[tuple[str, Any], dict[str, Any]]:
        self._cache_read = raw.Identity(self._m_cache)
        return super()._prepare(var_list)

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
            "lr_t": rate,
            "neg_lr_t": -rate,  # read by subclasses, and counted by default seeds
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
        return var.assign(var - step["lr_t"] * mean / size).op

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        ahead = grad / step["less_schedule"]
        new_m = moved_rows(m, step["beta_1"], grad * step["less_1"], indices)
        new_v = moved_rows(v, step["beta_2"], raw.Square(grad) * step["less_2"], indices)
        rows_m, rows_v = raw.GatherV2(new_m, indices, 0), raw.GatherV2(new_v, indices, 0)
        mean = step["less_now"] * ahead + step["later"] * (rows_m / step["less_next"])
        size = raw.Sqrt(rows_v / step["v_divisor"]) + step["epsilon"]
        return raw.ResourceScatterAdd(var.handle, indices, -step["lr_t"] * mean / size)
