"""The variables of a layer: made, listed, read and set."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from millrace.building.scopes import colocate_with, name_scope
from millrace.core import dtypes, shapes
from millrace.lib.layers import constraints, penalties, settings, tracking
from millrace.lib.layers.autocast import AutoCastVariable
from millrace.lib.layers.descendants import late
from millrace.lib.layers.node import int_shape
from millrace.lib.variables import keras_initializers
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.module import Module, dependent
from millrace.lib.variables.variable import Variable


class Weighted(Module):
    """A layer's variables, and those of the layers inside it."""

    name: Any
    trainable: Any
    built: bool
    add_loss: Any
    _dtype: Any
    _layers: Any
    _casts_variables: bool
    _own_compute_dtype: str | None
    _trainable_weights: list[Any]
    _non_trainable_weights: list[Any]
    _tracked: dict[str, Any]  # attributes that hold layers or variables
    _named_weights: dict[str, Any]  # by the names given to `add_weight`

    def _track_trackable(self, trackable: Any, name: str, overwrite: bool = False) -> Any:
        """Counts an object among the attributes, as an assignment would; wrappers of layers call this."""
        if name not in self._tracked or overwrite:
            self._tracked[name] = trackable
        return trackable

    def _own_weights(self) -> list[Any]:
        return [*self._trainable_weights, *self._non_trainable_weights]

    def _of_children(self, attribute: str) -> list[Any]:
        return [item for layer in self._layers or () for item in getattr(layer, attribute)]

    def _free_variables(self, trainable: bool) -> list[Any]:
        """Variables in lists and dicts among the attributes."""
        found = [v for value in self._tracked.values() if tracking.holds_parts(value)
                 for v in tracking.variables_in(value)]  # fmt: skip
        return [v for v in found if v.trainable is trainable]

    @property
    def trainable_weights(self) -> list[Any]:
        """Variables that are trained."""
        if not self.trainable:
            return []
        own = [*self._trainable_weights, *self._free_variables(True)]
        return tracking.unique([*own, *self._of_children("trainable_weights")])

    @property
    def non_trainable_weights(self) -> list[Any]:
        """Variables that are not trained."""
        own = [*self._non_trainable_weights, *self._free_variables(False)]
        if self.trainable:
            return tracking.unique([*own, *self._of_children("non_trainable_weights")])
        own = [*self._trainable_weights, *self._free_variables(True), *own]
        return tracking.unique([*own, *self._of_children("weights")])

    @property
    def weights(self) -> list[Any]:
        """All variables."""
        return self.trainable_weights + self.non_trainable_weights

    @property
    def trainable_variables(self) -> list[Any]:
        """Variables that are trained."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Any]:
        """Variables that are not trained."""
        return self.non_trainable_weights

    @property
    def variables(self) -> list[Any]:
        """All variables."""
        return self.weights

    def add_weight(
        self,
        name: str | None = None,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        partitioner: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        **kwargs: Any,
    ) -> Any:
        """A new variable of this layer.

        Args:
          name: its name under the scope in force.
          shape: its shape; default a scalar.
          dtype: default the layer's.
          initializer: its first value; default "glorot_uniform" for floating dtypes, zeros for others.
          regularizer: a function from the variable to a scalar loss.
          trainable: whether it is trained.
          constraint: what optimizers apply to it after each step.
          partitioner: accepted by layers that make partitioned variables.
          use_resource: name the value by a handle; default True.
          synchronization, aggregation: what replicas do with it.
          **kwargs: `getter`, `collections`, `experimental_autocast`, `caching_device`.

        Raises:
          TypeError: another keyword.
          ValueError: there is no first value for the dtype.
        """
        unknown = set(kwargs) - {"getter", "collections", "experimental_autocast", "caching_device"}
        if unknown:
            raise TypeError("Unknown keyword argument:", sorted(unknown)[0])
        chosen = dtypes.as_dtype(dtype or self._dtype or settings.floatx())
        if self._dtype is None:
            self._dtype = chosen.base_dtype.name
        synchronization, trainable = _synchronized(synchronization, trainable)
        maker = keras_initializers.get(initializer)
        if maker is None:
            maker = _default_initializer(chosen, name)
        dims = shape if isinstance(shape, int | np.integer) else _lengths(shape)
        variable = _made(
            name,
            dims,
            chosen,
            maker,
            trainable=trainable,
            constraint=constraints.get(constraint),
            use_resource=True if use_resource is None else use_resource,
            collections=kwargs.get("collections"),
            caching_device=kwargs.get("caching_device"),
            synchronization=synchronization,
            aggregation=aggregation,
        )
        casts = self._casts_variables and self._own_compute_dtype != self._dtype
        if casts and kwargs.get("experimental_autocast", True):
            variable = AutoCastVariable(variable)
        penalty = penalties.get(regularizer)
        if penalty is not None:
            self._regularize_weight(variable.name.partition(":")[0], variable, penalty)
        self._keep(variable, trainable)
        if name is not None:
            self._named_weights[name] = variable
        return variable

    def _unpartitioned(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which variables are whole even where a scope partitions its variables."""
        return contextlib.nullcontext()

    def _keep(self, variable: Any, trainable: bool) -> None:
        for part in variable if hasattr(variable, "_variable_list") else [variable]:
            settings.track(part)
            part.graph.holds += 1
        if not any(v is variable for v in self._own_weights()):
            (self._trainable_weights if trainable else self._non_trainable_weights).append(variable)

    def _regularize_weight(self, name: str, variable: Any, penalty: Any) -> None:
        def loss() -> Any:
            with colocate_with(variable.op), name_scope(f"{name}/Regularizer"):
                return penalty(variable)

        self.add_loss(loss)

    def _trackable_children(self) -> list[tuple[str, Any]]:
        """What a checkpoint of objects holds of the layer, by the names of weights and attributes."""
        return tracking.children({**self._named_weights, **dependent(self, self._tracked)})

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        """The old name of `add_weight`."""
        return self.add_weight(*args, **kwargs)

    def get_weights(self) -> list[Any]:
        """The values of all variables, as arrays."""
        return late.get_values(self.weights)

    def set_weights(self, weights: Any) -> None:
        """Sets the values of all variables.

        Raises:
          ValueError: their number or shapes differ.
        """
        variables = self.weights
        if len(variables) != len(weights):
            raise ValueError(
                f'You called `set_weights(weights)` on layer "{self.name}" with a weight list of length '
                f"{len(weights)}, but the layer was expecting {len(variables)} weights. "
                f"Provided weights: {str(weights)[:50]}..."
            )
        pairs = []
        for variable, value in zip(variables, weights, strict=True):
            dims, given = int_shape(variable), np.shape(value)
            if dims is not None and tuple(dims) != tuple(given):
                raise ValueError(
                    f"Layer weight shape {dims} not compatible with provided weight shape {given}"
                )
            pairs.append((variable, value))
        if pairs:
            late.set_values(pairs)

    def count_params(self) -> int:
        """How many numbers its variables hold.

        Raises:
          ValueError: the layer has no variables yet.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on {self.name}, but the layer isn't built. "
                f"You can build it manually via: `{self.name}.build(batch_input_shape)`."
            )
        return sum(int(np.prod(int_shape(w) or (), dtype=np.int64)) for w in self.weights)


def _synchronized(synchronization: Any, trainable: bool | None) -> tuple[Any, bool]:
    if synchronization is VariableSynchronization.ON_READ:
        if trainable:
            raise ValueError(
                "Synchronization value can be set to VariableSynchronization.ON_READ only for "
                "non-trainable variables. You have specified trainable=True and "
                "synchronization=VariableSynchronization.ON_READ."
            )
        return synchronization, False
    return synchronization, True if trainable is None else trainable


def _default_initializer(dtype: dtypes.DType, name: str | None) -> Any:
    if dtype.is_floating:
        return keras_initializers.get("glorot_uniform")
    if dtype.is_integer or dtype.is_unsigned or dtype is dtypes.bool_:
        return keras_initializers.get("zeros")
    raise ValueError(
        f"An initializer for variable {name} of type {dtype.base_dtype.name} is required. Received: None"
    )


def _lengths(shape: Any) -> list[int | None]:
    return [] if shape is None else [shapes.as_dim(d) for d in shape]


def _made(name: Any, dims: Any, dtype: Any, maker: Any, **settings_: Any) -> Any:
    chosen = maker() if isinstance(maker, type) else maker
    return Variable(lambda: chosen(dims, dtype=dtype), name=name, dtype=dtype, **settings_)
