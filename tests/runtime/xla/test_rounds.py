"""Loops with gradients whose conditions are known at first, at times or never: both tiers run them alike."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millrace as tf


def in_both(monkeypatch, build: Callable[[], list[Any]], runs: int = 2) -> list[Any]:
    """The fetched values, which both tiers give."""
    found = []
    for tier in ("interpret", "compile"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Graph().as_default(), tf.Session() as sess:
            fetches = build()
            sess.run(tf.global_variables_initializer())
            found += [sess.run(fetches) for _ in range(runs)]
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4)
    return found[0]


def test_a_change_that_is_a_constant_at_first(monkeypatch):
    def build():
        w = tf.Variable([1.0, 2.0])

        def going(k, x, change):
            return tf.logical_and(k < 50, change > 1e-2)

        def turn(k, x, change):
            return (k + 1, x * 0.5, tf.reduce_max(tf.abs(x * 0.5)))

        k, x, _ = tf.while_loop(going, turn, [0, w, tf.constant(9.0)])
        return [k, tf.gradients(x, w)[0]]

    rounds, slope = in_both(monkeypatch, build)
    assert rounds == 8
    np.testing.assert_allclose(slope, [2.0**-8] * 2)


def test_a_flag_that_follows_from_data_later(monkeypatch):
    def build():
        x = tf.Variable(1.0)
        y = tf.while_loop(lambda d, y: tf.logical_not(d), lambda d, y: (y * 0.5 < 0.1, y * 0.5), [False, x])[
            1
        ]
        return [y, tf.gradients(y, x)[0]]

    assert in_both(monkeypatch, build) == [0.0625, 0.0625]


def test_values_that_change_places(monkeypatch):
    def build():
        w = tf.Variable(3.0)

        def going(i, a, b):
            return tf.logical_and(i < 20, a > 0.3)

        i, a, b = tf.while_loop(going, lambda i, a, b: (i + 1, b, a * 0.5), [0, tf.constant(1.0), w])
        return [i, a, b, tf.gradients(a + b, w)[0]]

    assert in_both(monkeypatch, build) == [4, 0.25, 0.75, 0.25]


def test_a_number_that_branches_choose(monkeypatch):
    def build():
        w = tf.Variable(0.9)

        def turn(n, x):
            after = tf.cond(tf.equal(n % 2, 0), lambda: n // 2, lambda: 3 * n + 1)
            return after, tf.sin(x * w)

        n, x = tf.while_loop(lambda n, x: n > 1, turn, [6, w])
        return [n, x, tf.gradients(x, w)[0]]

    assert in_both(monkeypatch, build)[0] == 1


def test_a_loop_in_a_loop_of_growing_length(monkeypatch):
    def build():
        w = tf.Variable(2.0)

        def turn(i, x):
            return i + 1, tf.while_loop(lambda k, z: k < i, lambda k, z: (k + 1, tf.sin(z) * w), [0, x])[1]

        x = tf.while_loop(lambda i, x: i < 5, turn, [0, w])[1]
        return [x, tf.gradients(x, w)[0]]

    in_both(monkeypatch, build)


def test_a_variable_that_the_loop_changes(monkeypatch):
    def build():
        v = tf.Variable(0)
        w = tf.Variable(2.0)

        def turn(i, x):
            with tf.control_dependencies([v.assign_add(2)]):
                return i + 1, x * w

        with tf.control_dependencies([v.assign(3)]):
            i, x = tf.while_loop(lambda i, x: i < 4, turn, [0, w])
        with tf.control_dependencies([x]):
            return [i, x, tf.gradients(x, w)[0], v.read_value()]

    assert in_both(monkeypatch, build)[:3] == [4, 32.0, 80.0]


def test_an_index_that_leaves_a_tensor_array_late(monkeypatch):
    def build():
        w = tf.Variable([1.0, 2.0])
        rows = tf.TensorArray(tf.float32, 600).unstack(tf.ones([600, 2]))

        def going(i, x):
            return i < 601

        x = tf.while_loop(going, lambda i, x: (i + 1, x * 0.9 + w * rows.read(i)), [0, w])[1]
        return [tf.gradients(x, w)[0]]

    for tier in ("interpret", "compile"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Graph().as_default(), tf.Session() as sess:
            fetches = build()
            sess.run(tf.global_variables_initializer())
            with pytest.raises(tf.errors.OpError):
                sess.run(fetches)


def test_thousands_of_rounds_are_followed_quickly(monkeypatch):
    def build():
        w = tf.Variable([1.0, 2.0])
        x = tf.while_loop(lambda i, x: i < 3000, lambda i, x: (i + 1, tf.tanh(x * 0.9 + w)), [0, w])[1]
        return [x, tf.gradients(x, w)[0]]

    began = time.perf_counter()
    in_both(monkeypatch, build, runs=1)
    assert time.perf_counter() - began < 20  # each round traced whole: minutes
