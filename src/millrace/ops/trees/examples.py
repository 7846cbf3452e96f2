"""Operations on trees and all examples of a layer; TensorFlow's core has none of their kind."""

from __future__ import annotations

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.attrs import flag, integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.state.resource import of
from millrace.opkit.trees import prediction
from millrace.opkit.trees.dimensions import columns_of
from millrace.opkit.trees.ensemble import Ensemble
from millrace.opkit.trees.examples import Layer, best_of_layer
from millrace.opkit.trees.splits import Penalties


@declare(
    "BoostedTreesSplitExamples(node_ids: int32, gradients: float, hessians: float, feature: int32, "
    "allowed: bool, l1: float, l2: float, tree_complexity: float, min_node_weight: float) -> "
    "split_nodes: int32, gains: float, feature_dimensions: int32, thresholds: int32, "
    "left_node_contribs: float, right_node_contribs: float, split_with_default_directions: string",
    equality=flag(False),
    host=True,
)
class BoostedTreesSplitExamples:
    """The best split of each node of a layer, of the examples themselves."""

    def shape(node_ids, gradients, hessians, feature, allowed, *penalties, equality):
        with_rank(node_ids, 1, "node_ids")
        with_rank(hessians, 2, "hessians")
        with_rank(feature, 2, "feature")
        with_rank(allowed, 1, "allowed")
        logits = with_rank(gradients, 2, "gradients")[1]
        return [(None,)] * 4 + [(None, logits)] * 2 + [(None,)]

    def kernel(
        xp,
        node_ids,
        gradients,
        hessians,
        feature,
        allowed,
        l1,
        l2,
        tree_complexity,
        min_node_weight,
        equality,
    ):
        sizes = {len(part) for part in (node_ids, gradients, hessians, feature)}
        if len(sizes) != 1 or len(allowed) != feature.shape[1]:
            raise refusal(
                "node_ids, gradients, hessians and feature must have a row for each example, and allowed an "
                f"element for each feature. Received: {len(node_ids)}, {len(gradients)}, {len(hessians)}, "
                f"{list(feature.shape)} and {len(allowed)}"
            )
        penalties = Penalties(*(np.float32(p) for p in (l1, l2, tree_complexity, min_node_weight)))
        layer = Layer(node_ids, gradients, hessians, feature)
        return columns_of(best_of_layer(layer, allowed, penalties, equality), gradients.shape[1])

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesWeightedPredict(tree_ensemble_handle: resource, tree_weights: float, features: int32, "
    "categories: int32) -> logits: float, leaf_ids: int32",
    logits_dimension=integer(minimum=1),
    effect=True,
    host=True,
)
class BoostedTreesWeightedPredict:
    """The logits of examples by trees that count as weights say, and the leaf that each tree ends at.

    A tree without a weight counts for nothing.
    """

    def shape(tree_ensemble_handle, tree_weights, features, categories, logits_dimension):
        with_rank(tree_weights, 1, "tree_weights")
        batch = with_rank(features, 2, "features")[0]
        with_rank(categories, 2, "categories")
        return [(batch, logits_dimension), (batch, None)]

    def kernel(xp, tree_ensemble_handle, tree_weights, features, categories, logits_dimension):
        ensemble = of(Ensemble, tree_ensemble_handle).check()
        with ensemble.lock:
            table = prediction.feature_table([features, categories])
            return prediction.predict_weighted(ensemble, table, logits_dimension, tree_weights)

    grad = NOT_DIFFERENTIABLE
