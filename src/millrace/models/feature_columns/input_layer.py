"""`input_layer`: columns side by side in one matrix; and how examples with their features are parsed."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables.scope import variable_scope
from millrace.lib.variables.template import make_template
from millrace.models.feature_columns.base import (
    DenseColumn,
    FeatureCache,
    FeatureColumn,
    VariableMaker,
    normalized,
    sorted_columns,
)
from millrace.ops.array.concat import concat
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape


def dense_columns(columns: Any) -> list[Any]:
    """Columns that are all dense.

    Raises:
      ValueError: one is not.
    """
    found = normalized(columns)
    for column in found:
        if not isinstance(column, DenseColumn):
            raise ValueError(
                "Items of feature_columns must be a dense column. You can wrap a categorical column with an "
                f"embedding_column or indicator_column. Given: {column}"
            )
    return found


class Recorder(VariableMaker):
    """Makes variables in the current scope, and remembers whose they are."""

    def __init__(self, weight_collections: Any, trainable: bool) -> None:
        super().__init__(weight_collections, trainable)
        self.made: dict[Any, list[Any]] = {}

    def make(self, column: FeatureColumn, name: str, **arguments: Any) -> Any:
        """One variable for a column."""
        variable = super().make(column, name, **arguments)
        parts = list(variable) if hasattr(variable, "_get_partitions") else [variable]
        self.made.setdefault(column, []).extend(parts)
        return variable


def flattened(tensor: Any, num_elements: int) -> Any:
    """`[batch, num_elements]`."""
    return reshape(tensor, (shape(tensor)[0], num_elements))


def check_batch_sizes(tensors: list[Any], columns: list[Any]) -> None:
    """The static batch sizes must agree.

    Raises:
      ValueError: two differ.
    """
    known: Any = None
    for tensor, column in zip(tensors, columns, strict=True):
        size = None if tensor.dims is None else tensor.dims[0]
        if size is None:
            continue
        if known is None:
            known = (size, column)
        elif known[0] != size:
            raise ValueError(
                "Batch size (first dimension) of each feature must be same. Batch size of columns "
                f"({known[1].name}, {column.name}): ({known[0]}, {size})"
            )


@public("feature_column.input_layer")
def input_layer(
    features: dict[str, Any],
    feature_columns: Any,
    weight_collections: Any = None,
    trainable: bool = True,
    cols_to_vars: dict[Any, Any] | None = None,
    cols_to_output_tensors: dict[Any, Any] | None = None,
) -> Tensor:
    """The columns' numbers side by side, ordered by the columns' names.

    Args:
      features: from keys to tensors.
      feature_columns: dense columns.
      weight_collections: more collections for the variables.
      trainable: whether the variables are trained.
      cols_to_vars: filled with the variables of each column.
      cols_to_output_tensors: filled with the matrix of each column.

    Returns:
      float32 `[batch, elements of all columns]`.

    Raises:
      ValueError: a column is not dense, two have one name, or a feature is missing.
    """
    columns = sorted_columns(dense_columns(feature_columns))
    with variable_scope(None, default_name="input_layer", values=list(features.values())):
        return _side_by_side(
            features, columns, weight_collections, trainable, cols_to_vars, cols_to_output_tensors
        )


def _side_by_side(
    features: dict[str, Any],
    columns: list[Any],
    weight_collections: Any,
    trainable: bool,
    cols_to_vars: dict[Any, Any] | None,
    cols_to_output_tensors: dict[Any, Any] | None = None,
    numbered: bool = True,
) -> Tensor:
    """The columns as one matrix, in the scope that there is.

    Args:
      numbered: a column's scope is made unique.
    """
    cache, tensors = FeatureCache(features), []
    for column in columns:
        recorder, name = Recorder(weight_collections, trainable), column.var_scope_name
        with variable_scope(None, default_name=name) if numbered else variable_scope(name):
            tensor = column.dense(cache, recorder)
            tensors.append(flattened(tensor, column.variable_shape.num_elements()))
        if cols_to_vars is not None:
            cols_to_vars[column] = recorder.made.get(column, [])
        if cols_to_output_tensors is not None:
            cols_to_output_tensors[column] = tensors[-1]
    check_batch_sizes(tensors, columns)
    return concat(tensors, 1)


@public("contrib.slim.InputLayer", "contrib.layers.feature_column.InputLayer")
class InputLayer:
    """`tf.feature_column.input_layer` as an object that makes its variables once.

    Args:
      feature_columns: dense columns.
      weight_collections: more collections for the variables.
      trainable: whether the variables are trained.
      cols_to_vars: filled with the variables of each column.
      name: of the variables' scope.
      create_scope_now: choose the scope's name now and not at the first call.

    Raises:
      ValueError: a column is not dense, or two have one name.
    """

    def __init__(
        self,
        feature_columns: Any,
        weight_collections: Any = None,
        trainable: bool = True,
        cols_to_vars: dict[Any, Any] | None = None,
        name: str = "feature_column_input_layer",
        create_scope_now: bool = True,
    ) -> None:
        columns = sorted_columns(dense_columns(feature_columns))

        def side_by_side(features: dict[str, Any]) -> Tensor:
            return _side_by_side(
                features, columns, weight_collections, trainable, cols_to_vars, numbered=False
            )

        self._name = name
        self._template: Any = make_template(name, side_by_side, create_scope_now_=create_scope_now)

    def __call__(self, features: dict[str, Any]) -> Tensor:
        """float32 `[batch, elements of all columns]`.

        Args:
          features: from keys to tensors.
        """
        return self._template(features)

    @property
    def name(self) -> str:
        """The name of the variables' scope."""
        return self._name

    @property
    def variables(self) -> list[Any]:
        """All variables."""
        return list(self._template.variables)

    @property
    def trainable_variables(self) -> list[Any]:
        """Those that are trained."""
        return list(self._template.trainable_variables)

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The others."""
        return list(self._template.non_trainable_variables)

    @property
    def weights(self) -> list[Any]:
        """As `variables`."""
        return self.variables

    @property
    def trainable_weights(self) -> list[Any]:
        """As `trainable_variables`."""
        return self.trainable_variables

    @property
    def non_trainable_weights(self) -> list[Any]:
        """As `non_trainable_variables`."""
        return self.non_trainable_variables


@public("feature_column.make_parse_example_spec")
def make_parse_example_spec(feature_columns: Any) -> dict[str, Any]:
    """How `tf.io.parse_example` reads what columns need.

    Args:
      feature_columns: columns.

    Returns:
      From keys to `FixedLenFeature` or `VarLenFeature`.

    Raises:
      ValueError: one is not a column, or two need one key differently.
    """
    spec: dict[str, Any] = {}
    for column in feature_columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(f"All feature_columns must be FeatureColumn instances. Given: {column}")
        for key, value in column.parse_example_spec.items():
            if spec.setdefault(key, value) != value:
                raise ValueError(
                    f"feature_columns contain different parse_spec for key {key}. "
                    f"Given {value} and {spec[key]}"
                )
    return spec
