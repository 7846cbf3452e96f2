"""`tf.contrib.learn.io.generator_input_fn`: a Python generator as what estimators read."""

from __future__ import annotations

from collections.abc import Callable, Container
from types import FunctionType, GeneratorType
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.dtypes import as_dtype, int64, string
from millrace.core.public import public
from millrace.models.estimator.inputs import batch_of, filled_queue


class GeneratorFeeder:
    """Gives the next rows of a generator at each call, until the epochs are over.

    As in TensorFlow 1.15, the end is found out by beginning anew: the first row comes once more.

    Args:
      placeholders: for the numbers of the rows, and each array.
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
        self._epoch = self._row = 0

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
        while len(rows) < self._rows and not (self._num_epochs and self._epoch >= self._num_epochs):
            rows.append(self._next())
        for row in rows:
            if set(row) != set(self._keys):
                raise KeyError(
                    f"key mismatch between dicts emitted by the generator. Received: {sorted(row)}"
                )
        numbers = np.arange(self._row, self._row + len(rows))
        self._row += len(rows)
        columns = [[np.asarray(row[key]) for row in rows] for key in self._keys]
        if self._pad_value is not None:
            columns = [self._padded(column) for column in columns]
        return dict(zip(self._placeholders, [numbers, *map(np.stack, columns)], strict=True))

    def _padded(self, column: list[np.ndarray]) -> list[np.ndarray]:
        most = np.max([array.shape for array in column], axis=0)
        widths = [[(0, m - n) for m, n in zip(most, array.shape, strict=True)] for array in column]
        return [
            np.pad(array, width, constant_values=self._pad_value) if array.ndim else array
            for array, width in zip(column, widths, strict=True)
        ]


def _check_target(target_key: Any) -> None:
    if target_key is None or isinstance(target_key, str):
        return
    if not isinstance(target_key, Container):
        raise TypeError(f"target_key must be str or Container of str; got {type(target_key).__name__}")
    for item in target_key:  # type: ignore[attr-defined]
        if not isinstance(item, str):
            raise TypeError(f"target_key must be str or Container of str; got {type(item).__name__}")


@public("contrib.learn.io.generator_input_fn", "contrib.learn.io.generator_io.generator_input_fn")
def generator_input_fn(
    x: Any,
    target_key: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = True,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    pad_value: Any = None,
) -> Callable[[], Any]:
    """An input function that gives batches of what a generator yields.

    Args:
      x: a generator function, which yields a dict of arrays for each row.
      target_key: the key of the labels, or keys; None for none.
      batch_size: rows at once.
      num_epochs: how many times; None for ever.
      shuffle: whether to shuffle.
      queue_capacity: how many rows wait in the queue.
      num_threads: how many threads fill it.
      pad_value: what smaller arrays are filled up with, or None.

    Returns:
      A function without arguments that gives features, or features and labels.

    Raises:
      TypeError: `x` is not a generator function, or `target_key` not text.
      KeyError: there is no such key.
    """
    if not isinstance(x, FunctionType):
        raise TypeError(f"x must be generator function; got {type(x).__name__}")
    begun = x()
    if not isinstance(begun, GeneratorType):
        raise TypeError(f"x() must be generator; got {type(begun).__name__}")
    first: Any = next(begun)
    if not isinstance(first, dict):
        raise TypeError(f"x() must yield dict; got {type(first).__name__}")
    _check_target(target_key)
    targets = [target_key] if isinstance(target_key, str) else list(target_key or ())
    for key in targets:
        if key not in first:
            raise KeyError(key)

    def input_fn() -> Any:
        keys = sorted(first)
        samples = [np.asarray(first[key]) for key in keys]
        types = [int64, *(string if a.dtype.kind in "OSU" else as_dtype(a.dtype) for a in samples)]
        shapes = [(), *(a.shape if pad_value is None else (None,) * a.ndim for a in samples)]

        def feeder(given: list[Any]) -> GeneratorFeeder:
            return GeneratorFeeder(given, x, keys, batch_size, num_epochs, pad_value)

        queue = filled_queue(types, shapes, queue_capacity, shuffle, num_threads, feeder)
        batch = dict(zip(keys, batch_of(queue, batch_size, num_epochs), strict=True))
        if not targets:
            return batch
        labels = {key: batch.pop(key) for key in targets}
        return batch, labels[target_key] if isinstance(target_key, str) else labels

    return input_fn
