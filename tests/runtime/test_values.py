"""Copies of the caller's own."""

from __future__ import annotations

import numpy as np

from millrace.runtime import values


def test_copies_for_the_caller() -> None:
    array, scalar = np.array([1.0, 2.0]), np.array(3.0)
    for copy in (values.private, values.fetched):
        kept = copy(array)
        assert kept is not array and kept.tolist() == [1, 2]
        assert isinstance(copy(scalar), np.float64)
    assert isinstance(values.scalar(scalar), np.float64) and values.scalar(array) is array
    text = np.array(b"x", object)
    assert values.scalar(text) == b"x" and values.private("other") == "other"
    assert values.scalar("other") == "other" and values.host(array) is array
