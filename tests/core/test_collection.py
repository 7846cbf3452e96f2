"""The garbage collector rests while graphs and plans are made, and goes on afterwards."""

import gc
import os
import threading

import pytest

import millrace as tf
from millrace.core.collection import Resting


@pytest.fixture(autouse=True)
def on():
    gc.enable()
    yield
    gc.enable()


def test_it_rests_until_the_last_has_left():
    resting, inside, done = Resting(), threading.Event(), threading.Event()

    def other():
        with resting:
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    with resting:
        thread.start()
        assert inside.wait(10)
        with resting:
            pass
        assert not gc.isenabled()
    assert not gc.isenabled()
    done.set()
    thread.join()
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off():
    gc.disable()
    with Resting():
        pass
    assert not gc.isenabled()


def test_failures_end_the_rest():
    with pytest.raises(ValueError, match="type"):
        tf.import_graph_def(tf.GraphDef(node=[tf.NodeDef(name="a", op="Nonsense")]))
    assert gc.isenabled()
    with pytest.raises(TypeError):
        tf.gradients(tf.complex(1.0, 2.0), tf.constant(1.0))
    x = tf.placeholder(tf.float32, [])
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError):
        sess.run(x + 1.0)
    assert gc.isenabled()


def test_it_rests_while_gradients_are_drawn():
    seen = []

    @tf.custom_gradient
    def watched(x):
        def grad(dy):
            seen.append(gc.isenabled())
            return dy

        return tf.identity(x), grad

    x = tf.constant(1.0)
    tf.gradients(watched(x), x)
    assert seen == [False]
    assert gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_of_fork_collects():
    resting = Resting()
    with resting:
        resting.begin_anew()  # what a child does that another thread's rest left behind
        assert gc.isenabled()
    assert gc.isenabled()
