"""Fills, ranges and evenly spaced numbers against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(2, 3)


class TestFill(OpSuite):
    """Tensors made from a rule."""

    cases = (
        OpCase("Fill", [[2, 3], np.float32(1.5)], lambda d, v: np.full((2, 3), v)),
        OpCase("Fill", [np.int64([2]), np.bool_(True)], lambda d, v: np.full(2, True)),
        OpCase("ZerosLike", [_X], np.zeros_like),
        OpCase("ZerosLike", [_X > 0], np.zeros_like),
        OpCase("OnesLike", [_X], np.ones_like),
        OpCase("OnesLike", [ints(3)], np.ones_like),
        OpCase("Empty", [[2, 3]], lambda d: np.zeros((2, 3), np.int32), dtype=tf.int32),
        OpCase("Range", [0, 5, 2], lambda *_: np.int32([0, 2, 4])),
        OpCase("Range", [np.int64(5), np.int64(0), np.int64(-2)], lambda *_: np.int64([5, 3, 1])),
        OpCase(
            "Range",
            [np.float32(0), np.float32(1), np.float32(0.25)],
            lambda *_: np.float32([0, 0.25, 0.5, 0.75]),
        ),
        OpCase(
            "LinSpace", [np.float32(1), np.float32(3), 5], lambda *_: np.linspace(1, 3, 5).astype(np.float32)
        ),
        OpCase("LinSpace", [np.float64(1), np.float64(3), 1], lambda *_: np.float64([1])),
    )


def test_a_range_adds_its_step_again_and_again():
    with tf.Session() as session:
        found = session.run(tf.range(0.0, 10.0, 0.1))
    assert np.array_equal(found, np.add.accumulate(np.float32([0.0] + [0.1] * 99)))


def test_range_takes_the_widest_dtype():
    assert tf.range(5).dtype == tf.int32
    assert tf.range(5, dtype=tf.float64).dtype == tf.float64
    assert tf.range(tf.constant(0, tf.int64), 5).dtype == tf.int64
    assert tf.range(0, 1.5).shape == [2]
    with pytest.raises(TypeError, match="Received: bool"):
        tf.range(True, dtype=None)


@pytest.mark.parametrize("ends", [(0, 5, 0), (5, 0, 1), (0, 5, -1)])
def test_ranges_that_lead_nowhere(ends):
    with pytest.raises(ValueError):
        tf.range(*ends)
    start = tf.placeholder_with_default(ends[0], [])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError):
        session.run(tf.range(start, *ends[1:]))


def test_fill_refuses_negative_lengths():
    with pytest.raises(ValueError, match=">= 0"):
        tf.fill([-1], 0.0)
    dims = tf.placeholder(tf.int32, [1])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError):
        session.run(tf.fill(dims, 0.0), {dims: [-1]})


def test_likes():
    x = tf.placeholder(tf.float32, [2, None])
    assert tf.zeros_like(x).op.type == "ZerosLike"
    assert tf.ones_like(x).shape.as_list() == [2, None]
    with tf.Session() as session:
        assert session.run(tf.zeros_like(tf.constant(["a"]))).tolist() == [b""]
        assert session.run(tf.ones_like(tf.constant([1.0]), tf.int32)).dtype == np.int32


def test_linspace_needs_a_positive_count():
    with pytest.raises(ValueError, match="num > 0"):
        tf.linspace(0.0, 1.0, 0)
