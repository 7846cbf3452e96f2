"""Denormal numbers are zero where the interpreter multiplies matrices, and what they are outside."""

import threading

import numpy as np
import pytest

import millrace as tf
from millrace.runtime import flushing
from millrace.runtime.flushing import Flushing

TINY = np.float32(1e-40)
flushes = pytest.mark.skipif(flushing._environment() is None, reason="an unknown floating point environment")


def kept():
    """Whether this thread keeps denormal numbers."""
    return bool(np.multiply(np.full(64, TINY), np.float32(1)).any())


@flushes
def test_inside_they_are_zero_and_pairs_nest():
    mode = Flushing()
    assert kept()
    mode.begin()
    mode.begin()
    assert not kept()
    mode.end()
    assert not kept()
    mode.end()
    assert kept()


@flushes
def test_each_thread_has_its_own_mode():
    mode, seen, inside, done = Flushing(), [], threading.Event(), threading.Event()

    def other():
        mode.begin()
        seen.append(kept())
        inside.set()
        done.wait(10)
        mode.end()
        seen.append(kept())

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    assert kept()
    done.set()
    thread.join()
    assert seen == [False, True]


def test_unknown_machines_keep_them(monkeypatch):
    monkeypatch.setattr(flushing, "_CONTROL", {})
    mode = Flushing()
    mode.begin()
    assert kept()
    mode.end()


@flushes
@pytest.mark.parametrize("tier", ["interpret", "compile"])
def test_products_of_denormals_are_zero_in_both_tiers(monkeypatch, tier):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    x = tf.placeholder(tf.float32, [1, 2])
    y = tf.matmul(x, tf.ones([2, 1]))
    with tf.Session() as sess:
        assert sess.run(y, {x: [[TINY, TINY]]}) == 0
        assert sess.run(x, {x: [[TINY, TINY]]}).all()
    assert kept()


@flushes
def test_a_failed_run_leaves_the_mode_as_it_was():
    x = tf.placeholder(tf.float32, [None, 2])
    y = tf.matmul(x, tf.placeholder_with_default(tf.ones([3, 1]), [None, 1]))
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError):
        sess.run(y, {x: [[1, 1]]})
    assert kept()
