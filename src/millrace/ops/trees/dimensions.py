"""Operations that split by features of several dimensions, dense and sparse."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.attrs import integer, one_of
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.trees.dimensions import aggregated, best_of_node, columns_of
from millrace.opkit.trees.splits import Penalties

_SIZES: dict[str, Any] = dict(max_splits=integer(minimum=1), num_buckets=integer(minimum=1), host=True)


def _found_dims(logits_dimension: int) -> list[Any]:
    return [(None,)] * 4 + [(None, logits_dimension)] * 2 + [(None,)]


def _best(
    node_range: Any, sums: np.ndarray, penalties: Any, logits: int, equality: bool, present: Any
) -> Any:
    first, last = (int(n) for n in node_range)
    if not 0 <= first <= last <= len(sums):
        raise refusal(f"node_id_range must lie in [0, {len(sums)}]. Received: {first} to {last}")
    checked = Penalties(*(np.float32(p) for p in penalties))
    pairs = [
        (
            node,
            best_of_node(sums[node], logits, checked, equality, None if present is None else present[node]),
        )
        for node in range(first, last)
    ]
    return columns_of([(node, best) for node, best in pairs if best is not None], logits)


def _check_ids(node_ids: np.ndarray, limit: int) -> None:
    if len(node_ids) and not (node_ids.min() >= 0 and node_ids.max() < limit):
        raise refusal(f"node_ids must be in [0, {limit}). Received: {node_ids.min()} to {node_ids.max()}")


def _aggregate(node_ids: Any, gradients: Any, hessians: Any, feature: Any, nodes: int, buckets: int) -> Any:
    _check_ids(node_ids, nodes)
    if feature.max(initial=-1) >= buckets:
        raise refusal(f"Buckets must be below {buckets}. Received: {feature.max()}")
    values = np.concatenate([gradients, hessians], axis=1)
    return aggregated(node_ids, values, feature, nodes, buckets)


@declare(
    "BoostedTreesAggregateStats(node_ids: int32, gradients: float, hessians: float, feature: int32) -> "
    "stats_summary: float",
    **_SIZES,
)
class BoostedTreesAggregateStats:
    """Sums of gradients and Hessians for each node, dimension and bucket, the last for missing values."""

    def shape(node_ids, gradients, hessians, feature, max_splits, num_buckets):
        with_rank(node_ids, 1, "node_ids")
        widths = [with_rank(g, 2, "gradients and hessians")[1] for g in (gradients, hessians)]
        width = None if None in widths else sum(widths)  # type: ignore[arg-type]
        return max_splits, with_rank(feature, 2, "feature")[1], num_buckets + 1, width

    def kernel(xp, node_ids, gradients, hessians, feature, max_splits, num_buckets):
        return _aggregate(node_ids, gradients, hessians, feature, max_splits, num_buckets)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesSparseAggregateStats(node_ids: int32, gradients: float, hessians: float, "
    "feature_indices: int32, feature_values: int32, feature_shape: int32) -> stats_summary_indices: int32, "
    "stats_summary_values: float, stats_summary_shape: int32",
    **_SIZES,
)
class BoostedTreesSparseAggregateStats:
    """`BoostedTreesAggregateStats` of a sparse feature, whose sums are sparse, too."""

    def shape(
        node_ids, gradients, hessians, feature_indices, feature_values, feature_shape, max_splits, num_buckets
    ):
        with_rank(feature_indices, 2, "feature_indices")
        with_rank(feature_values, 1, "feature_values")
        return [(None, 4), (None,), (4,)]

    def kernel(
        xp,
        node_ids,
        gradients,
        hessians,
        feature_indices,
        feature_values,
        feature_shape,
        max_splits,
        num_buckets,
    ):
        dense = np.full(tuple(feature_shape), -1, np.int32)
        dense[tuple(feature_indices.T)] = feature_values
        sums = _aggregate(node_ids, gradients, hessians, dense, max_splits, num_buckets)
        ones = np.ones((len(node_ids), 1), np.float32)
        touched = aggregated(node_ids, ones, dense, max_splits, num_buckets)[..., 0] > 0
        cells = np.argwhere(touched).repeat(sums.shape[-1], axis=0)
        parts = np.tile(np.arange(sums.shape[-1]), int(touched.sum()))
        indices = np.concatenate([cells, parts[:, None]], axis=1).astype(np.int32)
        return indices, sums[touched].ravel(), np.array(sums.shape, np.int32)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesCalculateBestFeatureSplit(node_id_range: int32, stats_summary: float, l1: float, l2: float, "
    "tree_complexity: float, min_node_weight: float) -> node_ids: int32, gains: float, "
    "feature_dimensions: int32, thresholds: int32, left_node_contribs: float, right_node_contribs: float, "
    "split_with_default_directions: string",
    logits_dimension=integer(minimum=1),
    split_type=one_of("inequality", "equality", default="inequality"),
    host=True,
)
class BoostedTreesCalculateBestFeatureSplit:
    """The best split of each node by one feature."""

    def shape(node_id_range, stats_summary, l1, l2, tree_complexity, min_node_weight, logits_dimension):
        with_rank(stats_summary, 4, "stats_summary")
        return _found_dims(logits_dimension)

    def kernel(
        xp,
        node_id_range,
        stats_summary,
        l1,
        l2,
        tree_complexity,
        min_node_weight,
        logits_dimension,
        split_type,
    ):
        penalties = l1, l2, tree_complexity, min_node_weight
        equality = split_type == "equality"
        return _best(node_id_range, stats_summary, penalties, logits_dimension, equality, None)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesSparseCalculateBestFeatureSplit(node_id_range: int32, stats_summary_indices: int32, "
    "stats_summary_values: float, stats_summary_shape: int32, l1: float, l2: float, tree_complexity: float, "
    "min_node_weight: float) -> node_ids: int32, gains: float, "
    "feature_dimensions: int32, thresholds: int32, left_node_contribs: float, right_node_contribs: float, "
    "split_with_default_directions: string",
    logits_dimension=integer(minimum=1),
    split_type=one_of("inequality", default="inequality"),
    host=True,
)
class BoostedTreesSparseCalculateBestFeatureSplit:
    """The best split of each node by one sparse feature."""

    def shape(
        node_id_range,
        stats_summary_indices,
        stats_summary_values,
        stats_summary_shape,
        l1,
        l2,
        tree_complexity,
        min_node_weight,
        logits_dimension,
    ):
        with_rank(stats_summary_indices, 2, "stats_summary_indices")
        with_rank(stats_summary_values, 1, "stats_summary_values")
        return _found_dims(logits_dimension)

    def kernel(
        xp,
        node_id_range,
        stats_summary_indices,
        stats_summary_values,
        stats_summary_shape,
        l1,
        l2,
        tree_complexity,
        min_node_weight,
        logits_dimension,
    ):
        sums = np.zeros(tuple(stats_summary_shape), np.float32)
        where = tuple(stats_summary_indices.T)
        sums[where] = stats_summary_values
        present = np.zeros(sums.shape[:3], bool)
        present[where[:3]] = True
        penalties = l1, l2, tree_complexity, min_node_weight
        return _best(node_id_range, sums, penalties, logits_dimension, False, present[..., :-1])

    grad = NOT_DIFFERENTIABLE
