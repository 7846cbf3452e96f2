"""`IndexedSlices`: a gradient that is zero except in a few rows, kept as those rows and their numbers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from millrace.building import convert, raw
from millrace.building.composites import CompositeTensor, spec_of
from millrace.building.static import static_dims, static_value
from millrace.building.tensor_like import TensorLike
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor

_LARGE = 100_000_000  # elements: a dense gradient of this size is probably not what the user expects


class IndexedSlicesValue(NamedTuple):
    """What fetching `IndexedSlices` gives: arrays."""

    values: Any
    indices: Any
    dense_shape: Any


@public("IndexedSlices")
class IndexedSlices(CompositeTensor, TensorLike):
    """Rows of a tensor: row `values[i]` stands at place `indices[i]`; rows with one index add up.

    Args:
      values: `[n, ...]`, the rows.
      indices: `[n]`, int32 or int64, their numbers in the dense tensor.
      dense_shape: `[rank]`, the dense tensor's shape, or None where nobody knows it.
    """

    _orders_by_values = True  # as a control input it stands for its values

    def __init__(self, values: Tensor, indices: Tensor, dense_shape: Tensor | None = None) -> None:
        graphs = {t.graph for t in (values, indices, dense_shape) if hasattr(t, "graph")}  # pyright: ignore[reportOptionalMemberAccess]
        if len(graphs) > 1:
            raise ValueError(
                f"IndexedSlices: values, indices and dense_shape must be from the same graph. "
                f"Received: {values}, {indices}, {dense_shape}"
            )
        self._values = values
        self._indices = indices
        self._dense_shape = dense_shape

    @property
    def values(self) -> Tensor:
        """The rows, `[n, ...]`."""
        return self._values

    @property
    def indices(self) -> Tensor:
        """The rows' numbers in the dense tensor, `[n]`."""
        return self._indices

    @property
    def dense_shape(self) -> Tensor | None:
        """The dense tensor's shape as an int vector, or None."""
        return self._dense_shape

    @property
    def shape(self) -> shapes.TensorShape:
        """The dense tensor's static shape, as far as the graph determines it."""
        return shapes.shape_of(self.dims)

    @property
    def dims(self) -> shapes.Dims:
        """The same as a tuple, None where the rank is unknown."""
        return None if self._dense_shape is None else static_dims(self._dense_shape)

    def get_shape(self) -> shapes.TensorShape:
        """The same as `.shape`."""
        return self.shape

    @property
    def name(self) -> str:
        """The name of `values`."""
        return self._values.name

    @property
    def device(self) -> str:
        """The device on which `values` is produced."""
        return self._values.device

    @property
    def op(self) -> Any:
        """The operation that produces `values`."""
        return self._values.op

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of `values`."""
        return self._values.dtype

    @property
    def graph(self) -> Any:
        """The graph that holds all parts."""
        return self._values.graph

    @property
    def _type_spec(self) -> Any:
        return spec_of(self)

    @property
    def parts(self) -> list[Tensor]:
        """`values`, `indices`, and `dense_shape` where there is one."""
        return [t for t in (self._values, self._indices, self._dense_shape) if t is not None]

    def with_parts(self, parts: Sequence[Any]) -> IndexedSlices:
        """Rows of other parts."""
        return IndexedSlices(*parts)

    def of_arrays(self, arrays: Sequence[Any]) -> IndexedSlicesValue:
        """An IndexedSlicesValue."""
        return IndexedSlicesValue(*arrays, *[None] * (3 - len(arrays)))

    def part_dims(self, dims: shapes.Dims) -> list[shapes.Dims]:
        """`dims` is the shape of the rows."""
        first = None if dims is None else (dims[0],)
        rank = None if dims is None else (len(dims),)
        return [dims, first] if self._dense_shape is None else [dims, first, rank]

    def consumers(self) -> list[Any]:
        """The operations that take one of the parts as an input."""
        return list(dict.fromkeys(op for part in self.parts for op in part.consumers()))

    def __neg__(self) -> IndexedSlices:
        return IndexedSlices(raw.Neg(self._values), self._indices, self._dense_shape)

    def __mul__(self, factor: Any) -> Tensor:
        return to_dense(self) * factor

    def __rmul__(self, factor: Any) -> Tensor:
        return factor * to_dense(self)

    def __str__(self) -> str:
        dense = "" if self._dense_shape is None else f", dense_shape={self._dense_shape}"
        return f"IndexedSlices(indices={self._indices}, values={self._values}{dense})"

    __repr__ = __str__


def to_dense(value: IndexedSlices, dtype: dtypes.DType | None = None, name: str | None = None) -> Tensor:
    """The dense tensor that `value` stands for: rows of one index added up, all others zero.

    Raises:
      ValueError: `value` has no dense_shape, or another dtype than `dtype`.
    """
    if dtype is not None and not dtype.is_compatible_with(value.dtype):
        raise ValueError(
            f"Tensor conversion requested dtype {dtype.name}. Received: {value} of dtype {value.dtype.name}"
        )
    dense_shape = value.dense_shape
    if dense_shape is None:
        raise ValueError(f"IndexedSlices without dense_shape cannot become a dense tensor. Received: {value}")
    dims = static_value(dense_shape)
    if dims is None:
        warnings.warn(
            "An IndexedSlices becomes a dense tensor whose size is unknown; it may take much memory",
            stacklevel=2,
        )
    elif dims.prod() >= _LARGE:
        warnings.warn(f"An IndexedSlices becomes a dense tensor of {dims.prod()} elements", stacklevel=2)
    return raw.UnsortedSegmentSum(value.values, value.indices, dense_shape[0], name=name)  # type: ignore[index]


def _convert(value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    return to_dense(value, dtype, name)


convert.register_tensor_conversion_function(IndexedSlices, _convert)
