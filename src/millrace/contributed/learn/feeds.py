"""`tf.contrib.learn`: arrays as what estimators read, fed batch by batch; tables as arrays."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.dtypes import as_dtype
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.ops.array.constant import placeholder
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook

_KINDS = "biuf"


def _is_table(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "dtypes")


@public(
    "contrib.learn.extract_pandas_data",
    "contrib.learn.io.extract_pandas_data",
    "contrib.learn.io.pandas_io.extract_pandas_data",
)
def extract_pandas_data(data: Any) -> Any:
    """The numbers of a pandas table as an array of floats; anything else as it is.

    Args:
      data: a `DataFrame`, or not.

    Raises:
      ValueError: a column has no numbers.
    """
    if not _is_table(data):
        return data
    bad = [f"'{name}' type='{kind}'" for name, kind in data.dtypes.items() if kind.kind not in _KINDS]
    if bad:
        raise ValueError(f"Data types for extracting pandas data must be int, float, or bool. Found: {bad}")
    return data.values.astype("float")


@public("contrib.learn.preprocessing.setup_processor_data_feeder")
def setup_processor_data_feeder(x: Any) -> Any:
    """What a processor reads: the values of a pandas table, or `x` itself.

    Args:
      x: a `DataFrame`, or an iterable.
    """
    return extract_pandas_matrix(x)


@public(
    "contrib.learn.extract_pandas_matrix",
    "contrib.learn.io.extract_pandas_matrix",
    "contrib.learn.io.pandas_io.extract_pandas_matrix",
)
def extract_pandas_matrix(data: Any) -> Any:
    """The values of a pandas table as an array; anything else as it is.

    Args:
      data: a `DataFrame`, or not.
    """
    return data.values if _is_table(data) else data


@public(
    "contrib.learn.extract_pandas_labels",
    "contrib.learn.io.extract_pandas_labels",
    "contrib.learn.io.pandas_io.extract_pandas_labels",
)
def extract_pandas_labels(labels: Any) -> Any:
    """The numbers of a pandas table of one column as an array; anything else as it is.

    Args:
      labels: a `DataFrame`, or not.

    Raises:
      ValueError: there are several columns, or one without numbers.
    """
    if not _is_table(labels):
        return labels
    if len(labels.columns) > 1:
        raise ValueError(f"Only one column for labels is allowed. Received: {list(labels.columns)}")
    if labels.dtypes.iloc[0].kind not in _KINDS:
        raise ValueError(f"Data types for labels must be int, float, or bool. Received: {labels.dtypes}")
    return labels.values


def _array(value: Any) -> np.ndarray:
    found = np.asarray(value)
    return found.astype(np.float32) if found.dtype == np.float64 else found


def _arrays(value: Any, extract: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _array(part) for name, part in value.items()}
    return _array(extract(value))


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
        self._x = _arrays(x, extract_pandas_data)
        self._y = None if y is None else _arrays(y, extract_pandas_labels)
        sizes = {len(part) if part.ndim else -1 for part in (*_parts(self._x), *_parts(self._y))}
        if len(sizes) != 1 or min(sizes) < 1:
            raise ValueError(f"x and y must be of one length, and not empty. Received: {sorted(sizes)}")
        self._size = sizes.pop()
        if batch_size is not None and batch_size <= 0:
            raise ValueError(f"Invalid batch_size {batch_size}.")
        self._batch = batch_size or self._size
        self._random = np.random.RandomState(42) if shuffle else None
        self._epochs, self._epoch, self._offset = epochs, 0, 0
        self._order = self._new_order()
        self._placeholders: list[tuple[Any, np.ndarray]] = []

    def _new_order(self) -> np.ndarray:
        return self._random.permutation(self._size) if self._random else np.arange(self._size)

    def _placed(self, value: Any, name: str) -> Any:
        if value is None:
            return None
        if isinstance(value, dict):
            return {key: self._placed(part, f"{name}_{key}") for key, part in value.items()}
        tensor = placeholder(as_dtype(value.dtype), [None, *value.shape[1:]], name)
        self._placeholders.append((tensor, value))
        return tensor

    def input_fn(self) -> tuple[Any, Any]:
        """Placeholders for the features and the labels, which the hook feeds."""
        self._placeholders.clear()
        return self._placed(self._x, "input"), self._placed(self._y, "output")

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Feeds the next batch.

        Raises:
          OutOfRangeError: all passes are over.
        """
        del run_context
        if self._epochs is not None and self._epoch >= self._epochs:
            raise errors.OutOfRangeError(None, None, "All passes over the arrays are over.")
        rows = self._order[self._offset : self._offset + self._batch]
        self._offset += self._batch
        if self._offset >= self._size:
            self._order, self._offset, self._epoch = self._new_order(), 0, self._epoch + 1
        return SessionRunArgs(None, {tensor: value[rows] for tensor, value in self._placeholders})


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


HAS_PANDAS = public("contrib.learn.io.HAS_PANDAS", "contrib.learn.io.pandas_io.HAS_PANDAS")(
    importlib.util.find_spec("pandas") is not None
)
HAS_DASK = public("contrib.learn.io.HAS_DASK", "contrib.learn.io.dask_io.HAS_DASK")(
    importlib.util.find_spec("dask") is not None
)


PANDAS_DTYPES = public("contrib.learn.io.pandas_io.PANDAS_DTYPES")(
    {f"{kind}{bits}": "int" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
    | {f"float{bits}": "float" for bits in (16, 32, 64)}
    | {"bool": "i"}
)


def _is_dask(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "dask"


@public(
    "contrib.learn.extract_dask_data",
    "contrib.learn.io.extract_dask_data",
    "contrib.learn.io.dask_io.extract_dask_data",
)
def extract_dask_data(data: Any) -> Any:
    """The values of a dask table as an array; anything else as it is.

    Args:
      data: a dask `DataFrame` or `Series`, or not.
    """
    return data.compute().values if _is_dask(data) else data


@public(
    "contrib.learn.extract_dask_labels",
    "contrib.learn.io.extract_dask_labels",
    "contrib.learn.io.dask_io.extract_dask_labels",
)
def extract_dask_labels(labels: Any) -> Any:
    """The values of a dask table of one column as an array; anything else as it is.

    Args:
      labels: a dask `DataFrame` or `Series`, or not.

    Raises:
      ValueError: there are several columns.
    """
    if not _is_dask(labels):
        return labels
    if len(getattr(labels, "columns", ())) > 1:
        raise ValueError(f"Only one column for labels is allowed. Received: {list(labels.columns)}")
    return labels.compute().values
