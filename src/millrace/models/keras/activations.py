"""`tf.keras.activations`: functions that layers apply to their outputs."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core.public import public
from millrace.lib.layers import registry
from millrace.lib.math.reductions import reduce_max, reduce_sum
from millrace.models.keras.backend import activations
from millrace.ops.math.elementwise import exp

# Klambauer et al., Self-Normalizing Neural Networks, 2017.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@public("keras.activations.softmax")
def softmax(x: Any, axis: int = -1) -> Any:
    """Exponentials that sum to 1 along an axis.

    Args:
      x: `[...]`, at least rank 2.
      axis: the axis.

    Raises:
      ValueError: the rank is below 2.
    """
    x = convert.to_tensor(x)
    rank = len(x.dims or ())
    if rank == 2:
        return activations.softmax(x)
    if rank > 2:
        shifted = exp(x - reduce_max(x, axis=axis, keepdims=True))
        return shifted / reduce_sum(shifted, axis=axis, keepdims=True)
    raise ValueError(f"Cannot apply softmax to a tensor that is 1D. Received: {x}")


@public("keras.activations.elu")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, else `alpha * (exp(x) - 1)`."""
    return activations.elu(x, alpha)


@public("keras.activations.selu")
def selu(x: Any) -> Any:
    """A scaled exponential linear unit, which keeps mean 0 and variance 1."""
    return _SELU_SCALE * activations.elu(x, _SELU_ALPHA)


@public("keras.activations.softplus")
def softplus(x: Any) -> Any:
    """log(exp(x) + 1)."""
    return activations.softplus(x)


@public("keras.activations.softsign")
def softsign(x: Any) -> Any:
    """x / (abs(x) + 1)."""
    return activations.softsign(x)


@public("keras.activations.relu")
def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0) -> Any:
    """x above `threshold`, at most `max_value`; below, `alpha * (x - threshold)`."""
    return activations.relu(x, alpha=alpha, max_value=max_value, threshold=threshold)


@public("keras.activations.tanh")
def tanh(x: Any) -> Any:
    """The hyperbolic tangents."""
    return raw.Tanh(x)


@public("keras.activations.sigmoid")
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return activations.sigmoid(x)


@public("keras.activations.exponential")
def exponential(x: Any) -> Any:
    """e to the power of each element."""
    return exp(x)


@public("keras.activations.hard_sigmoid")
def hard_sigmoid(x: Any) -> Any:
    """0.2 * x + 0.5, between 0 and 1."""
    return activations.hard_sigmoid(x)


@public("keras.activations.linear")
def linear(x: Any) -> Any:
    """x itself."""
    return x


_BY_NAME = {
    f.__name__: f
    for f in (
        softmax,
        elu,
        selu,
        softplus,
        softsign,
        relu,
        tanh,
        sigmoid,
        exponential,
        hard_sigmoid,
        linear,
    )
}


@public("keras.activations.serialize")
def serialize(activation: Any) -> str:
    """The name of an activation."""
    return (
        activation.__name__
        if hasattr(activation, "__name__")
        else registry.serialize_keras_object(activation)
    )


@public("keras.activations.deserialize")
def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The activation of a name.

    Raises:
      ValueError: the name is unknown.
    """
    return registry.deserialize_keras_object(name, _BY_NAME, custom_objects, "activation function")


@public("keras.activations.get")
def get(identifier: Any) -> Any:
    """The activation that a name or a callable stands for; `linear` for None.

    Raises:
      ValueError, TypeError: it stands for none.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    raise TypeError(f"Could not interpret activation function identifier. Received: {identifier!r}")
