"""Staging areas: tuples that one step leaves for another, in order or by key, bounded in number and bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.errors import refusal
from millrace.core.waiting import wait_until
from millrace.opkit.state.resource import Resource


class _Area(Resource):
    """What both kinds share: bounds, and the waits for room.

    Args:
      attrs: of an operation on it: `dtypes`, `capacity` and `memory_limit`, 0 for none.
    """

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self._capacity = attrs["capacity"]
        self._memory = attrs["memory_limit"]
        self._bytes = 0
        self._changed = threading.Condition()

    def size(self) -> int:
        """How many tuples there are."""
        raise AssertionError("each kind counts its own")

    def _wait_for_room(self, size: int) -> None:
        if self._memory and size > self._memory:
            raise errors.ResourceExhaustedError(
                None,
                None,
                f"Attempted to insert tensors with combined size of '{size}' bytes into Staging Area with a "
                f"memory limit of '{self._memory}'.",
            )
        wait_until(
            self._changed,
            lambda: (
                (not self._capacity or self.size() < self._capacity)
                and (not self._memory or self._bytes + size <= self._memory)
            ),
            f"put into staging area '{self.name}'",
        )

    def _took(self, values: Sequence[Any]) -> None:
        self._bytes -= _size_of(values)
        self._changed.notify_all()


def _size_of(values: Sequence[Any]) -> int:
    return sum(np.asarray(v).nbytes for v in values)


class Staging(_Area):
    """Tuples in order: the first in is the first out."""

    kind = "StagingArea"

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        super().__init__(attrs)
        self._items: deque[tuple[Any, ...]] = deque()

    def size(self) -> int:
        """How many tuples there are."""
        return len(self._items)

    def put(self, values: tuple[Any, ...]) -> None:
        """Adds a tuple, waiting for room."""
        size = _size_of(values)
        with self._changed:
            self._wait_for_room(size)
            self._items.append(values)
            self._bytes += size
            self._changed.notify_all()

    def get(self) -> tuple[Any, ...]:
        """Takes the first tuple, waiting for one."""
        with self._changed:
            wait_until(self._changed, lambda: bool(self._items), f"get from staging area '{self.name}'")
            values = self._items.popleft()
            self._took(values)
            return values

    def peek(self, index: int) -> tuple[Any, ...]:
        """The tuple numbered `index`, waiting for it; it stays."""
        with self._changed:
            wait_until(self._changed, lambda: len(self._items) > index, f"peek at staging area '{self.name}'")
            return self._items[index]

    def clear(self) -> None:
        """Throws all tuples away."""
        with self._changed:
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()


class MapStaging(_Area):
    """Tuples by key, an int64; their components may come in several steps.

    Args:
      attrs: as above.
      ordered: without a key, the smallest is taken first; else any.
    """

    kind = "MapStagingArea"

    def __init__(self, attrs: Mapping[str, Any], ordered: bool) -> None:
        super().__init__(attrs)
        self._count = len(attrs["dtypes"])
        self._ordered = ordered
        self._whole: dict[int, list[Any]] = {}
        self._part: dict[int, list[Any]] = {}

    def size(self) -> int:
        """How many tuples are complete."""
        return len(self._whole)

    def incomplete_size(self) -> int:
        """How many tuples lack components."""
        return len(self._part)

    def put(self, key: int, indices: Sequence[int], values: Sequence[Any]) -> None:
        """Adds components of the tuple `key`, waiting for room.

        Raises:
          InvalidArgumentError: an index is out of range, or the component is there already.
        """
        if len(indices) != len(values):
            raise _invalid(f"there must be an index for each value. Received: {len(indices)}, {len(values)}")
        if any(not 0 <= i < self._count for i in indices):
            raise _invalid(f"Index out of range [0, {self._count}). Received: {list(indices)}")
        size = _size_of(values)
        with self._changed:
            self._wait_for_room(size)
            found = self._part.get(key) or self._whole.get(key) or [None] * self._count
            for i in indices:
                if found[i] is not None:
                    raise _invalid(f"The tensor for index '{i}' for key '{key}' was already initialized.")
            for i, value in zip(indices, values, strict=True):
                found[i] = value
            self._bytes += size
            self._part.pop(key, None)
            (self._part if any(v is None for v in found) else self._whole)[key] = found
            self._changed.notify_all()

    def get(self, key: int, indices: Sequence[int]) -> list[Any]:
        """Takes components of the tuple `key`, waiting for it; it is gone when all are taken."""
        with self._changed:
            wait_until(self._changed, lambda: key in self._whole, f"get from staging area '{self.name}'")
            return self._picked(key, indices)

    def get_any(self, indices: Sequence[int]) -> tuple[int, list[Any]]:
        """The key of a complete tuple, and components of it, waited for."""
        with self._changed:
            wait_until(self._changed, lambda: bool(self._whole), f"get from staging area '{self.name}'")
            key = min(self._whole) if self._ordered else next(iter(self._whole))
            return key, self._picked(key, indices)

    def peek(self, key: int, indices: Sequence[int]) -> list[Any]:
        """Components of the tuple `key`, waiting for it; they stay."""
        with self._changed:
            wait_until(self._changed, lambda: key in self._whole, f"peek at staging area '{self.name}'")
            return self._chosen(key, indices)

    def clear(self) -> None:
        """Throws all tuples away."""
        with self._changed:
            self._whole.clear()
            self._part.clear()
            self._bytes = 0
            self._changed.notify_all()

    def _chosen(self, key: int, indices: Sequence[int]) -> list[Any]:
        found = self._whole[key]
        for i in indices:
            if not 0 <= i < self._count or found[i] is None:
                raise _invalid(f"Tensor at index '{i}' for key '{key}' has already been removed.")
        return [found[i] for i in indices]

    def _picked(self, key: int, indices: Sequence[int]) -> list[Any]:
        values = self._chosen(key, indices)
        found = self._whole[key]
        for i in indices:
            found[i] = None
        if all(v is None for v in found):
            del self._whole[key]
        self._took(values)
        return values


def _invalid(message: str) -> errors.InvalidArgumentError:
    return refusal(message)
