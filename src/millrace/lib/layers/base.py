"""`Layer`: a function with variables of its own, made at its first call and shared by every later one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.variables.scope import get_variable, variable_scope


def snake_case(name: str) -> str:
    """`BasicLSTMCell` as `basic_lstm_cell`."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
    return "private" + name if name[0] == "_" else name


@public("layers.InputSpec", "keras.layers.InputSpec")
class InputSpec:
    """What a layer's input must look like; None leaves a property open.

    Args:
      dtype: its dtype.
      shape: its shape, None for dimensions of any length.
      ndim: its rank.
      max_ndim, min_ndim: bounds of its rank.
      axes: lengths of single axes: `{-1: 3}`.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
    ) -> None:
        self.dtype = None if dtype is None else dtypes.as_dtype(dtype)
        self.shape = shape
        self.ndim = len(shape) if shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}

    def __repr__(self) -> str:
        given = {k: v for k, v in vars(self).items() if v is not None and v != {}}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in given.items())})"

    def check(self, tensor: Any, who: str) -> None:
        """Refuses a tensor that is not as this says; `who` begins the message.

        Raises:
          ValueError: its dtype, rank or shape is another one.
        """
        rule = f"{who} is incompatible with the layer"
        if self.dtype is not None and tensor.dtype.base_dtype is not self.dtype:
            raise ValueError(f"{rule}: its dtype must be {self.dtype.name}. Received: {tensor.dtype.name}")
        dims = shapes.as_dims(tensor.get_shape())
        if dims is None:
            if self.ndim is not None or self.max_ndim is not None or self.min_ndim is not None:
                raise ValueError(f"{rule}: its rank must be known. Received: {tensor}")
            return
        found = f"Received: shape {shapes.format_dims(dims)}"
        if self.ndim is not None and len(dims) != self.ndim:
            raise ValueError(f"{rule}: expected ndim={self.ndim}, found ndim={len(dims)}. {found}")
        if self.max_ndim is not None and len(dims) > self.max_ndim:
            raise ValueError(f"{rule}: expected max_ndim={self.max_ndim}, found ndim={len(dims)}. {found}")
        if self.min_ndim is not None and len(dims) < self.min_ndim:
            raise ValueError(f"{rule}: expected min_ndim={self.min_ndim}, found ndim={len(dims)}. {found}")
        for axis, length in self.axes.items():
            if length is not None and dims[axis] not in (length, None):
                raise ValueError(f"{rule}: axis {axis} must have length {length}. {found}")
        if self.shape is not None and not shapes.compatible(shapes.as_dims(self.shape), dims):
            raise ValueError(f"{rule}: expected shape {tuple(self.shape)}. {found}")


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


@public("layers.Layer")
class Layer:
    """Base of layers: subclasses make variables in `build` and compute in `call`.

    Args:
      trainable: whether its variables are trained.
      name: its name and the name of its variables' scope, made unique; default: from the class.
      dtype: of its variables; default: that of the first input.
      **kwargs: `activity_regularizer`, a function from an output to a scalar loss; `_reuse`, `_scope`.

    Raises:
      TypeError: another keyword.
    """

    # What the inputs must look like: None, an `InputSpec` or a list of them.
    input_spec: Any = None

    def __init__(
        self, trainable: bool = True, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        self._reuse = kwargs.pop("_reuse", None)
        scope = kwargs.pop("_scope", None)
        self.activity_regularizer = kwargs.pop("activity_regularizer", None)
        kwargs.pop("autocast", None)
        if kwargs:
            raise TypeError(f"{type(self).__name__}: unknown keyword arguments {sorted(kwargs)}")
        self.trainable = trainable
        self.built = False
        self._dtype = None if dtype is None else dtypes.as_dtype(dtype).name
        self._trainable_weights: list[Any] = []
        self._non_trainable_weights: list[Any] = []
        self._updates: list[Any] = []
        self._losses: list[Any] = []
        self._base_name = snake_case(type(self).__name__) if name is None else name
        self._name = self._base_name if name is not None else _unique(self._base_name)
        self._scope: Any = None
        self._current_scope: Any = None
        if scope is not None:
            with variable_scope(scope) as captured:
                self._scope = captured

    @property
    def name(self) -> str:
        """The layer's name."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The dtype of its variables, or None before the first call."""
        return self._dtype

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

    @property
    def trainable_weights(self) -> list[Any]:
        """Variables that are trained."""
        return list(self._trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """Variables that are not trained."""
        if self.trainable:
            return list(self._non_trainable_weights)
        return self._trainable_weights + self._non_trainable_weights

    @property
    def weights(self) -> list[Any]:
        """All variables."""
        return self.trainable_weights + self.non_trainable_weights

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights
    variables = weights

    @property
    def updates(self) -> list[Any]:
        """Operations that training must run beside the step."""
        return list(self._updates)

    @property
    def losses(self) -> list[Any]:
        """Losses to add to the model's."""
        return list(self._losses)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds operations that training must run; they join the collection UPDATE_OPS."""
        for update in nest.flatten(updates):
            self._updates.append(update)
            get_default_graph().add_to_collection("update_ops", update)

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds losses; they join the collection REGULARIZATION_LOSSES."""
        for loss in nest.flatten(losses):
            if loss is not None:
                self._losses.append(loss)
                get_default_graph().add_to_collection("regularization_losses", loss)

    def build(self, input_shape: Any) -> None:
        """Makes the variables; the first call runs it with the inputs' shapes."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Computes the result; subclasses say how."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the result for inputs of shape `input_shape`."""
        return input_shape

    def count_params(self) -> int:
        """How many numbers its variables hold.

        Raises:
          ValueError: the layer has no variables yet.
        """
        if not self.built:
            raise ValueError(f"You tried to call `count_params` on {self.name}, but the layer isn't built.")
        return sum(w.shape.num_elements() for w in self.weights)

    def add_weight(
        self,
        name: str,
        shape: Any,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        use_resource: bool | None = None,
        partitioner: Any = None,
        **kwargs: Any,
    ) -> Any:
        """A variable of this layer, made by `tf.get_variable` in the layer's scope."""
        trainable = True if trainable is None else trainable
        before = set(get_default_graph().get_collection("regularization_losses"))
        variable = get_variable(
            name,
            shape=shape,
            dtype=dtypes.as_dtype(dtype or self._dtype or dtypes.float32),
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable and self.trainable,
            constraint=constraint,
            use_resource=use_resource,
            partitioner=partitioner,
        )
        found = self._trainable_weights if trainable else self._non_trainable_weights
        if not any(v is variable for v in self._trainable_weights + self._non_trainable_weights):
            found.append(variable)
        for loss in get_default_graph().get_collection("regularization_losses"):
            if loss not in before:
                self._losses.append(loss)
        return variable

    add_variable = add_weight

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Builds the layer when it is new, then computes `call`.

        Args:
          inputs: nested tensors.
          *args, **kwargs: passed on to `call`; `scope` chooses the variables' scope of a new layer.

        Raises:
          ValueError: the inputs are not what the layer takes, or its variables exist and may not.
        """
        if isinstance(inputs, np.ndarray | float | int):
            inputs = to_tensor(inputs, name="inputs")
        self._set_scope(kwargs.pop("scope", None))
        reuse = True if self.built else self._reuse
        with variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            with name_scope(self._name_scope()):
                self._check_inputs(inputs)
                if not self.built:
                    self._build_for(inputs)
                    self._check_inputs(inputs)
                outputs = self.call(inputs, *args, **kwargs)
                self._regularize_activity(outputs)
                return outputs

    def _check_inputs(self, inputs: Any) -> None:
        specs = nest.flatten(self.input_spec) if self.input_spec is not None else []
        tensors = nest.flatten(inputs) if specs else []
        if len(specs) != len(tensors):
            raise ValueError(f"Layer {self._name} expects {len(specs)} inputs. Received: {len(tensors)}")
        for i, (spec, tensor) in enumerate(zip(specs, tensors, strict=True)):
            if spec is not None:
                spec.check(tensor, f"Input {i} of layer {self._name}")

    def _regularize_activity(self, outputs: Any) -> None:
        if self.activity_regularizer is None:
            return
        with name_scope("ActivityRegularizer"):
            for output in nest.flatten(outputs):
                loss = self.activity_regularizer(output)
                batch = raw.Cast(shape_tensor(output)[0], DstT=loss.dtype.base_dtype)
                self.add_loss(loss / batch)

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

    def _build_for(self, inputs: Any) -> None:
        if self._dtype is None:
            first = next((t for t in nest.flatten(inputs) if isinstance(t, Tensor)), None)
            if first is not None:
                self._dtype = first.dtype.base_dtype.name
        found = [
            t.get_shape() if hasattr(t, "get_shape") else shapes.shape_of(None) for t in nest.flatten(inputs)
        ]
        self.build(nest.pack_sequence_as(inputs, found) if nest.is_nested(inputs) else found[0])
        self.built = True

    apply = __call__

    def get_config(self) -> dict[str, Any]:
        """What the layer was made with."""
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}

    def __deepcopy__(self, memo: dict[int, Any]) -> Layer:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(self.__dict__)
        return new


def _unique(base: str) -> str:
    """`base`, then `base_1`, `base_2`, ... in one graph."""
    counts = get_default_graph().get_scoped("layer names", dict)
    counts[base] = counts.get(base, 0) + 1
    return base if counts[base] == 1 else f"{base}_{counts[base] - 1}"
