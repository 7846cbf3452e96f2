"""Random programs give the same in each tier; see `fuzzed_programs`, which runs more of them by hand."""

import pytest

from millrace.runtime.plan import cost
from runtime import fuzzed_programs

FEW = 24


@pytest.mark.parametrize("start", range(0, FEW, 8))
def test_the_tiers_agree(start, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "auto")  # put back when the test has ended
    monkeypatch.setattr(cost, "promotion", fuzzed_programs.early_promotion())
    found = [fuzzed_programs.difference(number) for number in range(start, start + 8)]
    assert not any(found), [line for line in found if line]


@pytest.mark.slow
def test_the_tiers_agree_about_many(monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", "auto")
    monkeypatch.setattr(cost, "promotion", fuzzed_programs.early_promotion())
    found = [fuzzed_programs.difference(number) for number in range(1000, 1300)]
    assert not any(found), [line for line in found if line]
