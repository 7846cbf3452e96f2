"""JPEG files as libjpeg-turbo decodes them: DCTs, upsampling, scales, inks, files that were cut off."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import millrace as tf
from millrace.opkit.image import jpeg, png


def _picture(height: int = 33, width: int = 47) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 5 % 256, y * 7 % 256, (x + y) * 3 % 256], -1).astype(np.uint8)


def _file(pixels: np.ndarray, mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels, mode).save(out, "JPEG", quality=80, **options)
    return out.getvalue()


def _by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_the_exact_transform_is_pillows() -> None:
    data = _file(_picture())
    np.testing.assert_array_equal(jpeg.decode(data, 0, method="INTEGER_ACCURATE"), _by_pillow(data))


@pytest.mark.skipif(jpeg.simplejpeg is None, reason="has no wheel here")
def test_the_fast_transform_is_another_and_the_default() -> None:
    data = _file(_picture())
    fast, exact = jpeg.decode(data, 0).astype(int), _by_pillow(data).astype(int)
    assert 0 < np.abs(fast - exact).max() <= 24
    np.testing.assert_array_equal(fast, jpeg.decode(data, 0, method="INTEGER_FAST"))


@pytest.mark.skipif(jpeg.simplejpeg is None, reason="has no wheel here")
def test_plain_upsampling_repeats_colours() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, 8:, 0] = 255
    data = _file(pixels)
    smooth, plain = jpeg.decode(data, 0), jpeg.decode(data, 0, fancy=False)
    assert (smooth != plain).any()
    np.testing.assert_array_equal(plain[:, ::2].astype(int) // 32, plain[:, 1::2].astype(int) // 32)


@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
@pytest.mark.parametrize(("height", "width"), [(33, 47), (1, 1), (7, 5), (64, 64)])
def test_sizes_round_up(ratio: int, height: int, width: int) -> None:
    found = jpeg.decode(_file(_picture(height, width)), 0, ratio)
    assert found.shape == (-(-height // ratio), -(-width // ratio), 3)


def test_grey_and_inks() -> None:
    grey = _file(_picture()[..., 0], "L")
    assert jpeg.decode(grey, 0).shape == (33, 47, 1)
    np.testing.assert_array_equal(jpeg.decode(grey, 3), np.repeat(jpeg.decode(grey, 0), 3, -1))
    inks = np.dstack([_picture(), np.full((33, 47), 40, np.uint8)])
    data = _file(inks, "CMYK")
    wanted = (255 - inks[..., :3].astype(int)) * (255 - 40) // 255
    assert np.abs(jpeg.decode(data, 3).astype(int) - wanted).mean() < 12
    with pytest.raises(tf.errors.InvalidArgumentError, match="four inks"):
        jpeg.decode(data, 1)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_files_that_were_cut_off(mode: str) -> None:
    pixels = _picture(64, 64)
    data = _file(pixels if mode == "RGB" else pixels[..., 0], mode)
    whole = jpeg.decode(data, 0)
    for share in (0.6, 0.8, 1.0):
        cut = data[: int(len(data) * share) - 2]
        with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid JPEG data"):
            jpeg.decode(cut, 0)
        filled = jpeg.decode(cut, 0, recover=True)
        partly = jpeg.decode(cut, 0, fraction=0.1)
        rows = int((partly == whole).all((1, 2)).sum())
        assert filled.shape == partly.shape == whole.shape and rows >= 6
        np.testing.assert_array_equal(partly[:rows], whole[:rows])
        np.testing.assert_array_equal(partly[rows:], 0)
        with pytest.raises(tf.errors.InvalidArgumentError):
            jpeg.decode(cut, 0, fraction=0.99)


def test_damage_in_the_middle_is_passed_over() -> None:
    data = bytearray(_file(_picture(64, 64)))
    data[len(data) * 2 // 3] ^= 0x55
    assert jpeg.decode(bytes(data), 0).shape == (64, 64, 3)


def test_grey_of_a_png_that_tells_its_gamma() -> None:
    colours = np.array([[[200, 10, 10], [9, 9, 9]]], np.uint8)
    plain = png.encode(colours)
    chunk = png._chunk(b"gAMA", (45455).to_bytes(4, "big"))
    with tf.Session() as sess:
        found = [
            sess.run(tf.image.decode_png(data, channels=1)).ravel().tolist()
            for data in (plain, plain[:33] + chunk + plain[33:])
        ]
    assert found == [[66, 9], [116, 9]]
