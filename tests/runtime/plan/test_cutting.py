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


def test_steps_that_share_a_stack_or_array_stay_together() -> None:
    x = tf.placeholder(tf.float32, [3])
    array = tf.TensorArray(tf.float32, size=3)
    written = array.write(0, _called(x)[0]).write(1, x[1])
    alone = tf.TensorArray(tf.float32, size=3).unstack(x)
    plan = _plan([written.read(0), alone.read(1), tf.exp(x)], [x], [(3,)])
    reasons = {}
    for step, reason in zip(plan.steps, host_reasons(plan), strict=True):
        reasons.setdefault(step.op.type, []).append(reason)
    shares = "it shares a tensor array, a stack or what a branch keeps with a host step"
    assert reasons["Exp"] == [""]
    assert all(reason in ("", shares) for reason in reasons["TensorArrayReadV3"])
    named = tf.placeholder(tf.string, [])
    strings = tf.TensorArray(tf.string, size=2).write(0, named)
    numbers = tf.TensorArray(tf.float32, size=2).write(0, x[0])
    plan = _plan([strings.read(0), numbers.read(0)], [named, x], [(), (3,)])
    found = [(s.op.type, bool(r)) for s, r in zip(plan.steps, host_reasons(plan), strict=True)]
    assert [host for kind, host in found if kind.startswith("TensorArray")].count(False) >= 3
    assert [host for kind, host in found if kind.startswith("TensorArray")].count(True) >= 3


def test_edges_lead_from_earlier_effects_only() -> None:
    """An effect that is ready waits for the one before it; a pure step does not."""
    x = tf.placeholder(tf.float32, [2])
    said = [tf.py_func(lambda a: a, [x], tf.float32, name=f"said{n}") for n in range(3)]
    with tf.control_dependencies([said[1]]):
        late = tf.exp(x, name="late")
    early = tf.sin(x, name="early")
    plan = _plan([said[2], late, early, said[0], tf.cos(late)], [x])
    names = [
        [s.op.name for s in part.steps] if isinstance(part, Segment) else part.op.name for part in split(plan)
    ]
    hosts = [name for name in names if isinstance(name, str)]
    assert hosts == ["said0", "said1", "said2"]
    first = next(n for n, name in enumerate(names) if isinstance(name, list) and "late" in name)
    assert first > names.index("said1")


def test_an_effect_of_the_device_waits_for_effects_of_the_host() -> None:
    v = tf.Variable(tf.zeros([2]))
    queue = tf.FIFOQueue(2, tf.float32, [[2]])
    item = queue.dequeue()
    with tf.control_dependencies([item]):
        put = queue.enqueue(tf.exp(item))
    plan = _plan([put, v.assign(item)])
    parts = split(plan)
    kinds = [part.op.type if not isinstance(part, Segment) else "segment" for part in parts]
    assert kinds.index("QueueDequeueV2") < kinds.index("QueueEnqueueV2")
    assert kinds.index("FIFOQueueV2") < kinds.index("QueueDequeueV2")


def test_why_a_step_is_for_the_host() -> None:
    x = tf.placeholder(tf.float32, [None], name="x")
    n = tf.placeholder(tf.int32, [], name="n")
    words = tf.placeholder(tf.string, [2], name="words")
    said = tf.Print(x, [x])
    fetches = [
        tf.range(n, name="range"), tf.reshape(x, tf.stack([n, 2]), name="reshape"),
        tf.zeros([n], name="zeros"),
        tf.range(tf.size(x), name="known"), tf.reshape(x, tf.stack([tf.shape(x)[0], 1]), name="shaped"),
        tf.equal(words, "a", name="equal"), said,
        tf.exp(tf.cast(tf.range(n), tf.float32), name="deep"),
    ]  # fmt: skip
    plan = _plan(fetches, [x, n, words])
    reasons = {s.op.name: reason for s, reason in zip(plan.steps, host_reasons(plan), strict=True)}
    assert reasons["range"] == "its results' shapes depend on the value of 'limit'"
    assert reasons["reshape"] == "its results' shapes depend on the value of 'shape'"
    assert reasons["zeros"].startswith("its results' shapes depend on the value of")
    assert reasons["deep"] == "the size of what it takes depends on values"
    assert reasons["equal"] == "handles strings" and reasons[said.op.name]
    assert reasons["shaped"] == "" and reasons["known"] == ""


def test_an_assertion_with_known_texts_is_compiled() -> None:
    x = tf.placeholder(tf.float32, [2])
    words = tf.placeholder(tf.string, [])
    plain, with_words = tf.Assert(x[0] > 0, [x, "text"]), tf.Assert(x[0] > 0, [x, words])
    plan = _plan([plain, with_words], [x, words], [(2,), ()])
    reasons = [r for s, r in zip(plan.steps, host_reasons(plan), strict=True) if s.op.type == "Assert"]
    assert reasons[0] == "" and reasons[1] != ""


def test_only_the_last_program_of_a_step_takes_memory_over() -> None:
    x = tf.placeholder(tf.float32, [2])
    v, w = tf.Variable(tf.zeros([2])), tf.Variable(tf.zeros([2]))
    first = v.assign(v + x)
    with tf.control_dependencies([_called(first)]):
        second = w.assign(w + tf.tanh(x))
    plan = _plan([first.op, second.op], [x])
    segments = [part for part in split(plan) if isinstance(part, Segment)]
    assert len(segments) == 2 and not segments[0].donated
    finals = {use.key: use for use in plan.cells}
    assert segments[1].donated == {finals[w.op.name].initial}
    only_read = _plan([(v + 1.0).op, w.assign(w * 2.0).op])
    (segment,) = split(only_read)
    assert isinstance(segment, Segment)
    assert segment.donated == {next(u.initial for u in only_read.cells if u.key == w.op.name)}


def test_what_a_program_takes_and_makes() -> None:
    x = tf.placeholder(tf.float32, [2])
    y = tf.exp(x)
    called = _called(y)
    plan = _plan([tf.sin(called) + y, tf.cos(y) * called], [x])
    parts = split(plan)
    before, host, after = parts
    assert isinstance(before, Segment) and isinstance(after, Segment)
    assert before.takes == before.inputs == plan.feeds and before.makes == before.outputs
    assert len(before.outputs) == 2 and set(before.outputs) <= set(after.inputs) | set(host.takes)
    assert after.outputs == sorted(plan.fetches) and len(set(after.inputs)) == len(after.inputs)


def test_what_a_branch_computes_has_one_form() -> None:
    """Only where a branch has nothing to give do the tiers know its result otherwise."""
    x, flag = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.bool, [])
    chosen = tf.cond(flag, lambda: x - 1.0, lambda: tf.tanh(x))
    plan = _plan([_called(chosen)], [x, flag])
    reasons = dict(zip((step.op.type for step in plan.steps), host_reasons(plan), strict=True))
    assert reasons["If"] == "" and reasons["PyFunc"] != ""


def test_nothing_is_taken_over_where_the_host_comes_last() -> None:
    x, v = tf.placeholder(tf.float32, [2]), tf.Variable(tf.zeros([2]))
    write = v.assign(v + x)
    with tf.control_dependencies([write]):
        said = _called(write + 0.0)
    parts = split(_plan([write.op, said], [x]))
    assert isinstance(parts[0], Segment) and not isinstance(parts[-1], Segment)
    assert all(not part.donated for part in parts if isinstance(part, Segment))
