"""Models in SavedModels of objects: what `save_format="tf"` writes, and what is made of such folders."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from millrace.core import late as modules
from millrace.core import nest
from millrace.datasets.specs import TensorSpec
from millrace.lib.functions.polymorphic import function
from millrace.lib.layers import registry, settings
from millrace.lib.layers.descendants import late
from millrace.lib.variables.variable import Variable
from millrace.models.keras.backend import session
from millrace.models.keras.engine import configuration, network
from millrace.models.keras.saving import training
from millrace.saver.saved_model import constants, exporting
from millrace.saver.saved_model.loader import read_saved_model
from millrace.saver.saved_model.objects import load_v2
from millrace.saver.tracking import ObjectGraph

_PREFIX = "_tf_keras_"


# --- to a folder --------------------------------------------------------------------------------------------


def write(model: Any, path: str, include_optimizer: bool, signatures: Any) -> None:
    """Writes a model with its variables, a function that calls it, and its description.

    Args:
      model: called before, or made of inputs and outputs.
      path: the folder.
      include_optimizer: whether to write how it was compiled and the optimizer's state.
      signatures: as for `tf.saved_model.save`.

    Raises:
      ValueError: the model's inputs are not known.
    """
    if not model.inputs:
        raise ValueError(
            f"Model {model} cannot be saved because the input shapes have not been set. Usually, input "
            "shapes are automatically determined from calling `.fit()` or `.predict()`. To manually set the "
            "shapes, call `model._set_inputs(inputs)`."
        )
    optimizer = model.optimizer
    if not include_optimizer:
        object.__setattr__(model, "optimizer", None)
    object.__setattr__(model, "__call__", _call_of(model))
    try:
        with session.get_session().as_default(), settings.learning_phase_scope(0):
            exporting.save(model, path, signatures)
    finally:
        object.__setattr__(model, "optimizer", optimizer)
        object.__delattr__(model, "__call__")


def _call_of(model: Any) -> Any:
    """A function from the inputs to the outputs, not while training."""
    flat = [
        TensorSpec(t.shape, t.dtype.base_dtype, name)
        for t, name in zip(nest.flatten(model.inputs), model.input_names, strict=True)
    ]

    def call(inputs: Any) -> Any:
        return model(inputs, training=False) if model._expects_training else model(inputs)

    nested = getattr(model, "_nested_inputs", model.inputs[0] if len(flat) == 1 else model.inputs)
    return function(call, input_signature=[nest.pack_sequence_as(nested, flat)], autograph=False)


def _described(layer: Any) -> tuple[str, str]:
    """What a SavedModel says of a layer: its kind, and its settings as JSON."""
    shape = getattr(layer, "_batch_input_shape", None)
    found: dict[str, Any] = {
        "class_name": type(layer).__name__,
        "name": layer.name,
        "trainable": layer.trainable,
        "expects_training_arg": layer._expects_training,
        "dtype": layer.dtype,
        "batch_input_shape": shape,
    }
    try:
        found["config"] = layer.get_config()
        _text(found)
    except (NotImplementedError, TypeError):
        found.pop("config", None)  # it says nothing, or something that has no form
    found["input_spec"] = nest.map_structure(registry.serialize_keras_object, layer.input_spec)
    found["activity_regularizer"] = registry.serialize_keras_object(layer.activity_regularizer)
    if not isinstance(layer, network.Network):
        return _PREFIX + "layer", _text(found)
    found |= {"keras_version": configuration.KERAS_VERSION, "backend": "tensorflow"}
    if "config" in found:
        found["model_config"] = {"class_name": found["class_name"], "config": found["config"]}
    compiled = training.described(layer) if getattr(layer, "optimizer", None) else None
    if compiled is not None:
        found["training_config"] = compiled
    kind = "sequential" if hasattr(layer, "_stack") else "model" if hasattr(layer, "fit") else "network"
    return _PREFIX + kind, _text(found)


def _text(description: dict[str, Any]) -> str:
    return json.dumps(description, default=configuration.default)


late.description = _described


# --- from a folder ------------------------------------------------------------------------------------------


def read(path: str, custom_objects: dict[str, Any] | None, compiled: bool) -> Any:
    """What a folder holds: a model, or the objects of another SavedModel.

    Args:
      path: the folder.
      custom_objects: classes and functions by the names that the description has for them.
      compiled: whether to compile the model, with the optimizer's state.

    Raises:
      OSError: there is no SavedModel.
    """
    metas = read_saved_model(path).meta_graphs
    root = metas[0].object_graph_def.nodes[0] if metas and metas[0].object_graph_def.nodes else None
    if root is None or not root.user_object.identifier.startswith(_PREFIX):
        return load_v2(path)
    found = json.loads(root.user_object.metadata or "{}")
    model = _of_layers(found, custom_objects)
    whole = model is not None
    if model is None:
        name = found.get("class_name", "Model")
        kind = type(name, (modules.module("revived_models").RevivedModel,), {})
        model = kind(load_v2(path), found.get("name") or settings.snake_case(name))
    if compiled and "training_config" in found:
        model.compile(**training.compile_arguments(found["training_config"], custom_objects))
        if whole:
            model._function("train")  # makes the optimizer's variables
    if whole:
        model.load_weights(os.path.join(path, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME))
    return model


def _of_layers(found: dict[str, Any], custom_objects: dict[str, Any] | None) -> Any:
    """The described model made anew; None where it has no description, or one with unknown parts."""
    config = found.get("model_config")
    if config is None:
        return None
    try:
        return configuration.model_from_config(config, custom_objects)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def variables_of(restored: Any) -> Iterator[Variable]:
    """The variables of a restored model, without the optimizer's and those of metrics."""
    found = ObjectGraph(restored).variables
    for key, variable in found.items():
        if not key.startswith(("optimizer/", "keras_api/")) and ".OPTIMIZER_SLOT" not in key:
            yield settings.track(variable)


def call_of(restored: Any) -> Any:
    """The function that a restored model is; for one without, what it serves."""
    if "__call__" in vars(restored):
        return vars(restored)["__call__"]
    served = restored.signatures[constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY]

    def call(inputs: Any) -> Any:
        named = dict(zip(served.keywords or [], nest.flatten(inputs), strict=True))
        results = list(served(**named).values())
        return results[0] if len(results) == 1 else results

    return call
