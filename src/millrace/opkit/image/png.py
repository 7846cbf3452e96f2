"""PNG images of 16-bit channels, which Pillow reduces to 8 bits, and a writer for both depths."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
# x start, y start, x step, y step of the seven passes of an interlaced image
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def bit_depth(contents: bytes) -> int:
    """Bits per channel, from the header.

    Raises:
      ValueError: there is no header.
    """
    if len(contents) < 29 or contents[12:16] != b"IHDR":
        raise ValueError("no IHDR chunk")
    return contents[24]


def encode(pixels: np.ndarray, level: int = -1) -> bytes:
    """A PNG file.

    Args:
      pixels: uint8 or uint16 `[height, width, channels]` of 1 to 4 channels.
      level: zlib's compression level, -1 for its default.
    """
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOR_TYPES[channels], 0, 0, 0)
    rows = (
        np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">"))).view(np.uint8).reshape(height, -1)
    )
    body = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(body, level)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def decode_wide(contents: bytes) -> np.ndarray:
    """The pixels of a PNG file of 16-bit channels: uint16 `[height, width, channels]`.

    Raises:
      ValueError: the file is damaged, or not of 16-bit channels.
    """
    data, transparent = [], b""
    position = 8
    while position + 8 <= len(contents):
        (length,) = struct.unpack(">I", contents[position : position + 4])
        kind = contents[position + 4 : position + 8]
        body = contents[position + 8 : position + 8 + length]
        if len(body) < length:
            raise ValueError("a chunk ends early")
        if kind == b"IHDR":
            width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            data.append(body)
        elif kind == b"tRNS":
            transparent = body
        position += 12 + length
    if depth != 16 or color not in _CHANNELS:
        raise ValueError(f"not of 16-bit channels: depth {depth}, color type {color}")
    try:
        stream = np.frombuffer(zlib.decompress(b"".join(data)), np.uint8)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    pixels = _laid_out(stream, height, width, _CHANNELS[color], bool(interlaced))
    if transparent and color in (0, 2):
        key = np.frombuffer(transparent, ">u2")[: _CHANNELS[color]]
        alpha = np.where((pixels == key).all(axis=-1), 0, 65535).astype(np.uint16)
        pixels = np.concatenate([pixels, alpha[..., None]], axis=-1)
    return pixels


def _laid_out(stream: np.ndarray, height: int, width: int, channels: int, interlaced: bool) -> np.ndarray:
    if not interlaced:
        return _unfiltered(stream, height, width, channels)[0]
    pixels = np.zeros((height, width, channels), np.uint16)
    for x0, y0, dx, dy in _PASSES:
        rows, columns = len(range(y0, height, dy)), len(range(x0, width, dx))
        if rows and columns:
            part, used = _unfiltered(stream, rows, columns, channels)
            pixels[y0::dy, x0::dx] = part
            stream = stream[used:]
    return pixels


def _unfiltered(stream: np.ndarray, height: int, width: int, channels: int) -> tuple[np.ndarray, int]:
    """The pixels of one pass, and how many bytes it took."""
    bpp = 2 * channels
    stride = width * bpp
    used = height * (stride + 1)
    if len(stream) < used:
        raise ValueError("the image data ends early")
    lines = stream[:used].reshape(height, stride + 1)
    out = np.zeros((height + 1, stride + bpp), np.uint8)  # a row above and a pixel to the left, both of zeros
    for i in range(height):
        kind, line = int(lines[i, 0]), lines[i, 1:]
        above, row = out[i], out[i + 1]
        if kind == 0:
            row[bpp:] = line
        elif kind == 1:
            groups = line.reshape(width, bpp)
            row[bpp:] = np.cumsum(groups, axis=0, dtype=np.uint8).reshape(-1)
        elif kind == 2:
            row[bpp:] = line + above[bpp:]
        elif kind in (3, 4):
            _by_neighbours(kind, line, above, row, bpp)
        else:
            raise ValueError(f"unknown filter {kind}")
    pixels = np.ascontiguousarray(out[1:, bpp:]).view(">u2").reshape(height, width, channels)
    return pixels.astype(np.uint16), used


def _by_neighbours(kind: int, line: np.ndarray, above: np.ndarray, row: np.ndarray, bpp: int) -> None:
    """The filters that need the pixel to the left before the next: average and Paeth."""
    up, values = above.tolist(), row.tolist()
    for j, value in enumerate(line.tolist(), start=bpp):
        left, top = values[j - bpp], up[j]
        if kind == 3:
            guess = (left + top) >> 1
        else:
            corner = up[j - bpp]
            near = left + top - corner
            by_left, by_top, by_corner = abs(near - left), abs(near - top), abs(near - corner)
            guess = (
                left if by_left <= by_top and by_left <= by_corner else top if by_top <= by_corner else corner
            )
        values[j] = (value + guess) & 255
    row[:] = values
