"""Queues at their ends."""

import pytest

import millrace as tf


def test_a_queue_is_closed_once():
    queue = tf.FIFOQueue(3, tf.int32)
    close, cancel = queue.close(), queue.close(cancel_pending_enqueues=True)
    with tf.Session() as sess:
        sess.run(queue.enqueue(1))
        sess.run(close)
        with pytest.raises(tf.errors.CancelledError, match="already closed"):
            sess.run(close)
        sess.run(cancel)
        assert sess.run(queue.dequeue()) == 1 and sess.run(queue.is_closed())


def test_a_function_without_a_result_where_one_is_due():
    refused = pytest.raises(tf.errors.InvalidArgumentError, match="is None, but expects float32")
    with tf.Session() as sess, refused:
        sess.run(tf.py_func(lambda: None, [], tf.float32))


def test_gradients_end_at_quantized_values():
    x = tf.placeholder(tf.float32, [3])
    back = tf.dequantize(tf.quantize(x, 0.0, 1.0, tf.quint8)[0], 0.0, 1.0)
    assert tf.gradients(back, x) == [None]
