"""What single objects show in a notebook."""

import numpy as np
import pytest

import millrace as tf


def shown(value, *expected):
    page = value._repr_html_()
    for text in expected:
        assert text in page, text
    return page


def test_tensors_operations_and_variables():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    w = tf.get_variable("w", [3, 2])
    y = tf.matmul(x, w, transpose_b=False, name="y")
    shown(y, "Tensor", "<code>y:0</code>", "float32 (?, 2)", "MatMul", "test_cards.py:", "session.run")
    shown(x, "<code>y</code>")
    shown(y.op, "Operation", "transpose_b = False", "<code>x:0</code>")
    shown(w, "Variable", "<code>w:0</code>", "trained", "yes", "<code>w/Assign</code>")
    shown(tf.get_variable("r", [2], use_resource=True, trainable=False), "<code>r:0</code>", "no")


def test_sessions_show_what_variables_hold():
    tf.get_variable("w", [3, 2])
    with tf.Session() as sess:
        shown(sess, "10 operations", "0 B")
        sess.run(tf.global_variables_initializer())
        shown(sess, "<code>w</code>", "float32 [3, 2]", "24 B")
    shown(sess, "closed")


def test_optimizers_datasets_graph_defs_and_checkpoints(tmp_path):
    w = tf.get_variable("w", [2])
    optimizer = tf.train.MomentumOptimizer(0.25, 0.9)
    optimizer.minimize(tf.reduce_sum(w))
    shown(optimizer, "MomentumOptimizer", "0.25", "slot momentum", "1 variable<")
    shown(tf.data.Dataset.range(3).batch(2), "Dataset", "int64", "(?,)")
    shown(tf.get_default_graph().as_graph_def(), "GraphDef", "VariableV2", "import_graph_def")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        prefix = tf.train.Saver([w]).save(sess, str(tmp_path / "model"))
    shown(tf.train.NewCheckpointReader(prefix), "Checkpoint", "<code>w</code>", "float32 [2]")
    shown(tf.train.Checkpoint(weights=w), "Checkpoint", "1 tensor of <code>weights</code>", "float32 (2,)")
    shown(tf.train.Checkpoint(), "Checkpoint", "0 tensors")


def test_markup_is_escaped_and_long_tables_end():
    y = tf.constant(1.0, name="a>b")
    assert "a&gt;b" in y._repr_html_()
    for i in range(20):
        tf.get_variable(f"v{i}", initializer=np.float32(i))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        shown(sess, "and 8 more")


@pytest.mark.parametrize("make", [tf.no_op, tf.GraphDef, lambda: tf.constant(1.0).op])
def test_the_smallest_objects(make):
    assert make()._repr_html_().startswith("<div>")
