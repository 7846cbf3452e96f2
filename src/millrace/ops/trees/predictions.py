"""Operations that ask ensembles of boosted trees about examples."""

from __future__ import annotations

from typing import Any

from millrace.graph.attrs import count, integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.state.resource import of
from millrace.opkit.trees import prediction
from millrace.opkit.trees.ensemble import Ensemble

_ASKING: dict[str, Any] = dict(
    num_bucketized_features=count(1), logits_dimension=integer(), effect=True, host=True
)


def _batch(features: Any) -> int | None:
    for dims in features:
        if dims is not None and len(dims) > 0 and dims[0] is not None:
            return dims[0]
    return None


@declare(
    "BoostedTreesPredict(tree_ensemble_handle: resource, "
    "bucketized_features: num_bucketized_features*int32) -> logits: float",
    **_ASKING,
)
class BoostedTreesPredict:
    """The logits of examples."""

    def shape(tree_ensemble_handle, bucketized_features, logits_dimension):
        return _batch(bucketized_features), logits_dimension

    def kernel(xp, tree_ensemble_handle, bucketized_features, logits_dimension):
        ensemble = of(Ensemble, tree_ensemble_handle).check()
        with ensemble.lock:
            return prediction.predict(
                ensemble, prediction.feature_table(bucketized_features), logits_dimension
            )

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesTrainingPredict(tree_ensemble_handle: resource, cached_tree_ids: int32, "
    "cached_node_ids: int32, bucketized_features: num_bucketized_features*int32) -> partial_logits: float, "
    "tree_ids: int32, node_ids: int32",
    **_ASKING,
)
class BoostedTreesTrainingPredict:
    """What logits have changed by since each example's last look."""

    def shape(tree_ensemble_handle, cached_tree_ids, cached_node_ids, bucketized_features, logits_dimension):
        batch = _batch(bucketized_features)
        return [(batch, logits_dimension), (batch,), (batch,)]

    def kernel(
        xp, tree_ensemble_handle, cached_tree_ids, cached_node_ids, bucketized_features, logits_dimension
    ):
        ensemble = of(Ensemble, tree_ensemble_handle).check()
        table = prediction.feature_table(bucketized_features)
        with ensemble.lock:
            return prediction.predict_news(
                ensemble, table, logits_dimension, cached_tree_ids, cached_node_ids
            )

    grad = NOT_DIFFERENTIABLE


@declare(
    "BoostedTreesExampleDebugOutputs(tree_ensemble_handle: resource, "
    "bucketized_features: num_bucketized_features*int32) -> examples_debug_outputs_serialized: string",
    **_ASKING,
)
class BoostedTreesExampleDebugOutputs:
    """How the logits of examples came about, as messages."""

    def shape(tree_ensemble_handle, bucketized_features, logits_dimension):
        return (_batch(bucketized_features),)

    def kernel(xp, tree_ensemble_handle, bucketized_features, logits_dimension):
        ensemble = of(Ensemble, tree_ensemble_handle).check()
        with ensemble.lock:
            return prediction.explanations(ensemble, prediction.feature_table(bucketized_features))

    grad = NOT_DIFFERENTIABLE
