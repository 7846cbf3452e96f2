"""Sparse tensors kept by number, so that queues, which hold dense tensors only, can pass the numbers on."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np

from millrace.core.dtypes import ALL
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.sparse.places import check_parts, invalid, parts, sparse_rank

_NAMES = {"container": text(""), "shared_name": text("")}


class _Kept:
    """Sparse tensors by number. A number is given once in a process, so one store serves all sessions."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._parts: dict[int, tuple[Any, Any, Any]] = {}
        self._lock = threading.Lock()

    def put(self, tensors: list[tuple[Any, Any, Any]]) -> list[int]:
        """The new numbers of some sparse tensors."""
        with self._lock:
            numbers = [next(self._numbers) for _ in tensors]
            self._parts.update(zip(numbers, tensors, strict=True))
        return numbers

    def take(self, numbers: list[int]) -> list[tuple[Any, Any, Any]]:
        """The sparse tensors of some numbers, which are then forgotten.

        Raises:
          InvalidArgumentError: a number is of no sparse tensor that is kept.
        """
        with self._lock:
            missing = [n for n in numbers if n not in self._parts]
            if missing:
                raise invalid(f"Unable to find SparseTensor in the map. Received: key {missing[0]}")
            return [self._parts.pop(n) for n in numbers]


_kept = _Kept()


@declare(
    "AddSparseToTensorsMap(sparse_indices: int64, sparse_values: T, sparse_shape: int64) -> "
    "sparse_handle: int64",
    T=ALL,
    host=True,
    effect=True,
    **_NAMES,
)
class AddSparseToTensorsMap:
    """Keeps a sparse tensor and gives its number."""

    def shape(sparse_indices, sparse_values, sparse_shape):
        sparse_rank(sparse_indices, sparse_values, sparse_shape, "sparse_")
        return ()

    def kernel(xp, sparse_indices, sparse_values, sparse_shape):
        check_parts(sparse_indices, sparse_values, sparse_shape, "sparse_")
        return np.int64(_kept.put([(sparse_indices, sparse_values, sparse_shape)])[0])

    grad = NOT_DIFFERENTIABLE


@declare(
    "AddManySparseToTensorsMap(sparse_indices: int64, sparse_values: T, sparse_shape: int64) -> "
    "sparse_handles: int64",
    T=ALL,
    host=True,
    effect=True,
    **_NAMES,
)
class AddManySparseToTensorsMap:
    """Keeps each row of a sparse tensor and gives their numbers."""

    def shape(sparse_indices, sparse_values, sparse_shape):
        sparse_rank(sparse_indices, sparse_values, sparse_shape, "sparse_")
        return (None,)

    def kernel(xp, sparse_indices, sparse_values, sparse_shape):
        check_parts(sparse_indices, sparse_values, sparse_shape, "sparse_")
        if sparse_shape.size < 2:
            raise invalid(f"Rank of input SparseTensor should be > 1. Received: {sparse_shape.size}")
        rows, of = int(sparse_shape[0]), sparse_indices[:, 0]
        if of.size and not ((of >= 0) & (of < rows)).all():
            raise invalid(f"a row is outside of the {rows} there are. Received: {of[:20].tolist()}")
        found = []
        for row in range(rows):
            own = of == row
            found.append((sparse_indices[own, 1:], sparse_values[own], sparse_shape[1:]))
        return np.array(_kept.put(found), np.int64)

    grad = NOT_DIFFERENTIABLE


@declare(
    "TakeManySparseFromTensorsMap(sparse_handles: int64) -> sparse_indices: int64, sparse_values: dtype, "
    "sparse_shape: int64",
    dtype=dtype_attr(),
    host=True,
    effect=True,
    **_NAMES,
)
class TakeManySparseFromTensorsMap:
    """The sparse tensors of some numbers, as the rows of one."""

    def shape(sparse_handles):
        with_rank(sparse_handles, 1, "sparse_handles")
        return parts(None, None)

    def kernel(xp, sparse_handles, dtype):
        if np.ndim(sparse_handles) != 1:
            raise invalid(f"sparse_handles must be a vector. Received: rank {np.ndim(sparse_handles)}")
        rows = _kept.take(sparse_handles.tolist())
        if not rows:
            raise invalid("there must be at least one sparse tensor. Received: 0")
        ranks = {shape.size for _, _, shape in rows}
        if len(ranks) > 1:
            raise invalid(f"all sparse tensors must have one rank. Received: ranks {sorted(ranks)}")
        if any(values.dtype != dtype.np_dtype for _, values, _ in rows):
            raise invalid(f"all sparse tensors must have dtype {dtype.name}. Received: others")
        places = [np.insert(indices, 0, row, axis=1) for row, (indices, _, _) in enumerate(rows)]
        longest = np.max([shape for _, _, shape in rows], axis=0)
        return [
            np.concatenate(places),
            np.concatenate([values for _, values, _ in rows]),
            np.concatenate([[len(rows)], longest]).astype(np.int64),
        ]

    grad = NOT_DIFFERENTIABLE
