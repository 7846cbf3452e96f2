"""Multipliers of identities beside other parts: each is for a whole vector, as in TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

D = tf.contrib.distributions


def value(tensor):
    with tf.Session() as session:
        return session.run(tensor)


def test_a_multiplier_for_each_of_a_batch():
    normal = D.MultivariateNormalDiag([1.0, 2.0], [1.0, 2.0], [0.3, 0.1, 0.2])
    assert normal.batch_shape.as_list() == [3]
    np.testing.assert_allclose(value(normal.stddev()), [[1.3, 2.3], [1.1, 2.1], [1.2, 2.2]], rtol=1e-6)
    low = D.MultivariateNormalDiagPlusLowRank([1.0, 2.0], [1.0, 2.0], [[0.3], [0.1]])
    assert low.batch_shape.as_list() == [2, 1]
    assert low.mean().shape.as_list() == [2, 1, 2]


def test_an_affine_map_takes_one_multiplier_beside_other_parts():
    bijector = D.bijectors.Affine(scale_identity_multiplier=0.3, scale_diag=[1.0, 2.0])
    np.testing.assert_allclose(value(bijector.forward([1.0, 1.0])), [1.3, 2.3], rtol=1e-6)
    with pytest.raises(ValueError, match="must be a scalar"):
        D.bijectors.Affine(scale_identity_multiplier=[0.3, 0.1], scale_diag=[1.0, 2.0])


def test_what_chooses_components_is_over_integers():
    with pytest.raises(ValueError, match="over integers"):
        D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal([0.0, 3.0], 1.0))
    with pytest.raises(ValueError, match="one dtype"):
        D.WishartFull(df=tf.constant(5.0, tf.float64), scale=np.eye(2, dtype=np.float32))
