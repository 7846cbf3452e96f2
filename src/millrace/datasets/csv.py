"""Datasets of comma-separated values: `CsvDataset` and `make_csv_dataset`."""

from __future__ import annotations

import csv
import glob
import gzip
import io
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.datasets.batching import flag
from millrace.datasets.dataset import Dataset
from millrace.datasets.elements import int64
from millrace.datasets.experimental import ignore_errors as without_errors
from millrace.datasets.experimental import shuffle_and_repeat
from millrace.datasets.functions import wrapper
from millrace.datasets.interleaving import parallel_interleave
from millrace.datasets.specs import TensorSpec
from millrace.graph.tensor import Tensor

_BUFFER = 4 * 1024 * 1024


def _text(value: Any, name: str) -> Tensor:
    return convert.to_tensor(value, dtypes.string, name)


def _default(value: Any, i: int) -> Tensor:
    """A column's default as a tensor: empty, of the dtype, where the program gives that alone."""
    if isinstance(value, dtypes.DType):
        return convert.to_tensor(_nothing(value), value)
    if isinstance(value, Tensor):
        return value
    return convert.convert_to_tensor(value, name=f"record_defaults_{i}")


def _nothing(dtype: dtypes.DType) -> np.ndarray:
    return np.zeros(0, object if dtype is dtypes.string else dtype.np_dtype)


@public("data.experimental.CsvDataset", "contrib.data.CsvDataset")
class CsvDataset(Dataset):
    """The rows of files of comma-separated values, as tuples of columns.

    Args:
      filenames: strings.
      record_defaults: for each column wanted its dtype, or a list of one value for empty fields.
      compression_type: "", "GZIP" or "ZLIB".
      buffer_size: accepted; reading is buffered.
      header: leave out the first row of each file.
      field_delim: the character between fields.
      use_quote_delim: whether `"` quotes a field.
      na_value: a second text that means an empty field.
      select_cols: the columns wanted, ascending; default all.
    """

    def __init__(
        self,
        filenames: Any,
        record_defaults: Sequence[Any],
        compression_type: Any = None,
        buffer_size: Any = None,
        header: Any = False,
        field_delim: Any = ",",
        use_quote_delim: Any = True,
        na_value: Any = "",
        select_cols: Any = None,
    ) -> None:
        names = _text(filenames, "filenames")
        compression = _text(compression_type or "", "compression_type")
        defaults = [_default(value, i) for i, value in enumerate(record_defaults)]
        structure = tuple(TensorSpec([], t.dtype) for t in defaults)
        made = raw.CSVDataset(
            names,
            compression,
            int64(_BUFFER if buffer_size is None else buffer_size, "buffer_size"),
            flag(header, "header"),
            _text(field_delim, "field_delim"),
            flag(use_quote_delim, "use_quote_delim"),
            _text(na_value, "na_value"),
            int64(np.array([] if select_cols is None else select_cols, np.int64), "select_cols"),
            defaults,
            output_shapes=[()] * len(defaults),
        )
        super().__init__(made, structure)


@public("data.experimental.make_csv_dataset", "contrib.data.make_csv_dataset")
def make_csv_dataset(
    file_pattern: Any,
    batch_size: int,
    column_names: Sequence[str] | None = None,
    column_defaults: Sequence[Any] | None = None,
    label_name: str | None = None,
    select_columns: Sequence[Any] | None = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: int | None = None,
    prefetch_buffer_size: int | None = None,
    num_parallel_reads: int | None = None,
    sloppy: bool = False,
    num_rows_for_inference: int | None = 100,
    compression_type: str | None = None,
    ignore_errors: bool = False,
) -> Dataset:
    """Batches of rows of files, as dictionaries of columns, or pairs of such a dictionary and a label.

    Args:
      file_pattern: one pattern of file names, or several.
      batch_size: how many rows.
      column_names: default: the first row of the first file.
      column_defaults: dtypes, or values for empty fields; default: told from the first rows.
      label_name: the column that is the label.
      select_columns: the columns wanted, by number or name.
      field_delim, use_quote_delim, na_value, compression_type: as for `CsvDataset`.
      header: whether files begin with a row of names.
      num_epochs: how often; without end where it is None.
      shuffle, shuffle_buffer_size, shuffle_seed: whether and how rows are shuffled.
      prefetch_buffer_size: batches made ahead.
      num_parallel_reads: files that take turns.
      sloppy: accepted; the order is always the same.
      num_rows_for_inference: rows that tell the columns' dtypes; None for all.
      ignore_errors: leave out rows that cannot be read.

    Raises:
      ValueError: no file matches, or columns are named that do not exist, or twice.
    """
    files = _matching(file_pattern)
    marks = (field_delim, use_quote_delim, compression_type)
    if column_names is None:
        if not header:
            raise ValueError("Cannot infer column names without a header line.")
        column_names = _names_of(files, *marks)
    if len(column_names) != len(set(column_names)):
        raise ValueError("Cannot have duplicate column names.")
    chosen = None if select_columns is None else _numbers_of(select_columns, column_names)
    if column_defaults is not None:
        defaults = [d if isinstance(d, dtypes.DType) else [_scalar(d)] for d in column_defaults]
    else:
        defaults = _told_from(files, column_names, marks, na_value, header, num_rows_for_inference, chosen)
    if chosen is not None and len(defaults) != len(chosen):
        raise ValueError("If specified, column_defaults and select_columns must have same length.")
    if chosen is not None and len(column_names) > len(chosen):
        column_names = [column_names[i] for i in chosen]
    if label_name is not None and label_name not in column_names:
        raise ValueError(f"`label_name` provided must be one of the columns. Received: {label_name!r}")

    def filename_to_dataset(filename: Any) -> Any:
        dataset = CsvDataset(
            filename,
            record_defaults=tensors,
            field_delim=field_delim,
            use_quote_delim=use_quote_delim,
            na_value=na_value,
            select_cols=chosen,
            header=header,
            compression_type=compression_type,
        )
        return dataset.apply(without_errors()) if ignore_errors else dataset

    def map_fn(*columns: Any) -> Any:
        # of a wrong number of defaults the reader tells, at the first line
        features = OrderedDict(zip(column_names, columns, strict=False))
        if label_name is None:
            return features
        label = features.pop(label_name)
        return features, label

    dataset = Dataset.from_tensor_slices(files)
    if shuffle:
        dataset = dataset.shuffle(len(files), shuffle_seed)
    tensors = [convert.convert_to_tensor(_nothing(d) if isinstance(d, dtypes.DType) else d) for d in defaults]
    cycle = 1 if num_parallel_reads is None else num_parallel_reads
    read = wrapper(filename_to_dataset, "filename_to_dataset")
    dataset = dataset.apply(parallel_interleave(read, cycle_length=cycle, sloppy=sloppy))
    dataset = shuffled_and_repeated(dataset, num_epochs, shuffle, shuffle_buffer_size, shuffle_seed)
    dataset = dataset.batch(batch_size, drop_remainder=num_epochs is None)
    dataset = dataset.map(wrapper(map_fn, "map_fn"))
    return dataset.prefetch(-1 if prefetch_buffer_size is None else prefetch_buffer_size)


def shuffled_and_repeated(
    dataset: Any, epochs: int | None, shuffle: bool, size: int, seed: int | None
) -> Any:
    """A dataset shuffled and repeated, as far as it is asked for."""
    if shuffle and epochs != 1:
        return dataset.apply(shuffle_and_repeat(size, epochs, seed))
    if shuffle:
        return dataset.shuffle(size, seed)
    return dataset if epochs == 1 else dataset.repeat(epochs)


# --- what the files tell -----------------------------------------------------------------------------------


def _matching(file_pattern: Any) -> list[str]:
    patterns = file_pattern if isinstance(file_pattern, list) else [file_pattern]
    found = sorted(name for pattern in patterns for name in glob.glob(pattern))
    if not found:
        raise ValueError(f"No files match {file_pattern}.")
    return found


def _rows(path: str, delimiter: str, quotes: bool, compression: str | None) -> Any:
    """The rows of a file as lists of texts."""
    with open(path, "rb") as file:
        data = file.read()
    if compression == "GZIP":
        data = gzip.decompress(data)
    elif compression == "ZLIB":
        data = zlib.decompress(data)
    quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    return csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter, quoting=quoting)


def _names_of(files: Sequence[str], delimiter: str, quotes: bool, compression: str | None) -> list[str]:
    names = next(_rows(files[0], delimiter, quotes, compression), None)
    if names is None:
        raise ValueError(f"Received the empty file {files[0]!r}, which has no names of columns.")
    for other in files[1:]:
        if next(_rows(other, delimiter, quotes, compression), None) != names:
            raise ValueError(f"Files have different column names in the header row: {files[0]} and {other}")
    return names


def _numbers_of(columns: Sequence[Any], names: Sequence[str]) -> list[int]:
    """Columns given by number or name as ascending numbers.

    Raises:
      ValueError: one does not exist, or is named twice.
    """
    found = []
    for column in columns:
        if isinstance(column, int):
            if not -len(names) <= column < len(names):
                raise ValueError(f"Column number {column} is out of range for {len(names)} columns.")
            found.append(column)
        elif column in names:
            found.append(list(names).index(column))
        else:
            raise ValueError(f"Value for column {column!r} is not a name of {list(names)}.")
    if len(found) != len(set(found)):
        raise ValueError("select_columns may not name a column twice.")
    return sorted(found)


def _told_from(
    files: Sequence[str],
    names: Sequence[str],
    marks: Any,
    na_value: str,
    header: bool,
    most: int | None,
    chosen: Sequence[int] | None,
) -> list[Any]:
    """Defaults of the dtypes that the first rows tell: the narrowest in which all fields of a column fit."""
    wanted = range(len(names)) if chosen is None else chosen
    kinds: list[int] = [-1] * len(names)
    seen = 0
    for path in files:
        rows = _rows(path, *marks)
        if header:
            next(rows, None)
        for row in rows:
            if not row:
                continue
            if most is not None and seen >= most:
                break
            if len(row) != len(names):
                raise ValueError(
                    f"Problem inferring types: CSV row has a different number of fields than expected: {row}"
                )
            for i in wanted:
                kinds[i] = max(kinds[i], _kind(row[i], na_value))
            seen += 1
    zeros: list[Any] = [
        np.zeros(1, np.int32),
        np.zeros(1, np.int64),
        np.zeros(1, np.float32),
        np.zeros(1, np.float64),
        np.array([b""], object),
    ]
    return [zeros[kinds[i]] for i in wanted]


_PROBES: tuple[Callable[[str], bool], ...] = (
    lambda text: abs(int(text)) <= np.iinfo(np.int32).max,
    lambda text: abs(int(text)) <= np.iinfo(np.int64).max,
    lambda text: bool(abs(float(text)) <= np.finfo(np.float32).max),
    lambda text: bool(float(text)) or True,
)


def _kind(text: str, na_value: str) -> int:
    """The number of the narrowest dtype that holds a field; -1 for an empty one."""
    if text in ("", na_value):
        return -1
    for number, fits in enumerate(_PROBES):
        try:
            if fits(text):
                return number
        except ValueError:
            continue
    return len(_PROBES)


def _scalar(value: Any) -> Any:
    """A default given as a scalar or a list of one."""
    return value[0] if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) else value
