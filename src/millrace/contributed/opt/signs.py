"""AddSign and PowerSign: steps that grow where the gradient agrees with its moving average."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.variables import assigning
from millrace.ops.array import gather
from millrace.training.global_step import get_or_create_global_step
from millrace.training.optimizers.fused import FusedOptimizer
from millrace.training.optimizers.optimizer import Optimizer, cast


class _SignOptimizer(FusedOptimizer, Optimizer):
    """What both share: the moving average m, and how much its sign counts."""

    slot_inputs = {"m": "m"}

    def __init__(
        self, learning_rate: Any, beta: Any, sign_decay_fn: Any, use_locking: bool, name: str
    ) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._beta = beta
        self._sign_decay_fn: Callable[[Any], Any] | None = sign_decay_fn

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """As every optimizer's; the step also says how much signs count."""
        if self._sign_decay_fn is not None:
            step = get_or_create_global_step() if global_step is None else global_step
            self._sign_decay_t = convert.to_tensor(self._sign_decay_fn(step), name="sign_decay")
        return super().apply_gradients(grads_and_vars, global_step=global_step, name=name)

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            self._zeros_slot(var, "m", self._name)

    def _prepare(self) -> None:
        self._lr_t = convert.to_tensor(self._call_if_callable(self._lr), name="learning_rate")
        self._beta_t = convert.to_tensor(self._call_if_callable(self._beta), name="beta")
        if self._sign_decay_fn is None:
            self._sign_decay_t = convert.to_tensor(1.0, name="sign_decay")

    def _factor(self, agreement: Tensor) -> Tensor:
        """What a gradient is multiplied with; `agreement` is the product of the signs."""
        raise NotImplementedError(f"{type(self).__name__} must override _factor")

    def _rows(self, grad: IndexedSlices, var: Any) -> Any:
        """Moves all of m, and the rows of the variable that have a gradient."""
        dtype = var.dtype.base_dtype
        beta, m = cast(self._beta_t, dtype), self.get_slot(var, "m")
        whole = m.assign(m * beta + (1 - beta).__rmul__(grad), use_locking=self._use_locking)
        sign = raw.Sign(grad.values)
        factor = self._factor(gather.gather(raw.Sign(whole), grad.indices) * sign)
        step = cast(self._lr_t, dtype) * factor * grad.values
        return group(assigning.scatter_sub(var, grad.indices, step, self._use_locking), whole)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._rows(grad, var)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        return self._rows(IndexedSlices(grad, indices, convert.shape_tensor(handle.value())), handle)


@public("contrib.opt.AddSignOptimizer")
class AddSignOptimizer(_SignOptimizer):
    """var -= learning_rate * (alpha + decay * sign(g) * sign(m)) * g, m being g's moving average.

    Args:
      learning_rate: a scalar: number, tensor, or function that gives one.
      alpha: what is added to the product of the signs.
      beta: how much of m is kept at each step.
      sign_decay_fn: from the global step to how much the signs count; default: 1.
      use_locking: accepted; updates are always whole.
      name: default "AddSignOptimizer".
    """

    rule = "AddSign"
    tensor_inputs = {
        "lr": "_lr_t",
        "alpha": "_alpha_t",
        "sign_decay": "_sign_decay_t",
        "beta": "_beta_t",
    }

    def __init__(
        self,
        learning_rate: Any = 0.1,
        alpha: Any = 1.0,
        beta: Any = 0.9,
        sign_decay_fn: Callable[[Any], Any] | None = None,
        use_locking: bool = False,
        name: str = "AddSignOptimizer",
    ) -> None:
        super().__init__(learning_rate, beta, sign_decay_fn, use_locking, name)
        self._alpha = alpha

    def _prepare(self) -> None:
        super()._prepare()
        self._alpha_t = convert.to_tensor(self._call_if_callable(self._alpha), name="alpha")

    def _factor(self, agreement: Tensor) -> Tensor:
        dtype = agreement.dtype
        return cast(self._alpha_t, dtype) + cast(self._sign_decay_t, dtype) * agreement


@public("contrib.opt.PowerSignOptimizer")
class PowerSignOptimizer(_SignOptimizer):
    """var -= learning_rate * base ** (decay * sign(g) * sign(m)) * g, m being g's moving average.

    Args:
      learning_rate: a scalar: number, tensor, or function that gives one.
      base: of the power.
      beta: how much of m is kept at each step.
      sign_decay_fn: from the global step to how much the signs count; default: 1.
      use_locking: accepted; updates are always whole.
      name: default "PowerSignOptimizer".
    """

    rule = "PowerSign"
    tensor_inputs = {
        "lr": "_lr_t",
        "logbase": "_logbase_t",
        "sign_decay": "_sign_decay_t",
        "beta": "_beta_t",
    }

    def __init__(
        self,
        learning_rate: Any = 0.1,
        base: float = math.e,
        beta: Any = 0.9,
        sign_decay_fn: Callable[[Any], Any] | None = None,
        use_locking: bool = False,
        name: str = "PowerSignOptimizer",
    ) -> None:
        super().__init__(learning_rate, beta, sign_decay_fn, use_locking, name)
        self._base, self._logbase = base, math.log(base)

    def _prepare(self) -> None:
        super()._prepare()
        self._logbase_t = convert.to_tensor(self._logbase, name="logbase")

    def _rows(self, grad: IndexedSlices, var: Any) -> Any:
        self._base_t = convert.constant_of(self._base, var.dtype.base_dtype, "Cast/x")
        return super()._rows(grad, var)

    def _factor(self, agreement: Tensor) -> Tensor:
        dtype = agreement.dtype
        power = cast(self._logbase_t, dtype) * cast(self._sign_decay_t, dtype) * agreement
        return raw.Pow(self._base_t, power)
