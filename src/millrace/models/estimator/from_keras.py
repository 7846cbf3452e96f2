"""Models of Keras as estimators."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from millrace.core import nest
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor
from millrace.lib.layers.registry import CustomObjectScope
from millrace.lib.variables import sets
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.export_outputs import PredictOutput
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.run_config import RunConfig
from millrace.models.estimator.spec import EstimatorSpec
from millrace.models.keras.backend import session as keras_session
from millrace.models.keras.saving import modes
from millrace.models.keras.saving.files import load_model
from millrace.ops.math.cast import cast
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.saver.saver import Saver
from millrace.session.session import Session
from millrace.training.global_step import create_global_step, get_global_step

_FIRST = os.path.join("keras", "keras_model.ckpt")


@public("keras.estimator.model_to_estimator")
def model_to_estimator(
    keras_model: Any = None,
    keras_model_path: Any = None,
    custom_objects: dict[str, Any] | None = None,
    model_dir: Any = None,
    config: Any = None,
    checkpoint_format: str = "saver",
) -> Estimator:
    """An `Estimator` that trains, evaluates and predicts as a compiled model does.

    It begins with the model's weights, which are written into `model_dir`; the model itself stays as it is.

    Args:
      keras_model: the compiled model.
      keras_model_path: instead of it, the file of one.
      custom_objects: classes and functions by name, besides those that Keras knows.
      model_dir: the folder of checkpoints and summaries.
      config: a `RunConfig`.
      checkpoint_format: "saver" or "checkpoint"; the variables are kept by name in both.

    Raises:
      ValueError: there is no model or there are two, it is not compiled, or the format is unknown.
    """
    if keras_model is None and keras_model_path is None:
        raise ValueError("Either `keras_model` or `keras_model_path` needs to be provided.")
    if keras_model is not None and keras_model_path is not None:
        raise ValueError("Please specify either `keras_model` or `keras_model_path`, but not both.")
    if checkpoint_format not in ("saver", "checkpoint"):
        raise ValueError(
            f'Checkpoint format must be one of "checkpoint" or "saver". Received: {checkpoint_format}'
        )
    model = load_model(keras_model_path, custom_objects) if keras_model is None else keras_model
    if not getattr(model, "_is_compiled", False):
        raise ValueError(
            "The given keras model has not been compiled yet. Please compile the model with "
            "`model.compile()` before calling `model_to_estimator()`."
        )
    settled, recipe = _with_folder(config, model_dir), modes.Recipe(model)
    first = None if recipe.by_call else _first_checkpoint(recipe, custom_objects, settled)

    def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
        with CustomObjectScope(custom_objects or {}):
            return _spec(recipe, features, labels, mode)

    return Estimator(model_fn, config=settled, warm_start_from=first)


def _with_folder(config: Any, model_dir: Any) -> RunConfig:
    settled = RunConfig() if config is None else config
    folder = model_dir or settled.model_dir or tempfile.mkdtemp()
    if settled.model_dir and model_dir and settled.model_dir != model_dir:
        raise ValueError(
            "`model_dir` are set both in constructor and `RunConfig`, but with different values. "
            f"Received: {model_dir!r} and {settled.model_dir!r}"
        )
    return settled.replace(model_dir=folder)


def _first_checkpoint(recipe: modes.Recipe, custom_objects: Any, config: RunConfig) -> str:
    """Writes the model's weights, unless an earlier estimator of this folder did; gives the path."""
    path = os.path.join(str(config.model_dir), _FIRST)
    if latest_checkpoint(os.path.dirname(path)):
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with keras_session.get_session().graph.as_default():
        values = recipe.model.get_weights()
    with Graph().as_default(), Session(config=config.session_config) as session:
        with CustomObjectScope(custom_objects or {}):
            made = recipe.made(compiled=False)
        session.run(sets.global_variables_initializer())
        for variable, value in zip(made.weights, values, strict=True):
            variable.load(value, session)
        create_global_step()
        session.run(get_global_step().initializer)
        Saver().save(session, path)
    return path


def _spec(recipe: modes.Recipe, features: Any, labels: Any, mode: str) -> EstimatorSpec:
    """The model on the features, in the default graph."""
    modes.fixed_phase(mode == ModeKeys.TRAIN)
    made = _made(recipe, features, labels, mode)
    predictions = dict(zip(made.output_names, made.outputs, strict=True))
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(
            mode, predictions=predictions, export_outputs={"serving_default": PredictOutput(predictions)}
        )
    train_op = made.train_function.updates_op if mode == ModeKeys.TRAIN else None
    metrics = {m.name: m for m in made._compile_metrics}  # not what was added to layers
    return EstimatorSpec(
        mode, predictions=predictions, loss=made.total_loss, train_op=train_op, eval_metric_ops=metrics
    )


def _made(recipe: modes.Recipe, features: Any, labels: Any, mode: str) -> Any:
    known, names = recipe.model, recipe.model.output_names
    if not recipe.by_call:
        given = _ordered(features, known.input_names, "features", "inputs")
        features = [_as_input(t, layer) for t, layer in zip(given, known._input_layers, strict=True)]
    elif not names:
        names = [f"output_{k + 1}" for k in range(len(nest.flatten(labels)))]
    if mode == ModeKeys.PREDICT:
        return recipe.made(features, compiled=False)
    return recipe.made(features, _ordered(labels, names, "labels", "outputs"), get_global_step())


def _as_input(tensor: Any, layer: Any) -> Any:
    wanted = layer.dtype
    return tensor if tensor.dtype.base_dtype.name == wanted else cast(tensor, wanted)


def _ordered(given: Any, names: list[str], what: str, ends: str) -> list[Any]:
    """Tensors in the order of the model's inputs or outputs.

    Raises:
      KeyError: they have other names.
      ValueError: there is another number of them.
    """
    if isinstance(given, dict):
        plain = {key.split(":")[0] if isinstance(key, str) else key: value for key, value in given.items()}
        if set(plain) != set(names):
            raise KeyError(
                f"The dictionary passed into {what} does not have the expected {ends} keys defined in the "
                f"keras model.\n\tExpected keys: {set(names)}\n\t{what} keys: {set(plain)}\n\tDifference: "
                f"{set(names) ^ set(plain)}"
            )
        return [plain[name] for name in names]
    found = [given] if isinstance(given, Tensor) else list(given or [])
    if len(found) != len(names):
        raise ValueError(
            f"The model has {len(names)} {ends}: {names}. Received: {len(found)} tensors as {what}"
        )
    return found
