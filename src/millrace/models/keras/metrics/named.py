"""Metrics by name."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from millrace.core import homes
from millrace.core.public import public
from millrace.lib.layers import registry
from millrace.models.keras.losses import functions
from millrace.models.keras.metrics import accuracy, base, confusion, regression

_COSINES = dict.fromkeys(("cosine", "cosine_proximity", "cosine_similarity"), accuracy.cosine_proximity)
_SHORT = {
    "mse": functions.mean_squared_error,
    "mae": functions.mean_absolute_error,
    "mape": functions.mean_absolute_percentage_error,
    "msle": functions.mean_squared_logarithmic_error,
    "kld": functions.kullback_leibler_divergence,
}


def _home(value: Any) -> str | None:
    """The module that a function or class is written in; None for other values."""
    return homes.module_of(value) if isinstance(value, type | FunctionType) else None


def _own(module: Any) -> dict[str, Any]:
    return {k: v for k, v in vars(module).items() if not k.startswith("_") and _home(v) == module.__name__}


_BY_NAME: dict[str, Any] = {
    **_own(functions),
    **_SHORT,
    **{k.upper(): v for k, v in _SHORT.items() if len(k) < 5},
    **_own(base),
    **_own(accuracy),
    **_own(confusion),
    **_own(regression),
    **_COSINES,
}


@public("keras.metrics.serialize")
def serialize(metric: Any) -> Any:
    """How a metric is saved: its name, or class name and settings."""
    return registry.serialize_keras_object(metric)


@public("keras.metrics.deserialize")
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The metric that `serialize` described.

    Raises:
      ValueError: the name is unknown.
    """
    return registry.deserialize_keras_object(config, _BY_NAME, custom_objects, "metric function")


@public("keras.metrics.get")
def get(identifier: Any) -> Any:
    """The metric that a name, a description or a callable stands for.

    Raises:
      ValueError: it stands for none.
    """
    if isinstance(identifier, dict | str):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret metric function identifier. Received: {identifier!r}")
