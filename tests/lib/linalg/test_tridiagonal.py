"""Tridiagonal systems and products against NumPy."""

import numpy as np
import pytest

import millrace as tf


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def test_tridiagonal_formats(session):
    main, above, below = np.array([5.0, 6, 7, 8]), np.array([1.0, 2, 3]), np.array([-1.0, 2, 0.5])
    dense = np.diag(main) + np.diag(above, 1) + np.diag(below, -1)
    compact = np.stack([np.append(above, 9), main, np.append(9, below)])
    rhs = np.random.default_rng(3).normal(size=(4, 2))
    formats = (
        ("compact", compact),
        ("matrix", dense),
        ("sequence", [tf.constant(p) for p in (above, main, below)]),
    )
    for form, diagonals in formats:
        solve = tf.linalg.tridiagonal_solve
        np.testing.assert_allclose(session.run(solve(diagonals, rhs, form)), np.linalg.solve(dense, rhs))
        np.testing.assert_allclose(
            session.run(solve(diagonals, rhs[:, 0], form)), np.linalg.solve(dense, rhs[:, 0])
        )
        turned = session.run(solve(diagonals, rhs.T, form, transpose_rhs=True))
        np.testing.assert_allclose(turned, np.linalg.solve(dense, rhs))
        np.testing.assert_allclose(
            session.run(tf.linalg.tridiagonal_matmul(diagonals, rhs, form)), dense @ rhs
        )
    with pytest.raises(ValueError, match="diagonals_format"):
        tf.linalg.tridiagonal_solve(compact, rhs, "zz")
