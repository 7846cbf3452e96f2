"""Small programs of `tf.contrib`, whose results, variables and errors are those of TensorFlow 1.15.5.

`programs/NAME.txt` holds programs under lines `### id`, after a few lines that begin each of them; a program
leaves its results in `r`. `programs/NAME.json` has what 1.15 gave: the results (arrays as [shape, dtype,
numbers]) and the names of the variables.
"""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import numpy as np
import pytest

import millrace as tf

_PLACE = pathlib.Path(__file__).with_name("programs")


def _programs() -> list[Any]:
    found = []
    for path in sorted(_PLACE.glob("*.txt")):
        start, *blocks = re.split(r"(?m)^### *", path.read_text())
        gold = json.loads(path.with_suffix(".json").read_text())
        for block in blocks:
            name, _, code = block.partition("\n")
            found.append(pytest.param(start + code, gold[name], id=f"{path.stem}-{name}"))
    return found


def error_of(f: Any) -> str:
    try:
        f()
    except Exception as error:
        return type(error).__name__
    return "no error"


def _data(*shape: int) -> np.ndarray:
    return ((np.arange(int(np.prod(shape))) * 7 % 11 - 5) * 0.2).reshape(shape).astype(np.float32)


def _plain(x: Any, session: tf.Session) -> Any:
    if isinstance(x, (tf.Tensor, tf.Variable, tf.SparseTensor)):
        return _plain(session.run(x), session)
    if isinstance(x, np.ndarray | np.generic):
        x = np.asarray(x)
        if x.dtype.kind in "OSU":
            return [str(v) for v in x.ravel().tolist()]
        return [list(x.shape), str(x.dtype), *x.ravel().tolist()]
    if isinstance(x, dict):
        return {str(k): _plain(v, session) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(v, session) for v in x]
    return x if isinstance(x, int | float | str | type(None)) else str(x)


def _near(x: Any, gold: Any) -> bool:
    if isinstance(gold, list):
        return isinstance(x, list) and len(x) == len(gold) and all(map(_near, x, gold))
    if isinstance(gold, dict):
        return isinstance(x, dict) and x.keys() == gold.keys() and all(_near(x[k], gold[k]) for k in gold)
    if isinstance(gold, float) and isinstance(x, float | int):
        return bool(np.isclose(x, gold, rtol=2e-4, atol=1e-5, equal_nan=True))
    return bool(x == gold)


@pytest.mark.parametrize(("program", "gold"), _programs())
def test_programs_do_as_in_1_15(program: str, gold: dict[str, Any]) -> None:
    tf.set_random_seed(7)
    with tf.Session() as session:

        def init() -> None:
            made = [tf.global_variables_initializer(), tf.local_variables_initializer()]
            session.run([*made, tf.tables_initializer()])

        known: dict[str, Any] = {"tf": tf, "np": np, "C": tf.contrib, "err": error_of, "data": _data}
        known.update(sess=session, init=init)
        exec(program, known)
        if not known.get("noinit"):
            init()
        found = _plain(known["r"], session)
    assert [v.name for v in [*tf.global_variables(), *tf.local_variables()]] == gold["variables"]
    for i, (x, y) in enumerate(zip(found, gold["r"], strict=True)):
        assert _near(x, y), f"result {i}: {x} in place of {y}"
