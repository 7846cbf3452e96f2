"""Scopes of graphs, copied by `tensorflow.python.framework.meta_graph`."""

import importlib

import pytest

import millrace as tf

meta_graph = importlib.import_module("millrace.python.framework.meta_graph")


def _product():
    with tf.name_scope("a"):
        return tf.multiply(tf.constant(2.0, name="x"), tf.Variable(3.0, name="v"), name="y")


def test_a_copy_has_variables_of_its_own():
    _product()
    copied = meta_graph.copy_scoped_meta_graph("a", "b")
    assert {name: v.name for name, v in copied.items()} == {"v:0": "b/v:0"}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(copied["v:0"].assign(5.0))
        assert sess.run(["a/y:0", "b/y:0"]) == [6.0, 10.0]
    with pytest.raises(ValueError, match="need to be different"):
        meta_graph.copy_scoped_meta_graph("a", "a")


def test_elements_come_with_the_variables(tmp_path):
    _product()
    message, variables = meta_graph.export_scoped_meta_graph(str(tmp_path / "m"), export_scope="a")
    assert list(variables) == ["v:0"] and message.graph_def.node[0].name == "x"
    assert meta_graph.read_meta_graph_file(str(tmp_path / "m")) == message
    graph = tf.Graph()
    found, (y,) = meta_graph.import_scoped_meta_graph_with_return_elements(
        message, graph=graph, import_scope="c", return_elements=["y:0"]
    )
    assert found["v:0"].name == "c/v:0" and y.name == "c/y:0" and y.graph is graph
    assert list(meta_graph.import_scoped_meta_graph(message, graph=tf.Graph())) == ["v:0"]
