"""Optimizers of canned estimators: by name, by object, or made by a function."""

from __future__ import annotations

from typing import Any

from millrace.training.optimizers.adagrad import AdagradOptimizer
from millrace.training.optimizers.adam import AdamOptimizer
from millrace.training.optimizers.ftrl import FtrlOptimizer
from millrace.training.optimizers.gradient_descent import GradientDescentOptimizer
from millrace.training.optimizers.optimizer import Optimizer
from millrace.training.optimizers.rmsprop import RMSPropOptimizer

_BY_NAME = {
    "Adagrad": AdagradOptimizer,
    "Adam": AdamOptimizer,
    "Ftrl": FtrlOptimizer,
    "RMSProp": RMSPropOptimizer,
    "SGD": GradientDescentOptimizer,
}


def optimizer_of(given: Any, learning_rate: float | None = None) -> Any:
    """An optimizer.

    Args:
      given: a name, an optimizer, or a function that makes one.
      learning_rate: for a name.

    Raises:
      ValueError: the name is unknown, or there is no learning rate for it.
    """
    if isinstance(given, str):
        if given not in _BY_NAME:
            raise ValueError(
                f"Unsupported optimizer name: {given}. Supported names are: {tuple(sorted(_BY_NAME))}"
            )
        if learning_rate is None:
            raise ValueError("learning_rate must be specified when opt is string.")
        return _BY_NAME[given](learning_rate=learning_rate)
    if callable(given) and not hasattr(given, "minimize"):
        given = given()
    if not isinstance(given, Optimizer):
        raise ValueError(f"The given object is not an Optimizer instance. Given: {given}")
    return given
