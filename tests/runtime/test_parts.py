"""Steps in parts: what is taken back when one fails, and what is not."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.simplify import simplify
from millrace.runtime.stepwise import Cutter, Parts, cut_all, phases, single_steps, waits
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


def _dequeued(name: str) -> Any:
    return tf.FIFOQueue(1, tf.float32, [[]], name=name).dequeue(name=f"{name}_item")


def _after(parts: Any) -> list[Any]:
    return [None if part.after is None else sorted(part.after) for part in parts]


def test_waits_without_an_order_stand_beside_each_other() -> None:
    a, b = _dequeued("a"), _dequeued("b")
    parts = phases(_plan([a + b]), Store()).parts
    assert _types(parts) == [["FIFOQueueV2"] * 2, ["QueueDequeueV2"], ["QueueDequeueV2"], ["Add"]]
    assert [part.waits for part in parts] == [False, True, True, False]
    assert _after(parts) == [[], [], [], None]
    assert [part.beside for part in parts] == [False, True, False, False]


def test_a_wait_is_after_those_that_its_values_come_from() -> None:
    a, b, c = _dequeued("a"), tf.FIFOQueue(1, tf.float32, [[]], name="b"), _dequeued("c")
    put = b.enqueue(tf.exp(a))
    parts = phases(_plan([put, c]), Store()).parts
    assert _types(parts) == [
        ["FIFOQueueV2"] * 3, ["QueueDequeueV2"], ["Exp"], ["QueueDequeueV2"], ["QueueEnqueueV2"],
    ] or _types(parts) == [
        ["FIFOQueueV2"] * 3, ["QueueDequeueV2"], ["QueueDequeueV2"], ["Exp"], ["QueueEnqueueV2"],
    ]  # fmt: skip
    by_name = {part.steps[-1].op.name: part for part in parts}
    waits = {
        name: sorted(part.after) for name, part in by_name.items() if part.waits and part.after is not None
    }
    assert waits == {"a_item": [], "c_item": [], put.name: [1]}
    assert by_name["a_item"].beside and by_name["c_item"].beside and not by_name[put.name].beside
    exp = next(part for part in parts if part.steps[0].op.type == "Exp")
    assert exp.after == {1} and not exp.beside


def test_a_wait_is_after_those_that_edges_put_before_it() -> None:
    a = _dequeued("a")
    with tf.control_dependencies([tf.group(a)]):
        b = _dequeued("b")
    c = _dequeued("c")
    parts = phases(_plan([b, c]), Store()).parts
    waiting = [(part.steps[0].op.name, sorted(part.after or ()), part.beside) for part in parts if part.waits]
    assert waiting == [("a_item", [], True), ("b_item", [1], True), ("c_item", [], False)]


def test_an_effect_between_waits_goes_with_what_it_waits_for() -> None:
    said: list[str] = []
    a = _dequeued("a")
    with tf.control_dependencies([a]):
        told = tf.py_func(lambda: said.append("told") or np.float32(0), [], tf.float32)
    with tf.control_dependencies([told]):
        b = _dequeued("b")
    parts = phases(_plan([b]), Store()).parts
    number = {part.steps[0].op.type: n for n, part in enumerate(parts) if part.waits}
    waiting = [(part.steps[0].op.type, sorted(part.after or ())) for part in parts if part.waits]
    first = next(n for n, part in enumerate(parts) if part.waits)
    assert waiting == [
        ("QueueDequeueV2", []), ("PyFunc", [first]), ("QueueDequeueV2", [first, number["PyFunc"]]),
    ]  # fmt: skip
    assert not any(part.beside for part in parts)


def test_parts_share_values_and_cells() -> None:
    """What a part gives is what later parts take; a variable goes through its cell."""
    v = tf.Variable(1.0, name="v")
    item = _dequeued("q")
    before = v.assign_add(2.0)
    after = before + item
    with tf.control_dependencies([item]):
        more = v.assign_add(after)
    plan = _plan([more, after, before])
    store = Store()
    parts = phases(plan, store)
    assert _types(parts.parts)[1:] == [["QueueDequeueV2"], ["AssignAdd", "Add", "AssignAdd"]]
    first, wait, last = parts.parts
    assert wait.takes == first.gives and wait.gives == last.takes and last.gives == plan.fetches
    assert [cell.key for cell in last.cells] == [cell.key for cell in last.changed] == ["v"]
    assert not wait.changed and not wait.whole and last.whole


def test_a_part_that_only_reads_changes_nothing() -> None:
    v = tf.Variable(1.0, name="v")
    a = _dequeued("a")
    parts = phases(_plan([v + a]), Store()).parts
    assert [cell.key for cell in parts[-1].cells] == ["v"] and parts[-1].changed == []


def test_a_copy_of_a_cutter_goes_its_own_way() -> None:
    x = tf.placeholder(tf.float32, [])
    v = tf.Variable(1.0, name="v")
    write, more = v.assign(x), v.assign_add(x)
    plan = _plan([write, more], [x])
    cutter = Cutter(plan, Store())
    other = cutter.copy()
    first, second = plan.steps
    whole = other.cut([first, second], lambda value: False, plan.fetches)
    assert whole.takes == plan.feeds and whole.gives == plan.fetches and len(whole.changed) == 1
    part = cutter.cut([first], lambda value: value in second.takes, plan.fetches[:1], whole=False)
    rest = cutter.cut([second], lambda value: False, plan.fetches)
    assert part.gives == plan.fetches[:1] and rest.gives == plan.fetches[1:] and rest.takes == plan.feeds
    assert [cell.key for cell in rest.cells] == [cell.key for cell in rest.changed] == ["v"]
    assert not part.whole and rest.whole


def test_cut_all_gives_each_part_what_it_takes() -> None:
    x = tf.placeholder(tf.float32, [])
    y = tf.exp(x)
    z = tf.sin(y)
    plan = _plan([z, y, x], [x])
    exp, sin = plan.steps
    parts = cut_all(Cutter(plan, Store()), [[exp], [sin], []], plan)
    assert [part.gives for part in parts] == [exp.outputs, sin.outputs, []]
    assert [part.whole for part in parts] == [False, False, True]
    assert [part.takes for part in parts] == [plan.feeds, exp.outputs, []]


def test_what_waits() -> None:
    flag, x = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [])
    queue = tf.FIFOQueue(1, tf.float32, [[]])
    item = tf.cond(flag, queue.dequeue, lambda: x)
    plain = tf.cond(flag, lambda: x, lambda: -x)
    steps = {step.op.type + str(waits(step)) for step in _plan([item, plain, tf.exp(x)], [flag, x]).steps}
    assert steps == {"IfTrue", "IfFalse", "ExpFalse", "FIFOQueueV2False"}


def test_parts_are_observed_one_by_one() -> None:
    x = tf.placeholder(tf.float32, [])
    v = tf.Variable(1.0, name="v")
    write = v.assign(tf.exp(x))
    plan = _plan([write], [x])
    store = Store()
    store.cell("v").value = np.float32(5)
    told: list[Any] = []

    def observe(part: Any, start: int, end: int, results: Any) -> None:
        told.append((part.steps[0].op.type, end >= start > 0, list(results), store.cell("v").value))
        if len(told) == 4:
            raise RuntimeError("enough")

    parts = Parts(plan, single_steps(plan, store), store)
    assert parts(np.float32(0), observe=observe) == (1,)
    assert told == [("Exp", True, [1], 5), ("Assign", True, [1], 1)]
    with pytest.raises(RuntimeError, match="enough"):
        parts(np.float32(2), observe=observe)
    assert store.cell("v").value == 1  # the observer ended the run before its last part


def test_a_failure_takes_back_what_parts_wrote_but_not_what_others_have_written_since() -> None:
    v, w = tf.Variable(1.0, name="v"), tf.Variable(1.0, name="w")
    x = tf.placeholder(tf.float32, [])
    writes = [v.assign(x), w.assign(x)]
    with tf.control_dependencies(writes):
        later = tf.exp(x)
    checked = tf.check_numerics(later, "no")
    plan, store = _plan([checked, *writes], [x]), Store()
    for name in "vw":
        store.cell(name).value = np.float32(1)

    def observe(part: Any, *_: Any) -> None:
        if part.steps[0].op is later.op:
            store.cell("w").value = np.float32(7)  # as another thread would

    parts = Parts(plan, single_steps(plan, store), store)
    with pytest.raises(Exception, match="no"):
        parts(np.float32(np.nan), observe=observe)
    assert (store.cell("v").value, store.cell("w").value) == (1, 7)
    parts(np.float32(2))
    assert (store.cell("v").value, store.cell("w").value) == (2, 2)


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


def test_effects_that_were_created_before_a_wait_come_before_it(tmp_path):
    queue = tf.FIFOQueue(1, [tf.int32], [[]])
    before = tf.print("before", output_stream=f"file://{tmp_path}/said")
    taken = queue.dequeue()
    after = tf.print("after", output_stream=f"file://{tmp_path}/said")
    options = tf.RunOptions(timeout_in_ms=300)
    with tf.Session() as sess, pytest.raises(tf.errors.DeadlineExceededError):
        sess.run([after, taken, before], options=options)
    assert (tmp_path / "said").read_text() == "before\n"
