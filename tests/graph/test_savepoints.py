"""Calls of public functions that fail, and what is kept all the same."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import millrace as tf
from millrace.graph import savepoints


@pytest.fixture
def graph() -> tf.Graph:
    return tf.get_default_graph()


def _fail() -> None:
    raise ValueError("at last")


def test_what_a_failed_call_has_added_is_taken_back(graph: tf.Graph) -> None:
    flag, x = tf.placeholder(tf.bool, []), tf.constant(1.0)
    before = graph.get_operations(), dict(graph.names), graph.last_id, x.consumers()
    with pytest.raises(ValueError, match="at last"):
        tf.cond(flag, lambda: (tf.exp(x), tf.add_to_collection("c", 1), _fail()), lambda: x)
    assert (graph.get_operations(), dict(graph.names), graph.last_id, x.consumers()) == before
    assert graph.get_collection("c") == [] and graph.undo is None


def test_a_call_that_succeeds_leaves_no_log(graph: tf.Graph) -> None:
    tf.exp(tf.constant(1.0))
    assert graph.undo is None and graph.version == 2


def test_variables_are_taken_back_unless_a_layer_holds_them(graph: tf.Graph) -> None:
    flag, x = tf.placeholder(tf.bool, []), tf.ones([1, 2])
    layer = tf.layers.Dense(3, name="layer")
    before = graph.get_operations()
    with pytest.raises(ValueError, match="at last"):
        tf.cond(flag, lambda: (tf.get_variable("v", []), _fail()), lambda: 1.0)
    assert graph.get_operations() == before and tf.global_variables() == []
    assert tf.get_variable("v", [3]).shape == [3]  # the name is free for another
    with pytest.raises(ValueError, match="at last"):
        tf.cond(flag, lambda: (layer(x), _fail()), lambda: x)
    assert layer.kernel in tf.global_variables() and "layer/kernel" in graph.by_name


def test_what_a_run_has_planned_is_kept(graph: tf.Graph) -> None:
    flag = tf.placeholder(tf.bool, [])
    seen: list[Any] = []

    def branch() -> None:
        with tf.init_scope():
            c = tf.constant(3.0)
            with tf.Session() as sess:
                seen.append(sess.run(c))
        _fail()

    before = graph.version
    with pytest.raises(ValueError, match="at last"):
        tf.cond(flag, branch, lambda: None)
    assert seen == [3] and graph.version > before


def test_an_edit_of_what_was_there_is_kept(graph: tf.Graph) -> None:
    flag, a, b = tf.placeholder(tf.bool, []), tf.constant(1.0), tf.constant(2.0)
    y = tf.exp(a)
    before = graph.version
    with pytest.raises(ValueError, match="at last"):
        tf.cond(flag, lambda: (tf.sin(a), y.op._update_input(0, b), _fail()), lambda: a)
    assert graph.version > before and y.op.inputs == (b,)


def test_what_another_thread_adds_meanwhile_is_kept(graph: tf.Graph) -> None:
    flag = tf.placeholder(tf.bool, [])
    made: list[Any] = []

    def other() -> None:
        with graph.as_default():
            made.append(tf.constant(7.0))

    def branch() -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        _fail()

    with pytest.raises(ValueError, match="at last"):
        tf.cond(flag, branch, lambda: None)
    assert made[0].op in graph.get_operations() and graph.by_name[made[0].op.name] is made[0].op


def test_no_savepoint_of_what_takes_nothing(graph: tf.Graph) -> None:
    made = savepoints.savepoint()
    assert made is not None and made[0] is graph and made[1]
    inner = savepoints.savepoint()
    assert inner is not None and not inner[1]
    savepoints.close(inner)
    assert graph.undo is not None
    savepoints.close(made)
    assert graph.undo is None
    graph.finalize()
    assert savepoints.savepoint() is None
    tf.reset_default_graph()
    assert savepoints.savepoint() is None  # there is none before the first operation


def test_only_the_failed_call_inside_another_is_taken_back(graph: tf.Graph) -> None:
    x = tf.constant(1.0)
    outer = savepoints.savepoint()
    kept = tf.exp(x)
    inner = savepoints.savepoint()
    tf.sin(x)
    assert inner is not None and outer is not None
    savepoints.back(inner)
    assert graph.get_operations() == [x.op, kept.op] and x.consumers() == [kept.op]
    savepoints.back(outer)
    assert graph.get_operations() == [x.op] and x.consumers() == []
    savepoints.close(outer)


def test_the_innermost_default_graph_is_the_one_that_is_restored() -> None:
    outer, inner = tf.Graph(), tf.Graph()
    with outer.as_default(), inner.as_default():
        made = savepoints.savepoint()
    assert made is not None and made[0] is inner and outer.undo is None
    savepoints.close(made)
