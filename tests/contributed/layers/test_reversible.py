"""Tests of reversible blocks, with numbers recorded from TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

L = tf.contrib.layers
_X = np.array([[-1.0, 0.4, -0.4], [1.0, 0.2, -0.6]], np.float32)


def _dense(activation=None):
    start = tf.constant_initializer(0.1)
    return lambda x, side=(0,): tf.layers.dense(x, 3, activation, kernel_initializer=start) + side[0]


def test_forward_backward_and_gradient():
    x = [tf.constant(_X), tf.constant(_X + 0.1)]
    block = L.RevBlock(_dense(), _dense(tf.nn.relu), num_layers=2)
    y = block.forward(*x)
    back = block.backward(*y)
    names = [v.op.name for v in tf.global_variables()]
    assert (
        names[:2] == ["revblock/revlayer_0/f/dense/kernel", "revblock/revlayer_0/f/dense/bias"]
        and len(names) == 8
    )
    slopes = tf.gradients([t * t for t in y], x)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(session.run(y[0])[0], [-1.14, 0.26, -0.54], atol=1e-6)
        for got, given in zip(session.run(back), (_X, _X + 0.1), strict=True):
            np.testing.assert_allclose(got, given, atol=1e-6)
        np.testing.assert_allclose(session.run(slopes[0])[0], [-2.28, 0.52, -1.08], atol=1e-5)
        side = L.rev_block(*x, _dense(), _dense(), g_side_input=[tf.constant([1.0, 2.0, 3.0])])
        session.run(tf.global_variables_initializer())
        assert session.run(side[1]).shape == (2, 3)
    with pytest.raises(AssertionError):
        L.RevBlock([_dense()], [_dense()] * 2, num_layers=2)
    with pytest.raises(TypeError, match="callable"):
        L.RevBlock(_dense(), 3)


def test_scaled_gradients():
    x = tf.constant(_X)
    y = L.scale_gradient(x, 2.0)
    z = L.recompute_grad(lambda v: v * v)(x)
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(y), _X)
        np.testing.assert_array_equal(session.run(tf.gradients(3 * y, x)[0]), np.full_like(_X, 6))
        np.testing.assert_allclose(session.run(tf.gradients(z, x)[0]), 2 * _X)


def test_blocks_are_named_and_counted_as_in_tensorflow():
    tf.set_random_seed(1)
    x = tf.ones([2, 3])
    L.rev_block(x, x, _dense(), _dense(), num_layers=2)
    y, _ = L.rev_block(x, x, _dense(), _dense(), is_training=False)
    assert y.op.name == "revblock_1/add"
    graph = tf.get_default_graph()
    assert graph.get_operation_by_name("revblock/tuple_1/control_dependency").type == "Identity"
    # every variable of the first block is read twice more around its gradient, by 1.15's count
    assert tf.get_seed(None)[1] == len(graph.get_operations()) + 2 * 8 + 1
