"""`tf.contrib.boosted_trees.proto.learner_pb2`, and how its messages are understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from millrace.core import protos
from millrace.core.public import public

LearnerConfig: Any = public("contrib.boosted_trees.proto.learner_pb2.LearnerConfig")(protos.LearnerConfig)
LearningRateConfig: Any = public("contrib.boosted_trees.proto.learner_pb2.LearningRateConfig")(
    protos.LearningRateConfig
)
LearningRateFixedConfig: Any = public("contrib.boosted_trees.proto.learner_pb2.LearningRateFixedConfig")(
    protos.LearningRateFixedConfig
)
LearningRateDropoutDrivenConfig: Any = public(
    "contrib.boosted_trees.proto.learner_pb2.LearningRateDropoutDrivenConfig"
)(protos.LearningRateDropoutDrivenConfig)
LearningRateLineSearchConfig: Any = public(
    "contrib.boosted_trees.proto.learner_pb2.LearningRateLineSearchConfig"
)(protos.LearningRateLineSearchConfig)
TreeRegularizationConfig: Any = public("contrib.boosted_trees.proto.learner_pb2.TreeRegularizationConfig")(
    protos.TreeRegularizationConfig
)
TreeConstraintsConfig: Any = public("contrib.boosted_trees.proto.learner_pb2.TreeConstraintsConfig")(
    protos.TreeConstraintsConfig
)
AveragingConfig: Any = public("contrib.boosted_trees.proto.learner_pb2.AveragingConfig")(
    protos.AveragingConfig
)

_USUAL_DEPTH, _USUAL_RATE = 6, 0.1


@dataclass(frozen=True)
class Dropout:
    """Which finished trees a new one does without.

    Attributes:
      probability: that a tree is left out.
      skipped: the probability that none is.
    """

    probability: float
    skipped: float


@dataclass(frozen=True)
class Learner:
    """A `LearnerConfig` with its defaults filled in.

    Attributes:
      max_depth: how many layers a tree has.
      learning_rate: what changes of leaves are multiplied by.
      l1, l2, tree_complexity, min_node_weight: of splits.
      pruning_mode: 1 before a split, 2 after a tree.
      whole_trees: a tree counts only once it is finished.
      strategy: `TREE_PER_CLASS`, `FULL_HESSIAN` or `DIAGONAL_HESSIAN`; None with one logit.
      dropout: of finished trees; None without.
      fraction, by_level: the share of features that each tree, or each level, may ask.
      averaged: over how many last trees the predictions are averaged; below 0, over what share of all.
    """

    max_depth: int
    learning_rate: float
    l1: float
    l2: float
    tree_complexity: float
    min_node_weight: float
    pruning_mode: int
    whole_trees: bool
    strategy: int | None
    dropout: Dropout | None
    fraction: float
    by_level: bool
    averaged: float


def learner_of(config: Any, logits_dimension: int) -> Learner:
    """What a configuration asks for.

    Args:
      config: a `LearnerConfig`.
      logits_dimension: how many logits an example has.

    Raises:
      ValueError: it asks for what cannot be, or is not here: a search for the learning rate, oblivious trees,
        trees that begin with given layers, a bound on the number of features.
    """
    _check(config)
    rate, dropout = _rate_of(config.learning_rate_tuner)
    kind = config.WhichOneof("feature_fraction")
    fraction = getattr(config, kind) if kind else 1.0
    if not 0 < fraction <= 1:
        raise ValueError(f"Features fraction must lie in (0, 1]. Received: {kind} = {fraction}")
    penalties, bounds = config.regularization, config.constraints
    strategy = config.multi_class_strategy or LearnerConfig.DIAGONAL_HESSIAN
    return Learner(
        bounds.max_tree_depth or _USUAL_DEPTH,
        rate,
        penalties.l1,
        penalties.l2,
        penalties.tree_complexity,
        bounds.min_node_weight,
        config.pruning_mode or LearnerConfig.POST_PRUNE,
        config.growing_mode == LearnerConfig.WHOLE_TREE,
        strategy if logits_dimension > 1 else None,
        dropout,
        fraction,
        kind == "feature_fraction_per_level",
        _averaged(config.averaging_config),
    )


def _check(config: Any) -> None:
    if not isinstance(config, LearnerConfig):
        raise ValueError(f"learner_config must be a LearnerConfig. Received: {config!r}")
    unbuilt = {
        "learning_rate_tuner.line_search": config.learning_rate_tuner.HasField("line_search"),
        "OBLIVIOUS_DECISION_TREE": config.weak_learner_type == LearnerConfig.OBLIVIOUS_DECISION_TREE,
        "each_tree_start": config.HasField("each_tree_start"),
        "max_number_of_unique_feature_columns": config.constraints.max_number_of_unique_feature_columns,
    }
    asked = [name for name, is_asked in unbuilt.items() if is_asked]
    if asked:
        raise ValueError(f"learner_config asks for what is not built here. Received: {', '.join(asked)}")


def _rate_of(tuner: Any) -> tuple[float, Dropout | None]:
    kind = tuner.WhichOneof("tuner")
    if kind is None:
        return _USUAL_RATE, None
    if kind == "fixed":
        return tuner.fixed.learning_rate, None
    dropout = tuner.dropout
    shares = dropout.dropout_probability, dropout.probability_of_skipping_dropout
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"Probabilities of dropout must lie in [0, 1]. Received: {shares}")
    return dropout.learning_rate, Dropout(*shares)


def _averaged(config: Any) -> float:
    kind = config.WhichOneof("config")
    if kind is None:
        return 1.0
    return (
        config.average_last_n_trees if kind == "average_last_n_trees" else -config.average_last_percent_trees
    )
