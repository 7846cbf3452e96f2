"""`tf.contrib.layers`: what deep, linear and recurrent models read from feature columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.framework.variables import model_variable
from millrace.contributed.layers.columns.dense import (
    BucketizedColumn,
    EmbeddingColumn,
    OneHotColumn,
    RealValuedColumn,
    ScatteredEmbeddingColumn,
)
from millrace.contributed.layers.columns.sparse import CrossedColumn, IdColumn, flattened_inside
from millrace.contributed.layers.hashing import (
    safe_embedding_lookup_sparse,
    scattered_embedding_lookup_sparse,
)
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.lib.layers.core import ZEROS
from millrace.lib.sparse.shaping import sparse_concat
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.arithmetic import add_n
from millrace.ops.nn.bias import bias_add
from millrace.saver.checkpoint.initialize import init_from_checkpoint


@public("contrib.layers.check_feature_columns", "contrib.slim.check_feature_columns")
def check_feature_columns(feature_columns: Iterable[Any]) -> None:
    """Checks that columns are there and that no two have the same key.

    Raises:
      ValueError: there is none, or one comes twice.
    """
    seen = set()
    for column in feature_columns or ():
        if column.key in seen:
            raise ValueError(
                f"Duplicate feature column key found for column: {column.name}. Column: {column}."
            )
        seen.add(column.key)


def _sorted(feature_columns: Iterable[Any]) -> list[Any]:
    return sorted(set(feature_columns), key=lambda c: c.key)


def transformed(columns_to_tensors: Any, column: Any) -> Any:
    """The features of one column, made where they are not there yet."""
    if column not in columns_to_tensors:
        column.insert_transformed_feature(columns_to_tensors)
    return columns_to_tensors[column]


@public("contrib.layers.transform_features", "contrib.slim.transform_features")
def transform_features(features: Any, feature_columns: Iterable[Any]) -> dict[Any, Any]:
    """The features of columns, by column.

    Args:
      features: tensors by name.
      feature_columns: the columns.
    """
    columns_to_tensors = dict(features)
    check_feature_columns(feature_columns)
    for column in _sorted(feature_columns):
        transformed(columns_to_tensors, column)
    return {c: columns_to_tensors[c] for c in _sorted(feature_columns)}


def _variable(name: str, shape: list[Any], initializer: Any, trainable: bool, collections: Any) -> Any:
    return model_variable(
        name,
        shape,
        float32,
        initializer,
        trainable=trainable,
        collections=list(collections or ()),
    )


def _embedded(column: EmbeddingColumn, ids: Any, weights: Any, trainable: bool, collections: Any) -> Any:
    """The vectors of one column's ids, put together."""
    shape = [column.length, column.dimension]
    trained = trainable and column.trainable
    if column.shared_embedding_name is None:
        table = _variable("weights", shape, column.initializer, trained, collections)
    else:
        # The first column that reads the shared table makes it; a collection hands it on to the others.
        key = f"SHARED_EMBEDDING_COLLECTION_{column.shared_embedding_name.upper()}"
        made = get_default_graph().get_collection_ref(key)
        if not made:
            table = _variable(column.shared_embedding_name, shape, column.initializer, trained, collections)
            get_default_graph().add_to_collection(key, table)
        table = made[0]
    if column.ckpt_to_load_from is not None:
        init_from_checkpoint(column.ckpt_to_load_from, {column.tensor_name_in_ckpt: table})
    return safe_embedding_lookup_sparse(
        table, ids, weights, column.combiner, name=column.name + "weights", max_norm=column.max_norm
    )


def _dnn_input(column: Any, features: Any, trainable: bool, collections: Any, rank: int) -> Any:
    """What a deep model reads of one column, `[..., depth]` of the given rank.

    Raises:
      ValueError: the column is sparse: it needs an embedding or one-hot vectors.
    """
    if isinstance(column, RealValuedColumn):
        return column.numbers(features, rank)
    if isinstance(column, OneHotColumn):
        return column.hot(features, rank)
    if isinstance(column, BucketizedColumn) and rank == 2:
        return column.hot(features)
    if isinstance(column, EmbeddingColumn):
        ids = column.sparse_id_column.id_tensor(features)
        weights = column.sparse_id_column.weight_tensor(features)
        ids = flattened_inside(ids, rank)
        weights = None if weights is None else flattened_inside(weights, rank)
        return _embedded(column, ids, weights, trainable, collections)
    if isinstance(column, ScatteredEmbeddingColumn):
        features = flattened_inside(features, rank)
        pool = _variable("weights", [column.size], column.initializer, trainable, collections)
        return scattered_embedding_lookup_sparse(
            pool,
            features,
            column.dimension,
            hash_key=column.hash_key,
            combiner=column.combiner,
            name="lookup",
        )
    raise ValueError(
        f"Error creating input layer for column: {column.name}. {type(column).__name__} is not supported in "
        "DNN. Please use embedding_column or one_hot_column."
    )


def _input(
    default: str,
    columns_to_tensors: Any,
    feature_columns: Iterable[Any],
    weight_collections: Any,
    trainable: bool,
    scope: Any,
    rank: int,
    cols_to_outs: dict[Any, Any] | None,
) -> Any:
    columns_to_tensors = dict(columns_to_tensors)
    check_feature_columns(feature_columns)
    if cols_to_outs is not None and not isinstance(cols_to_outs, dict):
        raise ValueError("cols_to_outs must be a dict unless None")
    with variable_scope(scope, default, list(columns_to_tensors.values())):
        outputs = []
        for column in _sorted(feature_columns):
            with variable_scope(None, column.name, list(columns_to_tensors.values())):
                features = transformed(columns_to_tensors, column)
                made = _dnn_input(column, features, trainable, weight_collections, rank)
                outputs.append(made)
                if cols_to_outs is not None:
                    cols_to_outs[column] = made
        return concat(outputs, rank - 1)


@public("contrib.layers.input_from_feature_columns", "contrib.slim.input_from_feature_columns")
@add_arg_scope
def input_from_feature_columns(
    columns_to_tensors: Any,
    feature_columns: Iterable[Any],
    weight_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    cols_to_outs: dict[Any, Any] | None = None,
) -> Any:
    """The first layer of a deep model: what every column gives, one after the other by key.

    Args:
      columns_to_tensors: tensors by name, and features by column where they are made already.
      feature_columns: real-valued, bucketized, one-hot or embedding columns.
      weight_collections: collections that the variables join.
      trainable: whether the variables are trained.
      scope: default "input_from_feature_columns".
      cols_to_outs: a dictionary that gets each column's part.

    Returns:
      float32 `[batch, depth]`.

    Raises:
      ValueError: a column is of another kind, or comes twice.
    """
    return _input(
        "input_from_feature_columns", columns_to_tensors, feature_columns, weight_collections, trainable,
        scope, 2, cols_to_outs,
    )  # fmt: skip


@public(
    "contrib.layers.sequence_input_from_feature_columns", "contrib.slim.sequence_input_from_feature_columns"
)
@add_arg_scope
def sequence_input_from_feature_columns(
    columns_to_tensors: Any,
    feature_columns: Iterable[Any],
    weight_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """The first layer of a recurrent model, `[batch, steps, depth]`; arguments as for
    `input_from_feature_columns`.

    Raises:
      ValueError: a column is neither real-valued, nor one-hot, nor an embedding.
    """
    for column in feature_columns:
        if not isinstance(column, RealValuedColumn | OneHotColumn | EmbeddingColumn):
            raise ValueError(
                f"Error creating input layer for column: {column.name}. It is not supported for sequences."
            )
    return _input(
        "sequence_input_from_feature_columns", columns_to_tensors, feature_columns, weight_collections,
        trainable, scope, 3, None,
    )  # fmt: skip


def _not_linear(column: Any) -> Exception:
    kind = ValueError if isinstance(column, EmbeddingColumn) else NotImplementedError
    return kind(
        f"Error creating weighted sum for column: {column.name}. {type(column).__name__} is not supported in "
        f"linear models. Please use sparse_column. column: {column}"
    )


def _linear(
    column: Any, features: Any, num_outputs: int, collections: Any, trainable: bool
) -> tuple[Any, Any]:
    """One column's share of a linear model's outputs, and its variable.

    Raises:
      ValueError: the column is an embedding.
      NotImplementedError: it is for deep models otherwise.
    """
    if isinstance(column, RealValuedColumn):
        numbers = column.numbers(features, 2)
        width = numbers.dims[1] if numbers.dims is not None and len(numbers.dims) == 2 else None
        width = column.dimension if width is None else width
        weights = _variable("weight", [width, num_outputs], ZEROS, trainable, collections)
        return matmul(numbers, weights, name="matmul"), weights
    if isinstance(column, BucketizedColumn):
        ids: Any = column.to_sparse_tensor(features)
        given, combiner = None, "sum"
        length = column.length * column.source_column.dimension
    elif isinstance(column, IdColumn):
        ids, given = column.id_tensor(features), column.weight_tensor(features)
        combiner, length = column.combiner, column.length
    else:
        raise _not_linear(column)
    weights = _variable("weights", [length, num_outputs], ZEROS, trainable, collections)
    if isinstance(column, CrossedColumn) and column.ckpt_to_load_from is not None:
        init_from_checkpoint(column.ckpt_to_load_from, {column.tensor_name_in_ckpt: weights})
    share = safe_embedding_lookup_sparse(weights, ids, given, combiner, name=column.name + "_weights")
    return share, weights


def _with_bias(outputs: Any, num_outputs: int, collections: Any, trainable: bool) -> tuple[Any, Any]:
    bias = _variable("bias_weight", [num_outputs], ZEROS, trainable, collections)
    return bias_add(outputs, bias), bias


@public("contrib.layers.weighted_sum_from_feature_columns", "contrib.slim.weighted_sum_from_feature_columns")
@add_arg_scope
def weighted_sum_from_feature_columns(
    columns_to_tensors: Any,
    feature_columns: Iterable[Any],
    num_outputs: int,
    weight_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> tuple[Any, dict[Any, list[Any]], Any]:
    """A linear model of columns.

    Args:
      columns_to_tensors: tensors by name, and features by column where they are made already.
      feature_columns: real-valued, bucketized, sparse, weighted or crossed columns.
      num_outputs: how many outputs there are.
      weight_collections: collections that the variables join.
      trainable: whether the variables are trained.
      scope: default "weighted_sum_from_feature_columns".

    Returns:
      The outputs, `[batch, num_outputs]`; for each column a list of its variable; the bias.

    Raises:
      ValueError: a column is for deep models, or comes twice.
    """
    columns_to_tensors = dict(columns_to_tensors)
    check_feature_columns(feature_columns)
    with variable_scope(scope, "weighted_sum_from_feature_columns", list(columns_to_tensors.values())):
        shares, variables = [], {}
        for column in _sorted(feature_columns):
            features = transformed(columns_to_tensors, column)
            with variable_scope(None, column.name, list(columns_to_tensors.values())):
                share, variable = _linear(column, features, num_outputs, weight_collections, trainable)
            shares.append(raw.Reshape(share, [-1, num_outputs]))
            variables[column] = [variable]
        outputs, bias = _with_bias(add_n(shares), num_outputs, weight_collections, trainable)
        return outputs, variables, bias


@public(
    "contrib.layers.joint_weighted_sum_from_feature_columns",
    "contrib.slim.joint_weighted_sum_from_feature_columns",
)
@add_arg_scope
def joint_weighted_sum_from_feature_columns(
    columns_to_tensors: Any,
    feature_columns: Iterable[Any],
    num_outputs: int,
    weight_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> tuple[Any, list[Any], Any]:
    """A linear model of sparse columns whose weights are rows of one variable, "weights".

    The arguments are those of `weighted_sum_from_feature_columns`, without real-valued columns.

    Returns:
      The outputs, `[batch, num_outputs]`; a list of the variable; the bias.

    Raises:
      AssertionError: a column has weights.
    """
    columns_to_tensors = dict(columns_to_tensors)
    check_feature_columns(feature_columns)
    with variable_scope(scope, "joint_weighted_sum_from_feature_columns", list(columns_to_tensors.values())):
        ids, total = [], 0
        for column in _sorted(feature_columns):
            features = transformed(columns_to_tensors, column)
            if isinstance(column, BucketizedColumn):
                found: Any = column.to_sparse_tensor(features)
                given, length = None, column.length * column.source_column.dimension
            elif isinstance(column, IdColumn):
                found, given = column.id_tensor(features), column.weight_tensor(features)
                length = column.length
            elif isinstance(column, RealValuedColumn):
                raise NotImplementedError(
                    "Real-valued columns are not supported. Use weighted_sum_from_feature_columns "
                    "instead, or bucketize these columns."
                )
            else:
                raise _not_linear(column)
            assert given is None, (
                "joint_weighted_sum_from_feature_columns takes no weighted column; use "
                f"weighted_sum_from_feature_columns. Received: {column!r}"
            )
            ids.append(SparseTensor(found.indices, found.values + total, found.dense_shape))
            total += length
        joined = sparse_concat(1, ids)
        with variable_scope(None, "linear_weights"):
            table = _variable("weights", [total, num_outputs], ZEROS, trainable, weight_collections)
            sums = safe_embedding_lookup_sparse(table, joined, None, "sum", name="_weights")
        outputs, bias = _with_bias(sums, num_outputs, weight_collections, trainable)
        return outputs, [table], bias
