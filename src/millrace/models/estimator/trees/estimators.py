"""`tf.estimator.BoostedTreesClassifier` and its relatives."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.models.estimator.classification import BinaryHead
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.heads import checked_labels
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.regression import RegressionHeadBase
from millrace.models.estimator.trees import explaining
from millrace.models.estimator.trees.columns import check_columns, feature_names
from millrace.models.estimator.trees.growing import Settings
from millrace.models.estimator.trees.model import TreesModel
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import exp
from millrace.saver.checkpoint.reader import load_variable

_PRUNING = {"none": 0, "pre": 1, "post": 2}
NO_CHOICE: Any = object()  # 1.15 takes no number of classes or labels as two classes, or one number


def _settings(
    n_trees: int,
    max_depth: int,
    learning_rate: float,
    l1: float,
    l2: float,
    tree_complexity: float,
    min_node_weight: float,
    center_bias: bool,
    pruning_mode: str,
) -> Settings:
    if pruning_mode not in _PRUNING:
        raise ValueError(
            f"pruning_mode mode must be one of: {', '.join(sorted(_PRUNING))}. Received: {pruning_mode!r}"
        )
    if pruning_mode != "none" and tree_complexity <= 0:
        raise ValueError(f"For pruning, tree_complexity must be positive. Received: {tree_complexity}")
    if pruning_mode == "none" and tree_complexity > 0:
        raise ValueError(
            "tree_complexity does nothing without pruning: pruning_mode must be 'pre' or 'post'. "
            f"Received: tree_complexity={tree_complexity}"
        )
    return Settings(
        n_trees,
        max_depth,
        learning_rate,
        l1,
        l2,
        tree_complexity,
        min_node_weight,
        center_bias,
        _PRUNING[pruning_mode],
    )


def two_class_derivatives(logits: Tensor, labels: Any) -> tuple[Tensor, Tensor]:
    """Gradients and Hessians of the mean cross entropy of two classes, each `[batch, 1]`."""
    predictions = raw.Reciprocal(exp(-logits) + 1.0)
    share = raw.Reciprocal(cast(size(labels), float32))
    expected = checked_labels(cast(labels, float32), logits, 1)
    return (predictions - expected) * share, predictions * (1.0 - predictions) * share


class TreesEstimator(Estimator):
    """What estimators of boosted trees share.

    Args:
      model: the model.
      as_probability: whether explanations are of probabilities.
      model_dir, config: as for every estimator.
    """

    def __init__(self, model: TreesModel, as_probability: bool, model_dir: Any, config: Any) -> None:
        self._model, self._as_probability = model, as_probability

        def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
            return model(features, labels, mode, config)

        super().__init__(model_fn, model_dir, config)

    def experimental_feature_importances(self, normalize: bool = False) -> OrderedDict[str, float]:
        """What the splits by each feature have gained, by name, the most important first.

        Args:
          normalize: let them sum to 1.

        Raises:
          ValueError: nothing has been trained.
        """
        path = self.latest_checkpoint()
        if not path:
            raise ValueError(
                f"Couldn't find 'checkpoint' file or checkpoints in given directory {self.model_dir}"
            )
        content: Any = load_variable(path, "boosted_trees:0_serialized")
        content = content if isinstance(content, bytes) else content.item()
        return explaining.importances(content, feature_names(self._model.columns), normalize)

    def experimental_predict_with_explanations(
        self,
        input_fn: Callable[..., Any],
        predict_keys: Any = None,
        hooks: Any = None,
        checkpoint_path: Any = None,
    ) -> Iterator[dict[str, Any]]:
        """Predictions, each with `bias` and `dfc`: what each feature has contributed to it.

        Args:
          input_fn, predict_keys, hooks, checkpoint_path: as for `predict`.

        Raises:
          ValueError: the model has no bias (`center_bias`).
        """
        if not self._model.settings.center_bias:
            raise ValueError(
                "center_bias must be enabled during estimator instantiation when using "
                "experimental_predict_with_explanations."
            )
        explaining_one = Estimator(self._explaining_model_fn, self.model_dir, self.config)
        keys = None if predict_keys is None else [*predict_keys, explaining.RAW]
        predictions = explaining_one.predict(input_fn, keys, hooks, checkpoint_path)
        return explaining.explained(predictions, feature_names(self._model.columns), self._as_probability)

    def _explaining_model_fn(self, features: Any, labels: Any, mode: str, config: Any) -> Any:
        """The model function whose predictions tell how they came about."""
        spec = self._model(features, labels, ModeKeys.PREDICT, config)
        del mode
        asked: Any = get_default_graph().get_operation_by_name("boosted_trees/BoostedTreesPredict")
        ensemble, *buckets = asked.inputs
        with name_scope("boosted_trees/"):
            told = raw.BoostedTreesExampleDebugOutputs(ensemble, buckets, logits_dimension=1)
        return spec._replace(predictions={**spec.predictions, explaining.RAW: told})


@public("estimator.BoostedTreesEstimator")
class BoostedTreesEstimator(TreesEstimator):
    """Boosted trees with any head of one logit.

    Args:
      feature_columns: bucketized, indicator and numeric columns.
      n_batches_per_layer: how many batches a layer grows from.
      head: what stands on the logit.
      model_dir, config: as for every estimator.
      weight_column: the feature with weights, or None.
      n_trees: how many trees grow.
      max_depth: how many layers each has.
      learning_rate: what the changes of leaves are multiplied by.
      l1_regularization, l2_regularization: penalties of leaves.
      tree_complexity: the penalty of each split.
      min_node_weight: the least sum of Hessians of a node that is split.
      center_bias: begin with a bias, not with zero.
      pruning_mode: "none", "pre" (no split that does not gain) or "post" (take them back).
      quantile_sketch_epsilon: the bound of the error of the quantiles of numeric columns.

    Raises:
      ValueError: a column or the pruning does not fit.
    """

    def __init__(
        self,
        feature_columns: Any,
        n_batches_per_layer: Any,
        head: Any,
        model_dir: Any = None,
        weight_column: Any = None,
        n_trees: int = 100,
        max_depth: int = 6,
        learning_rate: float = 0.1,
        l1_regularization: float = 0.0,
        l2_regularization: float = 0.0,
        tree_complexity: float = 0.0,
        min_node_weight: float = 0.0,
        config: Any = None,
        center_bias: bool = False,
        pruning_mode: str = "none",
        quantile_sketch_epsilon: float = 0.01,
    ) -> None:
        settings = _settings(
            n_trees,
            max_depth,
            learning_rate,
            l1_regularization,
            l2_regularization,
            tree_complexity,
            min_node_weight,
            center_bias,
            pruning_mode,
        )
        model = TreesModel(
            head,
            check_columns(feature_columns),
            weight_column,
            settings,
            n_batches_per_layer,
            quantile_sketch_epsilon,
        )
        super().__init__(model, isinstance(head, BinaryHead), model_dir, config)


@public("estimator.BoostedTreesClassifier")
class BoostedTreesClassifier(TreesEstimator):
    """Boosted trees for two classes.

    Args:
      n_classes: 2.
      label_vocabulary: the classes' names, where labels are strings.
      train_in_memory: the input function gives all examples as one batch, each time the same.
      feature_columns, n_batches_per_layer, model_dir, weight_column, n_trees, max_depth, learning_rate,
        l1_regularization, l2_regularization, tree_complexity, min_node_weight, config, center_bias,
        pruning_mode, quantile_sketch_epsilon: as for `BoostedTreesEstimator`.

    Raises:
      ValueError: there are more classes, or a column or the pruning does not fit.
    """

    def __init__(
        self,
        feature_columns: Any,
        n_batches_per_layer: Any,
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
        center_bias: bool = False,
        pruning_mode: str = "none",
        quantile_sketch_epsilon: float = 0.01,
        train_in_memory: bool = False,
    ) -> None:
        if n_classes is not NO_CHOICE and n_classes != 2:
            raise ValueError(
                f"For now only binary classification is supported.n_classes given as {n_classes}"
            )
        settings = _settings(
            n_trees,
            max_depth,
            learning_rate,
            l1_regularization,
            l2_regularization,
            tree_complexity,
            min_node_weight,
            center_bias,
            pruning_mode,
        )
        plain = weight_column is None and label_vocabulary is None
        model = TreesModel(
            BinaryHead(weight_column, None, label_vocabulary),
            check_columns(feature_columns),
            weight_column,
            settings,
            n_batches_per_layer,
            quantile_sketch_epsilon,
            train_in_memory,
            two_class_derivatives if plain else None,
        )
        super().__init__(model, True, model_dir, config)


@public("estimator.BoostedTreesRegressor")
class BoostedTreesRegressor(TreesEstimator):
    """Boosted trees that predict a number.

    Args:
      label_dimension: 1.
      train_in_memory: the input function gives all examples as one batch, each time the same.
      feature_columns, n_batches_per_layer, model_dir, weight_column, n_trees, max_depth, learning_rate,
        l1_regularization, l2_regularization, tree_complexity, min_node_weight, config, center_bias,
        pruning_mode, quantile_sketch_epsilon: as for `BoostedTreesEstimator`.

    Raises:
      ValueError: there are more labels, or a column or the pruning does not fit.
    """

    def __init__(
        self,
        feature_columns: Any,
        n_batches_per_layer: Any,
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
        center_bias: bool = False,
        pruning_mode: str = "none",
        quantile_sketch_epsilon: float = 0.01,
        train_in_memory: bool = False,
    ) -> None:
        if label_dimension is not NO_CHOICE and label_dimension != 1:
            raise ValueError(
                f"For now only 1 dimension regression is supported.label_dimension given as {label_dimension}"
            )
        settings = _settings(
            n_trees,
            max_depth,
            learning_rate,
            l1_regularization,
            l2_regularization,
            tree_complexity,
            min_node_weight,
            center_bias,
            pruning_mode,
        )
        model = TreesModel(
            RegressionHeadBase(weight_column, 1),
            check_columns(feature_columns),
            weight_column,
            settings,
            n_batches_per_layer,
            quantile_sketch_epsilon,
            train_in_memory,
        )
        super().__init__(model, False, model_dir, config)
