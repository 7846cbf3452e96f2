"""Arrays written as short text, the way `tf.strings.format` and `tf.print` show them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_ESCAPES = {
    ord("\n"): rb"\n",
    ord("\r"): rb"\r",
    ord("\t"): rb"\t",
    ord('"'): rb"\"",
    ord("'"): rb"\'",
    92: rb"\\",
}


def format_template(
    template: bytes, placeholder: bytes, values: Sequence[np.ndarray], summarize: int
) -> bytes:
    """Puts a summary of each value in place of the placeholders, in order.

    Args:
      template: the text.
      placeholder: what stands for a value; it must occur as often as there are values.
      values: arrays of any shapes and dtypes.
      summarize: how many elements to show at either end of a dimension; negative for all.

    Returns:
      The filled-in text.
    """
    parts = template.split(placeholder) if placeholder else [template]
    out = [parts[0]]
    for value, part in zip(values, parts[1:], strict=True):
        out += (summary(value, summarize), part)
    return b"".join(out)


def summary(value: np.ndarray, summarize: int) -> bytes:
    """One array as text, brackets around each dimension and an ellipsis where elements are left out.

    Args:
      value: any shape and dtype.
      summarize: how many elements to show at either end of a dimension; negative for all.
    """
    return _show(value, summarize, _writer(value.dtype), value.ndim)


def _show(value: np.ndarray, summarize: int, write: Callable[[object], bytes], rank: int) -> bytes:
    if value.ndim == 0:
        return write(value.item() if value.dtype.kind == "O" else value[()])
    count = len(value)
    if summarize < 0 or count <= 2 * summarize:
        chosen = [_show(value[i, ...], summarize, write, rank) for i in range(count)]
    else:
        head = [_show(value[i, ...], summarize, write, rank) for i in range(summarize)]
        tail = [_show(value[i, ...], summarize, write, rank) for i in range(count - summarize, count)]
        chosen = [*head, b"...", *tail]
    depth = rank - value.ndim
    separator = b" " if value.ndim == 1 else b"\n" * (value.ndim - 1) + b" " * (depth + 1)
    return b"[" + separator.join(chosen) + b"]"


def _writer(dtype: np.dtype) -> Callable[[Any], bytes]:
    if dtype.kind == "O":
        return lambda item: b'"' + _escape(item if isinstance(item, bytes) else str(item).encode()) + b'"'
    if dtype.kind == "c":
        real = _writer(np.dtype(np.float32 if dtype.itemsize == 8 else np.float64))
        return lambda item: b"(" + real(item.real) + b"," + real(item.imag) + b")"
    if dtype.kind in "bui":
        return lambda item: b"%d" % int(item)
    if dtype == np.float64:
        return lambda item: float_text(float(item), 15, 17, float)
    return lambda item: float_text(float(item), 6, 9, np.float32)  # pyright: ignore[reportArgumentType]


def float_text(value: float, short: int, full: int, parse: Callable[[str], float]) -> bytes:
    """The shorter of two precisions that gives the number back.

    Args:
      value: the number.
      short: significant digits to try.
      full: significant digits that always suffice.
      parse: reads text in the number's own precision.
    """
    if value != value:
        return b"nan"
    if value - value:
        return b"inf" if value > 0 else b"-inf"
    text = f"{value:.{short}g}"
    with np.errstate(over="ignore"):
        return text.encode() if float(parse(text)) == value else f"{value:.{full}g}".encode()


def _escape(text: bytes) -> bytes:
    """C escapes: named ones, and octal for what is neither printable ASCII nor part of UTF-8 text."""
    return b"".join(
        _ESCAPES.get(byte) or (bytes((byte,)) if 32 <= byte < 127 else b"\\%03o" % byte) for byte in text
    )
