"""Sparse tensors: their parts, what is known of them, their operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf


def _parts() -> tf.SparseTensor:
    return tf.SparseTensor([[0, 1], [2, 0]], [7.0, 9.0], [3, 4])


def test_parts_are_tensors() -> None:
    x = _parts()
    assert x.indices.dtype == x.dense_shape.dtype == tf.int64 and x.values.dtype is x.dtype is tf.float32
    names = [t.op.name for t in (x.indices, x.values, x.dense_shape)]
    assert names == ["SparseTensor/indices", "SparseTensor/values", "SparseTensor/dense_shape"]
    assert x.shape == x.get_shape() == tf.TensorShape([3, 4])
    assert x.op is x.values.op and x.graph is x.values.graph
    assert repr(x) == f"SparseTensor(indices={x.indices}, values={x.values}, dense_shape={x.dense_shape})"
    unknown = tf.SparseTensor([[0]], [1.0], tf.placeholder(tf.int64, [1]))
    assert unknown.shape.as_list() == [None]


@pytest.mark.parametrize(
    ("indices", "values", "shape"),
    [
        ([0, 1], [1.0, 2.0], [3]),
        ([[0]], [1.0, 2.0], [3]),
        ([[0]], [1.0], [3, 4]),
        ([[0]], [[1.0]], [3]),
        ([[0]], [1.0], 3),
    ],
)
def test_parts_that_do_not_fit(indices: Any, values: Any, shape: Any) -> None:
    with pytest.raises(ValueError, match=r"indices must be \[n, rank\].*Received: shapes \("):
        tf.SparseTensor(indices, values, shape)


def test_values_become_tensors() -> None:
    x = _parts()
    assert tf.SparseTensor.from_value(x) is x
    made = tf.SparseTensor.from_value(tf.SparseTensorValue([[1]], [2], [3]))
    assert made.dtype is tf.int32 and made.shape == [3]
    with pytest.raises(TypeError, match=r"Neither a SparseTensor nor SparseTensorValue. Received: \[1\]"):
        tf.SparseTensor.from_value([1])
    convert = tf.convert_to_tensor_or_sparse_tensor
    assert convert(x) is convert(x, tf.float32) is x
    assert isinstance(convert(tf.SparseTensorValue([[1]], [2], [3])), tf.SparseTensor)
    assert convert([1], tf.int64, "given").op.name == "given"
    assert convert([1], tf.int64).dtype is tf.int64
    with pytest.raises(RuntimeError, match="requested dtype int32.*a sparse tensor of dtype float32"):
        convert(x, tf.int32)


def test_who_takes_a_part() -> None:
    x = _parts()
    assert x.consumers() == []
    a = tf.identity(x.values).op
    b = tf.stack([x.indices, x.indices]).op
    c = tf.identity(x.dense_shape).op
    both = tf.tuple([x.values, x.indices])
    assert x.consumers()[:1] == [a] and {a, b, c} < set(x.consumers()) and len(x.consumers()) == 5
    assert len(both) == 2


def test_values_of_a_run() -> None:
    x = _parts()
    with tf.Session() as sess:
        for found in (x.eval(), x.eval(session=sess), sess.run(x)):
            assert isinstance(found, tf.SparseTensorValue)
            assert found.indices.tolist() == [[0, 1], [2, 0]] and found.values.tolist() == [7, 9]
            assert found.dense_shape.tolist() == [3, 4]
        assert x.eval({x.values: [1.0, 2.0]}).values.tolist() == [1, 2]
    with pytest.raises(ValueError, match="evaluate a SparseTensor"):
        x.eval()


def test_operators_keep_the_places() -> None:
    x = _parts()
    y = np.full([3, 4], 2.0)
    for found, name, kind, values in (
        (x * y, "mul", "SparseDenseCwiseMul", [14, 18]),
        (x / y, "truediv", "SparseDenseCwiseDiv", [3.5, 4.5]),
        (x * 10.0, "mul_1", "SparseDenseCwiseMul", [70, 90]),
        (x.__div__(2.0), "div", "SparseDenseCwiseDiv", [3.5, 4.5]),
    ):
        assert found.indices is x.indices and found.dense_shape is x.dense_shape
        assert (found.op.type, found.op.name) == (kind, name) and found.op.inputs[3].op.name == f"{name}/y"
        with tf.Session() as sess:
            assert sess.run(found).values.tolist() == values


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        *((t, tf.float32) for t in (tf.int8, tf.uint8, tf.int16, tf.uint16)),
        *((t, tf.float64) for t in (tf.int32, tf.int64)),
        *((t, t) for t in (tf.float16, tf.float32, tf.float64)),
    ],
)
def test_quotients(dtype: Any, wanted: Any) -> None:
    x = tf.SparseTensor([[0]], tf.constant([7], dtype), [2])
    divided = x / np.array([2, 2])
    assert divided.dtype is wanted
    with tf.Session() as sess:
        assert sess.run(divided).values.tolist() == [3.5]
        if dtype in (tf.int32, tf.int64):
            assert sess.run(x.__div__(2)).values.tolist() == [3]


def test_a_loop_lets_the_number_of_elements_change() -> None:
    x = _parts()
    assert x.part_dims((3, 4)) == [(None, 2), (None,), (2,)] and x.part_dims(None) == [
        (None, None),
        (None,),
        (None,),
    ]
    grown = tf.while_loop(lambda i, s: i < 2, lambda i, s: (i + 1, tf.sparse_concat(0, [s, s])), [0, x])[1]
    with tf.Session() as sess:
        found = sess.run(grown)
    assert found.values.tolist() == [7, 9] * 4 and found.dense_shape.tolist() == [12, 4]
