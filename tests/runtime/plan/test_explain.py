"""What explanations of runs say."""

import numpy as np
import pytest

import millrace as tf
from millrace.cli import main
from millrace.runtime.plan.explain import _amount, _seconds, explain


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


def test_every_reason_for_a_tier():
    x = tf.placeholder(tf.float32, [None, None], name="x")
    called = tf.py_func(lambda v: v, [x], tf.float32)
    called.set_shape([2, 2])
    y = tf.exp(x)
    sess = tf.Session()
    ones = np.ones((2, 2))
    assert sess.explain(called, {x: ones}).why == "nothing in it can be compiled"
    assert sess.explain(tf.exp(tf.boolean_mask(x, x > 0)), {x: ones}).tier == "interpreter"
    small = sess.explain(y, {x: ones})
    assert small.tier == "interpreter" and small.compile_at == float("inf")
    assert small.why == "one run is guessed at 1.21 us interpreted, 64 us compiled: compiling does not pay"
    large = sess.explain(y, {x: np.ones((3000, 1000))})
    assert (
        large.why.startswith("one run is guessed at 5.1 ms interpreted, 947 us compiled, 304 ms")
        and "to compile: it" in large.why
    )
    assert large.tier == "interpreter" and 1 < large.compile_at < 100
    assert large.why.endswith(f"it is compiled at run {int(large.compile_at)}")


def test_rows_say_what_they_cost():
    x = tf.placeholder(tf.float32, [1000, 3000], name="x")
    unknown = tf.placeholder(tf.float32, [None], name="unknown")
    y = tf.exp(tf.negative(tf.exp(x)))
    called = tf.py_func(lambda v: v, [unknown], tf.float32, name="called")
    told = explain([y, called], [x, unknown], None, "auto")
    lines = str(told).splitlines()
    assert lines[0].startswith("4 operations are needed, 4 run: tier interpreter (no feeds are given")
    assert sorted(line.split(". ", 1)[1] for line in lines[1:]) == [
        "segment Exp x2, Neg: 48 M flops, 72 M bytes", "step PyFunc 'called': cost unknown; runs in Python",
    ]  # fmt: skip
    assert [line[:4] for line in lines[1:]] == ["  1.", "  2."] and repr(told) == str(told)
    assert (told.steps, told.operations, told.flops, told.bytes) == (4, 4, 48e6, 72e6)
    assert all(row.known == (row.kind == "segment") for row in told.rows)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1 k"),
        (1234, "1.23 k"),
        (2.5e6, "2.5 M"),
        (1e9, "1 G"),
        (3e12, "3 T"),
        (1e6, "1 M"),
        (999_999, "1e+03 k"),
    ],
)
def test_amounts(value, text):
    assert _amount(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2 s"), (1.0, "1 s"), (0.25, "250 ms"), (1e-3, "1 ms"), (2.5e-5, "25 us")]
)
def test_seconds(value, text):
    assert _seconds(value) == text


def test_tables():
    from rich.console import Console

    x = tf.placeholder(tf.float32, [2], name="x")
    told = explain([tf.exp(tf.identity(x)), tf.py_func(lambda v: v, [x], tf.float32)], [x], [(2,)], "auto")
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(told)
    text = console.export_text()
    assert "3 operations are needed, 2 run" in text and "tier: interpreter" in text
    assert "left out" in text and "passes its input on" in text and "runs in Python" in text
    assert "segment" in text and "16" in text and "?" in text
    rows = [line.split("│")[1:3] for line in text.splitlines() if "segment" in line or "step" in line]
    assert [cell.strip() for cell in rows[0]][:1] == ["1"] and [cell.strip() for cell in rows[1]][:1] == ["2"]


def test_a_run_after_others():
    x = tf.placeholder(tf.float32, [3000, 1000])
    y = tf.exp(x)
    first = explain([y], [x], [(3000, 1000)], "auto")
    index = int(first.compile_at)
    assert explain([y], [x], None, "auto", index - 1).why.startswith("no feeds are given")
    assert explain([y], [x], [(3000, 1000)], "auto", index - 1).tier == "interpreter"
    assert explain([y], [x], [(3000, 1000)], "auto", index).tier == "compiled"
    assert explain([tf.exp(tf.zeros([2000, 2000]))], [], None, "auto").why.startswith("one run is guessed at")
