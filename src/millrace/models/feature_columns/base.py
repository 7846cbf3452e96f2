"""The kinds of feature columns, and the cache of what they make of the features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.checks import assert_positive
from millrace.lib.sparse.shaping import sparse_reshape
from millrace.lib.variables.scope import get_variable
from millrace.ops.array.constant import identity
from millrace.ops.array.reshape import expand_dims
from millrace.ops.array.shape import rank
from millrace.ops.math.comparison import equal


@public(
    "python.feature_column.feature_column._FeatureColumn",
    "python.feature_column.feature_column_v2.FeatureColumn",
)
class FeatureColumn:
    """A column: it has a name, knows how its feature is parsed, and transforms it."""

    @property
    def name(self) -> str:
        """The name that operations, variables and errors use."""
        raise TypeError(f"{type(self).__name__} must define a name")

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """How `tf.io.parse_example` reads what the column needs, by key."""
        raise TypeError(f"{type(self).__name__} must define parse_example_spec")

    def transform_feature(self, features: FeatureCache) -> Any:
        """What the column makes of its inputs, found in the cache."""
        raise TypeError(f"{type(self).__name__} must define transform_feature")

    @property
    def var_scope_name(self) -> str:
        """The scope of the column's variables."""
        return self.name

    # The names by which programs written for the first release of columns ask.
    @property
    def _var_scope_name(self) -> str:
        return self.var_scope_name

    @property
    def _parse_example_spec(self) -> dict[str, Any]:
        return self.parse_example_spec

    def _transform_feature(self, inputs: Any) -> Any:
        return self.transform_feature(inputs)


class IdWeightPair(NamedTuple):
    """Sparse ids, and sparse weights for them or None."""

    id_tensor: Any
    weight_tensor: Any


class SequenceTensor(NamedTuple):
    """`[batch, steps, ...]`, and how many steps each example has."""

    dense_tensor: Any
    sequence_length: Any


@public("python.feature_column.feature_column_v2.CategoricalColumn")
class CategoricalColumn(FeatureColumn):
    """A column of sparse ids."""

    is_sequence = False

    @property
    def num_buckets(self) -> int:
        """Ids are below this."""
        raise TypeError(f"{type(self).__name__} must define num_buckets")

    @property
    def _num_buckets(self) -> int:
        return self.num_buckets

    def sparse_pair(self, features: FeatureCache) -> IdWeightPair:
        """The ids and weights of all examples."""
        return IdWeightPair(features.get(self), None)

    def get_sparse_tensors(self, transformation_cache: FeatureCache, state_manager: Any = None) -> Any:
        """The same, by its public name."""
        del state_manager
        return self.sparse_pair(transformation_cache)


class VariableMaker:
    """Who makes the variables of columns: by default `tf.get_variable` in the current scope.

    Args:
      weight_collections: more collections for the variables.
      trainable: whether they are trained at all.
    """

    def __init__(self, weight_collections: Any = None, trainable: bool = True) -> None:
        self.collections: list[Any] = list(weight_collections or ())
        for key in (GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES):
            if key not in self.collections:
                self.collections.append(key)
        self.trainable = trainable

    def make(self, column: FeatureColumn, name: str, **arguments: Any) -> Any:
        """One variable for a column; made in the current scope, unless a subclass says otherwise."""
        trainable = arguments.pop("trainable", True) and self.trainable
        return get_variable(name, trainable=trainable, collections=self.collections, **arguments)

    def found(self, column: FeatureColumn, name: str) -> Any:
        """A variable that was made before, or None."""
        del column, name


@public(
    "python.feature_column.feature_column._DenseColumn",
    "python.feature_column.feature_column_v2.DenseColumn",
)
class DenseColumn(FeatureColumn):
    """A column of numbers `[batch, *variable_shape]`."""

    is_sequence = False

    @property
    def variable_shape(self) -> TensorShape:
        """The shape of one example's numbers."""
        raise TypeError(f"{type(self).__name__} must define variable_shape")

    @property
    def _variable_shape(self) -> TensorShape:
        return self.variable_shape

    def create_variables(self, maker: VariableMaker) -> None:
        """Makes the column's variables before its operations; most columns have none."""

    def dense(self, features: FeatureCache, maker: VariableMaker) -> Any:
        """The numbers of all examples; of a program's own class, what its `_get_dense_tensor` of the first
        release of columns gives, or its `get_dense_tensor` of the second.
        """
        kind: Any = type(self)
        if hasattr(kind, "_get_dense_tensor"):
            trainable = getattr(maker, "trainable", True)
            return kind._get_dense_tensor(self, features, weight_collections=None, trainable=trainable)
        if kind.get_dense_tensor is not DenseColumn.get_dense_tensor:
            return self.get_dense_tensor(features, maker)
        raise TypeError(f"{kind.__name__} must define dense")

    def get_dense_tensor(self, transformation_cache: FeatureCache, state_manager: Any) -> Any:
        """The same, by its public name."""
        return self.dense(transformation_cache, state_manager)


class FeatureCache:
    """Features, and what columns have made of them: each column transforms once.

    Args:
      features: from keys to tensors.
    """

    def __init__(self, features: dict[Any, Any]) -> None:
        self._features = dict(features)
        self._made: dict[Any, Any] = {}

    def get(self, key: Any, state_manager: Any = None) -> Any:
        """The tensor of a key, or what a column makes of its features.

        Raises:
          ValueError: there is no such feature, or it is a scalar.
          TypeError: the key is neither text nor a column.
        """
        del state_manager
        if key in self._made:
            return self._made[key]
        if key in self._features:
            found = self._raw(key)
        elif isinstance(key, str):
            raise ValueError(
                f"Feature {key} is not in features dictionary. Received: {sorted(self._features)}"
            )
        elif isinstance(key, FeatureColumn):
            found = self._transformed(key)
            if found is None:
                raise ValueError(f"Column {key.name} is not supported.")
        else:
            raise TypeError(f'"key" must be either a "str" or "_FeatureColumn". Received: {key!r}')
        self._made[key] = found
        return found

    def _transformed(self, column: Any) -> Any:
        """What a column makes of its features, asked as the release asks for which its class was written."""
        kind = type(column)
        if kind._transform_feature is not FeatureColumn._transform_feature:
            return column._transform_feature(self)
        if kind.transform_feature.__code__.co_argcount > 2:
            return column.transform_feature(self, None)
        return column.transform_feature(self)

    def _raw(self, key: Any) -> Any:
        given = self._features[key]
        if isinstance(given, SparseTensor | SparseTensorValue):
            sparse = SparseTensor.from_value(given)
            return sparse_reshape(sparse, [*_sizes(sparse), 1]) if sparse.shape.ndims == 1 else sparse
        tensor = given if isinstance(given, Tensor) else convert_to_tensor(given)
        if tensor.dims is None:
            return _with_two_axes(tensor, key)
        if len(tensor.dims) == 0:
            raise ValueError(f"Feature (key: {key}) cannot have rank 0. Received: {tensor}")
        return expand_dims(tensor, -1) if len(tensor.dims) == 1 else tensor


def _sizes(sparse: SparseTensor) -> list[Any]:
    return [-1 if size is None else size for size in sparse.shape.as_list()]


def _with_two_axes(tensor: Any, key: Any) -> Any:
    """A feature whose rank a run tells; an axis is added to the batch, where it has no other."""
    positive = assert_positive(rank(tensor), message=f"Feature (key: {key}) cannot have rank 0.")
    with control_dependencies([positive]):
        return cond(equal(1, rank(tensor)), lambda: expand_dims(tensor, -1), lambda: identity(tensor))


def sorted_columns(columns: Iterable[Any]) -> list[Any]:
    """Columns in the order in which models take them: by name."""
    return sorted(columns, key=lambda c: c.name)


def normalized(columns: Any, what: str = "feature_columns") -> list[FeatureColumn]:
    """A list of columns whose names differ.

    Raises:
      ValueError: there are none, one is not a column, a dict is given, or two have the same name.
    """
    if isinstance(columns, FeatureColumn):
        columns = [columns]
    if isinstance(columns, Iterable) and not isinstance(columns, dict | str | list | tuple):
        columns = list(columns)
    if isinstance(columns, dict):
        raise ValueError(f"Expected {what} to be iterable, found dict. Received: {columns!r}")
    found: list[Any] = list(columns)
    for column in found:
        if not isinstance(column, FeatureColumn):
            raise ValueError(
                f"Items of {what} must be a <class 'FeatureColumn'>. Given (type {type(column)}): {column!r}."
            )
    if not found:
        raise ValueError(f"{what} must not be empty. Received: {columns!r}")
    names: dict[str, Any] = {}
    for column in found:
        if column.name in names:
            raise ValueError(
                f"Duplicate feature column name found for columns: {column} and {names[column.name]}. "
                "This usually means that these columns refer to same base feature."
            )
        names[column.name] = column
    return found


def check_key(key: Any) -> None:
    """The key of a feature is text.

    Raises:
      ValueError: it is not.
    """
    if not isinstance(key, str):
        raise ValueError(f"key must be a string. Received: {key!r} of type {type(key).__name__}")
