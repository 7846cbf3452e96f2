"""Losses as objects: a function with settings, a reduction and a name."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from millrace.building.scopes import name_scope
from millrace.core import homes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import registry
from millrace.lib.variables.variable import Variable
from millrace.models.keras.backend.session import get_value
from millrace.models.keras.losses import functions, weighting
from millrace.models.keras.losses.weighting import AUTO


@public("keras.losses.Reduction", "compat.v2.keras.losses.Reduction", "compat.v2.losses.Reduction")
class Reduction:
    """How the losses of the elements become one number."""

    AUTO = weighting.AUTO
    NONE = weighting.NONE
    SUM = weighting.SUM
    SUM_OVER_BATCH_SIZE = weighting.SUM_OVER_BATCH_SIZE

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """All reductions."""
        return weighting.REDUCTIONS

    @classmethod
    def validate(cls, key: str) -> None:
        """Refuses a reduction that does not exist.

        Raises:
          ValueError: it does not exist.
        """
        weighting.check_reduction(key)


@public("keras.losses.Loss")
class Loss:
    """Base of losses; subclasses compute the losses of the elements in `call`.

    Args:
      reduction: "none", "sum", "sum_over_batch_size", or "auto" for the last.
      name: its name.

    Raises:
      ValueError: there is no such reduction.
    """

    def __init__(self, reduction: str = AUTO, name: str | None = None) -> None:
        weighting.check_reduction(reduction)
        self.reduction, self.name = reduction, name

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss.

        Args:
          y_true: what is true.
          y_pred: what was predicted.
          sample_weight: factors of the elements' losses; broadcasts with them.
        """
        scope = "lambda" if self.name == "<lambda>" else self.name
        with name_scope(scope or type(self).__name__):
            losses = self.call(y_true, y_pred)
            return weighting.compute_weighted_loss(losses, sample_weight, reduction=self._get_reduction())

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of the elements; subclasses say which.

        Raises:
          NotImplementedError: the subclass does not.
        """
        raise NotImplementedError("Must be implemented in subclasses.")

    def _get_reduction(self) -> str:
        return weighting.SUM_OVER_BATCH_SIZE if self.reduction == AUTO else self.reduction

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal loss."""
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The loss that `get_config` describes."""
        return cls(**config)


@public("python.keras.losses.LossFunctionWrapper")
class LossFunctionWrapper(Loss):
    """A loss made of a function.

    Args:
      fn: a function of truth and predictions.
      reduction, name: as for `Loss`.
      **kwargs: more arguments of the function.
    """

    def __init__(self, fn: Any, reduction: str = AUTO, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(reduction=reduction, name=name)
        self.fn, self._fn_kwargs = fn, kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """What the function makes of the two."""
        if isinstance(y_pred, Tensor) and isinstance(y_true, Tensor):
            y_true, y_pred = weighting.aligned(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal loss."""
        settings = {k: registry_value(v) for k, v in self._fn_kwargs.items()}
        return {**super().get_config(), **settings}


def registry_value(value: Any) -> Any:
    """A setting as it is saved: the value of a tensor or variable, anything else itself."""
    return get_value(value) if isinstance(value, Tensor | Variable) else value


@public("keras.losses.MeanSquaredError")
class MeanSquaredError(LossFunctionWrapper):
    """The mean of the squared differences."""

    def __init__(self, reduction: str = AUTO, name: str = "mean_squared_error") -> None:
        super().__init__(functions.mean_squared_error, reduction, name)


@public("keras.losses.MeanAbsoluteError")
class MeanAbsoluteError(LossFunctionWrapper):
    """The mean of the differences' magnitudes."""

    def __init__(self, reduction: str = AUTO, name: str = "mean_absolute_error") -> None:
        super().__init__(functions.mean_absolute_error, reduction, name)


@public("keras.losses.MeanAbsolutePercentageError")
class MeanAbsolutePercentageError(LossFunctionWrapper):
    """The mean of the differences' magnitudes in percent of what is true."""

    def __init__(self, reduction: str = AUTO, name: str = "mean_absolute_percentage_error") -> None:
        super().__init__(functions.mean_absolute_percentage_error, reduction, name)


@public("keras.losses.MeanSquaredLogarithmicError")
class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """The mean of the squared differences of log(1 + y)."""

    def __init__(self, reduction: str = AUTO, name: str = "mean_squared_logarithmic_error") -> None:
        super().__init__(functions.mean_squared_logarithmic_error, reduction, name)


@public("keras.losses.BinaryCrossentropy")
class BinaryCrossentropy(LossFunctionWrapper):
    """The cross entropy of probabilities; arguments as for `tf.keras.losses.binary_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0,
        reduction: str = AUTO,
        name: str = "binary_crossentropy",
    ) -> None:
        super().__init__(
            functions.binary_crossentropy,
            reduction,
            name,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )
        self.from_logits = from_logits


@public("keras.losses.CategoricalCrossentropy")
class CategoricalCrossentropy(LossFunctionWrapper):
    """The cross entropy of distributions; arguments as for `tf.keras.losses.categorical_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0,
        reduction: str = AUTO,
        name: str = "categorical_crossentropy",
    ) -> None:
        super().__init__(
            functions.categorical_crossentropy,
            reduction,
            name,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


@public("keras.losses.SparseCategoricalCrossentropy")
class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """The cross entropy of classes, integers, and distributions.

    Args:
      from_logits: predictions are logits.
      reduction, name: as for `Loss`.
    """

    def __init__(
        self, from_logits: bool = False, reduction: str = AUTO, name: str = "sparse_categorical_crossentropy"
    ) -> None:
        super().__init__(functions.sparse_categorical_crossentropy, reduction, name, from_logits=from_logits)


@public("keras.losses.Hinge")
class Hinge(LossFunctionWrapper):
    """The mean of `max(1 - y_true * y_pred, 0)`."""

    def __init__(self, reduction: str = AUTO, name: str = "hinge") -> None:
        super().__init__(functions.hinge, reduction, name)


@public("keras.losses.SquaredHinge")
class SquaredHinge(LossFunctionWrapper):
    """The mean of `max(1 - y_true * y_pred, 0)` squared."""

    def __init__(self, reduction: str = AUTO, name: str = "squared_hinge") -> None:
        super().__init__(functions.squared_hinge, reduction, name)


@public("keras.losses.CategoricalHinge")
class CategoricalHinge(LossFunctionWrapper):
    """How far the best wrong class comes within 1 of the true one."""

    def __init__(self, reduction: str = AUTO, name: str = "categorical_hinge") -> None:
        super().__init__(functions.categorical_hinge, reduction, name)


@public("keras.losses.Poisson")
class Poisson(LossFunctionWrapper):
    """The mean of `y_pred - y_true * log(y_pred)`."""

    def __init__(self, reduction: str = AUTO, name: str = "poisson") -> None:
        super().__init__(functions.poisson, reduction, name)


@public("keras.losses.LogCosh")
class LogCosh(LossFunctionWrapper):
    """The mean of log(cosh(difference))."""

    def __init__(self, reduction: str = AUTO, name: str = "logcosh") -> None:
        super().__init__(functions.logcosh, reduction, name)


@public("keras.losses.KLDivergence")
class KLDivergence(LossFunctionWrapper):
    """The sum of `y_true * log(y_true / y_pred)`."""

    def __init__(self, reduction: str = AUTO, name: str = "kullback_leibler_divergence") -> None:
        super().__init__(functions.kullback_leibler_divergence, reduction, name)


@public("keras.losses.Huber")
class Huber(LossFunctionWrapper):
    """Half the square of differences up to `delta`, linear beyond."""

    def __init__(self, delta: float = 1.0, reduction: str = AUTO, name: str = "huber_loss") -> None:
        super().__init__(functions.huber_loss, reduction, name, delta=delta)


@public("keras.losses.CosineSimilarity")
class CosineSimilarity(LossFunctionWrapper):
    """The cosine of the angle between two vectors along an axis."""

    def __init__(self, axis: int = -1, reduction: str = AUTO, name: str = "cosine_similarity") -> None:
        super().__init__(functions.cosine_proximity, reduction, name, axis=axis)


_SHORT = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kullback_leibler_divergence",
    "cosine": "cosine_proximity",
    "cosine_similarity": "cosine_proximity",
}
_BY_NAME: dict[str, Any] = {
    k: v
    for k, v in vars(functions).items()
    if isinstance(v, FunctionType) and homes.module_of(v) == functions.__name__ and not k.startswith("_")
}
_BY_NAME.update({short: getattr(functions, name) for short, name in _SHORT.items()})
_BY_NAME.update({s.upper(): _BY_NAME[s] for s in ("mse", "mae", "mape", "msle", "kld")})
_BY_NAME.update({k: v for k, v in list(globals().items()) if isinstance(v, type) and issubclass(v, Loss)})


@public("keras.losses.serialize")
def serialize(loss: Any) -> Any:
    """How a loss is saved: its name, or class name and settings."""
    return registry.serialize_keras_object(loss)


@public("keras.losses.deserialize")
def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The loss that `serialize` described.

    Raises:
      ValueError: the name is unknown.
    """
    return registry.deserialize_keras_object(name, _BY_NAME, custom_objects, "loss function")


@public("keras.losses.get")
def get(identifier: Any) -> Any:
    """The loss that a name, a description or a callable stands for; None for None.

    Raises:
      ValueError: it stands for none.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str | dict):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret loss function identifier. Received: {identifier!r}")
