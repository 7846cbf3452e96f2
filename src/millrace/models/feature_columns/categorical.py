"""Columns of categories: each value of a feature becomes a number below `num_buckets`."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.scopes import control_dependencies
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import DType, as_dtype, int64, string
from millrace.core.public import public
from millrace.lib.lookup.vocabulary import index_table_from_file, index_table_from_tensor
from millrace.lib.math.checks import assert_greater_equal, assert_less
from millrace.lib.platform import gfile, log
from millrace.models.feature_columns.base import CategoricalColumn, FeatureCache, check_key
from millrace.models.feature_columns.sparse_inputs import sparse_input
from millrace.opkit.records.features import VarLenFeature
from millrace.ops.array.constant import identity
from millrace.ops.math.cast import cast
from millrace.ops.text.hashes import string_to_hash_bucket_fast
from millrace.ops.text.numbers import as_string


class KeyedColumn(CategoricalColumn):
    """A categorical column with one feature, `key`."""

    key: str

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def _feature_dtype(self) -> DType:
        raise TypeError(f"{type(self).__name__} must say its feature's dtype")

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """A feature of variable length."""
        return {self.key: VarLenFeature(self._feature_dtype)}

    def transform_feature(self, features: FeatureCache) -> Any:
        """Sparse ids."""
        return self.ids_of(sparse_input(features.get(self.key)))

    def ids_of(self, given: SparseTensor) -> SparseTensor:
        """The ids of sparse values."""
        raise TypeError(f"{type(self).__name__} must define ids_of")

    def _check_kind(self, given: SparseTensor, expected: DType, where_: str) -> None:
        dtype = given.dtype
        if expected.is_integer != dtype.is_integer:
            raise ValueError(
                f"Column dtype and SparseTensors dtype must be compatible. {where_}: {self.key}, "
                f"column dtype: {expected}, tensor dtype: {dtype}"
            )
        if dtype.base_dtype is not string and not dtype.is_integer:
            raise ValueError(f"{where_}: {self.key} dtype must be string or integer. Received: {dtype}.")


_HashedBase = namedtuple("HashedCategoricalColumn", ("key", "hash_bucket_size", "dtype"))


class HashedCategoricalColumn(KeyedColumn, _HashedBase):  # type: ignore[misc]
    """Values by their hashes. See `categorical_column_with_hash_bucket`."""

    __slots__ = ()

    @property
    def _feature_dtype(self) -> DType:
        return self.dtype

    @property
    def num_buckets(self) -> int:
        """The hashes are below this."""
        return self.hash_bucket_size

    def ids_of(self, given: SparseTensor) -> SparseTensor:
        """Hashes."""
        self._check_kind(given, self.dtype, "column_name")
        words = given.values if self.dtype is string else as_string(given.values)
        ids = string_to_hash_bucket_fast(words, self.hash_bucket_size, name="lookup")
        return SparseTensor(given.indices, ids, given.dense_shape)


def check_string_or_integer(dtype: DType, what: str) -> None:
    """A dtype that values of categories may have.

    Raises:
      ValueError: another.
    """
    if dtype is not string and not dtype.is_integer:
        raise ValueError(f"{what} dtype must be string or integer. dtype: {dtype}.")


@public("feature_column.categorical_column_with_hash_bucket")
def categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = string
) -> HashedCategoricalColumn:
    """Categories by the hash of the value.

    Args:
      key: the feature.
      hash_bucket_size: how many hashes there are, more than 1.
      dtype: string, or an integer.

    Raises:
      ValueError: the key, the size or the dtype is not allowed.
    """
    if hash_bucket_size is None:
        raise ValueError(f"hash_bucket_size must be set. key: {key}")
    if hash_bucket_size < 1:
        raise ValueError(
            f"hash_bucket_size must be at least 1. hash_bucket_size: {hash_bucket_size}, key: {key}"
        )
    check_key(key)
    dtype = as_dtype(dtype)
    check_string_or_integer(dtype, f"column_name: {key}")
    return HashedCategoricalColumn(key, hash_bucket_size, dtype)


_FileBase = namedtuple(
    "VocabularyFileCategoricalColumn",
    ("key", "vocabulary_file", "vocabulary_size", "num_oov_buckets", "dtype", "default_value"),
)


class VocabularyFileCategoricalColumn(KeyedColumn, _FileBase):  # type: ignore[misc]
    """Values by their lines in a file. See `categorical_column_with_vocabulary_file`."""

    __slots__ = ()

    @property
    def _feature_dtype(self) -> DType:
        return self.dtype

    @property
    def num_buckets(self) -> int:
        """Words and buckets for others."""
        return self.vocabulary_size + self.num_oov_buckets

    def ids_of(self, given: SparseTensor) -> SparseTensor:
        """Numbers of lines."""
        self._check_kind(given, self.dtype, "key")
        integers = given.dtype.is_integer
        if integers and given.dtype.base_dtype is not int64:
            given = SparseTensor(given.indices, cast(given.values, int64), given.dense_shape)
        return index_table_from_file(
            vocabulary_file=self.vocabulary_file,
            num_oov_buckets=self.num_oov_buckets,
            vocab_size=self.vocabulary_size,
            default_value=self.default_value,
            key_dtype=int64 if integers else self.dtype,
            name=f"{self.key}_lookup",
        ).lookup(given)


@public("feature_column.categorical_column_with_vocabulary_file")
def categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: Any,
    vocabulary_size: int | None = None,
    num_oov_buckets: int = 0,
    default_value: int | None = None,
    dtype: Any = string,
) -> VocabularyFileCategoricalColumn:
    """Categories by a file with one value on each line.

    Args:
      key: the feature.
      vocabulary_file: its path.
      vocabulary_size: how many lines count; default all, counted now.
      num_oov_buckets: how many numbers behind those for values that are not in the file.
      default_value: the number of such values, where there are no buckets; default -1.
      dtype: string, or an integer.

    Raises:
      ValueError: an argument is not allowed, or the file is missing or shorter than `vocabulary_size`.
    """
    if not vocabulary_file:
        raise ValueError(f"Missing vocabulary_file in {key}.")
    if vocabulary_size is None:
        if not gfile.exists(vocabulary_file):
            raise ValueError(f"vocabulary_file in {key} does not exist. Received: {vocabulary_file!r}")
        with gfile.GFile(vocabulary_file, mode="rb") as lines:
            vocabulary_size = sum(1 for _ in lines)
        log.info(
            "vocabulary_size = %d in %s is inferred from the number of elements in the vocabulary_file %s.",
            vocabulary_size,
            key,
            vocabulary_file,
        )
    if vocabulary_size < 1:
        raise ValueError(f"Invalid vocabulary_size in {key}. Received: {vocabulary_size}")
    _check_unknown(num_oov_buckets, default_value, key)
    check_key(key)
    dtype = as_dtype(dtype)
    check_string_or_integer(dtype, f"column_name: {key}")
    return VocabularyFileCategoricalColumn(
        key,
        vocabulary_file,
        vocabulary_size,
        num_oov_buckets or 0,
        dtype,
        -1 if default_value is None else default_value,
    )


def _check_unknown(num_oov_buckets: int | None, default_value: int | None, key: str) -> None:
    if num_oov_buckets:
        if default_value is not None:
            raise ValueError(
                f"Can't specify both num_oov_buckets and default_value in {key}. "
                f"Received: {num_oov_buckets} and {default_value}"
            )
        if num_oov_buckets < 0:
            raise ValueError(f"Invalid num_oov_buckets {num_oov_buckets} in {key}.")


_ListBase = namedtuple(
    "VocabularyListCategoricalColumn",
    ("key", "vocabulary_list", "dtype", "default_value", "num_oov_buckets"),
)


class VocabularyListCategoricalColumn(KeyedColumn, _ListBase):  # type: ignore[misc]
    """Values by their places in a list. See `categorical_column_with_vocabulary_list`."""

    __slots__ = ()

    @property
    def _feature_dtype(self) -> DType:
        return self.dtype

    @property
    def num_buckets(self) -> int:
        """Words and buckets for others."""
        return len(self.vocabulary_list) + self.num_oov_buckets

    def ids_of(self, given: SparseTensor) -> SparseTensor:
        """Places in the list."""
        self._check_kind(given, self.dtype, "key")
        integers = given.dtype.is_integer
        if integers and given.dtype.base_dtype is not int64:
            given = SparseTensor(given.indices, cast(given.values, int64), given.dense_shape)
        return index_table_from_tensor(
            mapping=tuple(self.vocabulary_list),
            default_value=self.default_value,
            num_oov_buckets=self.num_oov_buckets,
            dtype=int64 if integers else self.dtype,
            name=f"{self.key}_lookup",
        ).lookup(given)


@public("feature_column.categorical_column_with_vocabulary_list")
def categorical_column_with_vocabulary_list(
    key: str,
    vocabulary_list: Any,
    dtype: Any = None,
    default_value: int = -1,
    num_oov_buckets: int = 0,
) -> VocabularyListCategoricalColumn:
    """Categories by a list of the values.

    Args:
      key: the feature.
      vocabulary_list: the values, all different.
      dtype: string, or an integer; default, from the list.
      default_value: the number of values that are not in the list, where there are no buckets.
      num_oov_buckets: how many numbers behind those of the list for such values.

    Raises:
      ValueError: the list is empty or has a value twice, or an argument is not allowed.
    """
    if vocabulary_list is None or len(vocabulary_list) < 1:
        raise ValueError(f"vocabulary_list {vocabulary_list} must be non-empty, column_name: {key}")
    if len(set(vocabulary_list)) != len(vocabulary_list):
        raise ValueError(f"Duplicate keys in vocabulary_list {vocabulary_list}, column_name: {key}")
    found = as_dtype(np.array(vocabulary_list).dtype)
    if num_oov_buckets:
        _check_unknown(num_oov_buckets, None if default_value == -1 else default_value, key)
    check_string_or_integer(found, f"column_name: {key} vocabulary")
    dtype = found if dtype is None else as_dtype(dtype)
    if dtype.is_integer != found.is_integer:
        raise ValueError(f"dtype {dtype} and vocabulary dtype {found} do not match, column_name: {key}")
    check_string_or_integer(dtype, f"column_name: {key}")
    check_key(key)
    return VocabularyListCategoricalColumn(key, tuple(vocabulary_list), dtype, default_value, num_oov_buckets)


_IdentityBase = namedtuple("IdentityCategoricalColumn", ("key", "number_buckets", "default_value"))


class IdentityCategoricalColumn(KeyedColumn, _IdentityBase):  # type: ignore[misc]
    """Values that are the numbers. See `categorical_column_with_identity`."""

    __slots__ = ()

    @property
    def _feature_dtype(self) -> DType:
        return int64

    @property
    def num_buckets(self) -> int:
        """Values are below this."""
        return self.number_buckets

    def ids_of(self, given: SparseTensor) -> SparseTensor:
        """The values, checked or replaced."""
        if not given.dtype.is_integer:
            raise ValueError(f"Invalid input, not integer. key: {self.key} dtype: {given.dtype}")
        values = given.values
        if values.dtype.base_dtype is not int64:
            values = cast(values, int64, name="values")
        buckets = cast(self.num_buckets, int64, name="num_buckets")
        zero = cast(0, int64, name="zero")
        if self.default_value is None:
            checks = [
                assert_less(
                    values, buckets, data=(values, buckets), message="", name="assert_less_than_num_buckets"
                ),
                assert_greater_equal(
                    values, zero, data=(values,), message="", name="assert_greater_or_equal_0"
                ),
            ]
            with control_dependencies(checks):
                values = identity(values)
        else:
            outside = raw.LogicalOr(
                raw.Less(values, zero), raw.GreaterEqual(values, buckets), name="out_of_range"
            )
            default = raw.Fill(raw.Shape(values), cast(self.default_value, int64), name="default_values")
            values = raw.SelectV2(outside, default, values)
        return SparseTensor(given.indices, values, given.dense_shape)


@public("feature_column.categorical_column_with_identity")
def categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> IdentityCategoricalColumn:
    """Categories that are their own numbers.

    Args:
      key: the feature, integers.
      num_buckets: values are below this.
      default_value: what stands for values outside; None refuses them when run.

    Raises:
      ValueError: `num_buckets` is below 1, or the default is outside.
    """
    if num_buckets < 1:
        raise ValueError(f"num_buckets {num_buckets} < 1, column_name {key}")
    if default_value is not None and not 0 <= default_value < num_buckets:
        raise ValueError(f"default_value {default_value} not in range [0, {num_buckets}), column_name {key}")
    check_key(key)
    return IdentityCategoricalColumn(key, num_buckets, default_value)
