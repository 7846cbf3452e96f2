"""Attributes of later releases in nodes."""

from __future__ import annotations

import pytest

import millrace as tf


def graph_with(name, **value):
    with tf.Graph().as_default() as graph:
        tf.identity(1.0, name="y")
    made = graph.as_graph_def()
    for field, content in value.items():
        setattr(made.node[-1].attr[name], field, content)
    return made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("debug_name", {"s": b"w"}),
        ("whatever", {"s": b""}),
        ("exponential_avg_factor", {"f": 1.0}),
        ("Tnumsegments", {"type": 3}),
    ],
)
def test_taken(name, value):
    assert tf.import_graph_def(graph_with(name, **value), return_elements=["y:0"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("whatever", {"i": 3}), ("exponential_avg_factor", {"f": 0.5}), ("Tnumsegments", {"type": 9})],
)
def test_refused(name, value):
    with pytest.raises(ValueError, match=f"not declared. Received: '{name}'"):
        tf.import_graph_def(graph_with(name, **value))
    assert not tf.get_default_graph().get_operations()


def test_a_dtype_with_a_default_may_be_left_out():
    """TensorFlow strips defaults from SavedModels, `T` of a MaxPool among them."""
    made = tf.GraphDef()
    x = made.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = tf.float32.as_datatype_enum
    y = made.node.add(name="y", op="LeakyRelu", input=["x"])
    pool = made.node.add(name="z", op="MaxPool", input=["y"])
    pool.attr["padding"].s = b"SAME"
    for key in ("ksize", "strides"):
        pool.attr[key].list.i.extend([1, 2, 2, 1])
    assert "T" not in y.attr and "T" not in pool.attr
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(made, name="")
    assert graph.get_tensor_by_name("z:0").dtype is tf.float32
