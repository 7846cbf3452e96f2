"""Branches and loops in a GraphDef: the same values, the same gradients, the same GraphDef again."""

import numpy as np
import pytest

import millrace as tf
from millrace.core import protos


def a_cond(x):
    y = tf.constant(2.0, name="y")
    return tf.cond(x > y, lambda: x * 2.0, lambda: y * x)


def a_loop(x):
    return tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, 1.0])[1]


def nested(x):
    def inner(a):
        return tf.while_loop(lambda j, b: j < 2, lambda j, b: (j + 1, b + x), [0, a])[1]

    def body(i, a):
        return i + 1, tf.cond(tf.equal(i, 1), lambda: a * x, lambda: inner(a))

    return tf.while_loop(lambda i, a: i < 3, body, [0, 1.0])[1]


def a_map(x):
    return tf.reduce_sum(tf.map_fn(lambda v: v * v + x, tf.constant([1.0, 2.0, 3.0])))


def over_a_variable(x):
    v = tf.Variable(2.0, name="v")
    return tf.cond(x > 0.0, lambda: v * x, lambda: tf.identity(v))


@pytest.mark.parametrize("build", [a_cond, a_loop, nested, a_map, over_a_variable])
def test_round_trip(build):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        y = tf.identity(build(x), name="out")
        tf.identity(tf.gradients(y, x)[0], name="slope")
        tf.global_variables_initializer()
        written = graph.as_graph_def()
        wanted = run(graph, "")
    data = written.SerializeToString()
    with tf.Graph().as_default() as again:
        tf.import_graph_def(protos.GraphDef.FromString(data), name="")
    assert again.as_graph_def() == written
    assert run(again, "") == wanted
    with tf.Graph().as_default() as prefixed:
        tf.import_graph_def(written, name="p")
        slope = tf.gradients(prefixed.get_tensor_by_name("p/out:0"), prefixed.get_tensor_by_name("p/x:0"))
        tf.identity(slope[0], name="p/again")
    assert run(prefixed, "p/") == wanted
    with tf.Session(graph=prefixed) as sess:
        sess.run("p/init")
        assert sess.run("p/again:0", {"p/x:0": 3.0}) == wanted[1]


def run(graph, prefix):
    with tf.Session(graph=graph) as sess:
        sess.run(f"{prefix}init")
        return sess.run([f"{prefix}out:0", f"{prefix}slope:0"], {f"{prefix}x:0": 3.0})


def test_bodies_are_written_as_old_control_flow():
    x = tf.placeholder(tf.float32, [], name="x")
    nested(x)
    graph_def = tf.get_default_graph().as_graph_def()
    kinds = {node.op for node in graph_def.node}
    assert kinds >= {"Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"}
    assert not kinds & {"If", "While", "BodyArg", "Tick"}
    assert not graph_def.library.function


def test_a_graph_def_grows_with_the_depth_of_branches_alone():
    def size(depth):
        def inner(a, left):
            return tf.cond(x > 0.0, lambda: inner(a + x, left - 1), lambda: a) if left else a * x

        with tf.Graph().as_default() as graph:
            x = tf.placeholder(tf.float32, [], name="x")
            inner(x, depth)
            return len(graph.as_graph_def().node)

    assert size(20) < 5 * size(5)


def test_a_missing_function():
    graph_def = protos.GraphDef()
    graph_def.node.add(name="p", op="Placeholder").attr["dtype"].type = protos.DT_BOOL
    node = graph_def.node.add(name="y", op="If", input=["p"])
    node.attr["Tcond"].type = protos.DT_BOOL
    node.attr["then_branch"].func.name = node.attr["else_branch"].func.name = "gone"
    with pytest.raises(ValueError, match="a function that the library lacks"):
        tf.import_graph_def(graph_def)


def test_freezing_a_loop_over_a_variable():
    x = tf.placeholder(tf.float32, [], name="x")
    v = tf.Variable(2.0, name="v")
    tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * v), [0, x], name="loop")
    last = tf.identity(tf.get_default_graph().get_tensor_by_name("loop/Exit_1:0"), name="out")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        wanted = sess.run(last, {x: 1.5})
        frozen = tf.graph_util.convert_variables_to_constants(sess, sess.graph.as_graph_def(), ["out"])
    with tf.Graph().as_default():
        out, x = tf.import_graph_def(frozen, return_elements=["out:0", "x:0"])
        with tf.Session() as sess:
            np.testing.assert_array_equal(sess.run(out, {x: 1.5}), wanted)


def test_a_recurrent_network_in_a_branch_is_written_with_its_gradients():
    with tf.Graph().as_default() as graph:
        x, v = tf.placeholder(tf.float32, [2, None, 3], name="x"), tf.get_variable("v", [3])
        cell = tf.nn.rnn_cell.BasicRNNCell(3)
        long = tf.shape(x)[1] > 1
        y = tf.cond(long, lambda: tf.nn.dynamic_rnn(cell, x * v, dtype=tf.float32)[1], lambda: x[:, 0] * v)
        gradient = tf.gradients(tf.reduce_sum(y), v)[0]
        written = graph.as_graph_def()
    kinds = {node.op for node in written.node if "Nothing" in node.name}
    assert "TensorArrayV3" in kinds  # stands for the handle that only the other branch has
    with tf.Graph().as_default() as again, tf.Session() as sess:
        (found,) = tf.import_graph_def(written, return_elements=[gradient.name], name="")
        sess.run([op for op in again.get_operations() if op.type == "Assign"])
        for steps in (1, 3):
            assert sess.run(found, {"x:0": [[[1.0] * 3] * steps] * 2}).shape == (3,)
