"""Hands the rows of an `OpSuite` to its tests."""

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each row of the suite's `cases`."""
    if "case" in metafunc.fixturenames and metafunc.cls is not None and hasattr(metafunc.cls, "cases"):
        metafunc.parametrize("case", metafunc.cls.cases, ids=repr)
