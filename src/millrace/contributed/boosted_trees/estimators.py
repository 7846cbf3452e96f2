"""`tf.contrib.boosted_trees.estimator_batch.estimator`: estimators of gradient boosted decision trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.contributed.boosted_trees.features import Features, features_of
from millrace.contributed.boosted_trees.learner import LearnerConfig, learner_of
from millrace.contributed.boosted_trees.losses import per_example_maxent_loss
from millrace.contributed.boosted_trees.model import Trainer, TreeModel
from millrace.contributed.learn.canned import Classifier, Regressor
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.heads.classes import multi_class_head
from millrace.contributed.learn.heads.numbers import regression_head
from millrace.contributed.learn.specs import ModelFnOps
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.math.reductions import reduce_mean
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.scope import variable_scope
from millrace.models.estimator.classification import binary_classification_head
from millrace.models.estimator.classification import multi_class_head as core_class_head
from millrace.models.estimator.regression import regression_head as core_regression_head
from millrace.training.global_step import get_global_step


@dataclass(frozen=True)
class _Model:
    """The model function.

    Attributes:
      learner_config: a `LearnerConfig`.
      examples_per_layer: a number, or a function of a layer's number.
      head: makes predictions, loss and metrics of logits.
      num_trees: how many, or None.
      feature_columns: make the features, or None.
      weight_column_name: the feature that weighs the examples.
      logits_modifier_function: changes the logits, given features and mode.
      center_bias: whether the first tree begins with a bias.
      output_leaf_index: predict the leaves, too.
      override_global_step_value: what the step is set to after each step of training.
      num_quantiles: how many buckets a number has.
      pair_keys: of a ranker: what the names of the features of both sides begin with.
    """

    learner_config: Any
    examples_per_layer: Any
    head: Any
    num_trees: int | None
    feature_columns: Any
    weight_column_name: str | None
    logits_modifier_function: Any
    center_bias: bool
    output_leaf_index: bool
    override_global_step_value: int | None
    num_quantiles: int
    pair_keys: tuple[str, str] | None = None

    def __call__(self, features: Any, labels: Any, mode: str) -> Any:
        learner = learner_of(self.learner_config, self.head.logits_dimension)
        in_pairs = self.pair_keys is not None and mode != "infer"
        built = self._pairs_of(features) if in_pairs else self._features(features)
        with variable_scope("gbdt_model"):
            model = TreeModel(
                learner,
                built,
                self.head.logits_dimension,
                self.num_trees,
                self.num_quantiles,
                mode == "train",
            )
            differences = None
            if in_pairs:
                first, second = raw.Split(0, model.logits, num_split=2)
                differences = first - second
            trainer = Trainer(model, self.examples_per_layer, self.center_bias, differences)
        logits = model.logits if differences is None else differences
        if self.logits_modifier_function is not None:
            logits = self.logits_modifier_function(logits, features, mode)
        is_core = hasattr(self.head, "create_estimator_spec")
        create = self.head.create_estimator_spec if is_core else self.head.create_model_fn_ops
        made = create(
            features=features,
            mode=mode,
            labels=labels,
            train_op_fn=lambda loss: self._step(trainer, loss),
            logits=logits,
        )
        return self._finished(made, model, trainer)

    def _features(self, features: Any) -> Features:
        return features_of(features, self.feature_columns, self.weight_column_name)

    def _pairs_of(self, features: Any) -> Features:
        """The examples of the first sides of all pairs, then those of the second."""
        sides = []
        for key in self.pair_keys or ():
            begin = f"{key}."
            named = {n.removeprefix(begin): value for n, value in features.items() if n.startswith(begin)}
            sides.append(self._features(named))
        first, second = sides
        return first.followed_by(second)

    def _step(self, trainer: Trainer, loss: Any) -> Any:
        step = trainer.step(loss)
        if self.override_global_step_value is None:
            return step
        with control_dependencies([step]):
            counter: Any = get_global_step()
            return group(assign(counter, self.override_global_step_value).op)

    def _finished(self, made: Any, model: TreeModel, trainer: Trainer) -> Any:
        """The head's result with the hook that stops, and with the leaves."""
        hook = trainer.stop_hook()
        hooks = [*made.training_hooks, *([hook] if hook is not None and made.mode == "train" else ())]
        predictions = made.predictions
        if self.output_leaf_index and made.mode == "infer":
            predictions = {**predictions, "leaf_index": model.leaves}
        return ModelFnOps(
            made.mode,
            predictions,
            made.loss,
            made.train_op,
            made.eval_metric_ops,
            getattr(made, "output_alternatives", None),  # heads of `tf.estimator` have none
            made.training_chief_hooks,
            hooks,
            made.scaffold,
        )


def _with_classes(config: Any, n_classes: int) -> Any:
    """A copy of the configuration that knows the number of classes.

    Raises:
      ValueError: it knows another.
    """
    if config.num_classes not in (0, n_classes):
        raise ValueError(f"n_classes ({n_classes}) doesn't match learner_config ({config.num_classes}).")
    filled = LearnerConfig()
    filled.CopyFrom(config)
    filled.num_classes = n_classes
    return filled


def _class_loss(n_classes: int) -> Callable[..., Any]:
    def loss(labels: Any, logits: Any, weights: Any = None) -> Any:
        return reduce_mean(per_example_maxent_loss(labels, weights, logits, n_classes)[0])

    return loss


@public("contrib.boosted_trees.estimator_batch.estimator.GradientBoostedDecisionTreeClassifier")
class GradientBoostedDecisionTreeClassifier(Classifier):
    """Gradient boosted decision trees that tell classes apart.

    Args:
      learner_config: a `LearnerConfig`.
      examples_per_layer: of how many examples a layer grows; or a function of the number of the layer in its
        tree that gives that.
      n_classes: how many; two have one logit.
      num_trees: training stops when so many are finished; None: it goes on.
      feature_columns: older or present columns that make the features; None: they are taken as they are.
      weight_column_name: the feature that weighs the examples.
      model_dir, config, feature_engineering_fn: as for every estimator.
      label_keys: the names of the classes.
      logits_modifier_function: of logits, features and mode; gives the logits for the head.
      center_bias: whether the first tree begins with a bias.
      use_core_libs: use the heads of `tf.estimator`.
      output_leaf_index: predict the leaf of each tree, too, as `leaf_index`.
      override_global_step_value: what the global step is set to after each step.
      num_quantiles: how many buckets a number has.

    Raises:
      ValueError: the configuration has another number of classes.
    """

    def __init__(
        self,
        learner_config: Any,
        examples_per_layer: Any,
        n_classes: int = 2,
        num_trees: int | None = None,
        feature_columns: Any = None,
        weight_column_name: str | None = None,
        model_dir: Any = None,
        config: Any = None,
        label_keys: Sequence[str] | None = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        logits_modifier_function: Callable[..., Any] | None = None,
        center_bias: bool = True,
        use_core_libs: bool = False,
        output_leaf_index: bool = False,
        override_global_step_value: int | None = None,
        num_quantiles: int = 100,
    ) -> None:
        if use_core_libs:
            if n_classes == 2:
                head = binary_classification_head(weight_column_name, label_vocabulary=label_keys)
            else:
                head = core_class_head(n_classes, weight_column_name, label_vocabulary=label_keys)
        else:
            loss = _class_loss(n_classes) if n_classes > 2 else None
            head = multi_class_head(
                n_classes, weight_column_name=weight_column_name, loss_fn=loss, label_keys=label_keys
            )
        model = _Model(
            _with_classes(learner_config, n_classes), examples_per_layer, head, num_trees, feature_columns,
            weight_column_name, logits_modifier_function, center_bias, output_leaf_index,
            override_global_step_value, num_quantiles,
        )  # fmt: skip
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


@public("contrib.boosted_trees.estimator_batch.estimator.GradientBoostedDecisionTreeRegressor")
class GradientBoostedDecisionTreeRegressor(Regressor):
    """Gradient boosted decision trees that estimate numbers.

    Args:
      learner_config, examples_per_layer, num_trees, feature_columns, weight_column_name, model_dir, config,
        feature_engineering_fn, logits_modifier_function, center_bias, use_core_libs, output_leaf_index,
        override_global_step_value, num_quantiles: as for the classifier.
      label_dimension: how many numbers an example has.
      label_name: which of the labels.
    """

    def __init__(
        self,
        learner_config: Any,
        examples_per_layer: Any,
        label_dimension: int = 1,
        num_trees: int | None = None,
        feature_columns: Any = None,
        label_name: str | None = None,
        weight_column_name: str | None = None,
        model_dir: Any = None,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        logits_modifier_function: Callable[..., Any] | None = None,
        center_bias: bool = True,
        use_core_libs: bool = False,
        output_leaf_index: bool = False,
        override_global_step_value: int | None = None,
        num_quantiles: int = 100,
    ) -> None:
        if use_core_libs:
            head = core_regression_head(weight_column=weight_column_name, label_dimension=label_dimension)
        else:
            head = regression_head(label_name, weight_column_name, label_dimension)
        model = _Model(
            _with_classes(learner_config, label_dimension if label_dimension > 1 else 2), examples_per_layer,
            head, num_trees, feature_columns, weight_column_name, logits_modifier_function, center_bias,
            output_leaf_index, override_global_step_value, num_quantiles,
        )  # fmt: skip
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


@public("contrib.boosted_trees.estimator_batch.estimator.GradientBoostedDecisionTreeEstimator")
class GradientBoostedDecisionTreeEstimator(Estimator):
    """Gradient boosted decision trees with a head of the program's.

    Args:
      head: a head of `tf.contrib.learn` or of `tf.estimator`.
      learner_config, examples_per_layer, num_trees, feature_columns, weight_column_name, model_dir, config,
        feature_engineering_fn, logits_modifier_function, center_bias, output_leaf_index,
        override_global_step_value, num_quantiles: as for the classifier.
      use_core_libs: not looked at: the head tells of which kind it is.
    """

    def __init__(
        self,
        learner_config: Any,
        examples_per_layer: Any,
        head: Any,
        num_trees: int | None = None,
        feature_columns: Any = None,
        weight_column_name: str | None = None,
        model_dir: Any = None,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        logits_modifier_function: Callable[..., Any] | None = None,
        center_bias: bool = True,
        use_core_libs: bool = False,
        output_leaf_index: bool = False,
        override_global_step_value: int | None = None,
        num_quantiles: int = 100,
    ) -> None:
        del use_core_libs
        model = _Model(
            learner_config, examples_per_layer, head, num_trees, feature_columns, weight_column_name,
            logits_modifier_function, center_bias, output_leaf_index, override_global_step_value,
            num_quantiles,
        )  # fmt: skip
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


@public("contrib.boosted_trees.estimator_batch.estimator.GradientBoostedDecisionTreeRanker")
class GradientBoostedDecisionTreeRanker(Estimator):
    """Gradient boosted decision trees that learn of pairs which example comes before the other.

    Args:
      head: of one logit: the difference of the scores of a pair.
      ranking_model_pair_keys: what the names of the features of the first and of the second of a pair begin
        with, before a dot; examples to predict have the names without.
      learner_config, examples_per_layer, num_trees, feature_columns, weight_column_name, model_dir, config,
        feature_engineering_fn, logits_modifier_function, center_bias, output_leaf_index,
        override_global_step_value, num_quantiles: as for the classifier; a pair has two examples.
      label_keys, use_core_libs: not looked at: the head has both.
    """

    def __init__(
        self,
        learner_config: Any,
        examples_per_layer: Any,
        head: Any,
        ranking_model_pair_keys: tuple[str, str],
        num_trees: int | None = None,
        feature_columns: Any = None,
        weight_column_name: str | None = None,
        model_dir: Any = None,
        config: Any = None,
        label_keys: Sequence[str] | None = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        logits_modifier_function: Callable[..., Any] | None = None,
        center_bias: bool = False,
        use_core_libs: bool = False,
        output_leaf_index: bool = False,
        override_global_step_value: int | None = None,
        num_quantiles: int = 100,
    ) -> None:
        del label_keys, use_core_libs
        if center_bias:
            raise ValueError("The bias of a pair's two examples cancels out. Received: center_bias True")
        model = _Model(
            learner_config, examples_per_layer, head, num_trees, feature_columns, weight_column_name,
            logits_modifier_function, center_bias, output_leaf_index, override_global_step_value,
            num_quantiles, ranking_model_pair_keys,
        )  # fmt: skip
        super().__init__(model, model_dir, config, None, feature_engineering_fn)
