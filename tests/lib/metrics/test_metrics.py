"""Metrics against results recorded from TensorFlow 1.15: the value, then update and value for three steps."""

import numpy as np
import pytest

import millrace as tf
from lib.golden_programs import check, programs


@pytest.mark.parametrize("program", programs("metrics"))
def test_agrees_with_tensorflow(program):
    check(program)


def test_variables_are_local_and_can_be_reset():
    values = tf.placeholder(tf.float32, [None])
    value, update = tf.metrics.mean(values, name="m")
    assert [v.op.name for v in tf.local_variables()] == ["m/total", "m/count"]
    assert tf.get_collection(tf.GraphKeys.METRIC_VARIABLES) == tf.local_variables()
    assert not tf.global_variables()
    with tf.Session() as session:
        for _ in range(2):
            session.run(tf.local_variables_initializer())
            assert session.run(value) == 0
            assert session.run(update, {values: [1, 3]}) == 2
            assert session.run(update, {values: [5]}) == 3
            assert session.run(value) == 3


def test_value_beside_its_update_is_the_old_one():
    value, update = tf.metrics.mean(tf.constant([4.0]))
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run([value, update]) == [0, 4]
        assert session.run([value, update]) == [4, 4]


def test_two_of_a_kind_do_not_share():
    first, second = tf.metrics.mean(tf.constant(1.0)), tf.metrics.mean(tf.constant(2.0))
    assert [v.op.name for v in tf.local_variables()] == [
        "mean/total",
        "mean/count",
        "mean_1/total",
        "mean_1/count",
    ]
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run([first[1], second[1]]) == [1, 2]


def test_shapes_known_only_when_run():
    labels, predictions, weights = (tf.placeholder(tf.float32) for _ in range(3))
    _, update = tf.metrics.accuracy(labels, predictions, weights)
    feed = {labels: np.ones(3), predictions: np.array([[1], [0], [1]]), weights: np.array([[1], [1], [2]])}
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run(update, feed) == 0.75


def test_the_confusion_so_far_is_a_variable():
    from millrace.python.ops.metrics_impl import _streaming_confusion_matrix

    with tf.Graph().as_default(), tf.Session() as sess:
        matrix, update = _streaming_confusion_matrix([0, 1, 1], [1, 1, 0], 2, weights=[1.0, 2.0, 3.0])
        sess.run(tf.local_variables_initializer())
        sess.run(update)
        assert sess.run(update).tolist() == sess.run(matrix).tolist() == [[0, 2], [6, 4]]
