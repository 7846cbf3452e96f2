"""What a plan's cells need comes first, so that the long rest of many calls may run at once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

import millrace as tf
from millrace.runtime.plan.cells_first import cells_first
from millrace.runtime.plan.planner import Plan, make_plan


def _types(plan: Plan) -> list[str]:
    return [step.op.type for step in plan.steps]


def test_the_draws_come_first_with_all_that_they_need_and_the_rest_has_no_cells() -> None:
    x = tf.placeholder(tf.float32, [None])
    many = tf.placeholder(tf.int32, [1])
    noise = tf.random_uniform(many + 1, seed=1)
    parts = cells_first(make_plan([tf.exp(x) * tf.reduce_sum(noise)], [x, many]))
    assert parts is not None
    first, rest = parts
    assert "RandomUniform" in _types(first)
    assert "Exp" not in _types(first)
    assert "Exp" in _types(rest)
    assert "RandomUniform" not in _types(rest)
    assert len(first.cells) == 1
    assert not rest.cells
    assert rest.feeds == [*first.feeds, *first.fetches]


def test_a_draw_that_needs_everything_leaves_no_rest() -> None:
    x = tf.placeholder(tf.int32, [1])
    tf.random_uniform(x, seed=1, name="draw")
    draw = tf.get_default_graph().get_tensor_by_name("draw/RandomUniform:0")
    assert cells_first(make_plan([draw], [x])) is None
    assert cells_first(make_plan([tf.exp(tf.cast(x, tf.float32))], [x])) is None


def _pictures(calls: int | None, wait: threading.Barrier | None = None) -> Any:
    def slow(value: np.ndarray) -> np.ndarray:
        if wait is not None:
            wait.wait(20)
        return value * 2

    def prepare(i: tf.Tensor) -> tf.Tensor:
        value = tf.py_func(slow, [tf.cast(i, tf.float32)], tf.float32)
        return value + tf.random_uniform([], seed=5) + tf.random_normal([], seed=6)

    data = tf.data.Dataset.range(12).map(prepare, num_parallel_calls=calls)
    following = data.make_one_shot_iterator().get_next()
    with tf.Session() as sess:
        return [sess.run(following) for _ in range(12)]


def test_functions_with_random_numbers_run_at_once_and_draw_in_order() -> None:
    alone = _pictures(None)
    together = _pictures(2, threading.Barrier(2))  # each call waits for another
    assert alone == together


def test_an_error_in_what_comes_first_is_told_at_its_element() -> None:
    def prepare(i: tf.Tensor) -> tf.Tensor:
        value = tf.py_func(lambda x: x, [i], tf.int64)
        return value + tf.random_uniform([], maxval=2 - i, seed=5, dtype=tf.int64)

    following = (
        tf.data.Dataset.range(4).map(prepare, num_parallel_calls=2).make_one_shot_iterator().get_next()
    )
    with tf.Session() as sess:
        assert sess.run(following) in (0, 1)
        assert sess.run(following) == 1
        for element in (2, 3):
            with np.testing.assert_raises_regex(tf.errors.InvalidArgumentError, f"at element {element} of"):
                sess.run(following)
        with np.testing.assert_raises(tf.errors.OutOfRangeError):
            sess.run(following)
