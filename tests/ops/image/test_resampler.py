"""Resampler against NumPy, with its gradient."""

import numpy as np

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_DATA = floats(2, 4, 3, 2)
_WARP = np.random.default_rng(0).uniform(-1.5, 4.5, (2, 5, 2)).astype(np.float32)


def _read(data, warp):
    out = np.zeros((*warp.shape[:2], data.shape[3]))
    for b, p in np.ndindex(*warp.shape[:2]):
        x, y = warp[b, p]
        for i in range(data.shape[1]):
            for j in range(data.shape[2]):
                out[b, p] += max(0, 1 - abs(y - i)) * max(0, 1 - abs(x - j)) * data[b, i, j]
    return out


class TestResampler(OpSuite):
    cases = (OpCase("Resampler", [_DATA, _WARP], _read, order=1, tolerance=1e-5),)


def test_places_outside_and_shape():
    warp = tf.constant([[[[0.0, 1.5]], [[-1.0, 0.0]]]])
    y = tf.contrib.resampler.resampler(tf.constant(_DATA[:1]), warp)
    assert y.shape.as_list() == [1, 2, 1, 2]
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(y)[0, 1, 0], [0, 0])
