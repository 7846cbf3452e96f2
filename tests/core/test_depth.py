"""Lists that are nested too deeply for Python's calls, wherever a program may hand one in."""

from __future__ import annotations

import pytest

import millrace as tf


def _deep(levels: int, leaf: object = 1.0) -> object:
    for _ in range(levels):
        leaf = [leaf]
    return leaf


@pytest.mark.parametrize(
    "call",
    [
        tf.constant,
        tf.stack,
        tf.zeros,
        tf.group,
        tf.where,
        lambda v: tf.Session(graph=tf.constant(1.0).graph).run(v),
        lambda v: tf.Session(graph=tf.constant(1.0).graph).make_callable(v),
        lambda v: tf.Session().run(tf.placeholder(tf.float32, name="p"), {"p:0": v}),
        lambda v: tf.while_loop(lambda x: True, lambda x: x, v),
        lambda v: tf.map_fn(lambda x: x, v),
        lambda v: tf.cond(tf.constant(True), lambda: v, lambda: v),
        lambda v: tf.case(v),
        lambda v: tf.constant([1.0])[v],
        lambda v: tf.train.Saver(v),
        lambda v: tf.train.GradientDescentOptimizer(0.1).minimize(tf.Variable(1.0) * 1.0, var_list=v),
        lambda v: tf.convert_to_tensor([tf.constant(1.0), v]),
        lambda v: tf.control_dependencies(v).__enter__(),
        lambda v: tf.contrib.framework.nest.assert_same_structure(v, v),
    ],
)  # fmt: skip
def test_the_error_is_a_clear_one(call) -> None:
    with pytest.raises((ValueError, TypeError)):
        call(_deep(5000))


def test_what_is_deep_and_yet_possible() -> None:
    assert tf.constant(_deep(20)).shape.as_list() == [1] * 20
    assert tf.contrib.framework.nest.flatten(_deep(150, "leaf")) == ["leaf"]


def test_a_function_that_never_ends_says_so_itself() -> None:
    def endless(x):
        return endless(x)

    with pytest.raises(RecursionError):
        tf.map_fn(endless, tf.constant([1.0]))
