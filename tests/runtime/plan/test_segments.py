"""Cutting plans into compiled segments and host steps."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

pytestmark = pytest.mark.xla


def test_a_loop_that_calls_python_keeps_its_tensor_arrays_on_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MILLRACE_TIER", "compile")
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.placeholder(tf.float32, [3, 2])
        doubled = tf.map_fn(lambda v: tf.py_func(lambda a: a * 2, [v], tf.float32), x * 1.0)
        compiled = tf.map_fn(lambda v: v * 3.0, x * 1.0)
        found = sess.run([doubled, compiled], {x: np.ones((3, 2))})
    assert found[0].tolist() == [[2, 2]] * 3 and found[1].tolist() == [[3, 3]] * 3


def test_what_comes_after_distinct_rows_stays_in_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number is another one in each run; the model around them is compiled all the same."""
    ids = tf.placeholder(tf.int32, [20])
    table = tf.Variable(np.ones((50, 8), "f"))
    hidden = tf.tanh(tf.matmul(tf.nn.embedding_lookup(table, ids), tf.Variable(0.05 * np.ones((8, 8), "f"))))
    step = tf.train.AdamOptimizer(0.1).minimize(tf.reduce_mean(tf.square(hidden)))
    rows = [np.random.RandomState(seed).randint(0, 50, 20) for seed in range(6)]
    found = []
    for tier in ("interpret", "compile"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            for some in rows:
                sess.run(step, {ids: some})
            found.append(sess.run(table))
            told = str(sess.explain(step, {ids: rows[0]}))
    np.testing.assert_allclose(*found, rtol=1e-5)
    assert "Unique" in told and "the size of what it takes depends on values" in told
    assert "segment" in told and "MatMul" in told[told.index("segment") :].splitlines()[0]


def test_a_model_with_distinct_rows_is_promoted() -> None:
    ids = tf.placeholder(tf.int32, [512])
    table = tf.Variable(np.ones((50, 256), "f"))
    hidden = tf.nn.embedding_lookup(table, ids)
    for _ in range(4):
        hidden = tf.tanh(tf.matmul(hidden, tf.Variable(np.ones((256, 256), "f"))))
    step = tf.train.AdamOptimizer(0.1).minimize(tf.reduce_mean(hidden))
    with tf.Session() as sess:
        assert "it is compiled at run" in str(sess.explain(step, {ids: np.zeros(512, np.int32)}))


def test_a_program_for_too_many_shapes_goes_back_to_the_interpreter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MILLRACE_TIER", "compile")
    n = tf.placeholder(tf.int32, [])
    rows = tf.py_func(lambda n: np.ones((n, 3), "f"), [n], tf.float32)
    rows.set_shape([None, 3])
    doubled = tf.matmul(rows, 2 * np.eye(3, dtype="f")) + 1.0
    with tf.Session() as sess, caplog.at_level("INFO", "millrace"):
        for size in range(1, 25):
            assert sess.run(doubled, {n: size}).tolist() == [[3, 3, 3]] * size
    told = [r.getMessage() for r in caplog.records if "stays in the interpreter" in r.getMessage()]
    assert len(told) == 1 and "16 shapes already" in told[0] and "by padding" in told[0]
