"""Rows added by compiled code have NumPy's bits, and what it does not take goes to NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from millrace.core.errors import OpError
from millrace.dialect import numpy_dialect
from millrace.dialect.numpy import rows as numpy_rows

pytestmark = pytest.mark.xla


@pytest.fixture
def calls() -> Iterator[list[int]]:
    """How many updates each call of the compiled code adds."""
    from millrace.runtime.xla import native as xla_native

    if not xla_native.ready():
        pytest.skip("no C compiler, or the default device is not a CPU")
    adders = list(numpy_rows._adders)
    found: list[int] = []

    def noted(*args: int) -> int:
        found.append(args[5])
        return adders[0](*args)

    numpy_rows.add_with(noted)
    yield found
    numpy_rows._adders[:] = adders


def numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return (np.random.RandomState(sum(shape)).randn(*shape) * 10).astype(dtype)


@pytest.mark.parametrize("how", ["add", "sub"])
@pytest.mark.parametrize("indices", [np.int32, np.int64])
@pytest.mark.parametrize(
    ("shape", "count", "high"),
    [((50, 64), 40, 50), ((50, 64), 90, 7), ((9, 3, 5), 60, 9), ((3000,), 2000, 3000), ((1, 600), 5, 1)],
)
def test_scattered_rows(calls: list[int], shape: Any, count: int, high: int, indices: Any, how: str) -> None:
    table, updates = numbers(*shape), numbers(count, *shape[1:])
    table[0], updates[0] = -0.0, np.nan
    places = np.random.RandomState(0).randint(0, high, count).astype(indices)
    before = table.copy()
    found = numpy_dialect().scatter_rows(table, places, updates, how)
    assert calls == [count]
    wanted = table.copy()
    {"add": np.add, "sub": np.subtract}[how].at(wanted, places, updates)
    np.testing.assert_array_equal(found.view(np.int32), wanted.view(np.int32))
    np.testing.assert_array_equal(table.view(np.int32), before.view(np.int32))


def test_sums_of_segments(calls: list[int]) -> None:
    rows, ids = numbers(700, 8), np.random.RandomState(1).randint(-1, 30, 700)
    found = numpy_dialect().segment_reduce("sum", rows, ids, 33, 0)
    assert calls == [np.count_nonzero(ids >= 0)]
    wanted = np.zeros((33, 8), np.float32)
    np.add.at(wanted, ids[ids >= 0], rows[ids >= 0])
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.float16])
def test_other_numbers_and_scalars_go_to_numpy(calls: list[int], dtype: Any) -> None:
    table, places = numbers(20, 64, dtype=dtype), np.arange(20)
    updates = numbers(20, 64, dtype=dtype)
    np.testing.assert_array_equal(
        numpy_dialect().scatter_rows(table, places, updates, "add"), table + updates
    )
    assert not calls


def test_updates_of_another_layout(calls: list[int]) -> None:
    table, updates = numbers(20, 64), numbers(64, 20).T
    found = numpy_dialect().scatter_rows(table, np.arange(20)[::-1], updates, "add")
    np.testing.assert_array_equal(found, table + updates[::-1])
    same = numpy_dialect().scatter_rows(table, np.array([[3, 4], [3, 5]]), np.float32(2), "sub")
    np.testing.assert_array_equal(same[3:6], table[3:6] - np.float32([[4], [2], [2]]))
    assert len(calls) == 1


def test_a_row_outside_changes_nothing(calls: list[int]) -> None:
    table = numbers(20, 64)
    before = table.copy()
    assert not numpy_rows.added(table, np.arange(1, 21), numbers(20, 64))
    with pytest.raises(OpError, match=r"indices\[19\] = 20 is not in \[0, 20\)"):
        numpy_dialect().scatter_rows(table, np.arange(1, 21), numbers(20, 64), "add")
    np.testing.assert_array_equal(table, before)
    assert calls == [20]
