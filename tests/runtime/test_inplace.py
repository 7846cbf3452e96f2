"""Rows of a variable change in place where nobody can tell, and a failed run leaves them as they were."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


def _table() -> np.ndarray:
    return np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as g:
        yield g


def test_rows_change_without_a_copy(graph) -> None:
    table = tf.Variable(_table())
    change = tf.scatter_add(table, [1, 1], np.ones((2, 3), np.float32))
    with tf.Session() as sess:
        sess.run(table.initializer)
        before = sess.store.cell("Variable").value
        sess.run(change.op)
        assert sess.store.cell("Variable").value is before
        assert np.array_equal(sess.run(table)[1], [5, 6, 7])


def test_what_was_fetched_stays(graph) -> None:
    table = tf.Variable(_table())
    change = tf.scatter_update(table, [0], np.zeros((1, 3), np.float32))
    with tf.Session() as sess:
        sess.run(table.initializer)
        fetched = sess.run(table)
        old, _ = sess.run([table.value(), change.op])
        assert np.array_equal(fetched, _table())
        assert np.array_equal(old, _table())
        assert np.array_equal(sess.run(table)[0], [0, 0, 0])


def test_a_later_reader_of_the_old_value_sees_it(graph) -> None:
    table = tf.Variable(_table())
    change = tf.scatter_update(table, [0], np.zeros((1, 3), np.float32))
    flat = tf.reshape(table, [-1])
    total = tf.reduce_sum(flat)  # created after the write, but with no edge from it
    with tf.Session() as sess:
        sess.run(table.initializer)
        _, found = sess.run([change.op, total])
        assert found == _table().sum()


def test_what_was_fed_stays(graph) -> None:
    start = tf.placeholder(tf.float32, [4, 3])
    table = tf.Variable(_table())
    assign = tf.assign(table, start)
    change = tf.scatter_add(table, [0], np.ones((1, 3), np.float32))
    fed = _table()
    with tf.Session() as sess:
        sess.run(assign.op, {start: fed})
        sess.run(change.op)
    assert np.array_equal(fed, _table())


def test_a_failed_run_changes_nothing(graph) -> None:
    table = tf.Variable(_table())
    change = tf.scatter_add(table, [2, 0, 2], np.ones((3, 3), np.float32))
    with tf.control_dependencies([change]):
        fail = tf.py_func(lambda: 1 / 0, [], tf.int64)
    with tf.Session() as sess:
        sess.run(table.initializer)
        with pytest.raises(tf.errors.OpError):
            sess.run(fail)
        assert np.array_equal(sess.run(table), _table())
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(tf.scatter_add(table, [4], np.ones((1, 3), np.float32)))
        assert np.array_equal(sess.run(table), _table())


def test_a_variable_that_took_another_value_as_its_own_is_copied_before_rows_change(monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "interpret")
    v = tf.get_variable("v", initializer=[0.5, -1.0, 2.0])
    before = tf.identity(v)
    x = tf.placeholder(tf.float32, [3])
    doubled = x * 2.0
    with tf.control_dependencies([tf.assign(v, tf.identity(before))]):
        first = tf.scatter_update(v, [1], [-0.75])
    with tf.control_dependencies([tf.assign(v, doubled)]):
        second = tf.scatter_update(v, [1], [7.0])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert [a.tolist() for a in sess.run([before, first])] == [[0.5, -1.0, 2.0], [0.5, -0.75, 2.0]]
        assert [a.tolist() for a in sess.run([doubled, second], {x: [1, 2, 3]})] == [[2, 4, 6], [2, 7, 6]]
