"""How a session runs: time limits, observers, callables, traces, what it keeps."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.core.waiting import limits
from millrace.session import session as sessions
from millrace.session.handles import TensorHandle


@pytest.fixture
def sess() -> Iterator[tf.Session]:
    with tf.Session() as session:
        yield session


def _seconds_left(found: list[float | None]) -> Any:
    def look() -> Any:
        found.append(None if limits.deadline is None else limits.deadline - time.monotonic())
        return np.float32(0)

    return tf.py_func(look, [], tf.float32)


def test_time_limits_of_sessions_and_runs() -> None:
    """A run's own limit goes before the session's; 0 is none at all, and nothing is left behind."""
    for of_session, of_run, low, high in (
        (0, None, None, None), (0, 0, None, None), (0, 50_000, 40, 50), (20_000, None, 10, 20),
        (20_000, 0, 10, 20), (20_000, 50_000, 40, 50), (-5, -5, None, None),
    ):  # fmt: skip
        with tf.Graph().as_default():
            found: list[float | None] = []
            look = _seconds_left(found)
            with tf.Session(config=tf.ConfigProto(operation_timeout_in_ms=of_session)) as sess:
                before = limits.deadline
                sess.run(look, options=None if of_run is None else tf.RunOptions(timeout_in_ms=of_run))
                assert limits.deadline is before
                sess.make_callable(look)()
        for value, run in zip(found, (of_run, None), strict=True):
            if run is None and of_session <= 0:
                assert value is None
            elif run is None:
                assert value is not None and 10 < value <= 20
            elif low is None or high is None:
                assert value is None
            else:
                assert value is not None and low < value <= high


def test_options_are_checked(sess: tf.Session) -> None:
    c = tf.constant(1.0) + 1.0
    with pytest.raises(TypeError, match="options must be a tf.RunOptions. Received: 3"):
        sess.run(c, options=3)
    with pytest.raises(TypeError, match="run_metadata must be a tf.RunMetadata. Received: 3"):
        sess.run(c, run_metadata=3)
    metadata = tf.RunMetadata()
    metadata.step_stats.dev_stats.add(device="old")
    assert sess.run(c, run_metadata=metadata) == 2 and not metadata.step_stats.dev_stats
    sess.run(c, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    assert metadata.step_stats.dev_stats and not metadata.partition_graphs
    sess.run(c, options=tf.RunOptions(output_partition_graphs=True), run_metadata=metadata)
    assert [node.name for node in metadata.partition_graphs[0].node] == ["Const", "add/y", "add"]
    assert not metadata.step_stats.dev_stats


def test_observers_are_told_of_runs_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    wanted = [False, True, True]

    def observe(runner: Any, values: Any) -> Any:
        told.append((runner.elements, list(values)))
        return (
            (lambda part, start, end, results: told.append(part.steps[0].op.type)) if wanted.pop(0) else None
        )

    monkeypatch.setattr(sessions, "observers", [observe])
    x = tf.placeholder(tf.float32, [])
    y = tf.exp(tf.negative(x))
    with tf.Session() as sess:
        assert sess.run(y, {x: 0.0}) == 1
        assert told == [([y], [0.0])]
        for _ in range(2):
            told.clear()
            assert sess.run(y, {x: 0.0}) == 1
            assert told == [([y], [0.0]), "Neg", "Exp"]


def test_a_run_observed(sess: tf.Session) -> None:
    x = tf.placeholder(tf.float32, [])
    v = tf.Variable(1.0)
    write = v.assign(tf.exp(x))
    sess.run(v.initializer)
    told: list[str] = []

    def observe(part: Any, *_: Any) -> None:
        told.append(part.steps[0].op.type)
        if len(told) == 4:
            raise KeyboardInterrupt

    assert sess.run_observed([write, x], {x: 0.0}, observe) == [1, 0]
    assert told == ["Exp", "Assign"]
    with pytest.raises(KeyboardInterrupt):
        sess.run_observed(write, {x: 1.0}, observe)
    assert sess.run(v) == 1
    assert sess.run_observed(tf.constant(3.0), None, lambda *_: None) == 3


def test_the_structure_of_a_callable_and_its_keywords(sess: tf.Session) -> None:
    x, y = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    call = sess.make_callable({"d": x - y}, (x, y))
    assert call(5.0, 2.0) == {"d": 3}
    with pytest.raises(
        TypeError, match="takes no keywords but those of accept_options. Received: {'other': 1}"
    ):
        sess.make_callable(x, [x], accept_options=True)(1.0, other=1)
    with pytest.raises(TypeError, match="takes no keywords"):
        call(5.0, 2.0, options=tf.RunOptions())
    sess.close()
    with pytest.raises(RuntimeError, match="closed Session"):
        call(1.0, 2.0)


def test_a_handle_that_is_kept_by_name_outlives_its_object(sess: tf.Session) -> None:
    handle = sess.run(tf.get_session_handle(tf.constant([1.0, 2.0])))
    assert handle.to_numpy_array().tolist() == [1, 2] and handle.dtype == tf.float32
    name = handle.get_raw_handle()
    assert name == str(handle)
    del handle
    holder, tensor = tf.get_session_tensor(name, tf.float32)
    assert sess.run(tensor, {holder: name}).tolist() == [1, 2]
    operations = len(sess.graph.get_operations())
    for _ in range(2):
        other = sess.run(tf.get_session_handle(tf.constant(1.0)))
        assert other.eval() == 1
        added, operations = len(sess.graph.get_operations()) - operations, len(sess.graph.get_operations())
    assert added == 2  # the constant and its handle: what reads handles is made once


def test_sessions_are_made_of_what_they_should_be() -> None:
    for arguments, error, message in (
        ({"graph": 3}, TypeError, "graph must be a tf.Graph, but got .*int.*Received: 3"),
        ({"config": 3}, TypeError, "config must be a tf.ConfigProto.*Received: 3"),
        ({"target": 3}, TypeError, "target must be a string.*Received: 3"),
        ({"target": "http://x"}, tf.errors.NotFoundError, "target must be ''.*Received: 'http://x'"),
    ):
        with pytest.raises(error, match=message):
            tf.Session(**arguments)  # type: ignore[arg-type]
    session = tf.Session("local", graph=tf.Graph())
    assert session.sess_str == b"local" and not session.closed and session.graph_def.node == []
    session.close()
    assert session.closed
    with pytest.raises(RuntimeError, match="closed Session"):
        session.run(tf.constant(1.0))
    with pytest.raises(RuntimeError, match="closed Session"):
        session.run_observed(tf.constant(1.0), {}, lambda *_: None)


def test_only_the_fetches_that_ran_least_are_forgotten(
    sess: tf.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_MOST_RUNNERS", 4)
    x, y = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    fetches = [tf.add(x, float(n)) * y for n in range(5)]
    for n, fetch in enumerate(fetches[:4]):
        for _ in range(1 if n < 2 else 3):
            sess.run(fetch, {x: 1.0, y: 1.0})
    assert len(sess._runners) == 4
    sess.run(fetches[4], {x: 1.0, y: 1.0})
    assert {key[0] for key in sess._runners} == set(fetches[2:])
    assert {key[0] for key in sess._any_order} == set(fetches[2:])
    before = len(sess._runners)
    assert sess.run(fetches[2], {y: 1.0, x: 1.0}) == 3 and len(sess._runners) == before + 1


def test_a_handle_that_was_refused_frees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    with pytest.raises((TypeError, AttributeError)):
        TensorHandle(3, tf.float32, None)
    gc.collect()
    assert raised == []


@pytest.mark.parametrize(
    "given", [{}, {"options": None}, {"run_metadata": None}, {"options": None, "run_metadata": None}]
)
def test_a_callable_takes_options_where_it_accepts_them(sess: tf.Session, given: dict[str, Any]) -> None:
    x = tf.placeholder(tf.float32, [])
    accepting = sess.make_callable(x * 2.0, [x], accept_options=True)
    assert accepting(3.0, **given) == 6
    plain = sess.make_callable(x * 2.0, [x])
    if given:
        with pytest.raises(TypeError, match="takes no keywords but those of accept_options. Received: {'"):
            plain(3.0, **given)
    with pytest.raises(TypeError, match="no keywords"):
        accepting(3.0, other=1, **given)


@pytest.mark.parametrize("config", [None, tf.ConfigProto(), tf.ConfigProto(operation_timeout_in_ms=-1)])
def test_a_session_without_a_limit_waits(config: Any) -> None:
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    item, put = queue.dequeue(), queue.enqueue(3.0)
    with tf.Session(config=config) as sess:
        later = threading.Timer(0.03, lambda: sess.run(put))
        later.start()
        assert sess.run(item) == 3
        later.join()
