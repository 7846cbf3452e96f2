"""Graphs as text, compared with what protobuf's own writer makes of them."""

import pytest
from google.protobuf import text_format

import millrace as tf
from millrace.core import protos
from millrace.exchange.graph_text import graph_text


def _trained():
    x = tf.placeholder(tf.float32, [None, 3])
    with tf.device("/cpu:0"):
        y = tf.nn.relu(tf.matmul(x, tf.get_variable("w", [3, 4])))
    y.op._set_attr("_spoken", protos.AttrValue(s=b'a "\xff\n'))
    tf.constant([b"a\xff\x00\"'\n\t\\", "ü€"])
    tf.train.AdamOptimizer().minimize(tf.reduce_sum(y))
    tf.data.make_one_shot_iterator(tf.data.Dataset.range(3).map(lambda v: v + 1)).get_next()
    tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0])


@pytest.mark.parametrize("add_shapes", [False, True])
def test_the_text_is_protobufs(add_shapes):
    _trained()
    found = tf.get_default_graph().as_graph_def(add_shapes=add_shapes)
    assert graph_text(found) == text_format.MessageToString(found)


def test_an_empty_graph():
    assert graph_text(protos.GraphDef()) == ""


def test_nodes_of_other_writers():
    graph = protos.GraphDef()
    graph.node.add(name='ü "x"', op="A", input=["b", "^c"])
    graph.node.add().attr['k"'].i = 3
    graph.node.add(op="B", device="/cpu:0").experimental_debug_info.original_node_names.append("q")
    graph.library.function.add().signature.name = "f"
    assert graph_text(graph) == text_format.MessageToString(graph)
