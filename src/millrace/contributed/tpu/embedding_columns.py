"""`tf.tpu.experimental`: columns of tables that tensor processors would hold, as ordinary columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.models.feature_columns.categorical import (
    IdentityCategoricalColumn,
    VocabularyFileCategoricalColumn,
    VocabularyListCategoricalColumn,
)
from millrace.models.feature_columns.combined import WeightedCategoricalColumn
from millrace.models.feature_columns.dense import (
    EmbeddingColumn,
    SharedEmbeddingColumn,
    embedding_column,
    shared_embedding_columns,
)
from millrace.models.feature_columns.sequence import SequenceCategoricalColumn

_KINDS = (
    IdentityCategoricalColumn,
    VocabularyFileCategoricalColumn,
    VocabularyListCategoricalColumn,
    WeightedCategoricalColumn,
    SequenceCategoricalColumn,
)


class TPUColumn:
    """What a table's column says of itself beside what other columns do.

    The names of the methods are TensorFlow's.
    """

    categorical_column: Any
    dimension: int
    combiner: str
    initializer: Any
    _max_sequence_length = 0
    _learning_rate_fn: Any = None

    def get_combiner(self) -> str:
        """What is done with several rows."""
        return self.combiner

    def get_embedding_table_size(self) -> tuple[int, int]:
        """The rows of the table, and their length."""
        return self.categorical_column.num_buckets, self.dimension

    def get_feature_key_name(self) -> str:
        """The feature that holds the categories."""
        column = self.categorical_column
        while not hasattr(column, "key"):
            column = column.categorical_column
        return column.key

    def get_weight_key_name(self) -> str | None:
        """The feature that weighs them."""
        column = self.categorical_column
        return column.weight_feature_key if isinstance(column, WeightedCategoricalColumn) else None

    def get_initializer(self) -> Any:
        """What the table begins with."""
        return self.initializer

    def is_sequence_column(self) -> bool:
        """Whether an example has steps."""
        return self.categorical_column.is_sequence

    def get_max_sequence_length(self) -> int:
        """How many steps an example has at most; 0 for other columns."""
        return self._max_sequence_length

    def get_learning_rate_fn(self) -> Callable[..., Any] | None:
        """The rate of this table's training by the step, or None."""
        return self._learning_rate_fn

    def _limited(self, steps: int, learning_rate_fn: Any) -> None:
        """Sets the most steps and the rate.

        Raises:
          ValueError: a column has steps and no limit, or a limit and no steps.
        """
        if self.is_sequence_column() and steps < 1:
            raise ValueError(
                "max_sequence_length must be greater than 0 for sequence columns. Got max_sequence_length="
                f"{steps} for sequence column {self.categorical_column.name}."
            )
        if not self.is_sequence_column() and steps:
            raise ValueError(
                f"Non zero max_seq_length={steps} specified for non sequence column "
                f"{self.categorical_column.name}."
            )
        self._max_sequence_length, self._learning_rate_fn = steps, learning_rate_fn


class TPUEmbeddingColumn(TPUColumn, EmbeddingColumn):  # type: ignore[misc]
    """Rows of a table of its own. See `embedding_column`."""

    def get_embedding_var_name(self) -> str:
        """The name of the table."""
        return self.categorical_column.name


class TPUSharedEmbeddingColumn(TPUColumn, SharedEmbeddingColumn):  # type: ignore[misc]
    """Rows of a table that several columns share. See `shared_embedding_columns`."""

    def get_embedding_var_name(self) -> str:
        """The name of the table."""
        return self.shared_embedding_collection_name


def _check_kind(column: Any, what: str) -> None:
    if not isinstance(column, _KINDS):
        names = " or ".join(kind.__name__ for kind in _KINDS)
        raise TypeError(f"categorical_column for tpu {what} must be type {names}. Received: {column!r}")


@public("tpu.experimental.embedding_column")
def tpu_embedding_column(
    categorical_column: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    max_sequence_length: int = 0,
    learning_rate_fn: Callable[..., Any] | None = None,
) -> TPUEmbeddingColumn:
    """Categories as rows of a trained table; there are no tensor processors, so it is one like others.

    Args:
      categorical_column: an identity, a vocabulary, a weighted column of these, or a sequence of them.
      dimension: how long a row is.
      combiner: what is done with several rows: "mean", "sqrtn" or "sum".
      initializer: of the table; default: truncated normal, standard deviation `1 / sqrt(dimension)`.
      max_sequence_length: how many steps a sequence has at most.
      learning_rate_fn: the rate of the table's training by the step; kept.

    Raises:
      TypeError: the categories are of another kind.
      ValueError: the dimension, the initializer or the length is not allowed.
    """
    _check_kind(categorical_column, "embedding_column")
    made = TPUEmbeddingColumn(*embedding_column(categorical_column, dimension, combiner, initializer))
    made._limited(max_sequence_length, learning_rate_fn)
    return made


@public("tpu.experimental.shared_embedding_columns")
def tpu_shared_embedding_columns(
    categorical_columns: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    shared_embedding_collection_name: str | None = None,
    max_sequence_lengths: Any = None,
    learning_rate_fn: Callable[..., Any] | None = None,
) -> list[TPUSharedEmbeddingColumn]:
    """Categories of several columns as rows of one table.

    Args:
      categorical_columns: as for `embedding_column`, with the same number of categories.
      dimension, combiner, initializer, learning_rate_fn: as for `embedding_column`.
      shared_embedding_collection_name: the table's name; default, made of the columns' names.
      max_sequence_lengths: how many steps each column has at most.

    Raises:
      TypeError: the categories are of another kind.
      ValueError: the columns differ in their numbers of categories, or lengths are not allowed.
    """
    for column in categorical_columns:
        _check_kind(column, "shared_embedding_columns")
    lengths = max_sequence_lengths or [0] * len(categorical_columns)
    if len(lengths) != len(categorical_columns):
        raise ValueError(
            "max_sequence_lengths and categorical_columns must be of the same length. "
            f"len(max_sequence_lengths)={len(lengths)} len(categorical_columns)={len(categorical_columns)}."
        )
    shared = shared_embedding_columns(
        categorical_columns, dimension, combiner, initializer, shared_embedding_collection_name
    )
    made = [TPUSharedEmbeddingColumn(*column) for column in shared]
    for column, length in zip(made, lengths, strict=True):
        column._limited(length, learning_rate_fn)
    return made
