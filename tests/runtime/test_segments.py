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
