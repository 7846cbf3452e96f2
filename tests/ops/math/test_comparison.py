"""Comparisons, logic, choices, bits and conversions against NumPy."""

import numpy as np
import pytest
from ml_dtypes import bfloat16

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X, _Y = floats(3, 4), floats(4, seed=1)
_I, _J = ints(3, 4), ints(4, seed=1)
_FLAGS = ints(3, 4, low=0, high=2).astype(bool)
_MASK = ints(4, low=0, high=2, seed=4).astype(bool)
_BYTES = np.array([b"a", b"bc", b""], object)


class TestComparison(OpSuite):
    """Orders, equality, tests, logic."""

    cases = (
        OpCase("Less", [_X, _Y], np.less),
        OpCase("Less", [_I, _J], np.less),
        OpCase("LessEqual", [_I, _J], np.less_equal),
        OpCase("Greater", [_X, _Y], np.greater),
        OpCase("GreaterEqual", [_I.astype(np.uint8), _J.astype(np.uint8)], np.greater_equal),
        OpCase("Equal", [_I, _J], np.equal),
        OpCase("Equal", [_FLAGS, _MASK], np.equal),
        OpCase("Equal", [_X, floats(5)], lambda x, y: np.bool_(False), incompatible_shape_error=False),
        OpCase("NotEqual", [_I, _J], np.not_equal),
        OpCase("NotEqual", [_X, floats(5)], lambda x, y: np.bool_(True), incompatible_shape_error=False),
        OpCase(
            "ApproximateEqual", [_X, _X + 1e-3 * _FLAGS.astype(np.float32)], lambda x, y: np.abs(x - y) < 1e-5
        ),
        OpCase("IsNan", [np.float32([1, np.nan, np.inf])], np.isnan),
        OpCase("IsNan", [np.array([1, np.nan], bfloat16)], lambda x: np.array([False, True])),
        OpCase("IsInf", [np.float16([1, np.nan, -np.inf])], np.isinf),
        OpCase("IsFinite", [np.float64([1, np.nan, np.inf])], np.isfinite),
        OpCase("LogicalNot", [_FLAGS], np.logical_not),
        OpCase("LogicalAnd", [_FLAGS, _MASK], np.logical_and),
        OpCase("LogicalOr", [_FLAGS, _MASK], np.logical_or),
    )


class TestSelect(OpSuite):
    """Choices by a condition, by size, within bounds."""

    cases = (
        OpCase("Select", [_FLAGS, _X, 2 * _X], np.where),
        OpCase("Select", [np.array(True), _X, 2 * _X], np.where),
        OpCase("Select", [_MASK[:3], _X, 2 * _X], lambda c, t, e: np.where(c[:, None], t, e)),
        OpCase("SelectV2", [_MASK, _X, floats()], np.where),
        OpCase("SelectV2", [_FLAGS, _I, _J], np.where),
        OpCase("Maximum", [_X, _Y], np.maximum),
        OpCase("Maximum", [_I, _J], np.maximum),
        OpCase("Minimum", [_X, _Y], np.minimum),
        OpCase("ClipByValue", [_X, np.array(-0.5, np.float32), np.array(0.7, np.float32)], np.clip),
        OpCase(
            "ClipByValue",
            [_X, _X - _FLAGS, _X + 1 - _FLAGS],
            lambda t, a, b: np.maximum(np.minimum(t, b), a),
            wrt=(),
        ),
        OpCase("NextAfter", [_X, _Y], np.nextafter, wrt=()),
    )


class TestBits(OpSuite):
    """Bit patterns."""

    cases = (
        OpCase("BitwiseAnd", [_I, _J], np.bitwise_and),
        OpCase("BitwiseOr", [_I, _J], np.bitwise_or),
        OpCase("BitwiseXor", [_I.astype(np.uint16), _J.astype(np.uint16)], np.bitwise_xor),
        OpCase("LeftShift", [_I, np.abs(_J)], np.left_shift),
        OpCase("LeftShift", [np.int32([1, 1]), np.int32([33, -1])], lambda x, y: np.int32([-(2**31), 1])),
        OpCase("RightShift", [_I, np.abs(_J)], np.right_shift),
        OpCase("RightShift", [np.int8([-8, 8]), np.int8([1, 40])], lambda x, y: np.int8([-4, 0])),
        OpCase("Invert", [_I], np.invert),
        OpCase("PopulationCount", [np.int16([7, -1, 0])], lambda x: np.uint8([3, 16, 0])),
        OpCase(
            "CompareAndBitpack", [floats(2, 16), np.float32(0.1)], lambda x, t: np.packbits(x > t, axis=-1)
        ),
        OpCase("Bitcast", [_X], lambda x: x.view(np.int32), type=tf.int32),
        OpCase("Bitcast", [_X], lambda x: x.view(np.uint8).reshape(3, 4, 4), type=tf.uint8),
        OpCase("Bitcast", [ints(3, 2)], lambda x: x.view(np.int64)[:, 0], type=tf.int64),
        OpCase("Bitcast", [ints(3, 2)], lambda x: x.view(np.complex64)[:, 0], type=tf.complex64),
        OpCase(
            "Bitcast",
            [floats(3, dtype=np.complex64)],
            lambda x: x.view(np.float32).reshape(3, 2),
            type=tf.float32,
        ),
    )


class TestCast(OpSuite):
    """Conversions by value."""

    cases = (
        OpCase("Cast", [_X], lambda x: np.trunc(x).astype(np.int32), DstT=tf.int32, wrt=()),
        OpCase("Cast", [_I], lambda x: x.astype(np.uint8), DstT=tf.uint8),
        OpCase("Cast", [_X], lambda x: x != 0, DstT=tf.bool, wrt=()),
        OpCase("Cast", [_FLAGS], lambda x: x.astype(np.float16), DstT=tf.float16),
        OpCase(
            "Cast",
            [_X.astype(np.float64)],
            lambda x: x.astype(np.float32),
            DstT=tf.float32,
            tolerance=1e-6,
            wrt=(),
        ),
        OpCase("Cast", [_X], lambda x: x.astype(np.complex128), DstT=tf.complex128),
        OpCase("Cast", [floats(3, dtype=np.complex64)], lambda x: x.real.astype(np.float64), DstT=tf.float64),
        OpCase("Cast", [_X], lambda x: x.astype(bfloat16), DstT=tf.bfloat16, wrt=()),
        OpCase(
            "Cast",
            [np.float32([1.0039, 1.9999])],
            lambda x: np.array([1.0, 1.9921875], bfloat16),
            DstT=tf.bfloat16,
            Truncate=True,
            wrt=(),
        ),
    )


def _run(value):
    with tf.Session() as session:
        return session.run(value)


def test_strings_compare():
    assert _run(tf.equal(_BYTES, b"bc")).tolist() == [False, True, False]
    assert _run(tf.not_equal(_BYTES, b"bc")).tolist() == [True, False, True]


def test_extremes_keep_nan():
    x, y = tf.constant([1.0, np.nan]), tf.constant([np.nan, 1.0])
    assert np.isnan(_run(tf.maximum(x, y))).all()
    assert np.isnan(_run(tf.minimum(x, y))).all()


def test_equal_inputs_give_their_gradient_to_the_first():
    x, y = tf.constant([2.0, 1.0]), tf.constant([2.0, 3.0])
    dx, dy = tf.gradients(tf.maximum(x, y), [x, y])
    assert _run([dx, dy])[0].tolist() == [1, 0]
    assert _run(dy).tolist() == [0, 1]


def test_where_needs_both_or_neither():
    assert _run(tf.where([True, False, True])).tolist() == [[0], [2]]
    with pytest.raises(ValueError, match="where: x and y"):
        tf.where([True], [1.0])


def test_where_refuses_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="Select"):
        tf.where([[True, False, True]], tf.ones([2, 3]), tf.zeros([2, 3]))
    c = tf.placeholder(tf.bool)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="condition"):
        session.run(tf.where(c, tf.ones([2, 3]), tf.zeros([2, 3])), {c: [True] * 3})


def test_where_v2_broadcasts():
    chosen = tf.where_v2([[True, False, True]], 1.0, tf.zeros([2, 3]))
    assert _run(chosen).tolist() == [[1, 0, 1], [1, 0, 1]]


def test_logical_xor():
    assert _run(tf.logical_xor([True, True, False], [True, False, False])).tolist() == [False, True, False]
    assert tf.logical_xor([True], [False]).op.name == "LogicalXor_1"


def test_cast_gives_a_tensor_of_that_dtype_back():
    x = tf.constant(1.0)
    assert tf.cast(x, tf.float32) is x
    assert tf.to_int32(x).op.name == "ToInt32"


def test_cast_of_strings():
    with pytest.raises(tf.errors.UnimplementedError, match="string"):
        _run(tf.cast(tf.constant(["1"]), tf.int32))


@pytest.mark.parametrize(
    ("value", "dtype", "want"),
    [
        ([300.0, -5.0, 7.5], tf.uint8, [255, 0, 7]),
        ([3e10, -3e10], tf.int32, [2147483520, -(2**31)]),
        ([70000, -70000, 5], tf.int16, [32767, -32768, 5]),
        ([1.5], tf.float64, [1.5]),
    ],
)
def test_saturate_cast(value, dtype, want):
    assert _run(tf.saturate_cast(tf.constant(value), dtype)).tolist() == want


def test_bitcast_needs_a_whole_element():
    with pytest.raises(ValueError, match="last dimension must be 4"):
        tf.bitcast(tf.zeros([3], tf.uint8), tf.float32)
    x = tf.placeholder(tf.uint8)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="bitcast"):
        session.run(tf.bitcast(x, tf.float32), {x: np.zeros(3, np.uint8)})


def test_clip_by_value():
    assert _run(tf.clip_by_value([1.0, 2.0, 3.0], 1.5, 2.5)).tolist() == [1.5, 2, 2.5]
    assert _run(tf.clip_by_value([1.0, 2.0], 3.0, 1.0)).tolist() == [3, 3]
    with pytest.raises(ValueError, match="clip_by_value"):
        tf.clip_by_value(tf.constant([[1.0, 2.0]]), [[0.0], [1.0]], [[1.0], [3.0]])
