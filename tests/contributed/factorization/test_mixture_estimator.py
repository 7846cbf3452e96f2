"""`GMM`, with the numbers of TensorFlow 1.15.5."""

from __future__ import annotations

import numpy as np

import millrace as tf

F = tf.contrib.factorization
RANDOM = np.random.RandomState(0)
POINTS = np.concatenate(
    [RANDOM.randn(20, 2) * 0.3 + [2, 2], RANDOM.randn(20, 2) * 0.3 - [2, 0]],
    dtype=np.float32,
    casting="unsafe",
)


def points():
    return tf.constant(POINTS), None


def test_a_mixture_is_trained_and_read(tmp_path):
    config = tf.contrib.learn.RunConfig(tf_random_seed=2)
    model = F.GMM(2, str(tmp_path), initial_clusters=POINTS[[0, 25]], random_seed=4, config=config)
    model.fit(input_fn=points, steps=8)
    np.testing.assert_allclose(model.clusters(), [[2.158, 2.0295], [-2.1634, -0.0608]], atol=1e-3)
    wanted = [[[0.1064, -0.0013], [-0.0013, 0.0913]], [[0.0526, -0.0193], [-0.0193, 0.0623]]]
    np.testing.assert_allclose(model.covariances(), wanted, atol=1e-3)
    np.testing.assert_allclose(model.weights(), [0.5, 0.5], atol=1e-5)
    names = ["alphas", "clusters", "clusters_covs", "global_step", "initialized"]
    assert sorted(model.get_variable_names()) == names
    assert list(model.predict_assignments(input_fn=points)) == [0] * 20 + [1] * 20
    assert abs(model.score(input_fn=points, steps=1) - 3.16468) < 1e-3
    found = model.evaluate(input_fn=points, steps=2)
    assert found["scores"].shape == (40, 1) and abs(found["scores"][0, 0] - 2 * -0.9142) < 1e-3
    # Training goes on where it was.
    model.fit(input_fn=points, steps=1)
    np.testing.assert_allclose(model.clusters()[0], [2.158, 2.0295], atol=1e-3)


def test_random_means_are_those_of_1_15():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        *_, begin, done = F.gmm(tf.constant(POINTS), "random", 2, 4)
        session.run(tf.global_variables_initializer())
        session.run(begin)
        assert session.run(done)
        means = session.run("clusters:0")
    np.testing.assert_array_equal(means[:, 0], POINTS[[24, 5]])
