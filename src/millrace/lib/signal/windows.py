"""Windows of cosines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import told_value
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.lengths import whole
from millrace.ops.array.constant import constant, ones
from millrace.ops.array.fill import range_ as range_of
from millrace.ops.math.cast import cast


def _cosine_window(
    name: str | None, default: str, length: Any, periodic: Any, dtype: Any, a: float, b: float
) -> Tensor:
    dtype = dtypes.as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"{default}: dtype must be floating. Received: {dtype.name}")
    with name_scope(name, default, [length, periodic]):
        whole(length, "window_length")
        count = to_tensor(length, dtypes.int32, "window_length")
        known = told_value(count)
        if known is not None and int(known) == 1:
            return ones([1], dtype)
        periodic = raw.Cast(to_tensor(periodic, dtypes.bool, "periodic"), DstT=dtypes.int32)
        even = 1 - raw.FloorMod(count, 2)
        period = cast(count + periodic * even - 1, dtype)
        steps = cast(range_of(count), dtype)
        angles = constant(2 * math.pi, dtype) * steps / period

        def window() -> Tensor:
            return _number(a, dtype) - _number(b, dtype) * raw.Cos(angles)

        if known is not None:
            return window()
        return cond(raw.Equal(count, 1), lambda: ones([1], dtype), window)


def _number(value: float, dtype: dtypes.DType) -> Any:
    return np.array(value, dtype.np_dtype)


@public("signal.hann_window", "contrib.signal.hann_window")
def hann_window(
    window_length: Any, periodic: Any = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """A Hann window.

    Args:
      window_length: integer scalar.
      periodic: for Fourier analysis (one period, its end left out); otherwise symmetric.
      dtype: a floating dtype.
      name: op name; default "hann_window".

    Returns:
      `[window_length]` of `dtype`.

    Raises:
      ValueError: `dtype` is not floating.
    """
    return _cosine_window(name, "hann_window", window_length, periodic, dtype, 0.5, 0.5)


@public("signal.hamming_window", "contrib.signal.hamming_window")
def hamming_window(
    window_length: Any, periodic: Any = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """A Hamming window; arguments and result as for `hann_window`."""
    return _cosine_window(name, "hamming_window", window_length, periodic, dtype, 0.54, 0.46)
