"""Fractional pools: their windows fill the image, and their gradients find the way back."""

from itertools import pairwise

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_X = floats(1, 5, 7, 2)
_ROWS, _COLUMNS = np.int64([0, 2, 3, 5]), np.int64([0, 1, 3, 5, 7])
_ATTRS = dict(pooling_ratio=[1.0, 1.5, 1.5, 1.0], deterministic=True, seed=3, seed2=5)


def _cells(overlapping):
    extra = int(overlapping)
    for i in range(3):
        for j in range(4):
            yield i, j, slice(_ROWS[i], _ROWS[i + 1] + extra), slice(_COLUMNS[j], _COLUMNS[j + 1] + extra)


def _max_grad(overlapping):
    def adjoint(x, y, dy, rows, columns):
        out = np.zeros_like(x)
        for i, j, down, across in _cells(overlapping):
            for c in range(2):
                cell = x[0, down, across, c]
                r, k = np.unravel_index(cell.argmax(), cell.shape)
                out[0, down.start + r, across.start + k, c] += dy[0, i, j, c]
        return out

    return adjoint


def _avg_grad(sizes, dy, rows, columns):
    out = np.zeros(tuple(sizes))
    for i, j, down, across in _cells(False):
        cell = out[:, down, across]
        cell += dy[:, i : i + 1, j : j + 1] / (cell.shape[1] * cell.shape[2])
    return out.astype(dy.dtype)


class TestGradients(OpSuite):
    """Of windows that are given."""

    cases = (
        OpCase(
            "FractionalMaxPoolGrad",
            [_X, floats(1, 3, 4, 2), floats(1, 3, 4, 2), _ROWS, _COLUMNS],
            _max_grad(False),
        ),
        OpCase(
            "FractionalMaxPoolGrad",
            [_X, floats(1, 3, 4, 2), floats(1, 3, 4, 2), _ROWS, _COLUMNS],
            _max_grad(True),
            overlapping=True,
        ),
        OpCase(
            "FractionalAvgPoolGrad", [np.int64([1, 5, 7, 2]), floats(1, 3, 4, 2), _ROWS, _COLUMNS], _avg_grad
        ),
    )


# The bounds that TensorFlow 1.15 draws for axes of 9 and 13 elements and these seeds.
_DRAWN = [
    (True, (5, 7), [0, 2, 3, 5, 6, 8, 9], [0, 2, 4, 6, 8, 10, 11, 13]),
    (True, (123, 45), [0, 1, 3, 4, 6, 7, 9], [0, 1, 3, 5, 7, 9, 11, 13]),
    (False, (5, 7), [0, 1, 3, 4, 6, 7, 9], [0, 2, 4, 6, 8, 9, 11, 13]),
    (False, (0, 7), [0, 1, 3, 5, 7, 8, 9], [0, 1, 3, 5, 7, 9, 11, 13]),
]


@pytest.mark.parametrize(("pseudo_random", "seeds", "rows", "columns"), _DRAWN)
@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_windows_are_those_of_the_seeds(kind, pseudo_random, seeds, rows, columns, overlapping):
    x = floats(1, 9, 13, 2)
    pool = tf.nn.fractional_max_pool if kind == "max" else tf.nn.fractional_avg_pool
    found = pool(x, [1.0, 1.44, 1.73, 1.0], pseudo_random, overlapping, True, seeds[0], seeds[1])
    with tf.Session() as session:
        first, second = session.run(list(found)), session.run(list(found))
    assert first[1].tolist() == second[1].tolist() == rows
    assert first[2].tolist() == second[2].tolist() == columns
    extra = int(overlapping)
    reduce = np.max if kind == "max" else np.mean
    want = [
        [reduce(x[0, a : b + extra, c : d + extra], (0, 1)) for c, d in pairwise(columns)]
        for a, b in pairwise(rows)
    ]
    np.testing.assert_allclose(first[0][0], want, rtol=1e-6, atol=1e-7)
    assert found.output.shape == first[0].shape
    assert found.row_pooling_sequence.shape == (7,)


def test_seeds_need_determinism():
    y = tf.nn.fractional_max_pool(tf.zeros([1, 6, 6, 1]), [1.0, 1.5, 1.5, 1.0], seed=1)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="deterministic"):
        session.run(y)


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_gradients_reach_the_input(kind):
    x = tf.constant(floats(1, 6, 6, 2))
    y = (tf.nn.fractional_max_pool if kind == "max" else tf.nn.fractional_avg_pool)(x, **_ATTRS)[0]
    with tf.Session() as session:
        assert session.run(tf.gradients(y, x)[0]).sum() == pytest.approx(np.prod(y.shape.as_list()))


def _pooled(reduce):
    """The oracle for the windows that seeds (5, 7) draw."""
    _, _, rows, columns = _DRAWN[0]

    def compute(x):
        cells = [[reduce(x[:, a:b, c:d], (1, 2)) for c, d in pairwise(columns)] for a, b in pairwise(rows)]
        return [np.stack([np.stack(row, 1) for row in cells], 1), np.int64(rows), np.int64(columns)]

    return compute


_SEEDED = dict(pooling_ratio=[1.0, 1.44, 1.73, 1.0], pseudo_random=True, deterministic=True, seed=5, seed2=7)


class TestPools(OpSuite):
    """Of windows that are drawn."""

    cases = (
        OpCase("FractionalMaxPool", [floats(1, 9, 13, 2)], _pooled(np.max), order=1, **_SEEDED),
        OpCase("FractionalAvgPool", [floats(1, 9, 13, 2)], _pooled(np.mean), order=1, **_SEEDED),
    )
