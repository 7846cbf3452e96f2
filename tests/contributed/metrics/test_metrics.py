"""Tests of tf.contrib.metrics against NumPy."""

import numpy as np
import pytest

import millrace as tf

M = tf.contrib.metrics
_rng = np.random.default_rng(2)
_X = _rng.normal(size=30).astype(np.float32)
_Y = (0.5 * _X + _rng.normal(size=30)).astype(np.float32)


def _streamed(make, *batches):
    """The value of a metric after all batches."""
    with tf.Graph().as_default(), tf.Session() as session:
        fed = [tf.placeholder(tf.as_dtype(b[0].dtype), b[0].shape) for b in batches]
        value, update = make(*fed)
        session.run([tf.local_variables_initializer()])
        for batch in zip(*batches, strict=True):
            session.run(update, dict(zip(fed, batch, strict=True)))
        return session.run(value)


def test_correlation_in_batches():
    x, y = np.split(_X, 3), np.split(_Y, 3)
    got = _streamed(M.streaming_pearson_correlation, x, y)
    np.testing.assert_allclose(got, np.corrcoef(_X, _Y)[0, 1], rtol=1e-4)
    np.testing.assert_allclose(_streamed(M.streaming_covariance, x, y), np.cov(_X, _Y)[0, 1], rtol=1e-4)


def test_everything_seen():
    parts = [np.arange(6, dtype=np.int32).reshape(2, 3) + i for i in range(4)]
    got = _streamed(lambda v: M.streaming_concat(v, axis=1), parts)
    np.testing.assert_array_equal(got, np.concatenate(parts, 1))
    got = _streamed(lambda v: M.streaming_concat(v, max_size=5), parts)
    np.testing.assert_array_equal(got, np.concatenate(parts)[:5])


def test_curves():
    labels = (_Y > 0).astype(np.float32)
    scores = 1 / (1 + np.exp(-_X))
    batches = np.split(labels, 3), np.split(scores.astype(np.float32), 3)
    best = _streamed(M.f1_score, *batches)
    by_hand = []
    for t in np.linspace(0, 1, 200):
        hit = ((scores > t) & (labels > 0)).sum()
        wrong = (scores > t).sum() + (labels > 0).sum()
        by_hand.append(2 * hit / max(wrong, 1))
    np.testing.assert_allclose(best, max(by_hand), atol=1e-3)
    rate = _streamed(lambda a, b: M.streaming_false_positive_rate_at_thresholds(b, a, [0.5]), *batches)
    np.testing.assert_allclose(
        rate, [((scores > 0.5) & (labels == 0)).sum() / (labels == 0).sum()], rtol=1e-5
    )
    rough = _streamed(lambda a, b: M.auc_using_histogram(tf.cast(a, tf.bool), b, [0.0, 1.0]), *batches)
    exact = _streamed(lambda a, b: tf.metrics.auc(a, b), *batches)
    np.testing.assert_allclose(rough, exact, atol=0.02)


def test_kappa_and_counts():
    a, b = _rng.integers(0, 3, 30), _rng.integers(0, 3, 30)
    agreed = (a == b).mean()
    chance = sum((a == k).mean() * (b == k).mean() for k in range(3))
    got = _streamed(lambda x, y: M.cohen_kappa(x, y, 3), np.split(a, 3), np.split(b, 3))
    np.testing.assert_allclose(got, (agreed - chance) / (1 - chance))
    assert _streamed(M.count, np.split(_X, 3)) == 30
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="Received: float32"):
            M.accuracy(_X, _Y)
        with pytest.raises(ValueError, match="Received: 3"):
            M.precision_at_recall([1.0], [0.5], 3)
        with pytest.raises(ValueError, match="Received: 'XY'"):
            M.streaming_curve_points([1.0], [0.5], curve="XY")
        values, updates = M.aggregate_metric_map({"a": M.streaming_mean(_X)})
        assert set(values) == set(updates) == {"a"}
