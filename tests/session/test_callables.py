"""Callables of sessions: by a message of options, over and over, and after the graph has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import millrace as tf
from millrace.core import protos
from millrace.session import session as sessions


@pytest.fixture
def sess() -> Iterator[tf.Session]:
    with tf.Session() as session:
        yield session


def _options(**fields: Any) -> Any:
    message = protos.CallableOptions()
    for name, values in fields.items():
        getattr(message, name).extend(values)
    return message


def test_options_name_what_is_fed_and_fetched(sess: tf.Session) -> None:
    a, b = tf.placeholder(tf.float32, [], name="a"), tf.placeholder(tf.float32, [], name="b")
    v = tf.Variable(0.0, name="v")
    tf.subtract(a, b, name="c")
    tf.assign_add(v, a, name="up")
    sess.run(v.initializer)
    run = sess._make_callable_from_options(_options(feed=["b:0", "a:0"], fetch=["c:0", "a:0"], target=["up"]))
    assert run(1.0, 5.0) == [4, 5] and sess.run(v) == 5
    with pytest.raises(ValueError, match="takes 2 values to feed. Received: 1"):
        run(1.0)
    only = sess._make_callable_from_options(_options(feed=["a:0"], target=["up"]))
    assert only(2.0) == [] and sess.run(v) == 7
    metadata = tf.RunMetadata()
    options = _options(feed=["a:0", "b:0"], fetch=["c:0"])
    options.run_options.trace_level = tf.RunOptions.FULL_TRACE
    traced = sess._make_callable_from_options(options)
    assert traced(3.0, 1.0, run_metadata=metadata) == [2]
    assert [n.node_name for n in metadata.step_stats.dev_stats[0].node_stats] == ["c"]


def test_tensors_take_the_values_of_others(sess: tf.Session) -> None:
    a, b = tf.placeholder(tf.float32, [], name="a"), tf.placeholder(tf.float32, [], name="b")
    tf.multiply(a, 10.0, name="source")
    tf.add(b, 1.0, name="result")
    options = _options(feed=["a:0"], fetch=["result:0"])
    connection = options.tensor_connection.add()
    connection.from_tensor, connection.to_tensor = "source:0", "b:0"
    assert sess._make_callable_from_options(options)(3.0) == [31]


def test_a_callable_sees_an_edited_graph(sess: tf.Session) -> None:
    a, b, x = tf.constant(1.0), tf.constant(2.0), tf.placeholder(tf.float32, [])
    y = a * x
    run, repeated = sess.make_callable(y, [x]), sess.make_repeated(tf.identity(a + 0.0).op)
    assert run(10.0) == 10 and repeated() is None
    y.op._update_input(0, b)
    assert run(10.0) == 20 and repeated() is None and sess.run(y, {x: 10.0}) == 20
    sess.close()
    for call in (lambda: run(1.0), repeated):
        with pytest.raises(RuntimeError, match="closed Session"):
            call()


def test_nothing_is_fed_by_a_callable_without_feeds(sess: tf.Session) -> None:
    c = tf.constant(3.0)
    for feeds in (None, [], ()):
        assert sess.make_callable([c, c.op], feeds)() == [3, None]
    with pytest.raises(TypeError, match="`feed_list` must be a list or tuple. Received: "):
        sess.make_callable(c, {c: 1.0})


def test_an_empty_graph_says_whose_the_fetches_are() -> None:
    x = tf.constant(1.0, name="mine")
    with tf.Session(graph=tf.Graph()) as sess:
        for fetch in (x, [x, x], x.op):
            with pytest.raises(
                RuntimeError, match=r"empty.*'mine' is in another graph .*test_callables.py:\d+\)"
            ):
                sess.run(fetch)
        with pytest.raises(RuntimeError, match=r"before calling run\(\)\.$"):
            sess.run("mine:0")


def test_the_order_of_feeds_does_not_matter(sess: tf.Session) -> None:
    a, b = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    c = a - b
    assert [sess.run(c, feeds) for feeds in ({a: 5.0, b: 3.0}, {b: 3.0, a: 5.0}, {b: 1.0, a: 5.0})] == [
        2,
        2,
        4,
    ]
    assert len({id(r.executables) for r in sess._runners.values()}) == 1  # planned once


def test_what_is_forgotten_runs_again(sess: tf.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what a session remembers goes when it has too much, the oldest of what has run alike first."""
    monkeypatch.setattr(sessions, "_MOST_RUNNERS", 4)
    tensors = [tf.constant(float(n)) for n in range(5)]
    assert [sess.run(tensor) for tensor in tensors] == [0, 1, 2, 3, 4]
    assert {key[0] for key in sess._runners} == {tensors[2], tensors[3], tensors[4]}
    assert len(sess._any_order) == 3
    assert [sess.run(tensor) for tensor in tensors] == [0, 1, 2, 3, 4]
