"""What runs a step over and over, many rounds at once."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.rounds import Rounds


def _moving(source_shape=(), transform=lambda x: x * 2.0 + 1.0, capacity=100):
    source = tf.FIFOQueue(100, [tf.float32], [source_shape])
    target = tf.FIFOQueue(capacity, [tf.float32], [source_shape])
    return source, target, target.enqueue([transform(source.dequeue())])


def _rounds(sess, op):
    return sess._prepare(op, ()).executables.rounds()


def test_moves_what_is_there_in_order():
    source, target, move = _moving([2])
    fill = source.enqueue_many([np.arange(20, dtype="f").reshape(10, 2)])
    with tf.Session() as sess:
        sess.run(fill)
        sess.make_repeated(move)()
        assert sess.run([source.size(), target.size()]) == [0, 10]
        got = sess.run(target.dequeue_many(10))
    np.testing.assert_array_equal(got, np.arange(20).reshape(10, 2) * 2 + 1)


def test_takes_no_more_than_there_is_room_for():
    source, target, move = _moving(capacity=3)
    fill = source.enqueue_many([np.arange(10, dtype="f")])
    with tf.Session() as sess:
        sess.run(fill)
        sess.make_repeated(move)()
        assert sess.run([source.size(), target.size()]) == [7, 3]


def test_rows_of_tensors_and_variables_are_gathered():
    rows = tf.Variable(np.arange(12, dtype="f").reshape(6, 2))
    source = tf.FIFOQueue(100, [tf.int32], [()])
    target = tf.FIFOQueue(100, [tf.float32, tf.float32], [[2], [2]])
    index = source.dequeue()
    move = target.enqueue([tf.gather(rows, index), tf.gather(tf.constant(-np.eye(6, 2, dtype="f")), index)])
    fill = source.enqueue_many([[3, 1, 5]])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert isinstance(_rounds(sess, move).__closure__[0].cell_contents, Rounds)
        sess.run(fill)
        sess.make_repeated(move)()
        values, eye = sess.run(target.dequeue_many(3))
    np.testing.assert_array_equal(values, [[6, 7], [2, 3], [10, 11]])
    np.testing.assert_array_equal(eye, -np.eye(6, 2)[[3, 1, 5]])


def test_error_comes_at_its_element_and_the_others_stay():
    source = tf.FIFOQueue(100, [tf.int32], [()])
    target = tf.FIFOQueue(100, [tf.int32], [()])
    move = target.enqueue([tf.gather([10, 11, 12], source.dequeue(), name="pick")])
    fill = source.enqueue_many([[0, 1, 7, 2]])
    with tf.Session() as sess:
        sess.run(fill)
        run = sess.make_repeated(move)
        with pytest.raises(tf.errors.InvalidArgumentError, match="pick"):
            run()
        assert sess.run([source.size(), target.size()]) == [1, 2]
        run()
        assert sess.run(target.dequeue_many(3)).tolist() == [10, 11, 12]


def test_ends_of_queues():
    source, target, move = _moving()
    fill = source.enqueue_many([np.zeros(3, "f")])
    with tf.Session() as sess:
        run = sess.make_repeated(move)
        sess.run(fill)
        sess.run(target.close())
        with pytest.raises(tf.errors.CancelledError, match="closed") as caught:
            run()
        assert caught.value.op is move
        assert sess.run(source.size()) == 2  # one was on its way
        sess.run(source.close())
        sess.run(source.dequeue_many(2))
        with pytest.raises(tf.errors.OutOfRangeError, match="closed and has insufficient elements"):
            run()


def _counted(source, count):
    with tf.control_dependencies([count.assign_add(1)]):
        return source.dequeue() * 1.0


@pytest.mark.parametrize(
    "step",
    [
        lambda s, v: s.dequeue() + tf.random_uniform([]),  # which draws for each run
        lambda s, v: tf.py_func(lambda x: x, [s.dequeue()], tf.float32),
        lambda s, v: _counted(s, v),
        lambda s, v: tf.reduce_sum(tf.stack([s.dequeue(), 1.0])),
    ],
)
def test_single_runs_where_that_could_be_told(step):
    source = tf.FIFOQueue(100, [tf.float32], [()])
    target = tf.FIFOQueue(100, [tf.float32], [()])
    value = step(source, tf.Variable(0))
    value.set_shape([])
    move = target.enqueue([value])
    fill = source.enqueue_many([np.zeros(3, "f")])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert _rounds(sess, move) is None
        sess.run(fill)
        sess.make_repeated(move)()
        assert sess.run(target.size()) == 1


def test_runners_of_a_batch_lose_nothing():
    images = np.random.RandomState(0).rand(100, 7).astype("f")
    image, label = tf.train.slice_input_producer([images, np.arange(100)], num_epochs=3, seed=1)
    batch = tf.train.batch(
        [image * 2.0, label], 16, num_threads=3, capacity=40, allow_smaller_final_batch=True
    )
    seen = []
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coordinator)
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                values, labels = sess.run(batch)
                np.testing.assert_array_equal(values, images[labels] * 2)
                seen += labels.tolist()
        coordinator.request_stop()
        coordinator.join(threads)
    assert sorted(seen) == sorted([*range(100)] * 3)
