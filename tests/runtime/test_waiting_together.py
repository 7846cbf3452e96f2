"""Steps in which several operations wait, and what fails beside them."""

import threading
import time

import pytest

import millrace as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def in_background(work):
    outcome = []

    def body():
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread, outcome


def until(condition):
    end = time.monotonic() + 5
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


def test_a_step_fills_and_empties_a_full_queue():
    queue = tf.FIFOQueue(1, tf.int32)
    put, take = queue.enqueue(5), queue.dequeue()
    with tf.Session() as sess:
        sess.run(queue.enqueue(1))
        assert sess.run([put, take])[1] == 1
        assert sess.run(take) == 5


def test_many_go_through_a_small_queue_in_one_step():
    queue = tf.FIFOQueue(2, tf.int32, [[]])
    put, take = queue.enqueue_many([list(range(7))]), queue.dequeue_many(7)
    doubled = take * 2
    with tf.Session() as sess:
        assert sess.run([put, doubled])[1].tolist() == [0, 2, 4, 6, 8, 10, 12]
        assert sess.run([take, put])[0].tolist() == list(range(7))


def test_waits_that_follow_from_each_other_keep_their_order():
    first, second = tf.FIFOQueue(1, tf.int32, [[]]), tf.FIFOQueue(1, tf.int32, [[]])
    moved = second.enqueue(first.dequeue() + 1)
    put = first.enqueue(7)
    with tf.Session() as sess:
        assert sess.run([moved, second.dequeue(), put])[1] == 8


def test_a_failure_ends_a_step_that_waits_beside_it():
    queue = tf.FIFOQueue(10, tf.int32, [[]])
    take = queue.dequeue()
    fed = tf.placeholder_with_default(False, [])
    with tf.control_dependencies([tf.Assert(fed, ["wrong"])]):
        put = queue.enqueue(33)
    with tf.Session() as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match="wrong"):
            sess.run([take, put])
        assert sess.run(queue.size()) == 0
        assert sess.run([take, put], {fed: True})[0] == 33


def test_a_failure_in_the_rest_of_the_step_ends_a_long_wait():
    queue = tf.FIFOQueue(10, tf.float32, [[]])
    x = tf.placeholder(tf.float32, [])
    rest = tf.check_numerics(tf.log(x), "log")
    with tf.Session() as sess:
        with pytest.raises(tf.errors.InvalidArgumentError, match="log"):
            sess.run([queue.dequeue() + 1, rest], {x: -1.0})
        fetches = [queue.dequeue() + 1, rest]
        thread, outcome = in_background(lambda: sess.run(fetches, {x: 1.0}))
        time.sleep(0.1)
        sess.run(queue.enqueue(1.0))
        thread.join(5)
        assert outcome == [[2.0, 0.0]]


def test_an_uninitialized_variable_beside_a_wait_is_found():
    queue = tf.FIFOQueue(10, tf.float32, [[]])
    v = tf.Variable(1.0)
    with tf.Session() as sess, pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized"):
        sess.run(queue.dequeue() + v)


def test_looking_at_the_rest_changes_nothing():
    queue = tf.FIFOQueue(10, tf.float32, [[]])
    v = tf.Variable([1.0, 2.0])
    take = queue.dequeue()
    calls = []
    said = tf.py_func(lambda x: calls.append(x) or x, [tf.constant(1.0)], tf.float32)
    added, rows = v.assign_add([1.0, 1.0]), tf.scatter_add(tf.Variable([0.0, 0.0], name="w"), [0], [1.0])
    random = tf.random_uniform([], seed=3)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        thread, outcome = in_background(lambda: sess.run([take, added, rows, random, said]))
        time.sleep(0.15)
        assert len(calls) <= 1 and sess.run(v).tolist() == [1, 2]
        sess.run(queue.enqueue(1.0))
        thread.join(5)
        assert len(calls) == 1
        assert [x.tolist() for x in outcome[0][1:3]] == [[2, 3], [1, 0]]
    with tf.Session() as sess:
        assert sess.run(random) == outcome[0][3]


def test_looking_at_what_reads_a_variable_that_the_rest_updates():
    queue = tf.FIFOQueue(10, tf.float32, [[2]])
    v = tf.Variable([1.0, 2.0])
    decay = tf.nn.l2_loss(v)  # depends on no wait
    loss = tf.reduce_sum(queue.dequeue() * v) + decay
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        thread, outcome = in_background(lambda: sess.run([train, loss]))
        time.sleep(0.15)
        assert sess.run(v).tolist() == [1, 2]
        sess.run(queue.enqueue([[1.0, 1.0]]))
        thread.join(5)
        assert outcome[0][1] == 5.5 and sess.run(v).tolist() == [0, 0.5]


def test_a_step_whose_parts_wait_together_ends_with_the_session():
    queue = tf.FIFOQueue(1, tf.int32, [[]])
    other = tf.FIFOQueue(1, tf.int32, [[]])
    sess, both = tf.Session(), [queue.dequeue(), other.dequeue()]
    thread, outcome = in_background(lambda: sess.run(both))
    until(lambda: any(t.name == "millrace-wait" for t in threading.enumerate()))
    sess.close()
    thread.join(5)
    assert isinstance(outcome[0], tf.errors.CancelledError)
    assert not any(t.name == "millrace-wait" for t in threading.enumerate())


def test_a_step_whose_parts_wait_together_has_a_time_limit():
    queue = tf.FIFOQueue(1, tf.int32, [[]])
    other = tf.FIFOQueue(1, tf.int32, [[]])
    with tf.Session() as sess, pytest.raises(tf.errors.DeadlineExceededError):
        sess.run([queue.dequeue(), other.dequeue()], options=tf.RunOptions(timeout_in_ms=50))


def test_a_queue_that_a_failed_step_has_made_stays():
    queue = tf.FIFOQueue(3, tf.int32, [[]])
    take = queue.dequeue()
    with tf.Session() as sess:
        thread, outcome = in_background(lambda: sess.run(take, options=tf.RunOptions(timeout_in_ms=80)))
        thread.join(5)
        assert isinstance(outcome[0], tf.errors.DeadlineExceededError)
        sess.run(queue.enqueue(4))
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run([take, queue.dequeue_many(3)], options=tf.RunOptions(timeout_in_ms=50))
        assert sess.run(queue.size()) <= 1
