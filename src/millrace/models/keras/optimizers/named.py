"""Optimizers by name, and those of `tf.train` in their place."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.lib.layers import registry, settings
from millrace.lib.variables.variable import Variable
from millrace.models.keras.optimizers.base import Optimizer
from millrace.models.keras.optimizers.descent import SGD, Adadelta, Adagrad, Ftrl, RMSprop
from millrace.models.keras.optimizers.moments import Adam, Adamax, Nadam
from millrace.training.optimizers.optimizer import Optimizer as GraphOptimizer


@public("python.keras.optimizers.TFOptimizer")
class TFOptimizer:
    """An optimizer of `tf.train` as one of Keras.

    Args:
      optimizer: the optimizer.
      iterations: the variable that counts the steps; default a new one.

    Attributes:
      iterations: that variable.
    """

    def __init__(self, optimizer: Any, iterations: Any = None) -> None:
        self.optimizer = optimizer
        if iterations is None:
            with name_scope(type(self).__name__):  # counted among what is trained, as in TensorFlow
                iterations = settings.track(Variable(0, dtype="int64", name="iterations", use_resource=True))
        self.iterations = iterations

    @property
    def weights(self) -> list[Any]:
        """Refused: the optimizer keeps its variables to itself.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError("An optimizer of tf.train has no list of weights.")

    def get_updates(self, loss: Any, params: Any) -> list[Any]:
        """The operations of one step."""
        gradients = self.optimizer.compute_gradients(loss, params)
        step = self.optimizer.apply_gradients(gradients, global_step=self.iterations)
        for variable in self.optimizer.variables():
            settings.track(variable)
        return [step]

    def get_config(self) -> dict[str, Any]:
        """Refused: the optimizer has no settings that can be saved.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError("An optimizer of tf.train cannot be saved.")


_BY_NAME = {
    kind.__name__.lower(): kind for kind in (SGD, RMSprop, Adagrad, Adadelta, Ftrl, Adam, Adamax, Nadam)
}


@public("keras.optimizers.serialize")
def serialize(optimizer: Any) -> dict[str, Any]:
    """How an optimizer is saved: class name and settings."""
    return registry.serialize_keras_object(optimizer)


@public("keras.optimizers.deserialize")
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The optimizer that `serialize` described; names may be in lower case.

    Raises:
      ValueError: the name is unknown.
    """
    if config["class_name"].lower() in _BY_NAME:
        config = {**config, "class_name": config["class_name"].lower()}
    return registry.deserialize_keras_object(config, _BY_NAME, custom_objects, "optimizer")


@public("keras.optimizers.get")
def get(identifier: Any) -> Any:
    """The optimizer that a name, a description or an optimizer stands for.

    Raises:
      ValueError: it stands for none.
    """
    if isinstance(identifier, Optimizer | TFOptimizer):
        return identifier
    if isinstance(identifier, GraphOptimizer):
        return TFOptimizer(identifier)
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if hasattr(identifier, "get_updates") and not isinstance(identifier, type):
        return identifier
    raise ValueError(f"Could not interpret optimizer identifier. Received: {identifier!r}")
