"""Registered conversions: their order, and what they may answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building import convert


class Thing:
    """Converts as the registered functions say."""


class Special(Thing):
    """The same, one level below."""


@pytest.fixture(autouse=True)
def _own_conversions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tf.Variable  # whose conversion is registered when it is first used
    mine = convert._Conversions()
    mine.rows = list(convert._conversions.rows)
    monkeypatch.setattr(convert, "_conversions", mine)


def _to(number: float, calls: list[Any] | None = None) -> Any:
    def function(value: Any, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
        if calls is not None:
            calls.append((dtype, name, as_ref))
        return tf.constant(number, dtype, name=name)

    return function


def _passes(value: Any, **_: Any) -> Any:
    return NotImplemented


def _value(thing: Any, **arguments: Any) -> Any:
    tensor = tf.convert_to_tensor(thing, **arguments)
    with tf.Session() as sess:
        return sess.run(tensor)


def test_lower_priority_runs_first_then_the_order_of_registration() -> None:
    tf.register_tensor_conversion_function(Thing, _to(2.0))
    tf.register_tensor_conversion_function(Thing, _to(3.0))
    assert _value(Thing()) == 2
    tf.register_tensor_conversion_function(Thing, _to(1.0), priority=50)
    tf.register_tensor_conversion_function(Thing, _to(4.0), priority=200)
    assert _value(Thing()) == 1 and _value(Special()) == 1


def test_one_that_passes_leaves_it_to_the_next() -> None:
    tf.register_tensor_conversion_function(Thing, _passes, priority=1)
    with pytest.raises(TypeError, match="Thing"):
        tf.convert_to_tensor(Thing())
    tf.register_tensor_conversion_function((Special, Thing), _to(7.0))
    assert _value(Thing()) == 7


def test_a_preferred_dtype_is_tried_first() -> None:
    calls: list[Any] = []
    tf.register_tensor_conversion_function(Thing, _to(1.0, calls))
    assert tf.convert_to_tensor(Thing(), preferred_dtype=tf.float64).dtype == tf.float64
    assert tf.convert_to_tensor(Thing(), dtype=tf.float16, preferred_dtype=tf.float64).dtype == tf.float16
    assert tf.convert_to_tensor(Thing(), preferred_dtype=tf.string, name="n").name == "n:0"
    assert calls == [
        (tf.float64, None, False),
        (tf.float16, None, False),
        (tf.string, "n", False),
        (None, "n", False),
    ]


def test_what_a_conversion_may_not_return() -> None:
    tf.register_tensor_conversion_function(Thing, lambda value, **_: 3)
    with pytest.raises(RuntimeError, match="returned no Tensor. Received: 3"):
        tf.convert_to_tensor(Thing())


def test_a_conversion_to_another_dtype_is_refused() -> None:
    tf.register_tensor_conversion_function(Thing, lambda value, **_: tf.constant(1.0))
    with pytest.raises(TypeError, match="Expected int32"):
        tf.convert_to_tensor(Thing(), dtype=tf.int32)


@pytest.mark.parametrize(
    ("base", "function"), [("Thing", _passes), (Thing, 3), ((Thing, 1), _passes), ([Thing], _passes)]
)
def test_bad_registrations(base: Any, function: Any) -> None:
    with pytest.raises(TypeError, match="register_tensor_conversion_function"):
        tf.register_tensor_conversion_function(base, function)


def test_tensors_stay_themselves() -> None:
    x = tf.constant(1.0)
    assert tf.convert_to_tensor(x) is x and tf.convert_to_tensor(x, dtype=tf.float32) is x
    with pytest.raises(ValueError, match="requested dtype int32"):
        tf.convert_to_tensor(x, dtype=tf.int32)


def test_a_sparse_value_becomes_a_sparse_tensor() -> None:
    value = tf.SparseTensorValue([[0]], [1.0], [1])
    made = tf.convert_to_tensor_or_sparse_tensor(value)
    assert isinstance(made, tf.SparseTensor) and made.dtype == tf.float32
    assert tf.convert_to_tensor_or_sparse_tensor(made) is made
    assert isinstance(tf.convert_to_tensor_or_sparse_tensor([1.0]), tf.Tensor)
    with pytest.raises(RuntimeError, match=r"requested dtype float64. Received: .* float32"):
        tf.convert_to_tensor_or_sparse_tensor(value, dtype=tf.float64)


def test_lists_with_tensors_among_them_are_packed() -> None:
    x = tf.constant(1.0, name="x")
    plain, packed = tf.convert_to_tensor([1.0, 2.0]), tf.convert_to_tensor([x, 2.0, [3.0][0]])
    assert plain.op.type == "Const" and packed.op.type == "Pack" and packed.op.name == "packed"
    assert [t.op.name for t in packed.op.inputs] == ["x", "packed/1", "packed/2"]
    nested = tf.convert_to_tensor([[x, 2.0], [3.0, 4.0]], name="n")
    assert [t.op.type for t in nested.op.inputs] == ["Pack", "Const"] and nested.shape == [2, 2]
    assert [t.op.name for t in nested.op.inputs] == ["n/0", "n/1_1"]
    with tf.Session() as session:
        assert session.run(nested).tolist() == [[1, 2], [3, 4]]
        assert session.run(tf.convert_to_tensor((x, [5.0][0]))).tolist() == [1, 5]


def test_a_list_has_the_dtype_asked_for_or_that_of_its_first_tensor() -> None:
    x, y = tf.constant(1.0, tf.float64), tf.constant(2, tf.int64)
    assert tf.convert_to_tensor([1.5, x]).dtype == tf.float64
    assert tf.convert_to_tensor([[2, 3], [y, 4]]).dtype == tf.int64
    cast = tf.convert_to_tensor([x, 2.0], dtype=tf.float32)
    assert cast.dtype == tf.float32 and cast.op.inputs[0].op.type == "Cast"
    deep = tf.convert_to_tensor([[x, 2.0], [1.0, 3.0]], dtype=tf.float32)
    assert deep.dtype == tf.float32 and deep.op.inputs[0].op.inputs[0].op.type == "Cast"
    same = tf.convert_to_tensor([x, 2.0], dtype=tf.float64)
    assert same.op.inputs[0] is x
    with pytest.raises(TypeError, match="the first has float64. Received: Const_1:0 of dtype int64"):
        tf.convert_to_tensor([x, y])
    v = tf.Variable(1.0, dtype=tf.float64, use_resource=False)
    assert tf.convert_to_tensor([v, 2.0]).dtype == tf.float64


def test_a_hint_is_followed_where_the_value_leaves_the_choice() -> None:
    convert = tf.convert_to_tensor
    assert (
        convert(1, preferred_dtype=tf.float64).dtype == convert(1, dtype_hint="float64").dtype == tf.float64
    )
    assert convert(1.5, preferred_dtype=tf.int32).dtype == tf.float32
    assert convert("a", preferred_dtype=tf.int32).dtype == tf.string
    assert convert(1, tf.int64, preferred_dtype=tf.float64).dtype == tf.int64
    assert convert([1, 2], preferred_dtype=tf.float16).dtype == tf.float16


def test_shapes_become_vectors() -> None:
    with tf.Session() as session:
        found = tf.convert_to_tensor(tf.TensorShape([2, 3]))
        assert found.op.name == "shape_as_tensor" and session.run(found).tolist() == [2, 3]
        assert tf.convert_to_tensor(tf.TensorShape([2]), name="s").op.name == "s"
        for dtype in (tf.int32, tf.int64):
            assert tf.convert_to_tensor(tf.TensorShape([2]), dtype).dtype == dtype
        assert tf.convert_to_tensor(tf.TensorShape([2**31 - 1])).dtype == tf.int32
        assert tf.convert_to_tensor(tf.TensorShape([2**31 - 1]), tf.int32).dtype == tf.int32
    with pytest.raises(TypeError, match="int32 or int64 tensor. Received: dtype float32"):
        tf.convert_to_tensor(tf.TensorShape([2]), tf.float32)
    with pytest.raises(ValueError, match=r"partially known TensorShape to a Tensor. Received: \(2, \?\)"):
        tf.convert_to_tensor(tf.TensorShape([2, None]))


def test_objects_that_give_a_tensor_or_an_array() -> None:
    x = tf.constant(1.0)

    class Element:
        """Stands for a tensor; its array is not asked for."""

        def _as_graph_element(self) -> Any:
            return x

        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError

    class Array:
        """Stands for an array."""

        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            return np.array([1, 2], np.int16)

    assert tf.convert_to_tensor(Element()) is x
    with pytest.raises(ValueError, match="requested dtype int32"):
        tf.convert_to_tensor(Element(), tf.int32)
    assert tf.convert_to_tensor(Array()).dtype == tf.int16
    assert tf.convert_to_tensor(Array(), tf.float32).dtype == tf.float32
    with pytest.raises(TypeError, match="object of type 'object'"):
        tf.convert_to_tensor(object())


def test_what_counts_as_a_tensor() -> None:
    tf.register_tensor_conversion_function(Thing, _to(2.0))
    like = convert.is_tensor_like
    assert like(tf.constant(1)) and like(tf.Variable(1.0)) and like(Special())
    assert not any(
        like(v) for v in (1, 2.5, "a", b"a", None, True, np.ones(2), np.float32(1), [], (), object())
    )
    packed = tf.convert_to_tensor([Thing(), 1.0])
    assert packed.op.type == "Pack" and packed.dtype == tf.float32


def test_many_values_are_named_in_their_order() -> None:
    names = [t.op.name for t in tf.convert_n_to_tensor([1, [2.5]], name="v")]
    assert names == ["v_0", "v_1"]
    assert [t.op.name for t in tf.convert_n_to_tensor([1, 2])] == ["Const", "Const_1"]
    assert [t.dtype for t in tf.convert_n_to_tensor([1, 2], tf.float64)] == [tf.float64] * 2


def test_slices_of_another_dtype_are_refused() -> None:
    rows = tf.IndexedSlices(tf.constant([1.0]), tf.constant([0]))
    either = tf.convert_to_tensor_or_indexed_slices
    x = tf.constant(1.0)
    assert either(rows) is either(rows, tf.float32) is rows and either(x, tf.float32) is either(x) is x
    for value in (rows, x):
        with pytest.raises(ValueError, match="requested dtype int32. Received: "):
            either(value, tf.int32)
    assert either([1], tf.int64, "n").op.name == "n"


def test_the_shape_of_rows() -> None:
    x, whole = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.float32, [3, 2])
    assert convert.shape_tensor(x).op.type == "Shape" and convert.shape_tensor(whole).op.type == "Const"
    for value in (x, whole):
        assert convert.shape_tensor(value, tf.int64, "s").dtype == tf.int64
    with tf.Session() as session:
        assert session.run(convert.shape_tensor(whole)).tolist() == [3, 2]


def test_numbers_have_no_conversion_of_a_programs_own() -> None:
    for kind in (int, (Thing, float), np.float32, np.ndarray):
        with pytest.raises(TypeError, match="Python numbers and NumPy arrays cannot be replaced"):
            tf.register_tensor_conversion_function(kind, _passes)


def test_references_are_given_where_they_are_asked_for() -> None:
    v = tf.Variable(1.0, use_resource=False)
    assert convert.to_tensor(v, as_ref=True).dtype.is_ref_dtype
    assert not convert.to_tensor(v).dtype.is_ref_dtype
    assert convert.to_tensor(v._ref(), tf.float32) is v._ref()
    calls: list[Any] = []
    tf.register_tensor_conversion_function(Thing, _to(1.0, calls))
    convert.to_tensor(Thing(), as_ref=True)
    assert calls == [(None, None, True)]


def test_what_refuses_the_preferred_dtype_is_asked_again() -> None:
    def whole(value: Any, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
        if dtype is not None and not dtype.is_integer:
            raise ValueError("whole numbers only")
        return tf.constant(3, dtype or tf.int32)

    tf.register_tensor_conversion_function(Thing, whole)
    assert tf.convert_to_tensor(Thing(), preferred_dtype=tf.float32).dtype == tf.int32
    with pytest.raises(ValueError, match="whole numbers only"):
        tf.convert_to_tensor(Thing(), tf.float32)


def test_lists_with_tensors_are_packed_before_their_neighbours() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.constant(1.0, name="x")
        tf.convert_to_tensor([[1.0, 2.0], [x, 3.0], [4.0, 5.0]], name="n")
        assert [op.name for op in graph.get_operations()] == ["x", "n/1/1", "n/1", "n/0_1", "n/2_1", "n"]
