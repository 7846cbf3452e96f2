"""How a model was compiled, as it is kept in files."""

from __future__ import annotations

import json
import warnings
from typing import Any

from millrace.models.keras.engine import configuration
from millrace.models.keras.losses import classes as losses
from millrace.models.keras.metrics import named as metrics
from millrace.models.keras.optimizers import named as optimizers


def described(model: Any) -> dict[str, Any] | None:
    """The arguments of `compile`, or None where they cannot be kept: the optimizer is one of `tf.train`."""
    if isinstance(model.optimizer, optimizers.TFOptimizer):
        warnings.warn(
            "TensorFlow optimizers do not make it possible to access optimizer attributes or optimizer state "
            "after instantiation. As a result, we cannot save the optimizer as part of the model save file. "
            "You will have to compile your model again after loading it.",
            stacklevel=4,
        )
        return None
    loss, metric, weights, mode, weighted = model._compile_arguments
    return {
        "loss": loss,
        "metrics": metric,
        "weighted_metrics": weighted,
        "sample_weight_mode": mode,
        "loss_weights": weights,
        "optimizer_config": {
            "class_name": type(model.optimizer).__name__,
            "config": model.optimizer.get_config(),
        },
    }


def to_json(model: Any) -> str | None:
    """The same as JSON."""
    found = described(model)
    return None if found is None else json.dumps(found, default=configuration.default)


def compile_arguments(config: dict[str, Any], custom_objects: dict[str, Any] | None) -> dict[str, Any]:
    """What a description says, as arguments of `compile`."""
    return {
        "optimizer": optimizers.deserialize(config["optimizer_config"], custom_objects),
        "loss": _mapped(config["loss"], custom_objects, losses.deserialize),
        "metrics": _mapped(config["metrics"], custom_objects, metrics.deserialize),
        "weighted_metrics": _mapped(config.get("weighted_metrics"), custom_objects, metrics.deserialize),
        "sample_weight_mode": config["sample_weight_mode"],
        "loss_weights": config["loss_weights"],
    }


def _mapped(value: Any, custom_objects: dict[str, Any] | None, deserialize: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"class_name", "config"}:
            return deserialize(value, custom_objects)
        return {k: _mapped(v, custom_objects, deserialize) for k, v in value.items()}
    if isinstance(value, list):
        return [_mapped(v, custom_objects, deserialize) for v in value]
    return custom_objects[value] if custom_objects and value in custom_objects else value
