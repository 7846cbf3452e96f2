"""Readers of series: arrays in memory, files of lines with commas, records of examples."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from millrace.building.scopes import control_dependencies
from millrace.contributed.timeseries.feature_keys import TrainEvalFeatures
from millrace.core.dtypes import as_dtype, float32, int64
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import cond, while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.input.readers import TextLineReader, TFRecordReader
from millrace.lib.variables.assigning import assign, count_up_to
from millrace.lib.variables.sets import is_variable_initialized
from millrace.lib.variables.variable import Variable
from millrace.models.estimator.enqueuing import enqueue_data
from millrace.ops.array.concat import stack
from millrace.ops.array.constant import constant, identity, zeros
from millrace.ops.array.reshape import reshape, squeeze
from millrace.ops.io.parsing import parse_example
from millrace.ops.io.serialize import decode_csv
from millrace.ops.math.comparison import not_equal
from millrace.training.coordination.producers import string_input_producer

TIMES, VALUES = TrainEvalFeatures.TIMES, TrainEvalFeatures.VALUES
_MODULE = "contrib.timeseries.python.timeseries.input_pipeline"


@public("contrib.timeseries.python.timeseries.input_pipeline.TimeSeriesReader")
class TimeSeriesReader:
    """Base of readers: chunks of a series for training, or all of it."""

    def check_dataset_size(self, minimum_dataset_size: int) -> None:
        """Refuses windows that are longer than the series, where its length is known."""

    def read(self) -> Any:
        """The next steps of the series, over and over: `[steps, ...]` by name."""

    def read_full(self) -> Any:
        """The whole series: `[steps, ...]` by name."""


def canonical(data: dict[str, Any], one_series: bool) -> dict[str, np.ndarray]:
    """Arrays with a batch dimension, `values` with one of features.

    Args:
      data: from names to arrays, `times` and `values` among them.
      one_series: refuse several series.

    Raises:
      ValueError: times or values are missing, or shapes do not agree.
    """
    arrays = {name: np.array(value) for name, value in data.items()}
    if TIMES not in arrays or VALUES not in arrays:
        raise ValueError(f"{TIMES} and {VALUES} are required features. Received: {sorted(arrays)}")
    times, values = arrays[TIMES], arrays[VALUES]
    for name, value in arrays.items():
        if value.shape[: times.ndim] != times.shape:
            raise ValueError(
                "All features must have shapes that begin with the shape of the times feature. "
                f"Received: shape {value.shape} for feature '{name}', but shape {times.shape} for '{TIMES}'"
            )
    if times.ndim == 1:
        if values.ndim > 2:
            raise ValueError(
                f"The '{VALUES}' feature must have at most 2 dimensions ([steps, features]), since '{TIMES}' "
                f"has no batch dimension. Received: shape {values.shape}"
            )
        arrays = {name: value[None] for name, value in arrays.items()}
    elif one_series and times.shape[0] != 1:
        raise ValueError(f"One series is needed, not a batch of them. Received: times of shape {times.shape}")
    if arrays[VALUES].ndim == 2:
        arrays[VALUES] = arrays[VALUES][..., None]
    return arrays


@public("contrib.timeseries.NumpyReader", "contrib.timeseries.python.timeseries.input_pipeline.NumpyReader")
class NumpyReader(TimeSeriesReader):
    """Reads one series from arrays.

    Args:
      data: from names to arrays: `times` `[steps]`, `values` `[steps]` or `[steps, features]`, and others
        `[steps, ...]`; a batch dimension of one in front of all is allowed.
      read_num_records_hint: how many steps `read` gives at once.

    Raises:
      ValueError: times or values are missing, or shapes do not agree.
    """

    def __init__(self, data: dict[str, Any], read_num_records_hint: int = 4096) -> None:
        self._features = canonical(data, one_series=True)
        self._read_num_records_hint = read_num_records_hint

    def check_dataset_size(self, minimum_dataset_size: int) -> None:
        """Refuses windows that are longer than the series.

        Raises:
          ValueError: they are.
        """
        steps = self._features[TIMES].shape[1]
        if steps < minimum_dataset_size:
            raise ValueError(
                f"Windows of {minimum_dataset_size} steps need a series that is not shorter. "
                f"Received: {steps} steps. Decrease the window size or provide more records."
            )

    def read_full(self) -> dict[str, Any]:
        """The whole series, at each run once more."""
        parts = self._dequeued(self._features, 2, 1)
        return {name: squeeze(part, axis=0) for name, part in parts.items()}

    def read(self) -> dict[str, Any]:
        """The next steps of the series; after the last comes the first."""
        unbatched = {name: np.squeeze(value, 0) for name, value in self._features.items()}
        return self._dequeued(unbatched, 1000, self._read_num_records_hint)

    def _dequeued(self, arrays: dict[str, np.ndarray], capacity: int, count: int) -> dict[str, Any]:
        ordered = OrderedDict(sorted(arrays.items()))
        queue = enqueue_data(ordered, capacity, False, name="enqueue_input")
        parts = queue.dequeue_many(count)
        return dict(zip(ordered, parts[1:], strict=True))


@public("contrib.timeseries.python.timeseries.input_pipeline.ReaderBaseTimeSeriesParser")
class ReaderBaseTimeSeriesParser(TimeSeriesReader):
    """Base of readers of files.

    Args:
      filenames: their paths, in the order of time.
      read_num_records_hint: how many records `read` takes at once.
    """

    def __init__(self, filenames: Any, read_num_records_hint: int = 4096) -> None:
        self._filenames = filenames
        self._read_num_records_hint = read_num_records_hint

    def _get_reader(self) -> Any:
        """A reader of records."""

    def _process_records(self, lines: Any) -> Any:
        """The features, `[steps, ...]` by name, of records as strings `[steps]`."""

    def _get_filename_queue(self, epoch_limit: int) -> tuple[Any, Any]:
        """A queue of paths, and a variable that counts rounds without a record."""
        epochs = Variable(
            initial_value=constant(0, dtype=int64),
            name="epoch_limiter",
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )
        names = reshape(constant(self._filenames), [-1])
        # When the variables are not initialized yet, a thread that fills the queue must not fail.
        counted = cond(
            is_variable_initialized(epochs),
            lambda: count_up_to(epochs, epoch_limit),
            lambda: constant(0, dtype=int64),
        )
        with control_dependencies([counted]):
            names = identity(names)
        return string_input_producer(names, shuffle=False, capacity=1), epochs

    def read(self) -> Any:
        """The next records of the files; after the last comes the first.

        Rounds through files that hold no records at all end with an error.
        """
        queue, epochs = self._get_filename_queue(self._read_num_records_hint)
        reader = self._get_reader()
        reset = assign(epochs, 0)
        with control_dependencies([reset]):
            _, records = reader.read_up_to(queue, self._read_num_records_hint)
        return self._process_records(records)

    def read_full(self) -> Any:
        """All records of the files, at each run once more."""
        reader = self._get_reader()
        queue, epochs = self._get_filename_queue(2)
        reset = assign(epochs, 0)
        with control_dependencies([reset]):
            first_key, first_record = reader.read_up_to(queue, 1)

        def add(current_key: Any, current_record: Any, number: Any, gathered: Any) -> tuple[Any, ...]:
            key, record = reader.read_up_to(queue, num_records=1)
            return key, record, number + 1, gathered.write(number, current_record)

        gathered = while_loop(
            lambda key, *_: not_equal(squeeze(key, axis=0), squeeze(first_key, axis=0)),
            add,
            [
                constant([""]),
                first_record,
                0,
                TensorArray(dtype=first_record.dtype, size=0, dynamic_size=True),
            ],
            shape_invariants=[TensorShape([None]), TensorShape([None]), TensorShape([]), TensorShape(None)],
        )[3]
        records = gathered.concat()
        with control_dependencies([reader.reset()]):
            records = identity(records)
        return self._process_records(records)


@public("contrib.timeseries.CSVReader", "contrib.timeseries.python.timeseries.input_pipeline.CSVReader")
class CSVReader(ReaderBaseTimeSeriesParser):
    """Reads one series from files of lines with commas.

    Args:
      filenames: their paths, in the order of time.
      column_names: the name of each column: `times` once; columns of one name become one feature.
      column_dtypes: of each column; default int64 for times, float32 for others.
      skip_header_lines: at the beginning of each file.
      read_num_records_hint: how many lines `read` takes at once.

    Raises:
      ValueError: times or values are missing, times come twice, or the dtypes are not as many.
    """

    def __init__(
        self,
        filenames: Any,
        column_names: Any = (TIMES, VALUES),
        column_dtypes: Any = None,
        skip_header_lines: int | None = None,
        read_num_records_hint: int = 4096,
    ) -> None:
        for name in (TIMES, VALUES):
            if name not in column_names:
                raise ValueError(f"'{name}' is a required column. Received: {column_names}")
        if list(column_names).count(TIMES) > 1:
            raise ValueError(f"There must be one '{TIMES}' column. Received: {column_names}")
        if column_dtypes is not None and len(column_dtypes) != len(column_names):
            raise ValueError(
                "column_dtypes must be as many as column_names. "
                f"Received: column_dtypes={column_dtypes} and column_names={column_names}"
            )
        self._column_names = list(column_names)
        if column_dtypes is None:
            column_dtypes = [int64 if name == TIMES else float32 for name in column_names]
        self._column_dtypes = [as_dtype(dtype) for dtype in column_dtypes]
        self._skip_header_lines = skip_header_lines
        super().__init__(filenames=filenames, read_num_records_hint=read_num_records_hint)

    def _get_reader(self) -> Any:
        return TextLineReader(skip_header_lines=self._skip_header_lines)

    def _process_records(self, lines: Any) -> dict[str, Any]:
        defaults: list[Any] = [
            [zeros([], dtype)] if name == TIMES else np.array([], dtype.as_numpy_dtype)
            for name, dtype in zip(self._column_names, self._column_dtypes, strict=True)
        ]
        columns = decode_csv(lines, defaults)
        parts: dict[str, list[Any]] = {}
        for name, column in zip(self._column_names, columns, strict=True):
            parts.setdefault(name, []).append(column)
        return {name: found[0] if name == TIMES else stack(found, axis=1) for name, found in parts.items()}


@public("contrib.timeseries.python.timeseries.input_pipeline.TFExampleReader")
class TFExampleReader(ReaderBaseTimeSeriesParser):
    """Reads one series from files of records, each an Example of one step.

    Args:
      filenames: their paths, in the order of time.
      features: how the features are parsed, by name; `times` and `values` among them.

    Raises:
      ValueError: times or values are missing.
    """

    def __init__(self, filenames: Any, features: dict[str, Any]) -> None:
        for name in (TIMES, VALUES):
            if name not in features:
                raise ValueError(f"'{name}' is a required column. Received: {sorted(features)}")
        super().__init__(filenames=filenames)
        self._features = features

    def _get_reader(self) -> Any:
        return TFRecordReader()

    def _process_records(self, lines: Any) -> dict[str, Any]:
        return parse_example(serialized=lines, features=self._features)
