"""`tf.contrib.learn`: arrays as what estimators read, fed batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.contributed.learn.data_feeders import DataFeeder
from millrace.contributed.learn.frames import extract_pandas_data, extract_pandas_labels
from millrace.core import errors
from millrace.graph.defaults import get_default_graph
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook


def _arrays(value: Any, extract: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: np.asarray(part) for name, part in value.items()}
    return np.asarray(extract(value))


def _parts(value: Any) -> list[np.ndarray]:
    if value is None:
        return []
    return list(value.values()) if isinstance(value, dict) else [value]


class ArrayFeed(SessionRunHook):
    """Feeds arrays in batches, in an order of its own in each pass where it shuffles.

    Args:
      x: an array, arrays by name, or a table.
      y: the same, or None.
      batch_size: None for all examples at once.
      shuffle: whether the order changes.
      epochs: how many passes; None for ever more.

    Raises:
      ValueError: arrays differ in length, there is none, or `batch_size` is not positive.
    """

    def __init__(self, x: Any, y: Any, batch_size: int | None, shuffle: bool, epochs: int | None) -> None:
        x, y = _arrays(x, extract_pandas_data), None if y is None else _arrays(y, extract_pandas_labels)
        sizes = {len(part) if part.ndim else -1 for part in (*_parts(x), *_parts(y))}
        if len(sizes) != 1 or min(sizes) < 1:
            raise ValueError(f"x and y must be of one length, and not empty. Received: {sorted(sizes)}")
        self._feeder = DataFeeder(x, y, None, batch_size, shuffle, epochs=epochs)

    def input_fn(self) -> tuple[Any, Any]:
        """Placeholders for the features and the labels, which the hook feeds."""
        placed = self._feeder.input_builder()
        self._next = self._feeder.get_feed_dict_fn()
        return placed

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Feeds the next batch.

        Raises:
          OutOfRangeError: all passes are over.
        """
        del run_context
        try:
            return SessionRunArgs(None, self._next())
        except StopIteration:
            raise errors.OutOfRangeError(None, None, "All passes over the arrays are over.") from None


class FunctionFeed(SessionRunHook):
    """Feeds what a function gives, until it raises StopIteration.

    Args:
      feed_fn: gives values by tensor or by a tensor's name.
    """

    def __init__(self, feed_fn: Callable[[], Any]) -> None:
        self._feed_fn = feed_fn

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Feeds the next values.

        Raises:
          OutOfRangeError: there are no more.
        """
        graph = run_context.session.graph
        try:
            given = self._feed_fn()
        except StopIteration:
            raise errors.OutOfRangeError(None, None, "The feeding function has no more values.") from None
        named = {
            graph.as_graph_element(f"{key}:0" if ":" not in key else key)
            if isinstance(key, str)
            else key: value
            for key, value in given.items()
        }
        return SessionRunArgs(None, named)


class OneBatchOfConstants(SessionRunHook):
    """Ends a prediction after its first batch where nothing in the graph could give another."""

    def begin(self) -> None:
        """Looks for queues and iterators."""
        graph = get_default_graph()
        moving = any(op.type == "IteratorGetNext" for op in graph.get_operations())
        self._constant = not moving and not graph.get_collection("queue_runners")

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Asks for the end."""
        del run_values
        if self._constant:
            run_context.request_stop()
