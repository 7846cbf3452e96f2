"""What trees may ask of examples: numbers, and identifiers of categories."""

from __future__ import annotations

from typing import Any, NamedTuple

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.layers.columns.models import transform_features
from millrace.contributed.learn.models import named_features
from millrace.core.dtypes import float32, int32, int64
from millrace.graph.tensor import Tensor
from millrace.models.estimator.trees import columns as column_kinds
from millrace.models.estimator.trees.resources import QuantileAccumulator
from millrace.models.feature_columns.base import FeatureColumn
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import is_nan
from millrace.ops.math.select import where
from millrace.ops.sparse.dense import sparse_to_dense

_MISSING = -1


class Features(NamedTuple):
    """The features of a batch.

    Attributes:
      numbers: `[batch, d]` float32, NaN where one is missing; None where there are none.
      categories: `[batch, c]` int32, -1 where one is missing; None where there are none.
    """

    numbers: Tensor | None
    categories: Tensor | None

    @property
    def num_numbers(self) -> int:
        """How many numbers an example has."""
        return 0 if self.numbers is None else int(self.numbers.shape[1])

    @property
    def num_categories(self) -> int:
        """How many categories an example has."""
        return 0 if self.categories is None else int(self.categories.shape[1])

    @property
    def any(self) -> Tensor:
        """One of both, whose first dimension is the batch."""
        found = self.numbers if self.numbers is not None else self.categories
        assert found is not None
        return found

    def followed_by(self, other: Features) -> Features:
        """The examples of both, one after the other."""
        pairs = zip(self, other, strict=True)
        return Features(*(None if a is None or b is None else concat([a, b], 0) for a, b in pairs))

    def buckets(self, quantiles: QuantileAccumulator | None) -> tuple[Tensor, Tensor]:
        """The buckets of the numbers, and the categories, both `[batch, some]` int32."""
        empty = raw.Fill(stack([shape_of(self.any)[0], 0]), constant(0, int32))
        if self.numbers is None or quantiles is None:
            numbers = empty
        else:
            values = unstack(self.numbers, axis=1)
            found = stack(raw.BoostedTreesBucketize(values, quantiles.boundaries()), axis=1)
            numbers = where(is_nan(self.numbers), zeros_like(found) + _MISSING, found)
        return numbers, empty if self.categories is None else self.categories


def features_of(features: Any, columns: Any, weight_column: str | None) -> Features:
    """The features that a program's give.

    Args:
      features: a tensor, or tensors by name: dense numbers `[batch]` or `[batch, d]`, sparse numbers, sparse
        int64 of one category an example.
      columns: feature columns that make them first; None takes the features as they are, in the order of
        their names.
      weight_column: the feature that is not one.

    Raises:
      ValueError: there is none, or one is of another kind.
    """
    named = {name: value for name, value in named_features(features).items() if name != weight_column}
    numbers: list[Any] = []
    categories: list[Any] = []
    for name, value in _made(named, columns):
        if isinstance(value, SparseTensor):
            width = value.shape[1].value if value.shape.ndims == 2 else None
            if value.dtype.is_integer:
                categories.append(_dense(value, 1, constant(_MISSING, value.dtype), int32))
            elif value.dtype.is_floating:
                numbers.append(_dense(value, width or 1, constant(float("nan"), value.dtype), float32))
            else:
                raise ValueError(f"Unsupported sparse feature {name} with dtype {value.dtype}.")
        else:
            numbers.append(_matrix(name, to_tensor(value)))
    if not numbers and not categories:
        raise ValueError(f"No features provided. Received: {features!r}")
    return Features(*(concat(parts, 1) if parts else None for parts in (numbers, categories)))


def _made(named: dict[Any, Any], columns: Any) -> list[tuple[Any, Any]]:
    if not columns:
        return sorted(named.items(), key=lambda pair: str(pair[0]))
    if all(isinstance(column, FeatureColumn) for column in columns):
        made = column_kinds.transformed(named, columns)
    else:
        made = transform_features(named, columns)
    return sorted(((column.name, value) for column, value in made.items()), key=lambda pair: pair[0])


def _dense(sparse: SparseTensor, width: int, missing: Any, dtype: Any) -> Tensor:
    """`[batch, width]`; a value beyond that is refused when it comes."""
    batch = sparse.dense_shape[0]
    filled = sparse_to_dense(
        sparse.indices, stack([batch, constant(width, int64)]), sparse.values, missing, validate_indices=False
    )
    return cast(reshape(filled, [-1, width]), dtype)


def _matrix(name: Any, value: Tensor) -> Tensor:
    if not (value.dtype.is_floating or value.dtype.is_integer):
        raise ValueError(f"Unsupported dense feature {name} with dtype {value.dtype}.")
    if value.shape.ndims == 1:
        value = reshape(value, [-1, 1])
    if value.shape.ndims != 2 or value.shape[1].value is None:
        raise ValueError(f"Feature {name} must be [batch] or [batch, d]. Received: shape {value.shape}")
    return cast(value, float32)
