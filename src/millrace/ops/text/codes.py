"""Strings as bytes of something else: raw numbers, base64, compressed data, and text in any encoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core.dtypes import (
    COMPLEX,
    INDEX,
    INTEGER,
    bool_,
    float16,
    float32,
    float64,
    int64,
    uint32,
    uint64,
)
from millrace.core.public import public
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, integer, one_of, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import merged, with_rank
from millrace.opkit.text import codes as bytes_codes
from millrace.opkit.text import unicode as bytes_unicode
from millrace.opkit.text.pieces import strings
from millrace.opkit.text.unicode import Malformed

_RAW = COMPLEX | (INTEGER - {uint32, uint64}) | {bool_, float16, float32, float64}
_ERRORS = one_of("strict", "replace", "ignore", default="replace")
_UNICODE = one_of("UTF-8", "UTF-16-BE", "UTF-32-BE")


# --- raw numbers -------------------------------------------------------------------------------------------


@declare(
    "DecodeRaw(bytes: string) -> output: out_type",
    out_type=dtype_attr(_RAW),
    little_endian=flag(True),
    host=True,
)
class DecodeRaw:
    """The bytes of each string as numbers."""

    def shape(bytes):
        return None if bytes is None else (*bytes, None)

    def kernel(xp, bytes, out_type, little_endian):
        return bytes_codes.decode_raw(strings(bytes), out_type.np_dtype, little_endian)

    grad = NOT_DIFFERENTIABLE


@public("decode_raw", "io.decode_raw")
def decode_raw(
    input_bytes: Any = None,
    out_type: Any = None,
    little_endian: bool = True,
    name: str | None = None,
    bytes: Any = None,
) -> Tensor:
    """Reinterprets the bytes of equally long strings as numbers.

    Args:
      input_bytes: `[...]` strings.
      out_type: what the bytes are.
      little_endian: how numbers are stored.
      name: op name; default "DecodeRaw".
      bytes: deprecated name of `input_bytes`.

    Returns:
      `[..., length / size]` of `out_type`.

    Raises:
      InvalidArgumentError: at run time, when lengths differ or do not fit the type.
    """
    x = bytes if input_bytes is None else input_bytes
    return apply(DecodeRaw, x, out_type=out_type, little_endian=little_endian, name=name)


@declare(
    "DecodePaddedRaw(input_bytes: string, fixed_length: int32) -> output: out_type",
    static=("fixed_length",),
    out_type=dtype_attr(_RAW),
    little_endian=flag(True),
    host=True,
)
class DecodePaddedRaw:
    """The bytes of each string, cut or padded to one length, as numbers."""

    def shape(input_bytes, fixed_length, out_type):
        if input_bytes is None:
            return None
        length = fixed_length.value
        if length is None:
            return (*input_bytes, None)
        size = out_type.np_dtype.itemsize
        if length < 0 or length % size:
            raise ValueError(f"fixed_length must be a positive multiple of {size}. Received: {length}")
        return (*input_bytes, int(length) // size)

    def kernel(xp, input_bytes, fixed_length, out_type, little_endian):
        return bytes_codes.decode_padded_raw(
            strings(input_bytes), int(fixed_length), out_type.np_dtype, little_endian
        )

    grad = NOT_DIFFERENTIABLE


# --- base64 and compression --------------------------------------------------------------------------------


@declare("EncodeBase64(input: string) -> output: string", pad=flag(False), host=True)
class EncodeBase64:
    """Web-safe base64."""

    shape = merged

    def kernel(xp, input, pad):
        return bytes_codes.encode_base64(strings(input), pad)

    grad = NOT_DIFFERENTIABLE


@public("encode_base64", "io.encode_base64")
@elementwise("unary")
def encode_base64(input: Any, pad: bool = False, name: str | None = None) -> Tensor:
    """Writes every string in web-safe base64, padded with `=` when `pad`; same shape as `input`."""
    return apply(EncodeBase64, input, pad=pad, name=name)


@declare("DecodeBase64(input: string) -> output: string", host=True)
class DecodeBase64:
    """Reads web-safe base64."""

    shape = merged

    def kernel(xp, input):
        return bytes_codes.decode_base64(strings(input))

    grad = NOT_DIFFERENTIABLE


@public("decode_base64", "io.decode_base64")
@elementwise("unary")
def decode_base64(input: Any, name: str | None = None) -> Tensor:
    """Reads web-safe base64, padded or not; same shape as `input`.

    Raises:
      InvalidArgumentError: at run time, when a string is not base64.
    """
    return apply(DecodeBase64, input, name=name)


@declare("DecodeCompressed(bytes: string) -> output: string", compression_type=text(""), host=True)
class DecodeCompressed:
    """Uncompresses ZLIB or GZIP data."""

    shape = merged

    def kernel(xp, bytes, compression_type):
        return bytes_codes.decompress(strings(bytes), compression_type)

    grad = NOT_DIFFERENTIABLE


@public("decode_compressed", "io.decode_compressed")
@elementwise("unary")
def decode_compressed(bytes: Any, compression_type: str = "", name: str | None = None) -> Tensor:
    """Uncompresses every string.

    Args:
      bytes: `[...]` strings.
      compression_type: "ZLIB", "GZIP", or "" for none.
      name: op name; default "DecodeCompressed".

    Returns:
      String tensor of the same shape.
    """
    return apply(DecodeCompressed, bytes, compression_type=compression_type, name=name)


# --- text in any encoding ----------------------------------------------------------------------------------


@declare("UnicodeScript(input: int32) -> output: int32", host=True)
class UnicodeScript:
    """The script of each code point."""

    shape = merged

    def kernel(xp, input):
        return bytes_unicode.script_codes(np.asarray(input))

    grad = NOT_DIFFERENTIABLE


@public("strings.unicode_script")
@elementwise("unary")
def unicode_script(input: Any, name: str | None = None) -> Tensor:
    """The script of each code point, by ICU's numbers; -1 outside Unicode; int32, same shape as `input`."""
    return apply(UnicodeScript, input, name=name)


@declare(
    "UnicodeDecode(input: string) -> row_splits: Tsplits, char_values: int32",
    input_encoding=text(),
    errors=_ERRORS,
    replacement_char=integer(0xFFFD),
    replace_control_characters=flag(False),
    Tsplits=dtype_attr(INDEX, int64),
    host=True,
)
class UnicodeDecode:
    """The code points of each string."""

    def shape(input):
        return [(None,), (None,)]

    def kernel(xp, input, input_encoding, errors, replacement_char, replace_control_characters, Tsplits):
        malformed = Malformed(errors, replacement_char, replace_control_characters)
        return bytes_unicode.decode(strings(input), input_encoding, malformed, Tsplits.np_dtype)[:2]

    grad = NOT_DIFFERENTIABLE


@declare(
    "UnicodeDecodeWithOffsets(input: string) -> row_splits: Tsplits, char_values: int32, "
    "char_to_byte_starts: int64",
    input_encoding=text(),
    errors=_ERRORS,
    replacement_char=integer(0xFFFD),
    replace_control_characters=flag(False),
    Tsplits=dtype_attr(INDEX, int64),
    host=True,
)
class UnicodeDecodeWithOffsets:
    """The code points of each string, and where they begin."""

    def shape(input):
        return [(None,), (None,), (None,)]

    def kernel(xp, input, input_encoding, errors, replacement_char, replace_control_characters, Tsplits):
        malformed = Malformed(errors, replacement_char, replace_control_characters)
        return bytes_unicode.decode(strings(input), input_encoding, malformed, Tsplits.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "UnicodeEncode(input_values: int32, input_splits: Tsplits) -> output: string",
    errors=_ERRORS,
    output_encoding=_UNICODE,
    replacement_char=integer(0xFFFD),
    Tsplits=INDEX,
    host=True,
)
class UnicodeEncode:
    """Strings from rows of code points."""

    def shape(input_values, input_splits):
        with_rank(input_values, 1, "input_values")
        splits = with_rank(input_splits, 1, "input_splits")[0]
        return (None if splits is None else max(splits - 1, 0),)

    def kernel(xp, input_values, input_splits, errors, output_encoding, replacement_char):
        malformed = Malformed(errors, replacement_char)
        return bytes_unicode.encode(input_values, input_splits, output_encoding, malformed)

    grad = NOT_DIFFERENTIABLE


@declare(
    "UnicodeTranscode(input: string) -> output: string",
    input_encoding=text(),
    output_encoding=_UNICODE,
    errors=_ERRORS,
    replacement_char=integer(0xFFFD),
    replace_control_characters=flag(False),
    host=True,
)
class UnicodeTranscode:
    """Strings in another encoding."""

    shape = merged

    def kernel(
        xp, input, input_encoding, output_encoding, errors, replacement_char, replace_control_characters
    ):
        malformed = Malformed(errors, replacement_char, replace_control_characters)
        return bytes_unicode.transcode(strings(input), input_encoding, output_encoding, malformed)

    grad = NOT_DIFFERENTIABLE


@public("strings.unicode_transcode")
def unicode_transcode(
    input: Any,
    input_encoding: str,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Tensor:
    """Writes strings in another encoding.

    Args:
      input: `[...]` strings.
      input_encoding: their encoding, by any name that Python or ICU knows.
      output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
      errors: what to do about malformed bytes: "strict", "replace" or "ignore".
      replacement_char: the code point to put instead.
      replace_control_characters: replace U+0000 to U+001F, too.
      name: op name; default "UnicodeTranscode".

    Returns:
      String tensor of the same shape.
    """
    return apply(
        UnicodeTranscode,
        input,
        input_encoding=input_encoding,
        output_encoding=output_encoding,
        errors=errors,
        replacement_char=replacement_char,
        replace_control_characters=replace_control_characters,
        name=name,
    )


@public("compat.v2.io.decode_raw")
def decode_raw_v2(
    input_bytes: Any,
    out_type: Any,
    little_endian: bool = True,
    fixed_length: Any = None,
    name: str | None = None,
) -> Tensor:
    """`tf.io.decode_raw` with the arguments of version 2.

    Args:
      fixed_length: how many bytes are taken of each text, which is cut, or filled up with zeros.
      input_bytes, out_type, little_endian, name: as in version 1.

    Raises:
      InvalidArgumentError: when run, the bytes do not make whole numbers, or texts differ in length.
    """
    if fixed_length is None:
        return raw.DecodeRaw(input_bytes, out_type=out_type, little_endian=little_endian, name=name)
    return raw.DecodePaddedRaw(
        input_bytes, fixed_length, out_type=out_type, little_endian=little_endian, name=name
    )
