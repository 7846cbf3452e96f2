"""`tf.contrib.kernel_methods.KernelLinearClassifier`: a linear model over mapped features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from millrace.contributed.layers.columns.dense import real_valued_column
from millrace.contributed.layers.columns.models import input_from_feature_columns
from millrace.contributed.learn.canned import Classifier
from millrace.contributed.learn.configuration import RunConfig
from millrace.contributed.learn.heads.classes import multi_class_head
from millrace.contributed.learn.models import linear_model, named_features
from millrace.core.public import public
from millrace.ops.array.concat import concat


@public("contrib.kernel_methods.KernelLinearClassifier")
class KernelLinearClassifier(Classifier):
    """A linear model of features and of what kernel mappers make of them.

    Args:
      feature_columns: columns of features as they are.
      model_dir, config: as for every estimator.
      n_classes: how many classes.
      weight_column_name: the feature that holds the examples' weights.
      optimizer: an optimizer, or a function that makes one; default Ftrl.
      kernel_mappers: for a column, a list of mappers, whose results stand side by side.

    Raises:
      ValueError: there are neither columns nor mappers, a mapper's dimension is another than its column's, or
        there are fewer than two classes.
    """

    def __init__(
        self,
        feature_columns: Any = None,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        kernel_mappers: Mapping[Any, list[Any]] | None = None,
        config: Any = None,
    ) -> None:
        if not feature_columns and not kernel_mappers:
            raise ValueError(
                "You should set at least one of feature_columns, kernel_mappers. "
                f"Received: {feature_columns}, {kernel_mappers}"
            )
        mappers = dict(kernel_mappers or {})
        mapped = [
            real_valued_column(_mapped(column), sum(m.output_dim for m in found))
            for column, found in mappers.items()
        ]
        head = multi_class_head(n_classes, weight_column_name=weight_column_name)
        config = config or RunConfig()
        given = {"optimizer": optimizer, "gradient_clip_norm": None, "joint_weights": False}
        linear = linear_model(head, (*(feature_columns or ()), *mapped), given, config)
        super().__init__(_with_mapped(linear, mappers), model_dir, config)


def _mapped(column: Any) -> str:
    return f"{column.name}_MAPPED"


def _with_mapped(linear: Callable[..., Any], mappers: dict[Any, list[Any]]) -> Callable[..., Any]:
    """The model of features and of mapped ones beside them."""

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        features = dict(named_features(features))
        for column, found in mappers.items():
            plain = input_from_feature_columns(features, [column])
            parts = [mapper.map(plain) for mapper in found]
            features[_mapped(column)] = parts[0] if len(parts) == 1 else concat(parts, 1)
        return linear(features, labels, mode)

    return model_fn
