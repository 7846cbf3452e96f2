"""Categories with weights, and crosses of categories."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.core.dtypes import as_dtype, float32, string
from millrace.core.public import public
from millrace.models.feature_columns.base import CategoricalColumn, FeatureCache, FeatureColumn, IdWeightPair
from millrace.models.feature_columns.categorical import HashedCategoricalColumn
from millrace.models.feature_columns.sparse_inputs import sparse_input
from millrace.opkit.records.features import VarLenFeature
from millrace.ops.math.cast import cast
from millrace.ops.sparse.cross import sparse_cross_hashed

_WeightedBase = namedtuple("WeightedCategoricalColumn", ("categorical_column", "weight_feature_key", "dtype"))


class WeightedCategoricalColumn(CategoricalColumn, _WeightedBase):  # type: ignore[misc]
    """Categories with weights. See `weighted_categorical_column`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """That of the categories, and weights of variable length."""
        spec = dict(self.categorical_column.parse_example_spec)
        if self.weight_feature_key in spec:
            raise ValueError(
                f"Parse config {spec[self.weight_feature_key]} already exists for {self.weight_feature_key}."
            )
        spec[self.weight_feature_key] = VarLenFeature(self.dtype)
        return spec

    @property
    def num_buckets(self) -> int:
        """That of the categories."""
        return self.categorical_column.num_buckets

    def transform_feature(self, features: FeatureCache) -> Any:
        """Sparse ids and sparse weights."""
        weights = features.get(self.weight_feature_key)
        if weights is None:
            raise ValueError(f"Missing weights {self.weight_feature_key}.")
        if isinstance(weights, SparseTensor | SparseTensorValue):
            weights = SparseTensor.from_value(weights)
        else:
            weights = convert_to_tensor(weights)
        if self.dtype is not weights.dtype.base_dtype:
            raise ValueError(f"Bad dtype, expected {self.dtype}, but got {weights.dtype}.")
        if not isinstance(weights, SparseTensor):
            weights = sparse_input(weights, 0.0)
        if not weights.dtype.is_floating:
            weights = cast(weights, float32)
        return features.get(self.categorical_column), weights

    def sparse_pair(self, features: FeatureCache) -> IdWeightPair:
        """Ids and weights."""
        return IdWeightPair(*features.get(self))


@public("feature_column.weighted_categorical_column")
def weighted_categorical_column(
    categorical_column: Any, weight_feature_key: str, dtype: Any = float32
) -> WeightedCategoricalColumn:
    """Categories with a weight for each value.

    Args:
      categorical_column: the categories.
      weight_feature_key: the feature with the weights, sparse like the categories.
      dtype: of the weights.

    Raises:
      ValueError: the dtype is not numeric.
    """
    dtype = as_dtype(dtype) if dtype is not None else None
    if dtype is None or not (dtype.is_integer or dtype.is_floating):
        raise ValueError(f"dtype {dtype} is not convertible to float.")
    return WeightedCategoricalColumn(categorical_column, weight_feature_key, dtype)


_CrossedBase = namedtuple("CrossedColumn", ("keys", "hash_bucket_size", "hash_key"))


class CrossedColumn(CategoricalColumn, _CrossedBase):  # type: ignore[misc]
    """Combinations of categories by their hashes. See `crossed_column`."""

    __slots__ = ()

    def _leaves(self) -> list[Any]:
        found: list[Any] = []
        for key in self.keys:
            found.extend(key._leaves() if isinstance(key, CrossedColumn) else [key])
        return found

    @property
    def name(self) -> str:
        """The names of all parts, sorted."""
        names = [k.name if isinstance(k, FeatureColumn) else k for k in self._leaves()]
        return "_X_".join(sorted(names))

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """Those of all parts; plain keys are strings of variable length."""
        spec: dict[str, Any] = {}
        for key in self.keys:
            spec.update(
                key.parse_example_spec if isinstance(key, FeatureColumn) else {key: VarLenFeature(string)}
            )
        return spec

    @property
    def num_buckets(self) -> int:
        """The hashes are below this."""
        return self.hash_bucket_size

    def transform_feature(self, features: FeatureCache) -> Any:
        """Sparse hashes of all combinations."""
        parts = []
        for key in self._leaves():
            if isinstance(key, str):
                parts.append(features.get(key))
                continue
            pair = key.sparse_pair(features)
            if pair.weight_tensor is not None:
                raise ValueError(
                    "crossed_column does not support weight_tensor, but the given column populates "
                    f"weight_tensor. Given column: {key.name}"
                )
            parts.append(pair.id_tensor)
        return sparse_cross_hashed(parts, num_buckets=self.hash_bucket_size, hash_key=self.hash_key)


@public("feature_column.crossed_column")
def crossed_column(keys: Any, hash_bucket_size: int, hash_key: int | None = None) -> CrossedColumn:
    """Categories that are combinations of others, by their hashes.

    Args:
      keys: two or more features or categorical columns, none of them hashed.
      hash_bucket_size: how many hashes there are, more than 1.
      hash_key: what the hashing starts with.

    Raises:
      ValueError: an argument is not allowed.
    """
    if not hash_bucket_size or hash_bucket_size < 1:
        raise ValueError(f"hash_bucket_size must be > 1. hash_bucket_size: {hash_bucket_size}")
    if not keys or len(keys) < 2:
        raise ValueError(f"keys must be a list with length > 1. Given: {keys}")
    for key in keys:
        if not isinstance(key, str | CategoricalColumn):
            raise ValueError(
                f"Unsupported key type. All keys must be either string, or categorical column except "
                f"HashedCategoricalColumn. Given: {key}"
            )
        if isinstance(key, HashedCategoricalColumn):
            raise ValueError(
                "categorical_column_with_hash_bucket is not supported for crossing. Hashing before "
                "crossing will increase probability of collision. Instead, use the feature name as a "
                f"string. Given: {key}"
            )
    return CrossedColumn(tuple(keys), hash_bucket_size, hash_key)
