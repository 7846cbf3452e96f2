"""An estimator's predictions: those that are asked for, and one example after another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def chosen(predictions: Any, keys: Any) -> Any:
    """The predictions that `keys` name; all where there are no keys.

    Raises:
      ValueError: predictions have no names, or none of these.
    """
    if not keys:
        return predictions
    if not isinstance(predictions, dict):
        raise ValueError(
            f"predict_keys argument is not valid in case of non-dict predictions. Received: {keys}"
        )
    found = {key: value for key, value in predictions.items() if key in keys}
    if not found:
        raise ValueError(f"Expected to run at least one output from {list(predictions)}, provided {keys}.")
    return found


def _batch_length(batch: dict[str, Any]) -> int:
    lengths = {key: np.shape(value)[0] for key, value in batch.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Batch length of predictions should be same. Received: {lengths}")
    return next(iter(lengths.values()))


def examples_of(batch: Any) -> Iterator[Any]:
    """The predictions of a batch, one example after another.

    Raises:
      ValueError: predictions have different batch sizes.
    """
    if not isinstance(batch, dict):
        yield from batch
        return
    for row in range(_batch_length(batch)):
        yield {key: value[row] for key, value in batch.items()}
