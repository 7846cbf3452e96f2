"""Composed functions of matrices, and least squares, against NumPy."""

import numpy as np
import pytest

import millrace as tf

_X = np.random.default_rng(0).normal(size=(2, 3, 4))
_C = _X + 1j * np.random.default_rng(1).normal(size=(2, 3, 4))


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def test_matrices(session):
    square = _C[..., :3]
    positive = square @ np.conj(np.swapaxes(square, 1, 2)) + np.eye(3)
    rhs = _C[..., :2]
    np.testing.assert_allclose(session.run(tf.linalg.adjoint(_C)), np.conj(np.swapaxes(_C, 1, 2)))
    np.testing.assert_allclose(session.run(tf.linalg.logdet(positive)), np.linalg.slogdet(positive)[1])
    solved = session.run(tf.cholesky_solve(tf.cholesky(positive), rhs))
    np.testing.assert_allclose(solved, np.linalg.solve(positive, rhs))


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (3, 3)])
def test_rank_and_pseudo_inverse(session, shape):
    a = np.random.default_rng(2).normal(size=(2, *shape))
    a[1, 0] = a[1, 1]
    np.testing.assert_array_equal(session.run(tf.linalg.matrix_rank(a)), np.linalg.matrix_rank(a))
    np.testing.assert_allclose(session.run(tf.linalg.pinv(a)), np.linalg.pinv(a), atol=1e-12)


def test_the_gradient_of_a_pseudo_inverse_of_a_singular_matrix_is_finite(session):
    a = tf.constant([[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]])
    assert np.isfinite(session.run(tf.gradients(tf.linalg.pinv(a), a)[0])).all()


@pytest.mark.parametrize("rows, columns", [(5, 3), (3, 5)])
@pytest.mark.parametrize("weight", [0.0, 0.5, "tensor"])
def test_least_squares_by_normal_equations(session, rows, columns, weight):
    a = np.random.default_rng(3).normal(size=(2, rows, columns))
    rhs = np.random.default_rng(4).normal(size=(2, rows, 2))
    number = 0.5 if weight == "tensor" else weight
    given = tf.constant(0.5, tf.float64) if weight == "tensor" else weight
    turned = np.swapaxes(a, 1, 2)
    if rows > columns:
        expected = np.linalg.solve(turned @ a + number * np.eye(columns), turned @ rhs)
    else:
        expected = turned @ np.linalg.solve(a @ turned + number * np.eye(rows), rhs)
    open_ = tf.placeholder(tf.float64, [None, None, None])
    for matrix, feeds in ((tf.constant(a), {}), (open_, {open_: a})):
        found = tf.matrix_solve_ls(matrix, tf.constant(rhs), given)
        np.testing.assert_allclose(session.run(found, feeds), expected)


def test_least_squares_of_many_small_matrices_keep_their_kernel(session):
    a = np.random.default_rng(5).normal(size=(6000, 3, 2))
    rhs = np.random.default_rng(6).normal(size=(6000, 3, 1))
    found = tf.matrix_solve_ls(tf.constant(a), rhs)
    assert found.op.type == "MatrixSolveLs"
    np.testing.assert_allclose(
        session.run(found)[:2], [np.linalg.lstsq(a[i], rhs[i], rcond=None)[0] for i in (0, 1)]
    )
