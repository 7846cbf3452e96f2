"""Byte strings as base64, as raw numbers, and compressed."""

import base64
import gzip
import re
import zlib

import numpy as np

from millrace.core.errors import DataLossError, refusal
from millrace.opkit.text.pieces import objects

_WEB_SAFE = re.compile(rb"[A-Za-z0-9_-]*")


def encode_base64(strings: np.ndarray, pad: bool = False) -> np.ndarray:
    """Web-safe base64 of every string, with `=` up to a multiple of four when `pad`; same shape."""
    codes = [base64.urlsafe_b64encode(item) for item in strings.ravel().tolist()]
    return objects(codes if pad else [code.rstrip(b"=") for code in codes], strings.shape)


def decode_base64(strings: np.ndarray) -> np.ndarray:
    """Reads web-safe base64, padded or not; same shape.

    Raises:
      InvalidArgumentError: a character outside the alphabet, or an impossible length.
    """
    return objects([_decode_one(item) for item in strings.ravel().tolist()], strings.shape)


def _decode_one(code: bytes) -> bytes:
    if len(code) % 4 == 1:
        raise refusal(f"Base64 string length cannot be 1 modulo 4. Received: {code!r}")
    body = code
    if len(code) % 4 == 0 and code.endswith(b"="):
        body = code[:-2] if code.endswith(b"==") else code[:-1]
    if not _WEB_SAFE.fullmatch(body):
        raise refusal(f"Invalid character found in base64. Received: {code!r}")
    return base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))


def decode_raw(strings: np.ndarray, dtype: np.dtype, little_endian: bool = True) -> np.ndarray:
    """Reinterprets the bytes of equally long strings as numbers.

    Args:
      strings: `[...]` object array of `bytes`.
      dtype: what the bytes are.
      little_endian: how they are stored.

    Returns:
      `[..., length / itemsize]` of `dtype`.

    Raises:
      InvalidArgumentError: lengths differ or are not a multiple of the item size.
    """
    dtype = np.dtype(dtype)
    items = strings.ravel().tolist()
    size = len(items[0]) if items else 0
    for i, item in enumerate(items):
        if len(item) != size:
            raise refusal(
                "DecodeRaw requires input strings to all be the same size, "
                f"but element {i} has size {len(item)} and element 0 has {size}"
            )
    if size % dtype.itemsize:
        raise refusal(
            f"Input to DecodeRaw has length {size} that is not a multiple of {dtype.itemsize}, "
            f"the size of {dtype.name}"
        )
    return _as_numbers(b"".join(items), strings.shape, size, dtype, little_endian)


def decode_padded_raw(
    strings: np.ndarray, fixed_length: int, dtype: np.dtype, little_endian: bool = True
) -> np.ndarray:
    """Like `decode_raw`, after cutting or zero-padding every string to `fixed_length` bytes.

    Args:
      strings: `[...]` object array of `bytes`.
      fixed_length: positive multiple of the item size.
      dtype: what the bytes are.
      little_endian: how they are stored.

    Returns:
      `[..., fixed_length / itemsize]` of `dtype`.

    Raises:
      InvalidArgumentError: `fixed_length` does not suit the dtype.
    """
    dtype = np.dtype(dtype)
    if fixed_length <= 0:
        raise refusal(f"fixed_length ({fixed_length}) must be greater than zero.")
    if fixed_length % dtype.itemsize:
        raise refusal(
            f"fixed_length ({fixed_length}) must be a multiple of {dtype.itemsize}, the size of {dtype.name}"
        )
    data = b"".join([item[:fixed_length].ljust(fixed_length, b"\0") for item in strings.ravel().tolist()])
    return _as_numbers(data, strings.shape, fixed_length, dtype, little_endian)


def _as_numbers(
    data: bytes, shape: tuple[int, ...], size: int, dtype: np.dtype, little_endian: bool
) -> np.ndarray:
    if dtype.kind == "b":
        return (np.frombuffer(data, np.uint8) != 0).reshape((*shape, size))
    stored = dtype.newbyteorder("<" if little_endian else ">")
    return np.frombuffer(data, stored).astype(dtype).reshape((*shape, size // dtype.itemsize))


def decompress(strings: np.ndarray, compression_type: str = "") -> np.ndarray:
    """Uncompresses every string; same shape.

    Args:
      strings: `[...]` object array of `bytes`.
      compression_type: "ZLIB", "GZIP", or "" for none.

    Raises:
      InvalidArgumentError: the type is not known.
      DataLossError: a string is not compressed so.
    """
    if compression_type not in ("", "ZLIB", "GZIP"):
        raise refusal(
            f"Only ZLIB, GZIP or NONE are supported compressions; compression_type is {compression_type!r}"
        )
    if not compression_type:
        return strings
    unpack = zlib.decompress if compression_type == "ZLIB" else gzip.decompress
    try:
        return objects([unpack(item) for item in strings.ravel().tolist()], strings.shape)
    except (zlib.error, OSError, EOFError) as problem:
        raise DataLossError(None, None, f"DecodeCompressed: not {compression_type} data: {problem}") from None
