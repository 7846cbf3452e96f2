"""Models and weights to files and back."""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

from millrace.core.public import public
from millrace.models.keras.engine import configuration
from millrace.models.keras.engine.configuration import model_from_config
from millrace.models.keras.saving import folders, hdf5, objects, training
from millrace.saver.object_checkpoint import LoadStatus

_H5_ENDINGS = (".h5", ".keras", ".hdf5")
_FORMATS = {"tf": "tf", "tensorflow": "tf", "h5": "h5", "hdf5": "h5", "keras": "h5"}


def may_write(path: str) -> bool:
    """Asks whether a file may be replaced."""
    answer = input(f"[WARNING] {path} already exists - overwrite? [y/n]")
    while answer.strip().lower() not in ("y", "n"):
        answer = input('Enter "y" (overwrite) or "n" (cancel).')
    return answer.strip().lower() == "y"


# --- weights ------------------------------------------------------------------------------------------------


def save_weights(model: Any, filepath: Any, overwrite: bool, save_format: str | None) -> None:
    """`Model.save_weights`."""
    path = os.fspath(filepath)
    is_h5 = path.endswith(_H5_ENDINGS)
    if save_format is None:
        chosen = "h5" if is_h5 else "tf"
    else:
        chosen = _FORMATS.get(save_format.lower().strip(), "")
        if not chosen:
            raise ValueError(f'Unknown format "{save_format}". Was expecting one of {{"tf", "h5"}}.')
    if chosen == "tf" and is_h5:
        raise ValueError(
            f'save_weights got save_format="tf"/"tensorflow", but the filepath ("{path}") looks like an HDF5 '
            'file. Omit the ".h5"/".keras" when saving in TensorFlow format.'
        )
    model._assert_weights_created()
    present = path if chosen == "h5" else path + ".index"
    if not overwrite and os.path.isfile(present) and not may_write(present):
        return
    if chosen == "tf":
        objects.write(model, path)
        return
    with hdf5.library().File(path, "w") as file:
        hdf5.write_layers(file, model.layers)


def load_weights(model: Any, filepath: Any, by_name: bool) -> LoadStatus | None:
    """`Model.load_weights`."""
    path = os.fspath(filepath)
    if not path.endswith(_H5_ENDINGS) and not os.path.isfile(path):
        if by_name:
            raise NotImplementedError(
                "Weights may only be loaded based on topology into Models when loading TensorFlow-formatted "
                "weights (got by_name=True to load_weights)."
            )
        status = objects.read(model, path)
        model._deferred_weights = None if model._has_all_weights() else path
        return status
    if not model._is_graph_network and not model.built:
        raise ValueError(
            "Unable to load weights saved in HDF5 format into a subclassed Model which has not created its "
            "variables yet. Call the Model first, then load the weights."
        )
    with hdf5.library().File(path, "r") as file:
        group = file["model_weights"] if "layer_names" not in file.attrs and "model_weights" in file else file
        read = hdf5.read_layers_by_name if by_name else hdf5.read_layers
        read(group, model.layers)
    return None


# --- models -------------------------------------------------------------------------------------------------


@public("keras.models.save_model")
def save_model(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    include_optimizer: bool = True,
    save_format: str | None = None,
    signatures: Any = None,
) -> None:
    """Writes a model: its layers, weights, how it was compiled, and the state of its optimizer.

    Args:
      model: made of inputs and outputs, or `Sequential`; for a SavedModel any that was called.
      filepath: a name, or an open `h5py.File`.
      overwrite: whether a file that is there is replaced; otherwise the user is asked.
      include_optimizer: whether to write how it was compiled and the optimizer's state.
      save_format: "h5", the default and that of names that end so, or "tf" for a SavedModel with the
        functions and variables of the model.
      signatures: only for SavedModels; as for `tf.saved_model.save`.

    Raises:
      NotImplementedError: the model is defined by `call`, and the format is "h5".
      ValueError: the inputs of a model that is written as a SavedModel are not known.
    """
    h5py = hdf5.library()
    is_file = isinstance(filepath, h5py.Group)
    if not is_file and (save_format or "h5") != "h5" and not os.fspath(filepath).endswith(_H5_ENDINGS):
        path = os.fspath(filepath)
        if overwrite or not os.path.exists(path) or may_write(path):
            folders.write(model, path, include_optimizer, signatures)
        return
    if not model._is_graph_network:
        raise NotImplementedError(
            "Saving the model to HDF5 format requires the model to be a Functional model or a Sequential "
            "model. It does not work for subclassed models, because such models are defined via the body of "
            "a Python method, which isn't safely serializable. Consider saving the weights by `save_weights`."
        )
    if is_file:
        _write_model(model, filepath, include_optimizer)
        return
    path = os.fspath(filepath)
    if not overwrite and os.path.isfile(path) and not may_write(path):
        return
    description = json.dumps(configuration.described(model), default=configuration.default)
    with h5py.File(path, "w") as file:
        _write_model(model, file, include_optimizer, description)


def _write_model(model: Any, file: Any, include_optimizer: bool, description: str | None = None) -> None:
    if description is None:
        description = json.dumps(configuration.described(model), default=configuration.default)
    found = json.loads(description)
    file.attrs["keras_version"] = found["keras_version"]
    file.attrs["backend"] = found["backend"]
    kept = {"class_name": found["class_name"], "config": found["config"]}
    file.attrs["model_config"] = json.dumps(kept).encode("utf8")
    hdf5.write_layers(file.create_group("model_weights"), model.layers)
    if include_optimizer and model.optimizer:
        compiled = training.to_json(model)
        if compiled is not None:
            file.attrs["training_config"] = compiled.encode("utf8")
            hdf5.write_optimizer(file, model.optimizer)


@public("keras.models.load_model")
def load_model(filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True) -> Any:
    """The model that `save_model` wrote, compiled as it was.

    A model in a SavedModel whose layers cannot be made anew is one of a single function.

    Args:
      filepath: a name, or an open `h5py.File`.
      custom_objects: classes and functions by the names that the file has for them.
      compile: whether to compile it, with the optimizer's state.

    Raises:
      OSError: there is no such file, or it is of another kind.
      ValueError: the file holds no model, or one with unknown parts.
    """
    h5py = hdf5.library()
    if isinstance(filepath, h5py.Group):
        return _read_model(filepath, custom_objects, compile)
    path = os.fspath(filepath)
    if not os.path.isfile(path) or not h5py.is_hdf5(path):
        return folders.read(path, custom_objects, compile)
    with h5py.File(path, "r") as file:
        return _read_model(file, custom_objects, compile)


def _read_model(file: Any, custom_objects: dict[str, Any] | None, compiled: bool) -> Any:
    config = file.attrs.get("model_config")
    if config is None:
        raise ValueError("No model found in config file.")
    model = model_from_config(json.loads(hdf5.text(config)), custom_objects)
    hdf5.read_layers(file["model_weights"], model.layers)
    if not compiled:
        return model
    saved = file.attrs.get("training_config")
    if saved is None:
        warnings.warn(
            "No training configuration found in save file: the model was *not* compiled. "
            "Compile it manually.",
            stacklevel=3,
        )
        return model
    model.compile(**training.compile_arguments(json.loads(hdf5.text(saved)), custom_objects))
    if "optimizer_weights" in file:
        model._function("train")  # makes the variables
        try:
            model.optimizer.set_weights(hdf5.read_optimizer(file))
        except ValueError:
            warnings.warn(
                "Error in loading the saved optimizer state. As a result, your model is starting with a "
                "freshly initialized optimizer.",
                stacklevel=3,
            )
    return model
