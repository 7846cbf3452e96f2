"""Datasets that put elements together, take them apart, or choose among them."""

from __future__ import annotations

from millrace.graph.attrs import count, flag, integer, later, types
from millrace.opkit.datasets import caching, reshaping, selecting, shuffling
from millrace.opkit.datasets.declaring import dataset

BatchDataset = dataset(
    "BatchDataset(input_dataset: variant, batch_size: int64) -> handle: variant", reshaping.Batch, __name__
)
BatchDatasetV2 = dataset(
    "BatchDatasetV2(input_dataset: variant, batch_size: int64, drop_remainder: bool) -> handle: variant",
    reshaping.Batch,
    __name__,
    parallel_copy=flag(False),
)
PaddedBatchDataset = dataset(
    "PaddedBatchDataset(input_dataset: variant, batch_size: int64, padded_shapes: N*int64, padding_values: "
    "Toutput_types) -> handle: variant",
    reshaping.PaddedBatch,
    __name__,
    typed=False,
    Toutput_types=types(minimum=1),
    N=count(minimum=1),
)
PaddedBatchDatasetV2 = dataset(
    "PaddedBatchDatasetV2(input_dataset: variant, batch_size: int64, padded_shapes: N*int64, padding_values: "
    "Toutput_types, drop_remainder: bool) -> handle: variant",
    reshaping.PaddedBatch,
    __name__,
    typed=False,
    parallel_copy=flag(False),
    Toutput_types=types(minimum=1),
    N=count(minimum=1),
)
DenseToSparseBatchDataset = dataset(
    "DenseToSparseBatchDataset(input_dataset: variant, batch_size: int64, row_shape: int64) -> handle: "
    "variant",
    reshaping.SparseBatch,
    __name__,
)
ExperimentalDenseToSparseBatchDataset = dataset(
    "ExperimentalDenseToSparseBatchDataset(input_dataset: variant, batch_size: int64, row_shape: "
    "int64) -> handle: variant",
    reshaping.SparseBatch,
    __name__,
)
UnbatchDataset = dataset(
    "UnbatchDataset(input_dataset: variant) -> handle: variant", reshaping.Unbatch, __name__
)
ExperimentalUnbatchDataset = dataset(
    "ExperimentalUnbatchDataset(input_dataset: variant) -> handle: variant", reshaping.Unbatch, __name__
)
WindowDataset = dataset(
    "WindowDataset(input_dataset: variant, size: int64, shift: int64, stride: int64, drop_remainder: "
    "bool) -> handle: variant",
    reshaping.Window,
    __name__,
)
SlidingWindowDataset = dataset(
    "SlidingWindowDataset(input_dataset: variant, window_size: int64, window_shift: int64, "
    "window_stride: int64) -> handle: variant",
    reshaping.SlidingWindow,
    __name__,
)
ExperimentalSlidingWindowDataset = dataset(
    "ExperimentalSlidingWindowDataset(input_dataset: variant, window_size: int64, window_shift: int64, "
    "window_stride: int64) -> handle: variant",
    reshaping.SlidingWindow,
    __name__,
)
ZipDataset = dataset(
    "ZipDataset(input_datasets: N*variant) -> handle: variant", reshaping.Zip, __name__, N=count(minimum=1)
)
ConcatenateDataset = dataset(
    "ConcatenateDataset(input_dataset: variant, another_dataset: variant) -> handle: variant",
    selecting.Concatenate,
    __name__,
)
RepeatDataset = dataset(
    "RepeatDataset(input_dataset: variant, count: int64) -> handle: variant", selecting.Repeat, __name__
)
TakeDataset = dataset(
    "TakeDataset(input_dataset: variant, count: int64) -> handle: variant", selecting.Take, __name__
)
SkipDataset = dataset(
    "SkipDataset(input_dataset: variant, count: int64) -> handle: variant", selecting.Skip, __name__
)
ShardDataset = dataset(
    "ShardDataset(input_dataset: variant, num_shards: int64, index: int64) -> handle: variant",
    selecting.Shard,
    __name__,
    require_non_empty=flag(False),
)
UniqueDataset = dataset(
    "UniqueDataset(input_dataset: variant) -> handle: variant", selecting.Unique, __name__
)
ExperimentalUniqueDataset = dataset(
    "ExperimentalUniqueDataset(input_dataset: variant) -> handle: variant", selecting.Unique, __name__
)
IgnoreErrorsDataset = dataset(
    "IgnoreErrorsDataset(input_dataset: variant) -> handle: variant", selecting.IgnoreErrors, __name__
)
ExperimentalIgnoreErrorsDataset = dataset(
    "ExperimentalIgnoreErrorsDataset(input_dataset: variant) -> handle: variant",
    selecting.IgnoreErrors,
    __name__,
)
DirectedInterleaveDataset = dataset(
    "DirectedInterleaveDataset(selector_input_dataset: variant, data_input_datasets: N*variant) -> "
    "handle: variant",
    selecting.Directed,
    __name__,
    N=count(minimum=1),
    stop_on_empty_dataset=later(flag(False)),
)
ExperimentalDirectedInterleaveDataset = dataset(
    "ExperimentalDirectedInterleaveDataset(selector_input_dataset: variant, data_input_datasets: "
    "N*variant) -> handle: variant",
    selecting.Directed,
    __name__,
    N=count(minimum=1),
)
ShuffleDataset = dataset(
    "ShuffleDataset(input_dataset: variant, buffer_size: int64, seed: int64, seed2: int64) -> handle: "
    "variant",
    shuffling.Shuffle,
    __name__,
    reshuffle_each_iteration=flag(True),
)
ShuffleDatasetV2 = dataset(
    "ShuffleDatasetV2(input_dataset: variant, buffer_size: int64, seed_generator: resource) -> handle: "
    "variant",
    shuffling.ShuffleBySeedGenerator,
    __name__,
)
ShuffleAndRepeatDataset = dataset(
    "ShuffleAndRepeatDataset(input_dataset: variant, buffer_size: int64, seed: int64, seed2: int64, "
    "count: int64) -> handle: variant",
    shuffling.ShuffleAndRepeat,
    __name__,
)
SamplingDataset = dataset(
    "SamplingDataset(input_dataset: variant, rate: float32, seed: int64, seed2: int64) -> handle: variant",
    shuffling.Sampling,
    __name__,
)
CacheDataset = dataset(
    "CacheDataset(input_dataset: variant, filename: string) -> handle: variant", caching.Cache, __name__
)
PrefetchDataset = dataset(
    "PrefetchDataset(input_dataset: variant, buffer_size: int64) -> handle: variant",
    selecting.Prefetch,
    __name__,
    slack_period=integer(0),
    legacy_autotune=flag(True),
)
SleepDataset = dataset(
    "SleepDataset(input_dataset: variant, sleep_microseconds: int64) -> handle: variant",
    selecting.Sleep,
    __name__,
)
ExperimentalSleepDataset = dataset(
    "ExperimentalSleepDataset(input_dataset: variant, sleep_microseconds: int64) -> handle: variant",
    selecting.Sleep,
    __name__,
)
