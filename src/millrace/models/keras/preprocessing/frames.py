"""Batches of images that a table names."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.models.keras.preprocessing.iterators import ENDINGS, FileIterator, share_of

_BY_CLASS = ("categorical", "binary", "sparse")
_MODES = (*_BY_CLASS, "input", "multi_output", "raw", None)


class DataFrameIterator(FileIterator):
    """Batches of images that a DataFrame names; see `ImageDataGenerator.flow_from_dataframe`.

    Raises:
      ValueError: a mode or the subset is unknown, or a column does not fit the mode.
      TypeError: a column holds something else than the mode needs.
    """

    def __init__(
        self,
        dataframe: Any,
        directory: Any = None,
        image_data_generator: Any = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = "channels_last",
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        dtype: Any = "float32",
        validate_filenames: bool = True,
    ) -> None:
        saving = (save_to_dir, save_prefix, save_format)
        self._take_settings(
            image_data_generator, target_size, color_mode, data_format, saving, interpolation, dtype
        )
        if class_mode not in _MODES:
            raise ValueError(f"Invalid class_mode: {class_mode}; expected one of {_MODES}")
        self.directory, self.class_mode, self.subset = directory or "", class_mode, subset
        names, rows = list(dataframe[x_col]), list(range(len(dataframe[x_col])))
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"All values in column x_col={x_col} must be strings.")
        if validate_filenames:
            rows = [row for row in rows if self._is_image(names[row])]
            if len(rows) < len(names):
                warnings.warn(
                    f'Found {len(names) - len(rows)} invalid image filename(s) in x_col="{x_col}". These '
                    "filename(s) will be ignored.",
                    stacklevel=3,
                )
        labels = None if class_mode in ("input", None) else _labels(dataframe, y_col, class_mode)
        if class_mode in _BY_CLASS:
            rows = self._take_classes(rows, labels, classes)
        share = share_of(image_data_generator, subset)
        rows = rows[int(share[0] * len(rows)) : int(share[1] * len(rows))]
        self.filenames = [names[row] for row in rows]
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        weights = None if weight_col is None else list(dataframe[weight_col])
        self.sample_weight = None if weights is None else np.array([weights[row] for row in rows])
        self._take_targets(rows, labels)
        self.samples = len(self.filenames)
        kinds = f" belonging to {len(self.class_indices)} classes" if class_mode in _BY_CLASS else ""
        valid = "validated" if validate_filenames else "non-validated"
        sys.stdout.write(f"Found {self.samples} {valid} image filenames{kinds}.\n")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _is_image(self, name: str) -> bool:
        path = os.path.join(self.directory, name)
        return name.lower().rpartition(".")[2] in ENDINGS and os.path.isfile(path)

    def _take_classes(self, rows: list[int], labels: Any, classes: Any) -> list[int]:
        """Numbers the classes; gives the rows that have one of them."""
        wanted = None if classes is None else list(dict.fromkeys(classes))

        def of_row(row: int) -> list[Any]:
            label = labels[row]
            found = list(label) if isinstance(label, list | tuple) else [label]
            return found if wanted is None else [c for c in found if c in wanted]

        self._of_row = {row: of_row(row) for row in rows}
        rows = [row for row in rows if self._of_row[row]]
        present = sorted({c for row in rows for c in self._of_row[row]}) if wanted is None else wanted
        if self.class_mode == "binary" and len(present) != 2:
            raise ValueError(
                f'If class_mode="binary" there must be 2 classes. Received: {len(present)} classes: {present}'
            )
        self.class_indices = {name: number for number, name in enumerate(present)}
        return rows

    def _take_targets(self, rows: list[int], labels: Any) -> None:
        if self.class_mode in _BY_CLASS:
            kept = [[self.class_indices[c] for c in self._of_row[row]] for row in rows]
            del self._of_row
            self.classes = kept if any(len(k) > 1 for k in kept) else [k[0] for k in kept]
            self._numbers = kept
        elif self.class_mode == "raw":
            self._raw = np.array([labels[row] for row in rows])
        elif self.class_mode == "multi_output":
            self._outputs = [np.array([column[row] for row in rows]) for column in labels]

    def _get_batches_of_transformed_samples(self, index_array: Any) -> Any:
        batch = self._loaded(index_array)
        if self.class_mode is None:
            return batch
        y = batch.copy() if self.class_mode == "input" else self._targets_of(index_array)
        return (batch, y) if self.sample_weight is None else (batch, y, self.sample_weight[index_array])

    def _targets_of(self, index_array: Any) -> Any:
        if self.class_mode == "raw":
            return self._raw[index_array]
        if self.class_mode == "multi_output":
            return [column[index_array] for column in self._outputs]
        numbers = [self._numbers[k] for k in index_array]
        if self.class_mode != "categorical":
            return np.array([n[0] for n in numbers], self.dtype)
        found = np.zeros((len(numbers), len(self.class_indices)), self.dtype)
        for row, n in zip(found, numbers, strict=True):
            row[n] = 1.0
        return found


public("python.keras.preprocessing.image.DataFrameIterator")(DataFrameIterator)


def _labels(dataframe: Any, y_col: Any, class_mode: str | None) -> list[Any]:
    """The labels of all rows; of all columns with "multi_output".

    Raises:
      TypeError: they are not what the mode needs.
    """
    if class_mode == "multi_output":
        if not isinstance(y_col, list | tuple):
            raise TypeError(
                f'If class_mode="{class_mode}", y_col must be a list. Received {type(y_col).__name__}.'
            )
        return [list(dataframe[column]) for column in y_col]
    if class_mode == "raw" and isinstance(y_col, list | tuple):
        return [list(row) for row in zip(*[list(dataframe[c]) for c in y_col], strict=True)]
    labels = list(dataframe[y_col])
    allowed: Any = (str, list, tuple) if class_mode == "categorical" else str
    if class_mode in _BY_CLASS and not all(isinstance(label, allowed) for label in labels):
        kinds = "strings, lists or tuples" if class_mode == "categorical" else "strings"
        raise TypeError(f'If class_mode="{class_mode}", y_col="{y_col}" column values must be {kinds}.')
    return labels
