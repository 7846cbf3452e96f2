"""`Layer`: a function with variables of its own, made at its first call. The base of all layers.

`tf.layers.Layer` (in `legacy.py`) is one whose variables come from `tf.get_variable`.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, nest, shapes
from millrace.graph.tensor import Tensor
from millrace.lib.autograph.gate import prepared
from millrace.lib.layers import penalties, settings, tracking
from millrace.lib.layers.collecting import Collecting
from millrace.lib.layers.connections import Connected
from millrace.lib.layers.descendants import late
from millrace.lib.layers.node import Node, history, mask_of, reaches_history
from millrace.lib.layers.registry import calls
from millrace.lib.layers.spec import check_inputs
from millrace.lib.variables.module import attribute_of
from millrace.lib.variables.variable import Variable

_KEYWORDS = {
    "input_shape",
    "batch_input_shape",
    "batch_size",
    "weights",
    "activity_regularizer",
    "autocast",
    "experimental_autocast",
    "input_dtype",
}


class Layer(Collecting, Connected, metaclass=abc.ABCMeta):
    """Base of layers: subclasses make variables in `build` and compute in `call`.

    Args:
      trainable: whether its variables are trained.
      name: its name and that of its operations' scope; default: from the class, made unique.
      dtype: of its variables; default: that of the first input. A `Policy` also says in which it computes.
      dynamic: accepted; every layer is part of a graph.
      **kwargs: `input_shape`, `batch_input_shape`, `batch_size`, `weights`, `activity_regularizer`,
        `autocast`.

    Raises:
      TypeError: another keyword.
    """

    # What the inputs must look like: None, an `InputSpec` or a list of them.
    input_spec: Any = None
    _build_input_shape: Any = None

    def __init__(
        self,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
        dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        for keyword in kwargs:
            if keyword not in _KEYWORDS:
                raise TypeError("Keyword argument not understood:", keyword)
        self._start_tracking()
        self._trainable = bool(trainable)
        self.stateful = False
        self.built = False
        self.supports_masking = False
        self._take_policy(dtype)
        self._dynamic = dynamic
        self._set_name(name)
        self._activity_regularizer = penalties.get(kwargs.pop("activity_regularizer", None))
        self._expects_training, self._expects_mask = False, False
        self._inbound_nodes: list[Any] = []
        self._outbound_nodes: list[Any] = []
        self._initial_weights = kwargs.get("weights")
        self._remember_call_arguments()
        if "batch_input_shape" in kwargs or "input_shape" in kwargs:
            if "batch_input_shape" in kwargs:
                found = kwargs["batch_input_shape"]
            else:
                found = (kwargs.get("batch_size"), *_plain(kwargs["input_shape"]))
            self._batch_input_shape = tuple(_plain(found))

    _casts_variables = False  # whether variables may be kept in another dtype than the one computed in
    _own_compute_dtype: str | None = None

    def _take_policy(self, dtype: Any) -> None:
        if not hasattr(dtype, "should_cast_variables"):
            self._dtype = settings.dtype_name(dtype)
            return
        self._dtype, self._casts_variables = dtype.variable_dtype, dtype.should_cast_variables
        self._own_compute_dtype = dtype.compute_dtype

    @property
    def _compute_dtype(self) -> str | None:
        """The name of the dtype that its call computes in, or None before the first call."""
        return self._own_compute_dtype if self._casts_variables else self._dtype

    def _start_tracking(self) -> None:
        set_plainly = object.__setattr__
        for name in ("_trainable_weights", "_non_trainable_weights", "_updates", "_losses"):
            set_plainly(self, name, [])
        set_plainly(self, "_callable_losses", [])
        set_plainly(self, "_metrics", [])
        if "_tracked" not in self.__dict__:  # a subclass may set layers before it calls `__init__`
            set_plainly(self, "_tracked", {})
        set_plainly(self, "_named_weights", {})

    def _set_name(self, name: str | None, zero_based: bool = True) -> None:
        if name:
            self._name = name
        else:
            base = settings.snake_case(type(self).__name__)
            self._name = settings.unique_name(base, zero_based=zero_based)

    def _remember_call_arguments(self) -> None:
        try:
            found = inspect.signature(self.call).parameters
        except (TypeError, ValueError):
            found = {}
        self._call_arguments = list(found)
        whatever = any(p.kind is p.VAR_KEYWORD for p in found.values())
        self._expects_training = "training" in found or (whatever and self._takes_anything)
        self._expects_mask = "mask" in found or (whatever and self._takes_anything)

    # Whether a call with **kwargs is passed `training` and `mask`, too.
    _takes_anything = False

    # --- attributes -----------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if not self.__dict__.get("_setattr_tracking", True):
            object.__setattr__(self, name, value)
            return
        value = attribute_of(self, name, value)
        tracked = self.__dict__.get("_tracked")
        if tracked is None and isinstance(value, Layer):
            tracked = {}
            object.__setattr__(self, "_tracked", tracked)
        if tracked is not None and name not in _UNTRACKED:
            if isinstance(value, Layer | Variable) or tracking.holds_parts(value):
                tracked[name] = value
                for variable in tracking.variables_in(value):
                    settings.track(variable)
                if isinstance(value, Variable) and not any(v is value for v in self._own_weights()):
                    kept = self._trainable_weights if value.trainable else self._non_trainable_weights
                    kept.append(value)
            else:
                tracked.pop(name, None)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        value = self.__dict__.get(name)
        tracked = self.__dict__.get("_tracked")
        if tracked is not None:
            tracked.pop(name, None)
        if isinstance(value, Variable):
            for kept in (self._trainable_weights, self._non_trainable_weights):
                kept[:] = [v for v in kept if v is not value]
        object.__delattr__(self, name)

    @property
    def _layers(self) -> Any:
        """The layers among the attributes, those in lists and dicts included; or what a subclass has set."""
        if "_own_layers" in self.__dict__:
            return self.__dict__["_own_layers"]
        tracked = self.__dict__.get("_tracked", {})  # old cells set `trainable` and never call our __init__
        return tracking.unique(tracking.parts(list(tracked.values()), Layer))

    @_layers.setter
    def _layers(self, value: Any) -> None:
        object.__setattr__(self, "_own_layers", value)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The name of its variables' dtype, or None before the first call."""
        return self._dtype

    @property
    def dynamic(self) -> bool:
        """Whether the layer was made with `dynamic`."""
        return self._dynamic

    @property
    def trainable(self) -> bool:
        """Whether its variables are trained; setting it sets those of the layers inside, too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = value
        for layer in self._layers or ():
            layer.trainable = value

    @property
    def activity_regularizer(self) -> Any:
        """The penalty of its outputs, or None."""
        return self._activity_regularizer

    @activity_regularizer.setter
    def activity_regularizer(self, regularizer: Any) -> None:
        self._activity_regularizer = regularizer

    # --- calling --------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Makes the variables; the first call runs it with the inputs' shapes."""
        self.built = True

    def call(self, inputs: Any, **kwargs: Any) -> Any:
        """Computes the result; subclasses say how."""
        return inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs: by default that of the inputs.

        Raises:
          TypeError: the layer takes no masks and was given one.
        """
        if not self.supports_masking:
            if any(m is not None for m in nest.flatten(mask)):
                raise TypeError(
                    f"Layer {self.name} does not support masking, but was passed an input_mask: {mask}"
                )
            return None
        return mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of shape `input_shape`; a layer that has one says which.

        Raises:
          NotImplementedError: it does not say.
        """
        raise NotImplementedError(
            f"Layer {self.name}: {type(self).__name__} does not define `compute_output_shape`."
        )

    def compute_output_signature(self, input_signature: Any) -> Any:
        """Shape and dtype of the outputs for inputs of these shapes and dtypes (`tf.TensorSpec`s)."""
        shape = self.compute_output_shape(nest.map_structure(lambda s: s.shape, input_signature))
        first = nest.flatten(input_signature)[0]
        chosen = dtypes.as_dtype(self._dtype or first.dtype)
        return _mapped_shapes(lambda s: type(first)(s, chosen), shape)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Builds the layer when it is new, then computes `call`.

        Args:
          inputs: nested tensors.
          *args, **kwargs: passed on to `call`.

        Raises:
          ValueError: the inputs are not what the layer takes.
        """
        inputs = nest.map_structure(_as_tensor, inputs)
        masks = self._masks_for(inputs, args, kwargs)
        passed = []
        if self._expects_mask and masks is not None and not self._given("mask", args, kwargs):
            kwargs["mask"] = masks
            passed.append("mask")
        training = self._training_for(args, kwargs)
        if self._expects_training and training is not None and not self._given("training", args, kwargs):
            kwargs["training"] = training
            passed.append("training")
        with calls.entered(self, training, inputs):
            self._check_inputs(inputs)
            self._adopt(inputs)
            with name_scope(self._name_scope()):
                self._build_once(inputs)
                outputs = self._computed(inputs, args, kwargs)
                if self._connects(inputs):
                    arguments = {k: v for k, v in kwargs.items() if k not in passed}
                    outputs = self._connect(inputs, outputs, args, arguments)
                self._regularize_activity(outputs)
                self._attach_masks(inputs, outputs, masks)
        return outputs

    def _computed(self, inputs: Any, args: Any, kwargs: Any) -> Any:
        outputs = prepared(self.call)(inputs, *args, **kwargs)
        if outputs is None:
            raise ValueError(
                "A layer's `call` method should return a Tensor or a list of Tensors, not None "
                f"(layer: {self.name})."
            )
        return outputs

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The same as calling the layer."""
        return self.__call__(inputs, *args, **kwargs)

    def _name_scope(self) -> str | None:
        return self.name

    def _given(self, argument: str, args: Any, kwargs: Any) -> bool:
        """Whether a call has an argument, which may be None."""
        return argument in kwargs or argument in self._call_arguments[1 : len(args) + 1]

    def _training_for(self, args: Any, kwargs: Any) -> Any:
        """The value of `training`: as given, as of the layer around, or as fixed; else None.

        A layer whose `call` does not know the argument hands it to the layers inside.
        """
        if not self._expects_training:
            if "training" in kwargs:
                return kwargs.pop("training")
            return calls.training[-1] if calls.training else None
        if "training" in kwargs:
            return kwargs["training"]
        if self._given("training", args, kwargs):
            return args[self._call_arguments.index("training") - 1]
        if calls.training and calls.training[-1] is not None:
            return calls.training[-1]
        return settings.learning_phase() if settings.phase_is_fixed() else None

    def _masks_for(self, inputs: Any, args: Any, kwargs: Any) -> Any:
        if self._given("mask", args, kwargs):
            return kwargs["mask"] if "mask" in kwargs else args[self._call_arguments.index("mask") - 1]
        flat = [mask_of(t) for t in nest.flatten(inputs)]
        if all(m is None for m in flat):
            return None
        return nest.pack_sequence_as(inputs, flat)

    def _passes_masks(self) -> bool:
        return self.supports_masking or type(self).compute_mask is not Layer.compute_mask

    def _check_inputs(self, inputs: Any) -> None:
        check_inputs(self.input_spec, inputs, self.name)

    def _adopt(self, inputs: Any) -> None:
        """Makes layers of what lies between other layers' outputs and the inputs."""
        if len(calls.layers) > 1:
            return
        flat = nest.flatten(inputs)
        if all(history(t) is not None for t in flat) or not reaches_history(flat):
            return
        late.adopt(flat)

    def _connects(self, inputs: Any) -> bool:
        flat = nest.flatten(inputs)
        return bool(flat) and all(history(t) is not None for t in flat)

    def _connect(self, inputs: Any, outputs: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        arguments = dict(kwargs)
        arguments.update(zip(self._call_arguments[1:], args, strict=False))
        arguments.pop("inputs", None)
        given = {id(t) for t in nest.flatten(inputs)}
        flat = nest.flatten(outputs)
        if any(id(t) in given for t in flat):
            flat = [self._copied(t) if id(t) in given else t for t in flat]
            outputs = nest.pack_sequence_as(outputs, flat)
        Node(self, inputs, outputs, arguments)
        return outputs

    def _copied(self, tensor: Any) -> Tensor:
        with name_scope(self.name):
            return raw.Identity(tensor)

    def _build_once(self, inputs: Any) -> None:
        if self.built:
            return
        self._take_dtype(inputs)
        flat = nest.flatten(inputs)
        found = None
        if all(hasattr(t, "get_shape") for t in flat):
            found = nest.map_structure(lambda t: t.get_shape(), inputs)
        self._build_input_shape = found
        self.build(found)
        self.built = True
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    def _take_dtype(self, inputs: Any) -> None:
        flat = nest.flatten(inputs)
        if not flat or not hasattr(flat[0], "dtype"):
            return
        if self._dtype is None:
            self._dtype = flat[0].dtype.base_dtype.name
        if self._own_compute_dtype is None and self._casts_variables:
            self._own_compute_dtype = flat[0].dtype.base_dtype.name

    def _regularize_activity(self, outputs: Any) -> None:
        if self.activity_regularizer is None:
            return
        with name_scope("ActivityRegularizer"):
            for output in nest.flatten(outputs):
                loss = self.activity_regularizer(output)
                batch = raw.Cast(shape_tensor(output)[0], DstT=loss.dtype.base_dtype)
                self.add_loss(loss / batch, inputs=True)

    def _attach_masks(self, inputs: Any, outputs: Any, masks: Any) -> None:
        flat = nest.flatten(outputs)
        if all(mask_of(t) is not None for t in flat) or getattr(self, "_makes_masks", False):
            return
        found = self.compute_mask(inputs, masks) if self._passes_masks() else None
        if found is None:
            return
        for tensor, mask in zip(flat, nest.flatten(found), strict=False):
            if mask is not None and isinstance(tensor, Tensor):
                tensor._keras_mask = mask

    # --- saving ---------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer.

        Raises:
          NotImplementedError: the class has arguments of its own and does not say which.
        """
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if hasattr(self, "_batch_input_shape"):
            config["batch_input_shape"] = self._batch_input_shape
        config["dtype"] = self._dtype
        if self._dynamic:
            config["dynamic"] = True
        if type(self).get_config is Layer.get_config:
            parameters = inspect.signature(type(self).__init__).parameters
            extra = [p for p, v in parameters.items() if p != "self" and v.kind not in (2, 4)]
            if set(extra) - set(config) - {"dynamic"}:
                raise NotImplementedError("Layers with arguments in `__init__` must override `get_config`.")
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` describes."""
        return cls(**config)

    def _saved_description(self) -> tuple[str, str]:
        """What a SavedModel says of the layer: its kind, and its settings as JSON."""
        return late.description(self) if hasattr(late, "description") else ("_generic_user_object", "")


class SameShape(Layer):
    """A layer whose outputs have the inputs' shape."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The inputs' shape."""
        return input_shape


_UNTRACKED = {
    "_trainable_weights",
    "_non_trainable_weights",
    "_updates",
    "_losses",
    "_callable_losses",
    "_metrics",
    "_tracked",
    "_named_weights",
    "_inbound_nodes",
    "_outbound_nodes",
    "_initial_weights",
    "_call_arguments",
    "input_spec",
}


def _plain(shape: Any) -> tuple[Any, ...]:
    return tuple(shapes.as_dims(shape) or ()) if not isinstance(shape, int) else (shape,)


def _as_tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray | float | int | np.number):
        return to_tensor(value)
    return value


def _mapped_shapes(function: Callable[[Any], Any], shape: Any) -> Any:
    """`function` of each shape in nested shapes."""
    if isinstance(shape, list) and shape and not all(isinstance(d, int | None) for d in shape):
        return [_mapped_shapes(function, s) for s in shape]
    return function(shape)
