"""Coordinators, looper threads and queue runners."""

import threading
import time

import pytest

import millrace as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def test_the_first_exception_reaches_whoever_joins():
    coord = tf.train.Coordinator()
    with coord.stop_on_exception():
        raise KeyError("first")
    coord.request_stop(ValueError("second"))
    assert coord.should_stop() and not coord.joined
    with pytest.raises(KeyError, match="first"):
        coord.raise_requested_exception()
    with pytest.raises(KeyError, match="first"):
        coord.join([])
    assert coord.joined
    with pytest.raises(ValueError, match="late"):
        coord.request_stop(ValueError("late"))
    coord.clear_stop()
    assert not coord.should_stop() and not coord.joined
    coord.join([])


def test_the_end_of_the_data_is_a_clean_stop():
    coord = tf.train.Coordinator()
    coord.request_stop(tf.errors.OutOfRangeError(None, None, "end"))
    coord.join([])
    coord = tf.train.Coordinator(clean_stop_exception_types=(KeyError,))
    coord.request_stop((KeyError, KeyError("x"), None))
    coord.join([])
    coord = tf.train.Coordinator()
    coord.request_stop(tf.errors.CancelledError(None, None, "x"))
    with pytest.raises(tf.errors.CancelledError):
        coord.join([])


def test_threads_that_do_not_stop():
    coord, end = tf.train.Coordinator(), threading.Event()
    thread = threading.Thread(target=end.wait, name="stubborn", daemon=True)
    thread.start()
    coord.request_stop()
    with pytest.raises(RuntimeError, match="stubborn"):
        coord.join([thread], stop_grace_period_secs=0.02)
    coord.join([thread], stop_grace_period_secs=0.02, ignore_live_threads=True)
    end.set()


def test_join_waits_for_registered_threads():
    coord, done = tf.train.Coordinator(), []
    thread = threading.Thread(target=lambda: (coord.wait_for_stop(), done.append(1)))
    coord.register_thread(thread)
    thread.start()
    assert coord.wait_for_stop(0.01) is False
    coord.request_stop()
    coord.join()
    assert done == [1]


def test_a_looper_calls_until_the_stop():
    coord, calls = tf.train.Coordinator(), []

    class Loop(tf.train.LooperThread):
        def start_loop(self):
            calls.append("start")

        def run_loop(self):
            calls.append("run")
            if len(calls) > 2:
                coord.request_stop()

        def stop_loop(self):
            calls.append("stop")

    loop = Loop(coord, None)
    loop.start()
    coord.join()
    assert calls == ["start", "run", "run", "stop"]
    with pytest.raises(ValueError, match="Coordinator"):
        tf.train.LooperThread(None, 1)


def test_a_looper_keeps_its_rhythm():
    coord, times = tf.train.Coordinator(), []
    tf.train.LooperThread.loop(coord, 0.01, lambda t, k: times.append((t, k)), args=("a",), kwargs={"k": 1})
    while len(times) < 3:
        time.sleep(0.005)
    coord.request_stop()
    coord.join()
    assert times[0] == ("a", 1)


def runner(limit, coord=None, sess=None):
    queue = tf.FIFOQueue(10, tf.int64, shapes=[[]])
    counter = tf.Variable(0, dtype=tf.int64)
    return queue, counter, tf.train.QueueRunner(queue, [queue.enqueue(counter.count_up_to(limit))] * 2)


def test_a_runner_fills_its_queue_to_the_end_of_the_data():
    queue, counter, filling = runner(5)
    take = queue.dequeue()
    with tf.Session() as sess:
        sess.run(counter.initializer)
        coord = tf.train.Coordinator()
        threads = filling.create_threads(sess, coord, daemon=True, start=True)
        assert len(threads) == 3
        found = []
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found.append(int(sess.run(take)))
        assert sorted(found) == [0, 1, 2, 3, 4]
        coord.request_stop()
        coord.join(threads)


def test_a_runner_reports_errors():
    queue = tf.FIFOQueue(10, tf.float32, shapes=[[]])
    bad = tf.check_numerics(tf.constant(float("nan")), "bad")
    filling = tf.train.QueueRunner(queue, [queue.enqueue(bad)])
    with tf.Session() as sess:
        for thread in filling.create_threads(sess, start=True):
            thread.join()
        assert [type(e) for e in filling.exceptions_raised] == [tf.errors.InvalidArgumentError]
        coord = tf.train.Coordinator()
        threads = filling.create_threads(sess, coord, start=True)
        with pytest.raises(tf.errors.InvalidArgumentError, match="bad"):
            coord.join(threads)


def test_a_stop_ends_runners_that_wait_for_room():
    queue = tf.FIFOQueue(1, tf.int32, shapes=[[]])
    filling = tf.train.QueueRunner(queue, [queue.enqueue(1)] * 2)
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = filling.create_threads(sess, coord, start=True)
        assert filling.create_threads(sess, coord) == []
        coord.request_stop()
        coord.join(threads, stop_grace_period_secs=5)


def test_runners_as_messages():
    with tf.name_scope("here"):
        _, _, filling = runner(2)
    message = filling.to_proto()
    assert message.queue_name == "here/fifo_queue"
    assert list(message.queue_closed_exception_types) == [11]
    assert filling.to_proto(export_scope="there") is None
    assert filling.to_proto(export_scope="here").close_op_name == "fifo_queue_Close"
    again = tf.train.QueueRunner.from_proto(message)
    assert again.name == filling.name
    assert again.enqueue_ops == filling.enqueue_ops
    assert again.queue_closed_exception_types == (tf.errors.OutOfRangeError,)
    assert tf.train.QueueRunner.from_proto(filling.to_proto("here"), "here").cancel_op is filling.cancel_op


def test_what_runners_refuse():
    queue = tf.FIFOQueue(1, tf.int32)
    for arguments in ((queue, []), (None, [queue.enqueue(1)])):
        with pytest.raises(ValueError, match="are needed"):
            tf.train.QueueRunner(*arguments)
    with pytest.raises(TypeError, match="tuple of subclasses"):
        tf.train.QueueRunner(queue, [queue.enqueue(1)], queue_closed_exception_types=[KeyError])
    with pytest.raises(ValueError, match="mutually exclusive"):
        tf.train.QueueRunner(queue, queue_runner_def=3)
    with pytest.raises(TypeError, match=r"tf\.Session"):
        tf.train.start_queue_runners(3)
    with pytest.raises(ValueError, match="no default session"):
        tf.train.start_queue_runners()


def test_runners_travel_in_meta_graphs():
    tf.train.range_input_producer(3, shuffle=False, num_epochs=1)
    meta = tf.train.export_meta_graph()
    assert len(meta.collection_def["queue_runners"].bytes_list.value) == 1
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.train.import_meta_graph(meta)
        sess.run(tf.local_variables_initializer())
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        size = tf.get_default_graph().get_operation_by_name("input_producer/input_producer_Size").outputs[0]
        threads[0].join(5)
        assert sess.run(size) == 3
        coord.request_stop()
        coord.join(threads)
