"""Feature columns of `tf.contrib.layers` that hold numbers: real values, buckets, one-hot, embeddings."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

from millrace.building import convert, raw
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.layers.columns.sparse import Columns, IdColumn, _Column, flattened_inside
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.sparse.conversion import sparse_merge, sparse_tensor_to_dense
from millrace.lib.sparse.shaping import sparse_slice
from millrace.lib.variables.initializers import TruncatedNormal
from millrace.opkit.records.features import FixedLenFeature, VarLenFeature
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.fill import range_, zeros_like
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape
from millrace.ops.math.cast import cast


class RealValuedColumn(
    _Column, namedtuple("_RealValuedColumn", "column_name dimension default_value dtype normalizer")
):
    """Numbers of the input, perhaps normalized."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The input's name."""
        return self.column_name

    @property
    def key(self) -> str:
        """By which columns are ordered."""
        return (
            f"_RealValuedColumn(column_name={self.column_name}, dimension={self.dimension}, "
            f"default_value={self.default_value}, dtype={self.dtype!r})".replace(
                repr(self.dtype), f"<dtype: '{self.dtype.name}'>"
            )
        )

    @property
    def config(self) -> dict[str, Any]:
        """How the input is parsed."""
        default = None if self.default_value is None else list(self.default_value)
        return {self.column_name: FixedLenFeature([self.dimension], self.dtype, default)}

    @property
    def normalizer_fn(self) -> Any:
        """The function that normalizes the numbers."""
        return self.normalizer

    def insert_transformed_feature(self, columns_to_tensors: Columns) -> None:
        """Puts the normalized numbers into the dictionary."""
        tensor = columns_to_tensors[self.name]
        if self.normalizer is not None:
            tensor = self.normalizer(tensor)
        columns_to_tensors[self] = convert.to_tensor(tensor)

    def numbers(self, tensor: Any, rank: int) -> Any:
        """The numbers as float32, with the given rank; the first dimensions are kept."""
        tensor = cast(tensor, dtypes.float32)
        dims = tensor.dims
        if dims is not None and len(dims) == rank and dims[-1] is not None:
            return tensor
        if dims is not None and len(dims) == rank - 1:
            return raw.ExpandDims(tensor, -1)
        return raw.Reshape(tensor, stack([*(shape(tensor)[i] for i in range(rank - 1)), self.dimension]))


class BucketizedColumn(_Column, namedtuple("_BucketizedColumn", "source_column boundaries")):
    """In which bucket each number of a real-valued column falls."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The source's name, bucketized."""
        return f"{self.source_column.name}_bucketized"

    @property
    def length(self) -> int:
        """How many buckets there are."""
        return len(self.boundaries) + 1

    @property
    def config(self) -> dict[str, Any]:
        """How the input is parsed."""
        return self.source_column.config

    def insert_transformed_feature(self, columns_to_tensors: Columns) -> None:
        """Puts the numbers of the buckets into the dictionary."""
        if self.source_column not in columns_to_tensors:
            self.source_column.insert_transformed_feature(columns_to_tensors)
        source = columns_to_tensors[self.source_column]
        columns_to_tensors[self] = raw.Bucketize(source, boundaries=list(self.boundaries), name="bucketize")

    def to_sparse_tensor(self, tensor: Any) -> SparseTensor:
        """The buckets as ids: those of one number come after those of the number before."""
        dimension = self.source_column.dimension
        batch = shape(tensor, name="shape")[0]
        if dimension > 1:
            rows = raw.Reshape(raw.Tile(raw.ExpandDims(range_(0, batch), 1), [1, dimension]), [-1])
            columns = raw.Tile(range_(0, dimension), stack([batch]))
            ids = raw.Reshape(tensor, [-1]) + self.length * columns
        else:
            rows, columns = range_(0, batch), raw.ZerosLike(range_(0, batch))
            ids = raw.Reshape(tensor, [-1])
        places = cast(raw.Transpose(stack([rows, columns]), [1, 0]), dtypes.int64)
        size = cast(stack([batch, dimension]), dtypes.int64)
        return SparseTensor(places, cast(ids, dtypes.int64), size)

    def hot(self, tensor: Any) -> Any:
        """The buckets as one-hot vectors, `[batch, dimension * buckets]`."""
        return raw.Reshape(
            one_hot(cast(tensor, dtypes.int64), self.length, 1.0, 0.0),
            [-1, self.length * self.source_column.dimension],
            name="reshape",
        )


class OneHotColumn(_Column, namedtuple("_OneHotColumn", "sparse_id_column")):
    """The ids of a sparse column, counted."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The ids' name, one hot."""
        return f"{self.sparse_id_column.name}_one_hot"

    @property
    def length(self) -> int:
        """How many ids there are."""
        return self.sparse_id_column.length

    @property
    def config(self) -> dict[str, Any]:
        """How the input is parsed."""
        return self.sparse_id_column.config

    def insert_transformed_feature(self, columns_to_tensors: Columns) -> None:
        """Puts the ids into the dictionary."""
        if self.sparse_id_column not in columns_to_tensors:
            self.sparse_id_column.insert_transformed_feature(columns_to_tensors)
        columns_to_tensors[self] = columns_to_tensors[self.sparse_id_column]

    def hot(self, features: Any, rank: int = 2) -> Any:
        """The number, or the weights, of each id: `[..., length]`."""
        ids = self.sparse_id_column.id_tensor(features)
        weights = self.sparse_id_column.weight_tensor(features)
        ids = flattened_inside(ids, rank)
        if weights is not None:
            merged = sparse_merge(ids, weights, vocab_size=self.length)
            merged = sparse_slice(merged, zeros_like(merged.dense_shape), merged.dense_shape)
            dense = sparse_tensor_to_dense(merged)
            return reshape(dense, concat([shape(dense)[:-1], [self.length]], 0))
        dense = sparse_tensor_to_dense(ids, default_value=-1)
        hot = one_hot(dense, self.length, 1.0, 0.0)
        over = list(range(rank - 1, len(hot.dims) - 1)) if hot.dims is not None else [rank - 1]
        return reduce_sum(hot, over)


_EMBEDDING = (
    "sparse_id_column dimension combiner initializer ckpt_to_load_from tensor_name_in_ckpt "
    "shared_embedding_name shared_vocab_size max_norm trainable"
)


class EmbeddingColumn(_Column, namedtuple("_EmbeddingColumn", _EMBEDDING)):
    """A vector for each id of a sparse column, put together for each example."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The ids' name with that of the embedding."""
        if self.shared_embedding_name is None:
            return f"{self.sparse_id_column.name}_embedding"
        return f"{self.sparse_id_column.name}_shared_embedding"

    @property
    def length(self) -> int:
        """How many ids there are."""
        return self.sparse_id_column.length if self.shared_vocab_size is None else self.shared_vocab_size

    @property
    def key(self) -> str:
        """By which columns are ordered: all but the initializer."""
        shown = [
            f"{field}={value if field != 'sparse_id_column' else repr(value)}"
            for field, value in zip(self._fields, self, strict=True)
            if field != "initializer"
        ]
        return f"_EmbeddingColumn({', '.join(shown)})"

    @property
    def config(self) -> dict[str, Any]:
        """How the input is parsed."""
        return self.sparse_id_column.config

    def insert_transformed_feature(self, columns_to_tensors: Columns) -> None:
        """Puts the ids into the dictionary."""
        if self.sparse_id_column not in columns_to_tensors:
            self.sparse_id_column.insert_transformed_feature(columns_to_tensors)
        columns_to_tensors[self] = columns_to_tensors[self.sparse_id_column]


class ScatteredEmbeddingColumn(
    _Column,
    namedtuple("_ScatteredEmbeddingColumn", "column_name size dimension hash_key combiner initializer"),
):
    """A vector for each string, made of numbers of a common pool."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The input's name with that of the embedding."""
        return f"{self.column_name}_scattered_embedding"

    @property
    def key(self) -> str:
        """By which columns are ordered: all but the initializer."""
        shown = [f"{k}={v}" for k, v in zip(self._fields, self, strict=True) if k != "initializer"]
        return f"_ScatteredEmbeddingColumn({', '.join(shown)})"

    @property
    def config(self) -> dict[str, Any]:
        """How the input is parsed."""
        return {self.column_name: VarLenFeature(dtypes.string)}

    def insert_transformed_feature(self, columns_to_tensors: Columns) -> None:
        """Puts the strings into the dictionary."""
        columns_to_tensors[self] = columns_to_tensors[self.column_name]


@public(
    "contrib.layers.real_valued_column",
    "contrib.layers.feature_column.real_valued_column",
    "contrib.slim.real_valued_column",
)
def real_valued_column(
    column_name: str,
    dimension: int = 1,
    default_value: Any = None,
    dtype: Any = dtypes.float32,
    normalizer: Any = None,
) -> RealValuedColumn:
    """Numbers of the input.

    Args:
      column_name: the input's name.
      dimension: how many numbers an example has.
      default_value: what an example that lacks them has: a number, or `dimension` of them.
      dtype: of the input, numeric.
      normalizer: a function of the tensor.

    Raises:
      TypeError: `dimension` is not an integer, or the default has another type.
      ValueError: `dimension` is less than 1, the default has another length, or the dtype is not numeric.
    """
    if dimension is None:
        raise TypeError(
            "dimension must be an integer. Use the _real_valued_var_len_column for variable length "
            f"features. column_name: {column_name}"
        )
    if not isinstance(dimension, int):
        raise TypeError(f"dimension must be an integer. dimension: {dimension}, column_name: {column_name}")
    if dimension < 1:
        raise ValueError(
            f"dimension must be greater than 0. dimension: {dimension}, column_name: {column_name}"
        )
    kind = dtypes.as_dtype(dtype)
    if not (kind.is_integer or kind.is_floating):
        raise ValueError(f"dtype must be convertible to float. dtype: {dtype}, column_name: {column_name}")
    default = _default(default_value, dimension, kind, column_name)
    return RealValuedColumn(column_name, dimension, default, kind, normalizer)


def _default(value: Any, dimension: int, kind: Any, column_name: str) -> Any:
    if value is None:
        return None
    values = (
        list(value.tolist() if hasattr(value, "tolist") else value)
        if hasattr(value, "__len__") and not (isinstance(value, str))
        else [value] * dimension
    )
    if len(values) != dimension:
        raise ValueError(
            f"The length of default_value must be equal to dimension. default_value: {value}, dimension: "
            f"{dimension}, column_name: {column_name}"
        )
    for one in values:
        whole = isinstance(one, int)
        if not (whole or (isinstance(one, float) and not kind.is_integer)):
            raise TypeError(
                f"default_value must be compatible with dtype. default_value: {value}, dtype: {kind}, "
                f"column_name: {column_name}"
            )
    return tuple(float(v) if kind.is_floating else int(v) for v in values)


@public(
    "contrib.layers.bucketized_column",
    "contrib.layers.feature_column.bucketized_column",
    "contrib.slim.bucketized_column",
)
def bucketized_column(source_column: Any, boundaries: Any) -> BucketizedColumn:
    """In which bucket each number of a column falls.

    Args:
      source_column: made by `real_valued_column`.
      boundaries: increasing numbers; repeated ones count once.

    Raises:
      TypeError: the source is of another kind.
      ValueError: there is no boundary, or they do not increase.
    """
    if not isinstance(source_column, RealValuedColumn):
        raise TypeError(
            f"source_column must be an instance of _RealValuedColumn. source_column: {source_column}"
        )
    if not isinstance(boundaries, list | tuple) or not boundaries:
        raise ValueError(f"boundaries must be a non-empty list or tuple. boundaries: {boundaries}")
    kept = []
    for i, bound in enumerate(boundaries):
        if i + 1 < len(boundaries) and bound > boundaries[i + 1]:
            raise ValueError(f"boundaries must be a sorted list. boundaries: {boundaries}")
        if not kept or bound != kept[-1]:
            kept.append(bound)
    return BucketizedColumn(source_column, tuple(kept))


@public(
    "contrib.layers.one_hot_column",
    "contrib.layers.feature_column.one_hot_column",
    "contrib.slim.one_hot_column",
)
def one_hot_column(sparse_id_column: Any) -> OneHotColumn:
    """The ids of a sparse column as one-hot vectors, for deep models."""
    return OneHotColumn(sparse_id_column)


def _checked_embedding(initializer: Any, ckpt: Any, tensor_name: Any, name: str) -> None:
    if initializer is not None and not callable(initializer):
        raise ValueError(f"initializer must be callable if specified. Embedding of column_name: {name}")
    if (ckpt is None) != (tensor_name is None):
        raise ValueError(
            f"Must specify both `ckpt_to_load_from` and `tensor_name_in_ckpt` or none of them. "
            f"Embedding of column_name: {name}"
        )


@public(
    "contrib.layers.embedding_column",
    "contrib.layers.feature_column.embedding_column",
    "contrib.slim.embedding_column",
)
def embedding_column(
    sparse_id_column: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> EmbeddingColumn:
    """A trained vector for each id of a sparse column.

    Args:
      sparse_id_column: a sparse, weighted or crossed column.
      dimension: how long a vector is.
      combiner: how the vectors of one example are put together: "mean", "sqrtn" or "sum".
      initializer: of the table; default: a truncated normal of deviation 1 / sqrt(number of ids).
      ckpt_to_load_from, tensor_name_in_ckpt: both or neither: where the table begins.
      max_norm: vectors with a greater Euclidean norm are scaled down to it.
      trainable: whether the table is trained.

    Raises:
      ValueError: the initializer is not callable, or only one of the checkpoint's names is given.
    """
    _checked_embedding(initializer, ckpt_to_load_from, tensor_name_in_ckpt, sparse_id_column.name)
    if initializer is None:
        initializer = TruncatedNormal(0.0, 1 / math.sqrt(sparse_id_column.length))
    return EmbeddingColumn(
        sparse_id_column, dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt,
        None, None, max_norm, trainable,
    )  # fmt: skip


@public(
    "contrib.layers.shared_embedding_columns",
    "contrib.layers.feature_column.shared_embedding_columns",
    "contrib.slim.shared_embedding_columns",
)
def shared_embedding_columns(
    sparse_id_columns: Any,
    dimension: int,
    combiner: str = "mean",
    shared_embedding_name: str | None = None,
    initializer: Any = None,
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    max_norm: float | None = None,
    trainable: bool = True,
) -> tuple[EmbeddingColumn, ...]:
    """Embeddings of several sparse columns that share one table; arguments as for `embedding_column`.

    Args:
      sparse_id_columns: at least one; the same kind and number of ids.
      dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable: see
        there.
      shared_embedding_name: the table's name; default: made of the columns' names.

    Raises:
      TypeError: the columns are not a list.
      ValueError: there is none, or they do not go together.
    """
    if dimension is None or dimension < 1:
        raise ValueError(f"dimension must be greater than 0. dimension: {dimension}")
    columns = sparse_id_columns
    if not isinstance(columns, list | tuple | set):
        raise TypeError(
            f"sparse_id_columns must be a non-string sequence (ex: list or tuple) instead of type "
            f"{type(columns)}."
        )
    columns = list(columns)
    if not columns:
        raise ValueError("The input sparse_id_columns should have at least one element.")
    for column in columns:
        if not isinstance(column, IdColumn):
            raise TypeError(f"Elements of sparse_id_columns must be sparse columns. Received: {column}")
    first = columns[0]
    if any(c.length != first.length or c.__class__ is not first.__class__ for c in columns[1:]):
        raise ValueError("The input sparse id columns are not compatible.")
    if initializer is None:
        initializer = TruncatedNormal(0.0, 1 / math.sqrt(dimension))
    if shared_embedding_name is None:
        names = sorted(c.name for c in columns)
        if len(names) <= 3:
            shared_embedding_name = "_".join(names)
        else:
            shared_embedding_name = "_".join(names[:3]) + f"_plus_{len(names) - 3}_others"
        shared_embedding_name += "_shared_embedding"
    return tuple(
        EmbeddingColumn(
            column, dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt,
            shared_embedding_name, first.length, max_norm, trainable,
        )
        for column in columns
    )  # fmt: skip


@public(
    "contrib.layers.scattered_embedding_column",
    "contrib.layers.feature_column.scattered_embedding_column",
    "contrib.slim.scattered_embedding_column",
)
def scattered_embedding_column(
    column_name: str,
    size: int,
    dimension: int,
    hash_key: int,
    combiner: str = "mean",
    initializer: Any = None,
) -> ScatteredEmbeddingColumn:
    """A vector for each string, made of numbers of a common pool by hashing.

    Args:
      column_name: the input's name.
      size: how many numbers the pool has.
      dimension: how long a vector is.
      hash_key: of the hash.
      combiner: how the vectors of one example are put together: "mean", "sqrtn" or "sum".
      initializer: of the pool; default: a truncated normal of deviation 0.1.

    Raises:
      ValueError: size or dimension is less than 1, or the initializer is not callable.
    """
    if dimension is None or dimension < 1:
        raise ValueError(
            f"dimension must be greater than 0. dimension: {dimension}, column_name: {column_name}"
        )
    if size is None or size < 1:
        raise ValueError(f"size must be greater than 0. size: {size}, column_name: {column_name}")
    _checked_embedding(initializer, None, None, column_name)
    if initializer is None:
        initializer = TruncatedNormal(0.0, 0.1)
    return ScatteredEmbeddingColumn(column_name, size, dimension, hash_key, combiner, initializer)
