"""`RaggedTensorValue`: what fetching a ragged tensor gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from millrace.core.public import public


@public("ragged.RaggedTensorValue")
class RaggedTensorValue:
    """What fetching a `RaggedTensor` gives, and what feeds one: arrays.

    Args:
      values: `[n, ...]`, an array or a RaggedTensorValue.
      row_splits: `[rows + 1]` int32 or int64: row `i` is `values[row_splits[i]:row_splits[i + 1]]`.

    Raises:
      TypeError: `row_splits` is not an array of integers, or `values` is neither of the two.
      ValueError: `row_splits` is not a vector.
    """

    def __init__(self, values: Any, row_splits: Any) -> None:
        if not (isinstance(row_splits, np.ndarray | np.generic) and row_splits.dtype in (np.int64, np.int32)):
            raise TypeError(
                f"row_splits must be a numpy array with dtype int32 or int64. Received: {row_splits!r}"
            )
        if len(row_splits.shape) != 1:
            raise ValueError(f"row_splits must be a 1D numpy array. Received: shape {row_splits.shape}")
        if not isinstance(values, np.ndarray | np.generic | RaggedTensorValue):
            raise TypeError(f"values must be a numpy array or a RaggedTensorValue. Received: {values!r}")
        if isinstance(values, RaggedTensorValue) and row_splits.dtype != values.row_splits.dtype:
            raise ValueError("row_splits and values.row_splits must have the same dtype")
        self._values = values
        self._row_splits = row_splits

    @property
    def row_splits(self) -> Any:
        """Where the rows begin and end."""
        return self._row_splits

    @property
    def values(self) -> Any:
        """The rows, one behind the other."""
        return self._values

    @property
    def dtype(self) -> Any:
        """The NumPy dtype of the flat values."""
        return self._values.dtype

    @property
    def flat_values(self) -> Any:
        """The innermost values, an array."""
        values = self.values
        while isinstance(values, RaggedTensorValue):
            values = values.values
        return values

    @property
    def nested_row_splits(self) -> tuple[Any, ...]:
        """The splits of all ragged dimensions, the outermost first."""
        found, value = [], self
        while isinstance(value, RaggedTensorValue):
            found.append(value.row_splits)
            value = value.values
        return tuple(found)

    @property
    def ragged_rank(self) -> int:
        """The number of ragged dimensions."""
        return len(self.nested_row_splits)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape, None for ragged dimensions."""
        return (np.size(self._row_splits) - 1, None, *self._values.shape[1:])

    def to_list(self) -> list[Any]:
        """Nested lists of the rows."""
        rows = (
            self._values.to_list() if isinstance(self._values, RaggedTensorValue) else self._values.tolist()
        )
        return [rows[start:end] for start, end in itertools.pairwise(self._row_splits.tolist())]

    def __str__(self) -> str:
        return f"<tf.RaggedTensorValue {self.to_list()}>"

    def __repr__(self) -> str:
        return f"tf.RaggedTensorValue(values={self._values!r}, row_splits={self._row_splits!r})"
