"""Tensors and sparse tensors as strings and back, and records of comma-separated values."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from millrace.building.apply import apply
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import shapes
from millrace.core.dtypes import ALL, float32, float64, int32, int64, string, variant
from millrace.core.public import public
from millrace.core.text import as_bytes
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, ints, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.records import tensors as bytes_tensors
from millrace.opkit.rules.shape_rules import merged, with_rank
from millrace.opkit.sparse import packed
from millrace.opkit.text import csv as bytes_csv
from millrace.opkit.text.pieces import array_of, attr_bytes, objects, strings

_COLUMN = frozenset({float32, float64, int32, int64, string})
_SERIALIZED = dtype_attr(frozenset({string, variant}), string)


# --- tensors -----------------------------------------------------------------------------------------------


@declare("SerializeTensor(tensor: T) -> serialized: string", T=ALL, host=True)
class SerializeTensor:
    """A tensor as a serialized TensorProto."""

    def shape(tensor):
        return ()

    def kernel(xp, tensor, T):
        return objects([bytes_tensors.serialize(array_of(tensor), T)], ())

    grad = NOT_DIFFERENTIABLE


@public("serialize_tensor", "io.serialize_tensor")
def serialize_tensor(tensor: Any, name: str | None = None) -> Tensor:
    """A tensor of any shape and dtype as one string, which `parse_tensor` reads; scalar string."""
    return apply(SerializeTensor, tensor, name=name)


@declare("ParseTensor(serialized: string) -> output: out_type", out_type=dtype_attr(), host=True)
class ParseTensor:
    """Reads a serialized TensorProto."""

    def shape(serialized):
        with_rank(serialized, 0, "serialized")

    def kernel(xp, serialized, out_type):
        return bytes_tensors.parse(strings(serialized).item(), out_type)

    grad = NOT_DIFFERENTIABLE


@public("parse_tensor", "io.parse_tensor")
def parse_tensor(serialized: Any, out_type: Any, name: str | None = None) -> Tensor:
    """Reads what `serialize_tensor` wrote.

    Args:
      serialized: scalar string, a serialized TensorProto.
      out_type: the dtype of its elements.
      name: op name; default "ParseTensor".

    Returns:
      `out_type`, of a shape known only at run time.

    Raises:
      InvalidArgumentError: at run time, when the string is not a TensorProto of that dtype.
    """
    return apply(ParseTensor, serialized, out_type=out_type, name=name)


# --- sparse tensors ----------------------------------------------------------------------------------------


def _sparse_rank(sparse_indices: shapes.Dims, sparse_values: shapes.Dims, sparse_shape: shapes.Dims) -> None:
    with_rank(sparse_indices, 2, "sparse_indices")
    with_rank(sparse_values, 1, "sparse_values")
    with_rank(sparse_shape, 1, "sparse_shape")


@declare(
    "SerializeSparse(sparse_indices: int64, sparse_values: T, sparse_shape: int64) -> "
    "serialized_sparse: out_type",
    T=ALL,
    out_type=_SERIALIZED,
    host=True,
)
class SerializeSparse:
    """A sparse tensor as three strings, or as a variant that holds its parts."""

    def shape(sparse_indices, sparse_values, sparse_shape):
        _sparse_rank(sparse_indices, sparse_values, sparse_shape)
        return (3,)

    def kernel(xp, sparse_indices, sparse_values, sparse_shape, T, out_type):
        if out_type is variant:
            return packed.pack(sparse_indices, sparse_values, sparse_shape)
        return bytes_tensors.serialize_sparse(sparse_indices, sparse_values, sparse_shape, T)

    grad = NOT_DIFFERENTIABLE


@public("serialize_sparse", "io.serialize_sparse")
def serialize_sparse(sp_input: Any, name: str | None = None, out_type: Any = string) -> Tensor:
    """A sparse tensor as three strings: indices, values and dense shape.

    Args:
      sp_input: a SparseTensor.
      name: op name; default "SerializeSparse".
      out_type: string, or variant for one that never leaves the program.

    Returns:
      `[3]` strings.
    """
    x = SparseTensor.from_value(sp_input)
    return apply(SerializeSparse, x.indices, x.values, x.dense_shape, out_type=out_type, name=name)


@declare(
    "SerializeManySparse(sparse_indices: int64, sparse_values: T, sparse_shape: int64) -> "
    "serialized_sparse: out_type",
    T=ALL,
    out_type=_SERIALIZED,
    host=True,
)
class SerializeManySparse:
    """Each row of a sparse tensor as three strings, or as a variant that holds its parts."""

    def shape(sparse_indices, sparse_values, sparse_shape):
        _sparse_rank(sparse_indices, sparse_values, sparse_shape)
        return (None, 3)

    def kernel(xp, sparse_indices, sparse_values, sparse_shape, T, out_type):
        if out_type is variant:
            return packed.pack_rows(sparse_indices, sparse_values, sparse_shape)
        return bytes_tensors.serialize_many_sparse(sparse_indices, sparse_values, sparse_shape, T)

    grad = NOT_DIFFERENTIABLE


@public("serialize_many_sparse", "io.serialize_many_sparse")
def serialize_many_sparse(sp_input: Any, name: str | None = None, out_type: Any = string) -> Tensor:
    """Each row of a batch of sparse tensors as three strings.

    Args:
      sp_input: a SparseTensor of rank 2 or more, ordered along its first dimension, the batch.
      name: op name; default "SerializeManySparse".
      out_type: string, or variant for one that never leaves the program.

    Returns:
      `[batch, 3]` strings.
    """
    x = SparseTensor.from_value(sp_input)
    return apply(SerializeManySparse, x.indices, x.values, x.dense_shape, out_type=out_type, name=name)


@declare(
    "DeserializeSparse(serialized_sparse: Tserialized) -> sparse_indices: int64, sparse_values: "
    "dtype, sparse_shape: int64",
    Tserialized=_SERIALIZED,
    dtype=dtype_attr(),
    host=True,
)
class DeserializeSparse:
    """Reads sparse tensors from three strings, or variants, each."""

    def shape(serialized_sparse):
        if serialized_sparse is not None:
            shapes.merge(serialized_sparse[-1:], (3,))
        return [(None, None), (None,), (None,)]

    def kernel(xp, serialized_sparse, Tserialized, dtype):
        if Tserialized is variant:
            return packed.unpack(serialized_sparse, dtype)
        return bytes_tensors.deserialize_sparse(strings(serialized_sparse), dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "DeserializeManySparse(serialized_sparse: string) -> sparse_indices: int64, sparse_values: dtype, "
    "sparse_shape: int64",
    dtype=dtype_attr(),
    host=True,
)
class DeserializeManySparse:
    """Reads a batch of sparse tensors."""

    def shape(serialized_sparse):
        shapes.merge(with_rank(serialized_sparse, 2, "serialized_sparse"), (None, 3))
        return [(None, None), (None,), (None,)]

    def kernel(xp, serialized_sparse, dtype):
        return bytes_tensors.deserialize_sparse(strings(serialized_sparse), dtype)

    grad = NOT_DIFFERENTIABLE


@public("deserialize_many_sparse", "io.deserialize_many_sparse")
def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> SparseTensor:
    """Reads a batch of sparse tensors into one of a rank more.

    Args:
      serialized_sparse: `[batch, 3]` strings.
      dtype: the values' dtype.
      rank: the rank of the result, where it is known.
      name: op name; default "DeserializeManySparse".

    Returns:
      SparseTensor whose first dimension is the batch, as large as its largest member.
    """
    found = apply(DeserializeManySparse, serialized_sparse, dtype=dtype, name=name)
    return _with_rank(found, rank)


def _with_rank(found: Any, rank: int | None) -> SparseTensor:
    found.sparse_indices.set_shape([None, rank])
    found.sparse_shape.set_shape([rank])
    return SparseTensor(*found)


# --- comma-separated values --------------------------------------------------------------------------------


@declare(
    "DecodeCSV(records: string, record_defaults: OUT_TYPE) -> output: OUT_TYPE",
    OUT_TYPE=types(minimum=1, allowed=_COLUMN),
    field_delim=text(","),
    use_quote_delim=flag(True),
    na_value=text(""),
    select_cols=ints(()),
    host=True,
)
class DecodeCSV:
    """Columns of comma-separated records."""

    def shape(records, record_defaults, select_cols):
        for default in record_defaults:
            if default is not None and (len(default) > 1 or default not in ((), (0,), (1,), (None,))):
                raise ValueError(
                    "a default must be a scalar or a vector of length 0 or 1. "
                    f"Received: shape {shapes.format_dims(default)}"
                )
        if select_cols and len(select_cols) != len(record_defaults):
            raise ValueError(
                "select_cols and record_defaults must be equally long. "
                f"Received: {list(select_cols)} and {len(record_defaults)} defaults"
            )
        if any(a >= b for a, b in pairwise(select_cols)):
            raise ValueError(f"select_cols must be strictly increasing. Received: {list(select_cols)}")
        return [records] * len(record_defaults)

    def kernel(xp, records, record_defaults, field_delim, use_quote_delim, na_value, select_cols):
        defaults = [array_of(d) for d in record_defaults]
        marks = attr_bytes(field_delim), use_quote_delim, attr_bytes(na_value)
        return bytes_csv.decode_csv(strings(records), defaults, *marks, select_cols)

    grad = NOT_DIFFERENTIABLE


@public("decode_csv", "io.decode_csv")
def decode_csv(
    records: Any,
    record_defaults: Any,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    name: str | None = None,
    na_value: str = "",
    select_cols: Any = None,
) -> list[Tensor]:
    """Reads records of comma-separated values, one tensor a column.

    Args:
      records: `[...]` strings, one record each.
      record_defaults: per column what an empty field means: a scalar or a list of one value, or an empty
        tensor of the column's dtype when the field is required. It gives the column's dtype: float32,
        float64, int32, int64 or string.
      field_delim: the character between fields.
      use_quote_delim: whether `"` quotes a field.
      name: op name; default "DecodeCSV".
      na_value: a second text that means an empty field.
      select_cols: the columns wanted, ascending; default all.

    Returns:
      A list of tensors of the records' shape.

    Raises:
      ValueError: defaults or columns are given wrongly.
      InvalidArgumentError: at run time, when a record is malformed.
    """
    columns = () if select_cols is None else select_cols
    if any(a >= b for a, b in pairwise(columns)):
        raise ValueError(f"decode_csv: select_cols must be strictly increasing. Received: {list(columns)}")
    if len(columns) and columns[0] < 0:
        raise ValueError(f"decode_csv: select_cols must not be negative. Received: {list(columns)}")
    if len(columns) and len(columns) != len(record_defaults):
        raise ValueError(
            "decode_csv: select_cols and record_defaults must be equally long. "
            f"Received: {list(columns)} and {len(record_defaults)} defaults"
        )
    return apply(
        DecodeCSV,
        records,
        record_defaults,
        field_delim=as_bytes(field_delim),
        use_quote_delim=use_quote_delim,
        na_value=as_bytes(na_value),
        select_cols=columns,
        name=name,
    )


@declare("DecodeJSONExample(json_examples: string) -> binary_examples: string", host=True)
class DecodeJSONExample:
    """Examples given as JSON, in wire format."""

    shape = merged

    def kernel(xp, json_examples):
        texts = strings(json_examples)
        return objects(bytes_tensors.examples_from_json(texts.ravel().tolist()), texts.shape)

    grad = NOT_DIFFERENTIABLE


@public("decode_json_example", "io.decode_json_example")
def decode_json_example(json_examples: Any, name: str | None = None) -> Tensor:
    """Serializes Examples that are given as JSON.

    Args:
      json_examples: `[...]` strings, by protobuf's JSON mapping of `tf.train.Example`.
      name: op name; default "DecodeJSONExample".

    Returns:
      `[...]` strings that `parse_example` reads.
    """
    return apply(DecodeJSONExample, json_examples, name=name)
