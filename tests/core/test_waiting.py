"""Limits of waits: they nest, end with their context, and belong to a thread."""

from __future__ import annotations

import threading

import pytest

import millrace as tf
from millrace.core import waiting


def test_a_deadline_ends_with_its_context() -> None:
    assert waiting.time_left() is None
    with waiting.limited(seconds=60.0):
        left = waiting.time_left()
        assert left is not None and 50 < left <= 60
        with waiting.limited(seconds=5.0):
            inner = waiting.time_left()
            assert inner is not None and inner <= 5
        outer = waiting.time_left()
        assert outer is not None and outer > 50
    assert waiting.time_left() is None


def test_a_failed_context_leaves_no_deadline() -> None:
    with pytest.raises(ZeroDivisionError), waiting.limited(waiting.Cancellation(), 5.0):
        raise ZeroDivisionError
    assert waiting.time_left() is None and waiting.current() is None


def test_limits_belong_to_a_thread() -> None:
    found: list[float | None] = []
    with waiting.limited(seconds=5.0):
        thread = threading.Thread(target=lambda: found.append(waiting.time_left()))
        thread.start()
        thread.join()
    assert found == [None]


def test_a_step_inside_keeps_the_deadline_and_begins_without_an_attempt() -> None:
    cancellation = waiting.Cancellation()
    with waiting.limited(seconds=5.0), waiting.attempted():
        with waiting.limited(cancellation):
            assert waiting.current() is cancellation
            assert waiting.time_left() is not None and not waiting.attempting()
        assert waiting.attempting() and waiting.current() is None


def test_what_would_wait_in_an_attempt_says_so() -> None:
    condition = threading.Condition()
    with condition, waiting.attempted():
        waiting.wait_until(condition, lambda: True)
        with pytest.raises(waiting.WouldWait):
            waiting.wait_until(condition, lambda: False)


def test_a_cancelled_parent_calls_off_the_waits_of_its_children() -> None:
    parent = waiting.Cancellation()
    child = waiting.Cancellation(parent)
    condition = threading.Condition()
    began = threading.Event()
    outcome: list[BaseException] = []

    def wait() -> None:
        with waiting.limited(child, standing=began.set), condition:
            try:
                waiting.wait_until(condition, lambda: False, "it")
            except tf.errors.CancelledError as error:
                outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert began.wait(5)
    parent.cancel()
    thread.join(5)
    assert len(outcome) == 1 and child.cancelled and child.session is parent


def test_a_long_wait_looks_around_once() -> None:
    condition = threading.Condition()
    looked: list[bool] = []
    with (
        waiting.limited(waiting.Cancellation(), 0.2, idle=lambda: looked.append(True)),
        condition,
        pytest.raises(tf.errors.DeadlineExceededError, match="waiting for it"),
    ):
        waiting.wait_until(condition, lambda: False, "it")
    assert looked == [True]


def test_a_deadline_does_not_reach_the_next_run() -> None:
    queue = tf.FIFOQueue(1, tf.float32)
    item = queue.dequeue()
    with tf.Session() as sess:
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(item, options=tf.RunOptions(timeout_in_ms=20))
        with sess.graph.as_default():
            put = queue.enqueue(3.0)
        later = threading.Timer(0.1, lambda: sess.run(put))
        later.start()
        assert sess.run(item) == 3.0
        later.join()
