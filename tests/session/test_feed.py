"""What may be fed, and what is refused before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf


def _fed(dtype: Any, value: Any, shape: Any = None) -> Any:
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(dtype, shape, name="x")
        return sess.run(tf.identity(x), {x: value})


@pytest.mark.parametrize(
    ("dtype", "value", "want"),
    [
        (tf.bool, True, True),
        (tf.bool, 1, True),
        (tf.bool, 0, False),
        (tf.int32, 3.7, 3),
        (tf.uint8, 255, 255),
        (tf.float32, 2, 2.0),
        (tf.float64, np.float32(0.5), 0.5),
        (tf.string, "text", b"text"),
    ],
)
def test_values_are_cast(dtype: Any, value: Any, want: Any) -> None:
    assert _fed(dtype, value) == want


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (tf.bool, 2),
        (tf.bool, -1),
        (tf.uint8, 256),
        (tf.int8, -129),
        (tf.int32, 2**31),
        (tf.int64, 2**63),
        (tf.int32, "text"),
    ],
)
def test_numbers_that_a_dtype_lacks(dtype: Any, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="(?i)x:0|invalid literal"):
        _fed(dtype, value)


def test_texts() -> None:
    given = np.array([b"a", b"bc"], object)
    assert _fed(tf.string, given).tolist() == [b"a", b"bc"]
    assert _fed(tf.string, np.array(["a", "bc"], object)).tolist() == [b"a", b"bc"]
    assert _fed(tf.string, np.array([b"a", "bc"], object)).tolist() == [b"a", b"bc"]
    assert _fed(tf.string, np.array(["a", "bc"])).tolist() == [b"a", b"bc"]


@pytest.mark.parametrize(("length", "shown"), [(198, "x" * 198 + "'"), (199, "x" * 196 + "...")])
def test_long_values_are_shown_in_part(length: int, shown: str) -> None:
    with pytest.raises(ValueError) as caught:
        _fed(tf.int32, "x" * length)
    assert str(caught.value).endswith(f"Received: '{shown}")


def test_shapes() -> None:
    assert _fed(tf.float32, [[1.0, 2.0]], [None, 2]).shape == (1, 2)
    for value in ([1.0, 2.0], [[1.0]], 1.0):
        with pytest.raises(ValueError, match=r"Cannot feed value of shape .* 'x:0'.*\(\?, 2\)"):
            _fed(tf.float32, value, [None, 2])
    with pytest.raises(ValueError, match="x:0"):
        _fed(tf.float32, [[1.0], [1.0, 2.0]])


def test_tensors_and_none_are_not_values() -> None:
    with pytest.raises(TypeError, match="cannot be a Tensor"):
        x = tf.placeholder(tf.float32, [])
        with tf.Session() as sess:
            sess.run(x, {x: tf.constant(1.0)})
    with pytest.raises(ValueError, match="None"):
        _fed(tf.float32, None)


def test_tuples_of_tensors_nest_as_their_values_do() -> None:
    a, b, c = (tf.placeholder(tf.float32, []) for _ in range(3))
    with tf.Session() as sess:
        assert sess.run(a - b * c, {(a, (b, c)): (7.0, (2.0, 3.0))}) == 1
        with pytest.raises(ValueError, match="Key had 2 elements, but value had 3"):
            sess.run(a, {(a, b): (1.0, 2.0, 3.0)})


def test_what_is_kept_from_being_fed() -> None:
    x = tf.constant(1.0)
    tf.get_default_graph().prevent_feeding(x)
    with tf.Session() as sess, pytest.raises(ValueError, match="may not be fed"):
        sess.run(x, {x: 2.0})


def test_a_fed_array_belongs_to_the_caller() -> None:
    x = tf.placeholder(tf.float32, [3])
    v = tf.Variable(np.zeros(3, np.float32))
    given = np.ones(3, np.float32)
    with tf.Session() as sess:
        stored, same = sess.run([v.assign(x), tf.identity(x)], {x: given})
        given[:] = 7
        same[:] = 8
        stored[:] = 9
        assert sess.run(v).tolist() == [1, 1, 1]


@pytest.mark.parametrize("size", [10, 4096, 5000])
def test_large_arrays_of_another_dtype_are_cast(size: int) -> None:
    given = np.arange(size, dtype=np.float64)
    found = _fed(tf.float32, given)
    assert found.dtype == np.float32 and np.array_equal(found, given)
    assert np.array_equal(_fed(tf.int16, given.reshape(2, -1)), given.reshape(2, -1).astype(np.int16))
