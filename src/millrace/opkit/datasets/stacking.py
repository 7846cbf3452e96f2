"""Putting elements together into batches."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.opkit.datasets.base import Dataset, Element, invalid
from millrace.opkit.sparse import packed
from millrace.opkit.text.pieces import array_of

_shape = attrgetter("shape")
_OBJECT, _ARRAYS, _BYTES = np.dtype(object), {np.ndarray}, {bytes}


def stack(rows: Sequence[Element], dataset: Dataset, first: int | None = None) -> Element:
    """The elements `rows`, at least one, as one element whose components have one more dimension in front.

    Args:
      rows: elements.
      dataset: what stacks them.
      first: the number of the first of them, where that is known.

    Raises:
      InvalidArgumentError: components of different shapes.
    """
    try:
        return tuple([_column(values, dataset) for values in zip(*rows, strict=True)])
    except _Unequal:
        raise _refusal(rows, dataset, first) from None


class _Unequal(Exception):
    """The arrays of a column have different shapes."""


def _column(values: Sequence[Any], dataset: Dataset) -> Any:
    first = values[0]
    kind = type(first)
    if kind is not np.ndarray:
        if isinstance(first, Dataset):
            raise errors.UnimplementedError(None, None, f"datasets cannot be batched\n  at {dataset.place}")
        if not isinstance(first, np.generic):
            return _objects(values)
        if set(map(type, values)) == {kind}:
            return np.array(values, first.dtype)
        values = [np.asarray(v) for v in values]
        first = values[0]
    elif first.dtype is _OBJECT and not first.ndim:
        return _objects(values)
    shape = first.shape
    if set(map(_shape, values)) != {shape}:
        raise _Unequal
    if shape:
        return np.concatenate(values, dtype=first.dtype).reshape(len(values), *shape)
    out = np.empty(len(values), first.dtype)
    for i, value in enumerate(values):
        out[i] = value[()]
    return out


def _boxed(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    box = np.empty((), object)
    box[()] = value
    return box


def _objects(values: Sequence[Any]) -> np.ndarray:
    """The vector of string scalars, each an array or its bytes, or of other objects."""
    kinds = set(map(type, values))
    if kinds != _BYTES:
        arrays = values if kinds == _ARRAYS else [_boxed(v) for v in values]
        if any(map(_shape, arrays)):
            raise _Unequal
        values = [*map(np.ndarray.item, arrays)]
    return np.fromiter(values, object, len(values))


def _refusal(rows: Sequence[Element], dataset: Dataset, first: int | None) -> Exception:
    """The error of the first row with another shape than row 0 has."""
    for component, values in enumerate(zip(*rows, strict=True)):
        shapes = list(map(np.shape, values))
        for i, shape in enumerate(shapes):
            if shape != shapes[0]:
                message = (
                    f"Cannot batch tensors with different shapes in component {component}. First element had "
                    f"shape {list(shapes[0])} and element {i} had shape {list(shape)}."
                )
                return invalid(dataset, message, None if first is None else first + i)
    raise AssertionError("rows of one shape")


class Padding:
    """How the components of a batch are padded.

    Args:
      shapes: for each component the shape to pad to; -1 where the longest decides.
      values: for each component what to pad with.
    """

    def __init__(self, shapes: Sequence[Any], values: Sequence[Any]) -> None:
        self.shapes = [tuple(int(d) for d in np.asarray(s).reshape(-1)) for s in shapes]
        self.values = [np.asarray(v).reshape(())[()] for v in values]

    def stack(self, rows: Sequence[Element], dataset: Dataset, first: int) -> Element:
        """The padded batch of the elements `rows`, the first of which is number `first`.

        Raises:
          InvalidArgumentError: an element has another rank than its padded shape, or is larger.
        """
        columns = zip(zip(*rows, strict=True), self.shapes, self.values, strict=True)
        return tuple(
            [
                _padded(values, shape, fill, dataset, k, first)
                for k, (values, shape, fill) in enumerate(columns)
            ]
        )


def _padded(
    values: Sequence[Any], wanted: tuple[int, ...], fill: Any, dataset: Dataset, k: int, first: int
) -> np.ndarray:
    arrays = [array_of(v) for v in values]
    for i, array in enumerate(arrays):
        if array.ndim != len(wanted):
            raise invalid(
                dataset,
                "All elements in a batch must have the same rank as the padded shape for component "
                f"{k}: expected rank {len(wanted)} but got element with rank {array.ndim}",
                first + i,
            )
        for size, most in zip(array.shape, wanted, strict=True):
            if 0 <= most < size:
                raise errors.DataLossError(
                    None,
                    None,
                    f"Attempted to pad to a smaller size than the input element: {list(array.shape)} to "
                    f"{list(wanted)}, component {k}\n  at element {first + i} of {dataset.place}",
                )
    shape = tuple(max(a.shape[i] for a in arrays) if size < 0 else size for i, size in enumerate(wanted))
    out = np.empty((len(arrays), *shape), arrays[0].dtype)
    if not shape:
        for i, array in enumerate(arrays):
            out[i] = array[()]
        return out
    out.fill(fill)
    for row, array in zip(out, arrays, strict=True):
        row[tuple([slice(0, n) for n in array.shape])] = array
    return out


def check_row(value: Any, row_shape: Sequence[int], dataset: Dataset, number: int) -> None:
    """Refuses a dense value, that of element `number`, which does not fit into a row.

    Raises:
      InvalidArgumentError: it has another rank.
      DataLossError: it is larger.
    """
    shape = np.shape(value)
    where = f"Received: {list(shape)} and {list(row_shape)}"
    if len(shape) != len(row_shape):
        raise invalid(
            dataset,
            "Dense to sparse batch elements must have the same rank as the specified row_shape. " + where,
            number,
        )
    if any(0 <= most < size for size, most in zip(shape, row_shape, strict=True)):
        message = "Dense to sparse batch elements must not be larger than the specified row_shape. "
        raise errors.DataLossError(None, None, f"{message}{where}\n  at element {number} of {dataset.place}")


def sparse_rows(values: Sequence[Any], row_shape: Sequence[int]) -> np.ndarray:
    """A batch of dense values as one sparse component, in the three parts of an element.

    Args:
      values: one array for each row of the batch.
      row_shape: the dense shape of a row; -1 where the longest decides.
    """
    arrays = [array_of(v) for v in values]
    dense = [max(a.shape[i] for a in arrays) if size < 0 else size for i, size in enumerate(row_shape)]
    indices = [
        np.concatenate(
            [
                np.full((a.size, 1), i, np.int64),
                np.indices(a.shape).reshape(a.ndim, a.size).T.astype(np.int64),
            ],
            1,
        )
        for i, a in enumerate(arrays)
    ]
    return packed.pack(
        np.concatenate(indices) if indices else np.zeros((0, 1 + len(dense)), np.int64),
        np.concatenate([a.reshape(-1) for a in arrays]),
        np.array([len(arrays), *dense], np.int64),
    )
