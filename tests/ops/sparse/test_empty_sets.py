"""Sets without elements: what a detector makes where nothing is left of its boxes."""

import numpy as np
import pytest

import millrace as tf


@pytest.mark.parametrize(
    ("first", "second", "operation", "values", "shape", "sizes"),
    [
        ((1, 0), (1, 0), "intersection", [], [1, 0], [0]),
        ((1, 0), (1, 3), "union", [1], [1, 1], [1]),
        ((1, 3), (1, 0), "intersection", [], [1, 0], [0]),
        ((1, 3), (1, 0), "difference", [0, 1, 2], [1, 3], [3]),
        ((2, 0), (2, 0), "union", [], [2, 0], [0, 0]),
        ((2, 0, 0), (2, 0, 4), "union", [], [2, 0, 0], [[], []]),
    ],
)
def test_dense_sets_may_be_empty(first, second, operation, values, shape, sizes):
    a, b = (tf.placeholder(tf.int64, [None] * len(dims)) for dims in (first, second))
    result = getattr(tf.sets, f"set_{operation}")(a, b)
    fed = {a: np.arange(np.prod(first)).reshape(first), b: np.ones(second, np.int64)}
    with tf.Session() as sess:
        found, counts = sess.run([result, tf.sets.set_size(result)], fed)
    assert found.indices.shape == (len(values), len(shape))
    assert found.values.tolist() == values and found.dense_shape.tolist() == shape
    assert counts.tolist() == sizes
