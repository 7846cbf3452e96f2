"""How examples with features and a label are parsed."""

from __future__ import annotations

from typing import Any

from millrace.core.dtypes import as_dtype, float32, int64
from millrace.core.public import public
from millrace.models.feature_columns.input_layer import make_parse_example_spec
from millrace.models.feature_columns.numeric import NumericColumn, numeric_column
from millrace.opkit.records.features import FixedLenFeature


def _spec(feature_columns: Any, label_key: Any, label: Any, weight_column: Any) -> dict[str, Any]:
    found = make_parse_example_spec(feature_columns)
    if label_key in found:
        raise ValueError(
            f"label should not be used as feature. label_key: {label_key}, features: {sorted(found)}"
        )
    found[label_key] = label
    if weight_column is None:
        return found
    column = numeric_column(weight_column) if isinstance(weight_column, str) else weight_column
    if not isinstance(column, NumericColumn):
        raise ValueError(f"weight_column should be a string or numeric_column. Received: {column}")
    if column.key in found:
        raise ValueError(
            f"weight_column should not be used as feature or label. weight_column: {column.key}, "
            f"features: {sorted(found)}"
        )
    found.update(column.parse_example_spec)
    return found


@public("estimator.classifier_parse_example_spec")
def classifier_parse_example_spec(
    feature_columns: Any,
    label_key: str,
    label_dtype: Any = int64,
    label_default: Any = None,
    weight_column: Any = None,
) -> dict[str, Any]:
    """How examples for a classifier are parsed.

    Args:
      feature_columns: columns.
      label_key: the feature with the label.
      label_dtype: of the label.
      label_default: what an example without it has.
      weight_column: the feature with weights, or None.

    Raises:
      ValueError: label or weights are among the features.
    """
    label = FixedLenFeature((1,), as_dtype(label_dtype), label_default)
    return _spec(feature_columns, label_key, label, weight_column)


@public("estimator.regressor_parse_example_spec")
def regressor_parse_example_spec(
    feature_columns: Any,
    label_key: str,
    label_dtype: Any = float32,
    label_default: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
) -> dict[str, Any]:
    """How examples for a regressor are parsed; arguments as for `classifier_parse_example_spec`.

    Args:
      label_dimension: how many numbers the label has.
      feature_columns, label_key, label_dtype, label_default, weight_column: as there.
    """
    label = FixedLenFeature((label_dimension,), as_dtype(label_dtype), label_default)
    return _spec(feature_columns, label_key, label, weight_column)
