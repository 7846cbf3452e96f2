"""`tf.keras.regularizers`: penalties on the size of weights or outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import registry, settings
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.constant import constant


@public("keras.regularizers.Regularizer")
class Regularizer:
    """Base of penalties: a function from a tensor to a scalar loss."""

    def __call__(self, x: Any) -> Any:
        """The penalty for `x`: none."""
        return 0.0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The penalty that `get_config` describes."""
        return cls(**config)


@public("keras.regularizers.L1L2")
class L1L2(Regularizer):
    """l1 times the sum of magnitudes plus l2 times the sum of squares.

    Args:
      l1: factor of the magnitudes.
      l2: factor of the squares.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = (np.asarray(factor, settings.floatx()) for factor in (l1, l2))

    def __call__(self, x: Any) -> Tensor | Any:
        """The penalty for `x`, a scalar."""
        if not self.l1 and not self.l2:
            return constant(0.0, settings.floatx())
        penalty: Any = 0.0
        if self.l1:
            penalty = penalty + self.l1 * reduce_sum(raw.Abs(x))
        if self.l2:
            penalty = penalty + self.l2 * reduce_sum(raw.Square(x))
        return penalty

    def get_config(self) -> dict[str, Any]:
        """The two factors."""
        return {"l1": float(self.l1), "l2": float(self.l2)}


@public("keras.regularizers.l1")
def l1(l: float = 0.01) -> L1L2:  # noqa: E741 - TensorFlow's name
    """A penalty of `l` times the sum of magnitudes."""
    return L1L2(l1=l)


@public("keras.regularizers.l2")
def l2(l: float = 0.01) -> L1L2:  # noqa: E741 - TensorFlow's name
    """A penalty of `l` times the sum of squares."""
    return L1L2(l2=l)


@public("keras.regularizers.l1_l2")
def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """A penalty of both kinds."""
    return L1L2(l1=l1, l2=l2)


_BY_NAME = {"L1L2": L1L2, "l1": l1, "l2": l2, "l1_l2": l1_l2}


@public("keras.regularizers.serialize")
def serialize(regularizer: Any) -> Any:
    """How a regularizer is saved."""
    return registry.serialize_keras_object(regularizer)


@public("keras.regularizers.deserialize")
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The regularizer that `serialize` described.

    Raises:
      ValueError: the name is unknown.
    """
    return registry.deserialize_keras_object(config, _BY_NAME, custom_objects, "regularizer")


@public("keras.regularizers.get")
def get(identifier: Any) -> Any:
    """The regularizer that a name, a description or a callable stands for; None for None.

    Raises:
      ValueError: it stands for none.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = registry.found(identifier, _BY_NAME, None, "regularizer")
        return found() if identifier in _BY_NAME or isinstance(found, type) else found
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret regularizer identifier. Received: {identifier!r}")
