"""tf.graph_util: cutting, freezing and writing GraphDefs."""

import numpy as np
import pytest
from google.protobuf import text_format

import millrace as tf
from millrace.core import protos


def names(graph_def):
    return [node.name for node in graph_def.node]


def test_extract_sub_graph():
    a = tf.constant(1.0, name="a")
    b = tf.identity(a, name="b")
    with tf.control_dependencies([tf.no_op(name="n")]):
        tf.identity_n([b, a], name="c")
    tf.identity(a, name="d")
    graph_def = tf.get_default_graph().as_graph_def()
    assert names(tf.graph_util.extract_sub_graph(graph_def, ["c"])) == ["a", "b", "n", "c"]
    assert tf.graph_util.extract_sub_graph(graph_def, ["d"]).versions == graph_def.versions
    with pytest.raises(AssertionError, match="'nope'"):
        tf.graph_util.extract_sub_graph(graph_def, ["nope"])
    with pytest.raises(TypeError, match="list of strings"):
        tf.graph_util.extract_sub_graph(graph_def, "a")
    with pytest.raises(TypeError, match="GraphDef"):
        tf.graph_util.extract_sub_graph("a", ["a"])


def test_remove_training_nodes():
    a = tf.constant(1.0, name="a")
    b = tf.identity(a, name="b")
    c = tf.check_numerics(b, "bad", name="c")
    kept = tf.identity(c, name="kept")
    with tf.control_dependencies([kept]):
        d = tf.identity(kept, name="d")
    tf.identity(d, name="out")
    graph_def = tf.get_default_graph().as_graph_def()
    less = tf.graph_util.remove_training_nodes(graph_def, protected_nodes=["kept", "d", "out"])
    assert names(less) == ["a", "kept", "d", "out"]
    assert not less.HasField("versions")
    assert {n.name: list(n.input) for n in less.node}["kept"] == ["a"]
    with tf.Graph().as_default(), tf.Session() as sess:
        (out,) = tf.import_graph_def(less, return_elements=["out:0"])
        assert sess.run(out) == 1.0


@pytest.mark.parametrize("use_resource", [False, True])
def test_freezing(use_resource):
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    w = tf.get_variable("w", initializer=tf.constant([[1.0], [2.0]]), use_resource=use_resource)
    b = tf.get_variable("b", initializer=tf.constant([3.0]), use_resource=use_resource)
    tf.add(tf.matmul(x, w), b, name="y")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(b.assign([5.0]))
        full = sess.graph.as_graph_def()
        frozen = tf.graph_util.convert_variables_to_constants(sess, full, ["y"])
        assert not frozen.HasField("versions")
        partly = tf.graph_util.convert_variables_to_constants(
            sess, full, ["y"], variable_names_whitelist=["w"]
        )
        rest = tf.graph_util.convert_variables_to_constants(sess, full, ["y"], variable_names_blacklist=["w"])
    variables = {"VariableV2", "VarHandleOp"}
    assert not variables & {n.op for n in frozen.node}
    assert [n.name for n in partly.node if n.op in variables] == ["b"]
    assert [n.name for n in rest.node if n.op in variables] == ["w"]
    with tf.Graph().as_default(), tf.Session() as sess:
        y, x = tf.import_graph_def(frozen, return_elements=["y:0", "x:0"])
        np.testing.assert_array_equal(sess.run(y, {x: [[1.0, 1.0]]}), [[8.0]])


def test_freezing_an_uninitialised_variable():
    tf.identity(tf.Variable(1.0, name="v"), name="y")
    with tf.Session() as sess, pytest.raises(tf.errors.FailedPreconditionError):
        tf.graph_util.convert_variables_to_constants(sess, sess.graph.as_graph_def(), ["y"])


def test_must_run_on_cpu():
    must = tf.graph_util.must_run_on_cpu
    assert must(tf.constant("a").op)
    assert must(tf.constant(1).op.node_def)
    assert not must(tf.constant(1.0).op)
    assert must(tf.cast(tf.constant(1), tf.float32).op)
    variable = tf.Variable(1.0, name="v").op
    assert not must(variable)
    assert must(variable, pin_variables_on_cpu=True)


def test_tensor_shape_from_node_def_name():
    tf.placeholder(tf.float32, [None, 3], name="x")
    graph = tf.get_default_graph()
    for name in ("x", "x:0"):
        assert tf.graph_util.tensor_shape_from_node_def_name(graph, name).as_list() == [None, 3]


def test_write_graph(tmp_path):
    tf.constant([1.0, 2.0], name="a")
    graph = tf.get_default_graph()
    path = tf.train.write_graph(graph, str(tmp_path / "new" / "dir"), "g.pbtxt")
    assert path == str(tmp_path / "new" / "dir" / "g.pbtxt")
    with open(path) as file:
        assert text_format.Parse(file.read(), protos.GraphDef()) == graph.as_graph_def()
    path = tf.io.write_graph(graph.as_graph_def(), tmp_path, "g.pb", as_text=False)
    with open(path, "rb") as file:
        assert protos.GraphDef.FromString(file.read()) == graph.as_graph_def()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["g.pb", "new"]
