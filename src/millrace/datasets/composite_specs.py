"""Type specs of ragged tensors, rows of tensors and tensor arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.building.indexed_slices import IndexedSlices
from millrace.core import dtypes, shapes
from millrace.core.dtypes import DType
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.datasets import specs
from millrace.datasets.specs import BatchableTypeSpec, TensorSpec, TypeSpec
from millrace.datasets.specs import spec_of as spec_of
from millrace.graph.tensor import Tensor
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import tensor_or_ragged
from millrace.lib.ragged.values import RaggedTensorValue


def _joined_shape(one: TensorShape, other: TensorShape) -> TensorShape:
    return shapes.shape_of(shapes.most_general(shapes.as_dims(one), shapes.as_dims(other)))


@public("RaggedTensorSpec")
class RaggedTensorSpec(BatchableTypeSpec):
    """The static shape, dtype and number of ragged dimensions of a ragged tensor.

    Args:
      shape: static, None for ragged and unknown dimensions.
      dtype: of the values.
      ragged_rank: how many dimensions are ragged; default: all but the first.
      row_splits_dtype: int32 or int64.

    Raises:
      ValueError: neither `ragged_rank` nor the rank is known, or the first is not less than the second.
      TypeError: `ragged_rank` is not an int.
    """

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        ragged_rank: int | None = None,
        row_splits_dtype: Any = dtypes.int64,
    ) -> None:
        self._shape = TensorShape(shape)
        self._dtype = dtypes.as_dtype(dtype)
        self._row_splits_dtype = dtypes.as_dtype(row_splits_dtype)
        rank = self._shape.ndims
        if ragged_rank is None:
            if rank is None:
                raise ValueError("Must specify ragged_rank or a shape with a known rank.")
            ragged_rank = rank - 1
        if not isinstance(ragged_rank, int):
            raise TypeError(f"ragged_rank must be an int. Received: {ragged_rank!r}")
        if rank is not None and ragged_rank >= rank:
            raise ValueError("ragged_rank must be less than rank.")
        self._ragged_rank = ragged_rank

    @classmethod
    def from_value(cls, value: Any) -> RaggedTensorSpec:
        """The spec of a ragged tensor or its value."""
        kind = value.dtype if isinstance(value, RaggedTensor) else value.flat_values.dtype
        return cls(value.shape, kind, value.ragged_rank, value.row_splits.dtype)

    @property
    def value_type(self) -> type:
        """`tf.RaggedTensor`."""
        return RaggedTensor if self._ragged_rank > 0 else Tensor

    @property
    def shape(self) -> TensorShape:
        """The static shape."""
        return self._shape

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        return self._dtype

    @property
    def ragged_rank(self) -> int:
        """How many dimensions are ragged."""
        return self._ragged_rank

    def _key(self) -> tuple[Any, ...]:
        return self._shape, self._dtype, self._ragged_rank, self._row_splits_dtype

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is type(self)
            and shapes.as_dims(self._shape) == shapes.as_dims(other._shape)  # type: ignore[attr-defined]
            and self._key()[1:] == other._key()[1:]  # type: ignore[attr-defined]
        )

    __hash__ = TypeSpec.__hash__

    def _admits(self, other: Any) -> bool:
        same = self._dtype.is_compatible_with(other._dtype) and self._key()[2:] == other._key()[2:]
        return same and shapes.compatible(shapes.as_dims(self._shape), shapes.as_dims(other._shape))

    def _joined(self, other: Any) -> TypeSpec:
        if self._key()[1:] != other._key()[1:]:
            raise ValueError(f"Types are not compatible: {self!r} vs {other!r}")
        return RaggedTensorSpec(_joined_shape(self._shape, other._shape), *self._key()[1:])

    @property
    def _component_specs(self) -> list[TensorSpec]:
        dims = shapes.as_dims(self._shape)
        inner = None if dims is None else (None, *dims[self._ragged_rank + 1 :])
        rows = None if dims is None or dims[0] is None else dims[0] + 1
        outer = [TensorSpec([rows], self._row_splits_dtype)] if self._ragged_rank else []
        rest = [TensorSpec([None], self._row_splits_dtype)] * (self._ragged_rank - 1)
        return [TensorSpec(shapes.shape_of(inner), self._dtype), *outer, *rest]

    @property
    def flat_shapes(self) -> list[shapes.Dims]:
        """The shapes of the tensors that hold a value."""
        return [None]

    def to_tensors(self, value: Any) -> list[Tensor]:
        """The tensors that hold `value`."""
        return [tensor_or_ragged(value)._to_variant(batched_input=False)]

    def to_batched_tensors(self, value: Any) -> list[Tensor]:
        """The tensor of the rows of `value`."""
        return [tensor_or_ragged(value)._to_variant(batched_input=True)]

    def from_tensors(self, tensors: Sequence[Tensor]) -> Any:
        """The value that the tensors hold."""
        if self._ragged_rank <= 0:
            raise ValueError(f"ragged_rank must be non-negative; got {self._ragged_rank}.")
        (tensor,) = tensors
        found = RaggedTensor._from_variant(tensor, self._dtype, self._ragged_rank)
        for part, known in zip(found.parts, self._component_specs, strict=True):
            part.dims = shapes.merge(part.dims, known.dims)
        return found.with_row_splits_dtype(self._row_splits_dtype)

    def batch(self, size: int | None) -> TypeSpec:
        """The spec of a batch."""
        dims = shapes.as_dims(self._shape)
        shape = shapes.shape_of(None if dims is None else (size, *dims))
        return RaggedTensorSpec(shape, self._dtype, self._ragged_rank + 1, self._row_splits_dtype)

    def unbatch(self) -> TypeSpec:
        """The spec of a row."""
        dims = shapes.as_dims(self._shape)
        shape = shapes.shape_of(
            None if dims is None else (None, *dims[2:]) if self._ragged_rank else dims[1:]
        )
        return RaggedTensorSpec(shape, self._dtype, self._ragged_rank - 1, self._row_splits_dtype)

    @property
    def legacy_type(self) -> Any:
        """The dtype."""
        return self._dtype

    @property
    def legacy_shape(self) -> Any:
        """The static shape."""
        return self._shape


@public("IndexedSlicesSpec")
class IndexedSlicesSpec(TypeSpec):
    """The dense shape and dtype of rows of a tensor.

    Args:
      shape: the static dense shape.
      dtype: of the values.
      indices_dtype: of the rows' numbers.
      dense_shape_dtype: of the dense shape; None where the rows have none.
      indices_shape: the static shape of the numbers.
    """

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        indices_dtype: Any = dtypes.int64,
        dense_shape_dtype: Any = None,
        indices_shape: Any = None,
    ) -> None:
        self._shape = TensorShape(shape)
        self._dtype = dtypes.as_dtype(dtype)
        self._indices_dtype = dtypes.as_dtype(indices_dtype)
        self._dense_shape_dtype = None if dense_shape_dtype is None else dtypes.as_dtype(dense_shape_dtype)
        self._indices_shape = TensorShape([None] if indices_shape is None else indices_shape)

    @classmethod
    def from_value(cls, value: IndexedSlices) -> IndexedSlicesSpec:
        """The spec of some rows."""
        dims = shapes.as_dims(value.values.shape)
        dense = None if value.dense_shape is None else value.dense_shape.dtype
        shape = shapes.shape_of(None if dims is None else (None, *dims[1:]))
        return cls(shape, value.dtype, value.indices.dtype, dense, value.indices.shape)

    @property
    def value_type(self) -> type:
        """`tf.IndexedSlices`."""
        return IndexedSlices

    def _key(self) -> tuple[Any, ...]:
        return (
            self._shape,
            self._dtype,
            self._indices_dtype,
            self._dense_shape_dtype,
            self._indices_shape,
        )

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and repr(self) == repr(other)

    __hash__ = TypeSpec.__hash__

    def _admits(self, other: Any) -> bool:
        same = self._key()[1:4] == other._key()[1:4]
        pairs = ((self._shape, other._shape), (self._indices_shape, other._indices_shape))
        return same and all(shapes.compatible(shapes.as_dims(a), shapes.as_dims(b)) for a, b in pairs)

    def _joined(self, other: Any) -> TypeSpec:
        if self._key()[1:4] != other._key()[1:4]:
            raise ValueError(f"Types are not compatible: {self!r} vs {other!r}")
        rows = _joined_shape(self._indices_shape, other._indices_shape)
        dtype, indices, has_dense = self._key()[1:4]
        return IndexedSlicesSpec(_joined_shape(self._shape, other._shape), dtype, indices, has_dense, rows)

    @property
    def _component_specs(self) -> tuple[TensorSpec, ...]:
        dims, rows = shapes.as_dims(self._shape), shapes.as_dims(self._indices_shape)
        first = None if rows is None else rows[0]
        values = shapes.shape_of(None if dims is None else (first, *dims[1:]))
        found = (TensorSpec(values, self._dtype), TensorSpec(self._indices_shape, self._indices_dtype))
        if self._dense_shape_dtype is None:
            return found
        return (*found, TensorSpec([None if dims is None else len(dims)], self._dense_shape_dtype))

    @property
    def flat_types(self) -> list[DType]:
        """Their dtypes."""
        return [spec.dtype for spec in self._component_specs]

    @property
    def flat_shapes(self) -> list[shapes.Dims]:
        """The shapes of the tensors that hold a value."""
        return [spec.dims for spec in self._component_specs]

    def to_tensors(self, value: Any) -> list[Tensor]:
        """The tensors that hold `value`."""
        return value.parts

    def from_tensors(self, tensors: Sequence[Tensor]) -> Any:
        """The value that the tensors hold."""
        return IndexedSlices(*tensors)


@public("TensorArraySpec")
class TensorArraySpec(TypeSpec):
    """The elements' static shape and dtype of a TensorArray.

    Args:
      element_shape: of one element.
      dtype: of the elements.
      dynamic_size: whether it grows.
      infer_shape: whether all elements have one shape.
    """

    def __init__(
        self,
        element_shape: Any = None,
        dtype: Any = dtypes.float32,
        dynamic_size: bool = False,
        infer_shape: bool = True,
    ) -> None:
        self._element_shape = TensorShape(element_shape)
        self._dtype = dtypes.as_dtype(dtype)
        self._dynamic_size = dynamic_size
        self._infer_shape = infer_shape

    @classmethod
    def from_value(cls, value: Any) -> TensorArraySpec:
        """The spec of a TensorArray.

        Raises:
          TypeError: `value` is something else.
        """
        if not isinstance(value, TensorArray):
            raise TypeError(f"Expected value to be a TensorArray, but saw: {value!r}")
        return cls(value.element_shape, value.dtype)

    @property
    def value_type(self) -> type:
        """`tf.TensorArray`."""
        return TensorArray

    def _key(self) -> tuple[Any, ...]:
        return self._element_shape, self._dtype, self._dynamic_size, self._infer_shape

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and repr(self) == repr(other)

    __hash__ = TypeSpec.__hash__

    def _admits(self, other: Any) -> bool:
        same = self._key()[1:] == other._key()[1:]
        dims = shapes.as_dims(self._element_shape), shapes.as_dims(other._element_shape)
        return same and shapes.compatible(*dims)

    def _joined(self, other: Any) -> TypeSpec:
        if self._key()[1:] != other._key()[1:]:
            raise ValueError(f"Types are not compatible: {self!r} vs {other!r}")
        return TensorArraySpec(_joined_shape(self._element_shape, other._element_shape), *self._key()[1:])

    @property
    def _component_specs(self) -> list[TensorSpec]:
        return [TensorSpec([], dtypes.variant)]

    def to_tensors(self, value: Any) -> list[Tensor]:
        """The tensors that hold `value`."""
        return [value.flow]


specs.register(RaggedTensor, RaggedTensorSpec.from_value)
specs.register(RaggedTensorValue, RaggedTensorSpec.from_value)
specs.register(IndexedSlices, IndexedSlicesSpec.from_value)
specs.register(TensorArray, TensorArraySpec.from_value)


@public("data.experimental.RaggedTensorStructure")
def ragged_tensor_structure(dtype: Any, shape: Any, ragged_rank: int) -> RaggedTensorSpec:
    """The `RaggedTensorSpec` of a dtype, shape and number of ragged dimensions, under its old name."""
    return RaggedTensorSpec(shape, dtype, ragged_rank)


@public("data.experimental.TensorArrayStructure")
def tensor_array_structure(
    dtype: Any, element_shape: Any, dynamic_size: bool, infer_shape: bool
) -> TensorArraySpec:
    """The `TensorArraySpec` of the elements' dtype and shape, under its old name."""
    return TensorArraySpec(element_shape, dtype, dynamic_size, infer_shape)
