"""Relatives of Adam: lazy on sparse gradients, with Nesterov's look ahead, with the largest gradient."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import colocate_with, control_dependencies
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.variables import assigning
from millrace.ops.array import gather
from millrace.ops.array.constant import identity
from millrace.training.optimizers.adam import AdamOptimizer
from millrace.training.optimizers.optimizer import cast


@public("contrib.opt.LazyAdamOptimizer", "contrib.opt.python.training.lazy_adam_optimizer.LazyAdamOptimizer")
class LazyAdamOptimizer(AdamOptimizer):
    """Adam whose sparse gradients move only the rows that they name, m and v included.

    Arguments as for `tf.train.AdamOptimizer`.
    """

    def _averaged_rows(self, grad: Tensor, var: Any, indices: Tensor, write: Any) -> Any:
        """The rows of m and v after the step, and what `write` made of the slot and of them."""
        dtype, made = var.dtype.base_dtype, []
        for name, beta, value in (
            ("m", self._beta1_t, lambda: grad),
            ("v", self._beta2_t, lambda: raw.Square(grad)),
        ):
            slot, kept = self.get_slot(var, name), cast(beta, dtype)
            rows = kept * gather.gather(slot, indices) + (1 - kept) * value()
            made.append((rows, write(slot, rows)))
        return made

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        dtype, indices, locking = var.dtype.base_dtype, grad.indices, self._use_locking

        def write(slot: Any, rows: Tensor) -> Tensor:
            return assigning.scatter_update(slot, indices, rows, locking)

        rate = self._rate(dtype)
        (_, m), (_, v) = self._averaged_rows(grad.values, var, indices, write)
        m_rows, v_rows = gather.gather(m, indices), gather.gather(v, indices)
        below = raw.Sqrt(v_rows) + cast(self._epsilon_t, dtype)
        return group(assigning.scatter_sub(var, indices, rate * m_rows / below, locking), m, v)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        dtype = handle.dtype.base_dtype

        def write(slot: Any, rows: Tensor) -> Any:
            return raw.ResourceScatterUpdate(slot.handle, indices, rows)

        rate = self._rate(dtype)
        (m_rows, m), (v_rows, v) = self._averaged_rows(grad, handle, indices, write)
        step = rate * m_rows / (raw.Sqrt(v_rows) + cast(self._epsilon_t, dtype))
        return group(raw.ResourceScatterSub(handle.handle, indices, step), m, v)


@public("contrib.opt.NadamOptimizer")
class NadamOptimizer(AdamOptimizer):
    """Adam that looks one step ahead, as Nesterov does. Arguments as for `tf.train.AdamOptimizer`."""

    def _attrs(self) -> dict[str, Any]:
        return {"use_nesterov": True}

    def _rows(self, grad: Tensor, var: Any, indices: Tensor) -> Any:
        dtype = var.dtype.base_dtype
        rate = self._rate(dtype)
        beta1, beta2 = cast(self._beta1_t, dtype), cast(self._beta2_t, dtype)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        added = grad * (1 - beta1)
        with control_dependencies([m.assign(m * beta1, use_locking=self._use_locking)]):
            whole = m.graph.as_graph_element(assigning.scatter_add(m, indices, added))
            ahead = added + beta1 * gather.gather(whole, indices)
        squares = (grad * grad) * (1 - beta2)
        with control_dependencies([v.assign(v * beta2, use_locking=self._use_locking)]):
            whole = v.graph.as_graph_element(assigning.scatter_add(v, indices, squares))
        root = raw.Sqrt(gather.gather(whole, indices))
        step = -rate * ahead / (root + cast(self._epsilon_t, dtype))
        return group(assigning.scatter_add(var, indices, step), ahead, whole)

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
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        beta1, beta2 = cast(self._beta1_t, dtype), cast(self._beta2_t, dtype)
        m_rows = gather.gather(m, indices) * beta1 + grad * (1 - beta1)
        with control_dependencies([m_rows]):
            new_m = assigning.scatter_update(m, indices, m_rows)
        v_rows = raw.Maximum(gather.gather(v, indices) * beta2, raw.Abs(grad))
        with control_dependencies([v_rows]):
            new_v = assigning.scatter_update(v, indices, v_rows)
        power = self._get_non_slot_variable("beta1_power").value
        rate = -cast(self._lr_t, dtype) / (1 - cast(power(), dtype))
        step = rate * (m_rows / (v_rows + cast(self._epsilon_t, dtype)))
        with control_dependencies([step]):
            moved = assigning.scatter_add(var, indices, step)
        return group(moved, new_m, new_v)

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
        step = identity(self._call_if_callable(self._global_step))
        self._step_t = raw.Cast(step + 1, DstT=self._beta1_t.dtype.base_dtype)

    def _power(self, beta: Tensor, dtype: Any) -> Tensor:
        return raw.Pow(cast(beta, dtype), cast(self._step_t, dtype))

    def _input(self, name: str, dtype: Any) -> Tensor:
        if name in ("beta1_power", "beta2_power"):
            return self._power(self._beta1_t if name == "beta1_power" else self._beta2_t, dtype)
        return cast(getattr(self, self.tensor_inputs[name]), dtype)

    def _rate(self, dtype: Any) -> Tensor:
        power1, power2 = self._power(self._beta1_t, dtype), self._power(self._beta2_t, dtype)
        return cast(self._lr_t, dtype) * raw.Sqrt(1 - power2) / (1 - power1)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        return group(*update_ops, name=name_scope)


@public("contrib.opt.AdamGSOptimizer")
class AdamGSOptimizer(_ByStep):
    """Adam whose bias corrections follow from `global_step`; further arguments as for `AdamOptimizer`."""


@public("contrib.opt.LazyAdamGSOptimizer")
class LazyAdamGSOptimizer(_ByStep):
    """`LazyAdamOptimizer` whose bias corrections follow from `global_step`; arguments as for `AdamGS`."""

    _averaged_rows = LazyAdamOptimizer._averaged_rows
    _apply_sparse = LazyAdamOptimizer._apply_sparse
    _resource_apply_sparse = LazyAdamOptimizer._resource_apply_sparse
