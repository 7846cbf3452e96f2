"""Reshapes, dimensions of length 1 and transposes against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(2, 3, 4)
_Z = floats(2, 3, dtype=np.complex64)


class TestReshape(OpSuite):
    """The same elements under other shapes."""

    cases = (
        OpCase("Reshape", [_X, [6, 4]], lambda x, s: x.reshape(6, 4)),
        OpCase("Reshape", [_X, [-1, 2]], lambda x, s: x.reshape(-1, 2)),
        OpCase("Reshape", [_X, np.int64([4, 6])], lambda x, s: x.reshape(4, 6)),
        OpCase("Reshape", [_X[0, 0, :1], np.int32([])], lambda x, s: x.reshape(())),
        OpCase("Reshape", [floats(0, 3), [3, -1]], lambda x, s: x.reshape(3, 0)),
        OpCase("Reshape", [_X > 0, [24]], lambda x, s: x.reshape(24)),
        OpCase("ExpandDims", [_X, 1], lambda x, a: x[:, None]),
        OpCase("ExpandDims", [_X, -1], lambda x, a: x[..., None]),
        OpCase("ExpandDims", [_X, np.int64(0)], lambda x, a: x[None]),
        OpCase("Squeeze", [floats(1, 3, 1)], lambda x: x.reshape(3)),
        OpCase("Squeeze", [floats(1, 3, 1)], lambda x: x.reshape(1, 3), squeeze_dims=[-1]),
        OpCase("Transpose", [_X, [2, 0, 1]], lambda x, p: x.transpose(2, 0, 1)),
        OpCase("Transpose", [_X, np.int64([1, 0, 2])], lambda x, p: x.transpose(1, 0, 2)),
        OpCase("Transpose", [ints(2, 3), [1, 0]], lambda x, p: x.T),
        OpCase("ConjugateTranspose", [_Z, [1, 0]], lambda x, p: x.T.conj()),
        OpCase("ConjugateTranspose", [_X, [1, 2, 0]], lambda x, p: x.transpose(1, 2, 0)),
        OpCase("InvertPermutation", [np.int32([2, 0, 3, 1])], np.argsort),
        OpCase("InvertPermutation", [np.int64([1, 0])], lambda x: np.argsort(x).astype(np.int64)),
    )


def test_static_shape_follows_from_what_is_known():
    x = tf.placeholder(tf.float32, [None, 12])
    assert tf.reshape(x, [tf.shape(x)[0], 3, 4]).shape.as_list() == [None, 3, 4]
    assert tf.reshape(x, [-1, 4]).shape.as_list() == [None, 4]
    assert tf.transpose(x).shape.as_list() == [12, None]
    assert tf.expand_dims(x, -1).shape.as_list() == [None, 12, 1]


@pytest.mark.parametrize("shape", [[5], [4, -1]])
def test_reshape_refuses_what_cannot_fit(shape):
    with pytest.raises(ValueError, match="Reshape 'Reshape'"):
        tf.reshape(tf.zeros([6]), shape)


def test_reshape_reports_a_misfit_when_run():
    x = tf.placeholder(tf.float32, [None])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="6 values"):
        session.run(tf.reshape(x, [4]), {x: np.zeros(6)})


def test_old_argument_names():
    x = tf.placeholder(tf.float32, [1, 3])
    assert tf.squeeze(x, squeeze_dims=[0]).shape == [3]
    assert tf.expand_dims(x, dim=0).shape == [1, 1, 3]
    with pytest.raises(ValueError, match="not both"):
        tf.expand_dims(x, 0, dim=0)
    with pytest.raises(ValueError, match="not both"):
        tf.squeeze(x, 0, squeeze_dims=[0])


def test_invert_permutation_refuses_other_vectors():
    with tf.Session() as session:
        for bad in ([0, 0], [0, 2]):
            with pytest.raises(tf.errors.InvalidArgumentError):
                session.run(tf.invert_permutation(tf.placeholder_with_default(bad, [None])))


def test_matrix_transpose_of_unknown_rank():
    x = tf.placeholder(tf.float32)
    with tf.Session() as session:
        assert np.array_equal(session.run(tf.matrix_transpose(x), {x: _X}), _X.swapaxes(1, 2))


def test_a_shape_that_is_a_number_is_refused_when_it_is_fed():
    x, dims = tf.placeholder(tf.float32), tf.placeholder(tf.int32)
    refused = pytest.raises(tf.errors.InvalidArgumentError, match="is not what the operation takes")
    with tf.Session() as sess, refused:
        sess.run(tf.reshape(x, dims), {x: [1.0, 2.0], dims: 2})
