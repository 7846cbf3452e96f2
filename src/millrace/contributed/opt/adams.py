"""Relatives of Adam: lazy on sparse gradients, with Nesterov's look ahead, with the largest gradient."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import colocate_with, control_dependencies
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.variables import assigning
from millrace.ops.array import gather
from millrace.training.optimizers.adam import AdamOptimizer
from millrace.training.optimizers.optimizer import cast


@public("contrib.opt.LazyAdamOptimizer", "contrib.opt.python.training.lazy_adam_optimizer.LazyAdamOptimizer")
class LazyAdamOptimizer(AdamOptimizer):
    """Adam whose sparse gradients move only the rows that they name, m and v included.

    Arguments as for `tf.train.AdamOptimizer`.
    """

    def _rows(self, grad: Tensor, var: Any, indices: Tensor) -> Any:
        dtype = var.dtype.base_dtype
        beta1, beta2 = cast(self._beta1_t, dtype), cast(self._beta2_t, dtype)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        m_rows = beta1 * gather.gather(m, indices) + (1 - beta1) * grad
        v_rows = beta2 * gather.gather(v, indices) + (1 - beta2) * raw.Square(grad)
        step = self._rate(dtype) * m_rows / (raw.Sqrt(v_rows) + cast(self._epsilon_t, dtype))
        return group(
            assigning.scatter_sub(var, indices, step),
            assigning.scatter_update(m, indices, m_rows),
            assigning.scatter_update(v, indices, v_rows),
        )

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._rows(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        return self._rows(grad, handle, indices)


@public("contrib.opt.NadamOptimizer")
class NadamOptimizer(AdamOptimizer):
    """Adam that looks one step ahead, as Nesterov does. Arguments as for `tf.train.AdamOptimizer`."""

    def _attrs(self) -> dict[str, Any]:
        return {"use_nesterov": True}

    def _rows(self, grad: Tensor, var: Any, indices: Tensor) -> Any:
        dtype = var.dtype.base_dtype
        beta1, beta2 = cast(self._beta1_t, dtype), cast(self._beta2_t, dtype)
        places = raw.ExpandDims(indices, -1)

        def moved(slot: Any, kept: Tensor, gradient: Tensor) -> Tensor:
            return raw.TensorScatterAdd(slot * kept, places, gradient * (1 - kept))

        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        new_m, new_v = moved(m, beta1, grad), moved(v, beta2, grad * grad)
        ahead = raw.TensorScatterAdd(new_m * beta1, places, grad * (1 - beta1))
        step = self._rate(dtype) * ahead / (raw.Sqrt(new_v) + cast(self._epsilon_t, dtype))
        return group(var.assign_sub(step), m.assign(new_m), v.assign(new_v))

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._rows(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        return self._rows(grad, handle, indices)


@public("contrib.opt.AdaMaxOptimizer")
class AdaMaxOptimizer(AdamOptimizer):
    """v = max(beta2 * v, |gradient|); var -= rate / (1 - beta1^t) * m / (v + epsilon).

    A sparse gradient moves only the rows that it names. Arguments as for `tf.train.AdamOptimizer`.
    """

    rule = "AdaMax"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "AdaMax",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)

    def _create_slots(self, var_list: list[Any]) -> None:
        first = min(var_list, key=lambda v: v.name)
        self._create_non_slot_variable(self._call_if_callable(self._beta1), "beta1_power", first)
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _input(self, name: str, dtype: Any) -> Tensor:
        if name == "beta1_power":
            return cast(self._get_non_slot_variable(name).value(), dtype)
        return cast(getattr(self, self.tensor_inputs[name]), dtype)

    def _rows(self, grad: Tensor, var: Any, indices: Tensor) -> Any:
        dtype = var.dtype.base_dtype
        beta1, beta2 = cast(self._beta1_t, dtype), cast(self._beta2_t, dtype)
        power = cast(self._get_non_slot_variable("beta1_power").value(), dtype)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        m_rows = beta1 * gather.gather(m, indices) + (1 - beta1) * grad
        v_rows = raw.Maximum(beta2 * gather.gather(v, indices), raw.Abs(grad))
        rate = cast(self._lr_t, dtype) / (1 - power)
        step = rate * m_rows / (v_rows + cast(self._epsilon_t, dtype))
        return group(
            assigning.scatter_sub(var, indices, step),
            assigning.scatter_update(m, indices, m_rows),
            assigning.scatter_update(v, indices, v_rows),
        )

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._rows(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        return self._rows(grad, handle, indices)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        power = self._get_non_slot_variable("beta1_power")
        with control_dependencies(update_ops), colocate_with(power.op):
            moved = power.assign(power * self._beta1_t, use_locking=self._use_locking)
        return group(*update_ops, moved.op, name=name_scope)


class _ByStep(AdamOptimizer):
    """Adam whose powers of beta follow from the global step, so that it has no variables for them."""

    def __init__(
        self,
        global_step: Any = 0,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)
        self._global_step = global_step
        self._global_step_on_worker: Any = None

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _prepare(self) -> None:
        super()._prepare()
        step = convert.to_tensor(self._call_if_callable(self._global_step))
        self._step_t = raw.Cast(step, DstT=self._beta1_t.dtype.base_dtype)

    def _powers(self, dtype: Any) -> tuple[Tensor, Tensor]:
        count = cast(self._step_t, dtype) + 1
        return (
            raw.Pow(cast(self._beta1_t, dtype), count),
            raw.Pow(cast(self._beta2_t, dtype), count),
        )

    def _input(self, name: str, dtype: Any) -> Tensor:
        if name in ("beta1_power", "beta2_power"):
            return self._powers(dtype)[name == "beta2_power"]
        return cast(getattr(self, self.tensor_inputs[name]), dtype)

    def _rate(self, dtype: Any) -> Tensor:
        power1, power2 = self._powers(dtype)
        return cast(self._lr_t, dtype) * raw.Sqrt(1 - power2) / (1 - power1)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        return group(*update_ops, name=name_scope)


@public("contrib.opt.AdamGSOptimizer")
class AdamGSOptimizer(_ByStep):
    """Adam whose bias corrections follow from `global_step`; further arguments as for `AdamOptimizer`."""


@public("contrib.opt.LazyAdamGSOptimizer")
class LazyAdamGSOptimizer(_ByStep):
    """`LazyAdamOptimizer` whose bias corrections follow from `global_step`; arguments as for `AdamGS`."""

    _rows = LazyAdamOptimizer._rows
    _apply_sparse = LazyAdamOptimizer._apply_sparse
    _resource_apply_sparse = LazyAdamOptimizer._resource_apply_sparse
