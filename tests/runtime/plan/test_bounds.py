"""Sines of small numbers: the fast recipe where it is right, XLA's own where it would not be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.plan import bounds
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.segments import Segment, split
from millrace.runtime.plan.simplify import simplify


def _small(
    fetches: list[tf.Tensor], feeds: list[tf.Tensor], dims: list[tuple[int, ...]]
) -> tuple[list[str], list[int]]:
    plan = simplify(make_plan(fetches, feeds), dims)
    (segment,) = split(plan)
    assert isinstance(segment, Segment)
    small, fed = bounds.small_angles(segment, plan)
    return sorted(op.name for op in small), [plan.feeds.index(v) for v in fed]


@pytest.mark.parametrize(
    ("rule", "largest"),
    [
        (lambda x: tf.nn.relu6(x), 6.0),
        (lambda x: tf.minimum(tf.sigmoid(x), tf.sign(x)), 1.0),
        (lambda x: tf.tanh(x) + tf.sin(x, name="inner"), 2.0),
        (lambda x: tf.add_n([tf.tanh(x)] * 3), 3.0),
        (lambda x: tf.nn.relu6(x) - tf.cos(x, name="inner"), 7.0),
        (lambda x: tf.nn.relu6(x) * tf.nn.relu6(x), 36.0),
        (lambda x: tf.square(tf.nn.relu6(x)), 36.0),
        (lambda x: tf.squared_difference(tf.nn.relu6(x), tf.tanh(x)), 49.0),
        (lambda x: tf.maximum(tf.nn.relu6(x), tf.tanh(x)), 6.0),
        (lambda x: tf.reduce_mean(tf.abs(-tf.nn.relu6(x)), keepdims=True), 6.0),
        (lambda x: tf.fill([5], tf.reduce_max(tf.nn.relu6(x))), 6.0),
    ],
)
def test_how_large_results_are(rule: Callable[[tf.Tensor], tf.Tensor], largest: float) -> None:
    x = tf.placeholder(tf.float32, [5], name="x")
    for factor, small in ((bounds.LIMIT / largest, True), (1.01 * bounds.LIMIT / largest, False)):
        name = f"is_{small}"
        factor = float(np.nextafter(np.float32(factor), np.float32(0)))
        angle = tf.sin(rule(x) * -factor, name=name)
        names, fed = _small([angle], [x], [(5,)])
        assert (name in names) is small, factor
        assert fed == ([0] if small else [])


def test_what_is_fed_is_assumed_to_have_a_size() -> None:
    x, y = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.float32, [2])
    n, wide = tf.placeholder(tf.int32, [2]), tf.placeholder(tf.float64, [2])
    angles = [
        tf.sin(x * (bounds.LIMIT / bounds.ASSUMED), name="small"), tf.cos(x * 0.2, name="large"),
        tf.sin(x, name="itself"), tf.sin(tf.exp(x), name="unknown"),
        tf.sin(tf.cast(n, tf.float32), name="cast"),
        tf.sin(wide * 0.001, name="double"), tf.sin(x * np.float32(np.nan), name="nan"),
        tf.cos(tf.tanh(y) + 0.01 * x, name="both"),
    ]  # fmt: skip
    assert _small(angles, [y, n, x, wide], [(2,)] * 4) == (["both", "small"], [0, 2])


def _chain(x):
    z = x
    for _ in range(4):
        z = tf.sin(z) * 1.1 + 0.1 * x
    return z


def test_which_angles_are_small() -> None:
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [5])
        plan = simplify(make_plan([_chain(x)], [x]), [(5,)])
        (segment,) = split(plan)
        assert isinstance(segment, Segment)
        small, fed = bounds.small_angles(segment, plan)
        assert sorted(op.name for op in small) == [
            "Sin_1",
            "Sin_2",
            "Sin_3",
        ]  # the first takes what is fed itself
        assert fed == plan.feeds


@pytest.mark.xla
@pytest.mark.parametrize("scale", [1.0, 500.0, 1e6])
def test_both_programs_are_right(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_TIER", "compile")
    data = (np.random.RandomState(0).randn(1000) * scale).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [None])
        z = _chain(x)
        found, gradient = sess.run([z, tf.gradients(z, x)[0]], {x: data})
    value, slope = data.astype(np.float64), np.ones(1000)
    for _ in range(4):
        value, slope = np.sin(value) * 1.1 + 0.1 * data, np.cos(value) * 1.1 * slope + 0.1
    if scale < 1e6:  # beyond, rounding the fed numbers alone changes everything
        np.testing.assert_allclose(found, value, rtol=2e-3 if scale > 100 else 2e-5, atol=1e-4)
        np.testing.assert_allclose(gradient, slope, rtol=2e-3 if scale > 100 else 1e-4, atol=1e-3)
    assert np.isfinite(found).all()


@pytest.mark.xla
def test_the_recipe_is_good_to_two_units() -> None:
    from millrace.dialect.jax.trig import _of_quadrant, _quadrant

    x = np.linspace(-bounds.LIMIT, bounds.LIMIT, 200001, dtype=np.float32)
    r, q = _quadrant(x)
    error = np.abs(np.asarray(_of_quadrant(r, q), np.float64) - np.sin(x.astype(np.float64)))
    assert error.max() < 2 * 2.0**-24 * 1.01
