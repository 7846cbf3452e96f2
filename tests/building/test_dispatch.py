"""Who is asked where a function refuses its arguments."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import millrace as tf
from millrace.building import dispatch


class Money:
    """An object that no conversion is known for."""

    def __init__(self, amount: Any) -> None:
        self.amount = amount


@dispatch.overridable
def double(x: Any, name: str | None = None) -> Any:
    """Twice `x`."""
    if not isinstance(x, int | float):
        raise TypeError(f"not a number: {x!r}")
    if x < 0:
        raise ValueError("negative")
    return 2 * x


@pytest.fixture(autouse=True)
def _own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(double, "_tf_dispatchers", [])


def test_a_decorated_function_is_the_same_function() -> None:
    assert double(4) == 8 and double(x=4, name="n") == 8
    assert double.__name__ == "double" and double.__doc__ == "Twice `x`."
    assert list(inspect.signature(double).parameters) == ["x", "name"]
    assert inspect.getfullargspec(double).args == ["x", "name"]


def test_nobody_is_asked_about_arguments_that_are_taken() -> None:
    asked: list[Any] = []

    @dispatch.dispatch_for_types(double, int)
    def _(x: Any, name: str | None = None) -> Any:
        asked.append(x)

    assert double(1) == 2 and asked == []


def test_a_refusal_that_nobody_takes_up_stays_what_it_was() -> None:
    with pytest.raises(TypeError, match="not a number: 'text'"):
        double("text")
    with pytest.raises(ValueError, match="negative"):
        double(-1)


@pytest.mark.parametrize("call", [lambda m: double(m), lambda m: double(x=m, name="n"), lambda m: double(m)])
def test_functions_for_types(call: Any) -> None:
    @dispatch.dispatch_for_types(double, Money, list)
    def doubled(x: Any, name: str | None = None) -> Any:
        return Money(2 * x.amount), name

    found, name = call(Money(4))
    assert found.amount == 8 and name in (None, "n")
    assert doubled(Money(1))[0].amount == 2
    with pytest.raises(TypeError, match="not a number"):
        double("text")


def test_the_first_that_knows_the_arguments_answers() -> None:
    class Refuses(dispatch.OpDispatcher):
        pass

    class Answers(dispatch.OpDispatcher):
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def handle(self, args: Any, kwargs: Any) -> Any:
            """The answer, with what it was asked."""
            return self.answer, args, kwargs

    for each in (Refuses(), Answers("first"), Answers("second")):
        each.register(double)
    assert double("text", name="n") == ("first", ("text",), {"name": "n"})
    assert dispatch.dispatch(double, "text") == ("first", ("text",), {})
    assert Refuses().handle((), {}) is dispatch.OpDispatcher.NOT_SUPPORTED


def test_only_functions_that_ask_have_dispatchers() -> None:
    def plain(x: Any) -> Any:
        return x

    with pytest.raises(AssertionError, match="Dispatching not enabled for .*plain"):
        dispatch.OpDispatcher().register(plain)
    assert dispatch.add_dispatch_list(plain) is plain and plain._tf_dispatchers == []  # type: ignore[attr-defined]
    dispatch.OpDispatcher().register(plain)
    assert dispatch.dispatch(plain, 1) is dispatch.OpDispatcher.NOT_SUPPORTED


def test_functions_of_elements_take_rows_of_rows() -> None:
    rows = tf.ragged.constant([[1.0, 4.0], [], [9.0]])
    by_name, listed = tf.sqrt(x=rows), tf.add_n([rows, rows])
    with tf.Session() as session:
        assert session.run(tf.sqrt(rows)).to_list() == [[1, 2], [], [3]]
        assert session.run(by_name).to_list() == [[1, 2], [], [3]]
        assert session.run(listed).to_list() == [[2, 8], [], [18]]
    assert tf.sqrt._elementwise == "unary" and tf.add_n._elementwise == "list"


def test_names_that_a_refused_call_took_stay_taken() -> None:
    found = tf.sqrt(tf.ragged.constant([[1.0], []]))
    assert found.flat_values.op.name == "Sqrt_1"
    assert tf.sqrt(tf.constant(4.0)).op.name == "Sqrt_2"
    with pytest.raises(TypeError):
        tf.sqrt("text")
    assert tf.sqrt(tf.constant(4.0)).op.name == "Sqrt_3"
