"""Time and memory grow as the graph does, and not with the number of runs."""

import gc
import sys
import time
import tracemalloc

import numpy as np
import pytest

import millrace as tf


def chain(n):
    """A long calculation."""
    x = tf.placeholder(tf.float32, [4], name="x")
    y = x
    for i in range(n // 2):
        y = y + 1.0 if i % 2 else y * x
    return y


def many_variables(n):
    """A train step of many small variables."""
    x = tf.placeholder(tf.float32, [4], name="x")
    parts = [tf.reduce_sum(tf.Variable(np.ones(4, np.float32)) * x) for _ in range(n // 35)]
    return tf.train.GradientDescentOptimizer(0.1).minimize(tf.add_n(parts))


def one_after_the_other(n):
    """Many writes of one variable, each after the one before."""
    x = tf.placeholder(tf.float32, [4], name="x")
    ref = tf.Variable(np.ones(4, np.float32))
    for _ in range(n // 4):
        with tf.control_dependencies([ref]):
            ref = tf.assign_add(ref, x)
    return ref


def many_fetches(n):
    """Many results of one run, some of them the same."""
    x = tf.placeholder(tf.float32, [4], name="x")
    return [tf.identity(x + float(i // 2)) for i in range(n // 3)]


def deep_gradient(n):
    """The gradient of a long chain."""
    x = tf.placeholder(tf.float32, [4], name="x")
    y = x
    for _ in range(n // 3):
        y = tf.tanh(y)
    return tf.gradients(y, x)[0]


def measured(make, n):
    """CPU seconds and bytes of building, planning and running `n` operations, for each operation there is."""
    tf.reset_default_graph()
    gc.collect()
    tracemalloc.start()
    start = time.process_time()
    fetches = make(n)
    operations = len(tf.get_default_graph().get_operations())
    with tf.Session() as sess:
        if tf.global_variables():
            sess.run(tf.global_variables_initializer())
        for _ in range(2):
            sess.run(fetches, {"x:0": np.zeros(4)})
        seconds = time.process_time() - start
        size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds / operations, size / operations


@pytest.mark.parametrize("make", [chain, many_variables, one_after_the_other, many_fetches, deep_gradient])
def test_four_times_the_operations_cost_four_times_as_much(make, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "interpret")
    measured(make, 100)
    small_time, small_size = measured(make, 1500)
    large_time, large_size = measured(make, 6000)
    assert large_size < 1.4 * small_size
    if large_time > 2 * small_time:  # a neighbour may have held the core: once more
        small_time, large_time = measured(make, 1500)[0], measured(make, 6000)[0]
    assert large_time < 2.5 * small_time


@pytest.mark.slow
@pytest.mark.parametrize("make", [chain, many_variables])
def test_a_hundred_thousand_operations(make, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "interpret")
    small_time, small_size = measured(make, 25_000)
    large_time, large_size = measured(make, 100_000)
    assert large_size < 1.2 * small_size
    assert large_time < 2 * small_time


def blocks_after(step, runs):
    for _ in range(runs):
        step()
    gc.collect()
    return sys.getallocatedblocks()


def steps():
    """A run with feeds, writes, random numbers and several fetches; and the same as a callable."""
    x = tf.placeholder(tf.float32, [None])
    v = tf.Variable(np.zeros(3, np.float32))
    bump = v.assign_add(x)
    noise = tf.random_uniform([3])
    fetches = {"sum": tf.reduce_sum(bump * noise), "both": (bump, v.value())}
    sess = tf.Session()
    sess.run(v.initializer)
    feed = np.ones(3, np.float32)
    call = sess.make_callable(fetches, [x])
    return {"run": lambda: sess.run(fetches, {x: feed}), "callable": lambda: call(feed)}


@pytest.mark.parametrize("how", ["run", "callable"])
def test_runs_leak_nothing(how):
    step = steps()[how]
    before = blocks_after(step, 500)
    assert blocks_after(step, 5000) - before < 50


@pytest.mark.slow
def test_a_million_runs_leak_nothing():
    c = tf.constant(3.0)
    y = c + tf.placeholder_with_default(1.0, [])
    with tf.Session() as sess:
        before = blocks_after(lambda: sess.run(y), 1000)
        assert blocks_after(lambda: sess.run(y), 1_000_000) - before < 100


def test_new_fetches_and_shapes_are_forgotten_with_the_session():
    x = tf.placeholder(tf.float32, [None])
    y = x * 2

    def program():
        with tf.Session() as sess:
            for n in range(1, 20):
                sess.run(y, {x: np.ones(n)})

    before = blocks_after(program, 3)
    assert blocks_after(program, 5) - before < 200


@pytest.mark.xla
def test_compiled_runs_leak_nothing(monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "compile")
    step = steps()["run"]
    before = blocks_after(step, 200)
    assert blocks_after(step, 1000) - before < 100
