"""Three-dimensional convolutions against loops over windows."""

import numpy as np

import millrace as tf
from ops.nn import window_oracles as oracle
from ops.opcases import OpCase, OpSuite, floats

_S = [1, 1, 2, 1, 1]
_X, _W = floats(1, 3, 4, 3, 2), floats(2, 1, 2, 2, 3)
_DY = floats(1, 3, 2, 3, 3)


def _conv(x, w):
    return oracle.conv(x, w, (1, 2, 1), "SAME").astype(x.dtype)


def _first(x):
    return x.transpose(0, 4, 1, 2, 3)


def _input_grad(sizes, w, dy):
    shape = tuple(sizes) if sizes.ndim == 1 else sizes.shape
    return oracle.transposed(lambda x: oracle.conv(x, w, (1, 2, 1), "SAME"), shape, dy).astype(dy.dtype)


def _filter_grad(x, sizes, dy):
    shape = tuple(sizes) if sizes.ndim == 1 else sizes.shape
    return oracle.transposed(lambda w: oracle.conv(x, w, (1, 2, 1), "SAME"), shape, dy).astype(dy.dtype)


class TestConv3D(OpSuite):
    """The convolution and its adjoints, in both forms that GraphDefs have."""

    cases = (
        OpCase("Conv3D", [_X, _W], _conv, strides=_S, padding="SAME"),
        OpCase(
            "Conv3D",
            [_first(_X).copy(), _W],
            lambda x, w: _first(_conv(x.transpose(0, 2, 3, 4, 1), w)),
            strides=[1, 1, 1, 2, 1],
            padding="SAME",
            data_format="NCDHW",
        ),
        OpCase(
            "Conv3D",
            [_X, _W],
            lambda x, w: oracle.conv(x, w, (1, 1, 1), "VALID", [2, 1, 1]).astype(x.dtype),
            strides=[1, 1, 1, 1, 1],
            padding="VALID",
            dilations=[1, 2, 1, 1, 1],
        ),
        OpCase("Conv3DBackpropInputV2", [[1, 3, 4, 3, 2], _W, _DY], _input_grad, strides=_S, padding="SAME"),
        OpCase(
            "Conv3DBackpropFilterV2", [_X, [2, 1, 2, 2, 3], _DY], _filter_grad, strides=_S, padding="SAME"
        ),
        OpCase("Conv3DBackpropInput", [_X, _W, _DY], _input_grad, strides=_S, padding="SAME", wrt=(1, 2)),
        OpCase("Conv3DBackpropFilter", [_X, _W, _DY], _filter_grad, strides=_S, padding="SAME", wrt=(0, 2)),
    )


def test_transposed_convolution_gives_the_shape_asked_for():
    y = tf.nn.conv3d_transpose(tf.ones([1, 2, 2, 3, 3]), tf.ones([3, 3, 3, 2, 3]), [1, 4, 4, 6, 2], 2)
    with tf.Session() as session:
        assert session.run(y).shape == (1, 4, 4, 6, 2)


def test_the_layout_does_not_change_the_numbers():
    x, w = floats(2, 4, 4, 5, 2), floats(2, 3, 2, 2, 3)
    last = tf.nn.conv3d(x, w, [1, 2, 1, 1, 1], "SAME")
    first = tf.nn.conv3d(_first(x), w, [1, 1, 2, 1, 1], "SAME", data_format="NCDHW")
    with tf.Session() as session:
        a, b = session.run([last, first])
    np.testing.assert_array_equal(_first(a), b)
