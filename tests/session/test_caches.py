"""What a session remembers of its runs, and when it must not."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import millrace as tf
from millrace.graph.operation import Operation


@pytest.mark.parametrize("call", ["run", "make_callable"])
def test_an_edited_operation_is_planned_again(call: str) -> None:
    x = tf.placeholder(tf.float32, [])
    one, two = tf.constant(1.0), tf.constant(2.0)
    y = tf.add(x, one)
    with tf.Session() as sess:
        run = sess.make_callable(y, [x]) if call == "make_callable" else lambda v: sess.run(y, {x: v})
        assert run(3.0) == 4
        y.op._update_input(1, two)
        assert run(3.0) == 5
        y.op._update_input(1, one)
        assert run(3.0) == 4


def test_an_edge_added_later_counts() -> None:
    v = tf.Variable(1.0)
    write = v.assign(5.0)
    read = v + 0.0
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([read, write]) == [1, 5]
        sess.run(v.initializer)
        read.op._add_control_input(write.op)
        assert sess.run([read, write]) == [5, 5]


def test_the_same_fetches_are_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = tf.placeholder(tf.float32, [])
    y = x + 1.0
    with tf.Session() as sess:
        prepared: list[object] = []
        prepare = sess._prepare
        monkeypatch.setattr(sess, "_prepare", lambda *given: prepared.append(given) or prepare(*given))
        for value in range(3):
            assert sess.run([y], {x: value}) == [value + 1]
            assert sess.run({"a": y}, {x: value}) == {"a": value + 1}
        assert len(prepared) == 2
        tf.constant(1.0)  # what is added changes nothing that was there
        sess.run([y], {x: 1.0})
        assert len(prepared) == 2


def test_feeds_in_another_order_and_of_other_shapes() -> None:
    a, b = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.float32, [None])
    y = a - b
    with tf.Session() as sess:
        for size in (1, 3, 2, 3):
            assert sess.run(y, {a: np.full(size, 5), b: np.full(size, 2)}).tolist() == [3] * size
            assert sess.run(y, {b: np.full(size, 2), a: np.full(size, 5)}).tolist() == [3] * size


def test_a_closed_session_keeps_no_values() -> None:
    v = tf.Variable(np.ones(3, np.float32))
    sess = tf.Session()
    sess.run(v.initializer)
    assert sess.store.cells[v.op.name].value is not None
    sess.close()
    assert all(cell.value is None for cell in sess.store.cells.values())
    with pytest.raises(RuntimeError, match="closed Session"):
        sess.run(v)


def test_a_session_is_collected_with_its_caches() -> None:
    with tf.Graph().as_default() as graph:
        y = tf.constant(1.0) + 2.0
        sess = tf.Session()
        assert sess.run(y) == 3
        gone = weakref.ref(sess)
        del sess
        gc.collect()
        assert gone() is None and isinstance(graph.get_operations()[0], Operation)
