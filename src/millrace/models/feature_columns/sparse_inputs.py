"""Features as sparse tensors: dense ones lose their fillings, sequences get an axis and a length."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import int64, string
from millrace.lib.math.reductions import reduce_prod
from millrace.lib.sparse.shaping import sparse_reshape
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, zeros
from millrace.ops.array.fill import ones_like
from millrace.ops.array.gather import gather_nd
from millrace.ops.array.shape import shape
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import not_equal
from millrace.ops.math.segment import segment_max
from millrace.ops.math.select import where


def sparse_input(tensor: Any, missing: float = -1, name: str = "to_sparse_input") -> SparseTensor:
    """A feature as a sparse tensor: a dense one without its empty strings, or its `missing`."""
    if isinstance(tensor, SparseTensor):
        return tensor
    tensor = convert_to_tensor(tensor)
    with name_scope(None, name, [tensor]):
        filling: Any = "" if tensor.dtype.base_dtype is string else missing
        ignored = (
            constant(filling, name="ignore_value/x")
            if tensor.dtype.base_dtype is string
            else cast(filling, tensor.dtype.base_dtype, name="ignore_value")
        )
        indices = where(not_equal(tensor, ignored), name="indices")
        values = gather_nd(tensor, indices, name="values")
        return SparseTensor(indices, values, shape(tensor, out_type=int64, name="dense_shape"))


def as_sequence(sparse: SparseTensor) -> SparseTensor:
    """`[batch, steps, rest]` from `[batch, steps, ...]`."""
    whole = shape(sparse)
    sizes = [whole[0], whole[1], reduce_prod(whole[2:])]
    return sparse_reshape(sparse, cast(sizes, int64))


def sequence_length(sparse: SparseTensor, num_elements: int = 1) -> Any:
    """How many steps each example of `[batch, steps * num_elements]` has; `[batch]` int64."""
    with name_scope(None, "sequence_length") as scope:
        rows = sparse.indices[:, 0]
        columns = sparse.indices[:, 1]
        lengths = segment_max(columns + ones_like(columns), rows)
        lengths = cast(raw.Ceil(lengths / num_elements), int64)
        missing = shape(sparse, out_type=int64)[:1] - shape(lengths, out_type=int64)[:1]
        return concat([lengths, zeros(missing, dtype=int64)], axis=0, name=scope)
