"""`numpy_input_fn` and `pandas_input_fn`: data in memory, through a queue."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.models.estimator.enqueuing import batch_of, enqueue_data


def _batch(
    data: Any, batch_size: int, num_epochs: int | None, shuffle: Any, capacity: int, num_threads: int
) -> list[Any]:
    """The parts of a batch of rows, without their numbers."""
    queue = enqueue_data(
        data, capacity, bool(shuffle), None, num_threads, enqueue_size=batch_size, num_epochs=num_epochs
    )
    return batch_of(queue, batch_size, num_epochs)[1:]


def _check_shuffle(shuffle: Any) -> None:
    if not isinstance(shuffle, bool | np.bool_):
        raise ValueError(
            "shuffle must be provided and explicitly set as boolean (it is recommended to set it as True for "
            f"training); got {shuffle}"
        )


def _named_targets(y: Any, features: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The targets by names that no feature has, and how to give them back."""
    if y is None:
        return {}, None
    if isinstance(y, dict):
        if not y:
            raise ValueError(f"y cannot be empty dict, use None instead. Received: {y}")
        named = dict(sorted(y.items()))
        same = set(named) & set(features)
        if same:
            raise ValueError(f"{len(same)} duplicate keys are found in both x and y: {sorted(same)}")
        return named, list(named)
    key = "__target_key__"
    while key in features:
        key += "_n"
    return {key: y}, key


@public("estimator.inputs.numpy_input_fn")
def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Callable[[], Any]:
    """An input function that gives batches of arrays.

    Args:
      x: features: an array, or arrays by name, of equal length.
      y: labels: an array, arrays by name, or None.
      batch_size: rows at once.
      num_epochs: how many times; None for ever.
      shuffle: whether to shuffle; must be given.
      queue_capacity: how many rows wait in the queue.
      num_threads: how many threads fill it.

    Returns:
      A function without arguments that gives features, or features and labels.

    Raises:
      ValueError: shuffle is not given, the lengths differ, or the features and labels share a name.
      TypeError: `x` is neither an array nor a dict of arrays.
    """
    _check_shuffle(shuffle)

    def input_fn() -> Any:
        single = not isinstance(x, dict)
        if single and not isinstance(x, np.ndarray):
            raise TypeError(f"x must be a dict or array; got {type(x).__name__}")
        features: dict[str, Any] = {"__direct_np_input__": x} if single else dict(sorted(x.items()))  # pyright: ignore
        if not features:
            raise ValueError(f"x cannot be an empty dict. Received: {x}")
        targets, shape_of_targets = _named_targets(y, features)
        named = {**features, **targets}
        lengths = {name: array.shape[0] for name, array in named.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(
                f"Length of tensors in x and y is mismatched. All elements in x and y must have the same "
                f"length. Received: {lengths}"
            )
        rows = _batch(OrderedDict(named), batch_size, num_epochs, shuffle, queue_capacity, num_threads)
        batch = dict(zip(named, rows, strict=True))
        found = batch["__direct_np_input__"] if single else {k: batch[k] for k in features}
        if shape_of_targets is None:
            return found
        if isinstance(shape_of_targets, list):
            return found, {k: batch[k] for k in shape_of_targets}
        return found, batch[shape_of_targets]

    return input_fn


@public("estimator.inputs.pandas_input_fn")
def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """An input function that gives batches of a pandas table.

    Args:
      x: features: a DataFrame.
      y: labels: a Series or DataFrame with the same index, or None.
      batch_size: rows at once.
      num_epochs: how many times; None for ever.
      shuffle: whether to shuffle; must be given.
      queue_capacity: how many rows wait in the queue.
      num_threads: how many threads fill it.
      target_column: a name for the labels that no feature has.

    Returns:
      A function without arguments that gives features, or features and labels.

    Raises:
      ValueError: shuffle is not given, or the indices differ.
      TypeError: shuffle or `target_column` is of another type.
    """
    _check_shuffle(shuffle)
    if not isinstance(target_column, str):
        raise TypeError(f"target_column must be a string type. Received: {target_column!r}")
    table, several = x.copy(), y is not None and hasattr(y, "columns")
    targets: list[str] = []
    if y is not None:
        if not np.array_equal(x.index, y.index):
            raise ValueError(
                f"Index for x and y are mismatched.\nIndex for x: {x.index}\nIndex for y: {y.index}"
            )
        if several:
            targets = [_free(f"{target_column}_{k}", table) for k in range(len(y.columns))]
            table[targets] = y.values
        else:
            targets = [_free(target_column, table)]
            table[targets[0]] = y

    def input_fn() -> Any:
        rows = _batch(table, batch_size, num_epochs, shuffle, queue_capacity, num_threads)
        batch = dict(zip(table.columns, rows, strict=True))
        if y is None:
            return batch
        found = [batch.pop(name) for name in targets]
        return batch, dict(zip(y.columns, found, strict=True)) if several else found[0]

    return input_fn


def _free(name: str, table: Any) -> str:
    while name in table:
        name += "_n"
    return name
