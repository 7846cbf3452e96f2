"""Data sets in local files of comma-separated values."""

from __future__ import annotations

import csv
from typing import Any, NamedTuple

import numpy as np

from millrace.core.public import public
from millrace.lib.platform import gfile


@public("contrib.learn.datasets.base.Dataset", "contrib.learn.python.learn.datasets.base.Dataset")
class Dataset(NamedTuple):
    """Features and what belongs to them.

    Attributes:
      data: `[examples, features]`.
      target: `[examples]`.
    """

    data: Any
    target: Any


@public("contrib.learn.datasets.base.Datasets", "contrib.learn.python.learn.datasets.base.Datasets")
class Datasets(NamedTuple):
    """The three parts of a data set.

    Attributes:
      train, validation, test: each a `Dataset`, or None.
    """

    train: Any
    validation: Any
    test: Any


def _rows(filename: Any) -> list[list[str]]:
    with gfile.GFile(filename) as file:
        return [row for row in csv.reader(file.read().splitlines()) if row]


def _split(rows: list[list[str]], target_column: int) -> tuple[list[list[str]], list[str]]:
    """The features of each row, and its target."""
    targets = [row.pop(target_column) for row in rows]
    return rows, targets


@public(
    "contrib.learn.datasets.base.load_csv_with_header",
    "contrib.learn.python.learn.datasets.base.load_csv_with_header",
)
def load_csv_with_header(
    filename: Any, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """A table whose first line says how many examples and how many features there are.

    Args:
      filename: of a local file.
      target_dtype: of the targets.
      features_dtype: of the features.
      target_column: which column holds the targets.

    Returns:
      A `Dataset`.

    Raises:
      ValueError: a line has another number of features than the first line says, there are more lines, or a
        value is not of its dtype.
    """
    header, *rows = _rows(filename)
    count, width = int(header[0]), int(header[1])
    features, targets = _split(rows, target_column)
    widths = {len(row) for row in features}
    if len(features) > count or widths - {width}:
        raise ValueError(
            f"load_csv_with_header: {filename} says that it has {count} examples of {width} features. "
            f"Received: {len(features)} examples of {sorted(widths)} features"
        )
    data, target = np.zeros((count, width), features_dtype), np.zeros((count,), target_dtype)
    for i, (row, value) in enumerate(zip(features, targets, strict=True)):
        data[i], target[i] = np.asarray(row, features_dtype), np.asarray(value, target_dtype)
    return Dataset(data=data, target=target)


@public(
    "contrib.learn.datasets.base.load_csv_without_header",
    "contrib.learn.python.learn.datasets.base.load_csv_without_header",
)
def load_csv_without_header(
    filename: Any, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """A table without a first line of counts; arguments and errors as for `load_csv_with_header`.

    Returns:
      A `Dataset`.
    """
    features, targets = _split(_rows(filename), target_column)
    data = np.array([np.asarray(row, features_dtype) for row in features])
    return Dataset(data=data, target=np.array(targets, dtype=target_dtype))
