"""Pools over two and three axes against loops over windows."""

import numpy as np
import pytest

import millrace as tf
from ops.nn import window_oracles as oracle
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(2, 6, 5, 3)
_K, _S = [1, 3, 2, 1], [1, 2, 2, 1]
_V = floats(1, 3, 4, 5, 2)
_K3, _S3 = [1, 2, 3, 2, 1], [1, 1, 2, 2, 1]
_TIES = np.round(floats(2, 6, 5, 3))
_Y = oracle.max_pool(_X, (3, 2), (2, 2), "SAME")
_Y3 = oracle.max_pool(_V, (2, 3, 2), (1, 2, 2), "SAME")
_DY, _DY3 = floats(*_Y.shape, seed=1), floats(*_Y3.shape, seed=1)


def _max(padding="SAME", kernel=(3, 2), strides=(2, 2)):
    return lambda x, *_: oracle.max_pool(x, kernel, strides, padding)


def _avg(padding="SAME", kernel=(3, 2), strides=(2, 2)):
    return lambda x: oracle.avg_pool(x, kernel, strides, padding).astype(x.dtype)


def _grad(kernel, strides, padding="SAME"):
    return lambda x, y, dy, *_: oracle.max_pool_grad(x, dy, kernel, strides, padding).astype(x.dtype)


def _grad_grad(kernel, strides, padding="SAME"):
    return lambda x, y, dz, *_: dz.reshape(-1)[oracle.first_maxima(x, kernel, strides, padding)]


def _avg_grad(kernel, strides, padding):
    def adjoint(sizes, dy):
        def linear(x):
            return oracle.avg_pool(x, kernel, strides, padding)

        return oracle.transposed(linear, tuple(sizes), dy).astype(dy.dtype)

    return adjoint


class TestMaxPool(OpSuite):
    """Maxima, and gradients that go to the first of them."""

    cases = (
        OpCase("MaxPool", [_X], _max(), ksize=_K, strides=_S, padding="SAME"),
        OpCase("MaxPool", [_X], _max("VALID"), ksize=_K, strides=_S, padding="VALID"),
        OpCase("MaxPool", [_X], _max("SAME", (2, 2)), ksize=[1, 2, 2, 1], strides=_S, padding="SAME"),
        OpCase(
            "MaxPool",
            [_X],
            _max("VALID", (1, 5), (3, 1)),
            ksize=[1, 1, 5, 1],
            strides=[1, 3, 1, 1],
            padding="VALID",
        ),
        OpCase(
            "MaxPool",
            [_X.transpose(0, 3, 1, 2).copy()],
            lambda x: _max()(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
            ksize=[1, 1, 3, 2],
            strides=[1, 1, 2, 2],
            padding="SAME",
            data_format="NCHW",
        ),
        OpCase(
            "MaxPool",
            [floats(2, 3, 3, 6)],
            lambda x: x.reshape(2, 3, 3, 3, 2).max(-1),
            ksize=[1, 1, 1, 2],
            strides=[1, 1, 1, 2],
            padding="SAME",
            wrt=(),
        ),
        OpCase("MaxPool", [ints(2, 6, 5, 3)], _max(), ksize=_K, strides=_S, padding="SAME"),
        OpCase("MaxPool", [_X.astype(np.float16)], _max(), ksize=_K, strides=_S, padding="SAME", wrt=()),
        OpCase("MaxPoolV2", [_X, _K, _S], _max(), padding="SAME"),
        OpCase(
            "MaxPoolGrad",
            [_X, _Y, _DY],
            _grad((3, 2), (2, 2)),
            ksize=_K,
            strides=_S,
            padding="SAME",
            wrt=(2,),
        ),
        OpCase(
            "MaxPoolGrad",
            [_TIES, oracle.max_pool(_TIES, (2, 2), (2, 2), "SAME"), floats(2, 3, 3, 3)],
            _grad((2, 2), (2, 2)),
            ksize=[1, 2, 2, 1],
            strides=_S,
            padding="SAME",
            wrt=(2,),
        ),
        OpCase(
            "MaxPoolGrad",
            [_TIES, oracle.max_pool(_TIES, (2, 2), (2, 2), "VALID"), floats(2, 3, 2, 3)],
            _grad((2, 2), (2, 2), "VALID"),
            ksize=[1, 2, 2, 1],
            strides=_S,
            padding="VALID",
            wrt=(2,),
        ),
        OpCase("MaxPoolGradV2", [_X, _Y, _DY, _K, _S], _grad((3, 2), (2, 2)), padding="SAME", wrt=(2,)),
        OpCase(
            "MaxPoolGradGrad",
            [_X, _Y, _X],
            _grad_grad((3, 2), (2, 2)),
            ksize=_K,
            strides=_S,
            padding="SAME",
            wrt=(2,),
        ),
        OpCase(
            "MaxPoolGradGradV2", [_X, _Y, _X, _K, _S], _grad_grad((3, 2), (2, 2)), padding="SAME", wrt=(2,)
        ),
        OpCase("MaxPool3D", [_V], _max("SAME", (2, 3, 2), (1, 2, 2)), ksize=_K3, strides=_S3, padding="SAME"),
        OpCase(
            "MaxPool3DGrad",
            [_V, _Y3, _DY3],
            _grad((2, 3, 2), (1, 2, 2)),
            ksize=_K3,
            strides=_S3,
            padding="SAME",
            wrt=(2,),
        ),
        OpCase(
            "MaxPool3DGradGrad",
            [_V, _Y3, _V],
            _grad_grad((2, 3, 2), (1, 2, 2)),
            ksize=_K3,
            strides=_S3,
            padding="SAME",
            wrt=(2,),
        ),
    )


class TestAvgPool(OpSuite):
    """Means of what lies inside the input."""

    cases = (
        OpCase("AvgPool", [_X], _avg(), ksize=_K, strides=_S, padding="SAME"),
        OpCase("AvgPool", [_X], _avg("VALID"), ksize=_K, strides=_S, padding="VALID"),
        OpCase(
            "AvgPool",
            [_X],
            _avg("VALID", (6, 5), (1, 1)),
            ksize=[1, 6, 5, 1],
            strides=[1, 1, 1, 1],
            padding="VALID",
        ),
        OpCase("AvgPool", [_X.astype(np.float16)], _avg(), ksize=_K, strides=_S, padding="SAME", wrt=()),
        OpCase(
            "AvgPoolGrad",
            [[1, 5, 4, 2], floats(1, 3, 2, 2)],
            _avg_grad((3, 2), (2, 2), "SAME"),
            ksize=_K,
            strides=_S,
            padding="SAME",
        ),
        OpCase(
            "AvgPoolGrad",
            [[1, 5, 5, 2], floats(1, 2, 2, 2)],
            _avg_grad((2, 2), (2, 2), "VALID"),
            ksize=[1, 2, 2, 1],
            strides=_S,
            padding="VALID",
        ),
        OpCase("AvgPool3D", [_V], _avg("SAME", (2, 3, 2), (1, 2, 2)), ksize=_K3, strides=_S3, padding="SAME"),
        OpCase(
            "AvgPool3DGrad",
            [[1, 2, 4, 3, 2], floats(1, 2, 2, 2, 2)],
            _avg_grad((2, 3, 2), (1, 2, 2), "SAME"),
            ksize=_K3,
            strides=_S3,
            padding="SAME",
        ),
    )


@pytest.mark.parametrize(
    ("ksize", "strides"),
    [([1, 2, 2, 2], [1, 2, 2, 2]), ([1, 1, 1, 2], [1, 1, 1, 1]), ([2, 1, 1, 1], [1, 1, 1, 1])],
)
def test_pools_over_channels_or_batch_that_cannot_be_are_refused_when_run(ksize, strides):
    y = tf.nn.max_pool(tf.zeros([2, 4, 4, 4]), ksize, strides, "SAME")
    with tf.Session() as session, pytest.raises(tf.errors.UnimplementedError):
        session.run(y)


def test_a_window_of_zero_is_refused():
    with pytest.raises(ValueError, match="at least 1 on every axis"):
        tf.nn.avg_pool(tf.zeros([1, 4, 4, 1]), [1, 0, 2, 1], [1, 1, 1, 1], "SAME")
