"""A step that fails at some of its lines; `tools/failures.py` lets it fail at each."""

import importlib.util
import pathlib

import pytest

import millrace as tf

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "failures.py"
spec = importlib.util.spec_from_file_location("failures", SOURCE)
failures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(failures)


@pytest.mark.parametrize("error", failures.ERRORS)
@pytest.mark.parametrize(
    ("kind", "tier", "most"),
    [
        ("small", "interpret", 100),
        ("many", "interpret", 20),
        ("cut", "interpret", 60),
        ("rows", "interpret", 100),
        pytest.param("small", "compile", 100, marks=pytest.mark.xla),
        pytest.param("cut", "compile", 60, marks=pytest.mark.xla),
    ],
)
def test_a_failure_at_a_line(kind, tier, most, error, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    tried, torn = failures.fail(tf, kind, error, most)
    assert tried >= min(most, 20)
    assert not torn
