"""Runs in several calls: what each call feeds, runs, gives and refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import millrace as tf


@pytest.fixture
def sess() -> Iterator[tf.Session]:
    with tf.Session() as session:
        yield session


def _counted(values: list[int], x: Any) -> Any:
    return tf.py_func(lambda v: values.append(int(v)) or np.float32(v), [x], tf.float32)


def test_feeds_of_all_calls_add_up(sess: tf.Session) -> None:
    a, b, c = (tf.placeholder(tf.float32, [], name=name) for name in "abc")
    first, second, third = a + 1.0, a * b, b * c + a
    handle = sess.partial_run_setup([first, second, third], [a, b, c])
    assert sess.partial_run(handle, first, {a: 2.0}) == 3
    assert sess.partial_run(handle, [second], {b: 5.0}) == [10]
    assert sess.partial_run(handle, {"third": third}, {"c:0": 7.0}) == {"third": 37}
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="Must run 'setup' before.*Received: .*a:0,b:0,c:0"
    ):
        sess.partial_run(handle, third)


def test_feeds_come_in_any_order_and_all_at_once(sess: tf.Session) -> None:
    a, b = (tf.placeholder(tf.float32, [], name=name) for name in "ab")
    difference, product = a - b, a * b
    handle = sess.partial_run_setup([difference, product], [a, b])
    assert sess.partial_run(handle, [product, difference], {b: 2.0, a: 5.0}) == [10, 3]
    handle = sess.partial_run_setup([difference, product], [b, a])
    assert sess.partial_run(handle, [], {b: 2.0}) == []
    assert sess.partial_run(handle, [difference], {a: 5.0}) == [3]
    assert sess.partial_run(handle, product) == 10


def test_what_an_earlier_call_made_is_not_made_again(sess: tf.Session) -> None:
    ran: list[int] = []
    a, b = (tf.placeholder(tf.float32, [], name=name) for name in "ab")
    shared = _counted(ran, a)
    with tf.control_dependencies([shared]):
        ordered = tf.identity(b)
    first, second = shared + 1.0, shared * b
    handle = sess.partial_run_setup([first, second, ordered, shared], [a, b])
    assert sess.partial_run(handle, first, {a: 2.0}) == 3 and ran == [2]
    assert sess.partial_run(handle, [second, ordered], {b: 4.0}) == [8, 4] and ran == [2]
    assert sess.partial_run(handle, shared) == 2 and ran == [2]


def test_an_effect_runs_with_the_fetch_that_waits_for_it(sess: tf.Session) -> None:
    ran: list[int] = []
    a, b = (tf.placeholder(tf.float32, [], name=name) for name in "ab")
    effect = _counted(ran, b)
    with tf.control_dependencies([effect]):
        late = tf.identity(a)
    early = a + 1.0
    handle = sess.partial_run_setup([early, late, effect.op], [a, b])
    assert sess.partial_run(handle, early, {a: 1.0}) == 2 and ran == []
    with pytest.raises(tf.errors.InvalidArgumentError, match="can't be computed from the feeds"):
        sess.partial_run(handle, late)
    assert sess.partial_run(handle, late, {b: 9.0}) == 1 and ran == [9]
    assert sess.partial_run(handle, effect.op) is None and ran == [9]


@pytest.mark.parametrize("resource", [False, True])
def test_a_call_sees_variables_as_the_calls_before_left_them(sess: tf.Session, resource: bool) -> None:
    v = tf.Variable(1.0, use_resource=resource)
    w = tf.Variable(5.0, use_resource=resource)
    a = tf.placeholder(tf.float32, [])
    read, write = v + 0.0, v.assign_add(a)
    with tf.control_dependencies([write]):
        after = v + w
    sess.run(tf.global_variables_initializer())
    handle = sess.partial_run_setup([read, write, after], [a])
    assert sess.partial_run(handle, read) == 1
    assert sess.partial_run(handle, write, {a: 2.0}) == 3 and sess.run(v) == 3
    sess.run(w.assign(10.0))
    assert sess.partial_run(handle, after) == 13


def test_a_failed_call_changes_nothing_and_can_be_made_again(sess: tf.Session) -> None:
    v = tf.Variable(1.0)
    a = tf.placeholder(tf.float32, [None])
    with tf.control_dependencies([v.assign(2.0)]):
        fetched = tf.reshape(a, [2]) + 0.0
    sess.run(v.initializer)
    handle = sess.partial_run_setup([fetched], [a])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)Reshape.*test_partial\.py"):
        sess.partial_run(handle, fetched, {a: [1.0, 2.0, 3.0]})
    assert sess.run(v) == 1
    assert sess.partial_run(handle, fetched, {a: [1.0, 2.0]}).tolist() == [1, 2]
    assert sess.run(v) == 2


@pytest.mark.parametrize(
    ("fetch", "feed", "message"),
    [
        ("a2", {"other": 1.0}, r"The feed other:0 was not specified in partial_run_setup"),
        ("a2", {"a": 1.0}, r"The feed a:0 has already been fed"),
        ("other", {}, r"The fetch other:0 was not specified in partial_run_setup"),
        ("a1", {}, r"The fetch a1:0 has already been fetched"),
        ("ab", {}, r"Fetch ab:0 can't be computed from the feeds that have been fed so far"),
    ],
)
def test_refusals(sess: tf.Session, fetch: str, feed: dict[str, float], message: str) -> None:
    tensors = {name: tf.placeholder(tf.float32, [], name=name) for name in ("a", "b", "other")}
    a, b = tensors["a"], tensors["b"]
    tensors |= {"a1": tf.identity(a, "a1"), "a2": tf.negative(a, "a2"), "ab": tf.multiply(a, b, "ab")}
    handle = sess.partial_run_setup([tensors[name] for name in ("a1", "a2", "ab")], [a, b])
    assert sess.partial_run(handle, tensors["a1"], {a: 3.0}) == 3
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        sess.partial_run(handle, tensors[fetch], {tensors[name]: value for name, value in feed.items()})
    assert sess.partial_run(handle, tensors["a2"]) == -3
    assert sess.partial_run(handle, tensors["ab"], {b: 2.0}) == 6


def test_setting_up(sess: tf.Session) -> None:
    a = tf.placeholder(tf.float32, [], name="a")
    b = tf.identity(a, name="b")
    with pytest.raises(tf.errors.InvalidArgumentError, match="must specify at least one target"):
        sess.partial_run_setup([], [a])
    first, second = (sess.partial_run_setup([b], [a]) for _ in range(2))
    assert first != second and first.endswith(";a:0,b:0")
    assert sess.partial_run(second, b, {a: 1.0}) == 1 and sess.partial_run(first, b, {a: 2.0}) == 2
    alone = sess.partial_run_setup(tf.constant(3.0))
    assert sess.partial_run(alone, "Const:0") == 3
    with pytest.raises(tf.errors.InvalidArgumentError, match="Must run 'setup'"):
        sess.partial_run(alone, "Const:0")


def test_all_that_was_set_up_must_be_fed_before_a_run_has_ended(sess: tf.Session) -> None:
    a, b = (tf.placeholder(tf.float32, [], name=name) for name in "ab")
    c = a + 1.0
    handle = sess.partial_run_setup([c], [a, b])
    assert sess.partial_run(handle, c, {a: 1.0}) == 2
    assert sess.partial_run(handle, [], {b: 1.0}) == []
    with pytest.raises(tf.errors.InvalidArgumentError, match="Must run 'setup'"):
        sess.partial_run(handle, [], {})
