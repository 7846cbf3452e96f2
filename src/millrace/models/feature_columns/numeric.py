"""Columns of numbers, and of the ranges that numbers fall into."""

from __future__ import annotations

import itertools
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import DType, as_dtype, float32, int64
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.models.feature_columns.base import (
    CategoricalColumn,
    DenseColumn,
    FeatureCache,
    IdWeightPair,
    VariableMaker,
    check_key,
)
from millrace.opkit.records.features import FixedLenFeature
from millrace.ops.array.concat import stack
from millrace.ops.array.fill import range_
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast

_NumericBase = namedtuple("NumericColumn", ("key", "shape", "default_value", "dtype", "normalizer_fn"))


class NumericColumn(DenseColumn, _NumericBase):  # type: ignore[misc]
    """Numbers as they are, or normalized. See `numeric_column`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """A feature of fixed length."""
        return {self.key: FixedLenFeature(self.shape, self.dtype, self.default_value)}

    def transform_feature(self, features: FeatureCache) -> Any:
        """float32 numbers, normalized."""
        tensor = features.get(self.key)
        if isinstance(tensor, SparseTensor):
            raise ValueError(
                f"The corresponding Tensor of numerical column must be a Tensor. "
                f"SparseTensor is not supported. Received: key {self.key}"
            )
        if self.normalizer_fn is not None:
            tensor = self.normalizer_fn(tensor)
        return cast(tensor, float32)

    @property
    def variable_shape(self) -> TensorShape:
        """The shape that was given."""
        return TensorShape(self.shape)

    def dense(self, features: FeatureCache, maker: VariableMaker) -> Any:
        """`[batch, *shape]`."""
        del maker
        return features.get(self)


def checked_shape(shape: Any, key: str) -> tuple[int, ...]:
    """A shape as a tuple of positive integers.

    Raises:
      TypeError: a dimension is not an integer.
      ValueError: it is not positive.
    """
    dims = tuple(shape) if isinstance(shape, list | tuple | TensorShape | np.ndarray) else (shape,)
    for dim in dims:
        if isinstance(dim, bool) or not isinstance(getattr(dim, "value", dim), int | np.integer):
            raise TypeError(f"shape dimensions must be integer. shape: {dims}, key: {key}")
        if getattr(dim, "value", dim) < 1:
            raise ValueError(f"shape dimensions must be greater than 0. shape: {dims}, key: {key}")
    return tuple(int(getattr(dim, "value", dim)) for dim in dims)


def checked_default(shape: tuple[int, ...], default: Any, dtype: DType, key: str) -> Any:
    """A default value as nested tuples of the shape, or None.

    Raises:
      ValueError: its shape is another.
      TypeError: it cannot be of the dtype.
    """
    if default is None:
        return None
    if isinstance(default, int | float) and (isinstance(default, int) or dtype.is_floating):
        value = float(default) if dtype.is_floating else default
        found = np.full(shape, value).tolist()
        return _tuples(found)
    if isinstance(default, np.ndarray):
        default = default.tolist()
    if isinstance(default, list | tuple):
        given = np.array(default)
        if given.shape != tuple(shape):
            raise ValueError(
                "The shape of default_value must be equal to given shape. "
                f"default_value: {default}, shape: {shape}, key: {key}"
            )
        if given.dtype.kind == "i" or (given.dtype.kind == "f" and dtype.is_floating):
            return _tuples(given.astype(dtype.as_numpy_dtype).tolist())
    raise TypeError(
        f"default_value must be compatible with dtype. default_value: {default}, dtype: {dtype}, key: {key}"
    )


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


@public("feature_column.numeric_column")
def numeric_column(
    key: str,
    shape: Any = (1,),
    default_value: Any = None,
    dtype: Any = float32,
    normalizer_fn: Callable[[Any], Any] | None = None,
) -> NumericColumn:
    """A column of numbers.

    Args:
      key: the feature.
      shape: of one example's numbers.
      default_value: what an example without the feature has: a number, or one for each element.
      dtype: of the feature, numeric.
      normalizer_fn: what is done to the tensor first.

    Raises:
      TypeError: a dimension is not an integer, the normalizer not callable, or the default not a number.
      ValueError: the key, a dimension or the dtype is not allowed, or the default has another shape.
    """
    check_key(key)
    dims = checked_shape(shape, key)
    dtype = as_dtype(dtype)
    if not (dtype.is_integer or dtype.is_floating):
        raise ValueError(f"dtype must be convertible to float. dtype: {dtype!r}, key: {key}")
    default_value = checked_default(dims, default_value, dtype, key)
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise TypeError(f"normalizer_fn must be a callable. Given: {normalizer_fn}")
    return NumericColumn(key, dims, default_value, dtype, normalizer_fn)


_BucketizedBase = namedtuple("BucketizedColumn", ("source_column", "boundaries"))


class BucketizedColumn(DenseColumn, CategoricalColumn, _BucketizedBase):  # type: ignore[misc]
    """Which range each number falls into. See `bucketized_column`."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The source's name and `_bucketized`."""
        return f"{self.source_column.name}_bucketized"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """That of the source."""
        return self.source_column.parse_example_spec

    def transform_feature(self, features: FeatureCache) -> Any:
        """The numbers of the ranges."""
        source = features.get(self.source_column)
        return raw.Bucketize(source, boundaries=list(self.boundaries))

    @property
    def variable_shape(self) -> TensorShape:
        """The source's shape, and one element for each range."""
        return TensorShape(tuple(self.source_column.shape) + (len(self.boundaries) + 1,))

    @property
    def num_buckets(self) -> int:
        """Ranges of all elements."""
        return (len(self.boundaries) + 1) * self.source_column.shape[0]

    def dense(self, features: FeatureCache, maker: VariableMaker) -> Any:
        """`[batch, *shape, ranges]` with a one in the range of each number."""
        del maker
        places = cast(features.get(self), int64)
        return one_hot(places, depth=len(self.boundaries) + 1, on_value=1.0, off_value=0.0)

    def sparse_pair(self, features: FeatureCache) -> IdWeightPair:
        """Each element of an example has ids of its own."""
        tensor = features.get(self)
        batch = shape_of(tensor)[0]
        width = self.source_column.shape[0]
        rows = reshape(tile(expand_dims(range_(0, batch), 1), [1, width]), (-1,))
        columns = tile(range_(0, width), [batch])
        ids = reshape(tensor, (-1,)) + (len(self.boundaries) + 1) * columns
        indices = cast(transpose(stack((rows, columns))), int64)
        whole = cast(stack([batch, width]), int64)
        return IdWeightPair(SparseTensor(indices, ids, whole), None)


@public("feature_column.bucketized_column")
def bucketized_column(source_column: Any, boundaries: Any) -> BucketizedColumn:
    """A column of the ranges that numbers fall into.

    Args:
      source_column: a `numeric_column` of rank 1.
      boundaries: where one range ends and the next begins, ascending.

    Raises:
      ValueError: the source is not a numeric column of rank 1, or the boundaries do not ascend.
    """
    if not isinstance(source_column, NumericColumn):
        raise ValueError(
            f"source_column must be a column generated with numeric_column(). Given: {source_column}"
        )
    if len(source_column.shape) > 1:
        raise ValueError(f"source_column must be one-dimensional column. Given: {source_column}")
    if not boundaries or not isinstance(boundaries, list | tuple):
        raise ValueError(f"boundaries must be a non-empty list. Received: {boundaries!r}")
    if any(low >= high for low, high in itertools.pairwise(boundaries)):
        raise ValueError(f"boundaries must be a sorted list. Received: {boundaries!r}")
    return BucketizedColumn(source_column, tuple(boundaries))
