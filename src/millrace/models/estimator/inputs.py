"""`numpy_input_fn` and `pandas_input_fn`: data in memory, through a queue."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building.scopes import name_scope
from millrace.core import errors
from millrace.core.dtypes import as_dtype, float32, int64, string
from millrace.core.public import public
from millrace.lib.input.queues import FIFOQueue, PaddingFIFOQueue, RandomShuffleQueue
from millrace.lib.summary.operations import scalar
from millrace.ops.array.constant import placeholder
from millrace.ops.math.cast import cast
from millrace.ops.math.select import maximum
from millrace.training.coordination.feeding import FeedingQueueRunner
from millrace.training.coordination.queue_runner import add_queue_runner


class RowFeeder:
    """Gives the next rows of some arrays at each call, until the epochs are over.

    Args:
      placeholders: for the numbers of the rows, and each array.
      arrays: of equal length.
      rows: how many at once.
      random_start: begin anywhere.
      num_epochs: how many times; None for ever.
    """

    def __init__(
        self,
        placeholders: list[Any],
        arrays: list[Any],
        rows: int,
        random_start: bool,
        num_epochs: int | None,
    ) -> None:
        self._placeholders, self._arrays = placeholders, arrays
        self._rows, self._num_epochs = rows, num_epochs
        self._count = len(arrays[0])
        self._next = random.randrange(self._count) if random_start else 0
        self._epoch_end = (self._next - 1) % self._count
        self._epoch = 0

    def __call__(self) -> dict[Any, Any]:
        """What to feed.

        Raises:
          OutOfRangeError: the epochs are over.
        """
        if self._num_epochs and self._epoch >= self._num_epochs:
            raise errors.OutOfRangeError(None, None, f"Already emitted {self._epoch} epochs.")
        rows = [j % self._count for j in range(self._next, self._next + self._rows)]
        ends = [i for i, row in enumerate(rows) if row == self._epoch_end]
        if self._num_epochs and self._epoch + len(ends) >= self._num_epochs:
            rows = rows[: ends[self._num_epochs - self._epoch - 1] + 1]
            self._epoch = self._num_epochs
        else:
            self._epoch += len(ends)
        self._next = (rows[-1] + 1) % self._count
        values = [np.array(rows, np.int64), *(array[rows] for array in self._arrays)]
        return dict(zip(self._placeholders, values, strict=True))


def queued(
    arrays: list[Any], capacity: int, shuffle: bool, num_threads: int, rows: int, num_epochs: int | None
) -> Any:
    """A queue of row numbers and rows, filled by threads."""
    types = [int64, *(string if a.dtype.kind in "OSU" else as_dtype(a.dtype) for a in arrays)]
    shapes = [(), *(a.shape[1:] for a in arrays)]

    def feeder(given: list[Any]) -> RowFeeder:
        return RowFeeder(given, arrays, rows, shuffle, num_epochs)

    return filled_queue(types, shapes, capacity, shuffle, num_threads, feeder)


def filled_queue(
    types: list[Any],
    shapes: list[Any],
    capacity: int,
    shuffle: bool,
    num_threads: int,
    feeder: Callable[[list[Any]], Callable[[], dict[Any, Any]]],
) -> Any:
    """A queue of rows, filled by threads.

    Args:
      types, shapes: of the parts of a row; parts whose shapes have None are padded.
      capacity: how many rows wait.
      shuffle: whether they come out in another order.
      num_threads: how many threads fill it.
      feeder: from placeholders to a function that gives what to feed.
    """
    with name_scope("enqueue_input"):
        least = capacity // 4 if shuffle else 0
        kind: Any = PaddingFIFOQueue if any(None in shape for shape in shapes) else FIFOQueue
        queue: Any = (
            RandomShuffleQueue(capacity, least, dtypes=types, shapes=shapes)
            if shuffle
            else kind(capacity, dtypes=types, shapes=shapes)
        )
        enqueue_ops, feeders = [], []
        for _ in range(num_threads):
            given = [placeholder(t) for t in types]
            enqueue_ops.append(queue.enqueue_many(given))
            feeders.append(feeder(given))
        add_queue_runner(FeedingQueueRunner(queue, enqueue_ops, feed_fns=feeders))
        full = cast(maximum(0, queue.size() - least), float32) * (1.0 / (capacity - least))
        scalar(f"queue/{queue.name}fraction_over_{least}_of_{capacity - least}_full", full)
        return queue


def batch_of(queue: Any, batch_size: int, num_epochs: int | None) -> list[Any]:
    """The parts of a batch of rows, without their numbers."""
    rows = queue.dequeue_many(batch_size) if num_epochs is None else queue.dequeue_up_to(batch_size)
    return list(rows)[1:]


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
        queue = queued(
            list(named.values()), queue_capacity, bool(shuffle), num_threads, batch_size, num_epochs
        )
        batch = dict(zip(named, batch_of(queue, batch_size, num_epochs), strict=True))
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
        columns = {name: table[name].values for name in table.columns}
        queue = queued(
            list(columns.values()), queue_capacity, bool(shuffle), num_threads, batch_size, num_epochs
        )
        batch = dict(zip(columns, batch_of(queue, batch_size, num_epochs), strict=True))
        if y is None:
            return batch
        found = [batch.pop(name) for name in targets]
        return batch, dict(zip(y.columns, found, strict=True)) if several else found[0]

    return input_fn


def _free(name: str, table: Any) -> str:
    while name in table:
        name += "_n"
    return name
