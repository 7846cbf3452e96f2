"""Feature columns of ids: sparse columns, weighted ones and crosses, as `tf.contrib.layers` has them.

A column makes its features in a dictionary, `insert_transformed_feature`, and says how a layer reads them.
"""

from __future__ import annotations

import re
from collections import namedtuple
from typing import TYPE_CHECKING, Any

from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.layers.hashing import sparse_feature_cross
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.lookup.vocabulary import index_table_from_file, index_table_from_tensor
from millrace.lib.math.reductions import reduce_prod
from millrace.lib.sparse.shaping import sparse_concat, sparse_reshape
from millrace.models.feature_columns.sparse_inputs import sparse_input
from millrace.opkit.records.features import VarLenFeature
from millrace.ops.array.concat import concat
from millrace.ops.math.cast import cast
from millrace.ops.math.division import floormod
from millrace.ops.text.hashes import string_to_hash_bucket_fast, string_to_hash_bucket_strong
from millrace.ops.text.numbers import as_string

Columns = dict[Any, Any]


def as_sparse(tensor: Any) -> SparseTensor:
    """A tensor as a sparse one; elements of a dense one that are "" or -1 are left out."""
    if isinstance(tensor, SparseTensor):
        return tensor
    return sparse_input(tensor, name="DenseToSparseTensor")


def flattened_inside(sparse: SparseTensor, rank: int) -> SparseTensor:
    """A sparse tensor of a rank, whose last dimension holds all further ones.

    Raises:
      ValueError: it has fewer dimensions.
    """
    with name_scope(None, "InnerFlatten"):
        if sparse.shape.ndims is not None and sparse.shape.ndims < rank:
            raise ValueError(f"Inputs must have rank {rank} or more. Received: shape {sparse.shape}")
        outer, inner = sparse.dense_shape[: rank - 1], sparse.dense_shape[rank - 1 :]
        return sparse_reshape(sparse, concat([outer, [reduce_prod(inner)]], 0))


class LookupConfig(
    namedtuple("_SparseIdLookupConfig", "vocabulary_file keys num_oov_buckets vocab_size default_value")
):
    """How strings become ids: a file or a list of keys, and what the others get."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__().replace("LookupConfig(", "_SparseIdLookupConfig(", 1)


class _Column:
    """What all columns share: a name, a key that orders them, how they are parsed."""

    __slots__ = ()

    @property
    def key(self) -> str:
        """By which columns are ordered."""
        return str(self)

    def __repr__(self) -> str:
        return re.sub(r"^\w+", "_" + type(self).__name__, super().__repr__(), count=1)


class IdColumn(_Column):
    """A column whose features are ids, perhaps with weights.

    Attributes:
      name: of the column.
      length: how many ids there are.
      combiner: how a linear model puts several ids of an example together.
    """

    __slots__ = ()
    if TYPE_CHECKING:
        name: Any
        length: Any
        combiner: Any

    def id_tensor(self, features: Any) -> SparseTensor:
        """The ids of what `insert_transformed_feature` made."""
        return features

    def weight_tensor(self, features: Any) -> SparseTensor | None:
        """Their weights; None: all weigh 1."""
        return None


_FIELDS = "column_name is_integerized bucket_size lookup_config combiner dtype"


class _SparseColumn(IdColumn, namedtuple("_SparseColumn", _FIELDS)):
    """Ids made of one feature of the input."""

    __slots__ = ()

    def __new__(
        cls,
        column_name: str,
        is_integerized: bool = False,
        bucket_size: int | None = None,
        lookup_config: Any = None,
        combiner: str = "sum",
        dtype: Any = dtypes.string,
    ) -> Any:
        """A column; the function that makes it tells its arguments."""
        if is_integerized and bucket_size is None:
            raise ValueError(f"bucket_size must be set if is_integerized is True. column_name: {column_name}")
        if bucket_size is not None and bucket_size < 1:
            raise ValueError(
                f"bucket_size must be at least 1. bucket_size: {bucket_size}, column_name: {column_name}"
            )
        dtype = dtypes.as_dtype(dtype)
        if dtype is not dtypes.string and not dtype.is_integer:
            raise ValueError(
                f"dtype must be an integer or string. dtype: {dtype}, column_name: {column_name}"
            )
        return super().__new__(cls, column_name, is_integerized, bucket_size, lookup_config, combiner, dtype)

    @property
    def name(self) -> str:
        """The input's name."""
        return self.column_name

    @property
    def length(self) -> int:
        """How many ids there are."""
        if self.lookup_config is None:
            return self.bucket_size
        return self.lookup_config.vocab_size + self.lookup_config.num_oov_buckets

    @property
    def config(self) -> dict[str, Any]:
        """How the input is parsed."""
        return {self.column_name: VarLenFeature(self.dtype)}

    def _checked(self, tensor: Any) -> SparseTensor:
        found = as_sparse(tensor)
        if found.dtype.base_dtype.is_integer != self.dtype.is_integer:
            raise ValueError(
                f"Column dtype and SparseTensors dtype must be compatible. key: {self.name}, column dtype: "
                f"{self.dtype}, tensor dtype: {found.dtype}"
            )
        return found

    def insert_transformed_feature(self, columns_to_tensors: Columns) -> None:
        """Puts the column's ids into the dictionary."""
        tensor = self._checked(columns_to_tensors[self.name])
        columns_to_tensors[self] = self._ids(tensor)

    def _ids(self, tensor: SparseTensor) -> SparseTensor:
        raise ValueError(f"{type(self).__name__} makes no ids")


class SparseColumnIntegerized(_SparseColumn):
    """Ids that are integers, modulo the number of buckets."""

    __slots__ = ()

    def __new__(cls, column_name: str, dtype: Any, bucket_size: int, combiner: str) -> Any:
        """A column; the function that makes it tells its arguments."""
        if not dtypes.as_dtype(dtype).is_integer:
            raise ValueError(f"dtype must be an integer. dtype: {dtype}, column_name: {column_name}")
        return super().__new__(cls, column_name, True, bucket_size, None, combiner, dtype)

    def _ids(self, tensor: SparseTensor) -> SparseTensor:
        ids = floormod(tensor.values, self.bucket_size, name="mod")
        return SparseTensor(tensor.indices, ids, tensor.dense_shape)


class SparseColumnHashed(_SparseColumn):
    """Ids that are hashes of strings or of integers written as strings."""

    __slots__ = ()

    def __new__(
        cls, column_name: str, hash_bucket_size: int, combiner: str, dtype: Any, hash_keys: Any = None
    ) -> Any:
        """A column; the function that makes it tells its arguments."""
        if hash_keys is not None:
            if not isinstance(hash_keys, list) or not hash_keys:
                raise ValueError(f"hash_keys must be a non-empty list. Received: {hash_keys!r}")
            if any(not isinstance(k, list) or len(k) != 2 for k in hash_keys):
                raise ValueError(f"each of hash_keys must be a list of two integers. Received: {hash_keys!r}")
            return _SparseColumnHashedByKeys(column_name, hash_bucket_size, combiner, dtype, hash_keys)
        return super().__new__(cls, column_name, False, hash_bucket_size, None, combiner, dtype)

    @property
    def hash_keys(self) -> Any:
        """The keys of strong hashes, or None."""
        return None

    def _texts(self, tensor: SparseTensor) -> Any:
        return as_string(tensor.values) if self.dtype.is_integer else tensor.values

    def _ids(self, tensor: SparseTensor) -> SparseTensor:
        ids = string_to_hash_bucket_fast(self._texts(tensor), self.bucket_size, name="lookup")
        return SparseTensor(tensor.indices, ids, tensor.dense_shape)


class _SparseColumnHashedByKeys(
    SparseColumnHashed, namedtuple("_SparseColumnHashed", f"{_FIELDS} given_keys")
):
    """Several ids for each string, one for each key of a strong hash."""

    __slots__ = ()

    def __new__(
        cls, column_name: str, hash_bucket_size: int, combiner: str, dtype: Any, hash_keys: Any
    ) -> Any:
        """A column; the function that makes it tells its arguments."""
        keys = tuple(tuple(k) for k in hash_keys)
        return tuple.__new__(
            cls, (column_name, False, hash_bucket_size, None, combiner, dtypes.as_dtype(dtype), keys)
        )

    @property
    def hash_keys(self) -> Any:
        """The keys of strong hashes."""
        return [list(k) for k in self[6]]

    def __repr__(self) -> str:
        return _Column.__repr__(self).replace("_SparseColumnHashedByKeys", "SparseColumnHashed", 1)

    def _ids(self, tensor: SparseTensor) -> SparseTensor:
        texts, parts = self._texts(tensor), []
        for key in self.hash_keys:
            ids = string_to_hash_bucket_strong(texts, self.bucket_size, key, name="lookup")
            parts.append(SparseTensor(tensor.indices, ids, tensor.dense_shape))
        return sparse_concat(1, parts, expand_nonconcat_dim=True)


class SparseColumnKeys(_SparseColumn):
    """Ids that are places in a list of keys."""

    __slots__ = ()

    def __new__(cls, column_name: str, keys: Any, default_value: int, combiner: str, dtype: Any) -> Any:
        """A column; the function that makes it tells its arguments."""
        config = LookupConfig(None, keys, 0, len(keys), default_value)
        return super().__new__(cls, column_name, False, None, config, combiner, dtype)

    def _ids(self, tensor: SparseTensor) -> SparseTensor:
        table = index_table_from_tensor(
            list(self.lookup_config.keys),
            default_value=self.lookup_config.default_value,
            dtype=self.dtype,
            name="lookup",
        )
        return table.lookup(tensor)


class SparseColumnVocabulary(_SparseColumn):
    """Ids that are lines of a vocabulary file."""

    __slots__ = ()

    def __new__(
        cls,
        column_name: str,
        vocabulary_file: str,
        num_oov_buckets: int,
        vocab_size: int | None,
        default_value: int,
        combiner: str,
        dtype: Any,
    ) -> Any:
        """A column; the function that makes it tells its arguments."""
        config = LookupConfig(vocabulary_file, None, num_oov_buckets, vocab_size, default_value)
        return super().__new__(cls, column_name, False, None, config, combiner, dtype)

    def _ids(self, tensor: SparseTensor) -> SparseTensor:
        if self.dtype.is_integer:
            tensor = SparseTensor(tensor.indices, as_string(tensor.values), tensor.dense_shape)
        config = self.lookup_config
        table = index_table_from_file(
            vocabulary_file=config.vocabulary_file,
            num_oov_buckets=config.num_oov_buckets,
            vocab_size=config.vocab_size,
            default_value=config.default_value,
            name=self.name + "_lookup",
        )
        return table.lookup(tensor)


class WeightedSparseColumn(
    IdColumn, namedtuple("_WeightedSparseColumn", "sparse_id_column weight_column_name dtype")
):
    """The ids of a sparse column with weights of another feature."""

    __slots__ = ()

    def __new__(cls, sparse_id_column: Any, weight_column_name: str, dtype: Any) -> Any:
        """A column; the function that makes it tells its arguments."""
        return super().__new__(cls, sparse_id_column, weight_column_name, dtypes.as_dtype(dtype))

    @property
    def name(self) -> str:
        """The names of both inputs."""
        return f"{self.sparse_id_column.name}_weighted_by_{self.weight_column_name}"

    @property
    def length(self) -> int:
        """How many ids there are."""
        return self.sparse_id_column.length

    @property
    def combiner(self) -> str:
        """How a linear model puts several ids together."""
        return self.sparse_id_column.combiner

    @property
    def config(self) -> dict[str, Any]:
        """How the inputs are parsed."""
        return {**self.sparse_id_column.config, self.weight_column_name: VarLenFeature(self.dtype)}

    @property
    def lookup_config(self) -> Any:
        """How strings become ids."""
        return self.sparse_id_column.lookup_config

    def id_tensor(self, features: Any) -> SparseTensor:
        """The ids of what `insert_transformed_feature` made."""
        return features[0]

    def weight_tensor(self, features: Any) -> SparseTensor | None:
        """Their weights."""
        return features[1]

    def insert_transformed_feature(self, columns_to_tensors: Columns) -> None:
        """Puts the pair of ids and weights into the dictionary."""
        if self.sparse_id_column not in columns_to_tensors:
            self.sparse_id_column.insert_transformed_feature(columns_to_tensors)
        weights = as_sparse(columns_to_tensors[self.weight_column_name])
        if not self.dtype.is_floating or weights.dtype.base_dtype is not dtypes.float32:
            values = cast(weights.values, dtypes.float32)
            weights = SparseTensor(weights.indices, values, weights.dense_shape)
        columns_to_tensors[self] = (columns_to_tensors[self.sparse_id_column], weights)


class CrossedColumn(
    IdColumn,
    namedtuple(
        "_CrossedColumn", "columns hash_bucket_size hash_key combiner ckpt_to_load_from tensor_name_in_ckpt"
    ),
):
    """Ids that are hashes of every combination of the features of several columns."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The names of the columns."""
        return "_X_".join(sorted(c.name for c in self.columns))

    @property
    def length(self) -> int:
        """How many ids there are."""
        return self.hash_bucket_size

    @property
    def config(self) -> dict[str, Any]:
        """How the inputs are parsed."""
        found: dict[str, Any] = {}
        for column in self.columns:
            found.update(column.config)
        return found

    def leaves(self) -> list[Any]:
        """The columns that are crossed, those of inner crosses included, by name."""
        found: list[Any] = []
        for column in self.columns:
            found.extend(column.leaves() if isinstance(column, CrossedColumn) else [column])
        return found

    def insert_transformed_feature(self, columns_to_tensors: Columns) -> None:
        """Puts the crosses into the dictionary."""
        features = []
        for column in self.leaves():
            if isinstance(column, _SparseColumn):
                features.append(
                    columns_to_tensors[column.name]
                )  # dense ones stay so: crosses begin with others
                continue
            if column not in columns_to_tensors:
                column.insert_transformed_feature(columns_to_tensors)
            made = columns_to_tensors[column]
            features.append(column.to_sparse_tensor(made) if hasattr(column, "to_sparse_tensor") else made)
        columns_to_tensors[self] = sparse_feature_cross(
            features, True, self.hash_bucket_size, name="cross", hash_key=self.hash_key
        )


@public(
    "contrib.layers.sparse_column_with_integerized_feature",
    "contrib.layers.feature_column.sparse_column_with_integerized_feature",
    "contrib.slim.sparse_column_with_integerized_feature",
)
def sparse_column_with_integerized_feature(
    column_name: str, bucket_size: int, combiner: str = "sum", dtype: Any = dtypes.int64
) -> SparseColumnIntegerized:
    """Ids that come as integers, modulo a number.

    Args:
      column_name: the input's name.
      bucket_size: how many ids there are.
      combiner: how a linear model puts several ids of an example together: "sum", "mean" or "sqrtn".
      dtype: of the input, an integer.

    Raises:
      ValueError: the number is less than 1, or the dtype is not an integer.
    """
    return SparseColumnIntegerized(column_name, dtype, bucket_size, combiner)


@public(
    "contrib.layers.sparse_column_with_hash_bucket",
    "contrib.layers.feature_column.sparse_column_with_hash_bucket",
    "contrib.slim.sparse_column_with_hash_bucket",
)
def sparse_column_with_hash_bucket(
    column_name: str,
    hash_bucket_size: int,
    combiner: str = "sum",
    dtype: Any = dtypes.string,
    hash_keys: Any = None,
) -> SparseColumnHashed:
    """Ids that are hashes of strings or integers.

    Args:
      column_name: the input's name.
      hash_bucket_size: how many ids there are.
      combiner: how a linear model puts several ids of an example together: "sum", "mean" or "sqrtn".
      dtype: of the input, string or an integer.
      hash_keys: lists of two integers: each is the key of a strong hash that gives an id of its own.

    Raises:
      ValueError: the number is less than 1, or the dtype is another one.
    """
    return SparseColumnHashed(column_name, hash_bucket_size, combiner, dtype, hash_keys)


@public(
    "contrib.layers.sparse_column_with_keys",
    "contrib.layers.feature_column.sparse_column_with_keys",
    "contrib.slim.sparse_column_with_keys",
)
def sparse_column_with_keys(
    column_name: str, keys: Any, default_value: int = -1, combiner: str = "sum", dtype: Any = dtypes.string
) -> SparseColumnKeys:
    """Ids that are places in a list.

    Args:
      column_name: the input's name.
      keys: the strings or integers that have ids.
      default_value: the id of all others; -1: they count for nothing.
      combiner: how a linear model puts several ids of an example together: "sum", "mean" or "sqrtn".
      dtype: of the input, string or an integer.

    Raises:
      ValueError: the dtype is another one.
    """
    return SparseColumnKeys(column_name, tuple(keys), default_value, combiner, dtype)


@public(
    "contrib.layers.sparse_column_with_vocabulary_file",
    "contrib.layers.feature_column.sparse_column_with_vocabulary_file",
    "contrib.slim.sparse_column_with_vocabulary_file",
)
def sparse_column_with_vocabulary_file(
    column_name: str,
    vocabulary_file: str,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    combiner: str = "sum",
    dtype: Any = dtypes.string,
) -> SparseColumnVocabulary:
    """Ids that are lines of a file.

    Args:
      column_name: the input's name.
      vocabulary_file: its path.
      num_oov_buckets: how many ids strings that are not in the file share, by hash.
      vocab_size: how many lines count.
      default_value: the id of strings that are not in the file, without such buckets.
      combiner: how a linear model puts several ids of an example together: "sum", "mean" or "sqrtn".
      dtype: of the input, string or an integer.

    Raises:
      ValueError: there is no file or no size, or the dtype is another one.
    """
    if not vocabulary_file:
        raise ValueError(f"vocabulary_file should be specified. column_name: {column_name}")
    if vocab_size is None:
        raise ValueError(f"vocab_size should be specified. column_name: {column_name}")
    return SparseColumnVocabulary(
        column_name, vocabulary_file, num_oov_buckets, vocab_size, default_value, combiner, dtype
    )


@public(
    "contrib.layers.weighted_sparse_column",
    "contrib.layers.feature_column.weighted_sparse_column",
    "contrib.slim.weighted_sparse_column",
)
def weighted_sparse_column(
    sparse_id_column: Any, weight_column_name: str, dtype: Any = dtypes.float32
) -> WeightedSparseColumn:
    """A sparse column whose ids have weights.

    Args:
      sparse_id_column: made by a `sparse_column_with_*`.
      weight_column_name: the name of the input with the weights, sparse like the ids.
      dtype: of the weights, numeric.

    Raises:
      ValueError: the dtype is not numeric.
    """
    kind = dtypes.as_dtype(dtype)
    if not (kind.is_integer or kind.is_floating):
        raise ValueError(f"dtype is not convertible to float. Given {dtype}")
    return WeightedSparseColumn(sparse_id_column, weight_column_name, dtype)


@public(
    "contrib.layers.crossed_column",
    "contrib.layers.feature_column.crossed_column",
    "contrib.slim.crossed_column",
)
def crossed_column(
    columns: Any,
    hash_bucket_size: int,
    combiner: str = "sum",
    ckpt_to_load_from: str | None = None,
    tensor_name_in_ckpt: str | None = None,
    hash_key: int | None = None,
) -> CrossedColumn:
    """Ids that are hashes of every combination of the features of several columns.

    Args:
      columns: at least two sparse, bucketized or crossed columns.
      hash_bucket_size: how many ids there are.
      combiner: how a linear model puts several ids of an example together: "sum", "mean" or "sqrtn".
      ckpt_to_load_from, tensor_name_in_ckpt: both or neither: where the weights of a linear model begin.
      hash_key: of the hash; None: an older one.

    Raises:
      TypeError: a column is of another kind.
      ValueError: there are fewer than two, the number is less than 2, or only one of the checkpoint's names.
    """
    for column in columns:
        if not isinstance(column, _SparseColumn | CrossedColumn) and not hasattr(column, "to_sparse_tensor"):
            raise TypeError(
                f"columns must be a set of _SparseColumn, _CrossedColumn, or _BucketizedColumn instances. "
                f"column: {column}"
            )
    chosen = list(dict.fromkeys(columns))
    if len(chosen) < 2:
        raise ValueError(f"columns must contain at least 2 elements. columns: {columns}")
    if hash_bucket_size < 2:
        raise ValueError(f"hash_bucket_size must be at least 2. hash_bucket_size: {hash_bucket_size}")
    if (ckpt_to_load_from is None) != (tensor_name_in_ckpt is None):
        raise ValueError("Must specify both `ckpt_to_load_from` and `tensor_name_in_ckpt` or none of them.")
    ordered = tuple(sorted(chosen, key=lambda c: c.name))
    return CrossedColumn(
        ordered, hash_bucket_size, hash_key, combiner, ckpt_to_load_from, tensor_name_in_ckpt
    )
