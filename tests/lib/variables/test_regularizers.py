"""Regularizers: their values, names and refusals; Keras's names of regularizers and initializers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf

WEIGHTS = np.array([[1.0, -2.0], [3.0, 0.5]], np.float32)


@pytest.mark.parametrize(
    ("regularizer", "expected"),
    [
        (tf.contrib.layers.l1_regularizer(0.5), 0.5 * 6.5),
        (tf.contrib.layers.l2_regularizer(0.5), 0.5 * 14.25 / 2),
        (tf.contrib.layers.l1_l2_regularizer(0.5, 0.25), 0.5 * 6.5 + 0.25 * 14.25 / 2),
        (tf.contrib.layers.l1_l2_regularizer(0.5, 0.0), 0.5 * 6.5),
        (
            tf.contrib.layers.sum_regularizer([tf.contrib.layers.l1_regularizer(1.0), None]),
            6.5,
        ),
        (tf.keras.regularizers.l1(0.5), 0.5 * 6.5),
        (tf.keras.regularizers.l2(0.5), 0.5 * 14.25),
        (tf.keras.regularizers.l1_l2(0.5, 0.25), 0.5 * 6.5 + 0.25 * 14.25),
    ],
)
def test_penalties(regularizer: Any, expected: float) -> None:
    v = tf.get_variable("v", initializer=WEIGHTS)
    penalty = regularizer(v)
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(penalty) == pytest.approx(expected)


def test_a_zero_scale_turns_a_penalty_off() -> None:
    assert tf.contrib.layers.l1_regularizer(0.0)(tf.constant(WEIGHTS)) is None
    assert tf.contrib.layers.l2_regularizer(0.0)(tf.constant(WEIGHTS)) is None
    assert tf.contrib.layers.sum_regularizer([None]) is None


def test_penalties_are_collected() -> None:
    tf.get_variable("v", initializer=WEIGHTS, regularizer=tf.contrib.layers.l2_regularizer(0.1))
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    assert [loss.name for loss in losses] == ["v/Regularizer/l2_regularizer:0"]
    total = tf.contrib.layers.apply_regularization(
        tf.contrib.layers.l1_regularizer(1.0), tf.global_variables()
    )
    assert tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)[-1] is total


@pytest.mark.parametrize("scale", [-1.0, 1])
def test_scales_are_floats_that_are_not_negative(scale: Any) -> None:
    with pytest.raises(ValueError, match="scale"):
        tf.contrib.layers.l2_regularizer(scale)


def test_initializers_are_saved_by_name() -> None:
    made = tf.keras.initializers.get("glorot_uniform")
    assert isinstance(made, tf.glorot_uniform_initializer)
    described = tf.keras.initializers.serialize(tf.keras.initializers.RandomNormal(seed=3))
    again = tf.keras.initializers.deserialize(described)
    assert (again.stddev, again.seed) == (0.05, 3)
    assert tf.keras.initializers.get(None) is None
    with pytest.raises(ValueError, match="Unknown initializer"):
        tf.keras.initializers.get("no such")


def test_an_empty_regularizer_is_none():
    tf.get_variable("a", [2], regularizer={})
    tf.get_variable("b", [2], regularizer=False)
    assert tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES) == []
