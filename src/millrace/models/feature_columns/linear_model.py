"""`linear_model`: a weighted sum of all columns, and a bias."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.nn.embedding import safe_embedding_lookup_sparse
from millrace.lib.sparse.shaping import sparse_reshape
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import variable_scope
from millrace.models.feature_columns.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureCache,
    VariableMaker,
    normalized,
    sorted_columns,
)
from millrace.models.feature_columns.dense import refuse_sequence
from millrace.models.feature_columns.input_layer import Recorder, check_batch_sizes, flattened
from millrace.ops.array.shape import shape
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.arithmetic import add_n
from millrace.ops.nn.bias import bias_add


def linear_columns(columns: Any) -> list[Any]:
    """Columns that are dense or categorical.

    Raises:
      ValueError: one is neither.
    """
    found = normalized(columns)
    for column in found:
        if not isinstance(column, DenseColumn | CategoricalColumn):
            raise ValueError(
                f"Items of feature_columns must be either a dense or a categorical column. Given: {column}"
            )
    return found


def weights_shape(column: Any, units: int) -> list[int]:
    """The shape of a column's weights."""
    if isinstance(column, CategoricalColumn):
        return [column.num_buckets, units]
    return [column.variable_shape.num_elements(), units]


def weighted_sum(column: Any, cache: FeatureCache, maker: VariableMaker, weights: Any, combiner: str) -> Any:
    """`[batch, units]`: a column's part of the sum."""
    if not isinstance(column, CategoricalColumn):
        tensor = flattened(column.dense(cache, maker), column.variable_shape.num_elements())
        return matmul(tensor, weights, name="weighted_sum")
    if column.is_sequence:
        refuse_sequence(column, column, False)
    ids, of_ids = column.sparse_pair(cache)
    ids = sparse_reshape(ids, [shape(ids)[0], -1])
    if of_ids is not None:
        of_ids = sparse_reshape(of_ids, [shape(of_ids)[0], -1])
    return safe_embedding_lookup_sparse(
        weights, ids, sparse_weights=of_ids, combiner=combiner, name="weighted_sum"
    )


@public("feature_column.linear_model")
def linear_model(
    features: dict[str, Any],
    feature_columns: Any,
    units: int = 1,
    sparse_combiner: str = "sum",
    weight_collections: Any = None,
    trainable: bool = True,
    cols_to_vars: dict[Any, Any] | None = None,
) -> Tensor:
    """A weighted sum of all columns, and a bias.

    Args:
      features: from keys to tensors.
      feature_columns: dense and categorical columns.
      units: how many sums.
      sparse_combiner: what is done with the weights of several categories: "sum", "mean" or "sqrtn".
      weight_collections: more collections for the variables.
      trainable: whether the variables are trained.
      cols_to_vars: filled with the variables of each column, and `"bias"`.

    Returns:
      float32 `[batch, units]`.

    Raises:
      ValueError: a column is not allowed, two have one name, or a feature is missing.
    """
    columns = sorted_columns(linear_columns(feature_columns))
    get_default_graph().get_collection_ref(GraphKeys.UPDATE_OPS)
    with variable_scope(None, "linear_model") as outer:
        pass
    maker = Recorder(weight_collections, trainable)
    result, made = linear_sum(features, columns, units, sparse_combiner, maker, outer)
    if cols_to_vars is not None:
        cols_to_vars.update(made)
    return result


def linear_sum(
    features: dict[str, Any], columns: Any, units: int, combiner: str, maker: Recorder, scope: Any
) -> tuple[Tensor, dict[Any, list[Any]]]:
    """The sum in a variable scope of its own.

    Args:
      features: from keys to tensors.
      columns: sorted.
      units: how many sums.
      combiner: what is done with the weights of several categories.
      maker: makes the variables.
      scope: a variable scope, or its name.

    Returns:
      float32 `[batch, units]`, and the variables of each column and of `"bias"`.
    """
    with variable_scope(scope, auxiliary_name_scope=False) as outer:
        short = outer.name.rsplit("/", 1)[-1]
        with name_scope(short), name_scope(short):
            cache, sums = FeatureCache(features), []
            for column in columns:
                with variable_scope(None, column.var_scope_name, auxiliary_name_scope=False) as inner:
                    given = {"shape": weights_shape(column, units), "dtype": float32, "use_resource": True}
                    weights = maker.make(column, "weights", initializer=Zeros(), **given)
                    with name_scope(inner.name.rsplit("/", 1)[-1]):
                        sums.append(weighted_sum(column, cache, maker, weights, combiner))
            check_batch_sizes(sums, columns)
            total = add_n(sums, name="weighted_sum_no_bias")
            of_bias = Recorder(maker.collections, maker.trainable)
            bias = of_bias.make(
                columns[0],
                "bias_weights",
                shape=[units],
                dtype=float32,
                initializer=Zeros(),
                use_resource=True,
            )
            made = {**{column: maker.made[column] for column in columns}, "bias": of_bias.made[columns[0]]}
            return bias_add(total, bias, name="weighted_sum"), made
