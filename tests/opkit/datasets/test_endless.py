"""What never comes to an element ends when its session is closed."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

import millrace as tf

D = tf.data.Dataset


def _nothing() -> Any:
    return D.range(10).repeat().filter(lambda x: x < 0)


def _failing(x: Any) -> Any:
    return tf.check_numerics(tf.cast(x, tf.float32) / 0.0, "never")


def _next(data: Any) -> Any:
    return data.make_one_shot_iterator().get_next()


PIPELINES = {
    "filtered": lambda: _next(_nothing().batch(3).prefetch(2)),
    "skipped": lambda: _next(D.range(3).repeat().skip(10**12)),
    "the same again": lambda: _next(D.range(1).repeat().apply(tf.data.experimental.unique()).skip(1)),
    "all wrong": lambda: _next(D.range(3).repeat().map(_failing).apply(tf.data.experimental.ignore_errors())),
    "summed up": lambda: D.range(3).repeat().reduce(np.int64(0), lambda a, b: a + b),
    "in turns": lambda: _next(D.range(3).interleave(lambda _: _nothing(), 2, num_parallel_calls=2)),
    "in windows": lambda: _next(_nothing().window(2).flat_map(lambda w: w.batch(2))),
    "chosen from what has ended": lambda: _next(
        tf.data.experimental.choose_from_datasets(
            [D.range(0), D.range(5)], D.from_tensors(np.int64(0)).repeat()
        )
    ),
    "in threads": lambda: _next(_nothing().map(lambda x: tf.decode_raw(tf.as_string(x), tf.uint8), 2)),
}


@pytest.mark.parametrize("kind", PIPELINES)
def test_a_closed_session_ends_it(kind: str) -> None:
    element = PIPELINES[kind]()
    before = set(threading.enumerate())
    sess = tf.Session()
    closer = threading.Timer(0.1, sess.close)
    closer.start()
    with pytest.raises(tf.errors.CancelledError):
        sess.run(element)
    closer.join()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_threads_that_wait_together_hold_closing_once() -> None:
    go_on = threading.Event()

    def stuck(number: Any) -> Any:
        assert number == 0 or go_on.wait(30)
        return number

    def one() -> Any:
        return D.range(9).map(lambda x: tf.py_func(stuck, [x], tf.int64)).prefetch(1)

    element = _next(D.zip((one(), one(), one(), one())))
    before = set(threading.enumerate())
    sess = tf.Session()
    assert sess.run(element) == (0, 0, 0, 0)
    start = time.monotonic()
    sess.close()
    assert time.monotonic() - start < 4
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
