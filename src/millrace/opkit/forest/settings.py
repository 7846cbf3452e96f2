"""How a forest grows, decoded from the message that its operations carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from millrace.core import protos

DENSE, SPARSE, REGRESSION, SPARSE_THEN_DENSE = 0, 1, 2, 3
NO_PRUNING, HOEFFDING_PRUNING = 0, 4
DOMINATE_HOEFFDING, DOMINATE_BOOTSTRAP = 2, 3
KEPT_OUT = {1: 0.5, 2: 0.25, 3: 0.10}  # by kind of pruning, the share of the splits that goes each time
BY_DEPTH = Callable[[int], float]


@dataclass(frozen=True)
class ForestSettings:
    """What `TensorForestParams` says; what depends on the depth of a leaf is a function of it."""

    leaf_kind: int
    stats_kind: int
    outputs: int
    features: int
    max_nodes: int
    strict: bool
    checkpoint_stats: bool
    average_splits: bool
    tree_paths: bool
    pruning: int
    finish: int
    splits: BY_DEPTH
    split_after: BY_DEPTH
    dominate_fraction: BY_DEPTH
    prune_every: BY_DEPTH
    check_every: BY_DEPTH

    @property
    def regression(self) -> bool:
        """Whether leaves hold means rather than counts of classes."""
        return self.leaf_kind == REGRESSION


@lru_cache(maxsize=64)
def settings_of(params: bytes) -> ForestSettings:
    """Decodes a serialized `TensorForestParams`."""
    message = protos.TensorForestParams.FromString(params)
    return ForestSettings(
        leaf_kind=message.leaf_type,
        stats_kind=message.stats_type,
        outputs=message.num_outputs,
        features=message.num_features,
        max_nodes=message.max_nodes,
        strict=message.inequality_test_type == 1,
        checkpoint_stats=message.checkpoint_stats,
        average_splits=message.initialize_average_splits,
        tree_paths=message.inference_tree_paths,
        pruning=message.pruning_type.type,
        finish=message.finish_type.type,
        splits=_by_depth(message.num_splits_to_consider),
        split_after=_by_depth(message.split_after_samples),
        dominate_fraction=_by_depth(message.dominate_fraction),
        prune_every=_by_depth(message.pruning_type.prune_every_samples),
        check_every=_by_depth(message.finish_type.check_every_steps),
    )


def _by_depth(param: Any) -> BY_DEPTH:
    """The number that a `DepthDependentParam` stands for, at a depth."""
    kind = param.WhichOneof("ParamType")
    if kind == "linear":
        line = param.linear
        return lambda depth: min(max(line.slope * depth + line.y_intercept, line.min_val), line.max_val)
    if kind == "exponential":
        power = param.exponential
        return lambda depth: power.bias + power.multiplier * power.base ** (power.depth_multiplier * depth)
    if kind == "threshold":
        step = param.threshold
        return lambda depth: step.on_value if depth >= step.threshold else step.off_value
    value = param.constant_value
    return lambda depth: value
