"""Which dtype, shape and numbers Python's and NumPy's values become."""

import numpy as np
import pytest

import millrace as tf


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
