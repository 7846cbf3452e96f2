"""The document the project grew from: its 74 cells, run in order, give what is printed in it.

The comparison is exact but for object addresses, NumPy's float repr and random data. Where the printed
document has a race (cells 57 to 64), the values follow from the semantics in docs/design.md and are computed
here by hand.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import pathlib
import re
import sys
from typing import Any

import numpy as np
import pytest

CELLS = json.loads((pathlib.Path(__file__).parent / "cells.json").read_text())


class _Plot:
    """Stands for pyplot in the two cells that draw."""

    def plot(self, *args: Any) -> list[Any]:
        return []


@pytest.fixture(scope="module")
def notebook() -> dict[int, dict[str, Any]]:
    """Runs all cells; for each number the value of its last expression, what it printed, and its error."""
    tf = importlib.import_module("millrace")
    before = sys.modules.get("tensorflow")
    sys.modules["tensorflow"] = tf
    tf.reset_default_graph()
    names: dict[str, Any] = {"plt": _Plot()}
    np.random.seed(1)
    results: dict[int, dict[str, Any]] = {}
    try:
        for cell in CELLS:
            results[cell["n"]] = _run(cell["code"].replace("%matplotlib inline", ""), names)
    finally:
        if before is None:
            del sys.modules["tensorflow"]
        tf.reset_default_graph()
    return results


def _run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    code = code.replace("import matplotlib.pyplot as plt", "")
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    result: dict[str, Any] = {"value": None, "error": None}
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(tree, "cell", "exec"), names)
            if last is not None:
                result["value"] = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
                result["text"] = repr(result["value"])
        except Exception as error:
            result["error"] = error
    result["stdout"] = printed.getvalue()
    result["names"] = dict(names)
    return result


def _plain(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", re.sub(r"\s+", " ", text)).strip()


def _same_numbers(got: Any, printed: Any) -> None:
    """Equal structure, equal kinds, equal float32 numbers."""
    if isinstance(printed, dict):
        assert sorted(got) == sorted(printed)
        for key in printed:
            _same_numbers(got[key], printed[key])
    elif isinstance(printed, list | tuple):
        assert type(got) is type(printed) and len(got) == len(printed)
        for a, b in zip(got, printed, strict=True):
            _same_numbers(a, b)
    elif printed is None:
        assert got is None
    elif isinstance(printed, np.ndarray):
        assert got.dtype == printed.dtype and np.array_equal(got, printed)
    elif isinstance(printed, float):
        assert got.dtype == np.float32 and got == np.float32(printed)
    else:
        assert got == printed


@pytest.mark.parametrize(
    "cell", [c for c in CELLS if "out" in c and c["n"] != 65], ids=lambda c: f"cell{c['n']}"
)
def test_value(cell: dict[str, Any], notebook: dict[int, dict[str, Any]]) -> None:
    result = notebook[cell["n"]]
    assert result["error"] is None, result["error"]
    if "<t" in cell["out"]:
        assert _plain(result["text"]) == _plain(cell["out"])
    else:
        _same_numbers(result["value"], eval(cell["out"], {"array": np.array, "float32": np.float32}))


@pytest.mark.parametrize("cell", [c for c in CELLS if "error" in c], ids=lambda c: f"cell{c['n']}")
def test_error(cell: dict[str, Any], notebook: dict[int, dict[str, Any]]) -> None:
    error = notebook[cell["n"]]["error"]
    kind, _, message = cell["error"].partition(": ")
    assert type(error).__name__ == kind
    assert error.message == message


@pytest.mark.parametrize("cell", [c for c in CELLS if "error" not in c], ids=lambda c: f"cell{c['n']}")
def test_runs(cell: dict[str, Any], notebook: dict[int, dict[str, Any]]) -> None:
    assert notebook[cell["n"]]["error"] is None
    if "stdout" in cell:
        assert notebook[cell["n"]]["stdout"].strip() == cell["stdout"].strip()


@pytest.mark.parametrize("number", [57, 59])
def test_descent_by_hand(number: int, notebook: dict[int, dict[str, Any]]) -> None:
    """The loss is the one before the step; the variable and the assignment are what the step wrote."""
    x = np.float32(5.0)
    for _ in range(100):
        loss = x * x
        x = x - np.float32(2.0) * x * np.float32(0.1)
    fetched = notebook[number]["names"]["fetched"]
    assert fetched["loss"] == pytest.approx(loss, rel=1e-5)
    assert fetched["x"] == fetched["derivative"] == pytest.approx(x, rel=1e-5)
    assert len(notebook[number]["stdout"].splitlines()) == 11


def test_gradient_descent(notebook: dict[int, dict[str, Any]]) -> None:
    x = np.float32(5.0)
    for _ in range(100):
        loss = x * x
        x = x - np.float32(0.1) * (x + x)
    fetched = notebook[61]["names"]["fetched"]
    assert fetched["train_op"] is None
    assert fetched["loss"] == pytest.approx(loss, rel=1e-5)
    assert fetched["x"] == pytest.approx(x, rel=1e-5)


def test_adam(notebook: dict[int, dict[str, Any]]) -> None:
    """Adam (Kingma and Ba 2015), computed by hand in double precision."""
    x, m, v = 5.0, 0.0, 0.0
    for t in range(1, 101):
        loss, g = x * x, 2 * x
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x -= 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-8)
    fetched = notebook[64]["names"]["fetched"]
    assert fetched["loss"] == pytest.approx(loss, rel=1e-3)
    assert fetched["x"] == pytest.approx(x, rel=1e-3, abs=1e-4)


def test_linear_model(notebook: dict[int, dict[str, Any]]) -> None:
    """The trained line is close to the least-squares line of the same data."""
    names = notebook[74]["names"]
    slope, intercept = np.polyfit(names["train_X"], names["train_y"], 1)
    assert names["m_pred"] == pytest.approx(slope, abs=3.0)
    assert names["b_pred"] == pytest.approx(intercept, abs=10.0)
    assert len(notebook[74]["stdout"].splitlines()) == 11
