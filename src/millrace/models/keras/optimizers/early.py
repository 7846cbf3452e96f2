"""Optimizers Keras had before its second version: the base class, which programs derive from, and SGD."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.autodiff.gradients import gradients
from millrace.building import raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.math.functions import clip_by_value
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.variables.variable import Variable
from millrace.models.keras.backend.session import batch_get_value, batch_set_value
from millrace.ops.math.cast import cast


@public("python.keras.optimizers.Optimizer")
class Optimizer:
    """A rule that changes variables; a subclass says in `get_updates` how.

    Args:
      **kwargs: `clipnorm`, the largest norm of a gradient, and `clipvalue`, the largest of its elements.

    Attributes:
      updates: the operations of the last `get_updates`.
      weights: the variables that the rule keeps.

    Raises:
      TypeError: another argument is given.
      ValueError: a bound is negative.
    """

    def __init__(self, **kwargs: Any) -> None:
        for key, value in kwargs.items():
            if key not in ("clipnorm", "clipvalue"):
                raise TypeError(f"Unexpected keyword argument passed to optimizer: {key}")
            if value < 0:
                raise ValueError(f"Expected {key} >= 0, received: {value}")
        self.__dict__.update(kwargs)
        self.updates: list[Any] = []
        self.weights: list[Any] = []

    def get_updates(self, loss: Any, params: Any) -> list[Any]:
        """The operations of one step: a subclass's.

        Args:
          loss: a scalar tensor.
          params: the variables to change.
        """
        raise NotImplementedError

    def get_gradients(self, loss: Any, params: Any) -> list[Any]:
        """The gradients of the loss, within the bounds.

        Raises:
          ValueError: the loss does not depend on one of `params`.
        """
        found = gradients(loss, params)
        if any(g is None for g in found):
            raise ValueError(
                "An operation has `None` for gradient. Please make sure that all of your ops have a gradient "
                "defined (i.e. are differentiable). Common ops without gradient: K.argmax, K.round, K.eval."
            )
        clipnorm, clipvalue = getattr(self, "clipnorm", 0), getattr(self, "clipvalue", 0)
        if clipnorm > 0:
            found = [_within(g, clipnorm) for g in found]
        if clipvalue > 0:
            found = [clip_by_value(g, -clipvalue, clipvalue) for g in found]
        return found

    def set_weights(self, weights: Any) -> None:
        """Gives the variables of the rule new values.

        Args:
          weights: an array for each.

        Raises:
          ValueError: they are not as many, or a shape differs.
        """
        if len(self.weights) != len(weights):
            raise ValueError(
                f"Length of the specified weight list ({len(weights)}) does not match the number of weights "
                f"of the optimizer ({len(self.weights)})"
            )
        pairs = list(zip(self.weights, weights, strict=True))
        for old, new in zip(batch_get_value(self.weights), weights, strict=True):
            if np.shape(old) != np.shape(new):
                raise ValueError(
                    f"Optimizer weight shape {np.shape(old)} not compatible with provided weight shape "
                    f"{np.shape(new)}"
                )
        batch_set_value(pairs)

    def get_weights(self) -> list[Any]:
        """The values of the rule's variables."""
        return batch_get_value(self.weights)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        return {key: getattr(self, key) for key in ("clipnorm", "clipvalue") if hasattr(self, key)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The optimizer of that configuration."""
        return cls(**config)


def _within(gradient: Any, bound: float) -> Any:
    norm = raw.Sqrt(reduce_sum(raw.Square(gradient)))
    return raw.Select(raw.GreaterEqual(norm, bound), gradient * bound / norm, gradient)


def _made(value: Any, name: str, dtype: str) -> Any:
    return settings.track(Variable(value, name=name, dtype=dtype, use_resource=True))


@public("python.keras.optimizers.SGD")
class SGD(Optimizer):
    """Steps against the gradient, with momentum.

    Args:
      lr: the learning rate.
      momentum: how much of the last step is taken again.
      decay: the learning rate of step t, counted from 1, is lr / (1 + decay t).
      nesterov: whether the gradient is added to the step after the momentum once more.
      **kwargs: as for `Optimizer`.
    """

    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.0,
        decay: float = 0.0,
        nesterov: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        with name_scope(type(self).__name__):
            self.iterations = _made(0, "iterations", "int64")
            self.lr = _made(lr, "lr", settings.floatx())
            self.momentum = _made(momentum, "momentum", settings.floatx())
            self.decay = _made(decay, "decay", settings.floatx())
        self.initial_decay = decay
        self.nesterov = nesterov

    def get_updates(self, loss: Any, params: Any) -> list[Any]:
        """The operations of one step, the count of steps first."""
        grads = self.get_gradients(loss, params)
        rate: Any = self.lr.read_value()
        self.updates = [self.iterations.assign_add(1)]
        if self.initial_decay > 0:
            with control_dependencies(self.updates):
                steps = cast(self.iterations.read_value(), self.decay.dtype.base_dtype)
            rate = rate * (1.0 / (1.0 + self.decay * steps))
        moments = [
            _made(
                np.zeros(p.shape.as_list(), p.dtype.base_dtype.as_numpy_dtype),
                "moment",
                p.dtype.base_dtype.name,
            )
            for p in params
        ]
        self.weights = [self.iterations, *moments]
        for param, gradient, moment in zip(params, grads, moments, strict=True):
            step = self.momentum * moment - rate * gradient
            self.updates.append(moment.assign(step))
            moved = param + self.momentum * step - rate * gradient if self.nesterov else param + step
            constraint = getattr(param, "constraint", None)
            self.updates.append(param.assign(moved if constraint is None else constraint(moved)))
        return self.updates

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        numbers = zip(
            ("lr", "momentum", "decay"), batch_get_value([self.lr, self.momentum, self.decay]), strict=True
        )
        return {**super().get_config(), **{key: float(n) for key, n in numbers}, "nesterov": self.nesterov}
