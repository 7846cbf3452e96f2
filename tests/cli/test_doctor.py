"""Each thing that the doctor looks for is found where it is, and nothing where all is well."""

import subprocess
import sys

import pytest

START = """
import numpy as np
import tensorflow as tf
x = tf.placeholder(tf.float32, [None, 2], name="x")
w = tf.get_variable("w", [2, 1], initializer=tf.ones_initializer())
feed = np.ones([4, 2], np.float32)
"""
TRAIN = """
train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(4):
        sess.run(train, {x: feed})
"""
WELL = START + "loss = tf.reduce_mean(tf.matmul(x, w))\n" + TRAIN
CASES = {
    "added between runs": START
    + "loss = tf.reduce_mean(tf.matmul(x, w))\n"
    + TRAIN
    + "        sess.run(tf.reduce_sum(w))\n",
    "UPDATE_OPS": START
    + "loss = tf.reduce_mean(tf.layers.batch_normalization(tf.matmul(x, w), training=True))\n"
    + TRAIN,
    "never initialised: late": START
    + "loss = tf.reduce_mean(tf.matmul(x, w))\n"
    + TRAIN.replace("    for", "    late = tf.get_variable('late', [1])\n    for"),
    "never trained: idle": START
    + "idle = tf.get_variable('idle', [1])\nloss = tf.reduce_mean(tf.matmul(x, w))\n"
    + TRAIN,
    "is zero in every run": START
    + "loss = tf.reduce_mean(tf.maximum(tf.matmul(x, w) - 100.0, 0.0))\n"
    + TRAIN,
    "its units are dead": START + "loss = tf.reduce_mean(tf.nn.relu(tf.matmul(x, w) - 100.0))\n" + TRAIN,
    "becomes float32 anew": START.replace("[4, 2], np.float32", "[1024, 2]")
    + "loss = tf.reduce_mean(tf.matmul(x, w))\n"
    + TRAIN,
    "a saver was made before 1 variable": START
    + "saver = tf.train.Saver()\nb = tf.get_variable('b', [1])\nloss = tf.reduce_mean(tf.matmul(x, w) + b)\n"
    + TRAIN,
    "left open": START + "tf.Session().run(x, {x: feed})\n",
    "has no bound": START
    + "queue = tf.FIFOQueue(-1, tf.float32)\nwith tf.Session() as sess:\n    sess.run(queue.enqueue(1.0))\n",
    "6 combinations of shapes": START
    + "loss = tf.reduce_mean(tf.matmul(x, w))\n"
    + TRAIN.replace("range(4)", "range(6)").replace("{x: feed}", "{x: np.ones([_ + 1, 2], np.float32)}"),
}


def examined(tmp_path, source):
    script = tmp_path / "program.py"
    script.write_text(source)
    command = [sys.executable, "-m", "millrace", "doctor", str(script)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_program_without_faults(tmp_path):
    assert "nothing wrong was found" in examined(tmp_path, WELL)


@pytest.mark.parametrize("found", CASES)
def test_what_goes_wrong_is_found_with_line_and_remedy(tmp_path, found):
    text = examined(tmp_path, CASES[found])
    assert found in text
    assert "program.py:" in text
    assert "remedy: " in text
