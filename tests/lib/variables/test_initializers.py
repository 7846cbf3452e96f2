"""Initializers: values, statistics, shapes, settings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import millrace as tf


def _value(tensor: Any) -> np.ndarray:
    with tf.Session() as session:
        return session.run(tensor)


@pytest.mark.parametrize(
    ("initializer", "shape", "expected"),
    [
        (tf.zeros_initializer(), [2], [0, 0]),
        (tf.ones_initializer(tf.int32), [1, 2], [[1, 1]]),
        (tf.constant_initializer(3.5), [2], [3.5, 3.5]),
        (tf.constant_initializer([1, 2, 3]), [2, 2], [[1, 2], [3, 3]]),
        (tf.initializers.identity(2.0), [2, 3], [[2, 0, 0], [0, 2, 0]]),
    ],
)
def test_fixed_values(initializer: Any, shape: list[int], expected: Any) -> None:
    assert _value(initializer(shape)).tolist() == expected


def test_a_dtype_given_in_the_call_wins() -> None:
    for kind in (
        tf.zeros_initializer,
        tf.ones_initializer,
        tf.constant_initializer,
        tf.random_uniform_initializer,
    ):
        assert kind()([2], dtype=tf.float64).dtype is tf.float64
    assert _value(tf.zeros_initializer()([1], dtype=tf.string)).tolist() == [b""]


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        (tf.random_normal_initializer(stddev=0.3), 0.3),
        (tf.random_uniform_initializer(-0.3, 0.3), 0.3 / math.sqrt(3)),
        (tf.uniform_unit_scaling_initializer(), math.sqrt(1 / 400)),
        (tf.glorot_uniform_initializer(), math.sqrt(2 / 500)),
        (tf.glorot_normal_initializer(), math.sqrt(2 / 500)),
        (tf.initializers.he_normal(), math.sqrt(2 / 400)),
        (tf.initializers.he_uniform(), math.sqrt(2 / 400)),
        (tf.initializers.lecun_normal(), math.sqrt(1 / 400)),
        (tf.initializers.lecun_uniform(), math.sqrt(1 / 400)),
        (tf.variance_scaling_initializer(3.0, "fan_out", "untruncated_normal"), math.sqrt(3 / 100)),
        (tf.truncated_normal_initializer(stddev=0.3), 0.3 * 0.87962566),
    ],
)
def test_the_deviation_of_random_values(initializer: Any, deviation: float) -> None:
    tf.set_random_seed(1)
    values = _value(initializer([400, 100]))
    assert values.dtype == np.float32
    assert abs(values.mean()) < 4 * deviation / 200
    assert values.std() == pytest.approx(deviation, rel=0.02)


def test_fans_of_convolutions_count_the_window() -> None:
    tf.set_random_seed(1)
    values = _value(tf.initializers.lecun_uniform()([5, 5, 16, 32]))
    assert np.abs(values).max() == pytest.approx(math.sqrt(3 / (25 * 16)), rel=1e-3)


@pytest.mark.parametrize("shape", [[6, 4], [4, 6], [2, 3, 4]])
def test_orthogonal_rows_or_columns(shape: list[int]) -> None:
    matrix = _value(tf.orthogonal_initializer(gain=2.0)(shape)).reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_a_part_is_initialised_like_its_whole() -> None:
    tf.set_random_seed(1)
    parts = tf.get_variable("v", [100, 4], partitioner=tf.fixed_size_partitioner(50))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        largest = np.abs(np.concatenate(session.run(list(parts)))).max()
    assert largest == pytest.approx(math.sqrt(6 / 104), rel=0.02)


@pytest.mark.parametrize(
    ("make", "error", "rule"),
    [
        (lambda: tf.variance_scaling_initializer(scale=0.0), ValueError, "positive float"),
        (lambda: tf.variance_scaling_initializer(mode="fan"), ValueError, "invalid `mode`"),
        (lambda: tf.variance_scaling_initializer(distribution="flat"), ValueError, "invalid `distribution`"),
        (lambda: tf.random_normal_initializer(dtype=tf.int32), ValueError, "floating point type"),
        (lambda: tf.initializers.identity()([2]), ValueError, "2D matrices"),
        (lambda: tf.orthogonal_initializer()([2]), ValueError, "at least two-dimensional"),
        (lambda: tf.constant_initializer([1, 2, 3], verify_shape=True)([2, 2]), TypeError, "expected shape"),
        (lambda: tf.constant_initializer(object()), TypeError, "Python scalar"),
    ],
)
def test_misuse(make: Any, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        make()


@pytest.mark.parametrize(
    "initializer",
    [
        tf.zeros_initializer(),
        tf.constant_initializer(3),
        tf.random_normal_initializer(stddev=2.0, seed=4),
        tf.variance_scaling_initializer(2.0, "fan_avg", "uniform", seed=3),
        tf.glorot_uniform_initializer(seed=1),
        tf.orthogonal_initializer(2.0),
    ],
)
def test_settings_make_an_equal_initializer(initializer: Any) -> None:
    again = type(initializer).from_config(initializer.get_config())
    assert again.get_config() == initializer.get_config()
