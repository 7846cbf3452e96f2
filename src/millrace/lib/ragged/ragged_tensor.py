"""`RaggedTensor`: rows of different lengths, as the values of all rows and where each begins."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from millrace.building import convert
from millrace.building.scopes import name_scope
from millrace.core import dtypes, late, shapes
from millrace.core.public import public
from millrace.graph.defaults import executing_eagerly, session_for
from millrace.graph.tensor import Tensor
from millrace.lib.ragged import splits
from millrace.lib.ragged.factories import RowFactories
from millrace.lib.ragged.operators import Operators
from millrace.lib.ragged.values import RaggedTensorValue
from millrace.ops.math.cast import cast


@public("RaggedTensor")
class RaggedTensor(RowFactories, Operators):
    """Rows of different lengths: row `i` is `values[row_splits[i]:row_splits[i + 1]]`.

    Where `values` is ragged itself there are several ragged dimensions; `flat_values` are the innermost
    values. Made by `tf.ragged.constant` and the `from_...` methods, never by calling the class.

    Example:
      >>> rt = tf.ragged.constant([[1, 2], [], [3]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(rt + 10).to_list())
      [[11, 12], [], [13]]
    """

    def __init__(
        self,
        values: Any,
        row_splits: Any,
        cached_row_lengths: Tensor | None = None,
        cached_value_rowids: Tensor | None = None,
        cached_nrows: Tensor | None = None,
        internal: bool = False,
    ) -> None:
        if not internal:
            raise ValueError(
                "RaggedTensor constructor is private; please use one of the factory methods instead (e.g., "
                "RaggedTensor.from_row_lengths())"
            )
        if row_splits.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            raise TypeError(f"RaggedTensor: row_splits must be int32 or int64. Received: {row_splits!r}")
        if isinstance(values, RaggedTensor):
            if values.row_splits.dtype is not row_splits.dtype:
                raise ValueError(
                    "RaggedTensor: row_splits and values.row_splits must have the same dtype. Received: "
                    f"{row_splits.dtype.name} and {values.row_splits.dtype.name}"
                )
        elif values.dims is not None and not values.dims:
            raise ValueError(f"RaggedTensor: values must have at least one dimension. Received: {values!r}")
        row_splits.dims = shapes.merge(row_splits.dims, (None,))
        super().__init__(values, row_splits, cached_row_lengths, cached_value_rowids, cached_nrows)

    # --- as a composite -----------------------------------------------------------------------------------

    @property
    def parts(self) -> list[Tensor]:
        """The flat values, then the splits from the outermost dimension on."""
        return [self.flat_values, *self.nested_row_splits]

    def with_parts(self, parts: Sequence[Any]) -> RaggedTensor:
        """A ragged tensor of other flat values and splits."""
        return RaggedTensor.from_nested_row_splits(parts[0], parts[1:], validate=False)

    def of_arrays(self, arrays: Sequence[Any]) -> RaggedTensorValue:
        """A RaggedTensorValue."""
        value = arrays[0]
        for row_splits in reversed(arrays[1:]):
            value = RaggedTensorValue(value, row_splits)
        return value

    def arrays_of(self, value: Any) -> list[Any]:
        """The arrays of a RaggedTensorValue."""
        return [value.flat_values, *value.nested_row_splits]

    def part_dims(self, dims: shapes.Dims) -> list[shapes.Dims]:
        """The number of rows stays as it is known, their lengths may change."""
        rank = self.ragged_rank
        inner = None if dims is None else (None, *dims[rank + 1 :])
        rows = None if dims is None or dims[0] is None else dims[0] + 1
        return [inner, (rows,), *[(None,)] * (rank - 1)]

    def consumers(self) -> list[Any]:
        """The operations that take one of the parts as an input."""
        return list(dict.fromkeys(op for part in self.parts for op in part.consumers()))

    # --- what it is made of -------------------------------------------------------------------------------

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of the values."""
        return self._values.dtype

    @property
    def graph(self) -> Any:
        """The graph that holds all parts."""
        return self._values.graph

    @property
    def shape(self) -> shapes.TensorShape:
        """The static shape: None for ragged dimensions."""
        rows = None if self._row_splits.dims is None else self._row_splits.dims[0]
        inner = shapes.as_dims(self._values.shape)
        outer = (None if rows is None else rows - 1, None)
        return shapes.shape_of(None if inner is None else (*outer, *inner[1:]))

    def get_shape(self) -> shapes.TensorShape:
        """The same as `.shape`."""
        return self.shape

    @property
    def ragged_rank(self) -> int:
        """The number of ragged dimensions."""
        return self._values.ragged_rank + 1 if isinstance(self._values, RaggedTensor) else 1

    @property
    def values(self) -> Any:
        """The rows, one behind the other: a tensor, or a RaggedTensor where dimensions inside are ragged."""
        return self._values

    @property
    def row_splits(self) -> Tensor:
        """`[rows + 1]`: where the rows begin and end in `values`."""
        return self._row_splits

    @property
    def flat_values(self) -> Tensor:
        """The innermost values."""
        return self._values.flat_values if isinstance(self._values, RaggedTensor) else self._values

    @property
    def nested_row_splits(self) -> tuple[Tensor, ...]:
        """The splits of all ragged dimensions, the outermost first."""
        inner = self._values.nested_row_splits if isinstance(self._values, RaggedTensor) else ()
        return (self._row_splits, *inner)

    def value_rowids(self, name: str | None = None) -> Tensor:
        """For each of `values`, the number of its row."""
        if self._cached_value_rowids is not None:
            return self._cached_value_rowids
        with name_scope(name, "RaggedValueRowIds", [self]):
            return splits.row_splits_to_segment_ids(self._row_splits)

    def nested_value_rowids(self, name: str | None = None) -> tuple[Tensor, ...]:
        """`value_rowids` of all ragged dimensions, the outermost first."""
        with name_scope(name, "RaggedNestedValueRowIds", [self]):
            return tuple(part.value_rowids() for part in self._nesting())

    def nrows(self, out_type: Any = None, name: str | None = None) -> Tensor:
        """The number of rows, of dtype `out_type` (default: that of the splits)."""
        kind = self._row_splits.dtype if out_type is None else dtypes.as_dtype(out_type)
        if self._cached_nrows is not None:
            return cast(self._cached_nrows, kind)
        with name_scope(name, "RaggedNRows", [self]):
            return splits.shape_of(self._row_splits, kind)[0] - 1

    def row_starts(self, name: str | None = None) -> Tensor:
        """Where each row begins in `values`."""
        with name_scope(name, "RaggedRowStarts", [self]):
            return self._row_splits[:-1]

    def row_limits(self, name: str | None = None) -> Tensor:
        """Where each row ends in `values`."""
        with name_scope(name, "RaggedRowLimits", [self]):
            return self._row_splits[1:]

    def row_lengths(self, axis: int = 1, name: str | None = None) -> Any:
        """The lengths of the rows of a dimension, which is ragged itself where `axis` is more than 1."""
        with name_scope(name, "RaggedRowLengths", [self]):
            axis = splits.nonnegative_axis(axis, len(self.shape) if self.shape.ndims is not None else None)
            if axis == 0:
                return self.nrows()
            if axis > 1:
                return self.with_values(splits.row_lengths(self._values, axis - 1))
            if self._cached_row_lengths is not None:
                return self._cached_row_lengths
            return self._row_splits[1:] - self._row_splits[:-1]

    def nested_row_lengths(self, name: str | None = None) -> tuple[Any, ...]:
        """`row_lengths` of all ragged dimensions, the outermost first."""
        with name_scope(name, "RaggedNestedRowLengths", [self]):
            return tuple(part.row_lengths() for part in self._nesting())

    def _nesting(self) -> list[RaggedTensor]:
        inner = self._values._nesting() if isinstance(self._values, RaggedTensor) else []
        return [self, *inner]

    def bounding_shape(self, axis: Any = None, name: str | None = None, out_type: Any = None) -> Tensor:
        """The shape of the smallest dense tensor that all rows fit in.

        Args:
          axis: only this dimension, or these.
          name: the scope; default "RaggedBoundingBox".
          out_type: int32 or int64; default: as the splits.
        """
        return late.module("ragged_conversion").bounding_shape(self, axis, name, out_type)

    # --- other ragged tensors from this one ---------------------------------------------------------------

    def with_values(self, new_values: Any) -> RaggedTensor:
        """The same rows of other values, as many as there are.

        Raises:
          ValueError: there are more or fewer, or they are ragged with splits of another dtype.
        """
        new_values = splits.tensor_or_ragged(new_values)
        splits.check_rows(new_values, self._values)
        if isinstance(new_values, RaggedTensor) and new_values.row_splits.dtype is not self.row_splits.dtype:
            return self.with_row_splits_dtype(dtypes.int64).with_values(
                new_values.with_row_splits_dtype(dtypes.int64)
            )
        return RaggedTensor(
            new_values,
            self._row_splits,
            self._cached_row_lengths,
            self._cached_value_rowids,
            self._cached_nrows,
            internal=True,
        )

    def with_flat_values(self, new_values: Any) -> RaggedTensor:
        """The same rows of other innermost values."""
        if isinstance(self._values, RaggedTensor):
            return self.with_values(self._values.with_flat_values(new_values))
        return self.with_values(splits.tensor_or_ragged(new_values))

    def with_row_splits_dtype(self, dtype: Any) -> RaggedTensor:
        """The same with splits of another dtype.

        Raises:
          ValueError: it is neither int32 nor int64.
        """
        dtype = dtypes.as_dtype(dtype)
        if dtype not in (dtypes.int32, dtypes.int64):
            raise ValueError(f"dtype must be int32 or int64. Received: {dtype.name}")
        if self._row_splits.dtype is dtype:
            return self

        def converted(part: Any) -> Any:
            return None if part is None else cast(part, dtype)

        inner = self._values
        return RaggedTensor(
            inner.with_row_splits_dtype(dtype) if isinstance(inner, RaggedTensor) else inner,
            cast(self._row_splits, dtype),
            converted(self._cached_row_lengths),
            converted(self._cached_value_rowids),
            converted(self._cached_nrows),
            internal=True,
        )

    # --- conversion ---------------------------------------------------------------------------------------

    @classmethod
    def from_tensor(
        cls,
        tensor: Any,
        lengths: Any = None,
        padding: Any = None,
        ragged_rank: int = 1,
        name: str | None = None,
        row_splits_dtype: Any = dtypes.int64,
    ) -> RaggedTensor:
        """The rows of a dense tensor.

        Args:
          tensor: rank more than `ragged_rank`.
          lengths: of the rows; a tuple of vectors for several ragged dimensions.
          padding: a value that is left out at the ends of rows.
          ragged_rank: how many dimensions become ragged.
          name: the scope; default "RaggedFromTensor".
          row_splits_dtype: int32 or int64.

        Raises:
          ValueError: both `lengths` and `padding` are given, or the rank does not do.
        """
        return late.module("ragged_conversion").from_tensor(
            tensor, lengths, padding, ragged_rank, name, row_splits_dtype
        )

    def to_tensor(self, default_value: Any = None, name: str | None = None) -> Tensor:
        """A dense tensor with `default_value` (zeros, empty strings) behind the rows."""
        return late.module("ragged_conversion").to_tensor_(self, default_value, name)

    @classmethod
    def from_sparse(
        cls, st_input: Any, name: str | None = None, row_splits_dtype: Any = dtypes.int64
    ) -> RaggedTensor:
        """The rows of a sparse matrix whose elements stand at the beginnings of the rows.

        Raises:
          TypeError: `st_input` is not a SparseTensor.
          ValueError: it has not rank 2.
        """
        return late.module("ragged_conversion").from_sparse(st_input, name, row_splits_dtype)

    def to_sparse(self, name: str | None = None) -> Any:
        """A SparseTensor of the values."""
        return late.module("ragged_conversion").to_sparse(self, name)

    @classmethod
    def _from_variant(
        cls,
        variant: Any,
        dtype: Any,
        output_ragged_rank: int,
        input_ragged_rank: int | None = None,
        name: str | None = None,
    ) -> Any:
        return late.module("ragged_conversion").from_variant(
            variant, dtype, output_ragged_rank, input_ragged_rank, name
        )

    def _to_variant(self, batched_input: bool = False, name: str | None = None) -> Tensor:
        return late.module("ragged_conversion").to_variant(self, batched_input, name)

    def to_list(self) -> Any:
        """The rows as nested lists, inside of `tf.py_function`; in a graph, fetch the ragged tensor first.

        Raises:
          ValueError: its value is computed by a session.
        """
        if executing_eagerly():
            values = (
                self._values.to_list() if isinstance(self._values, RaggedTensor) else self._values.numpy()
            )
            rows = [values[a:b] for a, b in itertools.pairwise(self._row_splits.numpy())]
            return [row if isinstance(row, list) else row.tolist() for row in rows]
        raise ValueError(
            "RaggedTensor.to_list() is only supported in eager mode; in graph mode, evaluate it"
            " first and then use RaggedTensorValue.to_list()."
        )

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Its value as a RaggedTensorValue, from a session or the default one."""
        return session_for(self.graph, session, "evaluate a RaggedTensor").run(self, feed_dict)

    def _as_graph_element(self) -> Tensor:
        return self.flat_values

    def __getitem__(self, key: Any) -> Any:
        return late.module("ragged_getitem").get_item(self, key)

    def __iter__(self) -> Iterator[Any]:
        if not executing_eagerly():
            raise TypeError("RaggedTensor: a graph does not know how many rows there are to iterate over")
        return (self[i] for i in range(self.nrows().numpy()))

    def __repr__(self) -> str:
        return f"tf.RaggedTensor(values={self._values}, row_splits={self._row_splits})"

    __str__ = __repr__


def _refused(value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    del dtype, name, as_ref
    raise TypeError(
        f"A RaggedTensor cannot become a tensor by itself; to_tensor() pads it. Received: {value!r}"
    )


convert.register_tensor_conversion_function(RaggedTensor, _refused)
