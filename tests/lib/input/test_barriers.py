"""Barriers: what they give, and what 1.15 names their operations."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

Barrier = tf.python.ops.data_flow_ops.Barrier
FIRST = -(1 << 63)


def test_tuples_come_when_they_are_complete() -> None:
    barrier = Barrier((tf.float32, tf.int32), shapes=((), (2,)), shared_name="s", name="B")
    numbers = barrier.insert_many(0, ["a", "b"], [1.0, 2.0])
    pairs = barrier.insert_many(1, ["a", "b"], [[1, 2], [3, 4]])
    two, rest = barrier.take_many(2), barrier.take_many(3, allow_small_batch=True)
    sizes = [barrier.ready_size(), barrier.incomplete_size()]
    assert [t.shape.as_list() for t in (two.indices, two.keys, *two.values)] == [[2], [2], [2], [2, 2]]
    assert [t.shape.as_list() for t in rest.values] == [[None], [None, 2]]
    with tf.Session() as sess:
        sess.run(pairs)
        assert sess.run(sizes) == [0, 2]
        sess.run(numbers)
        assert sess.run(sizes) == [2, 0]
        found = sess.run(two)
        assert found.indices.tolist() == [FIRST] * 2 and found.keys.tolist() == [b"a", b"b"]
        np.testing.assert_array_equal(found.values[0], [1, 2])
        np.testing.assert_array_equal(found.values[1], [[1, 2], [3, 4]])
        sess.run(numbers)
        with pytest.raises(tf.errors.InvalidArgumentError, match="already has a value for component 0"):
            sess.run(numbers)
        sess.run(barrier.close())
        sess.run(pairs)  # of keys that are there
        assert sess.run(rest).indices.tolist() == [FIRST + 1] * 2
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed"):
            sess.run(two)
        with pytest.raises(tf.errors.CancelledError):
            sess.run(numbers)


def test_a_bounded_wait() -> None:
    barrier = Barrier(tf.string, shapes=[()])
    assert barrier.barrier_ref.op.node_def.attr["capacity"].i == -1
    with tf.Session() as sess, pytest.raises(tf.errors.DeadlineExceededError):
        sess.run(barrier.take_many(1, timeout=20))


def test_names() -> None:
    with tf.name_scope("n"):
        barrier = Barrier([tf.float32])
    made = [barrier.insert_many(0, ["a"], [1.0]), barrier.take_many(1).keys.op, barrier.close()]
    made += [barrier.close(True, name="q"), barrier.ready_size().op, barrier.incomplete_size().op]
    verbs = ["InsertMany", "TakeMany", "Close", "q", "ReadySize", "IncompleteSize"]
    assert [op.name for op in made] == [v if v == "q" else f"barrier_Barrier{v}" for v in verbs]
    assert barrier.name == "n/barrier" and {op.colocation_groups()[0] for op in made} == {b"loc:@n/barrier"}


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="types"):
        Barrier([])
    for unknown in ([None], [[None]]):
        with pytest.raises(ValueError, match="fully defined"):
            Barrier([tf.float32], shapes=unknown)
    with pytest.raises(ValueError, match="a value for each key"):
        Barrier([tf.float32]).insert_many(0, ["a", "b"], [1.0])
