"""Fetches: any nesting is flattened once, and the values come back as they nested."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.session.fetch import FetchPlan, structure_key

Pair = namedtuple("Pair", ["left", "right"])


class Box:
    """What the package `attrs` makes of a class, as far as fetches look."""

    __attrs_attrs__ = (SimpleNamespace(name="first"), SimpleNamespace(name="second"))

    def __init__(self, first: Any, second: Any = 0) -> None:
        self.first, self.second = first, second


class Listing(list):  # type: ignore[type-arg]
    pass


@pytest.fixture
def sess() -> Iterator[tf.Session]:
    with tf.Session() as session:
        yield session


def _numbers() -> tuple[Any, ...]:
    return tuple(tf.constant(float(n), name=f"n{n}") for n in range(4))


def test_structures_come_back(sess: tf.Session) -> None:
    a, b, c, d = _numbers()
    assert sess.run([a, (b, [c]), {"d": d}]) == [0, (1, [2]), {"d": 3}]
    assert sess.run((a,)) == (0,) and sess.run([]) == [] and sess.run({}) == {}
    assert type(sess.run((a, b))) is tuple and type(sess.run([a, b])) is list
    pair = sess.run(Pair(a, [b, a]))
    assert type(pair) is Pair and pair == Pair(0, [1, 0])
    ordered = sess.run(OrderedDict([("z", a), ("a", b)]))
    assert type(ordered) is OrderedDict and list(ordered.items()) == [("z", 0), ("a", 1)]
    kept = sess.run(defaultdict(list, x=c))
    assert kept == {"x": 2} and kept["new"] == []
    box = sess.run(Box(a, (b, c)))
    assert type(box) is Box and (box.first, box.second) == (0, (1, 2))
    assert sess.run([a, a.op, b.op, b]) == [0, None, None, 1]
    assert sess.run([a, [a, "n1:0"], "n1"]) == [0, [0, 1], None]
    assert sess.run([[d, c], [b, a]]) == [[3, 2], [1, 0]]


def test_each_element_is_taken_once() -> None:
    a, b, _, _ = _numbers()
    plan = FetchPlan(a.graph, [b, {"x": a, "y": [b, a]}, "n0:0", a.op], None)
    assert plan.elements == [b, a, a.op]
    assert plan.rebuild((10, 20, None)) == [10, {"x": 20, "y": [10, 20]}, 20, None]


def test_keys_tell_structures_apart() -> None:
    a, b, _, _ = _numbers()
    structures = [
        a, [a], (a,), [a, b], [b, a], (a, b), Pair(a, b), {"a": a}, {"b": a}, {"a": b},
        OrderedDict(a=a), Box(a, a), Box(b, a), Box(a, b),
        [[a], b], [a, [b]], Listing([a]), "n0:0", a.op,
    ]  # fmt: skip
    keys = [structure_key(s) for s in structures]
    assert len(set(keys)) == len(keys)
    assert structure_key([a, Pair(a, b)]) == structure_key([a, Pair(a, b)])
    assert structure_key({"a": [a]}) == structure_key({"a": [a]})
    assert structure_key(Box([a], a)) == structure_key(Box([a], a))


def test_parts_of_sparse_values(sess: tf.Session) -> None:
    a = tf.constant(1.0)
    sparse = tf.SparseTensor([[0, 1]], [5.0], [2, 3])
    value = sess.run(sparse)
    assert type(value) is tf.SparseTensorValue and value.indices.tolist() == [[0, 1]]
    assert value.values.tolist() == [5] and value.dense_shape.tolist() == [2, 3]
    slices = sess.run([tf.IndexedSlices(tf.ones([1, 2]), tf.constant([3])), a])[0]
    assert (
        slices.values.tolist() == [[1, 1]] and slices.indices.tolist() == [3] and slices.dense_shape is None
    )
    whole = sess.run(tf.IndexedSlices(tf.ones([1, 2]), tf.constant([3]), tf.constant([9, 2])))
    assert whole.dense_shape.tolist() == [9, 2]
    fed = sess.run(tf.sparse_tensor_to_dense(sparse), {sparse: ([[1, 0]], [7.0], [2, 2])})
    assert fed.tolist() == [[0, 0], [7, 0]]


@pytest.mark.parametrize(
    ("fetch", "error", "message"),
    [
        (None, TypeError, "Fetch argument None has invalid type"),
        ([None], TypeError, "Fetch argument None has invalid type"),
        (3.0, TypeError, r"Fetch argument 3\.0 has invalid type .*float.*, must be a string or Tensor"),
        ("missing", ValueError, "'missing' cannot be interpreted as a Tensor. .*not in the graph"),
        ("n0:7", ValueError, "'n0:7' cannot be interpreted as a Tensor. .*has 1 outputs"),
        ("n0:x", ValueError, "'n0:x' cannot be interpreted as a Tensor. .*'<op>:<index>'"),
    ],
)
def test_refusals(sess: tf.Session, fetch: Any, error: type, message: str) -> None:
    _numbers()
    with pytest.raises(error, match=message):
        sess.run(fetch)


def test_values_belong_to_the_caller(sess: tf.Session) -> None:
    x = tf.placeholder(tf.float32, [2])
    c = tf.constant([1.0, 2.0])
    fed = np.float32([3.0, 4.0])
    one, other, same = sess.run([c, tf.identity(c), x], {x: fed})
    one[0] = 9.0
    same[0] = 9.0
    assert other.tolist() == [1, 2] and fed.tolist() == [3, 4] and sess.run(c).tolist() == [1, 2]


def test_a_type_is_registered_once() -> None:
    from millrace.session.fetch import register_session_run_conversion_functions

    class Wrapped:
        pass

    class Beneath(Wrapped):
        pass

    register_session_run_conversion_functions(Wrapped, lambda w: ([w.x], lambda values: values[0] + 1))
    for known in (Wrapped, Beneath):
        with pytest.raises(ValueError, match="already been registered"):
            register_session_run_conversion_functions(known, None)
    wrapped = Beneath()
    wrapped.x = tf.constant(1.0)  # type: ignore[attr-defined]
    with tf.Session() as sess:
        assert sess.run([wrapped, {"w": wrapped}]) == [2, {"w": 2}]
        with pytest.raises(TypeError, match="A Beneath cannot be fed: its type has no feed function"):
            sess.run(wrapped.x, {wrapped: 3.0})  # type: ignore[attr-defined]
