"""Image files: round trips, Pillow as the oracle, and what is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import millrace as tf
from millrace.opkit.image import png

_U8 = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.uint8)
_U16 = np.random.default_rng(1).integers(0, 65536, (5, 7, 4)).astype(np.uint16)


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def _file(pixels, form, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("pixels", [_U8, _U16], ids=["uint8", "uint16"])
def test_png_round_trip(session, channels, pixels):
    image = pixels[..., :channels]
    dtype = tf.as_dtype(pixels.dtype)
    decoded = tf.image.decode_png(tf.image.encode_png(tf.constant(image)), dtype=dtype)
    assert decoded.shape.as_list() == [None, None, None]
    assert np.array_equal(session.run(decoded), image)


def test_png_written_here_is_read_by_pillow():
    for channels, mode in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        image = Image.open(io.BytesIO(png.encode(_U8[..., :channels])))
        assert image.mode == mode
        assert np.array_equal(np.asarray(image).reshape(5, 7, channels), _U8[..., :channels])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_channels_asked_for(session, channels):
    gray, color = session.run(
        [tf.image.decode_png(png.encode(_U8[..., :c]), channels=channels) for c in (1, 3)]
    )
    assert gray.shape == color.shape == (5, 7, channels)
    assert np.array_equal(gray[..., 0], _U8[..., 0])
    if channels == 1:
        weights = _U8[..., :3] @ np.array([0.299, 0.587, 0.114])
        assert np.abs(color[..., 0] - weights).max() <= 1.01
    else:
        assert np.array_equal(color[..., :3], _U8[..., :3])
    if channels == 4:
        assert (color[..., 3] == 255).all() and (gray[..., 3] == 255).all()


def test_png_depths(session):
    contents = png.encode(_U8[..., :3]), png.encode(_U16[..., :3])
    narrow, wide = session.run(
        [
            tf.image.decode_png(contents[0], dtype=tf.uint16),
            tf.image.decode_png(contents[1]),
        ]
    )
    assert np.array_equal(narrow, _U8[..., :3].astype(np.uint16) * 257)
    assert np.array_equal(wide, (_U16[..., :3] >> 8).astype(np.uint8))


@pytest.mark.parametrize("filter_kind", range(5))
@pytest.mark.parametrize("interlaced", [False, True])
def test_wide_png_filters_and_interlacing(filter_kind, interlaced):
    """A writer of its own for every filter, plain and in the seven passes."""
    pixels = _U16[..., :3]
    passes = (
        ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
        if interlaced
        else ((0, 0, 1, 1),)
    )
    body = b"".join(_filtered(pixels[y::dy, x::dx], filter_kind) for x, y, dx, dy in passes)
    header = struct.pack(">IIBBBBB", 7, 5, 16, 2, 0, 0, int(interlaced))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    contents = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    assert np.array_equal(png.decode_wide(contents), pixels)


def _filtered(pixels, kind):
    rows = np.frombuffer(pixels.astype(">u2").tobytes(), np.uint8).reshape(pixels.shape[0], -1).astype(int)
    out = b""
    bpp = 6
    for i, row in enumerate(rows):
        left = np.concatenate([np.zeros(bpp, int), row[:-bpp]])
        above = rows[i - 1] if i else np.zeros_like(row)
        corner = np.concatenate([np.zeros(bpp, int), above[:-bpp]])
        near = left + above - corner
        by = np.stack([abs(near - left), abs(near - above), abs(near - corner)])
        paeth = np.choose(by.argmin(0), [left, above, corner])
        guess = (0 * row, left, above, (left + above) // 2, paeth)[kind]
        out += bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()
    return out if pixels.size else b""


def test_palettes_and_transparency(session):
    image = Image.fromarray(_U8[..., :3]).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    file = io.BytesIO()
    image.save(file, "PNG")
    assert np.array_equal(session.run(tf.image.decode_png(file.getvalue())), np.asarray(image.convert("RGB")))
    file = io.BytesIO()
    image.save(file, "PNG", transparency=0)
    assert session.run(tf.image.decode_png(file.getvalue())).shape == (5, 7, 4)


def test_jpeg(session):
    y, x = np.mgrid[:40, :56]
    smooth = np.stack([y * 5, x * 4, 255 - y - x], -1).astype(np.uint8)
    contents = session.run(tf.image.encode_jpeg(smooth))
    assert contents == _file(smooth, "JPEG", quality=95, subsampling=2, dpi=(300, 300))
    color, gray, half, window, size, is_jpeg = session.run(
        [
            tf.image.decode_jpeg(contents),
            tf.image.decode_jpeg(contents, channels=1),
            tf.image.decode_jpeg(contents, ratio=2),
            tf.image.decode_and_crop_jpeg(contents, [3, 4, 10, 12]),
            tf.image.extract_jpeg_shape(contents),
            tf.image.is_jpeg(contents),
        ]
    )
    assert np.abs(color.astype(int) - smooth).max() < 12
    assert gray.shape == (40, 56, 1) and half.shape == (20, 28, 3)
    assert np.array_equal(window, color[3:13, 4:16])
    assert size.tolist() == [40, 56, 3] and is_jpeg
    gray_file = session.run(
        tf.image.encode_jpeg(smooth[..., :1], quality=50, progressive=True, density_unit="cm")
    )
    assert np.asarray(Image.open(io.BytesIO(gray_file))).shape == (40, 56)


def test_truncated_jpeg(session):
    contents = _file(np.zeros((64, 64, 3), np.uint8) + 9, "JPEG")[:-60]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG"):
        session.run(tf.image.decode_jpeg(contents))
    assert session.run(tf.image.decode_jpeg(contents, try_recover_truncated=True)).shape == (64, 64, 3)


def test_gif(session):
    frames = [np.full((4, 6, 3), v, np.uint8) for v in (0, 255, 64)]
    file = io.BytesIO()
    first, *rest = (Image.fromarray(f) for f in frames)
    first.save(file, "GIF", save_all=True, append_images=rest)
    contents = file.getvalue()
    decoded, image, single = session.run(
        [
            tf.image.decode_gif(contents),
            tf.image.decode_image(contents),
            tf.image.decode_image(contents, expand_animations=False),
        ]
    )
    assert np.array_equal(decoded, np.stack(frames)) and np.array_equal(image, decoded)
    assert np.array_equal(single, frames[0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="animated gifs"):
        session.run(tf.image.decode_png(contents))


@pytest.mark.parametrize("channels", [3, 4])
def test_bmp(session, channels):
    pixels = _U8[..., :channels]
    header = 54
    stride = (7 * channels + 3) // 4 * 4
    for height in (5, -5):
        rows = pixels[..., [2, 1, 0, 3][:channels]].reshape(5, -1)
        rows = rows if height < 0 else rows[::-1]
        body = b"".join(r.tobytes().ljust(stride, b"\0") for r in rows)
        contents = b"BM" + struct.pack("<IHHIIiiHHIIiiII", header + len(body), 0, 0, header, 40, 7, height, 1,
                                       8 * channels, 0, len(body), 0, 0, 0, 0) + body  # fmt: skip
        assert np.array_equal(session.run(tf.image.decode_bmp(contents)), pixels)
        assert np.array_equal(session.run(tf.image.decode_image(contents)), pixels)


def test_decode_image_scales_as_convert_image_dtype(session):
    contents = png.encode(_U8[..., :3])
    narrow, wide, real = session.run(
        [tf.image.decode_image(contents, dtype=dtype) for dtype in (tf.uint8, tf.uint16, tf.float32)]
    )
    assert np.array_equal(narrow, _U8[..., :3])
    assert np.array_equal(wide, _U8[..., :3].astype(np.uint16) * 257)
    np.testing.assert_allclose(real, _U8[..., :3] / 255, rtol=1e-6)


def test_refusals(session):
    contents = png.encode(_U8[..., :3])
    for refused, match in (
        (lambda: tf.image.decode_png(b"abc"), "unknown format starting with b'abc'"),
        (lambda: tf.image.decode_png(contents[:40]), "Invalid PNG"),
        (lambda: tf.image.decode_png(png.encode(_U16)[:60], dtype=tf.uint16), "Invalid PNG"),
        (lambda: tf.image.decode_png(contents, channels=2), "channels must be one of 0, 1, 3, 4"),
        (lambda: tf.image.decode_jpeg(contents, ratio=3), "ratio must be 1, 2, 4, or 8"),
        (lambda: tf.image.decode_image(b"zz"), "Unable to decode bytes"),
        (lambda: tf.image.decode_bmp(b"BM"), "Incomplete bmp"),
        (lambda: tf.image.decode_gif(b"GIF8"), "Invalid GIF"),
        (lambda: tf.image.encode_jpeg(_U8[..., :2]), "1 or 3 channels"),
        (
            lambda: tf.image.encode_jpeg(_U8[..., :3], quality=300),
            r"quality should|quality must be in \[0,100\]",
        ),
        (lambda: tf.image.encode_png(np.zeros((2, 2, 5), np.uint8)), "1, 2, 3, or 4 channels"),
        (lambda: tf.image.encode_png(np.zeros((0, 2, 3), np.uint8)), "empty"),
        (lambda: tf.image.decode_and_crop_jpeg(contents, [0, 0, 1, 1]), "Expected a JPEG"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=match):
            session.run(refused())
    with pytest.raises(ValueError, match="channels must be in"):
        tf.image.decode_image(contents, channels=2)
    with pytest.raises(ValueError, match="rank 3"):
        tf.image.encode_png(tf.zeros([2, 2], tf.uint8))


def png_of(picture, **options):
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def test_the_one_transparent_color_of_a_png_is_no_channel_of_its_own(session):
    grey = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    data = png_of(grey, transparency=5)
    assert session.run(tf.image.decode_png(data)).tolist() == np.asarray(grey)[..., None].tolist()
    assert session.run(tf.image.decode_png(data, 4))[1].tolist() == [[4] * 3 + [255], [5] * 3 + [0], *(
        [k] * 3 + [255] for k in (6, 7))]  # fmt: skip
    assert session.run(tf.image.decode_png(png_of(grey.convert("RGB"), transparency=(5, 5, 5)))).shape == (
        3,
        4,
        3,
    )


@pytest.mark.parametrize(("colors", "alpha"), [(2, 1), (4, 3), (16, 15), (200, 255)])
def test_pngs_of_few_bits_are_opaque_as_tensorflow_has_it(session, colors, alpha):
    picture = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).quantize(colors)
    assert np.unique(session.run(tf.image.decode_png(png_of(picture), 4))[..., 3]).tolist() == [alpha]


def test_frames_of_a_gif_lie_over_each_other_whole(session):
    frames = [Image.new("RGB", (6, 5), (9, 9, 9)) for _ in range(3)]
    for k in (1, 2):
        frames[k].paste((200, 10 * k, 0), (k, 1, k + 2, 4))
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], loop=0)
    data = file.getvalue()
    flags = data.index(b"!\xf9\4", data.index(b"!\xf9\4") + 3) + 3
    assert data[flags] & 1  # the second frame has a transparent color
    found = session.run(tf.image.decode_gif(data))
    assert found.shape == (3, 5, 6, 3) and found[1, 0, 0].tolist() == [9, 9, 9]
    plain = bytearray(data)
    plain[flags] &= ~1
    np.testing.assert_array_equal(session.run(tf.image.decode_gif(bytes(plain)))[1], found[1])


@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
def test_only_pngs_have_sixteen_bits(session, kind):
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, kind)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{kind} does not support uint16"):
        session.run(tf.image.decode_png(file.getvalue(), dtype=tf.uint16))
    if kind == "GIF":
        with pytest.raises(tf.errors.InvalidArgumentError, match="0, 3 for GIF"):
            session.run(tf.image.decode_png(file.getvalue(), 1))
