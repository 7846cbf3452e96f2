"""`Optimizer`: settings that are variables, slots for each weight, and the update."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from millrace.autodiff.gradients import gradients as graph_gradients
from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import control_dependencies, init_scope, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import settings
from millrace.lib.linalg.norms import clip_by_norm
from millrace.lib.math.functions import clip_by_value
from millrace.lib.variables import keras_initializers
from millrace.lib.variables.variable import Variable
from millrace.models.keras.backend import session
from millrace.models.keras.optimizers import schedules
from millrace.ops.math.cast import cast
from millrace.training.optimizers.optimizer import deduplicated


@public("keras.optimizers.Optimizer")
class Optimizer:
    """Base of optimizers.

    Args:
      name: its name and the scope of its operations.
      **kwargs: `clipnorm`, `clipvalue`: bounds of the gradients; `lr`: another name of `learning_rate`;
        `decay`: how fast the learning rate falls, 1 / (1 + decay * step).

    Raises:
      TypeError: another keyword.
      ValueError: a negative one.
    """

    _use_locking = True
    _once_uncounted = False  # whether older files hold its slots without the step count

    def __init__(self, name: str, **kwargs: Any) -> None:
        allowed = {"clipnorm", "clipvalue", "lr", "decay"}
        for keyword, value in kwargs.items():
            if keyword not in allowed:
                raise TypeError(f"Unexpected keyword argument passed to optimizer: {keyword}")
            if value is not None and isinstance(value, int | float) and value < 0:
                raise ValueError(f"Expected {keyword} >= 0, received: {value}")
        self._name = name
        self._hyper: dict[str, Any] = {}
        self._slots: dict[Any, dict[str, Any]] = {}
        self._own_variables: dict[str, Any] = {}  # those that are not slots, by name
        self._slot_names: list[str] = []
        self._weights: list[Any] = []
        self._iterations: Any = None
        self._hypers_created = False
        decay = kwargs.pop("decay", 0.0)
        self._initial_decay = decay
        if "clipnorm" in kwargs:
            self.clipnorm = kwargs.pop("clipnorm")
        if "clipvalue" in kwargs:
            self.clipvalue = kwargs.pop("clipvalue")

    def minimize(self, loss: Any, var_list: Any, grad_loss: Any = None, name: str | None = None) -> Any:
        """The operation that changes weights so that `loss` falls.

        Args:
          loss: a tensor, or a function that makes one.
          var_list: the weights, or a function that gives them.
          grad_loss: the gradient of `loss`; default 1.
          name: of the operation.
        """
        pairs = self._compute_gradients(loss, var_list=var_list, grad_loss=grad_loss)
        return self.apply_gradients(pairs, name=name)

    def _compute_gradients(self, loss: Any, var_list: Any, grad_loss: Any = None) -> list[Any]:
        loss = loss() if callable(loss) and not isinstance(loss, Tensor) else loss
        variables = settings.as_list(var_list() if callable(var_list) else var_list)
        with name_scope(self._name + "/gradients"):
            found = graph_gradients(loss, variables, grad_loss)
        return list(zip(self._clipped(found), variables, strict=True))

    def _clipped(self, gradients: list[Any]) -> list[Any]:
        norm, value = getattr(self, "clipnorm", None), getattr(self, "clipvalue", None)
        if norm is not None:
            gradients = [None if g is None else clip_by_norm(g, norm) for g in gradients]
        if value is not None:
            gradients = [None if g is None else clip_by_value(g, -value, value) for g in gradients]
        return gradients

    def get_gradients(self, loss: Any, params: Any) -> list[Any]:
        """The gradients of `loss` with respect to `params`, within the bounds.

        Raises:
          ValueError: a gradient is missing.
        """
        with name_scope(self._name + "/gradients"):
            found = graph_gradients(loss, params)
            for gradient, parameter in zip(found, params, strict=True):
                if gradient is None:
                    raise ValueError(
                        f"Variable {parameter} has `None` for gradient. Please make sure that all of your "
                        "ops have a gradient defined (i.e. are differentiable). Common ops without "
                        "gradient: K.argmax, K.round, K.eval."
                    )
            return self._clipped(found)

    def apply_gradients(self, grads_and_vars: Any, name: str | None = None) -> Any:
        """The operation that changes weights by their gradients.

        Args:
          grads_and_vars: pairs of a gradient and a weight; those without a gradient stay as they are.
          name: scope of the updates; default the optimizer's.

        Raises:
          ValueError: no weight has a gradient.
        """
        pairs = [(g, v) for g, v in grads_and_vars]
        found = [(g, v) for g, v in pairs if g is not None]
        if pairs and not found:
            raise ValueError(f"No gradients provided for any variable: {[v.name for _, v in pairs]}.")
        variables = [v for _, v in found]
        with name_scope(self._name):
            with init_scope():
                _ = self.iterations
                self._create_hypers()
                self._create_slots(variables)
            return self._update(found, self._prepare(variables), name)

    def _update(self, pairs: list[Any], apply_state: Any, name: str | None) -> Any:
        updates = []
        with name_scope(name or self._name):
            for gradient, variable in pairs:
                with name_scope("update_" + variable.op.name):
                    updates.append(self._constrained(gradient, variable, apply_state))
            with control_dependencies([u for u in updates if u is not None]):
                return self.iterations.assign_add(1).op

    def _constrained(self, gradient: Any, variable: Any, apply_state: Any) -> Any:
        if isinstance(gradient, IndexedSlices):
            if variable.constraint is not None:
                raise RuntimeError("Cannot use a constraint function on a sparse variable.")
            return self._resource_apply_sparse_duplicate_indices(
                gradient.values, variable, gradient.indices, **_told(self._resource_apply_sparse, apply_state)
            )
        update = self._resource_apply_dense(
            gradient, variable, **_told(self._resource_apply_dense, apply_state)
        )
        if variable.constraint is None:
            return update
        with control_dependencies([update]):
            return variable.assign(variable.constraint(variable)).op

    def get_updates(self, loss: Any, params: Any) -> list[Any]:
        """The operations of one step."""
        gradients = self.get_gradients(loss, params)
        return [self.apply_gradients(list(zip(gradients, params, strict=True)))]

    # --- what subclasses say --------------------------------------------------------------------------------

    def _create_slots(self, variables: list[Any]) -> None:
        """Makes the slots of all weights."""

    def _prepare(self, var_list: list[Any]) -> dict[tuple[str, Any], dict[str, Any]]:
        """What the updates share: for each device and dtype of the weights, tensors by name."""
        apply_state: dict[tuple[str, Any], dict[str, Any]] = {}
        for variable in var_list:
            place = _place(variable)
            if place not in apply_state:
                apply_state[place] = {}
                self._prepare_local(*place, apply_state)
        return apply_state

    def _prepare_local(self, var_device: str, var_dtype: Any, apply_state: Any) -> None:
        """Puts what the updates of weights of a device and a dtype share into `apply_state`."""
        apply_state[var_device, var_dtype].update(self._coefficients(var_dtype))

    def _fallback_apply_state(self, var_device: str, var_dtype: Any) -> dict[str, Any]:
        """What the updates of weights of a device and a dtype share, where nobody prepared it."""
        apply_state: dict[tuple[str, Any], dict[str, Any]] = {(var_device, var_dtype): {}}
        self._prepare_local(var_device, var_dtype, apply_state)
        return apply_state[var_device, var_dtype]

    def _coefficients(self, dtype: dtypes.DType) -> dict[str, Any]:
        """What the updates of all weights of a dtype use."""
        return {"lr_t": raw.Identity(self._decayed_lr(dtype))} if "learning_rate" in self._hyper else {}

    def _step(self, variable: Any, apply_state: Any) -> dict[str, Any]:
        place = _place(variable)
        return (apply_state or {}).get(place) or self._fallback_apply_state(*place)

    def _resource_apply_dense(self, grad: Any, var: Any, apply_state: Any = None) -> Any:
        """The operation that changes a weight."""
        return self._apply_dense(grad, var, self._step(var, apply_state))

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Any, apply_state: Any = None) -> Any:
        """The operation that changes rows of a weight; no row comes twice."""
        return self._apply_sparse(grad, var, indices, self._step(var, apply_state))

    def _resource_apply_sparse_duplicate_indices(
        self, grad: Any, var: Any, indices: Any, **kwargs: Any
    ) -> Any:
        """The operation that changes rows of a weight; of rows that come twice the gradients are added."""
        values, rows = deduplicated(grad, indices)
        return self._resource_apply_sparse(values, var, rows, **kwargs)

    def _resource_scatter_add(self, x: Any, i: Any, v: Any) -> Any:
        """The weight `x` after rows `v` were added to its rows `i`."""
        with control_dependencies([raw.ResourceScatterAdd(x.handle, i, v)]):
            return x.value()

    def _resource_scatter_update(self, x: Any, i: Any, v: Any) -> Any:
        """The weight `x` after its rows `i` were set to `v`."""
        with control_dependencies([raw.ResourceScatterUpdate(x.handle, i, v)]):
            return x.value()

    def _apply_dense(self, grad: Any, var: Any, step: dict[str, Any]) -> Any:
        """The operation that changes a weight."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to change a weight.")

    def _apply_sparse(self, grad: Any, var: Any, indices: Any, step: dict[str, Any]) -> Any:
        """The operation that changes rows of a weight; no row comes twice."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to change rows of a weight.")

    # --- settings -------------------------------------------------------------------------------------------

    def _set_hyper(self, name: str, value: Any) -> None:
        before = self._hyper.get(name)
        if isinstance(before, Variable):
            if isinstance(value, int | float | np.ndarray | np.number):
                session.set_value(before, value)
                return
            if callable(value):
                self._hyper[name] = value
                return
        self._hyper[name] = value

    def _get_hyper(self, name: str, dtype: Any = None) -> Any:
        if not self._hypers_created:
            self._create_hypers()
        value = self._hyper[name]
        if isinstance(value, schedules.LearningRateSchedule):
            return value
        if callable(value) and not isinstance(value, Tensor | Variable):
            value = value()
        as_it_is = dtype is None or (isinstance(value, Variable) and value.dtype.base_dtype is dtype)
        return value if as_it_is else cast(value, dtype)

    def _create_hypers(self) -> None:
        if self._hypers_created:
            return
        for name, value in sorted(self._hyper.items()):
            if isinstance(value, Tensor | Variable) or callable(value):
                continue
            self._hyper[name] = self.add_weight(name, (), trainable=False, initializer=value)
        self._hypers_created = True

    def _serialize_hyperparameter(self, name: str) -> Any:
        value = self._hyper[name]
        if isinstance(value, schedules.LearningRateSchedule):
            return schedules.serialize(value)
        if callable(value) and not isinstance(value, Tensor | Variable):
            return value()
        if isinstance(value, Tensor | Variable):
            return session.get_value(value)
        return value

    def __getattribute__(self, name: str) -> Any:
        try:
            return super().__getattribute__(name)
        except AttributeError:
            if name == "_hyper" or "_hyper" not in self.__dict__:
                raise
            key = "learning_rate" if name == "lr" else name
            if key in self._hyper:
                return self._get_hyper(key)
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        key = "learning_rate" if name == "lr" else name
        if key in self.__dict__.get("_hyper", {}):
            self._set_hyper(key, value)
        else:
            super().__setattr__(name, value)

    def _decayed_lr(self, dtype: dtypes.DType) -> Any:
        """The learning rate of the current step."""
        rate = self._get_hyper("learning_rate", dtype)
        if isinstance(rate, schedules.LearningRateSchedule):
            rate = cast(rate(cast(self.iterations, dtype)), dtype)
        if self._initial_decay and self._initial_decay > 0.0:
            step = cast(self.iterations, dtype)
            rate = rate / (1.0 + self._get_hyper("decay", dtype) * step)
        return rate

    def _value(self, name: str, dtype: dtypes.DType) -> Tensor:
        """A setting as a tensor."""
        return raw.Identity(self._get_hyper(name, dtype))

    # --- weights --------------------------------------------------------------------------------------------

    @property
    def iterations(self) -> Any:
        """The variable that counts the steps."""
        if self._iterations is None:
            self._iterations = self.add_weight("iter", (), dtype=dtypes.int64, trainable=False)
            self._weights.append(self._iterations)
        return self._iterations

    @iterations.setter
    def iterations(self, variable: Any) -> None:
        if self._iterations is not None:
            raise RuntimeError(
                "Cannot set `iterations` to a new Variable after the Optimizer weights have been created"
            )
        self._iterations = variable
        self._weights.append(variable)

    def add_weight(
        self,
        name: str,
        shape: Any,
        dtype: Any = None,
        initializer: Any = "zeros",
        trainable: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Any:
        """A variable of the optimizer."""
        chosen = dtypes.as_dtype(dtype or dtypes.float32)
        first = initializer
        if isinstance(initializer, str) or callable(initializer):
            maker = keras_initializers.get(initializer)

            def first() -> Any:
                return maker(list(shape), dtype=chosen)

        made = Variable(first, name=name, dtype=chosen, trainable=bool(trainable), use_resource=True)
        self._own_variables[name] = made
        return settings.track(made)

    def add_slot(self, var: Any, slot_name: str, initializer: Any = "zeros") -> Any:
        """The slot of a weight: a variable of its shape, made when it is first asked for."""
        if slot_name not in self._slot_names:
            self._slot_names.append(slot_name)
        slots = self._slots.setdefault(_key(var), {})
        if slot_name not in slots:
            maker = keras_initializers.get(initializer) if isinstance(initializer, str) else initializer
            shape, dtype = var.shape.as_list(), var.dtype.base_dtype

            def first() -> Any:
                return maker(shape, dtype=dtype)

            name = f"{var._shared_name}/{slot_name}"
            made = Variable(first, name=name, dtype=dtype, trainable=False, use_resource=True)
            slots[slot_name] = settings.track(made)
            self._weights.append(made)
        return slots[slot_name]

    def get_slot(self, var: Any, slot_name: str) -> Any:
        """The slot of a weight."""
        return self._slots[_key(var)][slot_name]

    def _slot_of(self, var: Any, slot_name: str) -> Any:
        """The slot of a weight, or None."""
        return self._slots.get(_key(var), {}).get(slot_name)

    def _trackable_children(self) -> list[tuple[str, Any]]:
        """What checkpoints of objects hold beside the slots."""
        hyper = {n: v for n, v in self._hyper.items() if isinstance(v, Variable)}
        first = {} if self._iterations is None else {"iter": self._iterations}
        rest = {n: v for n, v in self._own_variables.items() if n not in hyper}
        return list({**first, **dict(sorted(hyper.items())), **rest}.items())

    def _saved_description(self) -> tuple[str, str]:
        """What a SavedModel says of the optimizer."""
        return "optimizer", ""

    def get_slot_names(self) -> list[str]:
        """The names of the slots."""
        return self._slot_names

    @property
    def weights(self) -> list[Any]:
        """The step count and the slots."""
        return self._weights

    def variables(self) -> list[Any]:
        """The step count and the slots."""
        return self._weights

    def get_weights(self) -> list[Any]:
        """The values of the step count and the slots."""
        return session.batch_get_value(self.weights)

    def set_weights(self, weights: Any) -> None:
        """Sets the values of the step count and the slots.

        Raises:
          ValueError: their number or shapes differ.
        """
        variables = self.weights
        if self._once_uncounted and len(weights) == len(variables) - 1:
            weights = [np.array(0), *weights]
        if len(variables) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on optimizer {self._name} with a weight list of length "
                f"{len(weights)}, but the optimizer was expecting {len(variables)} weights. Provided "
                f"weights: {str(weights)[:50]}..."
            )
        for variable, value in zip(variables, weights, strict=True):
            if tuple(variable.shape.as_list()) != np.shape(value):
                raise ValueError(
                    f"Optimizer weight shape {tuple(variable.shape.as_list())} not compatible with provided "
                    f"weight shape {np.shape(value)}"
                )
        session.batch_set_value(list(zip(variables, weights, strict=True)))

    # --- saving ---------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        config: dict[str, Any] = {"name": self._name}
        for bound in ("clipnorm", "clipvalue"):
            if hasattr(self, bound):
                config[bound] = getattr(self, bound)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The optimizer that `get_config` describes."""
        config = dict(config)
        if "lr" in config:
            config["learning_rate"] = config.pop("lr")
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = schedules.deserialize(config["learning_rate"], custom_objects)
        return cls(**config)


def _place(variable: Any) -> tuple[str, Any]:
    return variable.device, variable.dtype.base_dtype


def _told(method: Any, apply_state: Any) -> dict[str, Any]:
    """The shared tensors as keywords of a method, where it takes them."""
    return {"apply_state": apply_state} if "apply_state" in inspect.signature(method).parameters else {}


def _key(variable: Any) -> Any:
    return variable.graph, variable.op.name


def assigned(variable: Any, value: Any) -> Any:
    """The new value of a variable, once it is set."""
    return convert.to_tensor(variable.assign(value))


def moved_rows(average: Any, kept: Any, change: Any, indices: Any) -> Any:
    """An average of which all rows shrink and some are added to: its new value."""
    shrunk = average.assign(average * kept)
    with control_dependencies([shrunk.op]):
        added = raw.ResourceScatterAdd(average.handle, indices, change)
    with control_dependencies([added]):
        return raw.Identity(average.value())
