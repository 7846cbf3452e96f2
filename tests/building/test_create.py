"""Adding operations: what signatures demand, and that a refused call leaves nothing behind."""

from __future__ import annotations

import pytest

import millrace as tf
from millrace.building import raw
from millrace.graph import attrs


def _state(graph: tf.Graph) -> object:
    consumers = [[t.consumers() for t in op.outputs] for op in graph.get_operations()]
    return graph.get_operations(), dict(graph.names), dict(graph.by_name), consumers


def test_lists_have_their_minimum() -> None:
    x = tf.constant([1.0])
    with pytest.raises(ValueError, match="'inputs' must have at least 1 tensors. Received: 0"):
        raw.AddN([])
    with pytest.raises(ValueError, match="'values' must have at least 2 tensors. Received: 1"):
        raw.ConcatV2([x], 0)
    assert raw.ConcatV2([x, x], 0).shape == [2] and raw.AddN([x]).shape == [1]


def test_attributes_have_their_minimum() -> None:
    attribute = attrs.ints(minimum=2)
    assert attribute.canonical([1, 2], "Op 'o'", "a") == (1, 2)
    with pytest.raises(ValueError, match=r"Op 'o': attribute 'a' must be at least 2. Received: \(?1"):
        attribute.canonical([1], "Op 'o'", "a")
    number = attrs.integer(minimum=0)
    assert number.canonical(0, "Op 'o'", "n") == 0
    with pytest.raises(ValueError, match="must be at least 0. Received: -1"):
        number.canonical(-1, "Op 'o'", "n")


def test_lists_of_one_type_and_one_length() -> None:
    with pytest.raises(TypeError, match="must all be float32"):
        raw.AddN([tf.constant(1.0), tf.constant(1)])


@pytest.mark.parametrize(
    "refused",
    [
        lambda x: tf.matmul(x, tf.constant([[1, 2]], name="fresh")),
        lambda x: tf.reshape(x, [7, 7], name="a/b/c"),
        lambda x: tf.add_n([x, x + 1.0, tf.zeros([5])], name="x"),
        lambda x: tf.concat([x, "text"], 0),
        lambda x: raw.ConcatV2([x], 0, name="x"),
        lambda x: x + [1.0, [2.0]],
    ],
)
def test_a_refused_operation_leaves_no_trace(refused: object) -> None:
    graph = tf.get_default_graph()
    x = tf.ones([2, 3], name="x")
    _ = x + 1.0
    inner = tf.ones([2, 3]) + 1.0
    before = _state(graph)
    with pytest.raises((ValueError, TypeError)):
        raw.MatMul(x, raw.Reshape(inner, [7, 7], name="deep"), name="deep")
    assert _state(graph) == before
    try:
        refused(x)  # type: ignore[operator]
    except (ValueError, TypeError):
        leftovers = [op.type for op in graph.get_operations()[len(before[0]) :]]  # type: ignore[index]
        assert not {"MatMul", "Reshape", "ConcatV2"} & set(leftovers)
    else:
        raise AssertionError("was not refused")


def test_names_taken_by_a_refused_operation_are_free_again() -> None:
    x = tf.ones([2, 3], name="x")
    for _ in range(3):
        with pytest.raises(ValueError):
            raw.MatMul(x, x, name="m")
    assert raw.MatMul(x, x, transpose_b=True, name="m").name == "m:0"
    assert raw.MatMul(x, x, transpose_b=True, name="m").name == "m_1:0"
    with pytest.raises(ValueError):
        raw.MatMul(x, x, name="m")
    assert raw.MatMul(x, x, transpose_b=True, name="m").name == "m_2:0"
