"""What takes long and needs no cell comes first, so that threads may do it; the rest takes its results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.interpret import compile_plan
from millrace.runtime.plan.long_first import long_first
from millrace.runtime.plan.planner import Plan, Step, make_plan


def _is_long(step: Step) -> bool:
    return step.op.type == "Exp"


def _types(plan: Plan) -> list[str]:
    return [step.op.type for step in plan.steps]


def _split(fetches: list[Any], feeds: list[Any], explicit: int) -> tuple[Plan, Plan]:
    parts = long_first(make_plan(fetches, feeds), explicit, _is_long)
    assert parts is not None
    return parts


def test_the_long_steps_come_first_with_what_they_need() -> None:
    x, y, captured = (tf.placeholder(tf.float32, [2]) for _ in range(3))
    before = tf.sin(x)
    slow = tf.exp(before)
    first, rest = _split([tf.cos(slow) + tf.tanh(y) * captured, slow], [x, y, captured], 2)
    assert _types(first) == ["Sin", "Exp"] and sorted(_types(rest)) == ["Add", "Cos", "Mul", "Tanh"]
    assert len(first.fetches) == 1 and first.cells == []
    assert rest.feeds == [*first.feeds[:2], *first.fetches, *first.feeds[2:]]
    assert rest.fetches[1] == first.fetches[0]
    values = [np.float32([0, 1]), np.float32([2, 3]), np.float32([4, 5])]
    handed_on = compile_plan(first)(*values)
    whole = compile_plan(make_plan([tf.cos(slow) + tf.tanh(y) * captured, slow], [x, y, captured]))(*values)
    for found, wanted in zip(compile_plan(rest)(*values[:2], *handed_on, values[2]), whole, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_only_what_the_rest_takes_is_handed_on() -> None:
    x = tf.placeholder(tf.float32, [2])
    inner = tf.exp(x)
    outer = tf.exp(inner)
    first, rest = _split([tf.sin(outer)], [x], 1)
    assert _types(first) == ["Exp", "Exp"] and _types(rest) == ["Sin"]
    assert first.fetches == [first.steps[1].outputs[0]]
    both = _split([tf.sin(outer), inner], [x], 1)[0]
    assert both.fetches == [step.outputs[0] for step in both.steps]


@pytest.mark.parametrize(
    "kind", ["nothing long", "nothing else", "reads", "writes", "draws", "branches", "waits"]
)
def test_what_stays_in_one_piece(kind: str) -> None:
    x, flag = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.bool, [])
    v = tf.Variable([1.0, 2.0])
    queue = tf.FIFOQueue(1, tf.float32, [[2]])
    fetch = {
        "nothing long": lambda: tf.sin(x),
        "nothing else": lambda: tf.exp(x),
        "reads": lambda: tf.sin(tf.exp(x + v)),
        "writes": lambda: tf.sin(tf.exp(v.assign(x))),
        "draws": lambda: tf.sin(tf.exp(tf.random_uniform([2], seed=1))),
        "branches": lambda: tf.sin(tf.exp(tf.cond(flag, lambda: x, lambda: 2.0 * x))),
        "waits": lambda: tf.sin(tf.exp(queue.dequeue())),
    }[kind]()
    assert long_first(make_plan([fetch], [x, flag]), 2, _is_long) is None
    beside = tf.sin(tf.exp(x)) + v  # cells that only the rest needs are no matter
    first, rest = _split([beside], [x], 1)
    assert _types(first) == ["Exp"] and len(rest.cells) == 1 and first.cells == []
