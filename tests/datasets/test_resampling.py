"""Resampling of classes whose frequencies are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


def _resampled(target: list[float], initial: list[float]) -> list[tuple[int, int]]:
    data = tf.data.Dataset.range(12).apply(
        tf.data.experimental.rejection_resample(
            lambda x: tf.cast(x, tf.int32) % 2, target, initial_dist=initial, seed=1
        )
    )
    element = data.make_one_shot_iterator().get_next()
    found: list[tuple[int, int]] = []
    with tf.Session() as sess, pytest.raises(tf.errors.OutOfRangeError):
        while True:
            kind, value = sess.run(element)
            found.append((int(kind), int(value)))
    return found


def _types() -> list[str]:
    return [op.type for op in tf.get_default_graph().get_operations()]


def test_frequencies_that_are_right_already_leave_everything() -> None:
    found = _resampled([0.25, 0.75], [0.25, 0.75])
    assert found == [(i % 2, i) for i in range(12)]
    assert "DirectedInterleaveDataset" not in _types()


def test_a_class_that_is_not_wanted_never_comes() -> None:
    found = _resampled([0.0, 1.0], [0.5, 0.5])
    assert found == [(1, i) for i in range(1, 12, 2)]
    assert "DirectedInterleaveDataset" not in _types()


def test_other_frequencies_are_drawn() -> None:
    found = _resampled([0.8, 0.2], [0.5, 0.5])
    assert all(kind == value % 2 for kind, value in found)
    assert np.mean([kind for kind, _ in found]) < 0.5
    assert "DirectedInterleaveDataset" in _types()
