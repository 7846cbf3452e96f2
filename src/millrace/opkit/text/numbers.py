"""Numbers as text and text as numbers: C's printf and strtod rules, on arrays of byte strings."""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from millrace.core.errors import ResourceExhaustedError, refusal

_SPACE = rb"[ \t\n\v\f\r]*"
_LONGEST = 1 << 28  # characters that padding may make
_INTEGER = re.compile(_SPACE + rb"(-?[0-9]+)" + _SPACE)
_REAL = re.compile(
    _SPACE + rb"([+-]?)(?:(0x[0-9a-f]+)|(inf|nan)|((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)|)" + _SPACE,
    re.IGNORECASE,
)
_PLAIN_REAL = b"0123456789+-.eE"
_PLAIN_INTEGER = b"0123456789-"
_FILLS = ("", "0", "-", "+", " ", "#")


# ---------------------------------------------------------------- text to numbers


def string_to_number(strings: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Reads every string as a number; blanks around it are allowed, anything else is not.

    Args:
      strings: `[...]` object array of `bytes`.
      dtype: float32, float64, int32 or int64.

    Returns:
      `dtype`, same shape.

    Raises:
      InvalidArgumentError: a string is not a number, or an integer out of range.
    """
    items = strings.ravel().tolist()
    numbers, bad = read_numbers(items, np.dtype(dtype))
    if bad is not None:
        shown = items[bad].decode("utf-8", "backslashreplace")
        raise refusal(f"StringToNumberOp could not correctly convert string: {shown}")
    return numbers.reshape(strings.shape)


def read_numbers(texts: Sequence[bytes], dtype: np.dtype) -> tuple[np.ndarray, int | None]:
    """Reads texts as numbers.

    Args:
      texts: what to read.
      dtype: float32, float64, int32 or int64.

    Returns:
      `[n]` of `dtype`, and the place of the first text that is not such a number, or None.
    """
    is_float = dtype.kind == "f"
    if not b"".join(texts).translate(None, _PLAIN_REAL if is_float else _PLAIN_INTEGER):
        # nothing but digits, signs, points and exponents: on these Python's rules are C's
        try:
            numbers = np.array(
                list(map(float if is_float else int, texts)), np.float64 if is_float else np.int64
            )
            if is_float or dtype.itemsize == 8 or ((numbers >= -(2**31)) & (numbers < 2**31)).all():
                return (
                    _to_float32(numbers, texts) if dtype.itemsize == 4 and is_float else numbers.astype(dtype)
                ), None
        except (ValueError, OverflowError):
            pass  # one text is wrong: find it below
    read = number_reader(dtype)
    out = np.zeros(len(texts), dtype)
    for i, text in enumerate(texts):
        value = read(text)
        if value is None:
            return out, i
        out[i] = value
    return out, None


def number_reader(dtype: np.dtype) -> Callable[[bytes], int | float | np.floating | None]:
    """A function that reads one string as a `dtype`, or gives None when it is not such a number.

    Args:
      dtype: float32, float64, int32 or int64.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return _read_float32 if dtype.itemsize == 4 else _read_float64
    limits = np.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)

    def read_integer(text: bytes) -> int | None:
        found = _INTEGER.fullmatch(text)
        if found is None:
            return None
        value = int(found[1])
        return value if low <= value <= high else None

    return read_integer


def _read_float64(text: bytes) -> float | None:
    found = _REAL.fullmatch(text) if text else None
    if found is None:
        return None
    sign, hexadecimal, special, decimal = found.groups()
    if decimal:
        return float(sign + decimal)
    if special:
        return float(sign + special)
    if hexadecimal:
        try:
            value = float(int(hexadecimal, 16))
        except OverflowError:
            value = float("inf")
        return -value if sign == b"-" else value
    return None if sign else 0.0  # blanks alone read as zero


def _read_float32(text: bytes) -> np.floating | float | None:
    value = _read_float64(text)
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return value
    with np.errstate(over="ignore", under="ignore"):
        rounded = np.float32(value)
    return rounded if not _is_tie(value, rounded) else _round_tie(text, value)


def _to_float32(numbers: np.ndarray, texts: Sequence[bytes]) -> np.ndarray:
    """Rounds doubles to floats; where one lies halfway, the digits it lost decide."""
    with np.errstate(over="ignore", under="ignore"):
        out = numbers.astype(np.float32)
    # a normal float has 29 bits less than a double: halfway is a one and zeros there
    halfway = (numbers.view(np.int64) & 0x1FFFFFFF) == 0x10000000
    tiny = (np.abs(numbers) < np.finfo(np.float32).tiny) & (numbers != 0)
    for i in np.flatnonzero(halfway | tiny).tolist():
        out[i] = _read_float32(texts[i])
    return out


def _is_tie(value: float, rounded: np.float32) -> bool:
    """Whether the double lies exactly between two floats, so that the digits it lost decide the rounding."""
    if float(rounded) == value or not np.isfinite(rounded):
        return False
    other = np.nextafter(rounded, np.float32(np.inf if value > float(rounded) else -np.inf))
    return (float(rounded) + float(other)) / 2 == value


def _round_tie(text: bytes, value: float) -> np.float32:
    digits = text.strip().decode()
    exact = Fraction(int(digits, 16)) if "x" in digits.lower() else Fraction(digits)
    if exact == Fraction(value):
        return np.float32(value)
    return np.float32(np.nextafter(value, np.inf if exact > Fraction(value) else -np.inf))


# ---------------------------------------------------------------- numbers to text


def as_string(
    values: np.ndarray,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
) -> np.ndarray:
    """Writes every number as printf would: `%d` for integers, `%f`, `%e` or `%g` for floats.

    Args:
      values: `[...]` integer, float, complex or bool.
      precision: digits after the point, or significant ones with `shortest`; -1 for the usual six.
      scientific: use `%e`.
      shortest: use `%g`.
      width: least width of each number, -1 for none; bools ignore it.
      fill: one of printf's flags: "0", "-", "+", " ", "#", or "".

    Returns:
      Object array of `bytes`, same shape. A complex number is written as `(real,imaginary)`.

    Raises:
      InvalidArgumentError: the options do not suit the dtype or each other.
    """
    kind = values.dtype.kind
    name = values.dtype.name
    if max(width, precision) * max(values.size, 1) > _LONGEST:
        raise ResourceExhaustedError(
            None,
            None,
            f"AsString: {values.size} numbers of width {width} and precision {precision} are longer than "
            f"{_LONGEST} characters",
        )
    if kind in "iub":
        if scientific or shortest:
            raise refusal(f"scientific and shortest format not supported for datatype {name}")
        if precision >= 0:
            raise refusal(f"precision not supported for datatype {name}")
    if len(fill) > 1:
        raise refusal(f"Fill string must be one or fewer characters. Received: {fill!r}")
    if fill not in _FILLS:
        raise refusal(f'Fill argument not supported: "{fill}"')
    if scientific and shortest:
        raise refusal("Cannot select both scientific and shortest notation")
    letter = "d" if kind in "iu" else "e" if scientific else "g" if shortest else "f"
    size = f"{width if width > -1 else ''}{f'.{precision}' if precision > -1 else ''}"
    items = values.ravel().tolist()
    if kind == "b":
        texts = [b"true" if item else b"false" for item in items]
    elif kind in "iu":
        texts = [(f"%{fill}{size}d" % item).encode() for item in items]
    else:
        write = _float_writer(f"%{fill}{size}{letter}", fill, width)
        if kind == "c":
            parts = zip(
                map(write, np.real(values).ravel().tolist()),
                map(write, np.imag(values).ravel().tolist()),
                strict=True,
            )
            texts = [f"({real},{imaginary})".encode() for real, imaginary in parts]
        else:
            texts = [write(item).encode() for item in items]
    out = np.empty(len(texts), object)
    out[:] = texts
    return out.reshape(values.shape)


def _float_writer(form: str, fill: str, width: int) -> Callable[[float], str]:
    """C pads `inf` and `nan` with blanks even under flag 0 and keeps a nan's sign; Python does neither."""

    def write(value: float) -> str:
        if value - value == 0.0:
            return form % value
        negative = np.signbit(value)
        sign = "-" if negative else fill if fill in ("+", " ") else ""
        text = sign + ("nan" if value != value else "inf")
        return text.ljust(width) if fill == "-" else text.rjust(width)

    return write
