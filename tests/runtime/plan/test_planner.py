"""Plans: what runs, in which order, and which version of a variable each read sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import millrace as tf
from millrace.runtime.plan.planner import make_plan
from runtime.plan.model import Node, build, meaning

KINDS = ("read", "assign", "add", "sum", "branch", "look")


@st.composite
def programs(draw: st.DrawFn) -> list[Node]:
    nodes: list[Node] = []
    for n in range(draw(st.integers(1, 9))):
        earlier = st.integers(0, n - 1) if n else st.nothing()
        some = st.lists(earlier, max_size=2, unique=True).map(tuple) if n else st.just(())
        kind = draw(st.sampled_from(KINDS))
        nodes.append(Node(kind, draw(st.integers(0, 1)), draw(some), draw(some), 10**n))
    return nodes


@settings(max_examples=120, deadline=None, derandomize=True)
@given(program=programs(), data=st.data(), resource=st.booleans(), flag=st.booleans())
def test_a_run_means_what_the_model_says(
    program: list[Node], data: st.DataObject, resource: bool, flag: bool
) -> None:
    start = [3, 5]
    fetches = data.draw(st.lists(st.integers(0, len(program) - 1), min_size=1, max_size=3, unique=True))
    with tf.Graph().as_default(), tf.Session() as sess:
        tensors, variables, placeholder = build(program, start, resource)
        sess.run(tf.global_variables_initializer())
        found = sess.run([tensors[n] for n in fetches], {placeholder: flag})
        assert (found, sess.run(variables)) == meaning(program, start, fetches, flag)
        sess.run(tf.global_variables_initializer())
        both = sess.run([[tensors[n] for n in fetches], variables], {placeholder: flag})
        assert tuple(both) == meaning(program, start, fetches, flag)


def _types(plan: object) -> list[str]:
    return [step.op.type for step in plan.steps]  # type: ignore[attr-defined]


def test_only_what_is_needed_runs() -> None:
    x = tf.placeholder(tf.float32, [2])
    y = tf.exp(x)
    z = tf.sin(y)
    tf.cos(y)
    assert _types(make_plan([z], [x])) == ["Exp", "Sin"]
    assert _types(make_plan([z], [y])) == ["Sin"]
    assert _types(make_plan([z], [y, z])) == []
    assert _types(make_plan([y.op, z, z], [x])) == ["Exp", "Sin"]


def test_a_placeholder_that_is_needed_must_be_fed() -> None:
    x = tf.placeholder(tf.float32, [2], name="x")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must feed a value.*'x'.*float32.*\(2,\)"):
        make_plan([tf.exp(x)], [])


def test_fetches_are_value_ids_and_operations_have_none() -> None:
    x = tf.placeholder(tf.float32, [])
    y = x + 1.0
    plan = make_plan([y, y.op, x, y], [x])
    assert plan.fetches == [plan.steps[-1].outputs[0], -1, plan.feeds[0], plan.steps[-1].outputs[0]]
    assert plan.dims[plan.fetches[0]] == () and plan.tensors[plan.fetches[0]] is y
    assert plan.count > max(plan.tensors)


@pytest.mark.parametrize("resource", [False, True])
def test_a_read_without_an_edge_sees_the_start(resource: bool) -> None:
    v = tf.Variable(1.0, use_resource=resource)
    write = v.assign(5.0)
    read = v + 0.0
    with tf.control_dependencies([write]):
        later = v + 0.0
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([write, read, later, v]) == [5, 1, 5, 5]


@pytest.mark.parametrize("resource", [False, True])
def test_a_body_that_only_reads_sees_what_happens_before_it(resource: bool) -> None:
    v = tf.Variable(1.0, use_resource=resource)
    flag = tf.placeholder(tf.bool, [])
    write = v.assign(5.0)
    read = tf.cond(flag, lambda: v + 0.0, lambda: 0.0)
    with tf.control_dependencies([write]):
        later = tf.cond(flag, lambda: v + 0.0, lambda: 0.0)
    looped = tf.while_loop(lambda i, _: i < 2, lambda i, total: (i + 1, total + v), [0, 0.0])[1]
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([write, read, later, looped, v], {flag: True}) == [5, 1, 5, 2, 5]


def test_writes_apply_in_creation_order() -> None:
    v = tf.Variable(1.0)
    first, second, third = v.assign_add(1.0), v.assign(v * 10.0), v.assign_add(2.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run([third, second, first, v]) == [12, 10, 2, 12]
    (use,) = make_plan([first.op, third.op], []).cells
    assert use.key == v.op.name and use.final != use.initial and use.must_exist


def test_a_plain_write_needs_no_value_before_it() -> None:
    v = tf.Variable(1.0, name="v")
    assert [use.must_exist for use in make_plan([v.initializer], []).cells] == [False]
    assert [use.must_exist for use in make_plan([v + 1.0], []).cells] == [True]


def test_effects_keep_their_order_when_an_edge_leads_backwards() -> None:
    """Creation order among all that is ready, although an early operation waits for a late one."""
    said: list[int] = []

    def say(n: int) -> tf.Operation:
        return tf.py_func(lambda: said.append(n) or np.int32(n), [], tf.int32).op

    first, rest = say(0), [say(n) for n in range(1, 6)]
    late = tf.no_op(name="late")
    first._add_control_input(late)
    with tf.Session() as sess:
        sess.run([first, *reversed(rest)])
    assert said == [1, 2, 3, 4, 5, 0]


def test_a_cycle_is_named() -> None:
    x = tf.placeholder(tf.float32, [], name="x")
    a = tf.exp(x, name="a")
    b = tf.sin(a, name="b")
    a.op._update_input(0, b)
    with pytest.raises(tf.errors.InvalidArgumentError, match="cycle: a -> b"):
        make_plan([b], [])
    assert _types(make_plan([b], [a])) == ["Sin"]


def test_a_write_to_what_is_fed_is_refused() -> None:
    v = tf.Variable(1.0, name="v")
    write = v.assign(2.0)
    with (
        tf.Session() as sess,
        pytest.raises(tf.errors.InvalidArgumentError, match=r"write.*'v:0'.*fed"),
    ):
        sess.run(write, {v: 3.0})


def test_a_function_without_results_is_an_operation() -> None:
    called: list[int] = []
    x = tf.constant(3)
    for op in (tf.py_func(called.append, [x], []), tf.py_func(lambda: called.append(1), [], [])):
        with tf.Session() as sess:
            assert isinstance(op, tf.Operation) and sess.run(op) is None
    assert called == [3, 1]
