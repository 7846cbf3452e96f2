"""Python's operators on tensors: which operation each adds, under which name, of which dtype."""

from __future__ import annotations

import importlib
import operator
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building.operators import OPERATORS

NUMBERS = [
    (operator.add, "Add", "add", 7.5, 8.0),
    (operator.sub, "Sub", "sub", 5.5, -5.0),
    (operator.mul, "Mul", "mul", 6.5, 9.75),
    (operator.truediv, "RealDiv", "truediv", 6.5, 0.23076923),
    (operator.floordiv, "FloorDiv", "floordiv", 6.0, 0.0),
    (operator.mod, "FloorMod", "mod", 0.5, 1.5),
    (operator.pow, "Pow", "pow", 6.5, 13.95061),
]


@pytest.mark.parametrize(("function", "kind", "name", "forward", "reflected"), NUMBERS)
def test_numbers(function: Any, kind: str, name: str, forward: float, reflected: float) -> None:
    x = tf.constant(6.5, name="t")
    y, z, w = function(x, 1.0), function(1.5, x), function(x, x)
    assert (y.op.type, y.op.name, y.op.inputs[1].op.name) == (kind, name, f"{name}/y")
    assert (z.op.type, z.op.name, z.op.inputs[0].op.name) == (kind, f"{name}_1", f"{name}_1/x")
    assert (w.op.type, w.op.name) == (kind, f"{name}_2") and y.dtype == z.dtype == tf.float32
    with tf.Session() as sess:
        assert np.allclose(sess.run([y, z]), [forward, reflected])


def test_the_other_side_has_the_tensors_dtype_and_graph() -> None:
    x = tf.constant(2, tf.int64)
    assert (x + 1).dtype == (1 + x).dtype == tf.int64
    with pytest.raises(TypeError):
        x + 1.5
    with tf.Graph().as_default():
        outside, flipped = x * 3, 3 * x
    assert outside.graph is flipped.graph is x.graph


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        *((t, tf.float32) for t in (tf.uint8, tf.int8, tf.uint16, tf.int16)),
        *((t, tf.float64) for t in (tf.int32, tf.int64)),
        *((t, t) for t in (tf.bfloat16, tf.float16, tf.float32, tf.float64, tf.complex64, tf.complex128)),
    ],
)
def test_quotients(dtype: Any, wanted: Any) -> None:
    x, y = tf.cast(tf.constant(7), dtype), tf.cast(tf.constant(2), dtype)
    z = x / y
    assert z.dtype == wanted and z.op.type == "RealDiv"
    assert z.op.inputs[0].op.type == "Cast"
    with tf.Session() as sess:
        assert complex(sess.run(z)) == 3.5


def test_quotients_that_are_refused() -> None:
    with pytest.raises(TypeError, match="truediv: dtype bool cannot be divided"):
        tf.constant(True) / tf.constant(True)
    with pytest.raises(TypeError, match="must have the same dtype. Received: int32 and int64"):
        tf.constant(1) / tf.constant(1, tf.int64)


def test_division_as_python_2_had_it() -> None:
    for value, kind, found in ((7, "FloorDiv", -4), (7.0, "RealDiv", -3.5), (7 + 0j, "RealDiv", -3.5)):
        x = tf.constant(value)
        y = OPERATORS["__div__"](x, -2)
        z = tf.div(value, -2, name="given") if value == 7 else tf.div(x, x)
        assert y.op.type == z.op.type == kind
        with tf.Session() as sess:
            assert sess.run(y) == found
    assert tf.div(1, 2).op.name == "div_3" and tf.div(1, 2, name="given").op.inputs[0].op.name.endswith("/x")


def test_products_of_matrices() -> None:
    a, b, batch = tf.ones([2, 3]), tf.ones([3, 2]), tf.ones([4, 3, 2])
    for left, right, kind in (
        (a, b, "MatMul"),
        (tf.ones([4, 2, 3]), batch, "BatchMatMulV2"),
        (a, batch, "BatchMatMulV2"),
        (batch, a, "BatchMatMulV2"),
        (tf.placeholder(tf.float32), b, "BatchMatMulV2"),
        (a, tf.placeholder(tf.float32), "BatchMatMulV2"),
    ):
        assert (left @ right).op.type == kind
    with pytest.raises(ValueError, match="^MatMul 'matmul"):
        tf.ones([2]) @ a
    y = np.ones([2, 2], np.float32) @ a
    assert y.op.type == "MatMul" and y.op.inputs[0].op.name.endswith("/x")


def test_booleans() -> None:
    x, y = tf.constant([True, True, False, False]), tf.constant([True, False, True, False])
    found = [x & y, x | y, x ^ y, ~x, [True, False, True, False] & x, True | x, True ^ x]
    assert [t.op.type for t in found[:4]] == ["LogicalAnd", "LogicalOr", "LogicalAnd", "LogicalNot"]
    assert [t.op.name for t in found[:4]] == ["and", "or", "xor", "LogicalNot"]
    with tf.Session() as sess:
        values = [np.asarray(v).astype(int).tolist() for v in sess.run(found)]
    assert values == [
        [1, 0, 0, 0],
        [1, 1, 1, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 1],
        [1, 0, 0, 0],
        [1, 1, 1, 1],
        [0, 0, 1, 1],
    ]


def test_comparisons_and_signs() -> None:
    x = tf.constant([1.0, 2.0, 3.0])
    found = [x < 2.0, x <= 2.0, x > 2.0, x >= 2.0, 2.0 < x]
    assert [t.op.type for t in found] == ["Less", "LessEqual", "Greater", "GreaterEqual", "Greater"]
    assert [t.op.name for t in found[:4]] == ["Less", "LessEqual", "Greater", "GreaterEqual"]
    assert (-x).op.type == "Neg" and abs(x).op.type == "Abs" and abs(x).op.name.startswith("Abs")
    c = abs(tf.constant(3 + 4j))
    assert c.op.type == "ComplexAbs" and c.op.name.startswith("Abs")
    with tf.Session() as sess:
        assert sess.run(found[1]).tolist() == [True, True, False] and sess.run(-x)[0] == -1
        assert sess.run(c) == 5 and sess.run(x[1]) == 2


def test_sparse_tensors_answer_themselves() -> None:
    sparse = tf.SparseTensor([[0]], [2.0], [2])
    x = tf.constant([3.0, 4.0])
    assert OPERATORS["__mul__"](x, sparse) is NotImplemented
    with pytest.raises(TypeError):
        x + sparse
    assert set(OPERATORS) == tf.Tensor.OVERLOADABLE_OPERATORS
    slices = tf.IndexedSlices(tf.constant([1.0]), tf.constant([0]), tf.constant([2]))
    with tf.Session() as sess:
        assert sess.run(x + slices).tolist() == [4, 4]


@pytest.mark.parametrize("resource", [False, True])
def test_a_variable_of_another_dtype_is_a_type_error_as_a_tensor_is(resource):
    x = tf.placeholder(tf.float32, [2, 2])
    v = tf.get_variable("v", [2, 2], tf.float16, use_resource=resource)
    for call in (
        lambda: x * v,
        lambda: v * x,
        lambda: tf.add(x, v),
        lambda: tf.raw_ops.MatMul(a=x, b=v),
        lambda: tf.concat([x, v], 0),
        lambda: tf.where(x > 0, x, v),
    ):
        with pytest.raises(TypeError, match="float16"):
            call()


class _Factors:
    """Knows what to do with a tensor, as matrices of a program's own do."""

    def __rmul__(self, other):
        return "mine", other

    def __rmatmul__(self, other):
        return "mine", other


def test_what_is_no_tensor_answers_by_its_reflected_operator() -> None:
    x = tf.constant([[1.0]])
    assert x * _Factors() == ("mine", x) and x @ _Factors() == ("mine", x)
    with pytest.raises(TypeError, match="Failed to convert"):
        x + _Factors()
    with pytest.raises(TypeError):  # lists multiply, but not by tensors
        x * [object()]


def test_the_size_of_complex128_is_float64():
    size = abs(tf.constant([3.0 + 4.0j]))
    assert size.dtype == tf.float64
    with tf.Session() as session:
        assert session.run(size).tolist() == [5.0]


def test_a_tensor_times_a_sparse_tensor():
    sparse = tf.SparseTensor([[0, 1], [1, 0]], [2.0, 3.0], [2, 2])
    product = tf.constant([[1.0, 10.0], [100.0, 1000.0]]) * sparse
    assert product.values.op.name == "mul"
    with tf.Session() as session:
        assert session.run(product).values.tolist() == [20.0, 300.0]
    with pytest.raises(TypeError, match="unsupported operand"):
        2.0 * sparse


def test_a_tensor_is_neither_a_bool_nor_a_list():
    refused = importlib.import_module("millrace.python.framework.errors_impl").OperatorNotAllowedInGraphError
    for use in (bool, list):
        with pytest.raises(refused):
            use(tf.constant([1.0]))
