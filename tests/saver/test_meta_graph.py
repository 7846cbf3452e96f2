"""Meta graphs: graphs with their collections and savers, out and in."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


def build():
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    with tf.device("/cpu:0"), tf.variable_scope("net"):
        w = tf.get_variable("w", initializer=[[1.0], [2.0]], use_resource=True)
        b = tf.get_variable("b", initializer=[0.5], trainable=False)
    y = tf.nn.bias_add(tf.matmul(x, w), b, name="y")
    tf.add_to_collection("outs", y)
    tf.add_to_collection("num", 3)
    tf.add_to_collection("text", "hello")
    tf.add_to_collection("nothing", object())


@pytest.mark.parametrize("scope", [None, "a/b"])
@pytest.mark.parametrize("as_text", [False, True])
def test_out_and_in(tmp_path, scope, as_text):
    path = str(tmp_path / "m")
    with tf.Graph().as_default(), tf.Session() as sess:
        build()
        sess.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        saver.save(sess, path, write_meta_graph=False)
        saver.export_meta_graph(path + ".meta", as_text=as_text)
    with tf.Graph().as_default(), tf.Session() as sess:
        saver = tf.train.import_meta_graph(path + ".meta", import_scope=scope, clear_devices=True)
        assert saver is not None
        head = f"{scope}/" if scope else ""
        saver.restore(sess, path)
        assert sess.run(f"{head}y:0", {f"{head}x:0": [[1, 1]]}).tolist() == [[3.5]]
        assert [v.name for v in tf.global_variables()] == [f"{head}net/w:0", f"{head}net/b:0"]
        assert tf.trainable_variables() == tf.global_variables()[:1]
        assert tf.trainable_variables()[0] is tf.global_variables()[0]
        assert tf.get_collection("outs")[0].name == f"{head}y:0"
        assert tf.get_collection("num") == [3]
        assert tf.get_collection("nothing") == []
        assert not any(op.device for op in tf.get_default_graph().get_operations() if op.type == "VariableV2")


def test_part_of_a_graph_with_unbound_inputs():
    with tf.Graph().as_default():
        with tf.name_scope("outer"):
            a = tf.constant([1.0, 2.0], name="a")
        with tf.name_scope("inner"):
            tf.multiply(a, 3.0, name="y")
        meta = tf.train.export_meta_graph(export_scope="inner")
    assert sorted(node.name for node in meta.graph_def.node) == ["y", "y/y"]
    with tf.Graph().as_default(), tf.Session() as sess:
        with pytest.raises(ValueError, match="unbound inputs"):
            tf.train.import_meta_graph(meta)
        assert not tf.get_default_graph().get_operations()
        z = tf.constant([5.0, 5.0])
        assert tf.train.import_meta_graph(meta, input_map={"$unbound_inputs_outer/a": z}) is None
        np.testing.assert_array_equal(sess.run("y:0"), [15, 15])


def test_defaults_are_left_out():
    with tf.Graph().as_default():
        build()
        whole = tf.train.export_meta_graph()
        small = tf.train.export_meta_graph(strip_default_attrs=True)
    assert small.meta_info_def.stripped_default_attrs
    assert small.ByteSize() < whole.ByteSize()
    assert {op.name for op in small.meta_info_def.stripped_op_list.op} == {n.op for n in whole.graph_def.node}
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(small.graph_def, name="")
    assert graph.as_graph_def(add_shapes=True) == whole.graph_def


def test_savers_of_a_collection():
    with tf.Graph().as_default():
        tf.Variable(1.0, name="v")
        first, second = tf.train.Saver(), tf.train.Saver()
        tf.add_to_collection(tf.GraphKeys.SAVERS, first)
        meta = second.export_meta_graph(clear_extraneous_savers=True)
        assert not [n.name for n in meta.graph_def.node if n.name.startswith("save/")]
        assert [n.name for n in meta.graph_def.node if n.name == "save_1/SaveV2"]
        whole = second.export_meta_graph()
    with tf.Graph().as_default():
        read = tf.train.import_meta_graph(whole)
        assert read is not None
        assert read.saver_def == second.saver_def
        [again] = tf.get_collection(tf.GraphKeys.SAVERS)
        assert again.saver_def == first.saver_def


def test_files_that_are_no_meta_graphs(tmp_path):
    with pytest.raises(OSError, match="does not exist"):
        tf.train.import_meta_graph(str(tmp_path / "none.meta"))
    (tmp_path / "bad.meta").write_bytes(b"\xff\xff\xff")
    with pytest.raises(OSError, match="Cannot parse"):
        tf.train.import_meta_graph(str(tmp_path / "bad.meta"))
