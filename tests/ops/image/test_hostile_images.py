"""Small files that say they are large: refused in time, or read as TensorFlow reads them."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

import millrace as tf
from millrace.core.errors import InvalidArgumentError
from millrace.opkit.image import jpeg, pictures, png


@pytest.fixture(autouse=True)
def quick():
    started = time.process_time()
    yield
    assert time.process_time() - started < 2


def gif(screen=None, frames=3):
    images = [Image.new("P", (3, 2), i) for i in range(frames)]
    out = io.BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:])
    data = bytearray(out.getvalue())
    if screen:
        data[6:10] = struct.pack("<HH", *screen)
    return bytes(data)


@pytest.mark.parametrize("screen", [None, (4000, 4000), (65535, 65535), (1, 1)])
def test_frames_have_the_size_of_the_first(screen):
    assert pictures.decode_gif(gif(screen)).shape[1:] == (2, 3, 3)


@pytest.mark.parametrize("length", [0, 3, 10, 13, 20])
def test_a_cut_gif(length):
    with pytest.raises(InvalidArgumentError, match="Invalid GIF"):
        pictures.decode_gif(gif()[:length])


def chunks(width, height, depth, color, data):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png._chunk(kind, body) for kind, body in parts)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("size", [(60000, 60000), (2**31 - 1, 1), (20000, 20000)])
def test_a_png_that_its_data_cannot_fill(size, depth):
    with pytest.raises(InvalidArgumentError, match="Invalid PNG"):
        pictures.decode_png(chunks(*size, depth, 0, zlib.compress(b"\0")), 0, np.dtype(np.uint8))


def test_more_data_than_the_header_says_is_not_read():
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(40)) + packer.flush()
    assert pictures.decode_png(chunks(8, 8, 16, 0, data), 0, np.dtype(np.uint16)).shape == (8, 8, 1)


@pytest.mark.parametrize("kinds", [[4], [3], [4, 4, 3, 4], [0, 4, 1, 3, 3, 2, 4, 4]])
@pytest.mark.parametrize("width,color", [(1, 0), (5, 2), (9, 6), (300, 2)])
def test_filters_that_look_at_neighbours(kinds, width, color):
    channels = png._CHANNELS[color]
    bpp, rng = 2 * channels, np.random.RandomState(0)
    lines = rng.randint(0, 256, (len(kinds), width * bpp))
    data = b"".join(bytes([k]) + bytes(line.tolist()) for k, line in zip(kinds, lines, strict=True))
    wanted, above = [], [0] * (width * bpp)
    for kind, line in zip(kinds, lines.tolist(), strict=True):
        row = []
        for j, value in enumerate(line):
            left, corner = (row[j - bpp], above[j - bpp]) if j >= bpp else (0, 0)
            near = left + above[j] - corner
            far = [abs(near - left), abs(near - above[j]), abs(near - corner)]
            paeth = (left, above[j], corner)[far.index(min(far))]
            row.append((value + [0, left, above[j], (left + above[j]) // 2, paeth][kind]) % 256)
        wanted.append(row)
        above = row
    found = pictures.decode_png(
        chunks(width, len(kinds), 16, color, zlib.compress(data)), 0, np.dtype(np.uint16)
    )
    np.testing.assert_array_equal(found.astype(">u2").tobytes(), np.array(wanted, np.uint8).tobytes())


def test_a_large_picture_of_paeth_rows_takes_no_minutes():
    data = zlib.compress((b"\4" + bytes(6 * 1000)) * 1000)
    assert pictures.decode_png(chunks(1000, 1000, 16, 2, data), 0, np.dtype(np.uint16)).shape == (
        1000,
        1000,
        3,
    )


def test_a_question_for_the_size_of_a_large_jpeg():
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    data = bytearray(out.getvalue())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 60000, 50000)
    with tf.Session() as sess:
        assert sess.run(tf.image.extract_jpeg_shape(bytes(data))).tolist() == [60000, 50000, 3]
        with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG"):
            sess.run(tf.image.decode_jpeg(bytes(data)))


@pytest.mark.parametrize("length", [2, 3, 20, 158, 160, 165])
def test_the_size_of_a_cut_jpeg(length):
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    with pytest.raises(InvalidArgumentError, match="Invalid JPEG"):
        jpeg.read_header(out.getvalue()[:length])


def chunk(kind, data, error=0):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ error)


HEAD = b"\x89PNG\r\n\x1a\n"
HEADER = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
IMAGE = zlib.compress(b"\0abc")
END = chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "chunks, reads",
    [
        (chunk(b"IDAT", IMAGE) + END, True),
        (chunk(b"IDAT", IMAGE) + END + b"what follows", True),
        (chunk(b"tEXt", b"a\0b", 1) + chunk(b"IDAT", IMAGE) + END, True),
        (chunk(b"IDAT", IMAGE), False),
        (chunk(b"IDAT", IMAGE) + END[:-1], False),
        (chunk(b"IDAT", IMAGE) + chunk(b"IEND", b"", 1), False),
        (chunk(b"IDAT", IMAGE, 1) + END, False),
        (chunk(b"IHDR", HEADER) + chunk(b"IDAT", IMAGE) + END, False),
        (chunk(b"ABCD", b"") + chunk(b"IDAT", IMAGE) + END, False),
    ],
)
def test_a_png_is_read_to_its_end(chunks, reads):
    contents = HEAD + chunk(b"IHDR", HEADER) + chunks
    with tf.Session() as sess:
        if reads:
            assert sess.run(tf.image.decode_png(contents)).tolist() == [[[97, 98, 99]]]
        else:
            with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid PNG"):
                sess.run(tf.image.decode_png(contents))
