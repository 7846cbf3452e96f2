"""Losses as functions: one number for each vector along the last axis."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.layers.core import chosen
from millrace.lib.math.reductions import reduce_all, reduce_max, reduce_mean, reduce_sum
from millrace.lib.nn.moments import l2_normalize
from millrace.models.keras.backend import calculation, losses
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.arithmetic import squared_difference
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import abs as magnitude
from millrace.ops.math.elementwise import log
from millrace.ops.nn.activation import softplus


def _pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both as tensors, the truth of the predictions' dtype."""
    y_pred = convert.to_tensor(y_pred)
    return cast(y_true, y_pred.dtype), y_pred


@public(
    "keras.losses.mean_squared_error",
    "keras.losses.mse",
    "keras.losses.MSE",
    "keras.metrics.mean_squared_error",
    "keras.metrics.mse",
    "keras.metrics.MSE",
)
def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """The mean of the squared differences."""
    y_true, y_pred = _pair(y_true, y_pred)
    return reduce_mean(squared_difference(y_pred, y_true), axis=-1)


@public(
    "keras.losses.mean_absolute_error",
    "keras.losses.mae",
    "keras.losses.MAE",
    "keras.metrics.mean_absolute_error",
    "keras.metrics.mae",
    "keras.metrics.MAE",
)
def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """The mean of the differences' magnitudes."""
    y_true, y_pred = _pair(y_true, y_pred)
    return reduce_mean(magnitude(y_pred - y_true), axis=-1)


@public(
    "keras.losses.mean_absolute_percentage_error",
    "keras.losses.mape",
    "keras.losses.MAPE",
    "keras.metrics.mean_absolute_percentage_error",
    "keras.metrics.mape",
    "keras.metrics.MAPE",
)
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """The mean of the differences' magnitudes in percent of what is true."""
    y_true, y_pred = _pair(y_true, y_pred)
    diff = magnitude((y_true - y_pred) / calculation.clip(magnitude(y_true), settings.epsilon(), None))
    return 100.0 * reduce_mean(diff, axis=-1)


@public(
    "keras.losses.mean_squared_logarithmic_error",
    "keras.losses.msle",
    "keras.losses.MSLE",
    "keras.metrics.mean_squared_logarithmic_error",
    "keras.metrics.msle",
    "keras.metrics.MSLE",
)
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """The mean of the squared differences of log(1 + y)."""
    y_true, y_pred = _pair(y_true, y_pred)
    first = log(calculation.clip(y_pred, settings.epsilon(), None) + 1.0)
    second = log(calculation.clip(y_true, settings.epsilon(), None) + 1.0)
    return reduce_mean(squared_difference(first, second), axis=-1)


def _signed(y_true: Any) -> Any:
    """0 and 1 as -1 and 1; other labels stay as they are."""
    binary = reduce_all(raw.LogicalOr(raw.Equal(y_true, 0), raw.Equal(y_true, 1)))
    return chosen(binary, lambda: 2.0 * y_true - 1.0, lambda: y_true)


@public("keras.losses.hinge", "keras.metrics.hinge")
def hinge(y_true: Any, y_pred: Any) -> Any:
    """The mean of `max(1 - y_true * y_pred, 0)`; labels are -1 and 1, or 0 and 1."""
    y_true, y_pred = _pair(y_true, y_pred)
    return reduce_mean(raw.Maximum(1.0 - _signed(y_true) * y_pred, 0.0), axis=-1)


@public("keras.losses.squared_hinge", "keras.metrics.squared_hinge")
def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """The mean of `max(1 - y_true * y_pred, 0)` squared; labels are -1 and 1, or 0 and 1."""
    y_true, y_pred = _pair(y_true, y_pred)
    return reduce_mean(raw.Square(raw.Maximum(1.0 - _signed(y_true) * y_pred, 0.0)), axis=-1)


@public("keras.losses.categorical_hinge")
def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """How far the best wrong class comes within 1 of the true one; `y_true` is one-hot."""
    y_true, y_pred = _pair(y_true, y_pred)
    right = reduce_sum(y_true * y_pred, axis=-1)
    wrong = reduce_max((1.0 - y_true) * y_pred, axis=-1)
    return raw.Maximum(0.0, wrong - right + 1.0)


def huber_loss(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Half the square of differences up to `delta`, linear beyond; element by element."""
    y_pred = cast(y_pred, settings.floatx())
    y_true = cast(y_true, settings.floatx())
    error = magnitude(raw.Sub(y_pred, y_true))
    quadratic = raw.Minimum(error, delta)
    linear = raw.Sub(error, quadratic)
    half = convert.to_tensor(0.5, quadratic.dtype)
    return raw.Add(raw.Mul(half, raw.Mul(quadratic, quadratic)), raw.Mul(delta, linear))


@public("keras.losses.logcosh")
def logcosh(y_true: Any, y_pred: Any) -> Any:
    """The mean of log(cosh(difference))."""
    y_true, y_pred = _pair(y_true, y_pred)
    x = y_pred - y_true
    return reduce_mean(x + softplus(-2.0 * x) - cast(log(2.0), x.dtype), axis=-1)


def _smoothed(y_true: Any, smoothing: Any, share: Any) -> Any:
    """What is true, drawn towards equal shares; `share` says how much of `smoothing` each class gets."""
    amount = convert.to_tensor(smoothing, dtypes.as_dtype(settings.floatx()))
    if isinstance(smoothing, int | float) and not smoothing:
        return y_true
    return share(amount)


@public("keras.losses.categorical_crossentropy", "keras.metrics.categorical_crossentropy")
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0
) -> Any:
    """The cross entropy of distributions along the last axis.

    Args:
      y_true: the true distributions.
      y_pred: the predicted ones, or their logits.
      from_logits: `y_pred` holds logits.
      label_smoothing: how much of the true distributions is spread over all classes.
    """
    y_true, y_pred = _pair(y_true, y_pred)

    def shared(smoothing: Any) -> Any:
        classes = cast(shape_of(y_true)[1], y_pred.dtype)
        return y_true * (1.0 - smoothing) + smoothing / classes

    y_true = _smoothed(y_true, label_smoothing, shared)
    return losses.categorical_crossentropy(y_true, y_pred, from_logits=from_logits)


@public("keras.losses.sparse_categorical_crossentropy", "keras.metrics.sparse_categorical_crossentropy")
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """The cross entropy of classes, integers, and distributions along an axis."""
    return losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


@public("keras.losses.binary_crossentropy", "keras.metrics.binary_crossentropy")
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0
) -> Any:
    """The mean cross entropy of probabilities.

    Args:
      y_true: the true probabilities.
      y_pred: the predicted ones, or their logits.
      from_logits: `y_pred` holds logits.
      label_smoothing: how far the true ones are drawn towards a half.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    y_true = _smoothed(y_true, label_smoothing, lambda amount: y_true * (1.0 - amount) + 0.5 * amount)
    return reduce_mean(losses.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=-1)


@public(
    "keras.losses.kullback_leibler_divergence",
    "keras.losses.kld",
    "keras.losses.KLD",
    "keras.metrics.kullback_leibler_divergence",
    "keras.metrics.kld",
    "keras.metrics.KLD",
)
def kullback_leibler_divergence(y_true: Any, y_pred: Any) -> Any:
    """The sum of `y_true * log(y_true / y_pred)`."""
    y_true, y_pred = _pair(y_true, y_pred)
    y_true = calculation.clip(y_true, settings.epsilon(), 1)
    y_pred = calculation.clip(y_pred, settings.epsilon(), 1)
    return reduce_sum(y_true * log(y_true / y_pred), axis=-1)


@public("keras.losses.poisson", "keras.metrics.poisson")
def poisson(y_true: Any, y_pred: Any) -> Any:
    """The mean of `y_pred - y_true * log(y_pred)`."""
    y_true, y_pred = _pair(y_true, y_pred)
    return reduce_mean(y_pred - y_true * log(y_pred + settings.epsilon()), axis=-1)


@public(
    "keras.losses.cosine_similarity",
    "keras.losses.cosine_proximity",
    "keras.losses.cosine",
    "keras.metrics.cosine_proximity",
    "keras.metrics.cosine",
)
def cosine_proximity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The cosine of the angle between two vectors."""
    y_true, y_pred = l2_normalize(y_true, axis=axis), l2_normalize(y_pred, axis=axis)
    return reduce_sum(y_true * y_pred, axis=axis)
