"""Which dtype, shape and numbers Python's and NumPy's values become."""

import decimal
import enum
import fractions

import numpy as np
import pytest

import millrace as tf
from millrace.building import literals


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (list(np.arange(3.0)), tf.float32),
        (list(np.arange(3)), tf.int32),
        ([np.float64(1), 2], tf.float32),
        ([1, np.float64(2.5)], tf.float32),
        ([np.int64(2**40), 1], tf.int64),
        ([np.float32(1), 2.5], tf.float32),
        ([np.float16(1)], tf.float16),
        ([np.uint8(1), np.uint8(2)], tf.uint8),
        ([[np.float64(1), 2.0], [3.0, 4.0]], tf.float32),
        (np.float64(1), tf.float64),
        (np.arange(3.0), tf.float64),
        ([2**63], tf.uint64),
        ([1.5, True], tf.float32),
        ([2, True], tf.int32),
        ([True, 3], tf.int32),
        ([True, 2.5], tf.float32),
        ([True, 1j], tf.complex128),
        ([True, False], tf.bool),
    ],
)
def test_the_dtype_of_a_list_is_that_of_python_numbers(value, dtype):
    c = tf.constant(value)
    assert c.dtype == dtype
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(c), np.array(value, dtype.as_numpy_dtype))


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.int32, tf.uint8, tf.complex64])
def test_booleans_are_numbers_where_numbers_are_asked_for(dtype):
    with tf.Session() as sess:
        assert sess.run(tf.constant([True, False], dtype)).tolist() == [1, 0]


def test_numbers_are_not_booleans():
    for value in ([1, True], 0, [1.0]):
        with pytest.raises(TypeError, match="Expected bool"):
            tf.constant(value, tf.bool)


@pytest.mark.parametrize("value", [10**20, [10**20], -(10**19), 2**64, [2**63, -1]])
def test_integers_beyond_64_bits_are_refused(value):
    with pytest.raises(TypeError, match="64 bits"):
        tf.constant(value)
    with pytest.raises(ValueError, match="out of range for int32"):
        tf.constant(value, tf.int32)


def test_integers_of_64_bits_are_cut_to_a_narrow_dtype():
    with tf.Session() as sess:
        assert sess.run(tf.constant([300, -1], tf.uint8)).tolist() == [44, 255]


@pytest.mark.parametrize("value", [2**200, 16777217, 10**20])
def test_an_integer_that_a_dtype_does_not_have_is_not_fed(value):
    with tf.Session() as sess:
        x = tf.placeholder(tf.float32)
        with pytest.raises(TypeError, match="float32 has no such number"):
            sess.run(x, {x: value})
        assert sess.run(x, {x: 16777216}) == 2.0**24


def test_lists_of_integers_are_cut_when_they_are_fed():
    with tf.Session() as sess:
        x = tf.placeholder(tf.uint8)
        assert sess.run(x, {x: [300, 2**40]}).tolist() == [44, 0]
        with pytest.raises(TypeError):
            sess.run(x, {x: [10**20]})


@pytest.mark.parametrize("value", [1.0, [1.0, 2.0], [[1.0], [2.0]]])
def test_no_elements_at_all(value):
    with tf.Session() as sess:
        assert sess.run(tf.constant(value, shape=[0, 3])).shape == (0, 3)


def test_nothing_stretched_is_zeros():
    with tf.Session() as sess:
        assert sess.run(tf.constant([], tf.int32, shape=[2])).tolist() == [0, 0]


class Reading:
    """An object that becomes an array when asked."""

    def __array__(self, *args, **kwargs):
        """Its numbers."""
        return np.array([1.0, 2.0], np.float32)


def test_objects_that_are_arrays():
    c = tf.constant(Reading())
    assert c.dtype == tf.float32 and c.shape.as_list() == [2]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.int32])
def test_a_stretched_value_is_stored_once(dtype):
    proto = tf.make_tensor_proto([1, 7], dtype, shape=[1000])
    assert not proto.tensor_content
    assert len(proto.SerializeToString()) < 50
    assert tf.make_ndarray(proto).tolist() == [1] + [7] * 999
    assert tf.make_tensor_proto([1, 7], dtype, shape=[2]).tensor_content


@pytest.mark.parametrize("dtype", [tf.quint8, tf.qint8, tf.quint16, tf.qint16, tf.qint32])
def test_a_quantized_number_is_a_tuple_of_one(dtype):
    sizes = lambda p: [d.size for d in p.tensor_shape.dim]  # noqa: E731
    assert sizes(tf.make_tensor_proto((21,), dtype)) == []
    assert sizes(tf.make_tensor_proto([(21,), (22,)], dtype)) == [2]
    assert sizes(tf.make_tensor_proto([[(1,), (2,)], [(3,), (4,)]], dtype)) == [2, 2]
    assert tf.constant([(1,)], dtype).shape.as_list() == [1]


def test_a_shape_that_int32_cannot_hold():
    shape = tf.TensorShape([2**31, 3])
    assert tf.convert_to_tensor(shape).dtype == tf.int64
    with pytest.raises(ValueError, match="does not fit int32"):
        tf.convert_to_tensor(shape, dtype=tf.int32)


@pytest.mark.parametrize("kind", [int, str, bytes, complex])
def test_types_of_python_that_name_no_dtype(kind):
    assert tf.int32 != kind and tf.string != kind and tf.complex128 != kind
    with pytest.raises(TypeError, match="as_dtype"):
        tf.as_dtype(kind)


def test_arrays_of_texts():
    given = np.array([["a", b"b"], ["c", "dé"]], object)
    with tf.Session() as session:
        assert session.run(tf.constant(given)).tolist() == [[b"a", b"b"], [b"c", "dé".encode()]]
        assert session.run(tf.constant(np.array(["x", "yz"]))).tolist() == [b"x", b"yz"]
        assert session.run(tf.constant(np.array("x"))) == b"x"
        assert session.run(tf.constant(np.array([1, 2], object), tf.int64)).tolist() == [1, 2]
    assert tf.constant(np.zeros([0, 2], object)).shape == [0, 2]
    with pytest.raises(TypeError, match="Expected float32. Received: 'a' of type 'str'"):
        tf.constant(np.array(["a"]), tf.float32)
    with pytest.raises(TypeError, match="Expected string. Received: 3 of type 'int'"):
        tf.constant(np.array(["a", 3], object))
    with pytest.raises(TypeError, match="Expected string values. Received: an array of float64"):
        tf.constant(np.ones(2), tf.string)
    with pytest.raises(TypeError, match="Expected float32. Received: an array of complex128"):
        tf.constant(np.ones(2, complex), tf.float32)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([-(2**31)], tf.int32),
        ([2**31 - 1], tf.int32),
        ([2**31], tf.int64),
        ([-(2**31) - 1, 0], tf.int64),
        ([-(2**63), 2**63 - 1], tf.int64),
        ([2**63, 0], tf.uint64),
        ([2**64 - 1], tf.uint64),
        ([1, 2.5], tf.float32),
        ([np.int16(1), 2], tf.int32),
        ([True, False], tf.bool),
        ([1j, 2], tf.complex128),
        ([], tf.float32),
    ],
)
def test_the_narrowest_of_the_usual_dtypes(values, dtype):
    found = tf.constant(values)
    assert found.dtype == dtype
    if dtype in (tf.int64, tf.uint64):
        with tf.Session() as session:
            assert session.run(found).tolist() == values


class Weekday(enum.IntEnum):
    """A number that is not exactly an int."""

    MONDAY = 3


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (fractions.Fraction(1, 2), tf.float32),
        ([fractions.Fraction(1, 2), 1], tf.float32),
        (Weekday.MONDAY, tf.int32),
        ([Weekday.MONDAY, 2.5], tf.float32),
        (type("Text", (str,), {})("a"), tf.string),
        ([np.str_("a"), "b"], tf.string),
        ([np.bytes_(b"a")], tf.string),
        ([tf.Dimension(3), 4], tf.int32),
        ([tf.TensorShape([2, 3]), [4, 5]], tf.int32),
        ([np.arange(3), [4, 5, 6]], tf.int32),
        ([np.arange(2.0), np.zeros(2, np.float16)], tf.float32),
        ([range(3), (1, 2, 3)], tf.int32),
        ([np.float16(1), np.float32(2)], tf.float32),
        ([np.int8(1), np.int16(2)], tf.int16),
        ([np.bool_(True), 2], tf.int32),
        ([np.complex64(1j), 2.0], tf.complex128),
        ([np.complex64(1j)], tf.complex64),
        ([np.uint32(7), 1], tf.int32),
    ],
)
def test_kinds_of_elements(value, dtype):
    assert tf.constant(value).dtype == dtype


@pytest.mark.parametrize(
    ("value", "dtype", "error", "message"),
    [
        (None, None, ValueError, "None values are not supported"),
        ([tf.Dimension(None)], None, ValueError, "unknown Dimension.*None values are not supported"),
        (decimal.Decimal(1), None, TypeError, "object of type 'Decimal' to a tensor. Received: Decimal"),
        ([1, "a"], None, TypeError, r"Expected int32. Received: 'a' of type 'str' in \[1, 'a'\]"),
        (["a", 1], None, TypeError, "Expected string. Received: 1 of type 'int'"),
        ([["a"], [2.5]], None, TypeError, "Expected string. Received: 2.5 of type 'float'"),
        (
            [[1, 2], [3]],
            None,
            ValueError,
            r"shapes \(2,\) and \(1,\). Received: \[\[1, 2\], \[3\]\]",
        ),
        ([[1], 2], None, ValueError, r"rows have shapes \(1,\) and \(\)"),
        ([1.5], tf.int32, TypeError, r"Received: 1.5 of type 'float'; tf.cast\(x, tf.float32\) makes"),
        ([1j], tf.float32, TypeError, "Expected float32. Received: 1j of type 'complex'$"),
        ([1j], tf.int32, TypeError, "Expected int32. Received: 1j of type 'complex'$"),
        ([np.True_], tf.int32, TypeError, r"of type 'bool'; tf.cast\(x, tf.int32\) makes integers of truth"),
        ([np.True_], tf.float32, TypeError, "Expected float32. Received: np.True_ of type 'bool'$"),
        ([1], tf.string, TypeError, "Expected string. Received: 1 of type 'int'$"),
        (["a"], tf.int32, TypeError, "Expected int32. Received: 'a' of type 'str'$"),
        ([1.5], tf.quint8, TypeError, "Expected quint8. Received: 1.5"),
        ([10**400], tf.float32, ValueError, "out of range for float32"),
    ],
)
def test_what_is_refused(value, dtype, error, message):
    with pytest.raises(error, match=message):
        tf.constant(value, dtype)


def test_long_values_are_cut_in_messages():
    long, longest = ["a" * 100, 1], ["a" * 300, 1]
    for value, ending in ((long, ", 1]"), (longest, "aaa...")):
        with pytest.raises(TypeError) as caught:
            tf.constant(value)
        assert str(caught.value).endswith(ending)
    assert len(literals._short("x" * 197)) == 199 and len(literals._short("x" * 198)) == 200
    assert literals._short("x" * 198).endswith("x...")


@pytest.mark.parametrize(
    ("value", "shape", "wanted"),
    [
        (3, [2, 2], [[3, 3], [3, 3]]),
        ([3], [3], [3, 3, 3]),
        ([1, 2], [5], [1, 2, 2, 2, 2]),
        ([[1, 2], [3, 4]], [2, 3], [[1, 2, 3], [4, 4, 4]]),
        ([1, 2, 3, 4], [2, 2], [[1, 2], [3, 4]]),
        ([[1, 2]], [2], [1, 2]),
        (7, [], 7),
        ([7], [], 7),
        (["a", "b"], [3], [b"a", b"b", b"b"]),
    ],
)
def test_a_shape_stretches_a_value_by_its_last_element(value, shape, wanted):
    c = tf.constant(value, shape=shape)
    with tf.Session() as session:
        assert session.run(c).tolist() == wanted
    assert c.shape == shape and c.dtype == tf.constant(value).dtype


def test_what_no_shape_stretches():
    for value, shape, message in (
        ([1, 2, 3], [2], r"3 elements do not fit shape \[2\], which has 2|3 elements do not fit shape"),
        ([], [2], None),
        (np.array([], object), [2], "0 elements do not fit shape"),
        (1, [None], "fully defined"),
    ):
        if message is None:
            assert tf.constant(value, shape=shape).dtype == tf.float32
            continue
        with pytest.raises(ValueError, match=message):
            tf.constant(value, shape=shape)


def test_a_shape_that_does_not_fit_the_machine():
    with pytest.raises(ValueError, match="too large for this machine. Received: "):
        literals.to_array([1, 2], None, (10**15,))
    with pytest.raises(ValueError, match="must be fully defined"):
        literals.to_array([1, 2], None, (2, None))


def test_one_element_stretched_takes_no_memory():
    array = literals.to_array(3, None, (1000, 1000))
    assert array.shape == (1000, 1000) and array.strides == (0, 0) and array.dtype == np.int32


def test_a_constant_does_not_follow_its_array():
    given = np.arange(6, dtype=np.float32).reshape(2, 3).T
    c = tf.constant(given)
    given[0, 0] = 9
    with tf.Session() as session:
        assert session.run(c).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert literals.to_array(given).flags.c_contiguous


@pytest.mark.parametrize("dtype", [None, tf.float64, tf.int32, tf.bool, tf.string])
def test_no_elements_have_the_dtype_asked_for(dtype):
    assert tf.constant([], dtype).dtype == (dtype or tf.float32)
    assert tf.constant(5, dtype, shape=[0]).dtype == (dtype or tf.float32)
    assert tf.constant([[], []], dtype).shape == [2, 0]


def test_arrays_are_converted_to_the_dtype_asked_for():
    with tf.Session() as session:
        for given, dtype, wanted in (
            (np.array([1.9, -1.9]), tf.int32, [1, -1]),
            (np.array([1, 2]), tf.float32, [1, 2]),
            (np.array([1.0]), tf.complex64, [1]),
            (np.array([1j], np.complex64), tf.complex128, [1j]),
            (np.array([300]), tf.uint8, [44]),
            (np.float64(2.5), tf.float32, 2.5),
        ):
            found = tf.constant(given, dtype)
            assert found.dtype == dtype and session.run(found).tolist() == wanted
    with pytest.raises(TypeError, match="Expected int32. Received: an array of complex128"):
        tf.constant(np.array([1j]), tf.int32)


def test_a_tensor_is_not_a_literal():
    with pytest.raises(TypeError, match="not a tensor. Received: Tensor"):
        literals.to_array(tf.constant(1.0))


def test_what_python_rounds_is_rounded_once():
    with tf.Session() as session:
        assert session.run(tf.constant([0.1, 2])).tolist() == np.float32([0.1, 2]).tolist()
        assert session.run(tf.constant(1e300)) == np.inf and session.run(tf.constant([1e300, 1]))[0] == np.inf
        assert session.run(tf.constant([1 + 2j, 3])).tolist() == [1 + 2j, 3]
        assert session.run(tf.constant([2**40, -1], tf.int32)).tolist() == [0, -1]


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        ([(1,), (2,)], tf.qint32, [2]),
        ([[1], [2]], tf.qint32, [2, 1]),
        ([(1, 2)], tf.qint32, [1, 2]),
        ([(1,), (2,)], tf.int32, [2, 1]),
        (5, tf.qint8, []),
    ],
)
def test_only_tuples_of_one_are_quantized_numbers(value, dtype, shape):
    assert literals.to_array(value, dtype).shape == tuple(shape)
