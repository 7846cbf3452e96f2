"""`tf.contrib.linear_optimizer.SDCAOptimizer`: dual coordinate ascent for older feature columns."""

from __future__ import annotations

from typing import Any

from millrace.contributed.layers.columns.dense import BucketizedColumn, RealValuedColumn
from millrace.contributed.layers.columns.sparse import IdColumn
from millrace.core.public import public
from millrace.ops.array.constant import ones
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape
from millrace.training.dual_ascent.features import plain_features, sparse_features, training_examples
from millrace.training.dual_ascent.model import SdcaModel


@public("contrib.linear_optimizer.SDCAOptimizer")
class SDCAOptimizer:
    """Trains the linear estimators of `tf.contrib.learn` by stochastic dual coordinate ascent.

    Args:
      example_id_column: the feature with each example's name, strings `[batch]`.
      num_loss_partitions: how many workers train at a time.
      num_table_shards: in how many tables the examples' numbers are kept.
      symmetric_l1_regularization, symmetric_l2_regularization: how strong the regularization is.
      adaptive: take examples more often that are far from their best.
      partitioner: of the linear model's variables.
    """

    def __init__(
        self,
        example_id_column: Any,
        num_loss_partitions: int = 1,
        num_table_shards: int | None = None,
        symmetric_l1_regularization: float = 0.0,
        symmetric_l2_regularization: float = 1.0,
        adaptive: bool = True,
        partitioner: Any = None,
    ) -> None:
        self._example_id_column = example_id_column
        self._num_loss_partitions, self._num_table_shards = num_loss_partitions, num_table_shards
        self._l1, self._l2 = symmetric_l1_regularization, symmetric_l2_regularization
        self._adaptive, self._partitioner = adaptive, partitioner

    def get_name(self) -> str:
        """The name of the optimizer."""
        return "SDCAOptimizer"

    @property
    def example_id_column(self) -> Any:
        """The feature with each example's name."""
        return self._example_id_column

    @property
    def num_loss_partitions(self) -> int:
        """How many workers train at a time."""
        return self._num_loss_partitions

    @property
    def num_table_shards(self) -> int | None:
        """In how many tables the examples' numbers are kept."""
        return self._num_table_shards

    @property
    def symmetric_l1_regularization(self) -> float:
        """How strong the regularization of the weights' sizes is."""
        return self._l1

    @property
    def symmetric_l2_regularization(self) -> float:
        """How strong the regularization of the weights' squares is."""
        return self._l2

    @property
    def adaptive(self) -> bool:
        """Whether examples are taken more often that are far from their best."""
        return self._adaptive

    @property
    def partitioner(self) -> Any:
        """The partitioner of the linear model's variables."""
        return self._partitioner

    def get_train_step(
        self,
        columns_to_variables: dict[Any, Any],
        weight_column_name: str | None,
        loss_type: str,
        features: dict[Any, Any],
        targets: Any,
        global_step: Any,
    ) -> tuple[SdcaModel, Any]:
        """The model that is trained, and one step of the training.

        Args:
          columns_to_variables: the variables of each column; the bias is under None.
          weight_column_name: the feature with weights, or None.
          loss_type: "logistic_loss", "squared_loss", "hinge_loss", or another that the operation knows.
          features: by name, and by column what was made of them.
          targets: the labels.
          global_step: grows by 1.

        Raises:
          ValueError: a column is neither real-valued, bucketized nor of ids.
        """
        ids = reshape(features[self._example_id_column], [-1])
        weights = 1.0 if weight_column_name is None else features[weight_column_name]
        dense, dense_weights, sparse, sparse_weights = [], [], [], []
        bias = columns_to_variables.get(None)
        if bias is not None:
            dense.append(ones([shape(ids)[0], 1]))
            dense_weights.append(bias)
        for column in sorted((c for c in columns_to_variables if c is not None), key=lambda c: c.key):
            given = features[column]
            if isinstance(column, RealValuedColumn):
                dense.append(reshape(column.numbers(given, 2), [-1, column.dimension]))
                dense_weights.append(columns_to_variables[column])
                continue
            if isinstance(column, BucketizedColumn):
                sparse.append(plain_features(column.to_sparse_tensor(given)))
            elif isinstance(column, IdColumn):
                sparse.append(sparse_features(column.id_tensor(given), column.weight_tensor(given)))
            else:
                raise ValueError(f"SDCAOptimizer does not support column type. Received: {column}")
            sparse_weights.append(columns_to_variables[column])
        model = SdcaModel(
            training_examples(ids, targets, weights, dense, sparse),
            {"sparse_features_weights": sparse_weights, "dense_features_weights": dense_weights},
            {
                "symmetric_l1_regularization": self._l1,
                "symmetric_l2_regularization": self._l2,
                "adaptive": self._adaptive,
                "num_loss_partitions": self._num_loss_partitions,
                "num_table_shards": self._num_table_shards,
                "loss_type": loss_type,
            },
        )
        return model, model.minimize(global_step=global_step)
