"""Stacks and tensor arrays of a compiled program, when the next part of the plan is interpreted."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf

pytestmark = pytest.mark.xla


def test_a_gradient_is_interpreted_whose_loop_was_compiled(monkeypatch) -> None:
    x, n = tf.placeholder(tf.float32, [3, 2]), tf.placeholder(tf.int32, [])
    folded = tf.foldl(lambda a, row: tf.tanh(a - row), x)
    rounds = n + tf.size(tf.where(folded > 0.0)[:, 0])  # known by the host alone, between the two
    y = tf.while_loop(lambda i, a: i < rounds, lambda i, a: (i + 1, tf.tanh(a) * 0.5 + folded), [0, folded])[
        1
    ]
    slopes = tf.gradients(tf.reduce_sum(y), x)
    fed = {x: np.arange(6.0).reshape(3, 2) / 7.0, n: 2}
    found = []
    for tier in ("interpret", "compile"):
        monkeypatch.setenv("MILLRACE_TIER", tier)
        with tf.Session() as sess:
            found.append(sess.run(slopes, fed)[0])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-7)
    assert np.abs(found[0]).max() > 1e-3
