"""Where segments begin and end, what crosses their borders, and whose memory they may take over."""

from __future__ import annotations

from typing import Any

import numpy as np

import millrace as tf
from millrace.runtime.plan.planner import Plan, make_plan
from millrace.runtime.plan.segments import Segment, host_reasons, split
from millrace.runtime.plan.simplify import simplify


def _plan(fetches: list[Any], feeds: list[Any] = [], dims: Any = None) -> Plan:  # noqa: B006
    return simplify(make_plan(fetches, feeds), dims)


def _shown(parts: list[Any]) -> list[Any]:
    return [[s.op.type for s in p.steps] if isinstance(p, Segment) else p.op.type for p in parts]


def _called(x: Any) -> Any:
    found = tf.py_func(np.negative, [x], tf.float32)
    found.set_shape([2])
    return found


def test_host_steps_stand_between_as_few_segments_as_can_be() -> None:
    x = tf.placeholder(tf.float32, [2])
    before, aside = tf.exp(x), tf.sin(x)
    between = _called(before)
    plan = _plan([between * aside, tf.cos(aside)], [x])
    parts = split(plan)
    assert _shown(parts) == [["Exp", "Sin", "Cos"], "PyFunc", ["Mul"]]
    first, host, last = parts
    assert isinstance(first, Segment) and isinstance(last, Segment)
    assert first.inputs == plan.feeds and set(first.outputs) >= {host.inputs[0], plan.fetches[1]}
    assert set(last.inputs) == {host.outputs[0], first.steps[1].outputs[0]}
    assert last.outputs == [plan.fetches[0]]


def test_what_stays_inside_does_not_cross() -> None:
    x = tf.placeholder(tf.float32, [2])
    plan = _plan([tf.sin(tf.exp(x))], [x])
    (segment,) = split(plan)
    assert isinstance(segment, Segment)
    assert segment.inputs == plan.feeds and segment.outputs == plan.fetches and not segment.donated


def test_a_variable_is_given_away_only_where_nobody_wants_its_old_value() -> None:
    x = tf.placeholder(tf.float32, [2])
    v = tf.Variable(tf.zeros([2]))
    write = v.assign(v + x)
    for fetches, donates in (
        ([write], True),
        ([write.op], True),
        ([write, tf.identity(v)], False),  # the old value is fetched
        ([v.op.outputs[0]], False),  # nothing is written
        ([write, _called(v + 0.0)], False),  # the host takes something after the segment
    ):
        plan = _plan(fetches, [x])
        (use,) = plan.cells
        parts = split(plan)
        given = {v for part in parts if isinstance(part, Segment) for v in part.donated}
        assert given == ({use.initial} if donates else set()), fetches
        kept = {v for part in split(plan, whole=False) if isinstance(part, Segment) for v in part.donated}
        assert not kept


def test_new_values_come_in_the_order_of_the_memory_that_they_take() -> None:
    variables = [tf.Variable(tf.zeros([2])) for _ in range(3)]
    sums = [v + float(k + 1) for k, v in enumerate(reversed(variables))]
    writes = [v.assign(s).op for v, s in zip(variables, reversed(sums), strict=True)]
    plan = _plan([*writes, tf.add_n(sums)])
    (segment,) = split(plan)
    assert isinstance(segment, Segment) and len(segment.donated) == 3
    finals = {use.initial: use.final for use in plan.cells}
    assert segment.outputs[:3] == [finals[v] for v in segment.inputs if v in finals]


def test_reasons() -> None:
    x = tf.placeholder(tf.float32, [None])
    words = tf.placeholder(tf.string, [])
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    rows = tf.where(x > 0.0)
    fetches = [tf.exp(x), tf.string_to_number(words), queue.dequeue(), tf.gather(x, rows), _called(x)]
    plan = _plan(fetches, [x, words], [(3,), ()])
    reasons = {step.op.type: reason for step, reason in zip(plan.steps, host_reasons(plan), strict=True)}
    assert reasons["Exp"] == "" and reasons["Greater"] == ""
    assert reasons["QueueDequeueV2"] == "waits for other threads"
    assert reasons["PyFunc"] == "runs in Python"
    assert reasons["Where"] and reasons["StringToNumber"]
    assert reasons["GatherV2"] == "the size of what it takes depends on values"


def test_effects_of_the_host_keep_their_order() -> None:
    x = tf.placeholder(tf.float32, [2])
    calls = [tf.py_func(lambda a: a, [tf.exp(x * k)], tf.float32) for k in (1.0, 2.0, 3.0)]
    plan = _plan(list(reversed(calls)), [x])
    order = [p.op.name for p in split(plan) if not isinstance(p, Segment)]
    assert order == [c.op.name for c in calls]


def test_a_control_edge_from_the_host_is_kept() -> None:
    x = tf.placeholder(tf.float32, [2])
    with tf.control_dependencies([_called(x)]):
        after = tf.exp(x)
    assert _shown(split(_plan([after], [x]))) == ["PyFunc", ["Exp"]]


def test_an_operation_whose_body_calls_python_stays_on_the_host() -> None:
    x = tf.placeholder(tf.float32, [2])
    flag = tf.placeholder(tf.bool, [])
    called = tf.cond(flag, lambda: _called(x), lambda: x)
    pure = tf.cond(flag, lambda: tf.exp(x), lambda: x)
    plan = _plan([called, pure], [x, flag], [(2,), ()])
    assert [bool(reason) for reason in host_reasons(plan)] == [True, False]
    assert host_reasons(plan)[0].startswith("its PyFunc ") and host_reasons(plan)[0].endswith(
        "runs in Python"
    )


def test_what_asks_whether_a_variable_has_a_value_is_for_the_host() -> None:
    v = tf.Variable(tf.zeros([2]))
    reasons = host_reasons(_plan([tf.is_variable_initialized(v), tf.scatter_add(v, [0], [1.0])]))
    assert sorted(map(bool, reasons)) == [False, True]
    assert "asks whether a variable has a value" in reasons
