"""Registered conversions: their order, and what they may answer."""

from __future__ import annotations

from typing import Any

import pytest

import millrace as tf
from millrace.building import convert


class Thing:
    """Converts as the registered functions say."""


class Special(Thing):
    """The same, one level below."""


@pytest.fixture(autouse=True)
def _own_conversions(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize(("base", "function"), [("Thing", _passes), (Thing, 3), ((Thing, 1), _passes)])
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
