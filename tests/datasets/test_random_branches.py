"""What random operations of a pipeline's functions draw where datasets are used more than once; TensorFlow's
numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import millrace as tf

D = tf.data.Dataset


def _drawn(count: int) -> Any:
    return D.range(count).map(lambda x: x * 100 + tf.random_uniform([], 0, 100, tf.int64, seed=7))


def _twice(data: Any) -> Any:
    return D.zip((data, data)).map(lambda a, b: tf.stack([a, b]))


BRANCHES: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "side by side": (lambda: _twice(_drawn(3)), [[39, 39], [155, 155], [201, 201]]),
    "in a thread": (
        lambda: (lambda d: D.zip((d, d.prefetch(1))))(_drawn(3)).map(lambda a, b: a - b), [0, 0, 0],
    ),
    "one after the other": (
        lambda: (lambda d: d.concatenate(d))(_drawn(3)), [39, 155, 201, 39, 155, 201],
    ),
    "repeated": (lambda: _drawn(3).repeat(2), [39, 155, 201, 60, 178, 263]),
    "repeated side by side": (
        lambda: _twice(_drawn(2).repeat(2)), [[39, 39], [155, 155], [1, 1], [160, 160]],
    ),
    "made by a function": (lambda: D.range(2).flat_map(lambda _: _drawn(3)), [39, 155, 201, 60, 178, 263]),
    "made by functions side by side": (
        lambda: _twice(D.range(2).flat_map(lambda _: _drawn(2))), [[39, 39], [155, 155], [1, 1], [160, 160]],
    ),
    "made in turns": (
        lambda: (lambda d: D.range(2).interleave(lambda _: d, 2))(_drawn(3)), [39, 55, 101, 160, 278, 263],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BRANCHES)
def test_each_branch_draws_for_itself(kind: str) -> None:
    make, wanted = BRANCHES[kind]
    iterator = make().make_initializable_iterator()
    element = iterator.get_next()
    with tf.Session() as sess:
        for _ in range(2):
            sess.run(iterator.initializer)
            assert [np.asarray(sess.run(element)).tolist() for _ in wanted] == wanted
            with pytest.raises(tf.errors.OutOfRangeError):
                sess.run(element)
