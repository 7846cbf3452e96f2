"""`tf.estimator.experimental.LinearSDCA`: what trains linear estimators by dual coordinate ascent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.variables.scope import AUTO_REUSE, variable_scope
from millrace.lib.variables.variable import Variable
from millrace.models.estimator.classification import BinaryHead
from millrace.models.estimator.heads import weights_of
from millrace.models.estimator.logits import summarized_linear_logits
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.regression import RegressionHeadBase
from millrace.models.estimator.spec import EstimatorSpec
from millrace.models.feature_columns.base import CategoricalColumn, FeatureCache, VariableMaker
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.shape import shape
from millrace.training.dual_ascent.features import sparse_features, training_examples
from millrace.training.dual_ascent.hooks import UpdateWeights
from millrace.training.dual_ascent.model import SdcaModel
from millrace.training.global_step import get_global_step


class _Model(SdcaModel):
    """A linear model whose weights are matrices of resource variables."""

    _SLOT = "_unshrunk"

    def _slot(self, variable: Any) -> Any:
        first = variable.initialized_value()
        return Variable(
            initial_value=zeros_like(first), name=variable.op.name + self._SLOT, use_resource=True
        )

    def _pass_l2(self) -> float:
        return self._l2()

    def _adaptive(self) -> bool:
        return bool(self._options["adaptive"])

    def _held(self) -> bool:
        return True


@public("estimator.experimental.LinearSDCA")
class LinearSDCA:
    """Trains linear estimators by stochastic dual coordinate ascent; given as their `optimizer`.

    Args:
      example_id_column: the feature with each example's name, strings `[batch]`.
      num_loss_partitions: how many workers train at a time.
      num_table_shards: in how many tables the examples' numbers are kept.
      symmetric_l1_regularization, symmetric_l2_regularization: how strong the regularization is; the second
        must be positive.
      adaptive: take examples more often that are far from their best.

    Raises:
      ValueError: a regularization is out of range.
    """

    def __init__(
        self,
        example_id_column: Any,
        num_loss_partitions: int = 1,
        num_table_shards: int | None = None,
        symmetric_l1_regularization: float = 0.0,
        symmetric_l2_regularization: float = 1.0,
        adaptive: bool = False,
    ) -> None:
        if symmetric_l1_regularization < 0:
            raise ValueError(
                f"symmetric_l1_regularization should be non-negative. Received: {symmetric_l1_regularization}"
            )
        if symmetric_l2_regularization <= 0:
            raise ValueError(
                f"symmetric_l2_regularization should be positive. Received: {symmetric_l2_regularization}"
            )
        self._example_id_column = example_id_column
        self._options = {
            "num_loss_partitions": num_loss_partitions,
            "num_table_shards": num_table_shards,
            "symmetric_l1_regularization": symmetric_l1_regularization,
            "symmetric_l2_regularization": symmetric_l2_regularization,
            "adaptive": adaptive,
        }

    def get_train_step(
        self,
        state_manager: Any,
        weight_column_name: Any,
        loss_type: str,
        feature_columns: Any,
        features: dict[str, Any],
        targets: Any,
        bias_var: Any,
        global_step: Any,
    ) -> tuple[SdcaModel, Any]:
        """The model that is trained, and one step of the training.

        Args:
          state_manager: a function, or an object whose `get_variable(column, "weights")` gives a column's
            weights.
          weight_column_name: the feature with weights, or None.
          loss_type: "logistic_loss" or "squared_loss", or another that the operation knows.
          feature_columns: of the linear model, in the order of their names.
          features: from keys to tensors.
          targets: the labels.
          bias_var: the variable of the bias.
          global_step: grows by 1.

        Raises:
          ValueError: a dense column is not a vector.
        """
        ids = features[self._example_id_column]
        cache, made = FeatureCache(features), VariableMaker()
        dense, dense_weights, sparse, sparse_weights = [], [], [], []
        for column in sorted(feature_columns, key=lambda c: c.name):
            weights = state_manager.get_variable(column, "weights")
            if isinstance(column, CategoricalColumn):
                of_ids, of_weights = column.sparse_pair(cache)
                sparse.append(sparse_features(of_ids, of_weights))
                sparse_weights.append(weights)
                continue
            if column.variable_shape.ndims > 1:
                raise ValueError(
                    f"Column {type(column).__name__} has rank {column.variable_shape.ndims}, larger than 1. "
                    f"Received: {column}"
                )
            with (
                variable_scope("linear_model", reuse=AUTO_REUSE, auxiliary_name_scope=False),
                variable_scope(column.var_scope_name, auxiliary_name_scope=False),
            ):
                dense.append(column.dense(cache, made))
            dense_weights.append(weights)
        dense.append(ones([shape(ids)[0], 1]))
        dense_weights.append(bias_var)
        weights = weights_of(features, weight_column_name, None)
        model = _Model(
            training_examples(ids, targets, weights, dense, sparse),
            {"sparse_features_weights": sparse_weights, "dense_features_weights": dense_weights},
            {**self._options, "loss_type": loss_type},
        )
        return model, model.minimize(global_step=global_step)


def _loss_type(head: Any) -> str:
    """The loss that fits a head.

    Raises:
      ValueError: there is none.
    """
    if head.logits_dimension != 1:
        if isinstance(head, RegressionHeadBase):
            raise ValueError(
                f"LinearSDCA can only be used with one-dimensional label. Received: {head.logits_dimension}"
            )
        raise ValueError(
            f"LinearSDCA cannot be used in a multi-class setting. Received: {head.logits_dimension} logits"
        )
    if isinstance(head, BinaryHead):
        return "logistic_loss"
    if isinstance(head, RegressionHeadBase):
        return "squared_loss"
    raise ValueError(f"Unsupported head type: {type(head).__name__}. Received: {head}")


class _Weights:
    """The variables of a linear model by column."""

    def __init__(self, by_column: dict[Any, Any]) -> None:
        self._by_column = by_column

    def get_variable(self, column: Any, name: str) -> Any:
        """The weights of a column.

        Raises:
          ValueError: it has other variables only.
        """
        if name != "weights" or column not in self._by_column:
            raise ValueError(f"a linear model has weights of its columns only. Received: {column}, {name!r}")
        return self._by_column[column]


def dual_ascent_model_fn(
    head: Any, columns: Any, optimizer: LinearSDCA, partitioner: Callable[[Any], Any], sparse_combiner: str
) -> Callable[..., Any]:
    """The model function of linear estimators that `LinearSDCA` trains."""

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        loss_type = _loss_type(head)
        with variable_scope("linear", values=tuple(features.values()), partitioner=partitioner(config)):
            logits, weights, bias = summarized_linear_logits(
                features, columns, head.logits_dimension, sparse_combiner
            )
            if mode != ModeKeys.TRAIN:
                return head.create_estimator_spec(features, mode, logits, labels=labels, train_op_fn=group)
            model, step = optimizer.get_train_step(
                _Weights(weights), head._weight_column, loss_type, list(weights), features, labels, bias,
                get_global_step(),
            )  # fmt: skip
            spec = head.create_estimator_spec(
                features, mode, logits, labels=labels, train_op_fn=lambda loss: step
            )
        return EstimatorSpec(
            **{**spec._asdict(), "training_chief_hooks": (*spec.training_chief_hooks, UpdateWeights(model))}
        )

    return model_fn
