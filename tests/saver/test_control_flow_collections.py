"""What meta graphs say of branches and loops."""

from __future__ import annotations

import pytest

import millrace as tf


def nested():
    x = tf.placeholder(tf.float32, [2], name="x")

    def turn(i, a):
        return i + 1, tf.cond(a[0] > 2.0, lambda: a + 1.0, lambda: a * x)

    return x, tf.identity(tf.while_loop(lambda i, a: i < 3, turn, [0, x])[1], name="y")


def test_a_loop_and_the_branches_in_it():
    with tf.Graph().as_default():
        nested()
        meta = tf.train.export_meta_graph()
    assert sorted(meta.collection_def) == ["while_context"]
    from millrace.core import protos

    loop = protos.WhileContextDef.FromString(meta.collection_def["while_context"].bytes_list.value[0])
    nodes = {node.name: node for node in meta.graph_def.node}

    def type_of(name):
        return nodes[name.removesuffix(":0")].op

    assert type_of(loop.pivot_name) == "LoopCond"
    assert type_of(loop.pivot_for_pred_name) == "Merge"
    assert {type_of(name) for name in loop.loop_enter_names} == {"Enter"}
    assert {type_of(name) for name in loop.loop_exit_names} == {"Exit"}
    assert {n.attr["frame_name"].s.decode() for n in nodes.values() if n.op == "Enter"} == {loop.context_name}
    branches = [one.cond_ctxt for one in loop.nested_contexts]
    assert sorted(one.branch for one in branches) == [0, 1]
    for one in branches:
        assert set(one.values_def.values) <= set(loop.values_def.values)
        assert one.values_def.external_values[one.pred_name] == one.pred_name


@pytest.mark.parametrize("scope", [None, "a/b"])
def test_out_in_and_out_again(scope):
    with tf.Graph().as_default():
        nested()
        first = tf.train.export_meta_graph()
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        tf.train.import_meta_graph(first, import_scope=scope)
        head = f"{scope}/" if scope else ""
        again = tf.train.export_meta_graph(export_scope=scope)
        x, y = graph.get_tensor_by_name(head + "x:0"), graph.get_tensor_by_name(head + "y:0")
        assert sess.run(tf.gradients(y, x)[0], {x: [1.0, 2.0]}).tolist() == [4.0, 32.0]
        assert sorted(graph.get_all_collection_keys()) == ["while_context"]
    assert again.collection_def["while_context"] == first.collection_def["while_context"]


def test_a_part_without_the_loop():
    with tf.Graph().as_default():
        with tf.name_scope("one"):
            tf.constant(1.0)
        with tf.name_scope("two"):
            nested()
        assert not tf.train.export_meta_graph(export_scope="one").collection_def
