"""`tf.contrib.optimizer_v2`: the optimizers of `tf.train`, which strategies can use as they are."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.training.optimizers.adagrad import AdadeltaOptimizer as Adadelta
from millrace.training.optimizers.adagrad import AdagradOptimizer as Adagrad
from millrace.training.optimizers.adam import AdamOptimizer as Adam
from millrace.training.optimizers.gradient_descent import GradientDescentOptimizer as GradientDescent
from millrace.training.optimizers.momentum import MomentumOptimizer as Momentum
from millrace.training.optimizers.optimizer import Optimizer
from millrace.training.optimizers.rmsprop import RMSPropOptimizer as RMSProp


@public("contrib.optimizer_v2.OptimizerV2")
class OptimizerV2(Optimizer):
    """What these optimizers have in common.

    Args:
      use_locking: accepted; steps are atomic.
      name: begins the names of slots and operations.
    """

    def __init__(self, use_locking: bool, name: str) -> None:
        super().__init__(use_locking, name)


@public("contrib.optimizer_v2.GradientDescentOptimizer")
class GradientDescentOptimizer(GradientDescent, OptimizerV2):
    """Gradient descent.

    Args:
      learning_rate: a number or a tensor.
      use_locking, name: as for `OptimizerV2`.
    """

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        GradientDescent.__init__(self, learning_rate, use_locking, name)


@public("contrib.optimizer_v2.MomentumOptimizer")
class MomentumOptimizer(Momentum, OptimizerV2):
    """Gradient descent with momentum.

    Args:
      learning_rate, momentum: numbers or tensors.
      use_locking, name: as for `OptimizerV2`.
      use_nesterov: take the gradient where the momentum leads.
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        Momentum.__init__(self, learning_rate, momentum, use_locking, name, use_nesterov)


@public("contrib.optimizer_v2.AdagradOptimizer")
class AdagradOptimizer(Adagrad, OptimizerV2):
    """Adagrad.

    Args:
      learning_rate: a number or a tensor.
      initial_accumulator_value: where sums of squares begin.
      use_locking, name: as for `OptimizerV2`.

    Raises:
      ValueError: `initial_accumulator_value` is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        Adagrad.__init__(self, learning_rate, initial_accumulator_value, use_locking, name)


@public("contrib.optimizer_v2.AdamOptimizer")
class AdamOptimizer(Adam, OptimizerV2):
    """Adam.

    Args:
      learning_rate, beta1, beta2, epsilon: numbers or tensors.
      use_locking, name: as for `OptimizerV2`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        Adam.__init__(self, learning_rate, beta1, beta2, epsilon, use_locking, name)


@public("contrib.optimizer_v2.RMSPropOptimizer")
class RMSPropOptimizer(RMSProp, OptimizerV2):
    """RMSProp, whose means of squares begin at 0.

    Args:
      learning_rate, decay, momentum, epsilon: numbers or tensors.
      use_locking: accepted; steps are atomic.
      centered: divide by the variance rather than by the mean of squares.
      name: begins the names of slots and operations.
    """

    _first_mean_square = 0.0

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
        RMSProp.__init__(self, learning_rate, decay, momentum, epsilon, use_locking, centered, name)


@public("contrib.optimizer_v2.AdadeltaOptimizer")
class AdadeltaOptimizer(Adadelta, OptimizerV2):
    """Adadelta.

    Args:
      learning_rate, rho, epsilon: numbers or tensors.
      use_locking, name: as for `OptimizerV2`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        Adadelta.__init__(self, learning_rate, rho, epsilon, use_locking, name)
