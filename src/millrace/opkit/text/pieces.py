"""Case, length, pieces and joins of byte strings held in object arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core.errors import refusal

WHITESPACE = b" \t\n\v\f\r"
_CONTINUATION = bytes(range(0x80, 0xC0))


def objects(items: Sequence[bytes], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """An object array of the given strings.

    Args:
      items: the strings, row-major.
      shape: the result's shape; default one dimension.
    """
    out = np.empty(len(items), object)
    out[:] = items
    return out if shape is None else out.reshape(shape)


def strings(value: Any) -> np.ndarray:
    """The object array that a kernel got as an input; NumPy gives the item itself for some scalars."""
    return value if isinstance(value, np.ndarray) else objects([value], ())


def array_of(value: Any) -> np.ndarray:
    """The array that a kernel got as an input of any dtype: see `strings`."""
    return strings(value) if isinstance(value, bytes) else np.asarray(value)


def attr_bytes(text: str) -> bytes:
    """The bytes of a string attribute, which holds one character for each byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # text that was given as text
        return text.encode()


def lower(strings: np.ndarray, encoding: str = "") -> np.ndarray:
    """Lower case: of ASCII letters, or of all letters with `encoding="utf-8"`; same shape."""
    return _change_case(strings, encoding, bytes.lower, str.lower)


def upper(strings: np.ndarray, encoding: str = "") -> np.ndarray:
    """Upper case: of ASCII letters, or of all letters with `encoding="utf-8"`; same shape."""
    return _change_case(strings, encoding, bytes.upper, str.upper)


def _change_case(strings: np.ndarray, encoding: str, for_bytes, for_text) -> np.ndarray:
    items = strings.ravel().tolist()
    if encoding == "utf-8":
        changed = [
            for_text(i.decode("utf-8", "replace")).encode() if not i.isascii() else for_bytes(i)
            for i in items
        ]
    elif encoding == "":
        changed = [for_bytes(item) for item in items]
    else:
        raise refusal(f"only utf-8 or '' (no encoding) is supported, received {encoding}")
    return objects(changed, strings.shape)


def strip(strings: np.ndarray) -> np.ndarray:
    """Without white space at both ends; same shape."""
    return objects([item.strip(WHITESPACE) for item in strings.ravel().tolist()], strings.shape)


def lengths(strings: np.ndarray, unit: str = "BYTE") -> np.ndarray:
    """Length in bytes, or in characters with `unit="UTF8_CHAR"`; int32 of the same shape."""
    items = strings.ravel().tolist()
    if unit == "BYTE":
        counts = [len(item) for item in items]
    else:
        counts = [len(item) - _continuations(item) for item in items]
    return np.array(counts, np.int32).reshape(strings.shape)


def _continuations(item: bytes) -> int:
    return 0 if item.isascii() else len(item) - len(item.translate(None, _CONTINUATION))


# ---------------------------------------------------------------- substrings


def substr(strings: np.ndarray, pos: np.ndarray, length: np.ndarray, unit: str = "BYTE") -> np.ndarray:
    """The part of each string from `pos` on, at most `length` long.

    Args:
      strings: `[...]` object array of `bytes`.
      pos: integers that broadcast with `strings`; a negative one counts from the end.
      length: integers of the shape of `pos`; a negative one means up to the end in bytes,
        and nothing in characters.
      unit: "BYTE" or "UTF8_CHAR", what positions and lengths count.

    Returns:
      Object array of `bytes` with the broadcast shape.

    Raises:
      InvalidArgumentError: a position lies outside its string, or shapes do not fit.
    """
    if pos.shape != length.shape:
        raise refusal(
            f"pos and len should have the same shape, got: {list(pos.shape)} vs. {list(length.shape)}"
        )
    try:
        texts, starts, counts = np.broadcast_arrays(strings, pos, length)
    except ValueError:
        shapes = f"{list(strings.shape)} vs. {list(pos.shape)}"
        raise refusal(f"Incompatible shapes for input and pos: {shapes}") from None
    cut = _cut_bytes if unit == "BYTE" else _cut_characters
    items = zip(texts.ravel().tolist(), starts.ravel().tolist(), counts.ravel().tolist(), strict=True)
    return objects([cut(text, start, count, i) for i, (text, start, count) in enumerate(items)], texts.shape)


def _cut_bytes(text: bytes, start: int, count: int, index: int) -> bytes:
    size = len(text)
    if not -size <= start <= size:
        raise refusal(f"pos {start} out of range for string {text!r} at index {index}")
    begin = start + size if start < 0 else start
    return text[begin:] if count < 0 else text[begin : begin + count]


def _cut_characters(text: bytes, start: int, count: int, index: int) -> bytes:
    if text.isascii():
        return _cut_bytes(text, start, max(count, 0), index)
    data = np.frombuffer(text, np.uint8)
    leads = np.flatnonzero((data & 0xC0) != 0x80)
    if not leads.size or leads[0]:
        leads = np.append(0, leads)  # stray continuation bytes in front count as one character
    size = len(leads)
    if not -size <= start <= size:
        raise refusal(f"pos {start} out of range for string {text!r} at index {index}")
    begin = start + size if start < 0 else start
    end = min(begin + max(count, 0), size)
    bounds = np.append(leads, len(text))
    return text[bounds[begin] : bounds[end]]


# ---------------------------------------------------------------- joins


def join(strings: Sequence[np.ndarray], separator: bytes = b"") -> np.ndarray:
    """Joins arrays of strings element by element.

    Args:
      strings: object arrays of one shape; scalars go with every element.
      separator: what to put between.

    Returns:
      Object array of the common shape.

    Raises:
      InvalidArgumentError: two arrays that are not scalars have different shapes.
    """
    shapes = [array.shape for array in strings if array.ndim]
    shape = shapes[0] if shapes else ()
    if any(other != shape for other in shapes):
        raise refusal(f"Input shapes do not match. Received: {[list(array.shape) for array in strings]}")
    columns = [np.broadcast_to(array, shape).ravel().tolist() for array in strings]
    return objects([separator.join(row) for row in zip(*columns, strict=True)], shape)


def reduce_join(
    strings: np.ndarray, axes: np.ndarray, keep_dims: bool = False, separator: bytes = b""
) -> np.ndarray:
    """Joins strings along axes; the axis named first varies fastest in the joined text.

    Args:
      strings: `[...]` object array of `bytes`.
      axes: int32 scalar or vector; none leaves the strings as they are.
      keep_dims: keep the joined axes with size one.
      separator: what to put between.

    Returns:
      Object array without the joined axes.

    Raises:
      InvalidArgumentError: an axis is out of range or named twice.
    """
    rank = strings.ndim
    named = np.atleast_1d(axes).tolist()
    chosen: list[int] = []
    for axis in named:
        if not -rank <= axis < rank:
            raise refusal(f"Invalid reduction dimension {axis} for input with {rank} dimensions")
        if axis % rank in chosen:
            raise refusal(f"Duplicate reduction dimension {axis}")
        chosen.append(axis % rank)
    if not chosen:
        return strings
    kept = [axis for axis in range(rank) if axis not in chosen]
    shape = tuple(strings.shape[axis] for axis in kept)
    count = int(np.prod([strings.shape[axis] for axis in chosen]))
    rows = np.transpose(strings, kept + chosen[::-1]).reshape((int(np.prod(shape)), count)).tolist()
    if keep_dims:
        shape = tuple(1 if axis in chosen else size for axis, size in enumerate(strings.shape))
    return objects([separator.join(row) for row in rows], shape)


def unsorted_segment_join(
    strings: np.ndarray, segment_ids: np.ndarray, num_segments: int, separator: bytes = b""
) -> np.ndarray:
    """Joins the strings of each segment in their order.

    Args:
      strings: `[s..., ...]` object array of `bytes`.
      segment_ids: `[s...]` integers.
      num_segments: how many segments there are.
      separator: what to put between.

    Returns:
      `[num_segments, ...]` object array; empty strings for empty segments.

    Raises:
      InvalidArgumentError: shapes do not fit or a segment number is out of range.
    """
    if num_segments < 0:
        raise refusal(f"Input num_segments == {num_segments} must not be negative.")
    if strings.shape[: segment_ids.ndim] != segment_ids.shape:
        raise refusal(
            f"data.shape = {list(strings.shape)} does not start with "
            f"segment_ids.shape = {list(segment_ids.shape)}"
        )
    rest = strings.shape[segment_ids.ndim :]
    rows = strings.reshape((segment_ids.size, int(np.prod(rest)))).tolist()
    groups: list[list[list[bytes]]] = [[] for _ in range(num_segments)]
    for position, segment in enumerate(segment_ids.ravel().tolist()):
        if not 0 <= segment < num_segments:
            raise refusal(f"segment_ids[{position}] = {segment} is out of range [0, {num_segments})")
        groups[segment].append(rows[position])
    width = int(np.prod(rest))
    joined = [separator.join([row[column] for row in group]) for group in groups for column in range(width)]
    return objects(joined, (num_segments, *rest))
