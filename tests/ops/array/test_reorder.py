"""Reversals and rolls against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(2, 3, 4)


def _sequences(x, lengths):
    x = x.copy()
    for i, n in enumerate(lengths):
        x[i, :n] = x[i, :n][::-1]
    return x


class TestReorder(OpSuite):
    """The same elements in another order."""

    cases = (
        OpCase("Reverse", [_X, [True, False, True]], lambda x, d: x[::-1, :, ::-1]),
        OpCase("ReverseV2", [_X, [0, -1]], lambda x, a: x[::-1, :, ::-1]),
        OpCase("ReverseV2", [ints(3), np.int64([0])], lambda x, a: x[::-1]),
        OpCase("ReverseSequence", [_X, np.int64([1, 3])], _sequences, seq_dim=1),
        OpCase(
            "ReverseSequence",
            [_X.swapaxes(0, 2), np.int32([0, 2])],
            lambda x, n: _sequences(x.swapaxes(0, 2), n).swapaxes(0, 2),
            seq_dim=1,
            batch_dim=2,
        ),
        OpCase("Roll", [_X, 1, 2], lambda x, s, a: np.roll(x, 1, 2)),
        OpCase("Roll", [_X, [1, -5, 2], [0, 1, 1]], lambda x, s, a: np.roll(x, (1, -5, 2), (0, 1, 1))),
    )


def test_a_dimension_named_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        tf.reverse(tf.zeros([2, 3]), [1, -1])


def test_sequence_lengths_must_fit():
    x = tf.constant(_X)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError):
        session.run(tf.reverse_sequence(x, [1, 4], seq_axis=1))
    with pytest.raises(ValueError, match="once"):
        tf.reverse_sequence(x, [1, 2], seq_axis=1, seq_dim=1)
    assert tf.reverse_sequence(x, [1, 2], seq_dim=1, batch_dim=0).shape == [2, 3, 4]


def test_roll_needs_a_dimension():
    with pytest.raises(ValueError, match="at least one dimension"):
        tf.roll(tf.constant(1.0), 1, 0)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (1, 2), (2,)])
@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30, 5), (4, 3, 2), (3, 20, 30, 1)])
def test_pixels_turned_round(shape, axes):
    x = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    given = tf.placeholder(tf.uint8)
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(tf.reverse(given, axes), {given: x}), np.flip(x, axes))
