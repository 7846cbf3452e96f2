"""Which changes the tool for mutants makes, and by which tests it judges them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("cosmic_ray")
TOOL = Path(__file__).resolve().parents[2] / "tools" / "mutate.py"

TEXT = """\
from __future__ import annotations
from typing import TYPE_CHECKING, cast, overload

if TYPE_CHECKING:
    A = 1 | 2

@public("name", "other")
class B:
    @property
    def c(self, x: int | None = 3) -> int | None:
        return cast("int | str", x) + 1

for a, b in zip([4], [5], strict=True):
    print(a == b)
"""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutate", TOOL)
    assert spec is not None and spec.loader is not None
    sys.modules["mutate"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_behaviour_is_changed(tool: ModuleType) -> None:
    found = {(m.line, m.operator.removeprefix("core/").split("_")[0]) for m in tool.mutants(TEXT)}
    assert found == {
        (9, "RemoveDecorator"), (10, "NumberReplacer"), (11, "ReplaceBinaryOperator"), (11, "NumberReplacer"),
        (13, "ZeroIterationForLoop"), (13, "NumberReplacer"), (14, "ReplaceComparisonOperator"),
    }  # fmt: skip
    mutant = next(m for m in tool.mutants(TEXT) if m.operator == "core/ReplaceBinaryOperator_Add_Sub")
    assert "x) - 1" in tool.changed(TEXT, mutant) and mutant.line == 11


def test_the_tests_of_a_line(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    own, near, slow, other = (
        "tests/graph/test_keys.py::a",
        "t::near",
        "tests/graph/test_keys.py::slow",
        "t::other",
    )
    seconds = {own: 2.0, near: 1.0, slow: 9.0, other: 4.0}
    reached = {"graph/keys.py": {"1": [], "2": [slow, other, near, own], "4": [other]}}
    judge = tool.Judge("graph/keys.py", tool.Reference(seconds, reached, []), budget=3.5)
    assert judge.tests(2) == [near, own, slow]  # all of the file's own, of the others those that fit
    assert judge.tests(4) == [other] and judge.tests(3) == []
    assert judge.tests(1) == [near, own, slow]  # a line of the import: whatever reaches the file
    monkeypatch.setattr(judge, "text", "a = (\n1 +\n2)\nif a:\n    b = 3\n")
    assert [judge._statement(line) for line in (1, 2, 3, 4)] == [1, 2, 1, 4]
