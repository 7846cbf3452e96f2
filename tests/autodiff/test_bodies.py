"""Which inputs of a branch or loop get a gradient: those alone from which something differentiable leads."""

import numpy as np
import pytest

import millrace as tf


def reached(build):
    """Which of x and y get a gradient, and the gradients' values."""
    x = tf.placeholder_with_default([0.5, -1.0, 2.0], [3])
    y = tf.placeholder_with_default([1.5, 0.25, -0.75], [3])
    yes, no = tf.placeholder_with_default(True, []), tf.placeholder_with_default(False, [])
    slopes = tf.gradients(build(x, y, yes, no), [x, y])
    with tf.Session() as session:
        return [None if s is None else session.run(s).tolist() for s in slopes]


ONES = [1.0, 1.0, 1.0]
TWOS = [2.0, 2.0, 2.0]
EIGHTS = [8.0, 8.0, 8.0]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x, y, yes, no: tf.cond(yes, lambda: (x * 2, y * 3), lambda: (x, y))[0], [TWOS, None]),
        (lambda x, y, yes, no: tf.cond(yes, lambda: tf.floor(x) + y, lambda: y), [None, ONES]),
        (lambda x, y, yes, no: tf.cond(no, lambda: x * 2, lambda: y * 2), [[0.0] * 3, TWOS]),
        (lambda x, y, yes, no: tf.cond(tf.reduce_sum(x) > 0, lambda: y, lambda: y * 2), [None, ONES]),
        (
            lambda x, y, yes, no: tf.cond(
                yes, lambda: tf.cond(no, lambda: (x * 2, y * 3), lambda: (x, y))[1], lambda: y
            ),
            [None, ONES],
        ),
        (lambda x, y, yes, no: tf.cond(yes, lambda: tf.floor(x), lambda: tf.ceil(y)), [None, None]),
    ],
)
def test_what_a_branch_passes_no_gradient_has_none(build, expected):
    assert reached(build) == expected


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (lambda i, a, b: (i + 1, a * 2, b + 1), [EIGHTS, None]),
        (lambda i, a, b: (i + 1, a * 2 + tf.floor(b), b), [EIGHTS, None]),
        (lambda i, a, b: (i + 1, a + b, b * 1), [ONES, [3.0] * 3]),
        (lambda i, a, b: (i + 1, b, a), [[0.0] * 3, ONES]),  # each reaches the result in some iteration
    ],
)
def test_what_a_loop_carries_beside_the_result_has_none(turn, expected):
    assert reached(lambda x, y, yes, no: tf.while_loop(lambda i, a, b: i < 3, turn, [0, x, y])[1]) == expected


def test_a_variable_that_only_another_result_uses_is_not_trained():
    used, other = tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0])
    flag = tf.placeholder_with_default(True, [])
    loss = tf.reduce_sum(tf.cond(flag, lambda: (used * 2, other * 3), lambda: (used, other))[0])
    (slope, variable), (none, _) = tf.train.AdamOptimizer(0.1).compute_gradients(loss)
    assert variable is used and slope is not None and none is None


def test_the_loop_of_a_gradient_carries_what_is_reached_alone():
    x = tf.constant([1.0, 2.0])
    results = tf.while_loop(
        lambda i, *_: i < 3, lambda i, a, b, c: (i + 1, a * 2, b * a, c + 1.0), [0, x, x, x], name="turns"
    )
    slope = tf.gradients(results[1], x)[0]
    (loop,) = (
        op
        for op in tf.get_default_graph().get_operations()
        if op.type == "While" and op.name.startswith("gradients")
    )
    assert loop.attrs["carried"] == 1
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(slope), [8.0, 8.0])
