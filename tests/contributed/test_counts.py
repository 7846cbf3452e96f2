"""How many operations functions add, which decides the default seeds of all that follows.

`counts.json`: an expression and the operations that it counts, from TensorFlow 1.15.5.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

import millrace as tf

_CASES = json.loads(pathlib.Path(__file__).with_name("counts.json").read_text())


def _fed(*dims: int | None, t: Any = tf.float32) -> tf.Tensor:
    return tf.placeholder(t, dims)


@pytest.mark.parametrize(("expression", "counted"), _CASES, ids=[case[0] for case in _CASES])
def test_functions_add_as_many_operations_as_in_1_15(expression: str, counted: int) -> None:
    tf.set_random_seed(7)
    fed = {
        "img": _fed(None, 8, 8, 3),
        "x": _fed(None, 5),
        "y": _fed(None, 5),
        "seq": _fed(None, 6, 4),
        "iseq": _fed(None, 6, t=tf.int32),
        "idx": _fed(None, t=tf.int32),
        "n": _fed(None, t=tf.int32),
        "m": _fed(4, 4),
        "st": _fed(None, t=tf.string),
    }
    before = tf.get_seed(None)[1]
    eval(expression, {"tf": tf, "ph": _fed, **fed})
    assert tf.get_seed(None)[1] - before == counted
