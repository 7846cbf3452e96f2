"""Metrics that average a function of truth and predictions: accuracies, and losses as metrics."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.nn.moments import l2_normalize
from millrace.models.keras.losses import functions
from millrace.models.keras.metrics.base import MeanMetricWrapper
from millrace.ops.math.cast import cast
from millrace.ops.math.top_k import in_top_k


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where prediction and truth are equal."""
    y_true, y_pred = convert.to_tensor(y_true), convert.to_tensor(y_pred)
    if y_true.dtype is not y_pred.dtype:
        y_pred = cast(y_pred, y_true.dtype)
    return cast(raw.Equal(y_true, y_pred), settings.floatx())


@public("keras.metrics.binary_accuracy")
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """How many of the last axis' predictions lie on the right side of `threshold`."""
    y_pred = convert.to_tensor(y_pred)
    found = cast(raw.Greater(y_pred, cast(threshold, y_pred.dtype)), y_pred.dtype)
    return reduce_mean(cast(raw.Equal(cast(y_true, y_pred.dtype), found), settings.floatx()), axis=-1)


@public("keras.metrics.categorical_accuracy")
def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the greatest prediction is that of the true class; `y_true` is one-hot."""
    return cast(raw.Equal(raw.ArgMax(y_true, -1), raw.ArgMax(y_pred, -1)), settings.floatx())


@public("keras.metrics.sparse_categorical_accuracy")
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the greatest prediction is that of the true class, an integer."""
    y_true, y_pred = convert.to_tensor(y_true), convert.to_tensor(y_pred)
    if y_true.dims is not None and y_pred.dims is not None and len(y_true.dims) == len(y_pred.dims):
        y_true = raw.Squeeze(y_true, squeeze_dims=[-1])
    found = raw.ArgMax(y_pred, -1)
    if found.dtype.base_dtype is not y_true.dtype.base_dtype:
        found = cast(found, y_true.dtype)
    return cast(raw.Equal(y_true, found), settings.floatx())


@public("keras.metrics.top_k_categorical_accuracy")
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the true class is among the `k` greatest predictions; `y_true` is one-hot."""
    return cast(in_top_k(y_pred, raw.ArgMax(y_true, -1), k), settings.floatx())


@public("keras.metrics.sparse_top_k_categorical_accuracy")
def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the true class, an integer, is among the `k` greatest predictions."""
    y_true, y_pred = convert.to_tensor(y_true), convert.to_tensor(y_pred)
    if y_true.dims is not None and y_pred.dims is not None:
        if len(y_pred.dims) > 2:
            y_pred = raw.Reshape(y_pred, [-1, y_pred.dims[-1]])
            y_true = raw.Reshape(y_true, [-1])
        elif len(y_true.dims) > 1:
            y_true = raw.Squeeze(y_true, squeeze_dims=[-1])
    return cast(in_top_k(y_pred, cast(y_true, dtypes.int32), k), settings.floatx())


def cosine_proximity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The cosine of the angle between two vectors."""
    return reduce_sum(l2_normalize(y_true, axis=axis) * l2_normalize(y_pred, axis=axis), axis=axis)


@public("keras.metrics.Accuracy")
class Accuracy(MeanMetricWrapper):
    """How often predictions equal the truth."""

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype=dtype)


@public("keras.metrics.BinaryAccuracy")
class BinaryAccuracy(MeanMetricWrapper):
    """How often predictions lie on the right side of `threshold`."""

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(binary_accuracy, name, dtype=dtype, threshold=threshold)


@public("keras.metrics.CategoricalAccuracy")
class CategoricalAccuracy(MeanMetricWrapper):
    """How often the greatest prediction is that of the true class; truth is one-hot."""

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype=dtype)


@public("keras.metrics.SparseCategoricalAccuracy")
class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the greatest prediction is that of the true class, an integer."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype=dtype)


@public("keras.metrics.TopKCategoricalAccuracy")
class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the true class is among the `k` greatest predictions; truth is one-hot."""

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype=dtype, k=k)


@public("keras.metrics.SparseTopKCategoricalAccuracy")
class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the true class, an integer, is among the `k` greatest predictions."""

    def __init__(
        self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype=dtype, k=k)


@public("keras.metrics.CosineSimilarity")
class CosineSimilarity(MeanMetricWrapper):
    """The mean cosine of the angle between truth and prediction."""

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(cosine_proximity, name, dtype=dtype, axis=axis)


@public("keras.metrics.MeanSquaredError")
class MeanSquaredError(MeanMetricWrapper):
    """The mean of the squared differences."""

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(functions.mean_squared_error, name, dtype=dtype)


@public("keras.metrics.MeanAbsoluteError")
class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of the differences' magnitudes."""

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(functions.mean_absolute_error, name, dtype=dtype)


@public("keras.metrics.MeanAbsolutePercentageError")
class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of the differences' magnitudes in percent of what is true."""

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(functions.mean_absolute_percentage_error, name, dtype=dtype)


@public("keras.metrics.MeanSquaredLogarithmicError")
class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of the squared differences of log(1 + y)."""

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(functions.mean_squared_logarithmic_error, name, dtype=dtype)


@public("keras.metrics.Hinge")
class Hinge(MeanMetricWrapper):
    """The mean hinge loss."""

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(functions.hinge, name, dtype=dtype)


@public("keras.metrics.SquaredHinge")
class SquaredHinge(MeanMetricWrapper):
    """The mean squared hinge loss."""

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(functions.squared_hinge, name, dtype=dtype)


@public("keras.metrics.CategoricalHinge")
class CategoricalHinge(MeanMetricWrapper):
    """The mean categorical hinge loss."""

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(functions.categorical_hinge, name, dtype=dtype)


@public("keras.metrics.LogCoshError")
class LogCoshError(MeanMetricWrapper):
    """The mean of log(cosh(difference))."""

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(functions.logcosh, name, dtype=dtype)


@public("keras.metrics.Poisson")
class Poisson(MeanMetricWrapper):
    """The mean Poisson loss."""

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(functions.poisson, name, dtype=dtype)


@public("keras.metrics.KLDivergence")
class KLDivergence(MeanMetricWrapper):
    """The mean Kullback-Leibler divergence."""

    def __init__(self, name: str = "kullback_leibler_divergence", dtype: Any = None) -> None:
        super().__init__(functions.kullback_leibler_divergence, name, dtype=dtype)


@public("keras.metrics.BinaryCrossentropy")
class BinaryCrossentropy(MeanMetricWrapper):
    """The mean cross entropy of probabilities; arguments as for the loss."""

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            functions.binary_crossentropy,
            name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


@public("keras.metrics.CategoricalCrossentropy")
class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross entropy of distributions; arguments as for the loss."""

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            functions.categorical_crossentropy,
            name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


@public("keras.metrics.SparseCategoricalCrossentropy")
class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross entropy of classes, integers, and distributions along an axis."""

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            functions.sparse_categorical_crossentropy,
            name,
            dtype=dtype,
            from_logits=from_logits,
            axis=axis,
        )
