"""Norms, clipping and composed functions of matrices against NumPy."""

import numpy as np
import pytest

import millrace as tf

_X = np.random.default_rng(0).normal(size=(2, 3, 4))
_C = _X + 1j * np.random.default_rng(1).normal(size=(2, 3, 4))


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


@pytest.mark.parametrize("x", [_X, _C], ids=["real", "complex"])
@pytest.mark.parametrize("order", ["euclidean", 1, 2, 3.5, np.inf])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("keep", [False, True])
def test_norms_of_vectors(session, x, order, axis, keep):
    want = np.linalg.norm(x.reshape(-1) if axis is None else x, 2 if order == "euclidean" else order, axis)
    if keep:
        want = np.reshape(want, [1 if axis is None or i == axis % 3 else n for i, n in enumerate(x.shape)])
    np.testing.assert_allclose(np.real(session.run(tf.norm(x, order, axis, keepdims=keep))), want)


@pytest.mark.parametrize("order", ["fro", 1, 2, np.inf])
@pytest.mark.parametrize("axis", [(-2, -1), (0, 2), (2, 0)])
def test_norms_of_matrices(session, order, axis):
    for keep in (False, True):
        want = np.linalg.norm(_X, order, axis, keep)
        np.testing.assert_allclose(session.run(tf.norm(_X, order, axis, keepdims=keep)), want)


def test_normalize(session):
    unit, size = session.run(tf.linalg.normalize(_X, axis=-1))
    np.testing.assert_allclose(np.linalg.norm(unit, axis=-1), 1)
    np.testing.assert_allclose(unit * size, _X)


def test_norm_refusals():
    for arguments, match in (
        ({"ord": "fro", "axis": 1}, "a norm of vectors"),
        ({"ord": -1}, "positive"),
        ({"ord": 3, "axis": [0, 1]}, "a norm of matrices"),
        ({"axis": [1, 1]}, "must differ"),
        ({"axis": [0, 1, 2]}, "a pair"),
    ):
        with pytest.raises(ValueError, match=match):
            tf.norm(_X, **arguments)


def test_clipping(session):
    for limit in (0.5, 100.0):
        size = np.linalg.norm(_X)
        np.testing.assert_allclose(session.run(tf.clip_by_norm(_X, limit)), _X * min(1, limit / size))
        rows = np.linalg.norm(_X, axis=2, keepdims=True)
        got = session.run(tf.clip_by_norm(_X, tf.constant(limit, tf.float64), axes=[2]))
        np.testing.assert_allclose(got, _X * np.minimum(1, limit / rows))
        average = np.linalg.norm(_X) / _X.size
        got = session.run(tf.clip_by_average_norm(_X, limit))
        np.testing.assert_allclose(got, _X * min(1, limit / average))
        (first, none, last), total = tf.clip_by_global_norm([_X, None, 2 * _X], limit)
        assert none is None
        first, last, total = session.run([first, last, total])
        np.testing.assert_allclose(total, np.sqrt(5) * size)
        np.testing.assert_allclose(last, 2 * _X * min(1, limit / total))
        np.testing.assert_allclose(first, _X * min(1, limit / total))
    assert tf.global_norm([None]).shape == []
    with pytest.raises(TypeError, match="must be a list"):
        tf.global_norm(_X)


def test_clipping_slices_of_gradients(session):
    slices = tf.IndexedSlices(tf.constant(_X[0]), tf.constant([2, 0, 1]), tf.constant([5, 4]))
    clipped = tf.clip_by_norm(slices, 0.5)
    assert isinstance(clipped, tf.IndexedSlices) and clipped.indices is slices.indices
    np.testing.assert_allclose(session.run(clipped.values), _X[0] * 0.5 / np.linalg.norm(_X[0]))
    (clipped,), _ = tf.clip_by_global_norm([slices], 0.5)
    np.testing.assert_allclose(session.run(clipped.values), _X[0] * 0.5 / np.linalg.norm(_X[0]))
