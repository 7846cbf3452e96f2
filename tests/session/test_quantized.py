"""Quantized numbers leave a session as plain integers, and reach Python functions so."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


@pytest.mark.parametrize("dtype", [tf.qint8, tf.quint8, tf.qint16, tf.quint16, tf.qint32])
def test_fetches_are_plain_integers(dtype: tf.DType) -> None:
    plain = np.dtype(dtype.as_numpy_dtype)[0]
    p = tf.placeholder(dtype, [None])
    taken = tf.gather(tf.concat([tf.constant([(1,), (2,)], dtype), p], 0), [0, 2])
    seen = tf.py_func(lambda x: str(x.dtype), [taken], tf.string)
    with tf.Session() as sess:
        value, alone, text = sess.run([taken, taken[1], seen], {p: [5]})
        called = sess.make_callable(taken, [p])([6])
    assert (value.dtype, value.tolist(), alone, called.tolist()) == (plain, [1, 5], 5, [1, 6])
    assert text.decode() == plain.name


def test_quantized_numbers_are_compared() -> None:
    x, y = tf.constant([(1,), (2,)], tf.qint8), tf.constant([(1,), (3,)], tf.qint8)
    with tf.Session() as sess:
        same, other = sess.run([tf.equal(x, y), tf.not_equal(x, y)])
    assert (same.tolist(), other.tolist()) == ([True, False], [False, True])
