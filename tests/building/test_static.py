"""What the graph alone says about values: whole ones, and vectors known in part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from millrace.building.evaluate import evaluate
from millrace.building.static import constant_value, constant_value_as_shape, static_dims, static_value


@pytest.fixture
def x() -> Any:
    return tf.placeholder(tf.float32, [2, None, 3])


def _known(tensor: Any) -> Any:
    value = static_value(tensor)
    return None if value is None else value.tolist()


def test_values_that_follow(x: Any) -> None:
    whole = tf.placeholder(tf.float32, [2, 5])
    n = tf.placeholder(tf.int32, [])
    assert _known(tf.constant([1, 2])) == [1, 2] and _known(n) is None
    assert (_known(tf.shape(whole)), _known(tf.size(whole)), _known(tf.rank(whole))) == ([2, 5], 10, 2)
    assert (_known(raw.Shape(x)), _known(raw.Size(x)), _known(raw.Rank(x))) == (None, None, 3)
    assert _known(raw.Rank(tf.placeholder(tf.float32))) is None
    assert _known(tf.shape(whole)[1] * 3 + 1) == 16 and _known(tf.range(tf.size(whole))) == list(range(10))
    assert _known(raw.OnesLike(tf.placeholder(tf.int32, [2]))) == [1, 1]
    assert _known(raw.ZerosLike(tf.placeholder(tf.int32, [2]))) == [0, 0]
    assert _known(raw.OnesLike(whole)) is None and _known(raw.OnesLike(raw.Shape(n)[:0])) == []
    assert _known(tf.constant(1) + n) is None and _known(tf.random_uniform([])) is None
    assert _known(tf.py_func(lambda: np.int32(1), [], tf.int32)) is None
    assert _known(tf.constant(6) // tf.constant(0)) is None
    once = tf.shape(whole) + 0
    assert static_value(once) is static_value(once)


def test_large_values_are_not_computed() -> None:
    big = tf.fill([1 << 20], 1)
    assert _known(big) is None and _known(tf.reduce_sum(big)) is None


def test_vectors_known_in_part(x: Any) -> None:
    n, v = tf.placeholder(tf.int32, []), tf.placeholder(tf.int32, [2])
    shape = raw.Shape(x)
    for vector, dims in (
        (tf.constant([2, -1, 3]), (2, None, 3)),
        (shape, (2, None, 3)),
        (tf.cast(shape, tf.int64), (2, None, 3)),
        (tf.identity(shape), (2, None, 3)),
        (shape[1:], (None, 3)),
        (shape[:-1], (2, None)),
        (shape[::2], (2, 3)),
        (shape[::-1], (3, None, 2)),
        (tf.stack([n, 4, shape[0], shape[-1], shape[1]]), (None, 4, 2, 3, None)),
        (tf.stack([tf.cast(shape[2], tf.int32), n]), (3, None)),
        (tf.concat([shape[:1], [7], v], 0), (2, 7, None, None)),
        (tf.stack([v[0], v[1]], axis=-1), (None, None)),
        (v, (None, None)),
        (v * 2, (None, None)),
        (tf.placeholder(tf.int32, [None]), None),
        (tf.placeholder(tf.int32), None),
        (tf.concat([shape, tf.placeholder(tf.int32, [None])], 0), None),
        (tf.constant(-1), None),
    ):
        assert static_dims(vector) == dims, vector.op
    assert constant_value_as_shape(shape[1:]).as_list() == [None, 3]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "received: scalar 3"),
        ([[1, 2]], r"received: shape \[1, 2\]"),
        ([2, -3], r"negative.*received: \[2, None|-3"),
    ],
)
def test_what_is_not_a_shape(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"(?i){message}"):
        static_dims(tf.constant(value))


def test_the_public_forms() -> None:
    n, array = tf.placeholder(tf.int32, []), np.array([1])
    found = constant_value(tf.constant([1, 2]))
    found[0] = 9
    assert constant_value(tf.constant([1, 2])).tolist() == [1, 2]
    assert constant_value(array) is array and constant_value(n) is None
    assert constant_value(tf.Variable(1.0)) is None
    packed = tf.stack([1, n])
    assert constant_value(packed) is None and constant_value(packed, partial=True) == [1, None]
    assert constant_value(n + 1, partial=True) is None


def test_one_operation_is_evaluated_on_values() -> None:
    x = tf.placeholder(tf.float32, [2])
    assert [v.tolist() for v in evaluate(tf.negative(x).op, [np.float32([1, 2])]) or ()] == [[-1, -2]]
    parts = evaluate(
        tf.split(tf.placeholder(tf.float32, [4]), 2)[0].op, [np.int32(0), np.float32([1, 2, 3, 4])]
    )
    assert [v.tolist() for v in parts or ()] == [[1, 2], [3, 4]]
    values, indices = evaluate(tf.nn.top_k(x, 1).values.op, [np.float32([5, 7]), np.int32(1)]) or ()
    assert (values.tolist(), indices.tolist(), indices.dtype) == ([7], [1], np.int32)
    assert evaluate(x.op, []) is None
    wrong = tf.reshape(x, tf.placeholder(tf.int32, [1]))
    assert evaluate(wrong.op, [np.float32([1, 2]), np.int32([3])]) is None
