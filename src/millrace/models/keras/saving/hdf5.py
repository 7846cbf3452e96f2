"""Weights in HDF5 files: a group for each layer, a dataset for each weight.

The groups and attributes are those of Keras 2. An attribute with more than about 64 kB of names is split in
several, for HDF5 allows no more in one.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from millrace.models.keras.backend import session
from millrace.models.keras.engine.configuration import KERAS_VERSION
from millrace.models.keras.saving import conversion

_ATTRIBUTE_BYTES = 64512


def library() -> Any:
    """The module h5py, imported at its first use.

    Raises:
      ImportError: it is not installed.
    """
    try:
        return importlib.import_module("h5py")
    except ImportError:
        raise ImportError("HDF5 files require h5py (`pip install h5py`).") from None


def write_names(group: Any, name: str, names: list[str]) -> None:
    """Writes a list of names as an attribute, in pieces where it is long.

    Raises:
      RuntimeError: a single name is too long.
    """
    encoded = [n.encode("utf8") for n in names]
    too_long = [n for n in encoded if len(n) > _ATTRIBUTE_BYTES]
    if too_long:
        raise RuntimeError(f"HDF5 attributes hold at most {_ATTRIBUTE_BYTES} bytes. Received: {too_long}")
    whole = np.asarray(encoded)
    count = 1
    pieces = [whole]
    while any(piece.nbytes > _ATTRIBUTE_BYTES for piece in pieces):
        count += 1
        pieces = np.array_split(whole, count)
    if count == 1:
        group.attrs[name] = whole
        return
    for index, piece in enumerate(pieces):
        group.attrs[f"{name}{index}"] = piece


def read_names(group: Any, name: str) -> list[str]:
    """A list of names that `write_names` wrote."""
    if name in group.attrs:
        return [text(n) for n in group.attrs[name]]
    found: list[str] = []
    index = 0
    while f"{name}{index}" in group.attrs:
        found.extend(text(n) for n in group.attrs[f"{name}{index}"])
        index += 1
    return found


def text(value: Any) -> Any:
    """A text of a file: bytes are UTF-8."""
    return value.decode("utf8") if isinstance(value, bytes) else value


def _write_arrays(group: Any, names: list[str], values: list[Any]) -> None:
    write_names(group, "weight_names", names)
    for name, value in zip(names, values, strict=True):
        array = np.asarray(value)
        made = group.create_dataset(name, array.shape, dtype=array.dtype)
        if array.shape:
            made[:] = array
        else:
            made[()] = array


def ordered_weights(layer: Any) -> list[Any]:
    """The weights of a layer as files hold them: the trained ones first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def write_layers(group: Any, layers: list[Any]) -> None:
    """Writes the weights of layers."""
    write_names(group, "layer_names", [layer.name for layer in layers])
    group.attrs["backend"] = b"tensorflow"
    group.attrs["keras_version"] = KERAS_VERSION.encode("utf8")
    weights = [ordered_weights(layer) for layer in layers]
    values = iter(session.batch_get_value([w for of_layer in weights for w in of_layer]))
    for layer, of_layer in zip(layers, weights, strict=True):
        names = [w.name for w in of_layer]
        _write_arrays(group.create_group(layer.name), names, [next(values) for _ in of_layer])


def write_optimizer(group: Any, optimizer: Any) -> None:
    """Writes the step count and the slots of an optimizer, where it has any."""
    weights = optimizer.weights
    if weights:
        values = session.batch_get_value(weights)
        _write_arrays(group.create_group("optimizer_weights"), [w.name for w in weights], values)


def read_optimizer(group: Any) -> list[Any]:
    """The arrays that `write_optimizer` wrote."""
    saved = group["optimizer_weights"]
    return [np.asarray(saved[name]) for name in read_names(saved, "weight_names")]


class _Saved:
    """What a file holds of the layers.

    Args:
      group: the file, or its group of weights.
    """

    def __init__(self, group: Any) -> None:
        self.version = text(group.attrs.get("keras_version", b"1"))
        self.backend = text(group.attrs.get("backend"))
        self._group = group
        names = read_names(group, "layer_names")
        self.weight_names = {name: read_names(group[name], "weight_names") for name in names}

    def names(self) -> list[str]:
        """The layers that have weights."""
        return [name for name, weights in self.weight_names.items() if weights]

    def weights(self, name: str, layer: Any) -> list[Any]:
        """The arrays for a layer of today."""
        arrays = [np.asarray(self._group[name][w]) for w in self.weight_names[name]]
        return conversion.converted(layer, arrays, self.version, self.backend)


def read_layers(group: Any, layers: list[Any]) -> None:
    """Sets the weights of layers from those of a file, in order.

    Raises:
      ValueError: the numbers of layers, or weights and shapes of a layer, differ.
    """
    saved = _Saved(group)
    wanted = [layer for layer in layers if ordered_weights(layer)]
    names = saved.names()
    if len(names) != len(wanted):
        raise ValueError(
            f"You are trying to load a weight file containing {len(names)} layers into a model with "
            f"{len(wanted)} layers."
        )
    pairs: list[tuple[Any, Any]] = []
    for index, (name, layer) in enumerate(zip(names, wanted, strict=True)):
        who = (
            f'Layer #{index} (named "{layer.name}" in the current model) was found to correspond to layer '
            f"{name} in the save file. However the new layer {layer.name}"
        )
        pairs.extend(_pairs(layer, saved.weights(name, layer), who))
    session.batch_set_value(pairs)


def read_layers_by_name(group: Any, layers: list[Any]) -> None:
    """Sets the weights of the layers that a file has under their names.

    Raises:
      ValueError: the weights of such a layer differ.
    """
    saved = _Saved(group)
    by_name: dict[str, list[Any]] = {}
    for layer in layers:
        by_name.setdefault(layer.name, []).append(layer)
    pairs: list[tuple[Any, Any]] = []
    for index, name in enumerate(saved.weight_names):
        for layer in by_name.get(name, []):
            who = f'Layer #{index} (named "{layer.name}")'
            pairs.extend(_pairs(layer, saved.weights(name, layer), who))
    session.batch_set_value(pairs)


def _pairs(layer: Any, arrays: list[Any], who: str) -> list[tuple[Any, Any]]:
    variables = ordered_weights(layer)
    if len(variables) != len(arrays):
        raise ValueError(
            f"{who} expects {len(variables)} weights, but the saved weights have {len(arrays)} elements."
        )
    for variable, array in zip(variables, arrays, strict=True):
        shape = tuple(variable.get_shape().as_list())
        if shape != np.shape(array):
            raise ValueError(
                f"{who}: weight {variable.name} has shape {shape}, but the saved weight has shape "
                f"{np.shape(array)}."
            )
    return list(zip(variables, arrays, strict=True))
