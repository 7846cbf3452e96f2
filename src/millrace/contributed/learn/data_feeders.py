"""`tf.contrib.learn.io.data_feeder`: arrays and iterators as what is fed to placeholders, batch by batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from millrace.contributed.learn.frames import (
    extract_pandas_data,
    extract_pandas_labels,
    extract_pandas_matrix,
)
from millrace.core.dtypes import as_dtype, int32
from millrace.core.public import public
from millrace.lib.platform import log
from millrace.ops.array.constant import placeholder

Feeds = dict[str, Any]


@public("contrib.learn.io.data_feeder.check_array")
def check_array(array: Any, dtype: Any) -> np.ndarray:
    """An array of a dtype.

    Args:
      array: an array, or what NumPy makes one of.
      dtype: the dtype; None for that of the array.
    """
    return np.asarray(array, dtype=dtype)


def _each(function: Callable[[Any], Any], value: Any) -> Any:
    """A function of a value, or of each value of a dictionary."""
    if isinstance(value, dict):
        return {name: function(part) for name, part in value.items()}
    return function(value)


def _first(value: Any) -> Any:
    return next(iter(value.values())) if isinstance(value, dict) else value


def _columnar(features: np.ndarray) -> np.ndarray:
    """Features with a second dimension."""
    return features[:, None] if features.ndim == 1 else features


def _said(dtype: Any) -> Any:
    if dtype == np.float64:
        log.warning("float64 is not supported by many models, consider casting to float32.")
    return dtype


def _encoded(labels: np.ndarray, classes: int) -> np.ndarray:
    """A one in the place of each label."""
    found = np.zeros((*labels.shape, classes), dtype=labels.dtype)
    np.put_along_axis(found, labels[..., None].astype(np.int64), 1, axis=-1)
    return found


@public("contrib.learn.io.data_feeder.DataFeeder")
class DataFeeder:
    """Arrays, fed batch by batch; the first pass begins in an order, the next in others.

    Args:
      x: an array of features, or arrays by name.
      y: labels, likewise, or None.
      n_classes: how many classes; labels become vectors with a one. None or 0: they stay as they are.
      batch_size: how many examples a batch has; default, all.
      shuffle: whether each pass has an order of its own.
      random_state: a `numpy.random.RandomState`; default, one with the seed 42.
      epochs: how many passes; default, without end.

    Attributes:
      n_classes: as given.
      input_shape, output_shape: of a batch.
      random_state: which shuffles.
      indices, offset, epoch: where the reading is.

    Raises:
      ValueError: `batch_size` is not positive.
    """

    _placeholders: tuple[Any, Any] = (None, None)

    def __init__(
        self,
        x: Any,
        y: Any,
        n_classes: Any,
        batch_size: int | None = None,
        shuffle: bool = True,
        random_state: np.random.RandomState | None = None,
        epochs: int | None = None,
    ) -> None:
        self._x = _each(lambda part: check_array(part, part.dtype), x)
        self._y = None if y is None else _each(lambda part: check_array(part, part.dtype), y)
        if n_classes is not None and y is not None and not isinstance(y, dict):
            self._y = check_array(y, np.int64 if n_classes > 1 else np.float32)
        if batch_size is not None and batch_size <= 0:
            raise ValueError(f"Invalid batch_size {batch_size}.")
        count = len(_first(self._x))
        self._batch_size = batch_size or count
        self.n_classes, self.max_epochs = n_classes, epochs
        self._input_dtype = _each(lambda part: _said(part.dtype), self._x)
        self._output_dtype = np.float32 if y is None else self._label_dtypes()
        self.input_shape = _each(lambda part: [self._batch_size, *(part.shape[1:] or [1])], self._x)
        self.output_shape = None if y is None else self._by_class(lambda part, n: self._shape_of(part, n))
        self._shuffle = shuffle
        self.random_state = np.random.RandomState(42) if random_state is None else random_state
        self.indices = self.random_state.permutation(count) if shuffle else np.arange(count)
        self.offset = self.epoch = 0

    def _by_class(self, function: Callable[[Any, int], Any]) -> Any:
        """A function of labels and the number of their classes."""
        if isinstance(self._y, dict):
            classes = self.n_classes or {}
            return {name: function(part, classes.get(name) or 0) for name, part in self._y.items()}
        return function(self._y, self.n_classes or 0)

    def _shape_of(self, labels: Any, classes: int) -> list[int]:
        return [self._batch_size, *labels.shape[1:], *([classes] if classes > 1 else [])]

    def _label_dtypes(self) -> Any:
        found = _each(lambda part: _said(part.dtype), self._y)
        if isinstance(self._y, dict) and self.n_classes is not None:
            found.update({name: np.float32 for name in self.n_classes if name in found})
        return found

    @property
    def x(self) -> Any:
        """The features."""
        return self._x

    @property
    def y(self) -> Any:
        """The labels."""
        return self._y

    @property
    def shuffle(self) -> bool:
        """Whether each pass has an order of its own."""
        return self._shuffle

    @property
    def input_dtype(self) -> Any:
        """The dtype of the features, or dtypes by name."""
        return self._input_dtype

    @property
    def output_dtype(self) -> Any:
        """The dtype of the labels, or dtypes by name."""
        return self._output_dtype

    @property
    def batch_size(self) -> int:
        """How many examples a batch has."""
        return self._batch_size

    def make_epoch_variable(self) -> Any:
        """A placeholder for the number of the pass."""
        self._epoch_placeholder = placeholder(int32, [1], name="epoch")
        return self._epoch_placeholder

    def input_builder(self) -> tuple[Any, Any]:
        """Placeholders for features and labels, "input" and "output", for any number of examples."""
        made = (
            _placeholders(self.input_shape, self._input_dtype, "input"),
            _placeholders(self.output_shape, self._output_dtype, "output"),
        )
        self.set_placeholders(*made)
        return made

    def set_placeholders(self, input_placeholder: Any, output_placeholder: Any) -> None:
        """Feeds other placeholders than those of `input_builder`.

        Args:
          input_placeholder: a placeholder for the features, or placeholders by name.
          output_placeholder: likewise for the labels, or None.
        """
        self._placeholders = input_placeholder, output_placeholder

    def _fed(self, features: Any, labels: Any) -> Feeds:
        found: Feeds = {}
        for placed, values in zip(self._placeholders, (features, labels), strict=True):
            if isinstance(placed, dict):
                found.update({tensor.name: values[name] for name, tensor in placed.items()})
            elif placed is not None and values is not None:
                found[placed.name] = values
        return found

    def get_feed_params(self) -> dict[str, Any]:
        """Where the reading is, and the size of a batch."""
        return {"epoch": self.epoch, "offset": self.offset, "batch_size": self._batch_size}

    def get_feed_dict_fn(self) -> Callable[[], Feeds]:
        """A function that gives what to feed next; it raises StopIteration after the last pass."""

        def feed() -> Feeds:
            if self.max_epochs is not None and self.epoch + 1 > self.max_epochs:
                raise StopIteration
            rows = self.indices[self.offset : self.offset + self._batch_size]
            features = _each(lambda part: _columnar(part[rows]), self._x)
            labels = (
                None if self._y is None else self._by_class(lambda part, n: self._labels_of(part[rows], n))
            )
            self._advance()
            return self._fed(features, labels)

        return feed

    def _labels_of(self, rows: np.ndarray, classes: int) -> np.ndarray:
        if isinstance(self._y, dict) and self.n_classes is not None:
            rows = rows.astype(np.float32)
        return _encoded(rows, classes) if classes > 1 else rows

    def _advance(self) -> None:
        self.offset += self._batch_size
        if self.offset >= len(self.indices):
            if self._shuffle:
                self.indices = self.random_state.permutation(len(self.indices))
            self.offset, self.epoch = 0, self.epoch + 1


def _placeholders(shape: Any, dtype: Any, name: str) -> Any:
    if shape is None:
        return None
    if isinstance(shape, dict):
        return {key: _placeholders(part, dtype[key], f"{name}_{key}") for key, part in shape.items()}
    return placeholder(as_dtype(dtype), [None, *shape[1:]], name)


@public("contrib.learn.io.data_feeder.StreamingDataFeeder")
class StreamingDataFeeder(DataFeeder):
    """What iterators give, example by example, fed batch by batch until one ends.

    Args:
      x: gives the features of one example after another: arrays, or arrays by name.
      y: gives labels, likewise, or None.
      n_classes: how many classes; labels become vectors with a one. None or 0: they stay as they are.
      batch_size: how many examples a batch has; default, one.
    """

    def __init__(
        self, x: Iterable[Any], y: Iterable[Any] | None, n_classes: Any, batch_size: int | None
    ) -> None:
        first, self._x = _peeked(x)
        label, self._y = (None, None) if y is None else _peeked(y)
        self._batch_size, self.n_classes = batch_size or 1, n_classes
        self._input_dtype = _each(lambda part: _said(np.asarray(part).dtype), first)
        self._output_dtype = None if y is None else _each(lambda part: _said(np.asarray(part).dtype), label)
        if not isinstance(label, dict) and y is not None and n_classes:
            self._output_dtype = np.float32
        self.input_shape = _each(lambda part: [self._batch_size, *(np.shape(part) or [1])], first)
        self.output_shape = None if y is None else self._shapes(label)
        self._shuffle, self.stopped = None, False  # type: ignore[assignment]

    def _classes(self, name: Any = None) -> int:
        return (self.n_classes.get(name) if isinstance(self.n_classes, dict) else self.n_classes) or 0

    def _shapes(self, label: Any) -> Any:
        def shape(part: Any, classes: int) -> list[int]:
            return [self._batch_size, *np.shape(part), *([classes] if classes > 1 else [])]

        if isinstance(label, dict):
            return {name: shape(part, self._classes(name)) for name, part in label.items()}
        return shape(label, self._classes())

    def get_feed_params(self) -> dict[str, Any]:
        """The size of a batch."""
        return {"batch_size": self._batch_size}

    def get_feed_dict_fn(self) -> Callable[[], Feeds]:
        """A function that gives what to feed next; it raises StopIteration after the last example."""

        def feed() -> Feeds:
            rows = list(itertools.islice(self._x, self._batch_size))
            labels = None if self._y is None else list(itertools.islice(self._y, self._batch_size))
            if not rows or self.stopped:
                raise StopIteration
            self.stopped = len(rows) < self._batch_size
            features = _each(_columnar, self._together(rows, self._input_dtype))
            return self._fed(features, self._labels(labels))

        return feed

    def _together(self, rows: list[Any], dtype: Any) -> Any:
        if isinstance(rows[0], dict):
            return {name: np.asarray([row[name] for row in rows], dtype[name]) for name in rows[0]}
        return np.asarray(rows, dtype)

    def _labels(self, rows: list[Any] | None) -> Any:
        if rows is None:
            return None
        found = self._together(rows, self._output_dtype)
        if isinstance(found, dict):
            return {k: _encoded(v, self._classes(k)) if self._classes(k) > 1 else v for k, v in found.items()}
        return _encoded(found, self._classes()) if self._classes() > 1 else found


def _peeked(values: Iterable[Any]) -> tuple[Any, Iterator[Any]]:
    """The first value, and all of them."""
    rest = iter(values)
    first = next(rest)
    return first, itertools.chain([first], rest)


def _is_stream(value: Any) -> bool:
    return hasattr(value, "__next__")


@public("contrib.learn.io.data_feeder.setup_train_data_feeder")
def setup_train_data_feeder(
    x: Any,
    y: Any,
    n_classes: Any,
    batch_size: int | None = None,
    shuffle: bool = True,
    epochs: int | None = None,
) -> DataFeeder:
    """What feeds the data of a training.

    Args:
      x: an array or a table, arrays by name, or an iterator of examples.
      y: labels, likewise, or None.
      n_classes, batch_size, shuffle, epochs: as for `DataFeeder`.

    Raises:
      ValueError: features come from an iterator and labels do not.
    """
    if _is_stream(x):
        if y is not None and not _is_stream(y):
            raise ValueError("Both x and y should be iterators for streaming learning to work.")
        return StreamingDataFeeder(x, y, n_classes, batch_size)
    x, y = extract_pandas_data(x), extract_pandas_labels(y)
    return DataFeeder(x, y, n_classes, batch_size, shuffle, epochs=epochs)


@public("contrib.learn.io.data_feeder.setup_predict_data_feeder")
def setup_predict_data_feeder(x: Any, batch_size: int | None = None) -> list[Any] | Iterator[Any]:
    """Features in batches.

    Args:
      x: an array, a table, or an iterator of examples.
      batch_size: how many examples a batch has; default, all.

    Raises:
      ValueError: `batch_size` is not positive.
    """
    x = extract_pandas_data(x)
    if _is_stream(x):
        return _batches(x, batch_size)
    x = _columnar(np.asarray(x))
    if batch_size is None:
        return [x]
    if batch_size <= 0:
        raise ValueError(f"Invalid batch_size {batch_size}.")
    return [x[start : start + batch_size] for start in range(0, len(x), batch_size)]


def _batches(examples: Iterator[Any], size: int | None) -> Iterator[Any]:
    while batch := list(itertools.islice(examples, size)):
        yield np.asarray(batch)


@public(
    "contrib.learn.io.data_feeder.setup_processor_data_feeder",
    "contrib.learn.preprocessing.setup_processor_data_feeder",
)
def setup_processor_data_feeder(x: Any) -> Any:
    """What a processor reads: the values of a pandas table, or `x` itself.

    Args:
      x: a `DataFrame`, or an iterable.
    """
    return extract_pandas_matrix(x)
