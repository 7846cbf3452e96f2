"""Sines of small numbers: the fast recipe where it is right, XLA's own where it would not be."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf
from millrace.runtime.plan import bounds
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.segments import Segment, split
from millrace.runtime.plan.simplify import simplify

pytestmark = pytest.mark.xla


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


def test_the_recipe_is_good_to_two_units() -> None:
    from millrace.dialect.jax.trig import _of_quadrant, _quadrant

    x = np.linspace(-bounds.LIMIT, bounds.LIMIT, 200001, dtype=np.float32)
    r, q = _quadrant(x)
    error = np.abs(np.asarray(_of_quadrant(r, q), np.float64) - np.sin(x.astype(np.float64)))
    assert error.max() < 2 * 2.0**-24 * 1.01
