"""Optimizers whose rule is one update operation: its inputs are found by their declared names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.indexed_slices import IndexedSlices
from millrace.core import dtypes
from millrace.graph.opdef import lookup
from millrace.graph.tensor import Tensor


def cast(tensor: Tensor, dtype: dtypes.DType) -> Tensor:
    """`tensor` in `dtype`; itself where it is of that dtype."""
    base = dtype.base_dtype
    return tensor if tensor.dtype.base_dtype is base else raw.Cast(tensor, DstT=base)


class FusedUpdates:
    """Updates by the operations `Apply<rule>`, `SparseApply<rule>` and both with `Resource` before them.

    The base of all optimizers, so that each of TensorFlow's is derived from `Optimizer` itself. One without a
    rule defines the `_apply` methods.

    Attributes:
      rule: the last part of the operations' names.
      slot_inputs: the operations' slots -> the optimizer's slots.
      tensor_inputs: the operations' other inputs -> the attribute that holds the tensor, made in `_prepare`.
    """

    rule: str | None = None
    _use_locking: bool
    get_slot: Callable[..., Any]
    slot_inputs: dict[str, str] = {}
    tensor_inputs: dict[str, str] = {}

    def _rule(self) -> str | None:
        return self.rule

    def _fused(self, method: str) -> None:
        if self._rule() is None:
            raise NotImplementedError(f"{type(self).__name__} does not define {method}")

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
        self._fused("_apply_dense")
        return self._add("", var, grad).op

    def _resource_apply_dense(self, grad: Tensor, handle: Any) -> Any:
        self._fused("_resource_apply_dense")
        return self._add("Resource", handle, grad)

    def _apply_sparse(self, grad: IndexedSlices, var: Any) -> Any:
        self._fused("_apply_sparse")
        return self._add("Sparse", var, grad.values, grad.indices)

    def _resource_apply_sparse(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        self._fused("_resource_apply_sparse")
        return self._add("ResourceSparse", handle, grad, indices)
