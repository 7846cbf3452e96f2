"""Datasets that call functions."""

from __future__ import annotations

from millrace.graph.attrs import flag, function, types
from millrace.opkit.datasets import grouping, interleaving, mapping
from millrace.opkit.datasets.declaring import dataset

MapDataset = dataset(
    "MapDataset(input_dataset: variant, other_arguments: Targuments) -> handle: variant",
    mapping.Map,
    __name__,
    f=function(),
    Targuments=types(()),
    use_inter_op_parallelism=flag(True),
    preserve_cardinality=flag(False),
)
ExperimentalMapDataset = dataset(
    "ExperimentalMapDataset(input_dataset: variant, other_arguments: Targuments) -> handle: variant",
    mapping.Map,
    __name__,
    f=function(),
    Targuments=types(()),
    use_inter_op_parallelism=flag(True),
    preserve_cardinality=flag(False),
)
ParallelMapDataset = dataset(
    "ParallelMapDataset(input_dataset: variant, other_arguments: Targuments, num_parallel_calls: "
    "int32) -> handle: variant",
    mapping.ParallelMap,
    __name__,
    f=function(),
    Targuments=types(()),
    use_inter_op_parallelism=flag(True),
    sloppy=flag(False),
    preserve_cardinality=flag(False),
)
MapAndBatchDataset = dataset(
    "MapAndBatchDataset(input_dataset: variant, other_arguments: Targuments, batch_size: int64, "
    "num_parallel_calls: int64, drop_remainder: bool) -> handle: variant",
    mapping.MapAndBatch,
    __name__,
    f=function(),
    Targuments=types(()),
    preserve_cardinality=flag(False),
)
ExperimentalMapAndBatchDataset = dataset(
    "ExperimentalMapAndBatchDataset(input_dataset: variant, other_arguments: Targuments, batch_size: int64, "
    "num_parallel_calls: int64, drop_remainder: bool) -> handle: variant",
    mapping.MapAndBatch,
    __name__,
    f=function(),
    Targuments=types(()),
    preserve_cardinality=flag(False),
)
FilterDataset = dataset(
    "FilterDataset(input_dataset: variant, other_arguments: Targuments) -> handle: variant",
    mapping.Filter,
    __name__,
    predicate=function(),
    Targuments=types(()),
)
FilterByLastComponentDataset = dataset(
    "FilterByLastComponentDataset(input_dataset: variant) -> handle: variant", mapping.FilterByLast, __name__
)
TakeWhileDataset = dataset(
    "TakeWhileDataset(input_dataset: variant, other_arguments: Targuments) -> handle: variant",
    mapping.TakeWhile,
    __name__,
    predicate=function(),
    Targuments=types(()),
)
ExperimentalTakeWhileDataset = dataset(
    "ExperimentalTakeWhileDataset(input_dataset: variant, other_arguments: Targuments) -> handle: variant",
    mapping.TakeWhile,
    __name__,
    predicate=function(),
    Targuments=types(()),
)
ScanDataset = dataset(
    "ScanDataset(input_dataset: variant, initial_state: Tstate, other_arguments: Targuments) -> "
    "handle: variant",
    mapping.Scan,
    __name__,
    f=function(),
    Tstate=types(minimum=1),
    Targuments=types(()),
    preserve_cardinality=flag(False),
)
ExperimentalScanDataset = dataset(
    "ExperimentalScanDataset(input_dataset: variant, initial_state: Tstate, other_arguments: "
    "Targuments) -> handle: variant",
    mapping.Scan,
    __name__,
    f=function(),
    Tstate=types(minimum=1),
    Targuments=types(()),
    preserve_cardinality=flag(False),
)
FlatMapDataset = dataset(
    "FlatMapDataset(input_dataset: variant, other_arguments: Targuments) -> handle: variant",
    mapping.FlatMap,
    __name__,
    f=function(),
    Targuments=types(()),
)
InterleaveDataset = dataset(
    "InterleaveDataset(input_dataset: variant, other_arguments: Targuments, cycle_length: int64, "
    "block_length: int64) -> handle: variant",
    interleaving.Interleave,
    __name__,
    f=function(),
    Targuments=types(()),
)
ParallelInterleaveDatasetV2 = dataset(
    "ParallelInterleaveDatasetV2(input_dataset: variant, other_arguments: Targuments, cycle_length: int64, "
    "block_length: int64, num_parallel_calls: int64) -> handle: variant",
    interleaving.ParallelInterleave,
    __name__,
    f=function(),
    Targuments=types(()),
    sloppy=flag(False),
)
ParallelInterleaveDataset = dataset(
    "ParallelInterleaveDataset(input_dataset: variant, other_arguments: Targuments, cycle_length: int64, "
    "block_length: int64, sloppy: bool, buffer_output_elements: int64, prefetch_input_elements: int64) "
    "-> handle: variant",
    interleaving.Workers,
    __name__,
    f=function(),
    Targuments=types(()),
)
ExperimentalParallelInterleaveDataset = dataset(
    "ExperimentalParallelInterleaveDataset(input_dataset: variant, other_arguments: Targuments, "
    "cycle_length: int64, block_length: int64, sloppy: bool, buffer_output_elements: int64, "
    "prefetch_input_elements: int64) -> handle: variant",
    interleaving.Workers,
    __name__,
    f=function(),
    Targuments=types(()),
)
GroupByWindowDataset = dataset(
    "GroupByWindowDataset(input_dataset: variant, key_func_other_arguments: Tkey_func_other_arguments, "
    "reduce_func_other_arguments: Treduce_func_other_arguments, window_size_func_other_arguments: "
    "Twindow_size_func_other_arguments) -> handle: variant",
    grouping.GroupByWindow,
    __name__,
    key_func=function(),
    reduce_func=function(),
    window_size_func=function(),
    Tkey_func_other_arguments=types(()),
    Treduce_func_other_arguments=types(()),
    Twindow_size_func_other_arguments=types(()),
)
ExperimentalGroupByWindowDataset = dataset(
    "ExperimentalGroupByWindowDataset(input_dataset: variant, key_func_other_arguments: "
    "Tkey_func_other_arguments, reduce_func_other_arguments: Treduce_func_other_arguments, "
    "window_size_func_other_arguments: Twindow_size_func_other_arguments) -> handle: variant",
    grouping.GroupByWindow,
    __name__,
    key_func=function(),
    reduce_func=function(),
    window_size_func=function(),
    Tkey_func_other_arguments=types(()),
    Treduce_func_other_arguments=types(()),
    Twindow_size_func_other_arguments=types(()),
)
GroupByReducerDataset = dataset(
    "GroupByReducerDataset(input_dataset: variant, key_func_other_arguments: Tkey_func_other_arguments, "
    "init_func_other_arguments: Tinit_func_other_arguments, reduce_func_other_arguments: "
    "Treduce_func_other_arguments, finalize_func_other_arguments: Tfinalize_func_other_arguments) -> "
    "handle: variant",
    grouping.GroupByReducer,
    __name__,
    key_func=function(),
    init_func=function(),
    reduce_func=function(),
    finalize_func=function(),
    Tkey_func_other_arguments=types(()),
    Tinit_func_other_arguments=types(()),
    Treduce_func_other_arguments=types(()),
    Tfinalize_func_other_arguments=types(()),
)
ExperimentalGroupByReducerDataset = dataset(
    "ExperimentalGroupByReducerDataset(input_dataset: variant, key_func_other_arguments: "
    "Tkey_func_other_arguments, init_func_other_arguments: Tinit_func_other_arguments, "
    "reduce_func_other_arguments: Treduce_func_other_arguments, finalize_func_other_arguments: "
    "Tfinalize_func_other_arguments) -> handle: variant",
    grouping.GroupByReducer,
    __name__,
    key_func=function(),
    init_func=function(),
    reduce_func=function(),
    finalize_func=function(),
    Tkey_func_other_arguments=types(()),
    Tinit_func_other_arguments=types(()),
    Treduce_func_other_arguments=types(()),
    Tfinalize_func_other_arguments=types(()),
)
