"""Which file of a sharded checkpoint holds which variables; recorded from TensorFlow 1.15."""

import os

import pytest

import millrace as tf


def parts():
    with tf.variable_scope("parts", partitioner=tf.fixed_size_partitioner(2), use_resource=True):
        tf.get_variable("w", [4])


def whole():
    tf.get_variable("handle", [2], use_resource=True)
    tf.get_variable("plain", [2])


@pytest.mark.parametrize(
    "makers, files", [((whole,), 1), ((parts,), 1), ((parts, whole), 2)], ids=["whole", "parts", "both"]
)
def test_parts_with_handles_have_a_file_of_their_own(tmp_path, makers, files):
    for make in makers:
        make()
    saver = tf.train.Saver(sharded=True)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        before = sess.run(tf.global_variables())
        path = saver.save(sess, str(tmp_path / "model"))
        sess.run(tf.global_variables_initializer())
        saver.restore(sess, path)
        after = sess.run(tf.global_variables())
    assert len([name for name in os.listdir(tmp_path) if ".data-" in name]) == files
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
