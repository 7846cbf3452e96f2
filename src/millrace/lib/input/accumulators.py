"""Accumulators of gradients: the Python face."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.math import cast


@public("ConditionalAccumulatorBase")
class ConditionalAccumulatorBase:
    """Adds gradients up until there are enough of them; see its subclasses.

    Args:
      dtype: of the gradients.
      shape: of a gradient, as far as it is known.
      accumulator_ref: the handle.
    """

    _count, _set_step = "AccumulatorNumAccumulated", "AccumulatorSetGlobalStep"

    def __init__(self, dtype: Any, shape: Any, accumulator_ref: Tensor) -> None:
        self._dtype = dtypes.as_dtype(dtype)
        self._shape = shapes.as_shape(shape)
        self._accumulator_ref = accumulator_ref
        self._name = accumulator_ref.op.name.split("/")[-1]

    @property
    def accumulator_ref(self) -> Tensor:
        """The handle."""
        return self._accumulator_ref

    @property
    def name(self) -> str:
        """The last part of the name of the operation that makes it."""
        return self._name

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of the gradients."""
        return self._dtype

    def num_accumulated(self, name: str | None = None) -> Tensor:
        """How many gradients there are, a scalar int32."""
        return getattr(raw, self._count)(self._accumulator_ref, name=name or f"{self._name}_NumAccumulated")

    def set_global_step(self, new_global_step: Any, name: str | None = None) -> Any:
        """An operation that sets the step; gradients of earlier ones are dropped from then on."""
        return getattr(raw, self._set_step)(self._accumulator_ref, _step(new_global_step), name=name)


def _as_int64(value: Any) -> Tensor:
    if isinstance(value, Tensor) and value.dtype.base_dtype is dtypes.int64:
        return value
    return cast.cast(value, dtypes.int64)


def _step(value: Any) -> Tensor:
    return _as_int64(convert.to_tensor(value))


@public("ConditionalAccumulator")
class ConditionalAccumulator(ConditionalAccumulatorBase):
    """Adds dense gradients up.

    Args:
      dtype: of the gradients, a floating-point one.
      shape: of a gradient, as far as it is known.
      shared_name: the accumulator's name in the session; default: the op name.
      name: op name.
      reduction_type: what `take_grad` gives, "MEAN" or "SUM".

    Raises:
      ValueError: there is no such reduction.
    """

    _count, _set_step = "ResourceAccumulatorNumAccumulated", "ResourceAccumulatorSetGlobalStep"

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "conditional_accumulator",
        reduction_type: str = "MEAN",
    ) -> None:
        handle = raw.ResourceConditionalAccumulator(
            dtype=dtype,
            shape=shapes.as_shape(shape),
            shared_name=shared_name or "",
            reduction_type=reduction_type,
            name=name,
        )
        super().__init__(dtype, shape, handle)

    def apply_grad(self, grad: Any, local_step: Any = 0, name: str | None = None) -> Any:
        """An operation that adds a gradient, or drops it where `local_step` is past.

        Raises:
          ValueError: the gradient's shape does not fit.
        """
        gradient = convert.to_tensor(grad, self._dtype)
        gradient.shape.assert_is_compatible_with(self._shape)
        return raw.ResourceAccumulatorApplyGradient(
            self._accumulator_ref, _step(local_step), gradient, name=name
        )

    def take_grad(self, num_required: Any, name: str | None = None) -> Tensor:
        """The mean or sum of the gradients, as soon as there are `num_required`; it starts anew.

        Raises:
          InvalidArgumentError: when run, if `num_required` is not positive.
        """
        found = raw.ResourceAccumulatorTakeGradient(
            self._accumulator_ref, num_required, dtype=self._dtype, name=name
        )
        found.set_shape(self._shape)
        return found


@public("SparseConditionalAccumulator", "sparse.SparseConditionalAccumulator")
class SparseConditionalAccumulator(ConditionalAccumulatorBase):
    """Adds gradients up that are rows, each of which has its own mean.

    Arguments as for `ConditionalAccumulator`.
    """

    def __init__(
        self,
        dtype: Any,
        shape: Any = None,
        shared_name: str | None = None,
        name: str = "sparse_conditional_accumulator",
        reduction_type: str = "MEAN",
    ) -> None:
        handle = raw.SparseConditionalAccumulator(
            dtype=dtype,
            shape=shapes.as_shape(shape),
            shared_name=shared_name or "",
            reduction_type=reduction_type,
            name=name,
        )
        super().__init__(dtype, shape, handle)

    def apply_indexed_slices_grad(
        self, grad: IndexedSlices, local_step: Any = 0, name: str | None = None
    ) -> Any:
        """An operation that adds the rows of `grad`, or drops them where `local_step` is past."""
        return self.apply_grad(
            grad_indices=grad.indices,
            grad_values=grad.values,
            grad_shape=grad.dense_shape,
            local_step=local_step,
            name=name,
        )

    def apply_grad(
        self,
        grad_indices: Any,
        grad_values: Any,
        grad_shape: Any = None,
        local_step: Any = 0,
        name: str | None = None,
    ) -> Any:
        """An operation that adds rows, or drops them where `local_step` is past.

        Args:
          grad_indices: int64 `[n]`, their numbers.
          grad_values: `[n, ...]`.
          grad_shape: int64, the shape of the whole; default: not checked.
          local_step: scalar.
          name: op name.

        Raises:
          InvalidArgumentError: when run, if the parts do not fit each other or the accumulator's shape.
        """
        return raw.SparseAccumulatorApplyGradient(
            self._accumulator_ref,
            _step(local_step),
            _as_int64(grad_indices),
            grad_values,
            _as_int64([] if grad_shape is None else grad_shape),
            has_known_shape=grad_shape is not None,
            dtype=self._dtype,
            name=name,
        )

    def take_grad(self, num_required: Any, name: str | None = None) -> Any:
        """The mean or sum of each row, as a named tuple `(indices, values, shape)`, waited for."""
        return raw.SparseAccumulatorTakeGradient(
            self._accumulator_ref, num_required, dtype=self._dtype, name=name
        )

    def take_indexed_slices_grad(self, num_required: Any, name: str | None = None) -> IndexedSlices:
        """The mean or sum of each row as `IndexedSlices`, waited for."""
        found = self.take_grad(num_required, name)
        return IndexedSlices(found.values, found.indices, found.shape)
