"""What a plan leaves out, and that its results stay what they were."""

from __future__ import annotations

from typing import Any

import numpy as np

import millrace as tf
from millrace.runtime.plan.planner import Plan, make_plan
from millrace.runtime.plan.simplify import simplify


def _simplified(fetches: list[Any], feeds: list[Any], dims: Any = None) -> tuple[Plan, dict[str, str]]:
    dropped: list[Any] = []
    plan = simplify(make_plan(fetches, feeds), dims, dropped)
    return plan, {op.name: why for why, op in dropped}


def _types(plan: Plan) -> list[str]:
    return [step.op.type for step in plan.steps]


def test_what_is_known_is_computed_once() -> None:
    x = tf.placeholder(tf.float32, [2], name="x")
    plan, why = _simplified([x * (tf.constant(2.0, name="two") + 3.0)], [x])
    assert _types(plan) == ["Mul"]
    assert plan.constants[plan.steps[0].inputs[1]] == 5.0
    assert why["two"] == "constant" and why["add"] == "folded"


def test_large_results_are_not_folded() -> None:
    small, _ = _simplified([tf.zeros([1 << 18])], [])
    large, _ = _simplified([tf.zeros([(1 << 18) + 1])], [])
    assert _types(small) == [] and _types(large) == ["Fill"]


def test_identities_pass_on_and_equal_steps_are_merged() -> None:
    x = tf.placeholder(tf.float32, [2], name="x")
    a, b = tf.exp(tf.identity(x, name="same")), tf.exp(x, name="again")
    other = tf.reduce_sum(x, 0, name="sum"), tf.reduce_sum(x, 0, keepdims=True, name="kept")
    plan, why = _simplified([a, b, *other], [x])
    assert _types(plan) == ["Exp", "Sum", "Sum"]
    assert plan.fetches[0] == plan.fetches[1] and plan.fetches[2] != plan.fetches[3]
    assert why["same"] == "passes its input on" and why["again"] == "merged"


def test_equal_constants_become_one_value_unless_they_differ_in_kind() -> None:
    x = tf.placeholder(tf.float32, [])
    sums = [x + tf.constant(1.0), x + tf.constant(1.0), x + tf.constant([1.0]), x + tf.constant(-0.0),
            x + tf.constant(0.0)]  # fmt: skip
    plan, _ = _simplified(sums, [x])
    assert len(set(plan.fetches)) == 4 and len(plan.constants) == 4


def test_effects_and_random_draws_are_neither_merged_nor_dropped() -> None:
    draws = [tf.random_uniform([2], seed=1), tf.random_uniform([2], seed=1)]
    called = [tf.py_func(lambda: np.float32(1), [], tf.float32) for _ in range(2)]
    with tf.control_dependencies(called):
        fetch = tf.add_n(draws)
    plan, _ = _simplified([fetch], [])
    assert _types(plan).count("RandomUniform") == 2 and _types(plan).count("PyFunc") == 2


def test_unused_pure_steps_are_dropped() -> None:
    x = tf.placeholder(tf.float32, [2, 2])
    unused = tf.exp(x, name="unused")
    with tf.control_dependencies([unused]):
        fetch = tf.sin(x)
    plan, why = _simplified([fetch], [x])
    assert _types(plan) == ["Sin"] and why["unused"] == "unused"


def test_fed_shapes_fold_what_follows_from_them() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    y = tf.reshape(tf.exp(x), [tf.shape(x)[0] * 3])
    unknown, _ = _simplified([y], [x])
    known, _ = _simplified([y], [x], [(4, 3)])
    assert "Shape" in _types(unknown)
    assert _types(known) == ["Exp", "Reshape"] and known.dims[known.fetches[0]] == (12,)


def test_shapes_around_a_loop_hold_in_every_round() -> None:
    x = tf.placeholder(tf.float32, [None])
    grown = tf.while_loop(
        lambda i, _: i < 2,
        lambda i, v: (i + 1, tf.concat([v, v], 0)),
        [0, x],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
    )[1]
    kept = tf.while_loop(lambda i, _: i < 2, lambda i, v: (i + 1, v * 2.0), [0, x])[1]
    plan, _ = _simplified([grown, kept], [x], [(4,)])
    assert [plan.dims[f] for f in plan.fetches] == [(None,), (4,)]


def test_what_a_variable_gets_is_followed_through_what_is_merged() -> None:
    v = tf.Variable([1.0, 2.0])
    x = tf.placeholder(tf.float32, [2])
    with tf.control_dependencies([v.assign(tf.exp(x))]):
        write = v.assign(tf.identity(tf.exp(x)))
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(write.op, {x: [0.0, 0.0]})
        assert sess.run(v).tolist() == [1, 1]
