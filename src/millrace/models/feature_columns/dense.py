"""Categories as numbers: one-hot vectors, and rows of trained tables."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

from millrace.building.scopes import get_collection, name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.defaults import get_default_graph
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.embedding import safe_embedding_lookup_sparse
from millrace.lib.sparse.conversion import sparse_merge, sparse_tensor_to_dense
from millrace.lib.sparse.shaping import sparse_slice
from millrace.lib.variables.initializers import TruncatedNormal
from millrace.lib.variables.partitioned import PartitionedVariable
from millrace.models.feature_columns.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureCache,
    IdWeightPair,
    SequenceTensor,
    VariableMaker,
)
from millrace.models.feature_columns.combined import WeightedCategoricalColumn
from millrace.models.feature_columns.sparse_inputs import sequence_length
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.scatter_nd import scatter_nd
from millrace.saver.checkpoint.initialize import init_from_checkpoint


def refuse_sequence(column: Any, categorical: Any, expected: bool) -> None:
    """A column of sequences where another is expected, or the other way round.

    Raises:
      ValueError: it is so.
    """
    if categorical.is_sequence and not expected:
        raise ValueError(
            f"In column {column.name}: categorical_column must not be of type SequenceCategoricalColumn. "
            "Suggested fix A: If you wish to use input_layer, use a non-sequence categorical_column. "
            "Suggested fix B: If you wish to create sequence input, use sequence_input_layer. "
            f"Given (type {type(categorical)}): {categorical}"
        )
    if expected and not categorical.is_sequence:
        raise ValueError(
            f"In column {column.name}: categorical_column must be of type SequenceCategoricalColumn to use "
            f"sequence_input_layer. Given (type {type(categorical)}): {categorical}"
        )


class OfCategories(DenseColumn):
    """What columns made of a categorical one share; the sequence forms included."""

    categorical_column: Any

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """That of the categories."""
        return self.categorical_column.parse_example_spec

    def numbers(self, features: FeatureCache, maker: VariableMaker) -> Any:
        """The numbers, whatever shape the categories have."""
        raise TypeError(f"{type(self).__name__} must define numbers")

    def dense(self, features: FeatureCache, maker: VariableMaker) -> Any:
        """`[batch, *variable_shape]`."""
        refuse_sequence(self, self.categorical_column, False)
        return self.numbers(features, maker)

    def sequence_dense(self, features: FeatureCache, maker: VariableMaker) -> SequenceTensor:
        """`[batch, steps, *variable_shape]`, and the steps of each example."""
        refuse_sequence(self, self.categorical_column, True)
        numbers, pair = self._numbers_and_pair(features, maker)
        return SequenceTensor(numbers, sequence_length(pair.id_tensor))

    def _numbers_and_pair(self, features: FeatureCache, maker: VariableMaker) -> tuple[Any, IdWeightPair]:
        numbers = self.numbers(features, maker)
        return numbers, self.categorical_column.sparse_pair(features)

    def get_sequence_dense_tensor(
        self, transformation_cache: FeatureCache, state_manager: Any
    ) -> SequenceTensor:
        """The same, by its public name."""
        return self.sequence_dense(transformation_cache, state_manager)


_IndicatorBase = namedtuple("IndicatorColumn", ("categorical_column",))


class IndicatorColumn(OfCategories, _IndicatorBase):  # type: ignore[misc]
    """A one for each category that an example has. See `indicator_column`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The categories' name and `_indicator`."""
        return f"{self.categorical_column.name}_indicator"

    @property
    def variable_shape(self) -> TensorShape:
        """One element for each category."""
        return TensorShape([1, self.categorical_column.num_buckets])

    def transform_feature(self, features: FeatureCache) -> Any:
        """The ones, or the sums of weights."""
        ids, weights = self.categorical_column.sparse_pair(features)
        depth = int(self.variable_shape[-1].value)
        if weights is not None:
            weighted = sparse_merge(sp_ids=ids, sp_values=weights, vocab_size=depth)
            weighted = sparse_slice(weighted, [0, 0], weighted.dense_shape)
            return scatter_nd(weighted.indices, weighted.values, weighted.dense_shape)
        dense_ids = sparse_tensor_to_dense(ids, default_value=-1)
        ones = one_hot(dense_ids, depth=depth, on_value=1.0, off_value=0.0)
        return reduce_sum(ones, axis=[-2])

    def numbers(self, features: FeatureCache, maker: VariableMaker) -> Any:
        """The ones, or the sums of weights."""
        del maker
        return features.get(self)


@public("feature_column.indicator_column")
def indicator_column(categorical_column: Any) -> IndicatorColumn:
    """A vector with a one for each category that an example has.

    Args:
      categorical_column: the categories.
    """
    return IndicatorColumn(categorical_column)


class Embedded(OfCategories):
    """What `EmbeddingColumn` and `SharedEmbeddingColumn` share: rows of a table, combined."""

    dimension: int
    combiner: str
    max_norm: float | None

    @property
    def variable_shape(self) -> TensorShape:
        """One row."""
        return TensorShape([self.dimension])

    def transform_feature(self, features: FeatureCache) -> Any:
        """The categories."""
        return features.get(self.categorical_column)

    def looked_up(self, pair: IdWeightPair, table: Any) -> Any:
        """The rows of all examples."""
        return safe_embedding_lookup_sparse(
            table,
            pair.id_tensor,
            sparse_weights=pair.weight_tensor,
            combiner=self.combiner,
            name=f"{self.name}_weights",
            max_norm=self.max_norm,
        )

    def restore(self, table: Any) -> None:
        """Lets the table begin with that of a checkpoint, where one is given."""
        if self.ckpt_to_load_from is not None:  # type: ignore[attr-defined]
            parts = list(table) if isinstance(table, PartitionedVariable) else table
            init_from_checkpoint(self.ckpt_to_load_from, {self.tensor_name_in_ckpt: parts})  # type: ignore[attr-defined]


_EmbeddingBase = namedtuple(
    "EmbeddingColumn",
    (
        "categorical_column",
        "dimension",
        "combiner",
        "initializer",
        "ckpt_to_load_from",
        "tensor_name_in_ckpt",
        "max_norm",
        "trainable",
    ),
)


class EmbeddingColumn(Embedded, _EmbeddingBase):  # type: ignore[misc]
    """Rows of a trained table. See `embedding_column`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The categories' name and `_embedding`."""
        return f"{self.categorical_column.name}_embedding"

    def table(self, maker: VariableMaker) -> Any:
        """The table, made or found."""
        made = maker.make(
            self,
            "embedding_weights",
            shape=(self.categorical_column.num_buckets, self.dimension),
            dtype=float32,
            initializer=self.initializer,
            trainable=self.trainable,
        )
        self.restore(made)
        return made

    def create_variables(self, maker: VariableMaker) -> None:
        """Makes the table."""
        self.table(maker)

    def numbers(self, features: FeatureCache, maker: VariableMaker) -> Any:
        """The combined rows."""
        return self._numbers_and_pair(features, maker)[0]

    def _numbers_and_pair(self, features: FeatureCache, maker: VariableMaker) -> tuple[Any, IdWeightPair]:
        pair = self.categorical_column.sparse_pair(features)
        table = maker.found(self, "embedding_weights")
        return self.looked_up(pair, self.table(maker) if table is None else table), pair


def _checked(dimension: Any, initializer: Any, ckpt: Any, tensor_name: Any) -> Any:
    if dimension is None or dimension < 1:
        raise ValueError(f"Invalid dimension {dimension}.")
    if (ckpt is None) != (tensor_name is None):
        raise ValueError(
            "Must specify both `ckpt_to_load_from` and `tensor_name_in_ckpt` or none of them. "
            f"Received: {ckpt!r} and {tensor_name!r}"
        )
    if initializer is not None and not callable(initializer):
        raise ValueError(f"initializer must be callable if specified. Received: {initializer!r}")
    return initializer or TruncatedNormal(mean=0.0, stddev=1 / math.sqrt(dimension))


@public("feature_column.embedding_column")
def embedding_column(
    categorical_column: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    ckpt_to_load_from: Any = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> EmbeddingColumn:
    """Categories as rows of a trained table.

    Args:
      categorical_column: the categories.
      dimension: how long a row is.
      combiner: what is done with several rows: "mean", "sqrtn" or "sum".
      initializer: of the table; default: truncated normal, standard deviation `1 / sqrt(dimension)`.
      ckpt_to_load_from: a checkpoint with the table to begin with.
      tensor_name_in_ckpt: the table's name there.
      max_norm: rows with a greater Euclidean norm are scaled down to it.
      trainable: whether the table is trained.

    Raises:
      ValueError: the dimension, the initializer or the names of a checkpoint are not allowed.
    """
    initializer = _checked(dimension, initializer, ckpt_to_load_from, tensor_name_in_ckpt)
    return EmbeddingColumn(
        categorical_column,
        dimension,
        combiner,
        initializer,
        ckpt_to_load_from,
        tensor_name_in_ckpt,
        max_norm,
        trainable,
    )


_SharedBase = namedtuple(
    "SharedEmbeddingColumn",
    (
        "categorical_column",
        "dimension",
        "combiner",
        "initializer",
        "shared_embedding_collection_name",
        "ckpt_to_load_from",
        "tensor_name_in_ckpt",
        "max_norm",
        "trainable",
    ),
)


class SharedEmbeddingColumn(Embedded, _SharedBase):  # type: ignore[misc]
    """Rows of a table that several columns train. See `shared_embedding_columns`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The categories' name and `_shared_embedding`."""
        return f"{self.categorical_column.name}_shared_embedding"

    @property
    def var_scope_name(self) -> str:
        """The name of the collection."""
        return self.shared_embedding_collection_name

    def _table(self, maker: VariableMaker) -> Any:
        shape = (self.categorical_column.num_buckets, self.dimension)
        shared = get_collection(self.shared_embedding_collection_name)
        if not shared:
            made = maker.make(
                self,
                "embedding_weights",
                shape=shape,
                dtype=float32,
                initializer=self.initializer,
                trainable=self.trainable,
            )
            get_default_graph().add_to_collection(self.shared_embedding_collection_name, made)
            self.restore(made)
            return made
        if len(shared) > 1:
            raise ValueError(
                f"Collection {self.shared_embedding_collection_name} must hold one table of embeddings. "
                f"Received: {shared}"
            )
        if shared[0].get_shape().as_list() != list(shape):
            raise ValueError(
                f"Shared embedding collection {self.shared_embedding_collection_name} contains variable "
                f"{shared[0].name} of unexpected shape {shared[0].get_shape()}. Expected shape is {shape}. "
                "Suggested fix: give the columns a shared_embedding_collection_name of their own."
            )
        return shared[0]

    def numbers(self, features: FeatureCache, maker: VariableMaker) -> Any:
        """The combined rows."""
        return self._numbers_and_pair(features, maker)[0]

    def _numbers_and_pair(self, features: FeatureCache, maker: VariableMaker) -> tuple[Any, IdWeightPair]:
        with name_scope(None, default_name=self.name):
            pair = self.categorical_column.sparse_pair(features)
            return self.looked_up(pair, self._table(maker)), pair


@public("feature_column.shared_embedding_columns")
def shared_embedding_columns(
    categorical_columns: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    shared_embedding_collection_name: str | None = None,
    ckpt_to_load_from: Any = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> list[SharedEmbeddingColumn]:
    """Several kinds of categories as rows of one table.

    Args:
      categorical_columns: columns of one class with the same number of categories.
      dimension: how long a row is.
      combiner: what is done with several rows: "mean", "sqrtn" or "sum".
      initializer: of the table; default: truncated normal, standard deviation `1 / sqrt(dimension)`.
      shared_embedding_collection_name: the graph's collection that holds the table; default, from the names.
      ckpt_to_load_from: a checkpoint with the table to begin with.
      tensor_name_in_ckpt: the table's name there.
      max_norm: rows with a greater Euclidean norm are scaled down to it.
      trainable: whether the table is trained.

    Returns:
      One column for each, in the order given.

    Raises:
      ValueError: the categories differ, or an argument is not allowed.
    """
    initializer = _checked(dimension, initializer, ckpt_to_load_from, tensor_name_in_ckpt)
    ordered = sorted(categorical_columns, key=lambda c: c.name)
    plain = [_unwrapped(c) for c in ordered]
    first = plain[0]
    for column, given in zip(plain, ordered, strict=True):
        if not isinstance(column, type(first)):
            raise ValueError(
                "To use shared_embedding_column, all categorical_columns must have the same type, or be "
                "weighted_categorical_column or sequence column of the same type. "
                f"Given column: {ordered[0]} of type: {type(first)} does not match given column: {given} "
                f"of type: {type(column)}"
            )
        if column.num_buckets != first.num_buckets:
            raise ValueError(
                "To use shared_embedding_column, all categorical_columns must have the same number of "
                f"buckets. Given column: {ordered[0]} with buckets: {first.num_buckets} does not match "
                f"column: {given} with buckets: {column.num_buckets}"
            )
    if not shared_embedding_collection_name:
        shared_embedding_collection_name = "_".join(c.name for c in ordered) + "_shared_embedding"
    return [
        SharedEmbeddingColumn(
            column,
            dimension,
            combiner,
            initializer,
            shared_embedding_collection_name,
            ckpt_to_load_from,
            tensor_name_in_ckpt,
            max_norm,
            trainable,
        )
        for column in categorical_columns
    ]


def _unwrapped(column: CategoricalColumn) -> Any:
    while isinstance(column, WeightedCategoricalColumn) or column.is_sequence:
        column = column.categorical_column  # type: ignore[attr-defined]
    return column
