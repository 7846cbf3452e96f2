"""Operations that find the best splits of boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.attrs import count, integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.trees.splits import Penalties, best_splits, sums_by_bucket


def _penalties(l1: Any, l2: Any, complexity: Any, least: Any) -> Penalties:
    return Penalties(*(np.float32(p) for p in (l1, l2, complexity, least)))


@declare(
    "BoostedTreesMakeStatsSummary(node_ids: int32, gradients: float, hessians: float, "
    "bucketized_features_list: num_features*int32) -> stats_summary: float",
    max_splits=integer(minimum=1),
    num_buckets=integer(minimum=1),
    num_features=count(1),
    host=True,
)
class BoostedTreesMakeStatsSummary:
    """Sums of gradients and Hessians for each feature, node and bucket."""

    def shape(node_ids, gradients, hessians, bucketized_features_list, max_splits, num_buckets):
        with_rank(node_ids, 1, "node_ids")
        with_rank(gradients, 2, "gradients")
        with_rank(hessians, 2, "hessians")
        for feature in bucketized_features_list:
            with_rank(feature, 1, "bucketized_features_list")
        return len(bucketized_features_list), max_splits, num_buckets, 2

    def kernel(xp, node_ids, gradients, hessians, bucketized_features_list, max_splits, num_buckets):
        return sums_by_bucket(
            node_ids, gradients, hessians, bucketized_features_list, max_splits, num_buckets
        )

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesCalculateBestGainsPerFeature(node_id_range: int32, stats_summary_list: num_features*float, "
    "l1: float, l2: float, tree_complexity: float, min_node_weight: float) -> "
    "node_ids_list: num_features*int32, gains_list: num_features*float, thresholds_list: num_features*int32, "
    "left_node_contribs_list: num_features*float, right_node_contribs_list: num_features*float",
    max_splits=integer(minimum=1),
    num_features=count(1),
    host=True,
)
class BoostedTreesCalculateBestGainsPerFeature:
    """The best split of each node by each feature."""

    def shape(node_id_range, stats_summary_list, l1, l2, tree_complexity, min_node_weight, max_splits):
        for dims in stats_summary_list:
            with_rank(dims, 3, "stats_summary_list")
        rows = len(stats_summary_list)
        return [(None,)] * 3 * rows + [(None, 1)] * 2 * rows

    def kernel(xp, node_id_range, stats_summary_list, l1, l2, tree_complexity, min_node_weight, max_splits):
        first, last = (int(n) for n in node_id_range)
        if not 0 <= first <= last <= max_splits:
            raise refusal(f"node_id_range must lie in [0, {max_splits}]. Received: {first} to {last}")
        penalties = _penalties(l1, l2, tree_complexity, min_node_weight)
        found = [best_splits((first, last), sums, penalties) for sums in stats_summary_list]
        columns = ("nodes", "gains", "thresholds", "left", "right")
        return tuple([getattr(splits, column) for splits in found] for column in columns)

    grad = NOT_DIFFERENTIABLE
