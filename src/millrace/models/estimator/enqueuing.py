"""Queues that threads fill with the rows of arrays, of a table, or of a generator."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from millrace.building.scopes import name_scope
from millrace.core import errors
from millrace.core.dtypes import as_dtype, float32, string
from millrace.core.public import public
from millrace.lib.input.queues import FIFOQueue, PaddingFIFOQueue, RandomShuffleQueue
from millrace.lib.summary.operations import scalar
from millrace.ops.array.constant import placeholder
from millrace.ops.math.cast import cast
from millrace.ops.math.select import maximum
from millrace.training.coordination.feeding import FeedingQueueRunner
from millrace.training.coordination.queue_runner import add_queue_runner

Feeder = Callable[[], dict[Any, Any]]
Feeding = Callable[[list[Any], int | None], Feeder]
"""From placeholders and a seed to a function that gives what to feed."""


class RowFeeder:
    """Gives the next rows of some arrays at each call, until the epochs are over.

    Args:
      placeholders: for the numbers of the rows, and each array.
      numbers: of the rows.
      arrays: of equal length.
      rows: how many at once.
      seed: of the row to begin with; None for any.
      random_start: begin anywhere.
      num_epochs: how many times; None for ever.
    """

    def __init__(
        self,
        placeholders: list[Any],
        numbers: np.ndarray,
        arrays: list[Any],
        rows: int,
        random_start: bool,
        seed: int | None,
        num_epochs: int | None,
    ) -> None:
        self._placeholders, self._arrays = placeholders, [numbers, *arrays]
        self._rows, self._num_epochs = rows, num_epochs
        self._count = len(numbers)
        self._next = random.Random(seed).randint(0, self._count - 1) if random_start else 0
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
        values = [array[rows] for array in self._arrays]
        return dict(zip(self._placeholders, values, strict=True))


class GeneratorFeeder:
    """Gives the next rows of a generator at each call, until the epochs are over.

    As in TensorFlow 1.15, the end is found out by beginning anew: the first row comes once more; and each
    array of a row counts as one of the `rows`.

    Args:
      placeholders: for each array.
      generator: a function that begins anew.
      keys: of the arrays.
      rows: how many at once.
      num_epochs: how many times; None for ever.
      pad_value: what smaller arrays are filled up with, or None.
    """

    def __init__(
        self,
        placeholders: list[Any],
        generator: Callable[[], Any],
        keys: list[str],
        rows: int,
        num_epochs: int | None,
        pad_value: Any,
    ) -> None:
        self._placeholders, self._generator, self._keys = placeholders, generator, keys
        self._rows, self._num_epochs, self._pad_value = rows, num_epochs, pad_value
        self._iterator = generator()
        self._epoch = 0

    def _next(self) -> dict[str, Any]:
        try:
            return next(self._iterator)
        except StopIteration:
            self._epoch += 1
            self._iterator = self._generator()
            return next(self._iterator)

    def __call__(self) -> dict[Any, Any]:
        """What to feed.

        Raises:
          OutOfRangeError: the epochs are over.
          KeyError: a row has other keys than the first.
        """
        if self._num_epochs and self._epoch >= self._num_epochs:
            raise errors.OutOfRangeError(None, None, f"Already emitted {self._epoch} epochs.")
        rows: list[dict[str, Any]] = []
        while len(rows) * len(self._keys) < self._rows:
            if self._num_epochs and self._epoch >= self._num_epochs:
                break
            rows.append(self._next())
        for row in rows:
            if set(row) != set(self._keys):
                raise KeyError(
                    f"key mismatch between dicts emitted by the generator. Received: {sorted(row)}"
                )
        columns = [[np.asarray(row[key]) for row in rows] for key in self._keys]
        if self._pad_value is not None:
            columns = [self._padded(column) for column in columns]
        return dict(zip(self._placeholders, map(np.stack, columns), strict=True))

    def _padded(self, column: list[np.ndarray]) -> list[np.ndarray]:
        most = np.max([array.shape for array in column], axis=0)
        widths = [[(0, m - n) for m, n in zip(most, array.shape, strict=True)] for array in column]
        return [
            np.pad(array, width, constant_values=self._pad_value) if array.ndim else array
            for array, width in zip(column, widths, strict=True)
        ]


def _arrays_of(data: Any) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """The numbers of the rows and the arrays of an array, of arrays by name, or of a table."""
    if isinstance(data, OrderedDict):
        arrays = list(data.values())
    elif isinstance(data, np.ndarray):
        arrays = [data]
    elif hasattr(data, "columns") and hasattr(data, "iloc"):
        return data.index.values, [data[name].values for name in data.columns]
    else:
        return None
    return np.arange(len(arrays[0])), arrays


def _dtype_of(array: np.ndarray) -> Any:
    return string if array.dtype.kind in "OSU" else as_dtype(array.dtype)


@public("python.estimator.inputs.queues.feeding_functions._enqueue_data")
def enqueue_data(
    data: Any,
    capacity: int,
    shuffle: bool = False,
    min_after_dequeue: int | None = None,
    num_threads: int = 1,
    seed: int | None = None,
    name: str = "enqueue_input",
    enqueue_size: int = 1,
    num_epochs: int | None = None,
    pad_value: Any = None,
) -> Any:
    """A queue that threads fill with the rows of `data`.

    Args:
      data: an array, arrays of equal length in an OrderedDict, a pandas table, or a function that makes a
        generator of dicts of arrays.
      capacity: how many rows wait.
      shuffle: whether they come out in another order.
      min_after_dequeue: how many rows a queue that shuffles keeps; default a quarter of `capacity`.
      num_threads: how many threads fill it.
      seed: of the order, and of the rows that the threads begin with.
      name: scope of the operations.
      enqueue_size: how many rows a thread puts in at once.
      num_epochs: how many times the data comes; None for ever.
      pad_value: what smaller arrays of a generator are filled up with; None where all are of one shape.

    Returns:
      The queue. In front of the rows of arrays come their numbers, of a table its index.

    Raises:
      TypeError: `data` is something else.
      NotImplementedError: a `pad_value` without a generator, or with `shuffle`.
    """
    least = (capacity // 4 if min_after_dequeue is None else min_after_dequeue) if shuffle else 0
    if isinstance(data, FunctionType):
        if shuffle and pad_value is not None:
            raise NotImplementedError("padding and shuffling data at the same time is not implemented")
        first = next(data())
        keys = sorted(first.keys())
        samples = [np.asarray(first[key]) for key in keys]
        types = [_dtype_of(array) for array in samples]
        shapes = [a.shape if pad_value is None else (None,) * a.ndim for a in samples]

        def feeding(given: list[Any], seed: int | None) -> Feeder:
            return GeneratorFeeder(given, data, keys, enqueue_size, num_epochs, pad_value)
    else:
        if pad_value is not None:
            raise NotImplementedError("padding is only available with generator usage")
        found = _arrays_of(data)
        if found is None:
            raise TypeError(
                "data must be either a numpy array or pandas DataFrame if pandas is installed; got "
                f"{type(data).__name__}"
            )
        numbers, arrays = found
        types = [_dtype_of(numbers), *map(_dtype_of, arrays)]
        shapes = [(), *(a.shape[1:] for a in arrays)]

        def feeding(given: list[Any], seed: int | None) -> Feeder:
            return RowFeeder(given, numbers, arrays, enqueue_size, shuffle, seed, num_epochs)

    with name_scope(name):
        queue = _queue(types, shapes, capacity, least if shuffle else None, seed)
        _fill(queue, types, num_threads, seed, feeding)
        full = cast(maximum(0, queue.size() - least), float32) * (1.0 / (capacity - least))
        scalar(f"queue/{queue.name}fraction_over_{least}_of_{capacity - least}_full", full)
    return queue


def _queue(types: list[Any], shapes: list[Any], capacity: int, least: int | None, seed: int | None) -> Any:
    """A queue, which shuffles where `least`, how many rows it keeps, is given."""
    if least is not None:
        return RandomShuffleQueue(capacity, least, dtypes=types, shapes=shapes, seed=seed)
    kind: Any = PaddingFIFOQueue if any(None in shape for shape in shapes) else FIFOQueue
    return kind(capacity, dtypes=types, shapes=shapes)


def _fill(queue: Any, types: list[Any], num_threads: int, seed: int | None, feeding: Feeding) -> None:
    """Adds the runner that fills a queue."""
    enqueue_ops, feeders = [], []
    for number in range(num_threads):
        given = [placeholder(t) for t in types]
        enqueue_ops.append(queue.enqueue_many(given))
        feeders.append(feeding(given, None if seed is None else seed + number))
    add_queue_runner(FeedingQueueRunner(queue, enqueue_ops, feed_fns=feeders))


def batch_of(queue: Any, batch_size: int, num_epochs: int | None) -> list[Any]:
    """The parts of a batch of rows."""
    rows = queue.dequeue_many(batch_size) if num_epochs is None else queue.dequeue_up_to(batch_size)
    return list(rows) if isinstance(rows, list | tuple) else [rows]
