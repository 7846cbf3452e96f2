"""Sums of products that are computed as one product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.segments import Segment, split
from millrace.runtime.plan.simplify import simplify

pytestmark = pytest.mark.xla


def unrolled(steps: int = 5, rows: int = 4, width: int = 24) -> tuple[Any, Any, Any]:
    """(fetches, feeds, weights) of a cell unrolled, whose weights have a gradient from each step."""
    rng = np.random.RandomState(0)
    w = tf.Variable(np.asarray(rng.randn(width, width) * 0.2, "f"))
    x = tf.placeholder(tf.float32, [rows, width])
    h = x
    for _ in range(steps):
        h = tf.tanh(tf.matmul(h, w) + x)
    loss = tf.reduce_sum(tf.square(h))
    return [loss, *tf.gradients(loss, [w, x])], {x: rng.randn(rows, width).astype("f")}, w


def found_sums(fetches: Any, feeds: Any) -> Any:
    from millrace.runtime.xla.sums import sums

    plan = simplify(make_plan(fetches, list(feeds)))
    (segment,) = (part for part in split(plan) if isinstance(part, Segment))
    return sums(segment.steps, segment.outputs, plan, segment.donated)


def test_the_gradient_of_unrolled_weights_is_one_product() -> None:
    fetches, feeds, _ = unrolled()
    (found,) = found_sums(fetches, feeds).values()
    assert len(found.products) == 5
    assert not found.others


def test_products_that_are_smaller_than_their_matrices_stay() -> None:
    fetches, feeds, _ = unrolled(rows=64)
    assert not found_sums(fetches, feeds)


def test_what_is_taken_elsewhere_stays_and_what_else_is_added_is() -> None:
    x = [tf.placeholder(tf.float32, [2, 16]) for _ in range(8)]
    products = [tf.matmul(a, b, transpose_a=True) for a, b in zip(x[::2], x[1::2], strict=True)]
    other = tf.placeholder(tf.float32, [16, 16])
    total = tf.add_n([other, *products, tf.exp(other)])
    feeds = {
        p: np.asarray(np.random.RandomState(i).randn(*p.shape.as_list()), "f")
        for i, p in enumerate([*x, other])
    }
    (found,) = found_sums([total, products[1]], feeds).values()
    assert [step.op for step in found.products] == [p.op for i, p in enumerate(products) if i != 1]
    assert len(found.others) == 3
    assert not found_sums([total, *products[:2]], feeds)
    assert compiled([total, products[1]], feeds)[0] == pytest.approx(
        sum(feeds[a].T @ feeds[b] for a, b in zip(x[::2], x[1::2], strict=True))
        + feeds[other]
        + np.exp(feeds[other]),
        rel=1e-5,
        abs=1e-5,
    )


def compiled(fetches: Any, feeds: Any, level: int = 1) -> Any:
    options = tf.GraphOptions(optimizer_options=tf.OptimizerOptions(global_jit_level=level))
    with tf.Session(config=tf.ConfigProto(graph_options=options)) as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(fetches, feeds)


def test_both_tiers_agree() -> None:
    fetches, feeds, _ = unrolled()
    for one, two in zip(compiled(fetches, feeds, -1), compiled(fetches, feeds), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
