"""What a watched tensor is dumped as: itself, its count of NaN, or a row of figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes, errors


def dumped(debug_op: str, value: Any) -> Any:
    """What a debug operation makes of a value.

    Args:
      debug_op: "DebugIdentity", "DebugNanCount" or "DebugNumericSummary"; options in parentheses are allowed.
      value: an array.

    Raises:
      InvalidArgumentError: there is no such operation.
    """
    name = debug_op.partition("(")[0]
    array = np.asarray(value)
    if name == "DebugIdentity":
        return array
    if name == "DebugNanCount":
        return np.array([_nans(array)], np.int64)
    if name == "DebugNumericSummary":
        return _summary(array)
    known = "DebugIdentity, DebugNanCount, DebugNumericSummary"
    raise errors.refusal(f"A debug operation is one of {known}. Received: {debug_op!r}")


def _nans(array: Any) -> int:
    return int(np.isnan(array).sum()) if array.dtype.kind in "fc" else 0


def _summary(array: Any) -> Any:
    """Initialized, elements, NaN, -inf, negative, zero, positive, +inf; least, greatest, mean and variance of
    the finite ones; dtype, rank, shape.
    """
    if array.dtype.kind not in "fiub":
        raise errors.refusal(f"DebugNumericSummary takes numbers. Received: {array.dtype}")
    flat = array.reshape(-1).astype(np.float64)
    finite = flat[np.isfinite(flat)]
    counts = [
        1,
        flat.size,
        np.isnan(flat).sum(),
        np.isneginf(flat).sum(),
        (finite < 0).sum(),
        (finite == 0).sum(),
        (finite > 0).sum(),
        np.isposinf(flat).sum(),
    ]
    moments = (
        [finite.min(), finite.max(), finite.mean(), finite.var()]
        if finite.size
        else [np.inf, -np.inf, np.nan, np.nan]
    )
    kind = dtypes.as_dtype(array.dtype).as_datatype_enum
    return np.array([*counts, *moments, kind, array.ndim, *array.shape], np.float64)
