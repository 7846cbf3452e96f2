"""The initializers of `tf.compat.v2`: a seed alone decides their numbers."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

V2 = tf.compat.v2.initializers


def run(x):
    with tf.Session(graph=x.graph) as sess:
        return sess.run(x)


@pytest.mark.parametrize(
    ("make", "first"),
    [  # recorded from TensorFlow 1.15.5
        (lambda: V2.VarianceScaling(seed=1), 0.1018),
        (lambda: V2.glorot_uniform(seed=1), 0.9271),
        (lambda: V2.glorot_normal(seed=1), 0.1018),
        (lambda: V2.TruncatedNormal(seed=1), 0.0063),
        (lambda: V2.RandomNormal(seed=1), 0.0063),
        (lambda: V2.RandomUniform(seed=1), 0.0378),
        (lambda: V2.he_normal(seed=1), 0.1440),
        (lambda: V2.lecun_uniform(seed=1), 0.9271),
        (lambda: V2.zeros(), 0.0),
        (lambda: V2.ones(), 1.0),
        (lambda: V2.constant(5), 5.0),
        (lambda: V2.identity(2.0), 2.0),
    ],
)
def test_first_number(make, first):
    initializer = make()
    with tf.Graph().as_default():
        values = run(initializer((2, 2), tf.float32))
        again = run(type(initializer).from_config(initializer.get_config())((2, 2), tf.float32))
    assert values[0, 0] == pytest.approx(first, abs=1e-4)
    assert values.tolist() == again.tolist()


def test_orthogonal_and_refusals():
    with tf.Graph().as_default():
        q = run(V2.orthogonal(seed=1)((3, 2)))
        drawn = run(V2.VarianceScaling(distribution="untruncated_normal")((4, 4)))
        np.testing.assert_allclose(q.T @ q, np.eye(2), atol=1e-5)
        assert np.ptp(drawn) > 0
        with pytest.raises(ValueError, match="scale"):
            V2.VarianceScaling(scale=-1.0)
        with pytest.raises(ValueError, match="two-dimensional"):
            V2.orthogonal()((3,))
        with pytest.raises(ValueError, match="2D"):
            V2.identity()((3,))
        with pytest.raises(ValueError, match="numeric or boolean"):
            V2.ones()((2,), tf.string)
        with pytest.raises(TypeError, match="initial value"):
            V2.constant(object())


def test_names():
    assert tf.compat.v2.zeros_initializer is V2.Zeros is V2.zeros
    assert tf.compat.v2.losses.Huber is tf.keras.losses.Huber
    assert tf.compat.v2.optimizers.schedules is not None
    split = tf.compat.v2.strings.split(["a b"])
    assert isinstance(split, tf.RaggedTensor)
