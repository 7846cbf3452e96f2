"""Copies of variables and operations in other graphs."""

import numpy as np
import pytest

import millrace as tf

G = tf.contrib.copy_graph


@pytest.mark.parametrize("scope", ["", "sc"])
def test_copies(scope):
    first, second = tf.Graph(), tf.Graph()
    with first.as_default():
        x = tf.placeholder(tf.float32, [2], name="x")
        v = tf.Variable([1.0, 2.0], name="v")
        with tf.control_dependencies([tf.no_op(name="before")]):
            y = tf.add(x * v, 1.0, name="y")
    copied = G.copy_variable_to_graph(v, second, scope)
    prefix = f"{scope}/" if scope else ""
    assert copied.op.name == f"{prefix}v"
    found = G.copy_op_to_graph(y, second, [copied], scope)
    assert found.name == f"{prefix}y:0"
    assert G.copy_op_to_graph(y, second, [copied], scope) is found
    assert G.get_copied_op(x, second, scope).name == f"{prefix}x:0"
    with second.as_default(), tf.Session(graph=second) as session:
        session.run(copied.initializer)
        np.testing.assert_array_equal(session.run(found, {f"{prefix}x:0": [3.0, 4.0]}), [4, 9])


def test_what_cannot_be_copied():
    with pytest.raises(TypeError, match="not a Variable"):
        G.copy_variable_to_graph(1, tf.Graph())
    with pytest.raises(TypeError, match="unrecognized"):
        G.copy_op_to_graph(1, tf.Graph(), [])
    with tf.Graph().as_default(), pytest.raises(KeyError):
        G.get_copied_op(tf.constant(1, name="c"), tf.Graph())


def test_types_of_a_graph():
    with tf.Graph().as_default() as graph:
        tf.add(tf.placeholder(tf.float32, []), 1.0)
        definition = graph.as_graph_def()
    used = tf.contrib.util.ops_used_by_graph_def(definition)
    assert "Placeholder" in used
    assert [op.name for op in tf.contrib.util.stripped_op_list_for_graph(definition).op] == used
    with pytest.raises(tf.errors.NotFoundError):
        tf.contrib.util.loader.load_op_library("x.so")
