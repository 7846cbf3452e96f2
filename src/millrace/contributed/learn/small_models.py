"""`tf.contrib.learn.models`: linear and logistic regression as a few operations."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.lib.losses.weighted import mean_squared_error, softmax_cross_entropy
from millrace.lib.nn.functions import xw_plus_b
from millrace.lib.summary.operations import histogram
from millrace.lib.variables.initializers import RandomNormal
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.reshape import squeeze
from millrace.ops.nn.softmax import softmax


def _weights(x: Any, y: Any, width: int, mean: float | None, deviation: float, scope: str) -> tuple[Any, Any]:
    dtype = x.dtype.base_dtype
    chosen = None if mean is None else RandomNormal(mean, deviation, dtype=dtype)
    histogram(f"{scope}.x", x)
    histogram(f"{scope}.y", y)
    weights = get_variable("weights", [x.get_shape()[1].value, width], dtype=dtype, initializer=chosen)
    bias = get_variable("bias", [width], dtype=dtype, initializer=chosen)
    histogram(f"{scope}.weights", weights)
    histogram(f"{scope}.bias", bias)
    return weights, bias


@public("contrib.learn.models.linear_regression")
def linear_regression(
    x: Any, y: Any, init_mean: float | None = None, init_stddev: float = 1.0
) -> tuple[Any, Any]:
    """Predictions of a linear model and the mean of their squared errors.

    Args:
      x: `[batch, features]`.
      y: `[batch]` or `[batch, outputs]`.
      init_mean: of the normal distribution that weights begin with; None for the scope's own initializer.
      init_stddev: of the same.
    """
    with variable_scope("linear_regression"):
        x, y = convert_to_tensor(x), convert_to_tensor(y)
        width = 1 if len(y.get_shape()) == 1 else y.get_shape()[1].value
        weights, bias = _weights(x, y, width, init_mean, init_stddev, "linear_regression")
        with name_scope("mean_squared_error_regressor", values=[x, y]):
            predictions = xw_plus_b(x, weights, bias)
            if len(y.get_shape()) == 1:
                predictions = squeeze(predictions, axis=1)
            return predictions, mean_squared_error(y, predictions)


@public("contrib.learn.models.linear_regression_zero_init")
def linear_regression_zero_init(x: Any, y: Any) -> tuple[Any, Any]:
    """`linear_regression` that begins with zeros; arguments as there."""
    return linear_regression(x, y, init_mean=0.0, init_stddev=0.0)


@public("contrib.learn.models.logistic_regression")
def logistic_regression(
    x: Any,
    y: Any,
    class_weight: Any = None,
    init_mean: float | None = None,
    init_stddev: float = 1.0,
) -> tuple[Any, Any]:
    """Probabilities of classes and the mean cross entropy.

    Args:
      x: `[batch, features]`.
      y: `[batch, classes]`, a distribution each.
      class_weight: `[classes]` factors of the logits, or None.
      init_mean: of the normal distribution that weights begin with; None for the scope's own initializer.
      init_stddev: of the same.
    """
    with variable_scope("logistic_regression"):
        x, y = convert_to_tensor(x), convert_to_tensor(y)
        width = y.get_shape()[1].value
        weights, bias = _weights(x, y, width, init_mean, init_stddev, "logistic_regression")
        with name_scope("softmax_classifier", values=[x, y]):
            logits = xw_plus_b(x, weights, bias)
            if class_weight is not None:
                logits = logits * class_weight
            return softmax(logits), softmax_cross_entropy(y, logits)


@public("contrib.learn.models.logistic_regression_zero_init")
def logistic_regression_zero_init(x: Any, y: Any) -> tuple[Any, Any]:
    """`logistic_regression` that begins with zeros; arguments as there."""
    return logistic_regression(x, y, init_mean=0.0, init_stddev=0.0)
