"""How draws between bounds are divided into runs."""

from __future__ import annotations

import numpy as np
import pytest

from millrace.opkit.random import bounded
from millrace.opkit.random.bounded import Layout


@pytest.mark.parametrize(("total", "runs"), [(0, 0), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3)])
def test_one_distribution_is_cut_into_hundreds(total: int, runs: int) -> None:
    assert bounded.layout((total,), (1, 1, 1, 1)) == Layout(runs, 100, total)
    assert Layout(runs, 100, total).reserved == runs * 2 * 1000 * 103 // 4


def test_a_run_for_each_row_where_parameters_differ() -> None:
    assert bounded.layout((3, 200), (3, 1, 1, 1)) == Layout(3, 200, 600)
    assert bounded.layout((0, 200), (3, 1, 1, 1)) == Layout(0, 0, 0)


def test_what_is_drawn_lies_between_the_bounds_and_begins_alike() -> None:
    state = np.arange(6, dtype=np.uint32)
    parameters = [np.array([p], np.float32) for p in (1.0, 2.0, -0.5, 2.5)]
    long = bounded.bounded_normal(state, (300,), *parameters)
    assert long.min() >= -0.5 and long.max() <= 2.5
    for count in (100, 200):
        assert (bounded.bounded_normal(state, (count,), *parameters) == long[:count]).all()
