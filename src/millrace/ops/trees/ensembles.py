"""Operations that make, keep and grow ensembles of boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.attrs import count, integer, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.families import handle
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.state.resource import of
from millrace.opkit.text.pieces import strings
from millrace.opkit.trees import growth, messages
from millrace.opkit.trees.dimensions import EQUAL, RIGHT
from millrace.opkit.trees.ensemble import Ensemble, Split

_NOW: dict[str, Any] = dict(effect=True, host=True)

BoostedTreesEnsembleResourceHandleOp = handle(
    "BoostedTreesEnsembleResourceHandleOp() -> resource: resource",
    Ensemble,
    "An ensemble of boosted trees.",
    __name__,
    effect=True,
    container=text(""),
    shared_name=text(""),
)


def _load(ensemble: Ensemble, stamp: Any, content: Any) -> None:
    data = strings(content).item()
    with ensemble.lock:
        if data:
            messages.read(data, ensemble)
        else:
            ensemble.clear()
        ensemble.stamp = int(stamp)
        ensemble.make_ready()


def _serialized_shape(tree_ensemble_handle, stamp_token, tree_ensemble_serialized):
    with_rank(stamp_token, 0, "stamp_token")
    with_rank(tree_ensemble_serialized, 0, "tree_ensemble_serialized")
    return []


@declare(
    "BoostedTreesCreateEnsemble(tree_ensemble_handle: resource, stamp_token: int64, "
    "tree_ensemble_serialized: string)",
    **_NOW,
)
class BoostedTreesCreateEnsemble:
    """Fills an ensemble that has not been created yet."""

    shape = _serialized_shape

    def kernel(xp, tree_ensemble_handle, stamp_token, tree_ensemble_serialized):
        ensemble = of(Ensemble, tree_ensemble_handle)
        if not ensemble.is_ready:
            _load(ensemble, stamp_token, tree_ensemble_serialized)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesDeserializeEnsemble(tree_ensemble_handle: resource, stamp_token: int64, "
    "tree_ensemble_serialized: string)",
    **_NOW,
)
class BoostedTreesDeserializeEnsemble:
    """Replaces what an ensemble holds."""

    shape = _serialized_shape

    def kernel(xp, tree_ensemble_handle, stamp_token, tree_ensemble_serialized):
        _load(of(Ensemble, tree_ensemble_handle).check(), stamp_token, tree_ensemble_serialized)

    grad = NOT_DIFFERENTIABLE


@declare("IsBoostedTreesEnsembleInitialized(tree_ensemble_handle: resource) -> is_initialized: bool", **_NOW)
class IsBoostedTreesEnsembleInitialized:
    """Whether an ensemble has been created."""

    def shape(tree_ensemble_handle):
        return ()

    def kernel(xp, tree_ensemble_handle):
        return np.bool_(of(Ensemble, tree_ensemble_handle).is_ready)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesSerializeEnsemble(tree_ensemble_handle: resource) -> stamp_token: int64, "
    "tree_ensemble_serialized: string",
    **_NOW,
)
class BoostedTreesSerializeEnsemble:
    """An ensemble as a message."""

    def shape(tree_ensemble_handle):
        return [(), ()]

    def kernel(xp, tree_ensemble_handle):
        ensemble = of(Ensemble, tree_ensemble_handle).check()
        with ensemble.lock:
            content = np.empty((), object)
            content[()] = messages.write(ensemble)
            return np.int64(ensemble.stamp), content

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesGetEnsembleStates(tree_ensemble_handle: resource) -> stamp_token: int64, num_trees: int32, "
    "num_finalized_trees: int32, num_attempted_layers: int32, last_layer_nodes_range: int32",
    **_NOW,
)
class BoostedTreesGetEnsembleStates:
    """How far an ensemble has grown."""

    def shape(tree_ensemble_handle):
        return [(), (), (), (), (2,)]

    def kernel(xp, tree_ensemble_handle):
        ensemble = of(Ensemble, tree_ensemble_handle).check()
        with ensemble.lock:
            first, last = ensemble.last_layer
            counts = len(ensemble.trees), ensemble.finished, ensemble.layers_tried
            return np.int64(ensemble.stamp), *map(np.int32, counts), np.array([first, max(last, 1)], np.int32)

    grad = NOT_DIFFERENTIABLE


def _update_shape(tree_ensemble_handle, feature_ids, *rest, **attrs):
    with_rank(feature_ids, 1, "feature_ids")
    return []


def _candidates(features: Any, splits: Any) -> Any:
    for feature, (nodes, gains, dimensions, thresholds, left, right, kinds) in zip(
        features, splits, strict=True
    ):
        for row, node in enumerate(nodes.tolist()):
            split = Split(feature, int(thresholds[row]), 0, 0, int(dimensions[row]))
            if kinds is not None:
                split.is_equality = kinds[row] == EQUAL
                split.missing_goes_right = kinds[row] == RIGHT
            yield node, growth.Candidate(gains[row], split, left[row], right[row])


def _grow(handle: Any, features: Any, splits: Any, max_depth: Any, learning_rate: Any, pruning: int) -> None:
    ensemble = of(Ensemble, handle).check()
    if pruning not in (growth.NO_PRUNING, growth.PRE_PRUNING, growth.POST_PRUNING):
        raise refusal(f"pruning_mode must be 0 (none), 1 (pre) or 2 (post). Received: {pruning}")
    with ensemble.lock:
        best = growth.best_candidates(_candidates(features, splits))
        growth.grow(ensemble, best, int(max_depth), float(learning_rate), pruning)


@declare(
    "BoostedTreesUpdateEnsemble(tree_ensemble_handle: resource, feature_ids: int32, "
    "node_ids: num_features*int32, gains: num_features*float, thresholds: num_features*int32, "
    "left_node_contribs: num_features*float, right_node_contribs: num_features*float, max_depth: int32, "
    "learning_rate: float)",
    pruning_mode=integer(minimum=0),
    num_features=count(0),
    **_NOW,
)
class BoostedTreesUpdateEnsemble:
    """Grows a layer from the best splits by each feature."""

    shape = _update_shape

    def kernel(
        xp,
        tree_ensemble_handle,
        feature_ids,
        node_ids,
        gains,
        thresholds,
        left_node_contribs,
        right_node_contribs,
        max_depth,
        learning_rate,
        pruning_mode,
    ):
        splits = [
            (nodes, gain, np.zeros(len(nodes), np.int32), threshold, left, right, None)
            for nodes, gain, threshold, left, right in zip(
                node_ids, gains, thresholds, left_node_contribs, right_node_contribs, strict=True
            )
        ]
        _grow(tree_ensemble_handle, feature_ids.tolist(), splits, max_depth, learning_rate, pruning_mode)

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesUpdateEnsembleV2(tree_ensemble_handle: resource, feature_ids: int32, "
    "dimension_ids: num_features*int32, node_ids: num_features*int32, gains: num_features*float, "
    "thresholds: num_features*int32, left_node_contribs: num_features*float, "
    "right_node_contribs: num_features*float, split_types: num_features*string, max_depth: int32, "
    "learning_rate: float, pruning_mode: int32)",
    num_features=count(0),
    **_NOW,
)
class BoostedTreesUpdateEnsembleV2:
    """Grows a layer from the best splits by each feature, which may have several dimensions and kinds."""

    shape = _update_shape

    def kernel(
        xp,
        tree_ensemble_handle,
        feature_ids,
        dimension_ids,
        node_ids,
        gains,
        thresholds,
        left_node_contribs,
        right_node_contribs,
        split_types,
        max_depth,
        learning_rate,
        pruning_mode,
    ):
        kinds = [strings(k).ravel().tolist() for k in split_types]
        splits = list(
            zip(
                node_ids,
                gains,
                dimension_ids,
                thresholds,
                left_node_contribs,
                right_node_contribs,
                kinds,
                strict=True,
            )
        )
        _grow(tree_ensemble_handle, feature_ids.tolist(), splits, max_depth, learning_rate, int(pruning_mode))

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesCenterBias(tree_ensemble_handle: resource, mean_gradients: float, mean_hessians: float, "
    "l1: float, l2: float) -> continue_centering: bool",
    **_NOW,
)
class BoostedTreesCenterBias:
    """Moves the first root towards the bias; whether to go on."""

    def shape(tree_ensemble_handle, mean_gradients, mean_hessians, l1, l2):
        with_rank(mean_gradients, 2, "mean_gradients")
        with_rank(mean_hessians, 2, "mean_hessians")
        return ()

    def kernel(xp, tree_ensemble_handle, mean_gradients, mean_hessians, l1, l2):
        ensemble = of(Ensemble, tree_ensemble_handle).check()
        with ensemble.lock:
            return np.bool_(growth.center(ensemble, mean_gradients, mean_hessians, float(l1), float(l2)))

    grad = NOT_DIFFERENTIABLE
