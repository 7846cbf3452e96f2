"""Operations that change how a pipeline runs in TensorFlow, and not its elements."""

from __future__ import annotations

from millrace.graph.attrs import flag, integer, texts
from millrace.opkit.datasets import optimizing, selecting
from millrace.opkit.datasets.declaring import dataset

OptimizeDataset = dataset(
    "OptimizeDataset(input_dataset: variant, optimizations: string) -> handle: variant",
    optimizing.Optimize,
    __name__,
    optimization_configs=texts(()),
)
ModelDataset = dataset(
    "ModelDataset(input_dataset: variant) -> handle: variant",
    selecting.Same,
    __name__,
    algorithm=integer(0),
    cpu_budget=integer(0),
)
MaxIntraOpParallelismDataset = dataset(
    "MaxIntraOpParallelismDataset(input_dataset: variant, max_intra_op_parallelism: int64) -> handle: "
    "variant",
    selecting.Same,
    __name__,
)
ExperimentalMaxIntraOpParallelismDataset = dataset(
    "ExperimentalMaxIntraOpParallelismDataset(input_dataset: variant, max_intra_op_parallelism: int64) "
    "-> handle: variant",
    selecting.Same,
    __name__,
)
PrivateThreadPoolDataset = dataset(
    "PrivateThreadPoolDataset(input_dataset: variant, num_threads: int64) -> handle: variant",
    selecting.Same,
    __name__,
)
ExperimentalPrivateThreadPoolDataset = dataset(
    "ExperimentalPrivateThreadPoolDataset(input_dataset: variant, num_threads: int64) -> handle: variant",
    selecting.Same,
    __name__,
)
LatencyStatsDataset = dataset(
    "LatencyStatsDataset(input_dataset: variant, tag: string) -> handle: variant", selecting.Same, __name__
)
ExperimentalLatencyStatsDataset = dataset(
    "ExperimentalLatencyStatsDataset(input_dataset: variant, tag: string) -> handle: variant",
    selecting.Same,
    __name__,
)
BytesProducedStatsDataset = dataset(
    "BytesProducedStatsDataset(input_dataset: variant, tag: string) -> handle: variant",
    selecting.Same,
    __name__,
)
ExperimentalBytesProducedStatsDataset = dataset(
    "ExperimentalBytesProducedStatsDataset(input_dataset: variant, tag: string) -> handle: variant",
    selecting.Same,
    __name__,
)
SetStatsAggregatorDataset = dataset(
    "SetStatsAggregatorDataset(input_dataset: variant, stats_aggregator: resource, tag: string, "
    "counter_prefix: string) -> handle: variant",
    selecting.Same,
    __name__,
)
ExperimentalSetStatsAggregatorDataset = dataset(
    "ExperimentalSetStatsAggregatorDataset(input_dataset: variant, stats_aggregator: resource, tag: string, "
    "counter_prefix: string) -> handle: variant",
    selecting.Same,
    __name__,
)
AssertNextDataset = dataset(
    "AssertNextDataset(input_dataset: variant, transformations: string) -> handle: variant",
    selecting.Same,
    __name__,
)
ExperimentalAssertNextDataset = dataset(
    "ExperimentalAssertNextDataset(input_dataset: variant, transformations: string) -> handle: variant",
    selecting.Same,
    __name__,
)
NonSerializableDataset = dataset(
    "NonSerializableDataset(input_dataset: variant) -> handle: variant", selecting.Same, __name__
)
ExperimentalNonSerializableDataset = dataset(
    "ExperimentalNonSerializableDataset(input_dataset: variant) -> handle: variant", selecting.Same, __name__
)
AutoShardDataset = dataset(
    "AutoShardDataset(input_dataset: variant, num_workers: int64, index: int64) -> handle: variant",
    selecting.AutoShard,
    __name__,
)
ExperimentalAutoShardDataset = dataset(
    "ExperimentalAutoShardDataset(input_dataset: variant, num_workers: int64, index: int64) -> handle: "
    "variant",
    selecting.AutoShard,
    __name__,
)
RebatchDataset = dataset(
    "RebatchDataset(input_dataset: variant, num_replicas: int64) -> handle: variant",
    selecting.Rebatch,
    __name__,
    use_fallback=flag(True),
)
ExperimentalRebatchDataset = dataset(
    "ExperimentalRebatchDataset(input_dataset: variant, num_replicas: int64) -> handle: variant",
    selecting.Rebatch,
    __name__,
    use_fallback=flag(True),
)
