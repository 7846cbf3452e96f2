"""Local response normalisation against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_X, _DY, _Y = floats(2, 2, 3, 7), floats(2, 2, 3, 7, seed=1), floats(2, 2, 3, 7, seed=2)
_ATTRS = dict(depth_radius=2, bias=1.5, alpha=0.3, beta=0.6)


def _near(x, radius):
    n = x.shape[-1]
    return np.stack([x[..., max(0, i - radius) : i + radius + 1].sum(-1) for i in range(n)], -1)


def _lrn(x, radius=2, bias=1.5, alpha=0.3, beta=0.6):
    wide = x.astype(np.float64)
    return (wide / (bias + alpha * _near(wide**2, radius)) ** beta).astype(x.dtype)


def _lrn_grad(dy, x, y):
    norm = 1.5 + 0.3 * _near(x.astype(np.float64) ** 2, 2)
    return (dy * norm**-0.6 - 2 * 0.3 * 0.6 * x * _near(dy * y / norm, 2)).astype(x.dtype)


class TestLRN(OpSuite):
    """Single precision leaves gradients to the test below."""

    cases = (
        OpCase("LRN", [_X], _lrn, wrt=(), tolerance=1e-5, **_ATTRS),
        OpCase(
            "LRN",
            [floats(1, 2, 2, 30)],
            lambda x: _lrn(x, 9, 1.0, 1.0, 0.5),
            wrt=(),
            tolerance=1e-5,
            depth_radius=9,
        ),
        OpCase("LRN", [_X.astype(np.float16)], _lrn, wrt=(), **_ATTRS),
        OpCase("LRNGrad", [_DY, _X, _Y], _lrn_grad, wrt=(), tolerance=1e-5, **_ATTRS),
    )


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_are_those_of_the_formula(order):
    def formula(x):
        band = tf.constant(np.abs(np.subtract.outer(range(7), range(7))) <= 2)
        near = tf.tensordot(tf.square(x), tf.cast(band, x.dtype), [[3], [0]])
        return x * tf.pow(1.5 + 0.3 * near, -0.6)

    found = []
    for normalize, dtype in ((lambda x: tf.nn.lrn(x, 2, 1.5, 0.3, 0.6), tf.float32), (formula, tf.float64)):
        with tf.Graph().as_default(), tf.Session() as session:
            x = tf.constant(_X, dtype)
            level = tf.reduce_sum(normalize(x) * tf.constant(_DY, dtype))
            for _ in range(order):
                slope = tf.gradients(level, x)[0]
                level = tf.reduce_sum(tf.sin(slope))
            found.append(session.run(slope))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)
