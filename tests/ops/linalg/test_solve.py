"""Inverses, determinants, linear systems and functions of matrices against NumPy and SciPy."""

import numpy as np
import pytest
import scipy.linalg

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_C = np.complex128
_D = np.float64


def _h(x):
    return np.conj(np.swapaxes(x, -1, -2))


def _regular(*shape, dtype=_D):
    return floats(*shape, dtype=dtype) + 4 * np.eye(shape[-1])


def _by_matrix(function):
    def oracle(a):
        return np.stack([function(m) for m in a.reshape(-1, *a.shape[-2:])]).reshape(a.shape)

    return oracle


def _triangular(lower, adjoint):
    def oracle(a, b):
        m = np.tril(a) if lower else np.triu(a)
        return np.linalg.solve(_h(m) if adjoint else m, b)

    return oracle


def _dense(diagonals):
    """Tridiagonal matrices from their three rows."""
    above, main, below = (diagonals[..., i, :] for i in range(3))
    out = np.zeros((*main.shape, main.shape[-1]), diagonals.dtype)
    n = main.shape[-1]
    for i in range(n):
        out[..., i, i] = main[..., i]
        if i + 1 < n:
            out[..., i, i + 1] = above[..., i]
            out[..., i + 1, i] = below[..., i + 1]
    return out


def _least_squares(a, b, weight):
    eye = np.eye(a.shape[-1])
    return np.linalg.solve(_h(a) @ a + weight * eye, _h(a) @ b)


_BANDS = floats(2, 3, 4, dtype=_D) + np.array([[0], [5], [0]])


class TestSystems(OpSuite):
    """Inverses and solutions."""

    cases = (
        OpCase("MatrixInverse", [_regular(2, 3, 3)], np.linalg.inv),
        OpCase("MatrixInverse", [_regular(3, 3, dtype=_C)], np.linalg.inv),
        OpCase(
            "MatrixInverse", [_regular(3, 3, dtype=_C)], lambda a: np.linalg.inv(_h(a)), adjoint=True, wrt=()
        ),
        OpCase("MatrixDeterminant", [_regular(2, 3, 3)], np.linalg.det),
        OpCase("MatrixDeterminant", [_regular(2, 3, 3, dtype=_C)], np.linalg.det),
        OpCase("LogMatrixDeterminant", [_regular(2, 3, 3)], np.linalg.slogdet),
        OpCase("LogMatrixDeterminant", [_regular(2, 3, 3, dtype=_C)], np.linalg.slogdet, wrt=()),
        *(
            OpCase(
                "MatrixSolve",
                [_regular(2, 3, 3, dtype=dtype), floats(2, 3, 2, dtype=dtype)],
                lambda a, b, adjoint=adjoint: np.linalg.solve(_h(a) if adjoint else a, b),
                adjoint=adjoint,
            )
            for dtype in (_D, _C)
            for adjoint in (False, True)
        ),
        *(
            OpCase(
                "MatrixTriangularSolve",
                [_regular(2, 3, 3, dtype=dtype), floats(2, 3, 2, dtype=dtype)],
                _triangular(lower, adjoint),
                lower=lower,
                adjoint=adjoint,
            )
            for dtype in (_D, _C)
            for lower in (False, True)
            for adjoint in (False, True)
        ),
        OpCase(
            "MatrixSolveLs",
            [floats(2, 4, 3, dtype=_D), floats(2, 4, 2, dtype=_D), np.float64(0.3)],
            _least_squares,
            wrt=[0, 1],
        ),
        OpCase(
            "MatrixSolveLs",
            [floats(2, 3, 4, dtype=_D), floats(2, 3, 2, dtype=_D), np.float64(0.3)],
            _least_squares,
            wrt=[0, 1],
        ),
        OpCase(
            "MatrixSolveLs",
            [floats(3, 4, dtype=_D), floats(3, 2, dtype=_D), np.float64(0)],
            lambda a, b, _: np.linalg.pinv(a) @ b,
            wrt=[0, 1],
        ),
        OpCase(
            "MatrixSolveLs",
            [floats(4, 3, dtype=_D), floats(4, 2, dtype=_D), np.float64(0)],
            lambda a, b, _: np.linalg.pinv(a) @ b,
            fast=False,
            wrt=[0, 1],
        ),
        OpCase(
            "TridiagonalSolve",
            [_BANDS, floats(2, 4, 2, dtype=_D)],
            lambda d, b: np.linalg.solve(_dense(d), b),
        ),
        OpCase(
            "TridiagonalMatMul",
            [*(_BANDS[:, i : i + 1] for i in range(3)), floats(2, 4, 2, dtype=_D)],
            lambda a, m, b, x: _dense(np.concatenate([a, m, b], 1)) @ x,
        ),
    )


class TestFunctions(OpSuite):
    """Exponentials, logarithms, roots."""

    cases = (
        OpCase("MatrixExponential", [floats(2, 3, 3, dtype=_D)], _by_matrix(scipy.linalg.expm)),
        OpCase("MatrixExponential", [floats(3, 3, dtype=_C)], _by_matrix(scipy.linalg.expm)),
        OpCase("MatrixLogarithm", [_regular(2, 3, 3, dtype=_C)], _by_matrix(scipy.linalg.logm), xla=False),
        OpCase("MatrixSquareRoot", [_regular(2, 3, 3)], _by_matrix(scipy.linalg.sqrtm), xla=False),
        OpCase("MatrixSquareRoot", [_regular(3, 3, dtype=_C)], _by_matrix(scipy.linalg.sqrtm), xla=False),
    )


def test_gradient_of_least_squares_with_unknown_sizes():
    for shape in ((4, 3), (3, 4)):
        a, b = floats(*shape, dtype=_D), floats(shape[0], 2, dtype=_D)
        with tf.Graph().as_default(), tf.Session() as session:
            known, open_ = tf.placeholder(tf.float64, shape), tf.placeholder(tf.float64, [None, None])
            rhs = tf.constant(b)
            want, got = (tf.gradients(tf.matrix_solve_ls(x, rhs, 0.1), [x, rhs]) for x in (known, open_))
            for g, w in zip(*session.run([got, want], {known: a, open_: a})):
                np.testing.assert_allclose(g, w)


def test_half_precision_is_computed_in_single():
    a = _regular(3, 3).astype(np.float16)
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(tf.matrix_inverse(a))
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, np.linalg.inv(a.astype(np.float32)), atol=1e-3)


def test_refusals():
    with tf.Graph().as_default(), tf.Session() as session:
        zero = tf.zeros([2, 2])
        for refused in (
            tf.matrix_inverse(zero),
            tf.matrix_solve(zero, zero),
            tf.matrix_triangular_solve(zero, zero),
            tf.linalg.tridiagonal_solve(tf.zeros([3, 3]), tf.ones([3])),
        ):
            with pytest.raises(tf.errors.InvalidArgumentError, match="invertible"):
                session.run(refused)
        with pytest.raises(ValueError, match="must be equal"):
            tf.matrix_solve(tf.zeros([2, 2]), tf.zeros([3, 1]))
        with pytest.raises(ValueError, match="square"):
            tf.matrix_determinant(tf.zeros([2, 3]))
        with pytest.raises(ValueError, match=r"\[..., 3, m\]"):
            tf.linalg.tridiagonal_solve(tf.zeros([2, 4]), tf.zeros([4]))
