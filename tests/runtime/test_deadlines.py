"""Limits of time bound loops that compute, in each tier."""

import time

import pytest

import millrace as tf


@pytest.mark.parametrize("tier", ["interpret", "compile", "auto"])
def test_an_endless_loop_ends_at_its_limit(tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    v = tf.Variable(1.0)
    y = tf.while_loop(lambda i: i > -1.0, lambda i: i * 1.0, [tf.constant(1.0)])
    inner = tf.cond(v > 0.0, lambda: y + 0.0, lambda: v + 0.0)
    up = v.assign_add(1.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for fetches in ([y, up], [inner, up]):
            began = time.perf_counter()
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(fetches, options=tf.RunOptions(timeout_in_ms=300))
            assert time.perf_counter() - began < 10
        assert sess.run(v) == 1.0


@pytest.mark.parametrize("tier", ["interpret", "compile"])
def test_the_limit_of_a_session(tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    n = tf.placeholder(tf.int32, [])
    y = tf.while_loop(lambda i, x: i < n, lambda i, x: (i + 1, x * 0.5), [0, 1.0])[1]
    endless = tf.while_loop(lambda i: i > -1.0, lambda i: i * 1.0, [tf.constant(1.0)])
    with tf.Session(config=tf.ConfigProto(operation_timeout_in_ms=300)) as sess:
        for _ in range(3):
            assert sess.run(y, {n: 3}) == 0.125
        with pytest.raises(tf.errors.DeadlineExceededError):
            sess.run(endless)
