"""`DenseFeatures` and `SequenceFeatures`: columns as layers that keep their variables."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.lib.layers.layer import Layer
from millrace.models.feature_columns.base import FeatureCache, FeatureColumn, VariableMaker, sorted_columns
from millrace.models.feature_columns.input_layer import check_batch_sizes, dense_columns, flattened
from millrace.models.feature_columns.sequence import agreed_length, sequence_columns, stepwise
from millrace.ops.array.concat import concat


class LayerMaker(VariableMaker):
    """Makes variables as weights of a layer, once each.

    Args:
      layer: the layer.
      trainable: whether they are trained.
    """

    def __init__(self, layer: Layer, trainable: bool = True) -> None:
        super().__init__((), trainable)
        self._layer = layer
        self._made: dict[tuple[Any, str], Any] = {}

    def make(self, column: FeatureColumn, name: str, **arguments: Any) -> Any:
        """One weight, in the scope that is open."""
        trainable = self.trainable and arguments.pop("trainable", True)
        variable = self._layer.add_weight(name, trainable=trainable, **arguments)
        self._made[column, name] = variable
        return variable

    def found(self, column: FeatureColumn, name: str) -> Any:
        """The weight that was made, or None."""
        return self._made.get((column, name))


class _OfColumns(Layer):
    """What the two layers share.

    Args:
      columns: checked columns.
      trainable, name: as for every layer.
      **kwargs: as for every layer.
    """

    def __init__(self, columns: list[Any], trainable: bool, name: str | None, **kwargs: Any) -> None:
        super().__init__(name=name, trainable=trainable, **kwargs)
        self._feature_columns = sorted_columns(columns)
        self._maker = LayerMaker(self, self.trainable)

    def build(self, input_shape: Any = None) -> None:
        """Makes the columns' variables."""
        del input_shape
        for column in self._feature_columns:
            with name_scope(column.name):
                column.create_variables(self._maker)
        self.built = True

    def _cache(self, features: Any) -> FeatureCache:
        if not isinstance(features, dict):
            raise ValueError(f"We expected a dictionary here. Instead we got: {features!r}")
        return FeatureCache(features)


@public("keras.layers.DenseFeatures", "compat.v2.keras.layers.DenseFeatures")
class DenseFeatures(_OfColumns):
    """The columns' numbers side by side, ordered by the columns' names.

    Args:
      feature_columns: dense columns.
      trainable: whether the variables are trained.
      name: the layer's name.
      **kwargs: as for every layer.

    Raises:
      ValueError: a column is not dense, or two have one name; when called, without a dict of features.
    """

    def __init__(
        self, feature_columns: Any, trainable: bool = True, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(dense_columns(feature_columns), trainable, name, **kwargs)

    def call(self, features: Any, cols_to_output_tensors: dict[Any, Any] | None = None) -> Any:
        """float32 `[batch, elements of all columns]`."""
        cache, tensors = self._cache(features), []
        for column in self._feature_columns:
            with name_scope(column.name):
                tensor = column.dense(cache, self._maker)
                tensors.append(flattened(tensor, column.variable_shape.num_elements()))
            if cols_to_output_tensors is not None:
                cols_to_output_tensors[column] = tensors[-1]
        check_batch_sizes(tensors, self._feature_columns)
        return concat(tensors, 1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        """`(batch, elements)`."""
        del input_shape
        return (None, sum(c.variable_shape.num_elements() for c in self._feature_columns))


@public("keras.experimental.SequenceFeatures")
class SequenceFeatures(_OfColumns):
    """Columns of sequences side by side, ordered by the columns' names.

    Args:
      feature_columns: dense columns of sequences.
      trainable: whether the variables are trained.
      name: the layer's name.
      **kwargs: as for every layer.

    Raises:
      ValueError: a column does not make sequences; when called, without a dict of features.
    """

    def __init__(
        self, feature_columns: Any, trainable: bool = True, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(sequence_columns(feature_columns), trainable, name, **kwargs)

    def call(self, features: Any) -> Any:
        """float32 `[batch, steps, elements of all columns]`, and the steps of each example."""
        cache, tensors, lengths = self._cache(features), [], []
        for column in self._feature_columns:
            with name_scope(column.name):
                numbers, steps = stepwise(column, cache, self._maker)
                tensors.append(numbers)
                lengths.append(steps)
        return concat(tensors, -1), agreed_length(lengths)
