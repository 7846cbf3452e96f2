"""Lists of integers in records, short ones decoded by a loop and long ones by arrays."""

from __future__ import annotations

import numpy as np
import pytest

from millrace.opkit.records import wire

EDGES = [0, 1, 127, 128, 300, 1 << 31, (1 << 63) - 1, -1, -128, -(1 << 63)]


def _encoded(numbers: list[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        number &= (1 << 64) - 1
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)


@pytest.mark.parametrize("times", [0, 1, 2, 40])
def test_both_ways_give_the_numbers(times: int) -> None:
    numbers = EDGES * times
    found = wire.packed_values(_encoded(numbers), wire.INTS)
    assert found.dtype == np.int64 and found.tolist() == numbers
    for number in EDGES:
        assert wire.packed_values(_encoded([number]), wire.INTS).tolist() == [number]


@pytest.mark.parametrize("before", [0, 30])
def test_what_is_no_number_is_refused(before: int) -> None:
    whole = _encoded(EDGES * before)
    for wrong in (b"\xff" * 10 + b"\x01", b"\x80"):
        with pytest.raises(wire.MalformedRecord):
            wire.packed_values(whole + wrong, wire.INTS)
