"""`map_fn` with ragged rows: elements and results travel through the loop as variants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.lib.flow import functional
from millrace.lib.ragged.conversion import from_variant, to_variant
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import shape_of, tensor_or_ragged
from millrace.ops.array.concat import stack


@public("python.ops.ragged.ragged_tensor.RaggedTensorType")
class RaggedTensorType:
    """The dtype and number of ragged dimensions of a result.

    Args:
      dtype: of the values.
      ragged_rank: how many dimensions are ragged.
      row_splits_dtype: int32 or int64.
    """

    def __init__(self, dtype: Any, ragged_rank: int, row_splits_dtype: Any = dtypes.int64) -> None:
        self._dtype = dtypes.as_dtype(dtype)
        self._ragged_rank = ragged_rank
        self._row_splits_dtype = dtypes.as_dtype(row_splits_dtype)

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of the values."""
        return self._dtype

    @property
    def ragged_rank(self) -> int:
        """How many dimensions are ragged."""
        return self._ragged_rank

    @property
    def row_splits_dtype(self) -> dtypes.DType:
        """The dtype of the splits."""
        return self._row_splits_dtype


@public("python.ops.ragged.ragged_map_ops.map_fn")
def map_fn(
    fn: Callable[..., Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """`fn` of each row of `elems`, tensors or ragged tensors.

    Args:
      fn: of one row of each element.
      elems: nested tensors and ragged tensors.
      dtype: nested dtypes, and `RaggedTensorType` for results of different lengths; default: as `elems`.
      parallel_iterations, back_prop, swap_memory, infer_shape: as for `tf.map_fn`.
      name: the scope; default "map".

    Returns:
      The results, stacked; ragged where `dtype` says so.
    """
    given = [tensor_or_ragged(e, name="elem") for e in nest.flatten(elems)]
    kinds = [e.dtype if not isinstance(e, RaggedTensor) else _type_of(e) for e in given]
    wanted = elems if dtype is None else dtype
    results = kinds if dtype is None else nest.flatten(dtype)
    ranks = [e.ragged_rank if isinstance(e, RaggedTensor) else None for e in given]
    loops = [to_variant(e, True, None) if isinstance(e, RaggedTensor) else e for e in given]

    def row(variant: Any, kind: Any, rank: int | None) -> Any:
        if rank is None:
            return variant
        if rank == 1:
            found = raw.RaggedTensorFromVariant(
                variant, input_ragged_rank=0, output_ragged_rank=0, Tvalues=kind.dtype, Tsplits=dtypes.int64
            )
            return found.output_dense_values
        return from_variant(variant, kind.dtype, rank - 1, None, None)

    def body(values: Any) -> Any:
        rows = [row(v, k, r) for v, k, r in zip(nest.flatten(values), kinds, ranks, strict=True)]
        found = nest.flatten(fn(nest.pack_sequence_as(elems, rows)))
        return [_sent(r, kind) for r, kind in zip(found, results, strict=True)]

    stacked = functional.map_fn(
        body,
        loops,
        [dtypes.variant if isinstance(k, RaggedTensorType) else k for k in results],
        parallel_iterations,
        back_prop,
        swap_memory,
        infer_shape,
        name,
    )
    found = [_received(s, kind) for s, kind in zip(stacked, results, strict=True)]
    return nest.pack_sequence_as(wanted, found)


def _type_of(value: RaggedTensor) -> RaggedTensorType:
    return RaggedTensorType(value.dtype, value.ragged_rank, value.row_splits.dtype)


def _sent(result: Any, kind: Any) -> Any:
    """A result as the loop carries it."""
    if not isinstance(kind, RaggedTensorType):
        return result
    result = tensor_or_ragged(result, kind.dtype)
    if kind.ragged_rank == 1:
        whole = RaggedTensor.from_row_splits(result, stack([0, shape_of(result)[0]]), validate=False)
        return to_variant(whole, True, None)[0]
    return to_variant(result, False, None)


def _received(stacked: Any, kind: Any) -> Any:
    if not isinstance(kind, RaggedTensorType):
        return stacked
    found = from_variant(stacked, kind.dtype, kind.ragged_rank, kind.ragged_rank - 1, None)
    return found.with_row_splits_dtype(kind.row_splits_dtype)
