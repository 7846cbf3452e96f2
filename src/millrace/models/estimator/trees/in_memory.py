"""`tf.contrib.estimator.boosted_trees_classifier_train_in_memory` and its relative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.datasets.dataset import Dataset
from millrace.models.estimator.trees.estimators import (
    NO_CHOICE,
    BoostedTreesClassifier,
    BoostedTreesRegressor,
)


def _repeated(input_fn: Callable[..., Any]) -> Callable[..., Any]:
    """An input function that gives its one batch again and again."""

    def repeating() -> Any:
        found = input_fn()
        return found.repeat() if isinstance(found, Dataset) else found

    return repeating


@public("contrib.estimator.boosted_trees_classifier_train_in_memory")
def boosted_trees_classifier_train_in_memory(
    train_input_fn: Callable[..., Any],
    feature_columns: Any,
    model_dir: Any = None,
    n_classes: Any = NO_CHOICE,
    weight_column: Any = None,
    label_vocabulary: Any = None,
    n_trees: int = 100,
    max_depth: int = 6,
    learning_rate: float = 0.1,
    l1_regularization: float = 0.0,
    l2_regularization: float = 0.0,
    tree_complexity: float = 0.0,
    min_node_weight: float = 0.0,
    config: Any = None,
    train_hooks: Any = None,
    center_bias: bool = False,
    pruning_mode: str = "none",
    quantile_sketch_epsilon: float = 0.01,
) -> BoostedTreesClassifier:
    """A `BoostedTreesClassifier`, trained on examples that are kept in memory.

    Args:
      train_input_fn: gives all examples as one batch.
      train_hooks: `SessionRunHook`s of the training.
      feature_columns, model_dir, n_classes, weight_column, label_vocabulary, n_trees, max_depth,
        learning_rate, l1_regularization, l2_regularization, tree_complexity, min_node_weight, config,
        center_bias, pruning_mode, quantile_sketch_epsilon: as for the estimator.
    """
    estimator = BoostedTreesClassifier(
        feature_columns,
        1,
        model_dir,
        n_classes,
        weight_column,
        label_vocabulary,
        n_trees,
        max_depth,
        learning_rate,
        l1_regularization,
        l2_regularization,
        tree_complexity,
        min_node_weight,
        config,
        center_bias,
        pruning_mode,
        quantile_sketch_epsilon,
        train_in_memory=True,
    )
    estimator.train(_repeated(train_input_fn), hooks=train_hooks)
    return estimator


@public("contrib.estimator.boosted_trees_regressor_train_in_memory")
def boosted_trees_regressor_train_in_memory(
    train_input_fn: Callable[..., Any],
    feature_columns: Any,
    model_dir: Any = None,
    label_dimension: Any = NO_CHOICE,
    weight_column: Any = None,
    n_trees: int = 100,
    max_depth: int = 6,
    learning_rate: float = 0.1,
    l1_regularization: float = 0.0,
    l2_regularization: float = 0.0,
    tree_complexity: float = 0.0,
    min_node_weight: float = 0.0,
    config: Any = None,
    train_hooks: Any = None,
    center_bias: bool = False,
    pruning_mode: str = "none",
    quantile_sketch_epsilon: float = 0.01,
) -> BoostedTreesRegressor:
    """A `BoostedTreesRegressor`, trained on examples that are kept in memory.

    Args:
      train_input_fn: gives all examples as one batch.
      train_hooks: `SessionRunHook`s of the training.
      feature_columns, model_dir, label_dimension, weight_column, n_trees, max_depth, learning_rate,
        l1_regularization, l2_regularization, tree_complexity, min_node_weight, config, center_bias,
        pruning_mode, quantile_sketch_epsilon: as for the estimator.
    """
    estimator = BoostedTreesRegressor(
        feature_columns,
        1,
        model_dir,
        label_dimension,
        weight_column,
        n_trees,
        max_depth,
        learning_rate,
        l1_regularization,
        l2_regularization,
        tree_complexity,
        min_node_weight,
        config,
        center_bias,
        pruning_mode,
        quantile_sketch_epsilon,
        train_in_memory=True,
    )
    estimator.train(_repeated(train_input_fn), hooks=train_hooks)
    return estimator
