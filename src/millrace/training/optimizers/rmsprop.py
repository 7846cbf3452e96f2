"""RMSProp (Tieleman and Hinton): steps over the root of a moving average of the gradient's square."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.core.public import public
from millrace.training.optimizers.fused import FusedOptimizer
from millrace.training.optimizers.optimizer import Optimizer


@public("train.RMSPropOptimizer", "python.training.rmsprop.RMSPropOptimizer")
class RMSPropOptimizer(FusedOptimizer, Optimizer):
    """ms averages gradient²; var -= momentum of learning_rate * gradient / sqrt(ms + epsilon).

    Args:
      learning_rate: a scalar: number, tensor, or function that gives one.
      decay: how much of the averages is kept at each step.
      momentum: how much of the last step is added to each step.
      epsilon: keeps the denominator from zero.
      use_locking: accepted; updates are always whole.
      centered: divide by the root of the gradient's variance instead.
      name: default "RMSProp".

    Example:
      >>> w = tf.Variable(1.0)
      >>> step = tf.train.RMSPropOptimizer(0.1).minimize(tf.square(w))
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     sess.run(step)
      ...     print(sess.run(w).round(3))
      0.825
    """

    slot_inputs = {"ms": "rms", "mg": "mg", "mom": "momentum"}
    tensor_inputs = {
        "lr": "_learning_rate_tensor",
        "rho": "_decay_tensor",
        "momentum": "_momentum_tensor",
        "epsilon": "_epsilon_tensor",
    }

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._decay = decay
        self._momentum = momentum
        self._epsilon = epsilon
        self._centered = centered

    def _rule(self) -> str:
        return "CenteredRMSProp" if self._centered else "RMSProp"

    _first_mean_square = 1.0

    def _create_slots(self, var_list: list[Any]) -> None:
        for var in var_list:
            self._constant_slot(var, self._first_mean_square, "rms", self._name, filled=True)
            if self._centered:
                self._constant_slot(var, 0.0, "mg", self._name, filled=True)
            self._zeros_slot(var, "momentum", self._name)

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert.to_tensor(rate, name="learning_rate")
        self._decay_tensor = convert.to_tensor(self._call_if_callable(self._decay), name="decay")
        self._momentum_tensor = convert.to_tensor(self._call_if_callable(self._momentum), name="momentum")
        self._epsilon_tensor = convert.to_tensor(self._call_if_callable(self._epsilon), name="epsilon")
