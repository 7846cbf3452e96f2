"""Accumulators: gradients of several workers, added up until there are enough of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from millrace.core import dtypes, errors
from millrace.core.errors import refusal
from millrace.core.waiting import wait_until
from millrace.opkit.state.resource import Resource

_ADDED = (dtypes.float16, dtypes.float32, dtypes.float64)


class Accumulator(Resource):
    """Adds dense gradients up.

    Args:
      attrs: of the operation that makes it: `dtype`, `shape` of a gradient, `reduction_type` "MEAN" or "SUM".

    Raises:
      InvalidArgumentError: its dtype is not float16, float32 or float64.
    """

    kind = "ConditionalAccumulator"

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self.dtype = attrs["dtype"]
        if self.dtype not in _ADDED:
            raise _invalid(f"{self.kind} has no kernel for {self.dtype.name}: gradients are floats")
        self._shape = attrs["shape"]
        self._mean = attrs["reduction_type"] == "MEAN"
        self._changed = threading.Condition()
        self._step = 0
        self._count = 0
        self._sum: Any = None

    @property
    def count(self) -> int:
        """How many gradients have been added since the last were taken."""
        return self._count

    def set_step(self, step: int) -> None:
        """Sets the step; gradients of earlier ones are dropped from now on."""
        with self._changed:
            self._step = step

    def apply(self, step: int, gradient: Any) -> None:
        """Adds a gradient, or drops it where its `step` is past.

        Raises:
          InvalidArgumentError: its shape does not fit.
        """
        with self._changed:
            if step < self._step:
                return
            self._check(gradient)
            self._sum = self._first(gradient) if not self._count else self._added(gradient)
            self._count += 1
            self._changed.notify_all()

    def take(self, required: int) -> Any:
        """The mean or sum of the gradients, as soon as there are `required` of them; the step moves on.

        Raises:
          InvalidArgumentError: `required` is not positive.
        """
        if required <= 0:
            raise _invalid(f"Argument num_required must be positive, but was {required}")
        with self._changed:
            wait_until(self._changed, lambda: self._count >= required, "TakeGrad operation")
            taken = self._result()
            self._sum, self._count = None, 0
            self._step += 1
            return taken

    # --- what the sparse form changes -----------------------------------------------------------------------

    def _check(self, gradient: Any) -> None:
        wanted = self._shape if not self._count else np.shape(self._sum)
        found = np.shape(gradient)
        if wanted is not None and (
            len(wanted) != len(found) or any(w not in (None, f) for w, f in zip(wanted, found, strict=True))
        ):
            shown = ",".join("?" if d is None else str(d) for d in wanted)
            raise _invalid(f"Shape mismatch: expected [{shown}], got [{','.join(map(str, found))}]")

    def _first(self, gradient: Any) -> Any:
        return np.array(gradient)

    def _added(self, gradient: Any) -> Any:
        return self._sum + gradient

    def _result(self) -> Any:
        return self._sum / self._sum.dtype.type(self._count) if self._mean else self._sum


class SparseAccumulator(Accumulator):
    """Adds the slices of sparse gradients up, each row by itself.

    A gradient is (indices, values, shape). Two of them are merged as sorted lists are; rows that are out of
    order stay apart.
    """

    kind = "SparseConditionalAccumulator"

    def _check(self, gradient: Any) -> None:
        indices, values, shape = gradient
        if np.ndim(indices) != 1:
            raise _invalid(f"Input indices should be vector but received shape: {_shown(indices)}")
        if np.ndim(values) < 1:
            raise _invalid("Values cannot be 0-dimensional.")
        if len(values) != len(indices):
            raise _invalid(f"Expected {len(indices)} non-empty input values, got {len(values)}")
        wanted = self._shape
        if wanted is None:
            return
        if np.ndim(values) < len(wanted):
            raise _invalid(
                f"Shape mismatch: expected shape rank at least {len(wanted)}, got {np.ndim(values)}"
            )
        if shape is not None and len(shape) == len(wanted):
            for i, (want, found) in enumerate(zip(wanted, shape, strict=True)):
                if want not in (None, int(found)):
                    raise _invalid(f"Shape mismatch: expected shape dim {i} to be {want}, got {found}")
        for i, want in enumerate(wanted[1:], 1):
            if want not in (None, values.shape[i]):
                raise _invalid(f"Shape mismatch: expected shape dim {i} to be {want}, got {values.shape[i]}")
        if wanted and wanted[0] is not None and len(indices) and indices.max() >= wanted[0]:
            at = int(np.argmax(indices >= wanted[0]))
            raise _invalid(
                f"Shape mismatch: index of slice {at} exceeded limits of shape; index is {indices[at]} "
                f"exceeded {wanted[0]}"
            )

    def _first(self, gradient: Any) -> Any:
        indices, values, _ = gradient
        return np.array(indices), np.array(values), np.ones(len(indices), np.int64)

    def _added(self, gradient: Any) -> Any:
        old, old_values, old_counts = self._sum
        new, new_values, _ = gradient
        places: list[tuple[int, int]] = []  # in the old and the new, or -1
        i = j = 0
        while i < len(old) and j < len(new):
            if old[i] == new[j]:
                places.append((i, j))
                i, j = i + 1, j + 1
            elif old[i] < new[j]:
                places.append((i, -1))
                i += 1
            else:
                places.append((-1, j))
                j += 1
        places += [(k, -1) for k in range(i, len(old))] + [(-1, k) for k in range(j, len(new))]
        left, right = np.array(places, np.int64).reshape(-1, 2).T
        values = np.zeros((len(places), *old_values.shape[1:]), old_values.dtype)
        counts = np.zeros(len(places), np.int64)
        indices = np.empty(len(places), np.int64)
        indices[right >= 0], indices[left >= 0] = new[right[right >= 0]], old[left[left >= 0]]
        values[left >= 0] += old_values[left[left >= 0]]
        values[right >= 0] += new_values[right[right >= 0]]
        counts[left >= 0] += old_counts[left[left >= 0]]
        counts[right >= 0] += 1
        return indices, values, counts

    def _result(self) -> Any:
        indices, values, counts = self._sum
        if self._mean:
            values = values / counts.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
        rows = self._shape[0] if self._shape else None
        return indices, values, np.array([-1 if rows is None else rows, *values.shape[1:]], np.int64)


def _shown(value: Any) -> str:
    return f"[{','.join(map(str, np.shape(value)))}]"


def _invalid(message: str) -> errors.InvalidArgumentError:
    return refusal(message)
