"""Cross products, traces and index sums against NumPy."""

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from ops.opcases import OpCase, OpSuite, floats, ints


class TestSmallProducts(OpSuite):
    """Cross and Einsum."""

    cases = (
        OpCase("Cross", [floats(2, 3), floats(2, 3, seed=1)], np.cross),
        OpCase("Cross", [ints(3), ints(3, seed=1)], np.cross),
        OpCase(
            "Einsum",
            [(floats(2, 3), floats(3, 4))],
            lambda t: np.einsum("ij,jk->ki", *t),
            equation="ij,jk->ki",
            wrt=(),
        ),
        OpCase("Einsum", [(floats(3, 3),)], lambda t: np.einsum("ii->i", *t), equation="ii->i", wrt=()),
    )


def test_gradient_of_einsum():
    a, b = floats(2, 3, dtype=np.float64), floats(3, 4, dtype=np.float64)
    with tf.Graph().as_default(), tf.Session() as session:
        x, y = tf.constant(a), tf.constant(b)
        got = session.run(tf.gradients(raw.Einsum([x, y], equation="ij,jk->ki"), [x, y]))
    np.testing.assert_allclose(got[0], np.ones((2, 4)) @ b.T)
    np.testing.assert_allclose(got[1], a.T @ np.ones((2, 4)))


def test_trace():
    x = floats(2, 3, 4)
    with tf.Graph().as_default(), tf.Session() as session:
        np.testing.assert_allclose(session.run(tf.trace(x)), np.trace(x, axis1=1, axis2=2), rtol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="3 components"):
        tf.cross(tf.zeros([2, 4]), tf.zeros([2, 4]))
