"""Diagonals and bands against loops over matrices."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_M = floats(2, 3, 4)


def _diag(x):
    return np.diag(x.reshape(-1)).reshape(x.shape * 2)


def _matrices(x):
    return np.stack([np.diag(row) for row in x.reshape(-1, x.shape[-1])]).reshape(*x.shape, x.shape[-1])


def _set(x, d):
    x = x.copy()
    n = min(x.shape[-2:])
    x[..., np.arange(n), np.arange(n)] = d
    return x


def _band(low, high):
    def oracle(x, *_):
        i, j = np.indices(x.shape[-2:])
        return np.where(((low < 0) | (i - j <= low)) & ((high < 0) | (j - i <= high)), x, x.dtype.type(0))

    return oracle


class TestDiag(OpSuite):
    """One diagonal."""

    cases = (
        OpCase("Diag", [floats(3)], _diag),
        OpCase("Diag", [floats(2, 3)], _diag),
        OpCase("DiagPart", [floats(2, 3, 2, 3)], lambda x: x.reshape(6, 6).diagonal().reshape(2, 3)),
        OpCase("MatrixDiag", [floats(2, 3)], _matrices),
        OpCase("MatrixDiag", [ints(3)], _matrices),
        OpCase("BatchMatrixDiag", [floats(2, 3)], _matrices),
        OpCase("MatrixDiagPart", [_M], lambda x: x.diagonal(0, -2, -1)),
        OpCase("MatrixDiagPart", [floats(3, 3)], lambda x: x.diagonal()),
        OpCase("BatchMatrixDiagPart", [_M], lambda x: x.diagonal(0, -2, -1)),
        OpCase("MatrixSetDiag", [_M, floats(2, 3)], _set),
        OpCase("MatrixSetDiag", [floats(4, 3), floats(3)], _set),
        OpCase("BatchMatrixSetDiag", [_M, floats(2, 3)], _set),
        OpCase("MatrixBandPart", [_M, np.int64(1), np.int64(0)], _band(1, 0)),
        OpCase("MatrixBandPart", [_M, np.int32(-1), np.int32(2)], _band(-1, 2)),
        OpCase("BatchMatrixBandPart", [_M, np.int64(0), np.int64(-1)], _band(0, -1)),
    )


def _bands(k):
    """The diagonals of a matrix, highest first, each starting at the left, as rows of one length."""

    def oracle(x, _, padding):
        rows, cols = x.shape
        found = [x.diagonal(d) for d in range(k[1], k[0] - 1, -1)]
        longest = min(rows + min(k[1], 0), cols - max(k[0], 0))
        padded = [np.append(d, np.full(longest - len(d), padding, x.dtype)) for d in found]
        return np.stack(padded) if len(padded) > 1 else padded[0]

    return oracle


def _with_bands(k, rows, cols):
    def oracle(x, d):
        x = x.copy()
        d = d.reshape(k[1] - k[0] + 1, -1)
        for row, diagonal in zip(range(k[1], k[0] - 1, -1), d):
            for i in range(rows):
                if 0 <= i + row < cols:
                    x[i, i + row] = diagonal[i + min(row, 0)]
        return x

    return oracle


def _from_bands(k, rows, cols):
    return lambda d, _, r, c, padding: _with_bands(k, rows, cols)(np.full((rows, cols), padding, d.dtype), d)


_Z = np.array(0, np.float32)
_NINE = np.array(9, np.float32)


class TestDiagBand(OpSuite):
    """Several diagonals at once."""

    cases = (
        OpCase("MatrixDiagV2", [floats(3), 1, -1, -1, _Z], _from_bands((1, 1), 4, 4), wrt=[0]),
        OpCase("MatrixDiagV2", [floats(3, 4), [-1, 1], -1, -1, _NINE], _from_bands((-1, 1), 4, 4), wrt=[0]),
        OpCase("MatrixDiagV2", [floats(2), -2, 4, 3, _NINE], _from_bands((-2, -2), 4, 3), wrt=[0]),
        OpCase("MatrixDiagPartV2", [floats(3, 4), [-1, 2], _NINE], _bands((-1, 2)), wrt=[0]),
        OpCase("MatrixDiagPartV2", [floats(3, 4), 1, _Z], _bands((1, 1)), wrt=[0]),
        OpCase(
            "MatrixSetDiagV2",
            [floats(3, 4), floats(2, 3), [0, 1]],
            lambda x, d, k: _with_bands((0, 1), 3, 4)(x, d),
        ),
        OpCase(
            "MatrixSetDiagV2",
            [floats(3, 4), floats(2), -1],
            lambda x, d, k: _with_bands((-1, -1), 3, 4)(x, d),
        ),
    )


def test_public_functions_choose_the_version():
    x = tf.zeros([2, 3])
    assert tf.matrix_diag(x).op.type == "MatrixDiag"
    assert tf.matrix_diag(x, k=1).shape == [2, 4, 4]
    assert tf.matrix_diag(x, padding_value=2.0).op.type == "MatrixDiagV2"
    assert tf.matrix_diag_part(tf.zeros([3, 4]), k=(-1, 1)).shape == [3, 3]
    assert tf.matrix_set_diag(tf.zeros([3, 4]), tf.zeros([3]), k=1).shape == [3, 4]


def test_refusals():
    with pytest.raises(ValueError, match="even rank"):
        tf.diag_part(tf.zeros([2, 2, 2]))
    with pytest.raises(ValueError, match="diagonal must have shape"):
        tf.matrix_set_diag(tf.zeros([3, 4]), tf.zeros([4]))
    with pytest.raises(ValueError, match="ascending"):
        tf.matrix_diag_part(tf.zeros([3, 4]), k=(1, 0))
    with pytest.raises(ValueError, match="3 x 4 matrix"):
        tf.matrix_diag_part(tf.zeros([3, 4]), k=5)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="num_lower"):
        session.run(tf.matrix_band_part(tf.zeros([3, 4]), 5, 0))
