"""Image operations against NumPy, row by row."""

import colorsys

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(2, 5, 4, 3, low=0.05, high=0.95)
_SIZES = ([3, 7], [8, 2])


def _place(i, size_in, size_out, align, half):
    scale = (size_in - 1) / (size_out - 1) if align and size_out > 1 else size_in / size_out
    return (i + 0.5) * scale - 0.5 if half else i * scale


def _linear(size_in, size_out, align, half):
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        at = _place(i, size_in, size_out, align, half)
        low = int(np.floor(at))
        matrix[i, max(low, 0)] += 1 - (at - low)
        matrix[i, min(int(np.ceil(at)), size_in - 1)] += at - low
    return matrix


def _nearest(size_in, size_out, align, half):
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        at = _place(i, size_in, size_out, align, half) + (0.5 if half else 0)
        matrix[i, min(int(np.floor(at + 0.5) if align else np.floor(at)), size_in - 1)] = 1
    return matrix


def _cubic(size_in, size_out, align, half):
    a = -0.5 if half else -0.75
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        at = _place(i, size_in, size_out, align, half)
        low = int(np.floor(at))
        offset = np.rint((at - low) * 1024) / 1024
        row = np.zeros(size_in)
        for k in (-1, 0, 1, 2):
            t = abs(offset - k)
            inner = ((a + 2) * t - (a + 3)) * t * t + 1
            weight = inner if t <= 1 else ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
            inside = 0 <= low + k < size_in
            row[min(max(low + k, 0), size_in - 1)] += weight if inside or not half else 0
        matrix[i] = row / row.sum() if half else row
    return matrix


def _area(size_in, size_out, align):
    scale = (size_in - 1) / (size_out - 1) if align and size_out > 1 else size_in / size_out
    matrix = np.zeros((size_out, size_in))
    for i in range(size_out):
        for j in range(int(np.floor(i * scale)), int(np.ceil((i + 1) * scale - 1e-9))):
            matrix[i, min(j, size_in - 1)] += min(j + 1, (i + 1) * scale) - max(j, i * scale)
    return matrix / scale


def _by(matrix, transposed=False, **modes):
    def oracle(images, size):
        before, after = images.shape[1:3], np.shape(size)[1:3] if transposed else tuple(size)
        rows, columns = (
            matrix(b, a, **modes) if not transposed else matrix(a, b, **modes).T
            for b, a in zip(before, after)
        )
        return np.einsum("rh,bhwc,kw->brkc", rows, images, columns).astype(np.float32)

    return oracle


_MODES = ((False, False), (True, False), (False, True))


class TestResize(OpSuite):
    """All resizers, as products with weight matrices; their gradients' operations as transposes of them."""

    cases = (
        *(
            OpCase(
                op,
                [_X, size],
                _by(matrix, align=align, half=half),
                tolerance=2e-3 if op == "ResizeBicubic" else 1e-5,
                wrt=() if op == "ResizeBicubic" else None,
                step=0.1,  # linear, with float32 results
                align_corners=align,
                half_pixel_centers=half,
            )
            for op, matrix in (
                ("ResizeBilinear", _linear),
                ("ResizeNearestNeighbor", _nearest),
                ("ResizeBicubic", _cubic),
            )
            for size in _SIZES
            for align, half in _MODES
        ),
        OpCase(
            "ResizeBilinear",
            [ints(1, 4, 5, 2, low=0, dtype=np.uint8), [3, 3]],
            _by(_linear, align=False, half=False),
            tolerance=1e-5,
        ),
        OpCase(
            "ResizeNearestNeighbor",
            [ints(1, 4, 5, 2), [3, 3]],
            lambda x, size: _by(_nearest, align=False, half=False)(x, size).astype(np.int32),
        ),
        *(
            OpCase(
                op,
                [floats(2, 3, 7, 3), _X],
                _by(matrix, transposed=True, align=False, half=False),
                tolerance=2e-3 if op == "ResizeBicubicGrad" else 1e-5,
                wrt=(),
            )
            for op, matrix in (("ResizeBilinearGrad", _linear), ("ResizeBicubicGrad", _cubic))
        ),
        OpCase(
            "ResizeNearestNeighborGrad",
            [floats(2, 3, 7, 3), [5, 4]],
            lambda dy, size: _by(_nearest, transposed=True, align=False, half=False)(
                dy, np.empty((2, *size, 3))
            ),
        ),
        *(
            OpCase(
                "ResizeArea", [_X, size], _by(_area, align=align), tolerance=1e-5, wrt=(), align_corners=align
            )
            for size in ([3, 7], [8, 2], [5, 4])
            for align in (False, True)
        ),
        OpCase(
            "ScaleAndTranslate",
            [_X, [5, 4], np.float32([1, 1]).tolist(), np.float32([0, 0]).tolist()],
            lambda x, *_: x,
            kernel_type="triangle",
            tolerance=1e-5,
            wrt=(),
        ),
        OpCase(
            "ScaleAndTranslate",
            [_X, [5, 4], [1.0, 1.0], [2.0, -1.0]],
            lambda x, *_: np.pad(x, [[0, 0], [2, 0], [0, 1], [0, 0]])[:, :5, 1:],
            kernel_type="box",
            tolerance=1e-5,
            wrt=(),
        ),
        OpCase(
            "ScaleAndTranslateGrad",
            [floats(2, 5, 4, 3), _X, [1.0, 1.0], [2.0, -1.0]],
            lambda dy, *_: np.pad(dy, [[0, 0], [0, 2], [1, 0], [0, 0]])[:, 2:, :4],
            kernel_type="box",
            tolerance=1e-5,
            wrt=(),
        ),
    )


def _each_pixel(function):
    return lambda x, *rest: np.apply_along_axis(lambda p: function(*p, *rest), -1, x)


def _hue(red, green, blue, delta):
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    return colorsys.hsv_to_rgb((hue + delta) % 1, saturation, value)


def _saturation(red, green, blue, scale):
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    return colorsys.hsv_to_rgb(hue, min(max(saturation * scale, 0), 1), value)


def _in_yiq(red, green, blue, delta, saturation, value):
    yiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    luma, in_phase, quadrature = yiq @ (red, green, blue)
    turned = (in_phase + 1j * quadrature) * np.exp(1j * delta) * saturation
    return value * np.linalg.solve(yiq, [luma, turned.real, turned.imag])


def _contrast(x, factor, *limits):
    mean = x.mean(axis=(-3, -2), keepdims=True)
    out = (x - mean) * factor + mean
    return np.clip(out, *limits) if limits else out


class TestColors(OpSuite):
    """Colour spaces and adjustments against `colorsys`."""

    cases = (
        OpCase("RGBToHSV", [_X], _each_pixel(colorsys.rgb_to_hsv), tolerance=1e-5, order=1),
        OpCase("RGBToHSV", [np.zeros((2, 3), np.float32)], np.zeros_like, wrt=()),
        OpCase("HSVToRGB", [_X], _each_pixel(colorsys.hsv_to_rgb), tolerance=1e-5, order=1),
        OpCase("AdjustHue", [_X, np.float32(0.3)], _each_pixel(_hue), tolerance=1e-5, wrt=()),
        OpCase("AdjustHue", [_X, np.float32(-0.8)], _each_pixel(_hue), tolerance=1e-5, wrt=()),
        OpCase("AdjustSaturation", [_X, np.float32(1.6)], _each_pixel(_saturation), tolerance=1e-5, wrt=()),
        OpCase(
            "AdjustHsvInYiq",
            [_X, np.float32(0.4), np.float32(1.3), np.float32(0.8)],
            _each_pixel(_in_yiq),
            tolerance=1e-5,
            wrt=(),
        ),
        OpCase("AdjustContrastv2", [_X, np.float32(1.6)], _contrast, tolerance=1e-5, wrt=()),
        OpCase(
            "AdjustContrast",
            [ints(5, 4, 3, low=0, high=250, dtype=np.uint8), np.float32(2), np.float32(10), np.float32(200)],
            lambda x, *rest: _contrast(x.astype(np.float32), *rest),
            tolerance=1e-4,
            wrt=(),
        ),
    )


def test_second_derivatives_of_resizing():
    """Resizing is linear, so the derivative of its gradient by the incoming one is resizing itself."""
    for name in ("resize_bilinear", "resize_nearest_neighbor", "resize_bicubic"):
        with tf.Graph().as_default(), tf.Session() as session:
            x, probe = tf.constant(_X), tf.constant(floats(*_X.shape, seed=5))
            resize = getattr(tf.image, name)
            y = resize(x, [3, 7])
            dy = tf.constant(floats(2, 3, 7, 3, seed=6))
            gradient = tf.gradients(y, x, dy)[0]
            again, want = session.run([tf.gradients(gradient, dy, probe)[0], resize(probe, [3, 7])])
        np.testing.assert_allclose(again, want, rtol=1e-4, atol=1e-5)


def test_gradients_of_crops():
    """In the direction of a random image, of random boxes, and of a random incoming gradient."""
    boxes = np.float32([[0.1, 0.2, 0.7, 0.9], [0.83, 0.9, 0.2, 0.1]])
    with tf.Graph().as_default(), tf.Session() as session:
        x, b = tf.placeholder(tf.float32, _X.shape), tf.placeholder(tf.float32, boxes.shape)
        crops = tf.image.crop_and_resize(x, b, [1, 0], [3, 2])
        dy = tf.constant(floats(2, 3, 2, 3, seed=2))
        total = tf.reduce_sum(crops * dy)
        by_image, by_boxes = session.run(tf.gradients(total, [x, b]), {x: _X, b: boxes})
        probe, turn, step = floats(*_X.shape, seed=3), floats(*boxes.shape, seed=4), 1e-3
        image = [session.run(total, {x: _X + s * step * probe, b: boxes}) for s in (1, -1)]
        moved = [session.run(total, {x: _X, b: boxes + s * step * turn}) for s in (1, -1)]
    np.testing.assert_allclose(np.sum(by_image * probe), (image[0] - image[1]) / (2 * step), rtol=1e-2)
    np.testing.assert_allclose(
        np.sum(by_boxes * turn), (moved[0] - moved[1]) / (2 * step), rtol=2e-2, atol=1e-2
    )


def test_gradient_of_contrast():
    with tf.Graph().as_default(), tf.Session() as session:
        x, factor = tf.constant(_X), tf.constant(1.6)
        dy = tf.constant(floats(*_X.shape, seed=2))
        got = session.run(tf.gradients(tf.image.adjust_contrast(x, factor), [x, factor], dy))
        mean = tf.reduce_mean(x, [1, 2], keepdims=True)
        want = session.run(tf.gradients((x - mean) * factor + mean, [x, factor], dy))
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-5)


class TestCrop(OpSuite):
    """A box that is the whole image, and one that lies outside."""

    cases = (
        OpCase(
            "CropAndResize",
            [_X, np.float32([[0, 0, 1, 1], [1, 1, 0, 0]]), np.int32([1, 0]), [5, 4]],
            lambda x, *_: np.stack([x[1], x[0, ::-1, ::-1]]),
            tolerance=1e-5,
            wrt=(),
        ),
        OpCase(
            "CropAndResize",
            [_X, np.float32([[2, 2, 3, 3]]), np.int32([1]), [2, 2]],
            lambda x, *_: np.full((1, 2, 2, 3), 7.0),
            extrapolation_value=7.0,
            wrt=(),
        ),
        OpCase(
            "CropAndResize",
            [_X, np.float32([[0, 0, 1, 1]]), np.int32([1]), [5, 4]],
            lambda x, *_: x[1:],
            method="nearest",
            wrt=(),
        ),
        OpCase(
            "CropAndResizeGradImage",
            [floats(1, 5, 4, 3), np.float32([[0, 0, 1, 1]]), np.int32([1]), [2, 5, 4, 3]],
            lambda dy, *_: np.concatenate([np.zeros_like(dy), dy]),
            T=tf.float32,
            tolerance=1e-5,
            wrt=(),
        ),
        OpCase(
            "CropAndResizeGradBoxes",
            [
                floats(1, 1, 1, 3),
                np.full((1, 3, 3, 3), 2, np.float32),
                np.float32([[0, 0, 1, 1]]),
                np.int32([0]),
            ],
            lambda dy, *_: np.zeros((1, 4)),
        ),
        OpCase(
            "ExtractGlimpse",
            [_X, [1, 2], np.float32([[2, 2], [1, 1]])],
            lambda x, *_: np.stack([x[0, 1:2, 1:3], x[1, 0:1, 0:2]]),
            centered=False,
            normalized=False,
            xla=False,
        ),
    )


def _far_apart(*extra):
    boxes = np.float32([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [5, 5, 6, 6]])
    scores = np.float32([0.5, 0.9, 0.7])
    return [boxes, scores, np.int32(3), *extra]


_HALF, _LOW = np.float32(0.5), np.float32(0.1)


class TestSuppression(OpSuite):
    """Two boxes of which one covers the other, and one apart."""

    cases = (
        OpCase("NonMaxSuppression", _far_apart(), lambda *_: np.int32([1, 2])),
        OpCase("NonMaxSuppressionV2", _far_apart(_HALF), lambda *_: np.int32([1, 2])),
        OpCase("NonMaxSuppressionV3", _far_apart(_HALF, np.float32(0.8)), lambda *_: np.int32([1])),
        OpCase("NonMaxSuppressionV4", _far_apart(_HALF, _LOW), lambda *_: [np.int32([1, 2]), np.int32(2)]),
        OpCase(
            "NonMaxSuppressionV4",
            _far_apart(_HALF, _LOW),
            lambda *_: [np.int32([1, 2, 0]), np.int32(2)],
            pad_to_max_output_size=True,
        ),
        OpCase(
            "NonMaxSuppressionV5",
            _far_apart(_HALF, _LOW, np.float32(0)),
            lambda *_: [np.int32([1, 2]), np.float32([0.9, 0.7]), np.int32(2)],
        ),
        OpCase(
            "NonMaxSuppressionWithOverlaps",
            [
                np.float32([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]),
                np.float32([0.5, 0.9, 0.7]),
                np.int32(3),
                _HALF,
                _LOW,
            ],
            lambda *_: np.int32([1, 2]),
        ),
        OpCase(
            "CombinedNonMaxSuppression",
            [
                np.float32([[[[0, 0, 1, 1]], [[0, 0.1, 1, 1.1]]]]),
                np.float32([[[0.5], [0.9]]]),
                np.int32(2),
                np.int32(2),
                _HALF,
                _LOW,
            ],
            lambda *_: [
                np.float32([[[0, 0.1, 1, 1], [0, 0, 0, 0]]]),
                np.float32([[0.9, 0]]),
                np.float32([[0, 0]]),
                np.int32([1]),
            ],
        ),
    )


def _frame(images, boxes, *_):
    out = images.copy()
    color = np.float32([1, 1, 0]) if len(_) == 0 else _[0][0]
    for image in out:
        image[0, :] = image[-1, :] = image[:, 0] = image[:, -1] = color
    return out


class TestDrawing(OpSuite):
    """A box around the whole image."""

    cases = (
        OpCase("DrawBoundingBoxes", [_X, np.float32([[[0, 0, 1, 1]]] * 2)], _frame),
        OpCase(
            "DrawBoundingBoxesV2",
            [_X, np.float32([[[0, 0, 1, 1]]] * 2), np.float32([[0.1, 0.2, 0.3]])],
            _frame,
        ),
    )


def test_refusals():
    x = tf.constant(_X)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(_X)
        with pytest.raises(ValueError, match="2 elements"):
            tf.image.resize_bilinear(x, [3])
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive"):
            session.run(tf.image.resize_bilinear(x, [0, 3]))
        with pytest.raises(tf.errors.InvalidArgumentError, match="align_corners must be False"):
            session.run(tf.image.resize_bicubic(x, [3, 3], align_corners=True, half_pixel_centers=True))
        with pytest.raises(tf.errors.OutOfRangeError, match=r"outside \[0, 2\)"):
            session.run(tf.image.crop_and_resize(x, [[0.0, 0.0, 1.0, 1.0]], [2], [2, 2]))
        with pytest.raises(ValueError, match="3 channels"):
            tf.image.rgb_to_hsv(tf.zeros([2, 4]))
        with pytest.raises(LookupError, match="ResizeArea"):
            tf.gradients(tf.image.resize_area(x, [2, 2]), x)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"must be in \[0, 1\]"):
            session.run(tf.image.non_max_suppression(np.zeros((1, 4), np.float32), [1.0], 1, 1.5))
        with pytest.raises(tf.errors.InvalidArgumentError, match="kernel type"):
            session.run(raw.ScaleAndTranslate(x, [2, 2], [1.0, 1.0], [0.0, 0.0], kernel_type="zz"))
