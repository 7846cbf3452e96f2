"""The last steps of a function of elements, where they may be done for whole batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.interpret import compile_function
from millrace.runtime.plan.planner import Plan, make_plan
from millrace.runtime.plan.rows import rows_last
from millrace.runtime.plan.simplify import simplify

SIZE = 5


def _plan(fetches: list[Any], feeds: list[Any]) -> Plan:
    return simplify(make_plan(fetches, feeds), [t.dims for t in feeds])


def _types(plan: Plan) -> list[str]:
    return [step.op.type for step in plan.steps]


def _inputs() -> tuple[Any, Any, Any]:
    return tf.placeholder(tf.uint8, [4, 3]), tf.placeholder(tf.float32, [3]), tf.placeholder(tf.int64, [])


def test_arithmetic_at_the_end_is_done_for_the_batch_to_the_bit() -> None:
    x, captured, label = _inputs()
    scaled = tf.cast(tf.reverse(x, [0]), tf.float32) / 127.5 - captured
    plan = _plan([scaled, tf.one_hot(label, 4) * 2.0], [x, label, captured])
    found = rows_last(plan, 2, 2, SIZE)
    assert found is not None
    first, last = found
    assert _types(first) == ["ReverseV2"]
    assert sorted(_types(last)) == ["Cast", "Mul", "OneHot", "RealDiv", "Sub"]
    rng = np.random.RandomState(0)
    pixels, labels = rng.randint(0, 256, [SIZE, 4, 3]).astype("u1"), np.arange(SIZE) % 4
    less = rng.rand(3).astype("f")
    whole, each = compile_function(plan), compile_function(first)
    rows = [each(a, b, less) for a, b in zip(pixels, labels, strict=True)]
    wanted = [whole(a, b, less) for a, b in zip(pixels, labels, strict=True)]
    batches = [np.stack(column) for column in zip(*rows, strict=True)]
    for made, values in zip(compile_function(last)(*batches, less), zip(*wanted, strict=True), strict=True):
        np.testing.assert_array_equal(made, np.stack(values))
        assert made.dtype == values[0].dtype


@pytest.mark.parametrize("kind", [
    "nothing at the end", "smaller than before", "needed twice", "of unknown shape", "draws", "can fail",
    "larger captured",
])  # fmt: skip
def test_what_is_done_for_each_element(kind: str) -> None:
    x, captured, label = _inputs()
    as_float = tf.cast(x, tf.float32)
    fetches = {
        "nothing at the end": lambda: [tf.reverse(as_float, [0])],
        "smaller than before": lambda: [tf.cast(tf.tile(captured, [2]) * 2.0, tf.uint8)],
        "needed twice": lambda: [tf.exp(as_float), as_float],
        "of unknown shape": lambda: [tf.boolean_mask(captured, captured > 1.0) * 2.0],
        "draws": lambda: [tf.random_shuffle(captured, seed=1)],
        "can fail": lambda: [label // tf.reduce_sum(label)],
        "larger captured": lambda: [tf.reduce_sum(as_float) + captured],
    }[kind]()
    assert rows_last(_plan(fetches, [x, label, captured]), 2, len(fetches), SIZE) is None


def test_effects_and_other_results_stay_where_they_are() -> None:
    x, captured, label = _inputs()
    said = tf.print(label)
    plan = _plan([tf.cast(x, tf.float32) * 2.0, label, said], [x, label, captured])
    found = rows_last(plan, 2, 2, SIZE)
    assert found is not None
    first, last = found
    assert "Cast" not in _types(first) and len(first.fetches) == 3 and first.fetches[:2] == last.feeds[:2]
    assert _types(last) == ["Cast", "Mul"] and last.cells == []
