"""How feature columns become buckets."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core.dtypes import int32
from millrace.graph.tensor import Tensor
from millrace.models.feature_columns.base import CategoricalColumn, FeatureCache, sorted_columns
from millrace.models.feature_columns.dense import IndicatorColumn
from millrace.models.feature_columns.numeric import BucketizedColumn, NumericColumn
from millrace.ops.array.concat import unstack
from millrace.ops.array.reshape import squeeze
from millrace.ops.math.cast import cast

Groups = list[tuple[list[int], int]]  # features that share a number of buckets, and that number


def transformed(features: Any, columns: Any) -> dict[Any, Tensor]:
    """What each column makes of the features, by column."""
    with name_scope(None, "transform_features"):
        cache, found = FeatureCache(features), {}
        for column in sorted_columns(columns):
            with name_scope(None, column.name):
                found[column] = cache.get(column)
        return found


def float_columns(columns: Any) -> list[NumericColumn]:
    """Those whose buckets are quantiles."""
    return [column for column in columns if isinstance(column, NumericColumn)]


def width_of(column: Any) -> int:
    """How many features a column stands for."""
    if isinstance(column, IndicatorColumn):
        return int(column.variable_shape[-1].value)
    if isinstance(column, NumericColumn):
        return int(column.shape[0]) if column.shape else 1
    return 1


def float_features(found: dict[Any, Tensor], columns: Any) -> list[Tensor]:
    """The numbers of all float columns, `[batch]` each."""
    values: list[Tensor] = []
    for column in float_columns(sorted_columns(columns)):
        values += unstack(found[column], axis=1)
    return values


def bucketized(found: dict[Any, Tensor], columns: Any, boundaries: list[Tensor]) -> list[Tensor]:
    """The buckets of all columns, `[batch]` int32 for each feature.

    Args:
      found: what the columns made of the features.
      columns: bucketized, indicator and numeric ones.
      boundaries: of the features of numeric columns.

    Raises:
      ValueError: a column is of another kind.
    """
    buckets: list[Tensor] = []
    at = 0
    for column in sorted_columns(columns):
        source = found[column]
        if isinstance(column, BucketizedColumn):
            buckets.append(squeeze(source, axis=1))
        elif isinstance(column, IndicatorColumn):
            buckets += unstack(cast(source, int32, name="ToInt32"), axis=1)
        elif isinstance(column, NumericColumn):
            values = unstack(source, axis=1)
            buckets += raw.BoostedTreesBucketize(values, boundaries[at : at + len(values)])
            at += len(values)
        else:
            raise ValueError(_refusal(column))
    return buckets


def _refusal(column: Any) -> str:
    if isinstance(column, CategoricalColumn):
        return f"CategoricalColumn must be wrapped by IndicatorColumn, got: {column}"
    return (
        "Columns of boosted trees must be bucketized_column, indicator_column or numeric_column. "
        f"Received: {column}"
    )


def check_columns(columns: Any) -> list[Any]:
    """Columns that trees can ask.

    Raises:
      ValueError: one is of another kind.
    """
    checked = list(columns)
    for column in checked:
        if not isinstance(column, BucketizedColumn | IndicatorColumn | NumericColumn):
            raise ValueError(_refusal(column))
    return checked


def groups_of(columns: Any, quantiles: int) -> Groups:
    """The numbers of the features in three groups: float, indicator and bucketized ones.

    Args:
      columns: the columns.
      quantiles: how many buckets the features of numeric columns have.
    """
    found: dict[type, list[int]] = {NumericColumn: [], IndicatorColumn: [], BucketizedColumn: []}
    most = {NumericColumn: quantiles, IndicatorColumn: 2, BucketizedColumn: 0}
    at = 0
    for column in sorted_columns(columns):
        kind = type(column)
        found[kind] += range(at, at + width_of(column))
        at += width_of(column)
        if kind is BucketizedColumn:
            most[kind] = max(most[kind], len(column.boundaries) + 1)
    return [(numbers, most[kind]) for kind, numbers in found.items() if numbers]


def feature_names(columns: Any) -> list[str]:
    """The name of each feature: that of its column, of a categorical one that of its categories."""
    names: list[str] = []
    for column in sorted_columns(columns):
        name = column.categorical_column.name if isinstance(column, IndicatorColumn) else column.name
        names += [name] * width_of(column)
    return names
