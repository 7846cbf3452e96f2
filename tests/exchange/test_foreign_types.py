"""Graphs that hold types which are known by their signature alone."""

from __future__ import annotations

import pytest

import millrace as tf
from millrace.exchange import foreign_types


@pytest.fixture
def graph_def():
    """One output that needs such an operation, and one that does not."""
    made = tf.GraphDef()
    x = made.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = tf.float32.as_datatype_enum
    rnn = made.node.add(name="rnn", op="CudnnRNN", input=["x"] * 4)
    rnn.attr["T"].type = tf.float32.as_datatype_enum
    for name, source in (("y", "x"), ("z", "rnn:3")):
        made.node.add(name=name, op="Identity", input=[source]).attr["T"].type = tf.float32.as_datatype_enum
    mark = made.node.add(name="mark", op="TPUReplicateMetadata")
    mark.attr["num_replicas"].i = 2
    return made


def test_they_are_read_and_written(graph_def):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
    again = graph.as_graph_def()
    assert [node.op for node in again.node] == [node.op for node in graph_def.node]
    assert again.node[1].attr["rnn_mode"].s == b"lstm"
    assert again.node[4].attr["num_replicas"].i == 2
    assert len(graph.get_operation_by_name("rnn").outputs) == 4


def test_what_does_not_need_them_runs(graph_def):
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(graph_def, name="")
        assert sess.run("y:0", {"x:0": 2.0}) == 2
        rule = "No OpKernel was registered to support Op 'CudnnRNN'"
        with pytest.raises(tf.errors.InvalidArgumentError, match=rule) as caught:
            sess.run("z:0", {"x:0": 2.0})
    assert "test_foreign_types.py" in str(caught.value)
    assert caught.value.op.name == "rnn"


def test_every_line_is_a_signature():
    for name in foreign_types.names():
        assert foreign_types.find(name).name == name


def test_what_nobody_knows():
    with pytest.raises(KeyError, match="NoSuchThing"):
        foreign_types.find("NoSuchThing")


def test_outputs_that_attributes_count():
    made = tf.GraphDef()
    node = made.node.add(name="a", op="InfeedDequeueTuple")
    node.attr["dtypes"].list.type.extend([tf.float32.as_datatype_enum, tf.int64.as_datatype_enum])
    for _ in range(2):
        node.attr["shapes"].list.shape.add()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(made, name="")
    assert [t.dtype for t in graph.get_operation_by_name("a").outputs] == [tf.float32, tf.int64]
