"""Activations: rectifiers, sigmoids, softmax."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.math.functions import clip_by_value
from millrace.ops.math import elementwise
from millrace.ops.math.cast import cast
from millrace.ops.nn import activation
from millrace.ops.nn.softmax import softmax as softmax_of


def like(value: Any, tensor: Any) -> Any:
    """A number as a tensor of another tensor's dtype."""
    return convert.to_tensor(value, tensor.dtype.base_dtype)


@public("keras.backend.relu")
def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0) -> Any:
    """x above `threshold`, at most `max_value`; below, `alpha * (x - threshold)`."""
    x = convert.to_tensor(x)
    negative = None
    if alpha != 0.0:
        if max_value is None and threshold == 0:
            return activation.leaky_relu(x, alpha=alpha)
        negative = activation.relu(-x + threshold if threshold != 0 else -x)
    bounded = max_value is not None
    if threshold != 0:
        x = x * cast(raw.Greater(x, threshold), settings.floatx())
    elif max_value == 6:
        x, bounded = activation.relu6(x), False
    else:
        x = activation.relu(x)
    if bounded:
        x = clip_by_value(x, like(0.0, x), like(max_value, x))
    if negative is not None:
        x = x - like(alpha, x) * negative
    return x


@public("keras.backend.elu")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, else `alpha * (exp(x) - 1)`."""
    found = activation.elu(x)
    if alpha == 1:
        return found
    return raw.Select(raw.Greater(x, 0.0), found, alpha * found)


@public("keras.backend.softmax")
def softmax(x: Any, axis: int = -1) -> Any:
    """Exponentials that sum to 1 along an axis."""
    return softmax_of(x, axis=axis)


@public("keras.backend.softplus")
def softplus(x: Any) -> Any:
    """log(exp(x) + 1)."""
    return activation.softplus(x)


@public("keras.backend.softsign")
def softsign(x: Any) -> Any:
    """x / (abs(x) + 1)."""
    return activation.softsign(x)


@public("keras.backend.sigmoid")
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return elementwise.sigmoid(x)


@public("keras.backend.hard_sigmoid")
def hard_sigmoid(x: Any) -> Any:
    """0.2 * x + 0.5, between 0 and 1."""
    x = convert.to_tensor(x)
    factor, shift = like(0.2, x), like(0.5, x)
    return clip_by_value(raw.Add(raw.Mul(x, factor), shift), 0.0, 1.0)


@public("keras.backend.tanh")
def tanh(x: Any) -> Any:
    """The hyperbolic tangents."""
    return raw.Tanh(x)
