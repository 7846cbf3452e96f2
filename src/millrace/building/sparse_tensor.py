"""`SparseTensor`: a tensor that is zero except in a few places, kept as those places and the values there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from millrace.building import raw
from millrace.building.composites import CompositeTensor, spec_of
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import static_dims
from millrace.building.tensor_like import TensorLike
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.defaults import session_for
from millrace.graph.tensor import Tensor


@public("SparseTensorValue")
class SparseTensorValue(NamedTuple):
    """What fetching a `SparseTensor` gives, and one way to feed one: arrays."""

    indices: Any
    values: Any
    dense_shape: Any


@public("SparseTensor", "sparse.SparseTensor")
class SparseTensor(CompositeTensor, TensorLike):
    """Values at some places of a tensor whose other elements are zero, or missing.

    Most operations want the places in row-major order; `tf.sparse_reorder` sorts them.

    Args:
      indices: `[n, rank]` int64, the places.
      values: `[n]`, what is there.
      dense_shape: `[rank]` int64, the shape of the whole.

    Raises:
      ValueError: the parts have the wrong rank, dtype or size.
    """

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        with name_scope(None, "SparseTensor", [indices, values, dense_shape]):
            self._indices = convert_to_tensor(indices, dtype=dtypes.int64, name="indices")
            self._values = convert_to_tensor(values, name="values")
            self._dense_shape = convert_to_tensor(dense_shape, dtype=dtypes.int64, name="dense_shape")
        try:
            places = shapes.merge(self._indices.dims, (None, None))
            count = shapes.merge(self._values.dims, (None,))
            rank = shapes.merge(self._dense_shape.dims, (None,))
            shapes.merge(places, (*count, *rank))  # type: ignore[misc]
        except ValueError:
            shown = ", ".join(str(part.shape) for part in (self._indices, self._values, self._dense_shape))
            raise ValueError(
                "SparseTensor: indices must be [n, rank], values [n] and dense_shape [rank]. "
                f"Received: shapes {shown}"
            ) from None

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """A SparseTensor of a SparseTensorValue; a SparseTensor itself as it is.

        Raises:
          TypeError: it is neither.
        """
        if isinstance(sparse_tensor_value, cls):
            return sparse_tensor_value
        if not isinstance(sparse_tensor_value, SparseTensorValue):
            raise TypeError(
                f"Neither a SparseTensor nor SparseTensorValue. Received: {sparse_tensor_value!r}"
            )
        return cls(*sparse_tensor_value)

    @property
    def indices(self) -> Tensor:
        """The places, `[n, rank]` int64."""
        return self._indices

    @property
    def values(self) -> Tensor:
        """What is there, `[n]`."""
        return self._values

    @property
    def dense_shape(self) -> Tensor:
        """The shape of the whole, `[rank]` int64."""
        return self._dense_shape

    @property
    def shape(self) -> shapes.TensorShape:
        """The static shape of the whole, as far as the graph determines it."""
        return shapes.shape_of(static_dims(self._dense_shape))

    def get_shape(self) -> shapes.TensorShape:
        """The same as `.shape`."""
        return self.shape

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of `values`."""
        return self._values.dtype

    @property
    def op(self) -> Any:
        """The operation that produces `values`."""
        return self._values.op

    @property
    def graph(self) -> Any:
        """The graph that holds all parts."""
        return self._values.graph

    @property
    def _type_spec(self) -> Any:
        return spec_of(self)

    @property
    def parts(self) -> list[Tensor]:
        """`indices`, `values` and `dense_shape`."""
        return [self._indices, self._values, self._dense_shape]

    def with_parts(self, parts: Sequence[Any]) -> SparseTensor:
        """A sparse tensor of other parts."""
        return SparseTensor(*parts)

    def of_arrays(self, arrays: Sequence[Any]) -> SparseTensorValue:
        """A SparseTensorValue."""
        return SparseTensorValue(*arrays)

    def part_dims(self, dims: shapes.Dims) -> list[shapes.Dims]:
        """The number of elements may change."""
        rank = None if dims is None else len(dims)
        return [(None, rank), (None,), (rank,)]

    def consumers(self) -> list[Any]:
        """The operations that take one of the parts as an input."""
        parts = (self._values, self._indices, self._dense_shape)
        return list(dict.fromkeys(op for part in parts for op in part.consumers()))

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The parts' values as a SparseTensorValue, from a session or the default one."""
        return SparseTensorValue(
            *session_for(self.graph, session, "evaluate a SparseTensor").run(self.parts, feed_dict)
        )

    def _with_values(self, values: Tensor) -> SparseTensor:
        return SparseTensor(self._indices, values, self._dense_shape)

    def __mul__(self, y: Any) -> SparseTensor:
        with name_scope(None, "mul", [self._values, y]) as scope:
            y = convert_to_tensor(y, dtype=self.dtype.base_dtype, name="y")
            parts = self._indices, self._values, self._dense_shape
            return self._with_values(raw.SparseDenseCwiseMul(*parts, y, name=scope))

    def __rmul__(self, y: Any) -> SparseTensor:
        return self * y if isinstance(y, Tensor) else NotImplemented

    def __truediv__(self, y: Any) -> SparseTensor:
        with name_scope(None, "truediv", [self._values, y]) as scope:
            y = convert_to_tensor(y, dtype=self.dtype.base_dtype, name="y")
            values, dtype = self._values, _QUOTIENT.get(self.dtype.base_dtype)
            if dtype is not None:  # a quotient of integers is not an integer
                values, y = raw.Cast(values, DstT=dtype), raw.Cast(y, DstT=dtype)
            divided = raw.SparseDenseCwiseDiv(self._indices, values, self._dense_shape, y, name=scope)
            return self._with_values(divided)

    def __div__(self, y: Any) -> SparseTensor:
        """The quotient as Python 2 had it: integers give integers."""
        with name_scope(None, "div", [self._values, y]) as scope:
            y = convert_to_tensor(y, dtype=self.dtype.base_dtype, name="y")
            parts = self._indices, self._values, self._dense_shape
            return self._with_values(raw.SparseDenseCwiseDiv(*parts, y, name=scope))

    def __repr__(self) -> str:
        return (
            f"SparseTensor(indices={self._indices}, values={self._values}, dense_shape={self._dense_shape})"
        )


@public("convert_to_tensor_or_sparse_tensor", "contrib.framework.convert_to_tensor_or_sparse_tensor")
def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A SparseTensor for `value` when it is one or a SparseTensorValue, else a tensor of it.

    Args:
      value: a SparseTensor, a SparseTensorValue, or anything a tensor can be made of.
      dtype: the dtype the result must have.
      name: the name of the constant made for a dense value.

    Raises:
      RuntimeError: a sparse value has another dtype than asked for.
    """
    if not isinstance(value, SparseTensor | SparseTensorValue):
        return convert_to_tensor(value, dtype, name)
    sparse = SparseTensor.from_value(value)
    if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(sparse.dtype):
        raise RuntimeError(
            f"convert_to_tensor_or_sparse_tensor: requested dtype {dtypes.as_dtype(dtype).name}. Received: "
            f"a sparse tensor of dtype {sparse.dtype.name}"
        )
    return sparse


_QUOTIENT = {
    dtypes.int8: dtypes.float32,
    dtypes.uint8: dtypes.float32,
    dtypes.int16: dtypes.float32,
    dtypes.uint16: dtypes.float32,
    dtypes.int32: dtypes.float64,
    dtypes.int64: dtypes.float64,
}
