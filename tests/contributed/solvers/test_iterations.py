"""Tests of tf.contrib.solvers against NumPy."""

import numpy as np
import pytest

import millrace as tf

S = tf.contrib.solvers
_A = np.array([[4, 1, 0], [1, 3, 1], [0, 1, 2]], np.float32)
_B = np.array([1, 2, 3], np.float32)
_R = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


def _run(x):
    with tf.Session() as session:
        return session.run(x)


@pytest.mark.parametrize("start", [None, [1.0, 1.0, 1.0]])
def test_conjugate_gradients(start):
    operator = S.util.create_operator(tf.constant(_A))
    same = S.util.identity_operator(operator) if start else None
    state = S.linear_equations.conjugate_gradient(operator, tf.constant(_B), same, start)
    got = _run(state)
    np.testing.assert_allclose(got.x, np.linalg.solve(_A, _B), atol=1e-4)
    assert got.i == 3 and state._fields == ("i", "x", "r", "p", "gamma")
    one = _run(S.linear_equations.conjugate_gradient(operator, tf.constant(_B), max_iter=1))
    np.testing.assert_allclose(one.x, [0.28, 0.56, 0.84], atol=1e-5)


def test_least_squares():
    right = np.arange(5, dtype=np.float32)
    got = _run(S.least_squares.cgls(S.util.create_operator(tf.constant(_R)), tf.constant(right)))
    np.testing.assert_allclose(got.x, np.linalg.lstsq(_R, right, rcond=None)[0], atol=1e-4)


@pytest.mark.parametrize("orthogonalize", [False, True])
def test_lanczos(orthogonalize):
    operator = S.util.create_operator(tf.constant(_R))
    made = S.lanczos.lanczos_bidiag(operator, 3, orthogonalize, starting_vector=tf.ones([5]))
    u, v, alpha, beta = _run(made)
    lower = np.zeros((4, 3), np.float32)
    lower[np.arange(3), np.arange(3)], lower[np.arange(3) + 1, np.arange(3)] = alpha, beta
    np.testing.assert_allclose(_R @ v, u @ lower, atol=1e-4)
    np.testing.assert_allclose(v.T @ v, np.eye(3), atol=1e-3)
    np.testing.assert_allclose(_run(S.lanczos.bidiag_matmul(u, alpha, beta)), u @ lower, atol=1e-4)
    back = _run(S.lanczos.bidiag_matmul(v, alpha, beta, adjoint_b=True))
    np.testing.assert_allclose(back, (v @ lower.T)[:, :3], atol=1e-4)


def test_lengths():
    unit, length = _run(S.util.l2normalize(tf.constant(_B)))
    np.testing.assert_allclose(unit * length, _B, rtol=1e-6)
    assert (
        _run(S.util.dot(tf.constant(_B), tf.constant(_B)))
        == 14
        == _run(S.util.l2norm_squared(tf.constant(_B)))
    )


def test_lanczos_begins_uniformly():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(7)
        matrix = tf.constant(np.arange(12, dtype=np.float32).reshape(4, 3) % 5)
        made = S.lanczos.lanczos_bidiag(S.util.create_operator(matrix), 2)
        alpha, beta = session.run([made.alpha, made.beta])
    np.testing.assert_allclose(alpha, [3.6744256, 5.852229], rtol=1e-5)
    np.testing.assert_allclose(beta, [2.2139325, 0.50494397], rtol=1e-4)


def test_nothing_has_no_direction():
    unit, length = _run(S.util.l2normalize(tf.zeros([2])))
    assert np.isnan(unit).all() and length == 0
