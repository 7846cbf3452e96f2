"""What explanations of runs say."""

import numpy as np
import pytest

import millrace as tf
from millrace.cli import main


def test_what_is_left_out_and_why():
    x = tf.placeholder(tf.float32, [None, 4])
    y = tf.reshape(tf.identity(x) * 2, tf.stack([tf.shape(x)[0], 2, 2]))
    y = tf.exp(y) + tf.exp(y)
    told = tf.Session().explain(y, {x: np.ones((3, 4))})
    assert told.dropped["folded"]["Shape"] == 1
    assert told.dropped["passes its input on"]["Identity"] == 1
    assert told.dropped["merged"] == {"Exp": 1}
    assert "unused" not in told.dropped
    assert told.operations == told.steps + sum(c.total() for c in told.dropped.values())
    text = str(told)
    assert "merged: 1 (Exp)" in text
    assert "tier interpreter (one run is guessed at" in text


def test_host_steps_split_the_plan():
    x = tf.placeholder(tf.float32, [8])
    called = tf.py_func(lambda v: v, [x + 1], tf.float32, name="called")
    places = tf.where(called > 0, name="places")
    y = tf.exp(tf.reshape(called, [8])) * 2
    told = tf.Session().explain([places, y], {x: np.ones(8)})
    assert [row.kind for row in told.rows] == ["segment", "step", "step", "segment"] or [
        row.kind for row in told.rows
    ] == ["segment", "step", "segment", "step"]
    reasons = {row.what: row.why for row in told.rows}
    assert reasons["PyFunc 'called'"] == "runs in Python"
    assert reasons["Where 'places'"]
    assert "Exp" in str(told)


@pytest.mark.parametrize(
    ("size", "level", "tier", "why"),
    [
        (4, 0, "interpreter", "compiling does not pay"),
        (4, 1, "compiled", "asked for"),
        (2000, -1, "interpreter", "asked for"),
        (2000, 0, "interpreter", "it is compiled at run"),
    ],
)
def test_the_tier(size, level, tier, why):
    x = tf.placeholder(tf.float32, [size, size])
    y = tf.tanh(tf.exp(x)) + x
    config = tf.ConfigProto(
        graph_options=tf.GraphOptions(optimizer_options=tf.OptimizerOptions(global_jit_level=level))
    )
    told = tf.Session(config=config).explain(y, {x: np.ones((size, size))})
    assert told.tier == tier
    assert why in told.why
    assert told.bytes >= 4 * size * size
    if level == 0:
        assert (told.compile_at < float("inf")) == (size == 2000)


def test_flops_of_a_product():
    told = tf.Session().explain(
        tf.matmul(tf.placeholder(tf.float32, [3, 4]), tf.ones([4, 5]) * 2), {"Placeholder:0": np.ones((3, 4))}
    )
    assert told.flops == 2 * 3 * 4 * 5


def test_the_gradient_of_a_loop_has_an_estimate():
    """The weights' gradient is one product of the rows of all iterations, of which nobody knows how many."""
    x = tf.placeholder(tf.float32, [64, 256])
    w = tf.get_variable("w", [256, 256])
    last = tf.while_loop(lambda i, h: i < 30, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w))), [0, x])[1]
    step = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(last))
    told = tf.Session().explain(step, {x: np.ones((64, 256))})
    product = 2 * 64 * 256 * 256
    assert told.flops > 3 * 20 * product  # forward, the gradient of h, that of w
    assert told.compile_at < 100
    assert "it is compiled at run" in told.why


def test_the_command(tmp_path, capsys, monkeypatch):
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\n"
        "import tensorflow as tf\n"
        "x = tf.placeholder(tf.float32, [None], name='x')\n"
        "y = tf.multiply(x, float(sys.argv[1]), name='y')\n"
        "with tf.Session() as sess:\n"
        "    for i in range(3):\n"
        "        print('got', sess.run(y, {x: [1.0]}))\n"
    )
    monkeypatch.setattr("sys.argv", ["pytest"])
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    assert main(["explain", str(script), "3"]) == 0
    out = capsys.readouterr().out
    assert out.count("got [3.]") == 3
    assert "run of y:0: 3 times" in out
    assert "1 run" in out
    empty = tmp_path / "empty.py"
    empty.write_text("import tensorflow\n")
    assert main(["explain", str(empty)]) == 1
    assert "runs no session" in capsys.readouterr().err
