"""Strings as rows of code points or characters, and strings of code points."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.ragged import arrays
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import shape_of, tensor_or_ragged
from millrace.ops.array.concat import stack
from millrace.ops.array.reshape import reshape


@public("strings.unicode_decode")
def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """The code points of strings.

    Args:
      input: `[...]` strings, a tensor or RaggedTensor; its rank must be known.
      input_encoding: their encoding, by any name that Python or ICU knows.
      errors: what to do about malformed bytes: "strict", "replace" or "ignore".
      replacement_char: the code point to put instead.
      replace_control_characters: replace U+0000 to U+001F, too.
      name: scope of the operations; default "UnicodeDecode".

    Returns:
      int32 in one dimension more: a RaggedTensor, of a scalar a vector.

    Raises:
      ValueError: the rank is unknown.
    """
    malformed = (errors, replacement_char, replace_control_characters)
    with name_scope(name, "UnicodeDecode", [input]):
        return _decoded(input, input_encoding, malformed, offsets=False)[0]


@public("strings.unicode_decode_with_offsets")
def unicode_decode_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The code points of strings, and the bytes where they begin; arguments as for `unicode_decode`."""
    malformed = (errors, replacement_char, replace_control_characters)
    with name_scope(name, "UnicodeDecodeWithOffsets", [input]):
        points, starts = _decoded(input, input_encoding, malformed, offsets=True)
        return points, starts


@public("strings.unicode_split")
def unicode_split(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Any:
    """The characters of strings, each a string in the same encoding; arguments as for `unicode_decode`."""
    with name_scope(name, "UnicodeSplit", [input]):
        points = _decoded(input, input_encoding, (errors, replacement_char, False), offsets=False)[0]
        return _characters(points, input_encoding, errors, replacement_char)


@public("strings.unicode_split_with_offsets")
def unicode_split_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The characters of strings, and the bytes at which they begin; arguments as for `unicode_decode`."""
    with name_scope(name, "UnicodeSplitWithOffsets", [input]):
        malformed = (errors, replacement_char, False)
        points, starts = _decoded(input, input_encoding, malformed, offsets=True)
        return _characters(points, input_encoding, errors, replacement_char), starts


def _decoded(input: Any, encoding: str, malformed: tuple[str, int, bool], offsets: bool) -> list[Any]:
    """The code points as rows, and with `offsets` where they begin."""
    value = tensor_or_ragged(input, name="input")
    rank = value.shape.ndims
    if rank is None:
        raise ValueError("Rank of `input` must be statically known.")
    if rank > 1 and not isinstance(value, RaggedTensor):
        value = RaggedTensor.from_tensor(value, ragged_rank=rank - 1)
    elif rank > 1 and value.ragged_rank < rank - 1:
        inner = RaggedTensor.from_tensor(value.flat_values, ragged_rank=rank - 1 - value.ragged_rank)
        value = value.with_flat_values(inner)
    flat = value.flat_values if isinstance(value, RaggedTensor) else value
    function = raw.UnicodeDecodeWithOffsets if offsets else raw.UnicodeDecode
    found = function(
        reshape(flat, [-1]),
        input_encoding=encoding,
        errors=malformed[0],
        replacement_char=malformed[1],
        replace_control_characters=malformed[2],
        name="UnicodeDecodeWithOffsets" if offsets else "UnicodeDecode",
    )
    parts = [found.char_values, found.char_to_byte_starts] if offsets else [found.char_values]
    if rank == 0:
        return parts
    count = flat.dims[0] if rank == 1 and flat.dims else None
    if count is not None:
        found.row_splits.dims = (count + 1,)
    rows = [RaggedTensor.from_row_splits(p, found.row_splits, validate=False) for p in parts]
    return rows if rank == 1 else [value.with_flat_values(row) for row in rows]


def _characters(points: Any, encoding: str, errors: str, replacement_char: int) -> Any:
    """A string for each code point."""
    single = arrays.expand_dims(points, -1)
    return unicode_encode(single, encoding, errors, replacement_char)


@public("strings.unicode_encode")
def unicode_encode(
    input: Any,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Any:
    """Strings from code points.

    Args:
      input: `[..., length]` int32, one string in each row of the last dimension: a tensor or RaggedTensor.
      output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      errors: what to do about numbers outside Unicode: "strict", "replace" or "ignore".
      replacement_char: the code point to put instead.
      name: scope of the operations; default "UnicodeEncode".

    Returns:
      `[...]` strings, ragged where dimensions besides the last are.

    Raises:
      ValueError: `input` is a scalar or of unknown rank.
    """
    options = (output_encoding, errors, replacement_char)
    with name_scope(name, "UnicodeEncode", [input]):
        value = tensor_or_ragged(input)
        if value.shape.ndims is None:
            raise ValueError("Rank of input_tensor must be statically known.")
        if isinstance(value, RaggedTensor):
            return _of_ragged(value, options)
        if value.shape.ndims == 2:
            return unicode_encode(RaggedTensor.from_tensor(value), *options)
        if value.shape.ndims > 2:
            outer = shape_of(value, dtypes.int32)
            flat = reshape(value, stack([-1, outer[-1]]))
            encoded = unicode_encode(flat, *options)
            return reshape(encoded, value.shape[:-1] if value.shape[:-1].is_fully_defined() else outer[:-1])
        if value.shape.ndims == 0:
            raise ValueError("input_tensor's rank must be at least 1.")
        splits = stack([0, shape_of(value, dtypes.int32)[0]])
        rows = RaggedTensor.from_row_splits(value, splits, validate=False)
        return reshape(unicode_encode(rows, *options), [])


def _of_ragged(value: RaggedTensor, options: tuple[str, str, int]) -> Any:
    if isinstance(value.values, RaggedTensor) or len(value.values.dims) > 1:
        return value.with_values(unicode_encode(value.values, *options))
    encoding, errors, replacement_char = options
    return raw.UnicodeEncode(
        value.values,
        value.row_splits,
        output_encoding=encoding,
        errors=errors,
        replacement_char=replacement_char,
        name="UnicodeEncode",
    )
