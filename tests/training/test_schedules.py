"""Learning-rate schedules against their formulas in Python floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millrace as tf


def _cosine(fraction: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * fraction))


def _cycle(step: int) -> float:
    steps = 3 * max(1, math.ceil(step / 3))
    return (0.1 - 0.01) * (1 - step / steps) + 0.01


SCHEDULES: dict[str, tuple[Callable[[Any], Any], Callable[[int], float]]] = {
    "exponential": (lambda s: tf.train.exponential_decay(0.1, s, 3, 0.5), lambda s: 0.1 * 0.5 ** (s / 3)),
    "staircase": (
        lambda s: tf.train.exponential_decay(0.1, s, 3, 0.5, staircase=True),
        lambda s: 0.1 * 0.5 ** (s // 3),
    ),
    "natural": (lambda s: tf.train.natural_exp_decay(0.1, s, 3, 0.5), lambda s: 0.1 * math.exp(-0.5 * s / 3)),
    "inverse": (lambda s: tf.train.inverse_time_decay(0.1, s, 3, 0.5), lambda s: 0.1 / (1 + 0.5 * s / 3)),
    "inverse_stairs": (
        lambda s: tf.train.inverse_time_decay(0.1, s, 3, 0.5, staircase=True),
        lambda s: 0.1 / (1 + 0.5 * (s // 3)),
    ),
    "piecewise": (
        lambda s: tf.train.piecewise_constant(s, [2, 5], [1.0, 0.5, 0.1]),
        lambda s: 1.0 if s <= 2 else 0.5 if s <= 5 else 0.1,
    ),
    "polynomial": (
        lambda s: tf.train.polynomial_decay(0.1, s, 5, 0.01, power=2.0),
        lambda s: 0.09 * (1 - min(s, 5) / 5) ** 2 + 0.01,
    ),
    "cycle": (lambda s: tf.train.polynomial_decay(0.1, s, 3, 0.01, cycle=True), _cycle),
    "cosine": (
        lambda s: tf.train.cosine_decay(0.1, s, 6, alpha=0.1),
        lambda s: 0.1 * (0.9 * _cosine(min(s, 6) / 6) + 0.1),
    ),
    "restarts": (
        lambda s: tf.train.cosine_decay_restarts(0.1, s, 3, t_mul=1.0, m_mul=0.5),
        lambda s: 0.1 * 0.5 ** (s // 3) * _cosine(s % 3 / 3),
    ),
    "growing_restarts": (
        lambda s: tf.train.cosine_decay_restarts(0.1, s, 2),
        lambda s: 0.1 * _cosine([0, 1 / 2, 0, 1 / 4, 2 / 4, 3 / 4, 0, 1 / 8, 2 / 8][s]),
    ),
    "linear_cosine": (
        lambda s: tf.train.linear_cosine_decay(0.1, s, 6),
        lambda s: 0.1 * ((1 - min(s, 6) / 6) * _cosine(min(s, 6) / 6) + 0.001),
    ),
}


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str, dtype: Any) -> None:
    step = tf.placeholder(dtype, [])
    make, formula = SCHEDULES[name]
    rate = make(step)
    assert rate.dtype is tf.float32
    with tf.Session() as session:
        found = [session.run(rate, {step: s}) for s in range(9)]
    np.testing.assert_allclose(found, [formula(s) for s in range(9)], rtol=1e-5, atol=1e-8)


def test_noise_surrounds_the_line() -> None:
    tf.set_random_seed(1)
    step = tf.placeholder(tf.int64, [])
    rate = tf.train.noisy_linear_cosine_decay(1.0, step, 100, initial_variance=0.01)
    line = tf.train.linear_cosine_decay(1.0, step, 100)
    with tf.Session() as session:
        noise = [np.subtract(*session.run([rate, line], {step: 1})) for _ in range(400)]
    # variance 0.01 / 2^0.55, times the cosine's square
    assert np.std(noise) == pytest.approx(math.sqrt(0.01 / 2**0.55), rel=0.15)
    assert abs(np.mean(noise)) < 0.02


def test_the_result_has_the_dtype_of_the_rate() -> None:
    assert tf.train.exponential_decay(tf.constant(0.1, tf.float64), 1, 3, 0.5).dtype is tf.float64


@pytest.mark.parametrize(
    ("program", "rule"),
    [
        (lambda: tf.train.exponential_decay(0.1, None, 3, 0.5), "global_step is required"),
        (lambda: tf.train.piecewise_constant(tf.constant(1.0), [1, 2], [1.0, 2.0, 3.0]), "same dtype as x"),
        (lambda: tf.train.piecewise_constant(tf.constant(1), [1, 2], [1.0, 2.0]), "1 less than the length"),
        (lambda: tf.train.piecewise_constant(tf.constant(1), [1], [1.0, 2]), "all with the same dtype"),
    ],
)
def test_misuse(program: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        program()
