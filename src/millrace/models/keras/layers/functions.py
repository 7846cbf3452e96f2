"""A function as a layer, and how it is saved."""

from __future__ import annotations

import base64
import builtins
import contextlib
import importlib
import itertools
import marshal
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core import nest
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import registry, settings
from millrace.lib.variables.creation import variable_creator_scope
from millrace.models.keras.engine.layer import Layer


@public("keras.layers.Lambda")
class Lambda(Layer):
    """A function as a layer.

    Args:
      function: of the inputs.
      output_shape: the outputs' shape without the batch, or a function from the inputs' shape to it.
      mask: the outputs' mask, or a function that makes it.
      arguments: more arguments of the function.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Layer {self.name}: `Lambda` takes a function. Received: {function!r}")
        self.function = function
        self.arguments = arguments or {}
        self.mask = mask
        if mask is not None:
            self.supports_masking = True
        self._output_shape = output_shape
        names = _argument_names(function)
        self._expects_training = "training" in names
        self._expects_mask = "mask" in names
        self._takes = names
        object.__setattr__(self, "_kept_variables", {})

    _kept_variables: dict[str, Any]  # what the function made when it was first called

    def _remember_call_arguments(self) -> None:
        self._call_arguments = ["inputs", "mask", "training"]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of shape `input_shape`.

        Raises:
          NotImplementedError: nobody said and the function tells nothing.
        """
        if self._output_shape is None:
            return self._inferred_shape(input_shape)
        if callable(self._output_shape):
            return TensorShape(self._output_shape(input_shape))
        dims = nest.flatten(input_shape)
        batch = dims[0] if not hasattr(input_shape, "dims_tuple") else input_shape[0].value
        return TensorShape([batch, *self._output_shape])

    def _inferred_shape(self, input_shape: Any) -> Any:
        from millrace.graph.graph import Graph
        from millrace.ops.array.constant import placeholder

        def made(shape: Any) -> Any:
            return placeholder(self._dtype or settings.floatx(), shape)

        with Graph().as_default():
            several = isinstance(input_shape, list) and not all(
                isinstance(d, int | None) for d in input_shape
            )
            inputs = [made(s) for s in input_shape] if several else made(input_shape)
            try:
                return nest.map_structure(lambda t: t.get_shape(), self._applied(inputs))
            except Exception as error:
                raise NotImplementedError(
                    "We could not automatically infer the static shape of the Lambda's output. Please "
                    "specify the `output_shape` argument for this Lambda layer."
                ) from error

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """The function of the inputs."""
        with variable_creator_scope(self._creator()):
            return self._applied(inputs, mask, training)

    def _applied(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        arguments = dict(self.arguments)
        if "mask" in self._takes:
            arguments["mask"] = mask
        if "training" in self._takes:
            arguments["training"] = training
        return self.function(inputs, **arguments)

    def _creator(self) -> Callable[..., Any]:
        """Makes the function's variables the layer's; later calls get those of the first, by their names."""
        taken: set[str] = set()

        def create(following: Callable[..., Any], **arguments: Any) -> Any:
            name = base = str(arguments.get("name") or "Variable")
            for number in itertools.count(1):
                if name not in taken:
                    break
                name = f"{base}_{number}"
            taken.add(name)
            if name not in self._kept_variables:
                variable = following(**arguments)
                self._kept_variables[name] = settings.track(variable)
                self._keep(variable, variable.trainable)
            return self._kept_variables[name]

        return create

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the outputs."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer; a lambda as its code."""
        function, kind, module = _described(self.function)
        shape, shape_kind, shape_module = _described(self._output_shape)
        return {
            **super().get_config(),
            "function": function,
            "module": module,
            "function_type": kind,
            "output_shape": shape,
            "output_shape_type": shape_kind,
            "output_shape_module": shape_module,
            "arguments": self.arguments,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """The layer that `get_config` describes."""
        config = dict(config)
        config["function"] = _function_of(config, "function", custom_objects)
        config["output_shape"] = _function_of(config, "output_shape", custom_objects)
        arguments = config.get("arguments")
        for key, value in (arguments or {}).items():
            if isinstance(value, dict) and value.get("type") == "ndarray":
                arguments[key] = np.array(value["value"])  # type: ignore[index]
        return cls(**config)


def _argument_names(function: Any) -> list[str]:
    code = getattr(function, "__code__", None)
    if code is None and not isinstance(function, type):
        code = getattr(getattr(type(function), "__call__"), "__code__", None)  # noqa: B004, B009
    return list(code.co_varnames[: code.co_argcount]) if code is not None else []


def _described(thing: Any) -> tuple[Any, str, Any]:
    if isinstance(thing, types.FunctionType) and not _of_this_package(thing):
        return _dumped(thing), "lambda", thing.__module__
    if callable(thing):
        return thing.__name__, "function", thing.__module__
    return thing, "raw", None


def _of_this_package(function: types.FunctionType) -> bool:
    """Whether a function is one of ours, which any process finds again by its name."""
    return str(function.__globals__.get("__name__")).partition(".")[0] == __name__.partition(".")[0]


def _dumped(function: Any) -> tuple[str, Any, Any]:
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    cells = tuple(c.cell_contents for c in function.__closure__) if function.__closure__ else None
    return code, function.__defaults__, cells


def _function_of(config: dict[str, Any], what: str, custom_objects: Any) -> Any:
    kind = config.pop(f"{what}_type", "raw")
    module = config.pop("module" if what == "function" else f"{what}_module", None)
    given = config[what]
    if kind == "function":
        known = {}
        if module:
            try:
                known = vars(importlib.import_module(module))
            except ImportError:
                known = {}
        return registry.deserialize_keras_object(
            given, dict(known), custom_objects, "function in Lambda layer"
        )
    if kind == "lambda":
        return _loaded(given, module, custom_objects)
    return tuple(given) if isinstance(given, list) else given


def _loaded(given: Any, module: str | None, custom_objects: Any) -> Any:
    code, defaults, cells = given
    loaded = marshal.loads(base64.decodebytes(code.encode("ascii")))
    closure = tuple(types.CellType(c) for c in cells) if cells else None
    names: dict[str, Any] = {"__builtins__": builtins, "__name__": __name__}
    if module:
        with contextlib.suppress(ImportError):
            names = vars(importlib.import_module(module))
    if custom_objects:
        names = {**names, **custom_objects}
    return types.FunctionType(loaded, names, argdefs=tuple(defaults) if defaults else None, closure=closure)
