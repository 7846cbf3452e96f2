"""`Layer`: a function with variables of its own, made at its first call. The base of all layers.

`tf.layers.Layer` (in `legacy.py`) is one whose variables come from `tf.get_variable`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import colocate_with, name_scope
from millrace.core import dtypes, nest, shapes
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.autograph.gate import prepared
from millrace.lib.layers import constraints, penalties, settings, tracking
from millrace.lib.layers.autocast import AutoCastVariable
from millrace.lib.layers.node import Node, at, history, int_shape, mask_of, reachable_from, reaches_history
from millrace.lib.layers.registry import calls
from millrace.lib.layers.spec import check_inputs
from millrace.lib.variables import keras_initializers
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.module import Module
from millrace.lib.variables.variable import Variable


class Late:
    """What the base needs of its descendants: set where those are defined.

    Attributes:
      mean: a function from a name to a metric that averages.
      adopt: makes layers of the operations between layers' outputs and given tensors.
      get_values, set_values: read and write variables in the session of Keras.
    """

    mean: Callable[..., Any]
    adopt: Callable[[Any], None]
    get_values: Callable[[list[Any]], list[Any]]
    set_values: Callable[[list[tuple[Any, Any]]], None]


late = Late()

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


class Layer(Module):
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

    _trainable_weights: list[Any]
    _non_trainable_weights: list[Any]
    _updates: list[Any]
    _losses: list[Any]
    _callable_losses: list[Any]
    _metrics: list[Any]
    _metrics_tensors: dict[str, Any]
    _tracked: dict[str, Any]  # attributes that hold layers or variables
    _named_weights: dict[str, Any]  # by the names given to `add_weight`

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
        set_plainly(self, "_metrics_tensors", {})
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
        tracked = self.__dict__.get("_tracked")
        if tracked is not None and name not in _UNTRACKED:
            if isinstance(value, Layer | Variable) or tracking.holds_parts(value):
                tracked[name] = value
                if isinstance(value, Variable) and not any(v is value for v in self._own_weights()):
                    kept = self._trainable_weights if value.trainable else self._non_trainable_weights
                    kept.append(settings.track(value))
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

    def _own_weights(self) -> list[Any]:
        return [*self._trainable_weights, *self._non_trainable_weights]

    @property
    def _layers(self) -> list[Any]:
        """The layers among the attributes, those in lists and dicts included."""
        tracked = self.__dict__.get("_tracked", {})  # old cells set `trainable` and never call our __init__
        return tracking.unique(tracking.parts(list(tracked.values()), Layer))

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
        for layer in self._layers:
            layer.trainable = value

    @property
    def activity_regularizer(self) -> Any:
        """The penalty of its outputs, or None."""
        return self._activity_regularizer

    @activity_regularizer.setter
    def activity_regularizer(self, regularizer: Any) -> None:
        self._activity_regularizer = regularizer

    # --- weights --------------------------------------------------------------------------------------------

    def _of_children(self, attribute: str) -> list[Any]:
        return [item for layer in self._layers for item in getattr(layer, attribute)]

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
        dims = [] if shape is None else [shapes.as_dim(d) for d in shape]
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
        return tracking.children({**self._named_weights, **self._tracked})

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

    # --- updates, losses, metrics ---------------------------------------------------------------------------

    @property
    def updates(self) -> list[Any]:
        """Operations that training must run beside the step."""
        if not self.trainable and not self.stateful:
            return []
        return [*self._updates, *self._of_children("updates")]

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds operations that training must run beside the step.

        Args:
          updates: an operation, the result of an assignment, a function that makes one, or a list.
          inputs: ignored: whether an update depends on the inputs is seen in the graph.
        """
        relevant = nest.flatten(inputs) if inputs is not None else _relevant_inputs(self)
        test = None
        for update in settings.as_list(updates):
            update = update() if callable(update) else update
            if not isinstance(update, Operation):
                update = getattr(update, "op", None) or to_tensor(update).op
            if test is None:
                test = reachable_from(relevant)
            setattr(update, "_unconditional_update", not test(update))  # noqa: B010 - operations have slots
            self._updates.append(update)

    @property
    def losses(self) -> list[Any]:
        """Losses to add to the model's; those of weights are computed anew each time."""
        found = list(self._losses)
        for make in self._callable_losses:
            loss = make()
            if loss is not None:
                found.append(loss)
        return found + self._of_children("losses")

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds losses to the model's.

        Args:
          losses: a scalar tensor, a function that makes one, or a list.
          inputs: tensors that the losses depend on; None for losses of the layer's weights.
        """

        def made(loss: Any) -> Any:
            loss = loss() if callable(loss) else loss
            if loss is None:
                return None
            if not isinstance(loss, Tensor):
                loss = to_tensor(loss, dtypes.as_dtype(settings.floatx()))
            loss._unconditional_loss = inputs is None
            return loss

        for loss in nest.flatten(losses):
            if callable(loss) and not isinstance(loss, Tensor | Variable):
                self._callable_losses.append(functools.partial(made, loss))
            elif loss is not None:
                self._take_loss(made(loss))

    def _take_loss(self, loss: Any) -> None:
        self._losses.append(loss)

    @property
    def metrics(self) -> list[Any]:
        """Metrics that the layer and those inside it watch."""
        return [*self._metrics, *self._of_children("metrics")]

    def add_metric(self, value: Any, aggregation: str | None = None, name: str | None = None) -> None:
        """Watches a tensor while training.

        Args:
          value: the tensor, or the result of a metric.
          aggregation: "mean" averages it over the batches; None for the result of a metric.
          name: what the figure is called.

        Raises:
          ValueError: the name or the aggregation is missing.
        """
        if aggregation is not None and aggregation != "mean":
            raise ValueError(
                "We currently support only `mean` sample-wise metric aggregation. You provided "
                f"aggregation=`{aggregation}`"
            )
        metric = getattr(value, "_metric_obj", None)
        if name is None and metric is None:
            raise ValueError(
                "Please provide a name for your metric like "
                "`self.add_metric(tf.reduce_sum(inputs), name='mean_activation', aggregation='mean')`"
            )
        if metric is None and aggregation is None:
            raise ValueError(
                "Please provide `aggregation` for a metric that is a tensor: "
                f"`self.add_metric(value, name={name!r}, aggregation='mean')`"
            )
        self._watch(value, metric, name or ("" if metric is None else metric.name))

    def _watch(self, value: Any, metric: Any, name: str) -> None:
        if metric is not None:
            if metric not in self._metrics:
                self._metrics.append(metric)
            self._metrics_tensors[metric.name] = value
            return
        known = next((m for m in self._metrics if m.name == name), None)
        if known is None:
            known = late.mean(name=name, dtype=value.dtype.base_dtype)
            self._metrics.append(known)
        self._metrics_tensors[name] = known(value)

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """The updates that depend on `inputs`, or for None those that depend on none."""
        if inputs is None:
            return [u for u in self.updates if getattr(u, "_unconditional_update", True)]
        test = reachable_from(nest.flatten(inputs))
        found = [u for u in self.updates if not getattr(u, "_unconditional_update", True)]
        return [u for u in found if test(u)]

    def get_losses_for(self, inputs: Any) -> list[Any]:
        """The losses that depend on `inputs`, or for None those of weights."""
        if inputs is None:
            return [loss for loss in self.losses if getattr(loss, "_unconditional_loss", True)]
        test = reachable_from(nest.flatten(inputs))
        found = [loss for loss in self.losses if not getattr(loss, "_unconditional_loss", True)]
        return [loss for loss in found if test(loss)]

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
        """The shape of the outputs for inputs of shape `input_shape`."""
        return input_shape

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
        if kwargs.get(argument) is not None:
            return True
        if argument in self._call_arguments:
            place = self._call_arguments.index(argument) - 1
            return place < len(args) and args[place] is not None
        return False

    def _training_for(self, args: Any, kwargs: Any) -> Any:
        """The value of `training`: as given, as of the layer around, or as fixed; else None."""
        if not self._expects_training:
            return calls.training[-1] if calls.training else None
        if kwargs.get("training") is not None:
            return kwargs["training"]
        if self._given("training", args, kwargs):
            return args[self._call_arguments.index("training") - 1]
        if calls.training and calls.training[-1] is not None:
            return calls.training[-1]
        return settings.learning_phase() if settings.phase_is_fixed() else None

    def _masks_for(self, inputs: Any, args: Any, kwargs: Any) -> Any:
        if self._given("mask", args, kwargs):
            return kwargs.get("mask")
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
            copy = raw.Identity(tensor)
        mask = mask_of(tensor)
        if mask is not None:
            copy._keras_mask = mask
        return copy

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

    # --- calls that were made -------------------------------------------------------------------------------

    @property
    def inbound_nodes(self) -> list[Any]:
        """The calls of this layer."""
        return self._inbound_nodes

    @property
    def outbound_nodes(self) -> list[Any]:
        """The calls that take its outputs."""
        return self._outbound_nodes

    def get_input_at(self, node_index: int) -> Any:
        """The inputs of call number `node_index`."""
        return at(self, node_index, "input_tensors", "input")

    def get_output_at(self, node_index: int) -> Any:
        """The outputs of call number `node_index`."""
        return at(self, node_index, "output_tensors", "output")

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shapes of the inputs of call number `node_index`."""
        return at(self, node_index, "input_shapes", "input shape")

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shapes of the outputs of call number `node_index`."""
        return at(self, node_index, "output_shapes", "output shape")

    def get_input_mask_at(self, node_index: int) -> Any:
        """The masks of the inputs of call number `node_index`."""
        inputs = self.get_input_at(node_index)
        return [mask_of(t) for t in inputs] if isinstance(inputs, list) else mask_of(inputs)

    def get_output_mask_at(self, node_index: int) -> Any:
        """The masks of the outputs of call number `node_index`."""
        outputs = self.get_output_at(node_index)
        return [mask_of(t) for t in outputs] if isinstance(outputs, list) else mask_of(outputs)

    def _only(self, what: str) -> int:
        nodes = self._inbound_nodes
        if not nodes:
            raise AttributeError(f"Layer {self.name} is not connected, no {what} to return.")
        if len(nodes) > 1:
            raise AttributeError(
                f"Layer {self.name} has multiple inbound nodes, hence the notion of 'layer {what}' is "
                f"ill-defined. Use `get_{what}_at(node_index)` instead."
            )
        return 0

    @property
    def input(self) -> Any:
        """The inputs of the only call."""
        return self.get_input_at(self._only("input"))

    @property
    def output(self) -> Any:
        """The outputs of the only call."""
        return self.get_output_at(self._only("output"))

    @property
    def input_mask(self) -> Any:
        """The masks of the inputs of the only call."""
        return self.get_input_mask_at(self._only("input"))

    @property
    def output_mask(self) -> Any:
        """The masks of the outputs of the only call."""
        return self.get_output_mask_at(self._only("output"))

    def _shape(self, attribute: str, what: str) -> Any:
        nodes = self._inbound_nodes
        if not nodes:
            raise AttributeError(f"The layer has never been called and thus has no defined {what} shape.")
        found = [getattr(node, attribute) for node in nodes]
        if any(str(f) != str(found[0]) for f in found):
            raise AttributeError(
                f'The layer "{self.name}" has multiple inbound nodes, with different {what} shapes. Hence '
                f"the notion of '{what} shape' is ill-defined. Use `get_{what}_shape_at(node_index)`."
            )
        return found[0]

    @property
    def input_shape(self) -> Any:
        """The shape of the inputs, where all calls agree."""
        return self._shape("input_shapes", "input")

    @property
    def output_shape(self) -> Any:
        """The shape of the outputs, where all calls agree."""
        return self._shape("output_shapes", "output")

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


_UNTRACKED = {
    "_trainable_weights",
    "_non_trainable_weights",
    "_updates",
    "_losses",
    "_callable_losses",
    "_metrics",
    "_metrics_tensors",
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


def _relevant_inputs(layer: Any) -> list[Any]:
    """The inputs of the call in progress, or of a layer's calls so far."""
    if calls.in_call:
        return nest.flatten(calls.inputs[-1])
    return [t for node in layer._inbound_nodes for t in nest.flatten(node.input_tensors)]


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


def _made(name: Any, dims: list[Any], dtype: Any, maker: Any, **settings_: Any) -> Any:
    chosen = maker() if isinstance(maker, type) else maker
    return Variable(lambda: chosen(dims, dtype=dtype), name=name, dtype=dtype, **settings_)
