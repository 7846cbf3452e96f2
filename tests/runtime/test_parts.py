"""Steps in parts: what is taken back when one fails, and what is not."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.simplify import simplify
from millrace.runtime.stepwise import phases, single_steps
from millrace.runtime.store import Store


def _plan(fetches: list[Any], feeds: list[Any] = []) -> Any:  # noqa: B006
    return simplify(make_plan(fetches, feeds))


def _types(parts: Any) -> list[list[str]]:
    return [[step.op.type for step in part.steps] for part in parts]


def test_what_must_come_before_a_wait_and_what_may_come_after() -> None:
    queue = tf.FIFOQueue(3, tf.float32, [[]], name="q")
    v = tf.Variable(1.0)
    x = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([v.assign(tf.exp(x))]):
        item = queue.dequeue()
    plan = _plan([tf.sin(item), tf.cos(x)], [x])
    parts = phases(plan, Store()).parts
    assert [sorted(types) for types in _types(parts)] == [
        ["Assign", "Exp", "FIFOQueueV2"], ["QueueDequeueV2"], ["Cos", "Sin"],
    ]  # fmt: skip
    assert [part.waits for part in parts] == [False, True, False]
    assert [part.whole for part in parts] == [False, False, True]
    assert [cell.key for cell in parts[0].changed] == ["q", v.op.name] and not parts[2].changed


def test_nothing_is_left_after_the_last_wait() -> None:
    queue = tf.FIFOQueue(3, tf.float32, [[]])
    parts = phases(_plan([queue.enqueue(1.0)]), Store()).parts
    assert _types(parts) == [["FIFOQueueV2"], ["QueueEnqueueV2"]] and parts[1].waits


def test_single_steps_pass_their_values_on() -> None:
    x = tf.placeholder(tf.float32, [])
    y = tf.exp(x)
    parts = single_steps(_plan([tf.sin(y) + y], [x]), Store())
    assert _types(parts) == [["Exp"], ["Sin"], ["Add"]]
    assert parts[0].gives == parts[1].takes and set(parts[2].takes) == {*parts[0].gives, *parts[1].gives}


def _waiting_step() -> tuple[Any, Any, Any, Any]:
    v = tf.Variable(1.0, name="v")
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    began = threading.Event()
    with tf.control_dependencies([v.assign(2.0)]):
        told = tf.py_func(lambda: began.set() or np.float32(0), [], tf.float32)
    with tf.control_dependencies([told]):
        item = queue.dequeue()

    def fail(_: Any) -> Any:
        raise ValueError("after the wait")

    return v, queue, began, tf.py_func(fail, [item], tf.float32)


@pytest.mark.parametrize("built_on", [False, True])
def test_a_failed_step_takes_its_writes_back_unless_another_thread_built_on_them(built_on: bool) -> None:
    v, queue, began, fails = _waiting_step()
    more, put = v.assign_add(10.0), queue.enqueue(0.0)
    outcome: list[BaseException] = []
    with tf.Session() as sess:
        sess.run(v.initializer)

        def step() -> None:
            try:
                sess.run(fails)
            except tf.errors.OpError as error:
                outcome.append(error)

        thread = threading.Thread(target=step)
        thread.start()
        assert began.wait(5)
        if built_on:
            assert sess.run(more) == 12
        else:
            assert sess.run(v) == 2
        sess.run(put)
        thread.join(5)
        assert len(outcome) == 1
        assert sess.run(v) == (12 if built_on else 1)


def test_a_step_that_succeeds_keeps_what_each_part_wrote() -> None:
    v = tf.Variable(1.0)
    queue = tf.FIFOQueue(2, tf.float32, [[]])
    first = v.assign_add(1.0)
    with tf.control_dependencies([first]):
        item = queue.dequeue()
    second = v.assign(v * 0.0 + first + item)
    with tf.Session() as sess:
        sess.run([v.initializer, queue.enqueue(5.0)])
        assert sess.run([first, item, second, v]) == [2, 5, 7, 7]
        sess.run(queue.enqueue(5.0))
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        assert sess.run([first, item, second, v], options=options, run_metadata=metadata) == [8, 5, 13, 13]
