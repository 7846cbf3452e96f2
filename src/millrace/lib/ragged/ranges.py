"""Ragged ranges: a range of numbers in each row."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.ops.math.cast import cast

_ORDER = (dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64)


@public("ragged.range")
def range_(
    starts: Any,
    limits: Any = None,
    deltas: Any = 1,
    dtype: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = dtypes.int64,
) -> RaggedTensor:
    """For each row the numbers from `starts[i]` to `limits[i]` in steps of `deltas[i]`.

    Args:
      starts: vector or scalar; with `limits` None these are the limits, and all rows start at 0.
      limits: vector or scalar.
      deltas: vector or scalar.
      dtype: of the numbers; default: the widest among the arguments.
      name: the scope; default "RaggedRange".
      row_splits_dtype: int32 or int64.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.ragged.range([3, 0, 2])).to_list())
      [[0, 1, 2], [], [0, 1]]
    """
    kind = dtypes.as_dtype(row_splits_dtype)
    if limits is None:
        starts, limits = 0, starts
    with name_scope(name, "RaggedRange", [starts, limits, deltas]) as scope:
        wanted = None if dtype is None else dtypes.as_dtype(dtype)
        given = [
            to_tensor(value, wanted, what)
            for value, what in ((starts, "starts"), (limits, "limits"), (deltas, "deltas"))
        ]
        if wanted is None:
            known = [t.dtype.base_dtype for t in given]
            if any(d not in _ORDER for d in known):
                raise ValueError(f"Unsupported dtype for a ragged range. Received: {[d.name for d in known]}")
            wanted = _ORDER[max(_ORDER.index(d) for d in known)]
            given = [cast(t, wanted) for t in given]
        found = raw.RaggedRange(*given, Tsplits=kind, name=scope)
        return RaggedTensor.from_row_splits(found.rt_dense_values, found.rt_nested_splits, validate=False)
