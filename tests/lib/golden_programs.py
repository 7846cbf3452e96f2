"""Short programs with the results that TensorFlow 1.15 gave for them.

Each line of `<name>_golden.jsonl` is {"id", "code", and "values" or "error"}; the first line's "setup" is run
before each program. A program sees `tf` and `np` and assigns `out`, or defines `run(sess)`; values are
[dtype, list].
"""

import builtins
import json
import pathlib
from typing import Any

import numpy as np
import pytest

import millrace as tf


def programs(name: str) -> list[Any]:
    """The programs of one file, as parameters of a test."""
    lines = (pathlib.Path(__file__).parent / f"{name}_golden.jsonl").read_text().splitlines()
    setup = json.loads(lines[0])["setup"]
    found = [json.loads(line) for line in lines[1:]]
    return [pytest.param({**program, "setup": setup}, id=program["id"]) for program in found]


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return _flat(list(value.values()))
    if isinstance(value, tf.SparseTensor):
        return [value.indices, value.values, value.dense_shape]
    if isinstance(value, tf.IndexedSlices):
        return [t for t in (value.values, value.indices, value.dense_shape) if t is not None]
    if isinstance(value, list | tuple):
        return [item for part in value for item in _flat(part)]
    return [value]


def _executed(program: dict[str, Any]) -> list[Any]:
    space: dict[str, Any] = {"tf": tf, "np": np}
    with tf.Graph().as_default():
        exec(program["setup"], space)
        exec(program["code"], space)
        fetches = [x for x in _flat(space.get("out", [])) if isinstance(x, tf.Tensor)]
        with tf.Session() as session:
            if "run" not in space:
                return session.run(fetches, space.get("feed"))
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
            return space["run"](session)


def check(program: dict[str, Any]) -> None:
    """Runs one program and compares its values, or the class of its error."""
    if "error" in program:
        kind = program["error"]
        with pytest.raises(getattr(builtins, kind, None) or getattr(tf.errors, kind)):
            _executed(program)
        return
    values = _executed(program)
    assert len(values) == len(program["values"])
    for got, (dtype, want) in zip(values, program["values"], strict=True):
        if dtype == "object":
            assert [x.decode() for x in np.ravel(got).tolist()] == want
            continue
        got = np.asarray(got)
        assert got.dtype == dtype
        wanted = np.array(want, dtype)
        if got.dtype.kind in "fc":
            np.testing.assert_allclose(got, wanted.reshape(got.shape), rtol=2e-5, atol=2e-6)
        else:
            np.testing.assert_array_equal(got, wanted.reshape(got.shape))
