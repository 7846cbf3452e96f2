"""Columns of sequences, and `sequence_input_layer`, which puts them side by side step by step."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import as_dtype, float32, string
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.math.checks import assert_equal, assert_rank, assert_type
from millrace.lib.sparse.conversion import sparse_tensor_to_dense
from millrace.lib.variables.scope import variable_scope
from millrace.models.feature_columns.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureCache,
    IdWeightPair,
    SequenceTensor,
    VariableMaker,
    check_key,
    normalized,
    sorted_columns,
)
from millrace.models.feature_columns.categorical import (
    categorical_column_with_hash_bucket,
    categorical_column_with_identity,
    categorical_column_with_vocabulary_file,
    categorical_column_with_vocabulary_list,
)
from millrace.models.feature_columns.numeric import checked_shape
from millrace.models.feature_columns.sparse_inputs import as_sequence, sequence_length
from millrace.opkit.records.features import VarLenFeature
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import identity
from millrace.ops.array.reshape import expand_dims, reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile

_SequenceBase = namedtuple("SequenceCategoricalColumn", ("categorical_column",))


class SequenceCategoricalColumn(CategoricalColumn, _SequenceBase):  # type: ignore[misc]
    """Categories step by step."""

    __slots__ = ()
    is_sequence = True

    @property
    def name(self) -> str:
        """That of the categories."""
        return self.categorical_column.name

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """That of the categories."""
        return self.categorical_column.parse_example_spec

    @property
    def num_buckets(self) -> int:
        """That of the categories."""
        return self.categorical_column.num_buckets

    def transform_feature(self, features: FeatureCache) -> Any:
        """The categories."""
        return features.get(self.categorical_column)

    def sparse_pair(self, features: FeatureCache) -> IdWeightPair:
        """`[batch, steps, rest]`."""
        ids, weights = self.categorical_column.sparse_pair(features)
        ids = as_sequence(ids)
        return IdWeightPair(ids, None if weights is None else as_sequence(weights))


@public(
    "feature_column.sequence_categorical_column_with_identity",
    "contrib.feature_column.sequence_categorical_column_with_identity",
)
def sequence_categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> SequenceCategoricalColumn:
    """A sequence of categories that are their own numbers; see `categorical_column_with_identity`."""
    return SequenceCategoricalColumn(categorical_column_with_identity(key, num_buckets, default_value))


@public(
    "feature_column.sequence_categorical_column_with_hash_bucket",
    "contrib.feature_column.sequence_categorical_column_with_hash_bucket",
)
def sequence_categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = string
) -> SequenceCategoricalColumn:
    """A sequence of categories by their hashes; see `categorical_column_with_hash_bucket`."""
    return SequenceCategoricalColumn(categorical_column_with_hash_bucket(key, hash_bucket_size, dtype))


@public(
    "feature_column.sequence_categorical_column_with_vocabulary_file",
    "contrib.feature_column.sequence_categorical_column_with_vocabulary_file",
)
def sequence_categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: Any,
    vocabulary_size: int | None = None,
    num_oov_buckets: int = 0,
    default_value: int | None = None,
    dtype: Any = string,
) -> SequenceCategoricalColumn:
    """A sequence of categories by their lines in a file; see `categorical_column_with_vocabulary_file`."""
    return SequenceCategoricalColumn(
        categorical_column_with_vocabulary_file(
            key, vocabulary_file, vocabulary_size, num_oov_buckets, default_value, dtype
        )
    )


@public(
    "feature_column.sequence_categorical_column_with_vocabulary_list",
    "contrib.feature_column.sequence_categorical_column_with_vocabulary_list",
)
def sequence_categorical_column_with_vocabulary_list(
    key: str,
    vocabulary_list: Any,
    dtype: Any = None,
    default_value: int = -1,
    num_oov_buckets: int = 0,
) -> SequenceCategoricalColumn:
    """A sequence of categories by their places in a list; see `categorical_column_with_vocabulary_list`."""
    return SequenceCategoricalColumn(
        categorical_column_with_vocabulary_list(key, vocabulary_list, dtype, default_value, num_oov_buckets)
    )


_SequenceNumericBase = namedtuple(
    "SequenceNumericColumn", ("key", "shape", "default_value", "dtype", "normalizer_fn")
)


class SequenceNumericColumn(DenseColumn, _SequenceNumericBase):  # type: ignore[misc]
    """Numbers step by step. See `sequence_numeric_column`."""

    __slots__ = ()
    is_sequence = True

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """A feature of variable length."""
        return {self.key: VarLenFeature(self.dtype)}

    def transform_feature(self, features: FeatureCache) -> Any:
        """Sparse numbers, normalized."""
        tensor = features.get(self.key)
        return tensor if self.normalizer_fn is None else self.normalizer_fn(tensor)

    @property
    def variable_shape(self) -> TensorShape:
        """The shape of one step."""
        return TensorShape(self.shape)

    def sequence_dense(self, features: FeatureCache, maker: VariableMaker) -> SequenceTensor:
        """`[batch, steps, *shape]`, and the steps of each example."""
        del maker
        sparse = features.get(self)
        numbers = sparse_tensor_to_dense(sparse, default_value=self.default_value)
        whole = concat([shape_of(numbers)[:1], [-1], self.variable_shape.as_list()], axis=0)
        numbers = reshape(numbers, shape=whole)
        rank = sparse.get_shape().ndims
        elements = int(np.prod(self.shape)) if rank == 2 else 1
        return SequenceTensor(numbers, sequence_length(sparse, elements))

    def get_sequence_dense_tensor(
        self, transformation_cache: FeatureCache, state_manager: Any
    ) -> SequenceTensor:
        """The same, by its public name."""
        return self.sequence_dense(transformation_cache, state_manager)


@public("feature_column.sequence_numeric_column", "contrib.feature_column.sequence_numeric_column")
def sequence_numeric_column(
    key: str,
    shape: Any = (1,),
    default_value: float = 0.0,
    dtype: Any = float32,
    normalizer_fn: Callable[[Any], Any] | None = None,
) -> SequenceNumericColumn:
    """A column of sequences of numbers.

    Args:
      key: the feature, sparse.
      shape: of one step's numbers.
      default_value: what fills short sequences.
      dtype: numeric.
      normalizer_fn: what is done to the sparse tensor first.

    Raises:
      TypeError: a dimension is not an integer, or the normalizer is not callable.
      ValueError: a dimension or the dtype is not allowed.
    """
    dims = checked_shape(shape, key)
    dtype = as_dtype(dtype)
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(f"dtype must be convertible to float. dtype: {dtype}, key: {key}")
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise TypeError(f"normalizer_fn must be a callable. Given: {normalizer_fn}")
    check_key(key)
    return SequenceNumericColumn(key, dims, default_value, dtype, normalizer_fn)


def sequence_columns(columns: Any) -> list[Any]:
    """Columns that all make sequences of numbers.

    Raises:
      ValueError: one does not.
    """
    found = normalized(columns)
    for column in found:
        if not hasattr(column, "sequence_dense"):
            raise ValueError(
                "All feature_columns must be of type SequenceDenseColumn. You can wrap a "
                f"sequence_categorical_column with an embedding_column or indicator_column. "
                f"Given (type {type(column)}): {column}"
            )
    return found


def stepwise(column: Any, cache: FeatureCache, maker: VariableMaker) -> tuple[Any, Any]:
    """`[batch, steps, elements]`, and the steps of each example."""
    numbers, lengths = column.sequence_dense(cache, maker)
    sizes = shape_of(numbers)
    return reshape(numbers, (sizes[0], sizes[1], column.variable_shape.num_elements())), lengths


def agreed_length(lengths: list[Any]) -> Any:
    """The lengths of the first column, which those of the others must equal when run."""
    if len(lengths) == 1:
        return lengths[0]
    checks = [assert_equal(lengths[0], other) for other in lengths[1:]]
    with control_dependencies(checks):
        return identity(lengths[0])


@public("contrib.feature_column.sequence_input_layer")
def sequence_input_layer(
    features: dict[str, Any],
    feature_columns: Any,
    weight_collections: Any = None,
    trainable: bool = True,
) -> tuple[Any, Any]:
    """Columns of sequences side by side, ordered by the columns' names.

    Args:
      features: from keys to sparse tensors.
      feature_columns: dense columns of sequences.
      weight_collections: more collections for the variables.
      trainable: whether the variables are trained.

    Returns:
      float32 `[batch, steps, elements of all columns]`, and how many steps each example has, int64 `[batch]`.

    Raises:
      ValueError: a column does not make sequences, or a feature is missing.
    """
    columns = sorted_columns(sequence_columns(feature_columns))
    maker = VariableMaker(weight_collections, trainable)
    with variable_scope(None, default_name="sequence_input_layer", values=list(features.values())):
        cache = FeatureCache(features)
        tensors, lengths = [], []
        for column in columns:
            with variable_scope(None, default_name=column.var_scope_name):
                numbers, steps = stepwise(column, cache, maker)
                tensors.append(numbers)
                lengths.append(steps)
        return concat(tensors, -1), agreed_length(lengths)


@public("contrib.feature_column.concatenate_context_input")
def concatenate_context_input(context_input: Any, sequence_input: Any) -> Any:
    """Repeats what belongs to a whole example at each of its steps.

    Args:
      context_input: float32 `[batch, elements]`.
      sequence_input: float32 `[batch, steps, elements]`.

    Returns:
      `[batch, steps, elements of both]`.

    Raises:
      ValueError: a rank is another.
      TypeError: a dtype is another.
    """
    checks = [
        assert_rank(sequence_input, 3, [shape_of(sequence_input)]),
        assert_type(sequence_input, float32),
    ]
    checks += [assert_rank(context_input, 2, [shape_of(context_input)]), assert_type(context_input, float32)]
    with control_dependencies(checks):
        steps = shape_of(sequence_input)[1]
        repeated = tile(expand_dims(context_input, 1), concat([[1], [steps], [1]], axis=0))
        return concat([sequence_input, repeated], 2)
