"""Operations that a program makes of a NodeDef by itself."""

import copy

import pytest

import millrace as tf


def _node(name):
    with tf.Graph().as_default():
        made = tf.add(tf.constant(1.0), 2.0, name="sum")
    node = copy.deepcopy(made.op.node_def)
    node.name = name
    return node


def test_a_node_has_the_name_and_the_inputs_that_it_is_given():
    graph = tf.Graph()
    with graph.as_default():
        a, first = tf.constant([1.0, 2.0]), tf.no_op()
        with tf.name_scope("scope"), tf.control_dependencies([a]):
            op = tf.Operation(
                _node("f/q"), graph, [a, a], [tf.float32], [first], [tf.float32] * 2, None, None
            )
    assert isinstance(op, tf.Operation) and op.name == "f/q" and op.control_inputs == [first]
    with tf.Session(graph=graph) as sess:
        assert sess.run("f/q:0").tolist() == [2.0, 4.0]


def test_what_does_not_fit_is_refused():
    graph = tf.Graph()
    with graph.as_default():
        a = tf.constant(1.0)
        tf.Operation(_node("x"), graph, [a, a])
        with pytest.raises(ValueError, match="Duplicate node name in graph: 'x'"):
            tf.Operation(_node("x"), graph, [a, a])
        with pytest.raises(ValueError):
            tf.Operation(_node("y"), graph, [a])
    with pytest.raises(TypeError, match="node_def needs to be a NodeDef"):
        tf.Operation("x", graph)
    with pytest.raises(TypeError, match="g needs to be a Graph"):
        tf.Operation(_node("x"), "graph")
    assert [op.name for op in graph.get_operations()] == ["Const", "x"]
