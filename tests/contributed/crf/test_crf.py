"""Linear-chain fields against the sum over all taggings."""

import itertools

import numpy as np
import pytest

import millrace as tf

_rng = np.random.default_rng(3)
_X = _rng.uniform(-2, 2, [3, 4, 3]).astype(np.float32)
_T = _rng.uniform(-1, 1, [3, 3]).astype(np.float32)
_Y = np.int32([[0, 2, 1, 1], [1, 1, 0, 2], [2, 0, 0, 0]])
_N = np.int32([4, 2, 1])


def _score(x, tags, t):
    return sum(x[i, tag] for i, tag in enumerate(tags)) + sum(t[a, b] for a, b in itertools.pairwise(tags))


def _all(x, t):
    return {tags: _score(x, tags, t) for tags in itertools.product(range(3), repeat=len(x))}


def _run(value):
    with tf.Session() as sess:
        return sess.run(value)


def test_scores_and_norms():
    crf = tf.contrib.crf
    score, norm = _run([crf.crf_sequence_score(_X, _Y, _N, _T), crf.crf_log_norm(_X, _N, _T)])
    for b, n in enumerate(_N):
        np.testing.assert_allclose(score[b], _score(_X[b, :n], _Y[b, :n], _T), rtol=1e-5)
        total = np.log(np.sum(np.exp(list(_all(_X[b, :n], _T).values()))))
        np.testing.assert_allclose(norm[b], total, rtol=1e-5)


def test_several_tags_allowed():
    bitmap = _rng.uniform(size=_X.shape) < 0.7
    bitmap[:, :, 0] = True
    found = _run(tf.contrib.crf.crf_multitag_sequence_score(_X, bitmap, _N, _T))
    for b, n in enumerate(_N):
        scores = [
            s
            for tags, s in _all(_X[b, :n], _T).items()
            if all(bitmap[b, i, tag] for i, tag in enumerate(tags))
        ]
        np.testing.assert_allclose(found[b], np.log(np.sum(np.exp(scores))), rtol=1e-5)


def test_the_best_tagging_is_found():
    tags, scores = _run(tf.contrib.crf.crf_decode(_X, _T, _N))
    for b, n in enumerate(_N):
        best, score = max(_all(_X[b, :n], _T).items(), key=lambda item: item[1])
        assert tuple(tags[b, :n]) == best and not tags[b, n:].any()
        np.testing.assert_allclose(scores[b], score, rtol=1e-5)
        path, value = tf.contrib.crf.viterbi_decode(_X[b, :n], _T)
        assert tuple(path) == best
        np.testing.assert_allclose(value, score, rtol=1e-5)


@pytest.mark.parametrize("steps", [1, None])
def test_one_step_and_empty_sequences(steps):
    x = tf.placeholder(tf.float32, [None, steps, 3])
    norm = tf.contrib.crf.crf_log_norm(x, [1, 0], _T)
    tags, _ = tf.contrib.crf.crf_decode(x, _T, [1, 0])
    with tf.Session() as sess:
        found, best = sess.run([norm, tags], {x: _X[:2, :1]})
    np.testing.assert_allclose(found, [np.log(np.exp(_X[0, 0]).sum()), 0], rtol=1e-5)
    assert best[0, 0] == _X[0, 0].argmax()


def test_training_makes_the_given_tags_likely():
    loss_by, transitions = tf.contrib.crf.crf_log_likelihood(tf.Variable(_X), _Y, _N)
    assert transitions.op.name == "transitions"
    step = tf.train.GradientDescentOptimizer(0.5).minimize(-tf.reduce_sum(loss_by))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        before = sess.run(loss_by)
        for _ in range(20):
            sess.run(step)
        assert np.all(sess.run(loss_by) > before)
