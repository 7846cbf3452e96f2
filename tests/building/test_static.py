"""What the graph alone says about values: whole ones, and vectors known in part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from millrace.building.evaluate import evaluate
from millrace.building.static import (
    Known,
    constant_value,
    constant_value_as_shape,
    static_dims,
    static_value,
    try_evaluate_constant,
)


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
    (total,) = evaluate(tf.reduce_sum(x).op, [np.float32([5, 7]), np.int32([0])]) or ()
    assert type(total) is np.ndarray and total == 12  # an array, as the values of a run are
    assert evaluate(x.op, []) is None
    wrong = tf.reshape(x, tf.placeholder(tf.int32, [1]))
    assert evaluate(wrong.op, [np.float32([1, 2]), np.int32([3])]) is None


def _chain(tensor: Any, length: int) -> Any:
    for _ in range(length):
        tensor = tensor + 1
    return tensor


def test_long_chains_are_followed_so_far() -> None:
    assert _known(_chain(tf.constant(0), 60)) == 60
    assert _known(_chain(tf.constant(0), 70)) is None
    once = _chain(tf.constant(0), 40)
    assert _known(once) == 40 and _known(_chain(once, 40)) == 80  # what is known is not followed again


def test_what_is_too_large_is_left_to_the_planner() -> None:
    most = 1 << 16
    for size, known in ((most, True), (most + 1, False)):
        x = tf.placeholder(tf.int32, [size])
        assert (static_value(raw.OnesLike(x)) is not None) is known
        assert (static_value(tf.range(size) + 1) is not None) is known
        assert (_known(tf.reduce_sum(tf.constant(np.ones(size, np.int32)))) == size) is known
    assert _known(raw.ZerosLike(tf.placeholder(tf.int64, [0]))) is None  # as in TensorFlow


def test_what_is_not_folded_while_building() -> None:
    v = tf.Variable(1, use_resource=False)
    for tensor in (
        v.value(),
        tf.random_normal([2]),
        tf.placeholder_with_default(1, []),
        tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2)),
        tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0]),
        tf.stop_gradient(v),
        tf.TensorArray(tf.int32, 3).handle,
    ):
        assert static_value(tensor) is None, tensor.op
    assert _known(tf.identity(tf.constant(3))) == 3 and _known(tf.split([1, 2], 2)[1]) == [2]


def test_the_shape_of_a_shape() -> None:
    x = tf.placeholder(tf.float32, [2, 3])
    assert static_value(raw.Shape(x, out_type=tf.int64)).dtype == np.int64
    assert static_value(raw.Size(x, out_type=tf.int64)).dtype == np.int64
    assert static_value(raw.Rank(x)).dtype == np.int32
    scalar = tf.placeholder(tf.float32, [])
    assert (_known(raw.Shape(scalar)), _known(raw.Size(scalar)), _known(raw.Rank(scalar))) == ([], 1, 0)


@pytest.mark.parametrize(
    ("make", "dims"),
    [
        (lambda s, n: raw.Slice(s, [1], [2]), (None, 3)),
        (lambda s, n: raw.Slice(s, [1], [-1]), (None, 3)),
        (lambda s, n: raw.Slice(s, [0], [1]), (2,)),
        (lambda s, n: raw.Slice(s, [0], [0]), ()),
        (lambda s, n: raw.Slice(s, tf.reshape(n, [1]), [2]), (None, None)),
        (lambda s, n: raw.Slice(s, [0], tf.reshape(n, [1])), None),
        (lambda s, n: raw.Slice(tf.placeholder(tf.int32, [None]), [0], [1]), (None,)),
        (lambda s, n: raw.ConcatV2([s, [7]], 0), (2, None, 3, 7)),
        (lambda s, n: raw.Concat(0, [[7], s]), (7, 2, None, 3)),
        (lambda s, n: s[0:2], (2, None)),
        (lambda s, n: s[-2:], (None, 3)),
        (lambda s, n: s[0:n], None),
        (lambda s, n: s[..., 0:2], (None, None)),
        (lambda s, n: s[None, 0], (None,)),
        (lambda s, n: tf.stack([s[0], s[-1]]), (2, 3)),
        (lambda s, n: tf.stack([s[n], 5]), (None, 5)),
        (lambda s, n: tf.stack([tf.identity(s[2]), tf.cast(n, tf.int32)]), (3, None)),
        (lambda s, n: tf.stack([-1, 4]), (None, 4)),
        (lambda s, n: tf.stack([tf.reduce_prod(s), 4]), (None, 4)),
        (lambda s, n: tf.stack([raw.Prod(s[::2], [0]), 4]), (6, 4)),
        (lambda s, n: tf.stack([tf.reduce_prod(s[::2]), n]), (6, None)),
        (lambda s, n: tf.stack([raw.Prod(s[::2], tf.reshape(n, [1])), n]), (None, None)),
        (lambda s, n: tf.stack([[2, 3], [4, 5]])[0], (2, 3)),
    ],
)
def test_parts_of_a_shape(x: Any, make: Any, dims: Any) -> None:
    n = tf.placeholder(tf.int32, [])
    assert static_dims(make(raw.Shape(x), n)) == dims


def test_shapes_of_sparse_results_known_in_part() -> None:
    n = tf.placeholder(tf.int64, [1])
    places, values = tf.placeholder(tf.int64, [None, 2]), tf.placeholder(tf.float32, [None])
    shaped = raw.SparseReshape(places, tf.constant([4, 3], tf.int64), tf.concat([n, [6]], 0))
    assert static_dims(shaped.output_shape) == (None, 6)
    assert static_dims(raw.Shape(shaped.output_indices)) == (None, 2)
    window = raw.SparseSlice(
        tf.constant([[0, 1]], tf.int64), tf.constant([1.0]), [4, 5], [1, 2], tf.constant([9, 2], tf.int64)
    )
    assert static_dims(window.output_shape) == (3, 2)
    behind = raw.SparseSlice(
        tf.constant([[0, 1]], tf.int64), tf.constant([1.0]), [4, 5], [6, 0], tf.constant([1, 5], tf.int64)
    )
    assert static_dims(behind.output_shape) == (0, 5)
    open_ = raw.SparseSlice(places, values, [4, 5], [1, 2], tf.constant([9, 2], tf.int64))
    assert static_dims(open_.output_shape) == (None, None)  # its places are fed


def test_values_of_a_known_input() -> None:
    """What a shape rule asks of an input."""
    x = tf.placeholder(tf.int32, [3])
    assert Known((3,), None, x).as_dims() == (None, None, None) and Known((3,), None, x).value is None
    assert Known((2,), None, tf.constant([4, -1])).as_dims() == (4, None)
    assert Known((2,), np.array([4, 5])).as_dims() == (4, 5)
    assert Known((3,)).as_dims() == (None, None, None) and Known((3,)).value is None
    assert Known(None).as_dims() is Known((None,)).as_dims() is Known((2, 2)).as_dims() is None
    assert Known((), np.array(-1)).as_dims() is None


def test_the_value_of_what_stands_for_a_tensor_is_not_known() -> None:
    array = np.array([1, 2])
    assert constant_value(array) is array and constant_value(3) == 3
    assert constant_value(tf.Variable(1, use_resource=True)) is None
    x = tf.placeholder(tf.int32, [])
    assert constant_value(tf.stack([x, x]), partial=True) == [None, None]
    given = constant_value(tf.constant([1, 2]))
    given[0] = 5
    assert constant_value(tf.constant([1, 2])).tolist() == [1, 2]
    assert try_evaluate_constant(None, tf.constant(4) + 1) == 5


def test_constant_value_looks_through_few_operations():
    two = tf.constant(2)
    assert constant_value(tf.cast(tf.fill([2], 3), tf.float32)).tolist() == [3.0, 3.0]
    assert constant_value(tf.range(two)).tolist() == [0, 1]
    assert constant_value(two - 1) is None and constant_value(tf.identity(two)) is None


def test_dropout_of_a_constant_is_drawn_where_the_rate_was_computed():
    with tf.Graph().as_default() as graph:
        x = tf.ones([2])
        assert tf.nn.dropout(x, rate=tf.constant(0.0)) is x
        assert tf.nn.dropout(x, keep_prob=tf.constant(1.0)) is not x
        assert "RandomUniform" in [op.type for op in graph.get_operations()]
