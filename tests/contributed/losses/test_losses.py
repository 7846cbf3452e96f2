"""Tests of tf.contrib.losses against their formulas."""

import numpy as np
import pytest

import millrace as tf

L = tf.contrib.losses
_rng = np.random.default_rng(1)
_A = _rng.normal(size=[4, 3]).astype(np.float32)
_B = _rng.normal(size=[4, 3]).astype(np.float32)


def _value(make):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(make())


def test_weights_count_by_element():
    weights = np.array([1.0, 0.0, 2.0, 0.0], np.float32)
    squares = (_A - _B) ** 2
    expected = (squares.sum(1) * weights).sum() / (2 * 3)
    np.testing.assert_allclose(_value(lambda: L.mean_squared_error(_A, _B, weights)), expected, rtol=1e-6)
    np.testing.assert_allclose(_value(lambda: L.mean_squared_error(_A, _B)), squares.mean(), rtol=1e-6)
    assert _value(lambda: L.absolute_difference(_A, _B, 0.0)) == 0


def test_pairwise_errors():
    expected = 0.0
    for a, b in zip(_A, _B, strict=True):
        pairs = [((a[i] - a[j]) - (b[i] - b[j])) ** 2 for i in range(3) for j in range(3)]
        expected += np.sum(pairs) / 9
    got = _value(lambda: L.mean_pairwise_squared_error(_A, _B))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_losses_join_the_collection():
    with tf.Graph().as_default():
        one = L.mean_squared_error(_A, _B)
        assert tf.losses.get_losses() == L.get_losses() == [one]
        with pytest.raises(ValueError):
            L.mean_squared_error(_A, _B[:2])
        with pytest.raises(ValueError, match="Received"):
            L.compute_weighted_loss(tf.placeholder(tf.float32))
        with pytest.raises(ValueError, match="axis"):
            L.cosine_distance(_A, _B)
        assert L.get_losses() == [one]


def test_triplets_by_hand():
    points = np.array([[0.0], [1.0], [3.0]], np.float32)
    labels = np.array([0, 0, 1])
    # pairs (0, 1) and (1, 0): the nearest farther other is at 9 and at 4, the pair at 1
    expected = (max(0, 5 + 1 - 9) + max(0, 5 + 1 - 4)) / 2
    got = _value(lambda: L.metric_learning.triplet_semihard_loss(labels, points, margin=5.0))
    np.testing.assert_allclose(got, expected)


def test_labels_shared_or_not():
    labels = [0, 1, 2, 3]
    one = _value(lambda: L.metric_learning.npairs_loss(labels, _A, _B))

    def several():
        sparse = [tf.SparseTensor([[n]], tf.constant([1], tf.int64), [4]) for n in labels]
        return L.metric_learning.npairs_loss_multilabel(sparse, _A, _B)

    np.testing.assert_allclose(_value(several), one, rtol=1e-6)
    near = _value(lambda: L.metric_learning.contrastive_loss([1, 1, 1, 1], _A, _A))
    far = _value(lambda: L.metric_learning.contrastive_loss([0, 0, 0, 0], _A, _A + 10))
    assert near == 0 and far == 0


def test_several_labels_are_indicators():
    labels = [[0], [0, 2], [1], [1, 2]]
    anchors = np.arange(8, dtype=np.float32).reshape(4, 2) / 7

    def loss():
        sparse = [tf.SparseTensor([[n] for n in own], [1] * len(own), [3]) for own in labels]
        found = L.metric_learning.npairs_loss_multilabel(sparse, anchors, anchors[::-1].copy())
        assert found.op.name.startswith("NpairsLossMultiLabel/")
        assert len(found.graph.get_operations()) == 245
        return found

    np.testing.assert_allclose(_value(loss), 1.6251546, rtol=1e-6)
