"""What a session keeps, feeds that convert themselves, fork and close while a run is in flight."""

import os
import threading
import time

import numpy as np
import pytest

import millrace as tf
from millrace.session.fetch import _expansions, register_session_run_conversion_functions


def test_the_order_of_feeds_makes_no_other_plan():
    a, b = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    with tf.Session() as sess:
        assert sess.run(a - b, {a: 3.0, b: 1.0}) == 2.0
        y = a - b
        assert sess.run(y, {a: 3.0, b: 1.0}) == sess.run(y, {b: 1.0, a: 3.0}) == 2.0
        assert len({id(r.executables) for r in sess._runners.values()}) == 2


def test_fetches_that_never_repeat_are_forgotten():
    a = tf.constant(1.0)
    with tf.Session() as sess:
        for n in range(1, 1200):
            sess.run([a] * n)
        assert len(sess._runners) <= 512


def test_a_feed_function_gets_the_value():
    class Pair:
        def __init__(self, *tensors):
            self.tensors = tensors

    def feed(pair, value):
        return [(t, value[k] * 2) for k, t in zip(sorted(value), pair.tensors, strict=False)]

    register_session_run_conversion_functions(
        Pair, lambda p: (list(p.tensors), lambda v: v), feed, lambda p: list(p.tensors)
    )
    try:
        a, b = tf.placeholder_with_default(0.0, []), tf.placeholder_with_default(0.0, [])
        pair, y = Pair(a, b), [a, b]
        with tf.Session() as sess:
            assert sess.run(y, {pair: {"x": 4.0}}) == [8.0, 0.0]
            assert sess.run(y, {pair: {"x": 4.0, "y": 1.0}}) == [8.0, 2.0]  # other tensors than before
            assert sess.run(pair, {pair: {"x": 1.0}}) == [2.0, 0.0]
    finally:
        _expansions[:] = [e for e in _expansions if e.kind is not Pair]


def test_a_shape_set_after_a_run_binds_later_feeds():
    p = tf.placeholder(tf.float32)
    y = p * 1.0
    with tf.Session() as sess:
        sess.run(y, {p: [1.0, 2.0]})
        p.set_shape([3])
        with pytest.raises(ValueError, match="Cannot feed value of shape"):
            sess.run(y, {p: [1.0, 2.0]})


def test_a_written_resource_is_fetched_outside_of_its_graphs_scope():
    graph = tf.Graph()
    with graph.as_default():
        r = tf.get_variable("r", [], initializer=tf.zeros_initializer(), use_resource=True)
        up, start = r.assign_add(1.0), r.initializer
    graph.finalize()
    sess = tf.Session(graph=graph)
    sess.run(start)
    assert sess.run(up) == 1.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore")
def test_a_child_of_fork_runs_while_the_parent_is_in_a_run():
    v = tf.Variable(1.0)
    inside, go_on = threading.Event(), threading.Event()
    y = tf.py_func(lambda x: (inside.set(), go_on.wait(20), np.float32(x))[2], [v + 0.0], tf.float32)
    sess = tf.Session()
    sess.run(v.initializer)
    lock = sess.store.lock

    def hold():
        with lock:
            inside.set()
            go_on.wait(20)

    for work in (lambda: sess.run(y), hold):
        inside.clear()
        go_on.clear()
        thread = threading.Thread(target=work)
        thread.start()
        inside.wait(10)
        child = os.fork()
        if child == 0:
            os._exit(0 if sess.run(v + 1.0) == 2.0 else 1)
        until = time.time() + 20
        done = (0, 1)
        while time.time() < until and not done[0]:
            done = os.waitpid(child, os.WNOHANG)
            time.sleep(0.01)
        go_on.set()
        thread.join()
        assert done[0] == child and done[1] == 0


def test_close_during_a_run_is_a_cancellation():
    v = tf.Variable(1.0)
    inside, go_on = threading.Event(), threading.Event()
    wait = tf.py_func(lambda: (inside.set(), go_on.wait(20), np.float32(1))[2], [], tf.float32)
    y = v.assign_add(wait)
    sess, caught = tf.Session(), []
    sess.run(v.initializer)

    def work():
        try:
            sess.run(y)
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    sess.close()
    go_on.set()
    thread.join(20)
    assert isinstance(caught[0], tf.errors.CancelledError)
