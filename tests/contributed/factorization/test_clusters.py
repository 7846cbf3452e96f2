"""Tests of k-means and of mixtures of Gaussians."""

import numpy as np
import pytest

import millrace as tf

F = tf.contrib.factorization
_rng = np.random.default_rng(3)
_X = np.concatenate([_rng.normal(0, 0.3, (20, 2)), _rng.normal(4, 0.3, (20, 2))]).astype(np.float32)


@pytest.mark.parametrize("metric", ["squared_euclidean", "cosine"])
@pytest.mark.parametrize("batch", [(False, 1), (True, 1), (True, 2)])
@pytest.mark.parametrize("first", ["random", "kmeans_plus_plus", "kmc2", [[0.1, 0.0], [3.0, 3.0]]])
def test_k_means(first, batch, metric):
    model = F.KMeans(
        tf.constant(_X), 2, first, metric, batch[0], batch[1], random_seed=3, kmc2_chain_length=10
    )
    scores, numbers, distances, there, begin, train = model.training_graph()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(2):
            session.run(begin)
        assert session.run(there)
        before = session.run(distances[0]).sum()
        for _ in range(4):
            session.run(train)
        every, nearest, after = session.run([scores[0], numbers[0], distances[0]])
    np.testing.assert_array_equal(nearest, every.argmin(1))
    np.testing.assert_allclose(after, every.min(1), atol=1e-4)
    assert after.sum() <= before + 1e-3


def test_whole_passes_find_the_means():
    model = F.KMeans(tf.constant(_X), 2, [[0.1, 0.0], [3.0, 3.0]])
    *_, begin, train = model.training_graph()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(begin)
        session.run(train)
        centres = session.run(tf.global_variables()[0])
    np.testing.assert_allclose(centres, [_X[:20].mean(0), _X[20:].mean(0)], rtol=1e-4)
    with pytest.raises(ValueError, match="metric"):
        F.KMeans(_X, 2, distance_metric="x")
    with pytest.raises(ValueError, match="initialization"):
        F.KMeans(_X, 2, "x")


def test_nearest_neighbors():
    find = F.python.ops.clustering_ops.nearest_neighbors
    with tf.Session() as session:
        places, far = session.run(find(_X[:1], _X[[0, 1, 30]], 2))
        assert places[0, 0] == 0 and far.shape == (1, 2)
        with pytest.raises(tf.errors.InvalidArgumentError, match="positive"):
            session.run(find(_X, _X, 0))


@pytest.mark.parametrize("kind", ["full", "diag"])
def test_mixture(kind):
    likelihood, scores, assigned, train, begin, there = F.gmm(
        tf.constant(_X), [[0.5, 0.5], [3.0, 3.0]], 2, 1, covariance_type=kind
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(begin)
        assert session.run(there)
        first = session.run(scores).sum()
        for _ in range(5):
            session.run(train)
        got, classes, total = session.run([scores, assigned[0][0], likelihood])
        weights = session.run(next(v for v in tf.global_variables() if v.op.name == "alphas"))
    assert got.sum() > first
    np.testing.assert_allclose(total, np.log(np.exp(got).sum()), rtol=1e-4)
    np.testing.assert_array_equal(classes, [0] * 20 + [1] * 20)
    np.testing.assert_allclose(weights, [0.5, 0.5], atol=1e-3)
    with pytest.raises(Exception, match="covariance"):
        F.gmm(tf.constant(_X), "random", 2, 1, covariance_type="x")


def test_what_is_trainable():
    points = tf.constant(np.random.RandomState(0).randn(12, 2).astype(np.float32))
    tf.contrib.factorization.KMeans(points, 3).training_graph()
    names = [v.op.name for v in tf.trainable_variables()]
    assert names[:2] == ["clusters", "initialized"] and len(names) == len(tf.global_variables())
    with tf.Graph().as_default():
        tf.contrib.factorization.gmm(np.zeros([4, 2], np.float32), np.eye(2, dtype=np.float32), 2, 1)
        names = [v.op.name for v in tf.trainable_variables()]
        assert names == ["clusters", "clusters_covs", "alphas", "initialized"]
