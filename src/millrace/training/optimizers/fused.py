"""Optimizers whose rule is one update operation: its inputs are found by their declared names."""

from __future__ import annotations

from typing import Any

from millrace.building.apply import apply
from millrace.building.indexed_slices import IndexedSlices
from millrace.graph.opdef import lookup
from millrace.graph.tensor import Tensor
from millrace.training.optimizers.optimizer import cast


class FusedOptimizer:
    """For an `Optimizer` with operations `Apply<rule>`, `SparseApply<rule>` both with `Resource` before.

    Attributes:
      rule: the last part of the operations' names.
      slot_inputs: the operations' slots -> the optimizer's slots.
      tensor_inputs: the operations' other inputs -> the attribute that holds the tensor, made in `_prepare`.
    """

    rule: str
    slot_inputs: dict[str, str] = {}
    tensor_inputs: dict[str, str] = {}
    get_slot: Any  # the optimizer's
    _use_locking: Any

    def _rule(self) -> str:
        return self.rule

    def _attrs(self) -> dict[str, Any]:
        """Attributes of the operations beside `use_locking`."""
        return {}

    def _input(self, name: str, dtype: Any) -> Tensor:
        """The tensor for an input that is neither variable, slot nor gradient."""
        return cast(getattr(self, self.tensor_inputs[name]), dtype)

    def _slot_input(self, var: Any, name: str) -> Any:
        return self.get_slot(var, self.slot_inputs[name])

    def _add(self, prefix: str, var: Any, grad: Tensor, indices: Tensor | None = None) -> Any:
        opdef = lookup(f"{prefix}Apply{self._rule()}")
        dtype = var.dtype.base_dtype
        inputs: list[Any] = []
        for arg in opdef.inputs:
            if arg.name == "var":
                inputs.append(var._target)
            elif arg.name in self.slot_inputs:
                inputs.append(self._slot_input(var, arg.name)._target)
            elif arg.name in ("grad", "delta"):
                inputs.append(grad)
            elif arg.name == "indices":
                inputs.append(indices)
            else:
                inputs.append(self._input(arg.name, dtype))
        return apply(opdef, *inputs, use_locking=self._use_locking, **self._attrs())

    def _apply_dense(self, grad: Tensor, var: Any) -> Any:
        return self._add("", var, grad).op

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        return self._add("Resource", handle, grad)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        return self._add("Sparse", var, grad.values, grad.indices)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        return self._add("ResourceSparse", handle, grad, indices)
