"""What the interpreter computes in another way where arrays are small gives what the kernels give."""

import numpy as np
import pytest

import millrace as tf

RNG = np.random.RandomState(0)


def value(y, feeds):
    with tf.Session() as sess:
        return sess.run(y, feeds)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (32, 16), (64, 64), (300, 200)])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_sums_over_rows(shape, keep, dtype):
    x = (10 * RNG.randn(*shape)).astype(dtype)
    fed = tf.placeholder(dtype, shape)
    for axis in (0, 1, (0, 1)):
        found = value(tf.reduce_sum(fed, axis, keepdims=keep), {fed: x})
        assert found.dtype == x.dtype
        np.testing.assert_allclose(
            found, x.sum(axis, keepdims=keep, dtype=dtype), rtol=1e-2 if dtype == "float16" else 1e-4
        )


def test_sums_of_infinities_and_of_what_is_turned():
    x = RNG.randn(5, 4).astype("f")
    x[1, 1], x[2, 2], x[3, 3], x[4, 3] = np.nan, np.inf, np.inf, -np.inf
    fed = tf.placeholder(tf.float32, [5, 4])
    with np.errstate(invalid="ignore"):
        rows, columns = x.sum(0), x.sum(1)
    np.testing.assert_allclose(value(tf.reduce_sum(fed, 0), {fed: x}), rows, rtol=1e-6)
    turned = tf.reduce_sum(tf.transpose(fed), 0)
    np.testing.assert_allclose(value(turned, {fed: x}), columns, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (4, 5)])
def test_gradients_of_tanh(dtype, shape):
    x, dy = (np.asarray(RNG.randn(*shape)).astype(dtype) for _ in range(2))
    fed, slope = tf.placeholder(dtype, shape), tf.placeholder(dtype, shape)
    y = tf.tanh(fed)
    before, found, again = value([y, tf.gradients(y, fed, slope)[0], y], {fed: x, slope: dy})
    np.testing.assert_array_equal(before, again)
    np.testing.assert_allclose(
        found, dy * (1 - np.conj(before * before)), rtol=1e-2 if dtype == "float16" else 1e-5
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (4, 5), (100, 100)])
def test_rectified(dtype, shape):
    x = np.asarray(10 * RNG.randn(*shape)).astype(dtype)
    fed = tf.placeholder(dtype, shape)
    found = value(tf.nn.relu(fed), {fed: x})
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, np.maximum(x, 0))


def test_rectified_numbers_are_no_ones_but_the_callers():
    fed = tf.placeholder(tf.float32, [4])
    y = tf.nn.relu(fed)
    with tf.Session() as sess:
        sess.run(y, {fed: [-1, 1, np.nan, -0.0]})[:] = 7
        found = sess.run(y, {fed: [-1, 1, np.nan, -0.0]})
    np.testing.assert_array_equal(found, [0, 1, np.nan, 0])


@pytest.mark.parametrize("count", [5, 600])
def test_rows_named_once_and_twice(count):
    v = tf.Variable(np.zeros([2000, 3], "f"))
    rows = tf.placeholder(tf.int32, [count])
    change = tf.scatter_mul(
        tf.scatter_add(v, rows, np.ones([count, 3], "f")), rows, np.full([count, 3], 2.0, "f")
    )
    places = RNG.permutation(2000)[:count]
    with tf.Session() as sess:
        for once in (True, False):
            sess.run(v.initializer)
            named = places if once else np.concatenate([places[:-1], places[:1]])
            expected = np.zeros([2000, 3], "f")
            np.add.at(expected, named, 1)
            np.multiply.at(expected, named, 2)
            np.testing.assert_array_equal(sess.run(change, {rows: named}), expected)
