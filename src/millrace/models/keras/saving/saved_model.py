"""Models as SavedModels: graphs to train, evaluate and serve, and the model's own description."""

from __future__ import annotations

import os
from typing import Any

from millrace.core import nest, protos
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.lib.flow.control_flow import group
from millrace.lib.variables import sets
from millrace.lib.variables.variable import Variable
from millrace.models.estimator.export_outputs import PredictOutput, SupervisedOutput
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.spec import of_metric
from millrace.models.keras.backend import arrays, session
from millrace.models.keras.engine.configuration import model_from_json
from millrace.models.keras.optimizers.base import Optimizer
from millrace.models.keras.saving import modes, objects
from millrace.saver.saved_model import constants
from millrace.saver.saved_model.builder import SavedModelBuilder
from millrace.saver.saver import Saver
from millrace.session.session import Session
from millrace.training.global_step import get_or_create_global_step

_DESCRIPTION = "saved_model.json"
_TAGS = {ModeKeys.TRAIN: ["train"], ModeKeys.EVAL: ["eval"], ModeKeys.PREDICT: ["serve"]}
_NAMES = {ModeKeys.TRAIN: "train", ModeKeys.EVAL: "eval", ModeKeys.PREDICT: "serving_default"}
_METHODS = {
    ModeKeys.TRAIN: "tensorflow/supervised/training",
    ModeKeys.EVAL: "tensorflow/supervised/eval",
}


@public("keras.experimental.export_saved_model", "contrib.saved_model.save_keras_model")
def export_saved_model(
    model: Any,
    saved_model_path: Any,
    custom_objects: dict[str, Any] | None = None,
    as_text: bool = False,
    input_signature: Any = None,
    serving_only: bool = False,
) -> None:
    """Writes a model as a SavedModel, which `load_from_saved_model` reads again.

    A compiled model is written as three graphs, to train, to be evaluated and to predict; another one as the
    last alone. The weights are in the format of objects, the description in `assets/saved_model.json`.

    Args:
      model: the model.
      saved_model_path: a folder that is empty or not there.
      custom_objects: accepted: the model knows its own classes.
      as_text: write `saved_model.pbtxt`.
      input_signature: a `TensorSpec`, or nested ones, for the inputs of a model that was not called yet.
      serving_only: write only the graph that predicts.

    Raises:
      AssertionError: the folder is not empty.
      NotImplementedError: the model is defined by `call`, and more than the graph that predicts is wanted.
      ValueError: the model has no weights yet.
    """
    by_call = modes.is_subclassed(model)
    if by_call and not serving_only:
        raise NotImplementedError(
            "Subclassed models can only be exported for serving. Please set argument serving_only=True."
        )
    if input_signature is not None and not model.inputs:
        _call_once(model, input_signature)
    if not model.inputs:
        raise ValueError(
            f"Weights for {model.name} have not yet been created: call the model, or give `input_signature`."
        )
    folder = os.fspath(saved_model_path)
    builder = SavedModelBuilder(folder)
    if not by_call:
        os.makedirs(os.path.join(folder, constants.ASSETS_DIRECTORY), exist_ok=True)
        with open(os.path.join(folder, constants.ASSETS_DIRECTORY, _DESCRIPTION), "w") as file:
            file.write(model.to_json())
    weights = os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
    os.makedirs(os.path.dirname(weights), exist_ok=True)
    if by_call:
        with session.get_session().graph.as_default():
            objects.write(model, weights)
            _add(builder, model, ModeKeys.PREDICT, model.variables, [])
    else:
        recipe, wanted = modes.Recipe(model), [ModeKeys.PREDICT]
        if model._is_compiled and not serving_only:
            wanted = [ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT]
        values = _Values(model)
        for mode in wanted:
            _add_mode(builder, recipe, mode, weights if mode == wanted[0] else None, values)
    builder.save(as_text)


def _call_once(model: Any, signature: Any) -> None:
    def placeholder(spec: Any) -> Any:
        return arrays.placeholder(shape=spec.shape, dtype=spec.dtype.name, name=spec.name)

    model._set_inputs(nest.map_structure(placeholder, signature))


class _Values:
    """What a model's variables hold, and those of its optimizer of Keras."""

    def __init__(self, model: Any) -> None:
        self.of_model = model.get_weights()
        trained = model._is_compiled and isinstance(model.optimizer, Optimizer) and model.optimizer.weights
        self.of_optimizer = model.optimizer.get_weights() if trained else []

    def give(self, model: Any) -> None:
        """Sets the variables of a copy in the default graph."""
        model.set_weights(self.of_model)
        if self.of_optimizer and len(self.of_optimizer) == len(model.optimizer.weights):
            model.optimizer.set_weights(self.of_optimizer)


def _add_mode(
    builder: SavedModelBuilder, recipe: modes.Recipe, mode: str, weights: str | None, values: _Values
) -> None:
    """The model in a graph of its own, for one mode; the first graph writes the weights."""
    with Graph().as_default(), Session() as own:
        modes.fixed_phase(mode == ModeKeys.TRAIN)
        steps = None if mode == ModeKeys.PREDICT else get_or_create_global_step()
        made = recipe.made(steps=steps, compiled=mode != ModeKeys.PREDICT)
        if mode == ModeKeys.TRAIN:
            made._function("train")
        own.run(sets.global_variables_initializer())
        if weights is not None:
            values.give(made)
            objects.write(made, weights)
        saved = [*made.variables, *(_kept_by_optimizer(made) if made._is_compiled else [])]
        known = {id(v) for v in saved}
        _add(builder, made, mode, saved, [v for v in sets.global_variables() if id(v) not in known])


def _kept_by_optimizer(model: Any) -> list[Any]:
    optimizer = model.optimizer
    if not isinstance(optimizer, Optimizer):
        return []
    settings = [v for v in optimizer._hyper.values() if isinstance(v, Variable)]
    return [*optimizer.weights, *settings]


def _add(builder: SavedModelBuilder, model: Any, mode: str, saved: list[Any], others: list[Any]) -> None:
    """Adds the default graph; variables of `others` are initialized where it is loaded."""
    receivers = dict(zip(model.input_names, model.inputs, strict=True))
    predictions = dict(zip(model.output_names, model.outputs, strict=True))
    if mode == ModeKeys.PREDICT:
        output: Any = PredictOutput(predictions)
    else:
        targets = [e for e in model._endpoints if e.target is not None]
        receivers.update({f"{e.name}_target": e.target for e in targets})
        metrics = {m.name: of_metric(m.name, m) for m in model.metrics}
        output = SupervisedOutput(model.total_loss, predictions, metrics, _METHODS[mode])
    signatures = {_NAMES[mode]: output.as_signature_def(receivers)}
    start = sets.local_variables_initializer()
    if others:
        start = group(start, sets.variables_initializer(others))
    signatures[constants.INIT_OP_SIGNATURE] = _of_operation(constants.INIT_OP_SIGNATURE, start)
    if mode == ModeKeys.TRAIN:
        step = model.train_function.updates_op
        signatures[constants.TRAIN_OP_SIGNATURE] = _of_operation(constants.TRAIN_OP_SIGNATURE, step)
    # The weights are there already, in the format of objects, which savers by name can read.
    builder._add(Saver(saved), _TAGS[mode], signatures, False, False)


def _of_operation(name: str, operation: Any) -> Any:
    signature = protos.SignatureDef()
    signature.outputs[name].name = operation.name
    return signature


@public("keras.experimental.load_from_saved_model", "contrib.saved_model.load_keras_model")
def load_from_saved_model(saved_model_path: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that `export_saved_model` wrote; it is to be compiled before it is trained.

    Args:
      saved_model_path: the folder.
      custom_objects: classes and functions by name, besides those that Keras knows.

    Raises:
      FileNotFoundError: there is no description of a model.
    """
    folder = os.fspath(saved_model_path)
    with open(os.path.join(folder, constants.ASSETS_DIRECTORY, _DESCRIPTION)) as file:
        model = model_from_json(file.read(), custom_objects=custom_objects)
    model.load_weights(os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME))
    return model
