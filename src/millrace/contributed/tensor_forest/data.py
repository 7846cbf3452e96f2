"""`tf.contrib.tensor_forest.data_ops`: features and labels as forests take them."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.platform import log as logging
from millrace.ops.array.concat import concat
from millrace.ops.math.cast import cast

DATA_FLOAT = public("contrib.tensor_forest.data_ops.DATA_FLOAT")(0)
DATA_CATEGORICAL = public("contrib.tensor_forest.data_ops.DATA_CATEGORICAL")(1)
DTYPE_TO_FTYPE = public("contrib.tensor_forest.data_ops.DTYPE_TO_FTYPE")(
    {
        dtypes.string: DATA_CATEGORICAL,
        dtypes.int32: DATA_CATEGORICAL,
        dtypes.int64: DATA_CATEGORICAL,
        dtypes.float32: DATA_FLOAT,
        dtypes.float64: DATA_FLOAT,
    }
)


@public("contrib.tensor_forest.data_ops.CastToFloat")
def CastToFloat(tensor: Any) -> Any:  # noqa: N802
    """A tensor as numbers: text becomes a number for each text, whole numbers become float32."""
    if tensor.dtype == dtypes.string:
        return raw.ReinterpretStringToFloat(tensor)
    return cast(tensor, dtypes.float32) if tensor.dtype.is_integer else tensor


@public("contrib.tensor_forest.data_ops.DataColumn")
class DataColumn:
    """One column: its `name`, `original_type` (`DATA_FLOAT` or `DATA_CATEGORICAL`) and `size`."""

    def __init__(self) -> None:
        self.name, self.original_type, self.size = "", 0, 0

    def SerializeToString(self) -> str:  # noqa: N802
        """The column as the operations read it."""
        return f"name: {self.name} original_type: {self.original_type} size: {self.size}"


@public("contrib.tensor_forest.data_ops.DataColumnCollection")
class DataColumnCollection:
    """Columns in order."""

    def __init__(self) -> None:
        self.cols: list[DataColumn] = []

    def add(self) -> DataColumn:
        """Appends a column, and gives it."""
        self.cols.append(DataColumn())
        return self.cols[-1]

    def size(self) -> int:
        """How many columns there are."""
        return len(self.cols)

    def SerializeToString(self) -> str:  # noqa: N802
        """The columns as the operations read them."""
        return "".join(f"{{{column.SerializeToString()}}}" for column in self.cols)


@public("contrib.tensor_forest.data_ops.TensorForestDataSpec")
class TensorForestDataSpec:
    """The columns of a forest's input: `dense`, `sparse`, and the width of the dense ones."""

    def __init__(self) -> None:
        self.sparse, self.dense = DataColumnCollection(), DataColumnCollection()
        self.dense_features_size = 0

    def SerializeToString(self) -> str:  # noqa: N802
        """The specification as the operations read it."""
        dense, sparse = self.dense.SerializeToString(), self.sparse.SerializeToString()
        return f"dense_features_size: {self.dense_features_size} dense: [{dense}] sparse: [{sparse}]"


@public("contrib.tensor_forest.data_ops.GetColumnName")
def GetColumnName(column_key: Any, col_num: int) -> str:  # noqa: N802
    """The name of a column, whose number serves where its key is not text."""
    return column_key if isinstance(column_key, str) else str(col_num)


def _column(columns: DataColumnCollection, name: str, kind: int, size: int) -> None:
    column = columns.add()
    column.name, column.original_type, column.size = name, kind, size


@public(
    "contrib.tensor_forest.data_ops.ParseDataTensorOrDict",
    "contrib.tensor_forest.python.ops.data_ops.ParseDataTensorOrDict",
)
def ParseDataTensorOrDict(data: Any) -> tuple[Any, Any, TensorForestDataSpec]:  # noqa: N802
    """Features as a forest takes them.

    Args:
      data: a tensor `[batch, features]`, a `SparseTensor`, or such by name.

    Returns:
      (dense float32 `[batch, d]` or None, a `SparseTensor` of float32 or None, the specification of columns).
    """
    spec = TensorForestDataSpec()
    if isinstance(data, dict):
        dense, sparse = _of_columns(data, spec)
    elif isinstance(data, SparseTensor):
        _column(spec.sparse, "sparse_features", DTYPE_TO_FTYPE[data.dtype], -1)
        dense, sparse = None, data
    else:
        size = int(data.get_shape()[1])
        _column(spec.dense, "dense_features", DTYPE_TO_FTYPE[data.dtype], size)
        spec.dense_features_size, dense, sparse = size, data, None
    logging.info(spec.SerializeToString())
    return dense, sparse, spec


def _of_columns(data: dict[Any, Any], spec: TensorForestDataSpec) -> tuple[Any, Any]:
    dense: list[Any] = []
    sparse: list[Any] = []
    kinds: list[int] = []
    for number, key in enumerate(sorted(data)):
        value = data[key]
        kind = DTYPE_TO_FTYPE[value.dtype]
        if isinstance(value, SparseTensor):
            sparse.append(SparseTensor(value.indices, CastToFloat(value.values), value.dense_shape))
            kinds.append(kind)
            continue
        dims = value.get_shape()
        size = int(dims[1]) if len(dims) > 1 else 1
        spec.dense_features_size += size
        dense.append(CastToFloat(value))
        _column(spec.dense, GetColumnName(key, number), kind, size)
    if kinds:
        _column(spec.sparse, "all_sparse", max(kinds), -1)
    return concat(dense, 1) if dense else None, _joined(sparse)


def _joined(parts: list[Any]) -> Any:
    if len(parts) < 2:
        return parts[0] if parts else None
    joined = raw.SparseConcat(
        [p.indices for p in parts], [p.values for p in parts], [p.dense_shape for p in parts], concat_dim=1
    )
    return SparseTensor(*joined)


@public(
    "contrib.tensor_forest.data_ops.ParseLabelTensorOrDict",
    "contrib.tensor_forest.python.ops.data_ops.ParseLabelTensorOrDict",
)
def ParseLabelTensorOrDict(labels: Any) -> Tensor:  # noqa: N802
    """Labels as float32; those by name are joined in the order of their names.

    Args:
      labels: a tensor, or tensors by name.
    """
    if isinstance(labels, dict):
        return concat([CastToFloat(labels[key]) for key in sorted(labels)], 1)
    return CastToFloat(labels)
