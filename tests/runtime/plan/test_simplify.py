"""What a plan leaves out, and that its results stay what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.plan.borders import bodies_of
from millrace.runtime.plan.planner import Plan, make_plan
from millrace.runtime.plan.simplify import body_form, simplify


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


def test_steps_differ_by_type_inputs_and_attributes() -> None:
    x, y = tf.placeholder(tf.float32, [2, 2]), tf.placeholder(tf.float32, [2, 2])
    fetches = [
        tf.exp(x), tf.exp(y), tf.sin(x), tf.matmul(x, y), tf.matmul(x, y, transpose_a=True), tf.matmul(x, y),
        x - y, y - x, tf.cast(x, tf.int32), tf.cast(x, tf.int64), tf.unstack(x)[1], tf.unstack(x)[1],
    ]  # fmt: skip
    plan, why = _simplified(fetches, [x, y])
    assert plan.fetches[3] == plan.fetches[5] and plan.fetches[10] == plan.fetches[11]
    assert len(set(plan.fetches)) == 10 and list(why.values()).count("merged") == 2


def test_attributes_that_only_scopes_give_do_not_keep_steps_apart() -> None:
    x = tf.placeholder(tf.float32, [2])
    a = tf.exp(x)
    with tf.get_default_graph()._attr_scope({"_mark": "b"}):
        b = tf.exp(x)
    plan, _ = _simplified([a, b], [x])
    assert plan.fetches[0] == plan.fetches[1] and len(plan.steps) == 1


def test_shapes_ranks_and_sizes_are_known() -> None:
    x, y = tf.placeholder(tf.float32, [2, 3]), tf.placeholder(tf.float32, [None, 3])
    fetches = [
        tf.shape(x), tf.shape(x, out_type=tf.int64), tf.size(x), tf.size(x, out_type=tf.int64), tf.rank(x),
        tf.rank(y), *tf.shape_n([x, x]),
    ]  # fmt: skip
    plan, _ = _simplified([f + 0 if f.dtype == tf.int32 else f for f in fetches], [x, y])
    found = [plan.constants[f] for f in plan.fetches]
    assert [v.tolist() for v in found] == [[2, 3], [2, 3], 6, 6, 2, 2, [2, 3], [2, 3]]
    assert [v.dtype for v in found] == [np.int32, np.int64, np.int32, np.int64, *[np.int32] * 4]
    assert plan.steps == []
    partly = _simplified([tf.shape(y), tf.size(y), *tf.shape_n([x, y])], [x, y])[0]
    assert sorted(_types(partly)) == ["Shape", "ShapeN", "Size"]


def test_the_size_of_an_array_is_known_unless_it_grows() -> None:
    n = tf.placeholder(tf.int32, [])
    sizes = [
        tf.TensorArray(tf.float32, size=3, element_shape=[]).size(),
        tf.TensorArray(tf.float32, size=3, dynamic_size=True).write(n, 1.0).size(),
        tf.TensorArray(tf.float32, size=n).size(),
    ]
    plan, _ = _simplified(sizes, [n])
    assert _types(plan).count("TensorArraySizeV3") == 2
    assert plan.constants[plan.fetches[0]] == 3 and plan.constants[plan.fetches[0]].dtype == np.int32


def test_what_a_kernel_refuses_stays() -> None:
    wrong = tf.constant(6) // tf.constant(0)
    plan, _ = _simplified([wrong], [])
    assert _types(plan) == ["FloorDiv"]
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="by zero"):
        sess.run(wrong)


def test_what_passes_on_depends_on_what_is_known() -> None:
    x = tf.placeholder(tf.float32, [2, 1], name="x")
    n = tf.placeholder(tf.int32, [2], name="n")
    same, unknown = tf.reshape(x, [2, 1], name="same"), tf.reshape(x, n, name="unknown")
    _, why = _simplified([tf.exp(same), tf.exp(unknown)], [x, n])
    assert why.get("same") == "passes its input on" and "unknown" not in why


def test_bodies_are_simplified_for_the_shapes_they_get() -> None:
    x = tf.placeholder(tf.float32, [None, 3])
    flag = tf.placeholder(tf.bool, [])
    chosen = tf.cond(flag, lambda: tf.reshape(x, [-1]), lambda: tf.zeros([tf.size(x)]))
    plan, _ = _simplified([chosen], [x, flag], [(4, 3), ()])
    (step,) = plan.steps
    assert plan.dims[plan.fetches[0]] == (12,) and step.dims is not None and (4, 3) in step.dims
    forms = [body_form(step.op, body, step.dims) for body in bodies_of(step.op)]
    assert [_types(form) for form in forms] == [["Reshape"], []]
    assert all(body_form(step.op, body, step.dims) is form for body, form in zip(bodies_of(step.op), forms))
    unknown = [body_form(step.op, body, None) for body in bodies_of(step.op)]
    assert "Size" in _types(unknown[1]) and unknown[1] is body_form(step.op, bodies_of(step.op)[1], None)


def test_branches_of_two_shapes_agree_on_what_they_share() -> None:
    x, y = tf.placeholder(tf.float32, [None, 3]), tf.placeholder(tf.float32, [None, 3])
    flag = tf.placeholder(tf.bool, [])
    chosen = tf.cond(flag, lambda: x + 0.0, lambda: y + 0.0)
    for shapes, want in (([(4, 3), (4, 3), ()], (4, 3)), ([(4, 3), (5, 3), ()], (None, 3))):
        plan, _ = _simplified([chosen], [x, y, flag], shapes)
        assert plan.dims[plan.fetches[0]] == want


def test_unused_steps_go_and_their_constants_with_them() -> None:
    x = tf.placeholder(tf.float32, [2])
    v = tf.Variable([1.0, 2.0])
    unused = tf.sin(x + [5.0, 6.0])
    with tf.control_dependencies([unused]):
        write = v.assign(x * [3.0, 4.0])
    plan, why = _simplified([write.op], [x])
    assert sorted(_types(plan)) == ["Assign", "Mul"] and len(plan.constants) == 1
    assert list(why.values()).count("unused") == 2
