"""`tf.layers.Layer`: a layer whose variables come from `tf.get_variable`, in a scope of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.lib.layers import layer, settings
from millrace.lib.variables import keras_initializers
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.scope import VariableScope, get_variable, get_variable_scope, variable_scope


def activation_of(activation: Any) -> Any:
    """An activation function, or None: as given, or by its name in `tf.nn`.

    Raises:
      ValueError: there is no activation of that name.
    """
    if activation is None or activation == "linear":
        return None
    if callable(activation):
        return activation
    if activation not in _ACTIVATIONS:
        raise ValueError(
            f"activation must be callable or one of {sorted(_ACTIVATIONS)}. Received: {activation!r}"
        )
    return getattr(raw, _ACTIVATIONS[activation])


_ACTIVATIONS = {
    "relu": "Relu",
    "relu6": "Relu6",
    "elu": "Elu",
    "selu": "Selu",
    "softmax": "Softmax",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "exponential": "Exp",
}


def called(layer: type[Layer], given: dict[str, Any], **at_call: Any) -> Any:
    """What a functional layer returns: a layer made of the function's arguments, applied to its `inputs`.

    Args:
      layer: the class.
      given: the arguments by name; `inputs`, `reuse` and `name` have their own meaning.
      **at_call: arguments of the call rather than of the layer.
    """
    settings = dict(given)
    inputs, reuse = settings.pop("inputs"), settings.pop("reuse", None)
    return layer(**settings, _reuse=reuse, _scope=settings["name"])(inputs, **at_call)


def _by_name(initializer: Any) -> Any:
    """The initializer that a name of Keras stands for; another initializer itself."""
    return keras_initializers.get(initializer) if isinstance(initializer, str) else initializer


def _reserve_own_name(scope: VariableScope) -> None:
    """Takes the name of a layer's scope inside that scope, in small letters: entering the scope takes it once
    more, and to TensorFlow, whose names differ without regard to case, both are one: `Dropout/dropout_1`.
    """
    own = scope.original_name_scope.rstrip("/").rpartition("/")[2]
    if own != own.lower():
        graph = get_default_graph()
        with graph.name_scope(scope.original_name_scope):
            graph.unique_name(own.lower())


@public("layers.Layer")
class Layer(layer.Layer):
    """Base of layers whose variables come from `tf.get_variable`: a scope decides on names and sharing.

    Args:
      trainable: whether its variables are trained.
      name: its name and the name of its variables' scope, made unique; default: from the class.
      dtype: of its variables; default: that of the first input.
      **kwargs: `activity_regularizer`, a function from an output to a scalar loss; `_reuse`, `_scope`; those
        of `tf.keras.layers.Layer`.

    Raises:
      TypeError: another keyword.
    """

    def __init__(
        self, trainable: bool = True, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        self._reuse = kwargs.pop("_reuse", None)
        name = name or None  # TensorFlow takes an empty name for none
        scope = kwargs.pop("_scope", None) or None
        self._scope: Any = None
        self._current_scope: Any = None
        super().__init__(trainable=trainable, name=name, dtype=dtype, **kwargs)
        if scope is not None:
            with variable_scope(scope) as captured:
                self._scope = captured
            if isinstance(scope, VariableScope):
                _reserve_own_name(scope)

    def _set_name(self, name: str | None, zero_based: bool = True) -> None:
        self._base_name = settings.snake_case(type(self).__name__) if name is None else name
        self._name = self._base_name if name is not None else settings.unique_name(self._base_name)

    @property
    def scope_name(self) -> str:
        """The name of its variables' scope.

        Raises:
          ValueError: the layer was not called yet.
        """
        if self._scope is None:
            raise ValueError(
                f"No name available for layer scope because the layer '{self._name}' has not been used yet"
            )
        return self._scope.name

    @property
    def graph(self) -> Any:
        """The graph that holds the layer."""
        return get_default_graph()

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds operations that training must run; they join the collection UPDATE_OPS."""
        count = len(self._updates)
        super().add_update(updates, inputs)
        for update in self._updates[count:]:
            get_default_graph().add_to_collection("update_ops", update)

    def _take_loss(self, loss: Any) -> None:
        super()._take_loss(loss)
        get_default_graph().add_to_collection("regularization_losses", loss)

    def add_weight(
        self,
        name: str | None = None,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        partitioner: Any = None,
        **kwargs: Any,
    ) -> Any:
        """A variable of this layer, made by `tf.get_variable` in the layer's scope."""
        trainable = True if trainable is None else trainable
        before = set(get_default_graph().get_collection("regularization_losses"))
        with self._in_scope() as scope:
            variable = get_variable(
                name or "",
                shape=shape,
                dtype=dtypes.as_dtype(dtype or self._dtype or dtypes.float32),
                initializer=_by_name(initializer),
                regularizer=_under(f"{scope.original_name_scope}{name}/Regularizer/", regularizer),
                trainable=trainable and self.trainable,
                constraint=constraint,
                use_resource=use_resource,
                partitioner=partitioner,
                synchronization=synchronization,
                aggregation=aggregation,
            )
        self._keep(variable, trainable)
        for loss in get_default_graph().get_collection("regularization_losses"):
            if loss not in before:
                loss._unconditional_loss = True
                self._losses.append(loss)
        return variable

    @contextlib.contextmanager
    def _unpartitioned(self) -> Iterator[None]:
        with self._in_scope() as scope:
            partitioner = scope.partitioner
            scope.set_partitioner(None)
            try:
                yield
            finally:
                scope.set_partitioner(partitioner)

    @contextlib.contextmanager
    def _in_scope(self) -> Iterator[Any]:
        """The layer's variable scope, whose name a layer gets with its first call or variable."""
        self._set_scope(None)
        if get_variable_scope().name == self._scope.name:
            yield get_variable_scope()
            return
        reuse = True if self.built else self._reuse
        with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            yield scope

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Builds the layer when it is new, then computes `call`.

        Args:
          inputs: nested tensors.
          *args, **kwargs: passed on to `call`; `scope` chooses the variables' scope of a new layer.

        Raises:
          ValueError: the inputs are not what the layer takes, or its variables exist and may not.
          TypeError: an input is not a tensor.
        """
        self._set_scope(kwargs.pop("scope", None))
        reuse = True if self.built else self._reuse
        with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            outputs = super().__call__(inputs, *args, **kwargs)
        get_default_graph().get_collection_ref("update_ops")  # there is one once a layer has been called
        return outputs

    def _check_inputs(self, inputs: Any) -> None:
        try:
            super()._check_inputs(inputs)
        except AttributeError as error:  # what is not a tensor; Keras has no better class
            raise TypeError(str(error)) from None

    def _name_scope(self) -> str:
        return self._current_scope.original_name_scope

    def _set_scope(self, scope: Any) -> None:
        if self._scope is not None:
            return
        if self._reuse:
            context = variable_scope(scope if scope is not None else self._base_name)
        else:
            context = variable_scope(scope, default_name=self._base_name)
        with context as captured:
            self._scope = captured

    def __deepcopy__(self, memo: dict[int, Any]) -> Layer:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        vars(new).update(vars(self))
        return new


def _under(scope: str, regularizer: Any) -> Any:
    """A regularizer whose operations lie in `scope`, whatever a getter names the variable."""
    if not callable(regularizer):
        return regularizer

    def named(variable: Any) -> Any:
        with name_scope(scope):
            return regularizer(variable)

    return named
