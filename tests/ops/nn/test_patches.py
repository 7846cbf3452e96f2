"""Windows laid out as channels against a loop over windows."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints


def _patches(sizes, strides, rates, padding):
    def oracle(x):
        reach = [(k - 1) * r + 1 for k, r in zip(sizes, rates)]
        border = [(0, 0)]
        counts = []
        for n, e, s in zip(x.shape[1:-1], reach, strides):
            count = -(-n // s) if padding == "SAME" else max(0, (n - e) // s + 1)
            missing = max(0, (count - 1) * s + e - n) if padding == "SAME" else 0
            border.append((missing // 2, missing - missing // 2))
            counts.append(count)
        x = np.pad(x, [*border, (0, 0)])
        out = np.zeros((len(x), *counts, int(np.prod(sizes)) * x.shape[-1]), x.dtype)
        for place in np.ndindex(*counts):
            key = [slice(p * s, p * s + e, r) for p, s, e, r in zip(place, strides, reach, rates)]
            out[(slice(None), *place)] = x[(slice(None), *key)].reshape(len(x), -1)
        return out

    return oracle


def _image(x, sizes, strides, rates, padding):
    attrs = {"ksizes": [1, *sizes, 1], "strides": [1, *strides, 1], "rates": [1, *rates, 1]}
    return OpCase(
        "ExtractImagePatches",
        [x],
        _patches(sizes, strides, rates, padding),
        padding=padding,
        order=1,
        **attrs,
    )


class TestPatches(OpSuite):
    """Images and volumes."""

    cases = (
        _image(floats(2, 5, 6, 3), (3, 2), (1, 2), (1, 1), "VALID"),
        _image(floats(2, 5, 6, 3), (2, 3), (2, 1), (2, 1), "SAME"),
        _image(ints(1, 4, 4, 1), (2, 2), (1, 1), (1, 1), "SAME"),
        _image(floats(1, 2, 2, 1), (3, 3), (1, 1), (1, 1), "VALID"),
        OpCase(
            "ExtractVolumePatches",
            [floats(1, 4, 3, 4, 2)],
            _patches((2, 2, 2), (1, 1, 2), (1, 1, 1), "SAME"),
            order=1,
            ksizes=[1, 2, 2, 2, 1],
            strides=[1, 1, 1, 2, 1],
            padding="SAME",
        ),
    )

    # the gradient needs the spatial shape, so that shapes known in part are tested for values only
    def test_gradient(self, case):
        if case.expected()[0].size:
            super().test_gradient(case)


def test_gradient_of_an_unknown_batch():
    x = tf.placeholder(tf.float32, [None, 3, 3, 1])
    y = tf.extract_image_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    with tf.Session() as session:
        found = session.run(tf.gradients(y, x)[0], {x: floats(2, 3, 3, 1)})
    assert found[1, :, :, 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_batch_and_channels_stay_alone():
    with pytest.raises(ValueError, match="batch and channels"):
        tf.extract_image_patches(tf.zeros([1, 4, 4, 1]), [2, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME")
    with pytest.raises(ValueError, match="not both"):
        tf.extract_image_patches(tf.zeros([1, 4, 4, 1]), [1, 2, 2, 1], sizes=[1, 2, 2, 1])
