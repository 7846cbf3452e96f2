"""What a SavedModel serves: functions that were drawn once, whose arguments and results have names."""

from __future__ import annotations

from typing import Any

from millrace.core import nest
from millrace.graph.tensor import Tensor
from millrace.lib.functions.concrete import Argument, ConcreteFunction
from millrace.lib.functions.polymorphic import Function
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.object_nodes import CONCRETE, POLYMORPHIC, children
from millrace.saver.saved_model.restored import RestoredConcrete, RestoredFunction


def _signature_of(function: Any) -> Any:
    """The drawing that a function has as a signature, None without one."""
    if isinstance(function, CONCRETE):
        return function
    if isinstance(function, Function) and function.input_signature is not None:
        return function.get_concrete_function()
    if isinstance(function, RestoredFunction) and function.input_signature is not None:
        return function.concrete_functions[0] if len(function.concrete_functions) == 1 else None
    return None


def wanted_signatures(obj: Any, signatures: Any) -> dict[str, Any]:
    """The drawings to export, by key.

    Raises:
      ValueError: one is not a function that was drawn once.
    """
    if signatures is None:
        found = _of_model(obj)
        if not found:
            drawn = [_signature_of(f) for _, f in children(obj) if isinstance(f, POLYMORPHIC)]
            found = [f for f in drawn if f is not None]
        signatures = found[0] if len(found) == 1 else {}
    if not isinstance(signatures, dict):
        signatures = {constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signatures}
    made = {}
    for key, function in signatures.items():
        concrete = _signature_of(function)
        if concrete is None:
            raise ValueError(
                "Expected a TensorFlow function to generate a signature for; only tf.functions with an input "
                f"signature or concrete functions can be used as a signature. Received: {function!r}"
            )
        made[key] = concrete
    return made


def _of_model(obj: Any) -> list[ConcreteFunction]:
    """What a Keras model does with its inputs, by name; nothing for other objects."""
    names, results = getattr(obj, "input_names", None), getattr(obj, "output_names", None)
    if not names or not results or not callable(obj):
        return []
    inputs = nest.flatten(obj.inputs)
    arguments = [Argument(t.dtype.base_dtype, t.dims, n) for t, n in zip(inputs, names, strict=True)]

    def run(*tensors: Tensor) -> dict[str, Tensor]:
        nested = getattr(obj, "_nested_inputs", tensors[0] if len(tensors) == 1 else list(tensors))
        settings = {"training": False} if getattr(obj, "_expects_training", True) else {}
        given = obj(nest.pack_sequence_as(nested, list(tensors)), **settings)
        return dict(zip(results, nest.flatten(given), strict=True))

    return [ConcreteFunction(run, "serving_default", arguments, names, may_create=False)]


def _named_outputs(result: Any, name: str) -> dict[str, Tensor]:
    """Results by name.

    Raises:
      ValueError: they nest deeper, or are not tensors.
    """
    if isinstance(result, Tensor):
        return {"output_0": result}
    if isinstance(result, list | tuple):
        result = {f"output_{i}": value for i, value in enumerate(result)}
    if not isinstance(result, dict):
        raise ValueError(
            f"The function {name!r} used to generate a SavedModel signature must give tensors. "
            f"Received: {result!r}"
        )
    for key, value in result.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"The function {name!r} used to generate a SavedModel signature must give one Tensor by "
                f"string key. Received: {value!r} for key {key!r}"
            )
    return result


def argument_names(concrete: Any) -> list[str]:
    """The names by which a drawing takes its tensors."""
    if isinstance(concrete, RestoredConcrete):
        return concrete._names() if concrete.keywords is None else concrete.keywords
    return list(concrete._keywords) or [a.name for a in concrete._arguments]


def wrapper_of(concrete: Any) -> ConcreteFunction:
    """A function whose results have names, as signatures have them."""
    names = argument_names(concrete)
    given = list(concrete.inputs[: len(names)])
    arguments = [Argument(t.dtype.base_dtype, t.dims, n) for t, n in zip(given, names, strict=True)]
    return ConcreteFunction(
        lambda *tensors: _named_outputs(concrete.called(tensors), concrete.name),
        "signature_wrapper", arguments, names, may_create=False,
    )  # fmt: skip
