"""Type specs: what is known about a tensor, a sparse tensor, a dataset or an optional before it has a
value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.core import dtypes, shapes
from millrace.core.dtypes import DType
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.datasets import nesting
from millrace.graph.tensor import Tensor


@public("TypeSpec", "data.experimental.Structure", "contrib.data.Structure")
class TypeSpec:
    """What is known about a value before it exists; see the subclasses."""

    def _key(self) -> tuple[Any, ...]:
        raise NotImplementedError

    @property
    def value_type(self) -> type:
        """The type of the values."""
        raise NotImplementedError

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """True where a value, or all values of a spec, fit this one."""
        spec = spec_or_value if isinstance(spec_or_value, TypeSpec) else spec_of(spec_or_value)
        return type(spec) is type(self) and self._admits(spec)

    def most_specific_compatible_type(self, other: TypeSpec) -> TypeSpec:
        """The narrowest spec that both fit.

        Raises:
          ValueError: there is none.
        """
        if type(other) is not type(self):
            raise ValueError(f"No TypeSpec is compatible with both {self} and {other}")
        return self._joined(other)

    def _admits(self, other: Any) -> bool:
        return self == other

    def _joined(self, other: Any) -> TypeSpec:
        if self != other:
            raise ValueError(f"No TypeSpec is compatible with both {self} and {other}")
        return self

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()  # type: ignore[union-attr]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self).__name__, *map(str, self._key())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._key()))})"

    # --- as components of an element ------------------------------------------------------------------------

    @property
    def flat_types(self) -> list[DType]:
        """The dtypes of the tensors that hold a value."""
        return [dtypes.variant]

    @property
    def flat_shapes(self) -> list[shapes.Dims]:
        """Their shapes."""
        return [()]

    def to_tensors(self, value: Any) -> list[Tensor]:
        """The tensors that hold `value`."""
        raise NotImplementedError

    def from_tensors(self, tensors: Sequence[Tensor]) -> Any:
        """The value that the tensors hold."""
        raise NotImplementedError

    def batch(self, size: int | None) -> TypeSpec:
        """The spec of a batch of `size` values.

        Raises:
          TypeError: such values cannot be batched.
        """
        raise TypeError(f"{type(self).__name__} elements cannot be batched")

    def unbatch(self) -> TypeSpec:
        """The spec of a row.

        Raises:
          ValueError: such values have no rows.
        """
        raise ValueError(f"{type(self).__name__} elements cannot be unbatched")

    def _batch(self, batch_size: int | None) -> TypeSpec:
        return self.batch(batch_size)

    def _unbatch(self) -> TypeSpec:
        return self.unbatch()

    def _to_legacy_output_types(self) -> Any:
        return self.legacy_type

    def _to_legacy_output_shapes(self) -> Any:
        return self.legacy_shape

    def _to_legacy_output_classes(self) -> Any:
        return self.legacy_class

    # --- in the words of TF 1 -------------------------------------------------------------------------------

    @property
    def legacy_type(self) -> Any:
        """What `output_types` shows."""
        return self

    @property
    def legacy_shape(self) -> Any:
        """What `output_shapes` shows."""
        return self

    @property
    def legacy_class(self) -> Any:
        """What `output_classes` shows."""
        return self


@public("python.framework.type_spec.BatchableTypeSpec")
class BatchableTypeSpec(TypeSpec):
    """What is known about values that can be batched; programs derive from it."""


@public("TensorSpec", "contrib.framework.TensorSpec", "contrib.eager.TensorSpec")
class TensorSpec(TypeSpec):
    """The shape and dtype of a tensor.

    Args:
      shape: static, unknown dimensions None.
      dtype: of the elements.
      name: of the tensor.
    """

    def __init__(self, shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> None:
        self._shape = TensorShape(shape)
        self._dtype = dtypes.as_dtype(dtype)
        self._name = name

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        """The same spec with another name."""
        return cls(spec.shape, spec.dtype, name or spec.name)

    @classmethod
    def from_tensor(cls, tensor: Tensor, name: str | None = None) -> TensorSpec:
        """The spec of a tensor, which tells no bounds."""
        return TensorSpec(tensor.shape, tensor.dtype, name or tensor.op.name)

    @property
    def shape(self) -> TensorShape:
        """The static shape."""
        return self._shape

    @property
    def dtype(self) -> DType:
        """The dtype."""
        return self._dtype

    @property
    def name(self) -> str | None:
        """The name."""
        return self._name

    @property
    def dims(self) -> shapes.Dims:
        """The static shape as dims."""
        return shapes.as_dims(self._shape)

    @property
    def value_type(self) -> type:
        """`tf.Tensor`."""
        return Tensor

    def _key(self) -> tuple[Any, ...]:
        return self._shape, self._dtype, self._name

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is type(self)
            and self.dims == other.dims  # type: ignore[attr-defined]
            and self._dtype == other._dtype  # type: ignore[attr-defined]
            and self._name == other._name  # type: ignore[attr-defined]
        )

    __hash__ = TypeSpec.__hash__

    def __repr__(self) -> str:
        dims = self.dims
        if dims is None:
            shown = "<unknown>"
        else:
            shown = (
                "("
                + ", ".join("?" if d is None else str(d) for d in dims)
                + ("," if len(dims) == 1 else "")
                + ")"
            )
        return f"{type(self).__name__}(shape={shown}, dtype={self._dtype!r}, name={self._name!r})"

    def is_compatible_with(self, spec_or_tensor: Any) -> bool:
        """True where a tensor has a shape and dtype that fit."""
        found = spec_or_tensor
        if not isinstance(found, TypeSpec | Tensor):
            found = spec_of(found)
        if not isinstance(found, TensorSpec | Tensor):
            return False
        same = self._dtype.is_compatible_with(found.dtype)
        return same and shapes.compatible(self.dims, shapes.as_dims(found.shape))

    def _joined(self, other: Any) -> TypeSpec:
        if self._dtype != other._dtype:
            raise ValueError(f"Types are not compatible: {self!r} vs {other!r}")
        dims = shapes.most_general(self.dims, other.dims)
        return TensorSpec(
            shapes.shape_of(dims), self._dtype, self._name if self._name == other._name else None
        )

    @property
    def flat_types(self) -> list[DType]:
        return [self._dtype]

    @property
    def flat_shapes(self) -> list[shapes.Dims]:
        return [self.dims]

    def to_tensors(self, value: Any) -> list[Tensor]:
        tensor = convert.convert_to_tensor(value, self._dtype)
        if not shapes.compatible(tensor.dims, self.dims):
            raise ValueError(
                f"Value {value!r} is not convertible to a tensor with dtype {self._dtype} and shape "
                f"{self._shape}."
            )
        return [tensor]

    def from_tensors(self, tensors: Sequence[Tensor]) -> Any:
        (tensor,) = tensors
        tensor.dims = shapes.merge(tensor.dims, self.dims)
        return tensor

    def batch(self, size: int | None) -> TypeSpec:
        dims = self.dims
        return TensorSpec(shapes.shape_of(None if dims is None else (size, *dims)), self._dtype)

    def unbatch(self) -> TypeSpec:
        dims = self.dims
        if dims == ():
            raise ValueError("Unbatching a tensor is only supported for rank >= 1")
        return TensorSpec(shapes.shape_of(None if dims is None else dims[1:]), self._dtype)

    @property
    def legacy_type(self) -> Any:
        return self._dtype

    @property
    def legacy_shape(self) -> Any:
        return self._shape

    @property
    def legacy_class(self) -> Any:
        return Tensor


@public("contrib.framework.BoundedTensorSpec")
class BoundedTensorSpec(TensorSpec):
    """A TensorSpec whose values lie between bounds.

    Args:
      shape, dtype, name: as for TensorSpec.
      minimum, maximum: what broadcasts to the shape.

    Raises:
      ValueError: a bound does not broadcast to the shape.
      TypeError: the dtype is string.
    """

    def __init__(self, shape: Any, dtype: Any, minimum: Any, maximum: Any, name: str | None = None) -> None:
        super().__init__(shape, dtype, name)
        if minimum is None or maximum is None:
            raise ValueError("minimum and maximum must be provided; but saw None")
        if self.dtype is dtypes.string:
            raise TypeError(f"BoundedTensorSpec: dtype must have an order. Received: {self.dtype!r}")
        self._minimum = np.array(minimum, self.dtype.np_dtype)
        self._maximum = np.array(maximum, self.dtype.np_dtype)
        self._minimum.setflags(write=False)
        self._maximum.setflags(write=False)
        for name_, bound in (("minimum", self._minimum), ("maximum", self._maximum)):
            try:
                shapes.broadcast(bound.shape, self.dims)
            except ValueError:
                raise ValueError(
                    f"{name_} is not compatible with shape. Received: {bound.shape} and {self.shape}"
                ) from None

    @classmethod
    def from_spec(cls, spec: Any) -> BoundedTensorSpec:
        """The spec with its own bounds, or where it has none with those of its dtype.

        Raises:
          TypeError: there are neither.
        """
        dtype = dtypes.as_dtype(spec.dtype)
        low = spec.minimum if hasattr(spec, "minimum") else dtype.min
        high = spec.maximum if hasattr(spec, "maximum") else dtype.max
        return BoundedTensorSpec(spec.shape, dtype, low, high, spec.name)

    @property
    def minimum(self) -> np.ndarray:
        """The lower bounds."""
        return self._minimum

    @property
    def maximum(self) -> np.ndarray:
        """The upper bounds."""
        return self._maximum

    def __repr__(self) -> str:
        inner = f"shape={self.shape}, dtype={self.dtype!r}, name={self.name!r}"
        return f"BoundedTensorSpec({inner}, minimum={self._minimum!r}, maximum={self._maximum!r})"


@public("SparseTensorSpec")
class SparseTensorSpec(TypeSpec):
    """The dense shape and dtype of a sparse tensor.

    Args:
      shape: the static dense shape.
      dtype: of the values.
    """

    def __init__(self, shape: Any = None, dtype: Any = dtypes.float32) -> None:
        self._shape = TensorShape(shape)
        self._dtype = dtypes.as_dtype(dtype)

    @classmethod
    def from_value(cls, value: Any) -> SparseTensorSpec:
        """The spec of a sparse tensor or its value.

        Raises:
          TypeError: `value` is neither.
        """
        if isinstance(value, SparseTensor):
            return cls(value.shape, value.dtype)
        if isinstance(value, SparseTensorValue):
            return cls(TensorShape(list(value.dense_shape)), np.asarray(value.values).dtype)
        raise TypeError(f"Expected SparseTensor or SparseTensorValue. Received: {value!r}")

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The static dense shape."""
        return self._shape

    @property
    def value_type(self) -> type:
        """`tf.SparseTensor`."""
        return SparseTensor

    def _key(self) -> tuple[Any, ...]:
        return self._shape, self._dtype

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is type(self)
            and shapes.as_dims(self._shape) == shapes.as_dims(other._shape)  # type: ignore[attr-defined]
            and self._dtype == other._dtype  # type: ignore[attr-defined]
        )

    __hash__ = TypeSpec.__hash__

    def _admits(self, other: Any) -> bool:
        same = self._dtype.is_compatible_with(other._dtype)
        return same and shapes.compatible(shapes.as_dims(self._shape), shapes.as_dims(other._shape))

    def _joined(self, other: Any) -> TypeSpec:
        if self._dtype != other._dtype:
            raise ValueError(f"Types are not compatible: {self!r} vs {other!r}")
        dims = shapes.most_general(shapes.as_dims(self._shape), shapes.as_dims(other._shape))
        return SparseTensorSpec(shapes.shape_of(dims), self._dtype)

    @property
    def flat_shapes(self) -> list[shapes.Dims]:
        return [None]

    def to_tensors(self, value: Any) -> list[Tensor]:
        value = SparseTensor.from_value(value)
        parts = value.indices, value.values, value.dense_shape
        return [raw.SerializeSparse(*parts, out_type=dtypes.variant)]

    def to_batched_tensors(self, value: Any) -> list[Tensor]:
        """The tensor of the rows of `value`."""
        value = SparseTensor.from_value(value)
        parts = value.indices, value.values, value.dense_shape
        return [raw.SerializeManySparse(*parts, out_type=dtypes.variant)]

    def from_tensors(self, tensors: Sequence[Tensor]) -> Any:
        (tensor,) = tensors
        rank = None if shapes.as_dims(self._shape) is None else len(shapes.as_dims(self._shape) or ())
        found = raw.DeserializeSparse(tensor, dtype=self._dtype)
        found.sparse_indices.dims = (None, rank)
        found.sparse_shape.dims = (rank,)
        return SparseTensor(*found)

    def batch(self, size: int | None) -> TypeSpec:
        dims = shapes.as_dims(self._shape)
        return SparseTensorSpec(shapes.shape_of(None if dims is None else (size, *dims)), self._dtype)

    def unbatch(self) -> TypeSpec:
        dims = shapes.as_dims(self._shape)
        if dims == ():
            raise ValueError("Unbatching is only supported for rank >= 1")
        return SparseTensorSpec(shapes.shape_of(None if dims is None else dims[1:]), self._dtype)

    @property
    def legacy_type(self) -> Any:
        return self._dtype

    @property
    def legacy_shape(self) -> Any:
        return self._shape

    @property
    def legacy_class(self) -> Any:
        return SparseTensor


_makers: list[tuple[type, Any]] = []  # (type of a value, function from a value to its spec)


def register(kind: type, spec: Any) -> None:
    """Says how values of `kind` are described."""
    _makers.append((kind, spec))


def has_spec(value: Any) -> bool:
    """True for values of the registered types."""
    return isinstance(value, tuple(kind for kind, _ in _makers))


def spec_of(value: Any) -> TypeSpec:
    """The spec of one value.

    Raises:
      TypeError: there is none.
    """
    if isinstance(value, TypeSpec):
        return value
    if isinstance(value, SparseTensor | SparseTensorValue):
        return SparseTensorSpec.from_value(value)
    for kind, spec in _makers:
        if isinstance(value, kind):
            return spec(value)
    try:
        tensor = convert.convert_to_tensor(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Could not build a TypeSpec for {value!r} with type {type(value).__name__}"
        ) from error
    return TensorSpec(tensor.shape, tensor.dtype.base_dtype)


@public("data.experimental.TensorStructure", "contrib.data.TensorStructure")
def tensor_structure(dtype: Any, shape: Any) -> TensorSpec:
    """The `TensorSpec` of a shape and dtype, under its old name."""
    return TensorSpec(shape, dtype)


@public("data.experimental.SparseTensorStructure", "contrib.data.SparseTensorStructure")
def sparse_tensor_structure(dtype: Any, shape: Any) -> SparseTensorSpec:
    """The `SparseTensorSpec` of a shape and dtype, under its old name."""
    return SparseTensorSpec(shape, dtype)


def flat_types(structure: Any) -> list[DType]:
    """The dtypes of the tensors of an element."""
    return [dtype for spec in nesting.flatten(structure) for dtype in spec.flat_types]


def flat_shapes(structure: Any) -> list[shapes.Dims]:
    """The shapes of the tensors of an element."""
    return [dims for spec in nesting.flatten(structure) for dims in spec.flat_shapes]
