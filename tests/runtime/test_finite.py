"""A run that is watched for numbers that stop being finite."""

import numpy as np
import pytest

import millrace as tf
from millrace.runtime import finite


def watch(sess, fetches, feeds):
    return sess.run_observed(
        fetches, feeds, finite.FiniteWatch([(k, np.asarray(v)) for k, v in feeds.items()])
    )


def test_the_first_operation_that_makes_infinity_is_named_with_its_inputs():
    x = tf.placeholder(tf.float32, [None], name="x")
    y = tf.reduce_sum(tf.log(x, name="bad") * 2.0)
    with tf.Session() as sess:
        assert watch(sess, y, {x: np.float32([1.0])}) == 0.0
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            watch(sess, y, {x: np.float32([1.0, 0.0])})
    assert caught.value.op.name == "bad"
    assert "1 infinite of 2 values" in caught.value.message
    assert "x:0 = float32 [2] [1., 0.]" in caught.value.message
    assert "test_finite.py" in str(caught.value)


def test_a_run_that_is_stopped_changes_nothing():
    v = tf.get_variable("v", initializer=[4.0])
    step = tf.assign_sub(v, tf.sqrt(v - 5.0))
    with tf.Session() as sess:
        sess.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="1 NaN"):
            watch(sess, step, {})
        assert sess.run(v) == [4.0]


def test_a_last_write_is_taken_back_too():
    v = tf.get_variable("v", initializer=[4.0])
    step = tf.assign_add(v, tf.placeholder_with_default([3e38], [1]) + 3e38)
    big = tf.assign_add(v, [3.4e38])
    with tf.Session() as sess:
        sess.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match="1 infinite"):
            watch(sess, step, {})
        sess.run(big)
        before = sess.run(v)
        with pytest.raises(tf.errors.InvalidArgumentError, match="1 infinite"):
            watch(sess, big, {})
        assert sess.run(v) == before


def test_infinity_that_was_put_in_is_let_through():
    masked = tf.placeholder(tf.float32, [2]) + tf.constant([0.0, -np.inf])
    with tf.Session() as sess:
        assert watch(sess, tf.nn.softmax(masked), {masked: np.float32([0.0, -np.inf])})[0] == 1.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32([1, 2]), "float32 [2] [1., 2.]"),
        (np.arange(100), "int64 [100] from 0 to 99, mean 49.5"),
        (None, "a value that is not looked at"),
        ("text", "str"),
    ],
)
def test_values_in_one_line(value, text):
    assert finite.describe(value) == text
