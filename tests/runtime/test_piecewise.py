"""Arithmetic of batches, one piece after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime import piecewise as module
from millrace.runtime.interpret import compile_function
from millrace.runtime.piecewise import piecewise
from millrace.runtime.plan.planner import Plan, make_plan
from millrace.runtime.plan.rows import rows_last
from millrace.runtime.plan.simplify import simplify

SIZE = 5


def _last(fetch: Callable[[Any], Any], dims: list[Any]) -> Plan:
    x = tf.placeholder(tf.uint8, dims)
    start = tf.reverse(x, [0])
    found = rows_last(simplify(make_plan([fetch(start)], [x]), [x.dims]), 1, 1, SIZE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("fetch", [
    lambda x: tf.cast(x, tf.float32) / 127.5 - 1.0,
    lambda x: 1.0 - tf.cast(x, tf.float64) * np.arange(3.0),
    lambda x: 2.0 - (3.0 + tf.cast(x, tf.float32)) * 0.1,
    lambda x: 7.0 / (tf.cast(x, tf.float32) + 0.3),
    lambda x: -tf.maximum(3.0, tf.square(tf.cast(x, tf.float32))),
])  # fmt: skip
@pytest.mark.parametrize("piece", [1, 100, 1 << 20])
def test_pieces_give_what_the_whole_gives(
    fetch: Callable[[Any], Any], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PIECE", piece)
    plan = _last(fetch, [4, 3])
    call = piecewise(plan)
    assert call is not None
    pixels = np.random.RandomState(0).randint(0, 256, [SIZE, 4, 3]).astype("u1")
    for batch in (pixels, pixels[:2], pixels[:0], pixels[:, ::-1]):
        (made,), (wanted,) = call(batch), compile_function(plan)(batch)
        np.testing.assert_array_equal(made, wanted)
        assert made.dtype == wanted.dtype


@pytest.mark.parametrize(("fetch", "dims"), [
    (lambda x: tf.cast(tf.cast(x, tf.float32) * 2.0, tf.int32), [4, 3]),
    (lambda x: tf.cast(x, tf.float32) > 2.0, [4, 3]),
    (lambda x: tf.one_hot(x, 3) * 2.0, [4]),
    (lambda x: tf.cast(x, tf.float32) * np.ones([4, 3], "f"), [4, 1]),
])  # fmt: skip
def test_other_arithmetic_is_left_to_the_interpreter(fetch: Callable[[Any], Any], dims: list[int]) -> None:
    assert piecewise(_last(fetch, dims)) is None
