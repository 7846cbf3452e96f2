"""PNG images of 16-bit channels, which Pillow reduces to 8 bits, and a writer for both depths."""

from __future__ import annotations

import struct
import zlib

import numpy as np

# red, green and blue in 1/32768, as libpng rounds 0.299 and 0.587
GRAY = np.array([9797, 19234, 3737], np.int64)
_EVEN = range(95000, 105001)  # gammas, in 1/100000, that libpng takes for 1
_SRGB = 45455
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_GREATEST_RATIO = 1032  # of deflate: bytes that one byte can stand for
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


def file_gamma(contents: bytes) -> int:
    """What the chunk gAMA or sRGB says, in 1/100000; 0 where there is neither, or it changes nothing."""
    position, found = 8, 0
    while position + 8 <= len(contents):
        (length,) = struct.unpack_from(">I", contents, position)
        kind = contents[position + 4 : position + 8]
        if kind in (b"IDAT", b"PLTE"):
            break
        if kind == b"sRGB":
            found = _SRGB
        elif kind == b"gAMA" and length == 4 and not found and position + 12 <= len(contents):
            (found,) = struct.unpack_from(">I", contents, position + 8)
        position += 12 + length
    return found if found and not {found, _inverse(found)} <= set(_EVEN) else 0


def whole(contents: bytes) -> bytes:
    """The file up to its end, without the side chunks whose sums are wrong.

    Raises:
      ValueError: it has no end, a chunk of the image itself has a wrong sum or is not known, or there are two
        headers.
    """
    position, good = 8, [contents[:8]]
    while position + 12 <= len(contents):
        (length,) = struct.unpack_from(">I", contents, position)
        kind, end = contents[position + 4 : position + 8], position + 12 + length
        if end > len(contents):
            break
        chunk = memoryview(contents)[position:end]
        fits = zlib.crc32(chunk[4:-4]) == struct.unpack(">I", chunk[-4:])[0]
        if not kind[0] & 32:  # without it there is no image
            known = kind in (b"IDAT", b"PLTE", b"IEND") or (kind == b"IHDR" and position == 8)
            if not fits or not known:
                raise ValueError(f"the chunk {kind!r} is damaged or out of place")
        if fits:
            good.append(bytes(chunk))
        if kind == b"IEND":
            return b"".join(good)
        position = end
    raise ValueError("the file ends early")


def _inverse(gamma: int) -> int:
    return int(1e10 / gamma + 0.5)


def grey_of_light(colors: np.ndarray, gamma: int, narrow: bool) -> np.ndarray:
    """Grey as libpng computes it where a file tells its gamma: of the light that the numbers stand for.

    Args:
      colors: uint8 or uint16 `[height, width, 3]`.
      gamma: as `file_gamma` says.
      narrow: 8 bits are wanted of 16, which takes coarser tables.

    Returns:
      `[height, width, 1]` of the same dtype.
    """
    drop = 5 if narrow and colors.dtype == np.uint16 else 0
    most = np.iinfo(colors.dtype).max
    steps = np.arange((most >> drop) + 1)
    there, back = (_curve(steps, most, g) for g in (_inverse(gamma), _inverse(_inverse(gamma))))
    light = there[colors >> drop].astype(np.int64) @ GRAY
    grey = back[((light + 16384) >> 15) >> drop]
    plain = (colors == colors[..., :1]).all(axis=-1)
    return np.where(plain, colors[..., 0], grey)[..., None].astype(colors.dtype)


def _curve(steps: np.ndarray, most: int, gamma: int) -> np.ndarray:
    if gamma in _EVEN:
        return steps * most // steps[-1]
    return np.floor(most * (steps / steps[-1]) ** (gamma * 1e-5) + 0.5).astype(np.int64)


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
    stream = _inflated(b"".join(data), _stream_length(height, width, _CHANNELS[color], bool(interlaced)))
    pixels = _laid_out(stream, height, width, _CHANNELS[color], bool(interlaced))
    if transparent and color in (0, 2):
        key = np.frombuffer(transparent, ">u2")[: _CHANNELS[color]]
        alpha = np.where((pixels == key).all(axis=-1), 0, 65535).astype(np.uint16)
        pixels = np.concatenate([pixels, alpha[..., None]], axis=-1)
    return pixels


def _stream_length(height: int, width: int, channels: int, interlaced: bool) -> int:
    """Bytes of the rows with their filters."""
    sizes = [(height, width)]
    if interlaced:
        sizes = [(len(range(y, height, dy)), len(range(x, width, dx))) for x, y, dx, dy in _PASSES]
    return sum(rows * (2 * channels * columns + 1) for rows, columns in sizes if rows and columns)


def _inflated(data: bytes, length: int) -> np.ndarray:
    """The first `length` bytes of what was deflated; what follows, without end maybe, is not looked at.

    Raises:
      ValueError: there are fewer.
    """
    if length > _GREATEST_RATIO * len(data) + 64:
        raise ValueError("the image data ends early")
    try:
        stream = zlib.decompressobj().decompress(data, length)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return np.frombuffer(stream, np.uint8)


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
    kinds = lines[:, 0]
    if kinds.max(initial=0) > 4:
        raise ValueError(f"unknown filter {kinds.max()}")
    # a row above and a pixel to the left, both of zeros
    out = np.zeros((height + 1, width + 1, bpp), np.uint8)
    body = lines[:, 1:].reshape(height, width, bpp)
    start = 0
    while start < height:
        stop = start + 1
        if kinds[start] >= 3:  # together with those that follow
            while stop < height and kinds[stop] >= 3:
                stop += 1
            _by_neighbours(kinds[start:stop], body[start:stop], out[start : stop + 1])
        else:
            row, above = out[start + 1, 1:], out[start, 1:]
            row[:] = np.cumsum(body[start], axis=0, dtype=np.uint8) if kinds[start] == 1 else body[start]
            if kinds[start] == 2:
                row += above
        start = stop
    out = out[:, 1:].reshape(height + 1, stride)
    pixels = np.ascontiguousarray(out[1:]).view(">u2").reshape(height, width, channels)
    return pixels.astype(np.uint16), used


def _by_neighbours(kinds: np.ndarray, lines: np.ndarray, out: np.ndarray) -> None:
    """Rows of the filters that need the pixel to the left before the next: average and Paeth.

    Pixels on a diagonal depend on none of each other, so each diagonal is one step.

    Args:
      kinds: 3 or 4 for each row.
      lines: uint8 `[rows, width, bytes of a pixel]`.
      out: uint8 `[rows + 1, width + 1, bytes of a pixel]`, its first row and column known; filled.
    """
    rows, width, _ = lines.shape
    paeth = (kinds == 4)[:, None]
    for diagonal in range(rows + width - 1):
        r = np.arange(max(0, diagonal - width + 1), min(rows, diagonal + 1))
        c = diagonal - r
        left, top = out[r + 1, c].astype(np.int16), out[r, c + 1].astype(np.int16)
        corner = out[r, c].astype(np.int16)
        by_left, by_top, by_corner = abs(top - corner), abs(left - corner), abs(left + top - 2 * corner)
        best = np.where(by_top <= by_corner, top, corner)
        best = np.where((by_left <= by_top) & (by_left <= by_corner), left, best)
        guess = np.where(paeth[r], best, (left + top) >> 1)
        out[r + 1, c + 1] = lines[r, c] + guess.astype(np.uint8)
