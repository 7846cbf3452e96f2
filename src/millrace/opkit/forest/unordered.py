"""The order in which a hash set of the C++ library yields numbers: it decides which leaf splits first."""

from __future__ import annotations

from collections.abc import Iterable

# How many buckets the set has, one after the other as it grows.
_BUCKETS = (
    2,
    5,
    11,
    23,
    47,
    97,
    199,
    409,
    823,
    1741,
    3739,
    7517,
    15173,
    30727,
    62233,
    126271,
    256279,
    520241,
)


def in_set_order(numbers: Iterable[int]) -> list[int]:
    """Numbers that are not negative, put into an empty set one after the other, in the set's own order.

    A number goes to the front of its bucket, and a new bucket to the front of all; where there are as many
    numbers as buckets, all are put anew into more of them.
    """
    order: list[int] = []
    seen: set[int] = set()
    step = 0
    for number in numbers:
        if number in seen:
            continue
        if len(seen) == _BUCKETS[step]:
            step += 1
            order = _placed(order, _BUCKETS[step])
        seen.add(number)
        _place(order, number, _BUCKETS[step])
    return order


def _place(order: list[int], number: int, buckets: int) -> None:
    mine = number % buckets
    at = next((i for i, other in enumerate(order) if other % buckets == mine), 0)
    order.insert(at, number)


def _placed(numbers: list[int], buckets: int) -> list[int]:
    order: list[int] = []
    for number in numbers:
        _place(order, number, buckets)
    return order
