"""Adam (Kingma and Ba): steps of the gradient's moving average over the root of its square's."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import colocate_with, control_dependencies
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.variables.assigning import scatter_add
from millrace.training.optimizers.fused import FusedOptimizer
from millrace.training.optimizers.optimizer import Optimizer, cast


@public("train.AdamOptimizer", "python.training.adam.AdamOptimizer")
class AdamOptimizer(FusedOptimizer, Optimizer):
    """m and v are moving averages of the gradient and its square; var -= rate * m / (sqrt(v) + epsilon).

    A sparse gradient moves all rows of m and v, and all rows of the variable, as a dense one would.

    Args:
      learning_rate: a scalar: number, tensor, or function that gives one.
      beta1, beta2: how much of m and v is kept at each step.
      epsilon: keeps the denominator from zero.
      use_locking: accepted; updates are always whole.
      name: default "Adam".

    Example:
      >>> w = tf.Variable(1.0)
      >>> step = tf.train.AdamOptimizer(0.1).minimize(tf.square(w))
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     sess.run(step)
      ...     print(sess.run(w).round(3))
      0.9
    """

    rule = "Adam"
    slot_inputs = {"m": "m", "v": "v"}
    tensor_inputs = {"lr": "_lr_t", "beta1": "_beta1_t", "beta2": "_beta2_t", "epsilon": "_epsilon_t"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._beta1 = beta1
        self._beta2 = beta2
        self._epsilon = epsilon

    def _get_beta_accumulators(self) -> tuple[Any, Any]:
        return self._get_non_slot_variable("beta1_power"), self._get_non_slot_variable("beta2_power")

    def _create_slots(self, var_list: list[Any]) -> None:
        first = min(var_list, key=lambda v: v.name)
        self._create_non_slot_variable(self._call_if_callable(self._beta1), "beta1_power", first)
        self._create_non_slot_variable(self._call_if_callable(self._beta2), "beta2_power", first)
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _prepare(self) -> None:
        self._lr_t = convert.to_tensor(self._call_if_callable(self._lr), name="learning_rate")
        self._beta1_t = convert.to_tensor(self._call_if_callable(self._beta1), name="beta1")
        self._beta2_t = convert.to_tensor(self._call_if_callable(self._beta2), name="beta2")
        self._epsilon_t = convert.to_tensor(self._call_if_callable(self._epsilon), name="epsilon")

    def _input(self, name: str, dtype: Any) -> Tensor:
        powers = dict(zip(("beta1_power", "beta2_power"), self._get_beta_accumulators(), strict=True))
        if name in powers:
            return cast(powers[name].value(), dtype)
        return super()._input(name, dtype)

    def _rate(self, dtype: Any) -> Tensor:
        power1, power2 = self._get_beta_accumulators()
        root = raw.Sqrt(1 - cast(power2.value(), dtype))
        return cast(self._lr_t, dtype) * root / (1 - cast(power1.value(), dtype))

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        dtype = var.dtype.base_dtype
        rate = self._rate(dtype)
        locking: dict[str, Any] = {"use_locking": self._use_locking}

        def moved(slot: Any, kept: Tensor, gradient: Tensor) -> Tensor:
            added = gradient * (1 - kept)
            whole = slot.assign(slot * kept, **locking)
            return raw.ScatterAdd(whole, grad.indices, added, **locking)

        m = moved(self.get_slot(var, "m"), cast(self._beta1_t, dtype), grad.values)
        v = moved(self.get_slot(var, "v"), cast(self._beta2_t, dtype), grad.values * grad.values)
        root = raw.Sqrt(v)
        step = rate * m / (root + cast(self._epsilon_t, dtype))
        return group(var.assign_sub(step, **locking), m, v)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        dtype = handle.dtype.base_dtype
        rate = self._rate(dtype)

        def moved(slot: Any, kept: Tensor, gradient: Tensor) -> Tensor:
            added = gradient * (1 - kept)
            with control_dependencies([slot.assign(slot * kept)]):
                return slot.graph.as_graph_element(scatter_add(slot, indices, added))

        m = moved(self.get_slot(handle, "m"), cast(self._beta1_t, dtype), grad)
        v = moved(self.get_slot(handle, "v"), cast(self._beta2_t, dtype), grad * grad)
        root = raw.Sqrt(v)
        step = rate * m / (root + cast(self._epsilon_t, dtype))
        return group(handle.assign_sub(step), m, v)

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        power1, power2 = self._get_beta_accumulators()
        with control_dependencies(update_ops), colocate_with(power1.op):
            powers = [
                power.assign(power * beta, use_locking=self._use_locking)
                for power, beta in ((power1, self._beta1_t), (power2, self._beta2_t))
            ]
        return group(*update_ops, *[p.op for p in powers], name=name_scope)
