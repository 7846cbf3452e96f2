"""The string, record and set operations against results recorded from TensorFlow 1.15.

Each line of `string_ops.jsonl` is [op type, arguments, outputs, error class]. Strings are written as latin-1.
"""

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import millrace as tf
from millrace.building import raw
from millrace.graph.opdef import lookup

TABLE = pathlib.Path(__file__).parent / "string_ops.jsonl"
CASES = [json.loads(line) for line in TABLE.read_text().splitlines()]


def array(stored: dict[str, Any]) -> np.ndarray:
    if stored["dtype"] in ("string", "object"):
        out = np.empty(len(stored["data"]), object)
        out[:] = [text.encode("latin-1") for text in stored["data"]]
    elif stored["dtype"].startswith("complex"):
        out = np.array([complex(float(a), float(b)) for a, b in stored["data"]], stored["dtype"])
    elif stored["dtype"].startswith("float"):
        out = np.array([float(text) for text in stored["data"]], stored["dtype"])
    else:
        out = np.array(stored["data"], stored["dtype"])
    return out.reshape(stored["shape"])


def argument(value: Any) -> Any:
    if isinstance(value, dict):
        return array(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [array(item) for item in value]
    return value


def run(op_type: str, stored: dict[str, Any]) -> list[Any]:
    opdef = lookup(op_type)
    arguments = {name: argument(value) for name, value in stored.items()}
    inputs = [arguments.pop(arg.name) for arg in opdef.inputs]
    attrs = {
        name: value.encode() if isinstance(value, str) and opdef.attrs[name].kind == "string" else value
        for name, value in arguments.items()
    }
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        getattr(raw, op_type)(*inputs, **attrs)
        return sess.run(list(graph.get_operations()[-1].outputs))


@pytest.mark.parametrize("case", CASES, ids=[f"{i}_{case[0]}" for i, case in enumerate(CASES)])
def test_agrees_with_tensorflow(case):
    op_type, stored, want, *error = case
    if want is None:
        expected = {"ValueError": (ValueError, tf.errors.InvalidArgumentError), "TypeError": TypeError}
        with pytest.raises(expected.get(error[0]) or getattr(tf.errors, error[0])):
            run(op_type, stored)
        return
    got = run(op_type, stored)
    assert len(got) == len(want)
    for value, reference in zip(got, map(array, want), strict=True):
        value = np.asarray(value, object if isinstance(value, bytes) else None)
        assert value.dtype == reference.dtype
        assert value.shape == reference.shape
        np.testing.assert_array_equal(value, reference)
