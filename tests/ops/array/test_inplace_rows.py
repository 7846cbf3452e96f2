"""Rows in place, by TensorFlow's private functions."""

import pytest

import millrace as tf
from millrace.ops.array import inplace

X = [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("function", "i", "v", "value"),
    [
        (inplace.alias_inplace_update, 1, [9, 9], [[1, 2], [9, 9]]),
        (inplace.alias_inplace_add, None, [[9, 9], [1, 1]], [[10, 11], [4, 5]]),
        (inplace.alias_inplace_sub, [0], [[1, 1]], [[0, 1], [3, 4]]),
        (inplace.inplace_update, [1, 0], [[5, 6], [7, 8]], [[7, 8], [5, 6]]),
        (inplace.inplace_add, 0, [1, 1], [[2, 3], [3, 4]]),
        (inplace.inplace_sub, [0], [[9, 9]], [[-8, -7], [3, 4]]),
    ],
)
def test_rows_change(function, i, v, value):
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant(X)
        assert sess.run(function(x, i, v)).tolist() == value
        assert sess.run(function(x, i if i is None else tf.constant(i), v)).tolist() == value
        assert sess.run(x).tolist() == X
