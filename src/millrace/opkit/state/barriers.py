"""Barriers: tuples whose components arrive one by one under a key, and are taken when all are there."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.errors import refusal
from millrace.core.waiting import limited, wait_until
from millrace.opkit.state.resource import Resource

_FIRST = -(2**63)  # of the indices that say in which order keys came
_NOTHING = object()


class Barrier(Resource):
    """Gathers the components of tuples by key.

    Args:
      attrs: of the operation that makes it: `component_types`, and `shapes` of the components.
    """

    kind = "Barrier"

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self.types = attrs["component_types"]
        if len(attrs["shapes"]) != len(self.types) and attrs["shapes"]:
            raise _invalid(f"there must be a shape for each component. Received: {attrs['shapes']}")
        if not attrs["shapes"] or any(s is None or None in s for s in attrs["shapes"]):
            raise _invalid("All of the component shapes must be specified")
        self.shapes = attrs["shapes"]
        self._changed = threading.Condition()
        self._closed = False
        self._cancelled = False
        self._calls = itertools.count(_FIRST)
        self._order = itertools.count()
        self._incomplete: dict[bytes, tuple[int, list[Any]]] = {}
        self._ready: list[tuple[int, int, bytes, list[Any]]] = []

    def ready_size(self) -> int:
        """How many tuples are complete."""
        return len(self._ready)

    def incomplete_size(self) -> int:
        """How many are not."""
        return len(self._incomplete)

    def close(self, cancel_pending: bool) -> None:
        """Refuses new keys; with `cancel_pending`, also more components of keys that there are."""
        with self._changed:
            self._closed = True
            if cancel_pending:
                self._cancelled = True
                self._incomplete.clear()
            self._changed.notify_all()

    def insert_many(self, keys: Sequence[bytes], values: Sequence[Any], component: int) -> None:
        """Gives each key a value for one component.

        Raises:
          InvalidArgumentError: there is no such component, or a key has a value for it already.
          CancelledError: the barrier is closed and a key is new.
        """
        if not 0 <= component < len(self.types):
            raise _invalid(
                f"The component ID is out of range {component} > num_components (= {len(self.types)})"
            )
        if len(keys) != len(values):
            raise _invalid(f"there must be a value for each key. Received: {len(keys)} and {len(values)}")
        with self._changed:
            if self._cancelled:
                raise errors.CancelledError(None, None, f"Barrier {self.name} is closed.")
            call = None
            for key, value in zip(keys, values, strict=True):
                found = self._incomplete.get(key)
                if found is None:
                    if self._closed:
                        shown = key.decode("utf-8", "backslashreplace")
                        message = f"is closed, but attempted to insert a brand new key: {shown}"
                        raise errors.CancelledError(None, None, f"Barrier {self.name} {message}")
                    call = next(self._calls) if call is None else call
                    found = self._incomplete[key] = call, [_NOTHING] * len(self.types)
                if found[1][component] is not _NOTHING:
                    shown = key.decode("utf-8", "backslashreplace")
                    raise _invalid(
                        f"Key {shown} already has a value for component {component} in barrier {self.name}"
                    )
                found[1][component] = value
                if not any(v is _NOTHING for v in found[1]):
                    del self._incomplete[key]
                    heapq.heappush(self._ready, (found[0], next(self._order), key, found[1]))
            self._changed.notify_all()

    def take_many(
        self, count: int, small: bool, incomplete: bool, timeout: int
    ) -> tuple[Any, Any, list[Any]]:
        """The indices, keys and values of `count` complete tuples, those first whose keys came first.

        Args:
          count: how many.
          small: where the barrier is closed, take as many as there are.
          incomplete: where it is closed, wait for the tuples that are not complete.
          timeout: milliseconds to wait at most; negative for any time.

        Raises:
          OutOfRangeError: the barrier is closed and has too few tuples.
        """
        if count < 0:
            raise _invalid(f"Requested {count} < 0 elements")

        def settled() -> bool:
            if len(self._ready) >= count:
                return True
            if not self._closed:
                return False
            if incomplete or not small:
                return len(self._ready) + len(self._incomplete) < count and not (small and self._incomplete)
            return True

        with self._changed:
            with limited(seconds=timeout / 1000 if timeout >= 0 else None):
                wait_until(self._changed, settled, "BarrierTakeMany operation")
            if len(self._ready) < count and not (small and self._ready):
                wanted = 0 if small else count
                raise errors.OutOfRangeError(
                    None,
                    None,
                    f"Barrier '{self.name}' is closed and has insufficient elements (requested {wanted}, "
                    f"total size {len(self._ready) + len(self._incomplete)})",
                )
            taken = [heapq.heappop(self._ready) for _ in range(min(count, len(self._ready)))]
        return self._stacked(taken)

    def _stacked(self, taken: list[tuple[int, int, bytes, list[Any]]]) -> tuple[Any, Any, list[Any]]:
        keys = np.empty(len(taken), object)
        keys[:] = [key for _, _, key, _ in taken]
        columns = []
        for i, (dtype, shape) in enumerate(zip(self.types, self.shapes, strict=True)):
            column = np.empty((len(taken), *shape), dtype.np_dtype)
            for row, (_, _, _, values) in enumerate(taken):
                if np.shape(values[i]) != shape:
                    raise _invalid(
                        f"component {i} must have shape {list(shape)}. Received: {list(np.shape(values[i]))}"
                    )
                column[row] = values[i]
            columns.append(column)
        return np.array([t[0] for t in taken], np.int64), keys, columns


def _invalid(message: str) -> errors.InvalidArgumentError:
    return refusal(message)
