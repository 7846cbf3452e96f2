"""Composed image functions against NumPy; `tests/ops/image/test_golden.py` has them against TensorFlow."""

import numpy as np
import pytest

import millrace as tf

_X = np.random.default_rng(0).random((2, 5, 8, 3)).astype(np.float32)


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def _fed(array):
    return tf.placeholder(array.dtype, [None] * (array.ndim - 1) + [array.shape[-1]])


def _each(array):
    """A batch and a single image, as constants and fed with unknown sizes."""
    for pixels in (array, array[0]):
        yield pixels, tf.constant(pixels), {}
        placeholder = _fed(pixels)
        yield pixels, placeholder, {placeholder: pixels}


def test_mirrors_and_turns(session):
    for pixels, image, feed in _each(_X):
        rows, columns = pixels.ndim - 3, pixels.ndim - 2
        for function, want in (
            (tf.image.flip_left_right, np.flip(pixels, columns)),
            (tf.image.flip_up_down, np.flip(pixels, rows)),
            (tf.image.transpose_image, np.swapaxes(pixels, rows, columns)),
            *(
                ((lambda x, k=k: tf.image.rot90(x, k)), np.rot90(pixels, k, (rows, columns)))
                for k in range(-1, 6)
            ),
            (
                lambda x: tf.image.rot90(x, tf.placeholder_with_default(3, [])),
                np.rot90(pixels, 3, (rows, columns)),
            ),
        ):
            np.testing.assert_array_equal(session.run(function(image), feed), want)


def test_random_mirrors_mirror_half_of_the_images(session):
    batch = tf.image.random_flip_left_right(np.tile(_X[:1], (200, 1, 1, 1)), seed=1)
    flipped = np.array([np.array_equal(x, _X[0, :, ::-1]) for x in session.run(batch)])
    assert 60 < flipped.sum() < 140


def test_crops_and_pads(session):
    for pixels, image, feed in _each(_X):
        front = [[0, 0]] * (pixels.ndim - 3)
        window = tf.image.crop_to_bounding_box(image, 1, 2, 3, 4)
        np.testing.assert_array_equal(session.run(window, feed), pixels[..., 1:4, 2:6, :])
        padded = tf.image.pad_to_bounding_box(image, 1, 2, 9, 12)
        want = np.pad(pixels, [*front, [1, 3], [2, 2], [0, 0]])
        np.testing.assert_array_equal(session.run(padded, feed), want)
        assert padded.shape.as_list()[-3:] == [9, 12, 3]
        for height, width in ((3, 12), (9, 4), (5, 8)):
            got = session.run(tf.image.resize_image_with_crop_or_pad(image, height, width), feed)
            assert got.shape[-3:] == (height, width, 3)
        np.testing.assert_array_equal(got, pixels)
        middle = session.run(tf.image.central_crop(image, 0.5), feed)
        np.testing.assert_array_equal(middle, pixels[..., 1:4, 2:6, :])


def test_sizes(session):
    for pixels, image, feed in _each(_X):
        batch = pixels.shape[:-3]
        for method in range(4):
            resized = tf.image.resize_images(image, [4, 6], method)
            assert session.run(resized, feed).shape == (*batch, 4, 6, 3)
            assert resized.shape.as_list()[-3:] == [4, 6, 3]
        kept = session.run(tf.image.resize_images(image, [10, 10], preserve_aspect_ratio=True), feed)
        assert kept.shape == (*batch, 6, 10, 3)
        fitted = session.run(tf.image.resize_image_with_pad(image, 10, 10), feed)
        assert fitted.shape == (*batch, 10, 10, 3)
        assert not fitted[..., :1, :, :].any() and fitted[..., 3:7, :, :].all()
    same = tf.constant(_X)
    assert tf.image.resize_images(same, [5, 8]) is same
    assert tf.image.resize_images(_X, [4, 6], name="r").name.startswith("r/")


def test_conversions(session):
    pixels = np.arange(256, dtype=np.uint8)
    real, wide, back = session.run(
        [
            tf.image.convert_image_dtype(pixels, tf.float32),
            tf.image.convert_image_dtype(pixels, tf.uint16),
            tf.image.convert_image_dtype(tf.image.convert_image_dtype(pixels, tf.float32), tf.uint8),
        ]
    )
    np.testing.assert_allclose(real, pixels / 255, rtol=1e-6)
    assert np.array_equal(wide, pixels.astype(np.uint16) * 256)
    assert np.array_equal(back, pixels)


def test_adjustments_at_random_stay_in_their_ranges(session):
    x = tf.constant(_X)
    values = session.run(
        [
            tf.image.random_brightness(x, 0.1) - x,
            tf.image.random_contrast(x, 0.5, 1.5),
            tf.image.random_hue(x, 0.1),
            tf.image.random_saturation(x, 0.5, 1.5),
        ]
    )
    assert abs(values[0]).max() <= 0.1001 and np.ptp(values[0]) < 1e-5
    quality = session.run(tf.image.random_jpeg_quality(_X[0], 60, 90))
    assert quality.shape == _X[0].shape and quality.dtype == np.float32
    worse, better = session.run([tf.image.adjust_jpeg_quality(_X[0], q) for q in (5, 99)])
    assert np.abs(worse - _X[0]).mean() > np.abs(better - _X[0]).mean()


def test_color_spaces_undo_each_other(session):
    yiq, yuv, hsv = session.run(
        [
            tf.image.yiq_to_rgb(tf.image.rgb_to_yiq(_X)),
            tf.image.yuv_to_rgb(tf.image.rgb_to_yuv(_X)),
            tf.image.hsv_to_rgb(tf.image.rgb_to_hsv(_X)),
        ]
    )
    for value in (yiq, yuv, hsv):
        np.testing.assert_allclose(value, _X, atol=1e-4)
    gray = session.run(tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(_X)))
    np.testing.assert_allclose(
        gray, np.repeat(_X @ np.float32([[0.2989], [0.587], [0.114]]), 3, -1), rtol=1e-5
    )


def test_standardization(session):
    for pixels, image, feed in _each(_X):
        axes = tuple(range(pixels.ndim - 3, pixels.ndim))
        want = (pixels - pixels.mean(axes, keepdims=True)) / pixels.std(axes, keepdims=True)
        got = session.run(tf.image.per_image_standardization(image), feed)
        np.testing.assert_allclose(got, want, atol=1e-4)
    flat = session.run(tf.image.per_image_standardization(np.ones((3, 3, 1), np.float32)))
    assert not flat.any()


def test_quality(session):
    other = np.clip(_X + 0.1, 0, 1)
    variation, ratio, down, across = session.run(
        [
            tf.image.total_variation(_X),
            tf.image.psnr(_X, other, 1.0),
            *tf.image.image_gradients(tf.constant(_X)),
        ]
    )
    want = abs(np.diff(_X, axis=1)).sum((1, 2, 3)) + abs(np.diff(_X, axis=2)).sum((1, 2, 3))
    np.testing.assert_allclose(variation, want, rtol=1e-5)
    np.testing.assert_allclose(ratio, -10 * np.log10(((_X - other) ** 2).mean((1, 2, 3))), rtol=1e-4)
    np.testing.assert_array_equal(down[:, :-1], np.diff(_X, axis=1))
    np.testing.assert_array_equal(across[:, :, :-1], np.diff(_X, axis=2))
    assert not down[:, -1].any() and not across[:, :, -1].any()


def test_similarity_of_equal_images_is_one(session):
    image = np.random.default_rng(1).random((2, 25, 26, 2)).astype(np.float32)
    once, scales = session.run(
        [
            tf.image.ssim(image, image, 1.0),
            tf.image.ssim_multiscale(image, image, 1.0, power_factors=(0.5, 0.5)),
        ]
    )
    np.testing.assert_allclose(once, 1, rtol=1e-5)
    np.testing.assert_allclose(scales, 1, rtol=1e-5)


def test_refusals(session):
    x, open_ = tf.constant(_X), _fed(_X)
    for function, match in (
        (lambda: tf.image.flip_left_right(tf.zeros([3, 3])), "3 or 4 dimensions"),
        (lambda: tf.image.central_crop(x, 0.0), r"\(0, 1\]"),
        (lambda: tf.image.crop_to_bounding_box(x, 0, 0, 6, 1), "height must be >= target"),
        (lambda: tf.image.crop_to_bounding_box(x, 0, -1, 1, 1), "offset_width"),
        (lambda: tf.image.pad_to_bounding_box(x, 0, 0, 4, 9), "height must be <= target"),
        (lambda: tf.image.resize_image_with_crop_or_pad(x, 0, 3), "target_height must be > 0"),
        (lambda: tf.image.resize_images(x, [3]), "2 elements"),
        (lambda: tf.image.resize_images(x, [3, 3.5]), "1-D int32"),
        (lambda: tf.image.resize_images(x, [3, 3], method=9), "not implemented"),
        (lambda: tf.image.resize_images(tf.placeholder(tf.float32), [3, 3]), "contains no shape"),
        (lambda: tf.image.random_contrast(x, 2.0, 1.0), "upper must be > lower"),
        (lambda: tf.image.random_brightness(x, -1.0), "non-negative"),
        (lambda: tf.image.random_hue(x, 0.7), "<= 0.5"),
        (lambda: tf.image.random_jpeg_quality(x, 50, 30), "less than"),
        (lambda: tf.image.adjust_gamma(x, -1.0), "non-negative"),
        (lambda: tf.image.grayscale_to_rgb(x), "size 1"),
        (lambda: tf.image.total_variation(tf.zeros([3])), "3 or 4"),
        (lambda: tf.image.psnr(x, x[:, 1:], 1.0), "same inner shape"),
        (lambda: tf.image.image_gradients(x[0]), "4D"),
    ):
        with pytest.raises(ValueError, match=match):
            function()
    with pytest.raises(tf.errors.InvalidArgumentError, match="target"):
        session.run(tf.image.crop_to_bounding_box(open_, 0, 0, 6, 1), {open_: _X})


def test_one_turned_image_is_a_batch_first():
    turned = tf.contrib.image.rotate(tf.zeros([5, 6]), 0.5, name="r")
    assert turned.op.name == "r/strided_slice_5" and turned.shape.as_list() == [5, 6]
