"""Layers by name: each module of layers enters its own."""

from __future__ import annotations

import importlib
from typing import Any

from millrace.core import homes
from millrace.core.public import public
from millrace.lib.layers import registry

# Where layers are defined; imported when a name is first asked for.
_MODULES = (
    "millrace.models.keras.engine.inputs",
    "millrace.models.keras.engine.operations",
    "millrace.models.keras.engine.added",
    "millrace.models.keras.engine.model",
    "millrace.models.keras.engine.sequential",
    "millrace.models.keras.layers.core",
    "millrace.models.keras.layers.shaping",
    "millrace.models.keras.layers.functions",
    "millrace.models.keras.layers.activation",
    "millrace.models.keras.layers.convolutional",
    "millrace.models.keras.layers.resizing",
    "millrace.models.keras.layers.pooling",
    "millrace.models.keras.layers.local",
    "millrace.models.keras.layers.embedding",
    "millrace.models.keras.layers.merging",
    "millrace.models.keras.layers.noise",
    "millrace.models.keras.layers.normalization",
    "millrace.models.keras.layers.attention",
    "millrace.models.keras.layers.wrappers",
    "millrace.models.keras.layers.recurrent",
    "millrace.models.keras.layers.recurrent_kinds",
    "millrace.models.keras.layers.cells",
    "millrace.models.keras.layers.gated_cells",
    "millrace.models.keras.layers.convolutional_recurrent",
    "millrace.models.keras.layers.cudnn",
    "millrace.models.keras.premade",
)
_SYNONYMS = {
    "Functional": "Model",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
}


class _Table:
    """Names of layers, filled at the first use."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}

    def names(self) -> dict[str, Any]:
        """All layers by name."""
        if not self._names:
            for place in _MODULES:
                module = importlib.import_module(place)
                self._names.update(
                    {
                        k: v
                        for k, v in vars(module).items()
                        if isinstance(v, type) and homes.module_of(v) == place and k[0] != "_"
                    }
                )
            self._names.update({k: self._names[v] for k, v in _SYNONYMS.items()})
        return self._names


_table = _Table()


@public("keras.layers.serialize")
def serialize(layer: Any) -> dict[str, Any]:
    """How a layer is saved: class name and settings."""
    return registry.serialize_keras_object(layer)


@public("keras.layers.deserialize")
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The layer that `serialize` described.

    Raises:
      ValueError: the class is unknown.
    """
    return registry.deserialize_keras_object(config, _table.names(), custom_objects, "layer")
