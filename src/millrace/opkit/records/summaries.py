"""The short text of a tensor's values, as TensorFlow prints them: `[1 2 3...]`."""

from __future__ import annotations

from typing import Any

import numpy as np


def summarized(value: Any, most: int) -> str:
    """At most `most` elements of `value`, all of them when it is negative, in nested brackets."""
    array = np.asarray(value)
    limit = array.size if most < 0 else most
    if array.ndim == 0:
        return element(array[()])
    return _rows(array, _Count(limit, array.size))


class _Count:
    """How many elements may still be shown."""

    def __init__(self, left: int, total: int) -> None:
        self.left = left
        self.total = total


def _rows(array: np.ndarray, count: _Count) -> str:
    if array.ndim == 1:
        shown = array[: max(count.left, 0)]
        count.left -= len(array)
        text = " ".join(element(v) for v in shown)
        return f"[{text}...]" if len(shown) < len(array) else f"[{text}]"
    parts = []
    for row in array:
        if count.left <= 0:
            return f"[{''.join(parts)}...]"
        parts.append(_rows(row, count))
    return f"[{''.join(parts)}]"


def element(value: Any) -> str:
    """One element, numbers with six significant digits at the most."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool | np.bool_):
        return "1" if value else "0"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, complex | np.complexfloating):
        return f"({_number(float(value.real))},{_number(float(value.imag))})"
    return _number(float(value))


def _number(value: float) -> str:
    if value != value:
        return "nan"
    return f"{value:.6g}"
