"""Gradient descent, plain and with the proximal step of l1 and l2 penalties."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.training.optimizers.fused import FusedOptimizer
from millrace.training.optimizers.optimizer import Optimizer, cast


@public("train.GradientDescentOptimizer", "python.training.gradient_descent.GradientDescentOptimizer")
class GradientDescentOptimizer(FusedOptimizer, Optimizer):
    """var -= learning_rate * gradient.

    Args:
      learning_rate: a scalar: number, tensor, or function that gives one.
      use_locking: accepted; updates are always whole.
      name: default "GradientDescent".

    Example:
      >>> w = tf.Variable(1.0)
      >>> step = tf.train.GradientDescentOptimizer(0.1).minimize(tf.square(w))
      >>> with tf.Session() as sess:
      ...     sess.run(tf.global_variables_initializer())
      ...     sess.run(step)
      ...     print(sess.run(w).round(3))
      0.8
    """

    rule = "GradientDescent"
    tensor_inputs = {"alpha": "_learning_rate_tensor"}

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._learning_rate_tensor: Any = None

    def _prepare(self) -> None:
        rate = self._call_if_callable(self._learning_rate)
        self._learning_rate_tensor = convert.to_tensor(rate, name="learning_rate")

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Any) -> Any:
        delta = IndexedSlices(
            grad.values * cast(self._learning_rate_tensor, var.dtype), grad.indices, grad.dense_shape
        )
        return var.scatter_sub(delta, use_locking=self._use_locking)

    def _resource_apply_sparse_duplicate_indices(self, grad: Tensor, handle: Any, indices: Tensor) -> Any:
        rate = self._call_if_callable(self._learning_rate)
        return raw.ResourceScatterAdd(handle.handle, indices, -grad * rate)


@public("train.ProximalGradientDescentOptimizer")
class ProximalGradientDescentOptimizer(FusedOptimizer, Optimizer):
    """Gradient descent followed by the proximal step of l1 and l2 penalties (Duchi and Singer, FOBOS).

    Args:
      learning_rate: a scalar.
      l1_regularization_strength, l2_regularization_strength: scalars, not negative.
      use_locking: accepted; updates are always whole.
      name: default "ProximalGradientDescent".
    """

    rule = "ProximalGradientDescent"
    tensor_inputs = {
        "alpha": "_learning_rate_tensor",
        "l1": "_l1_regularization_strength_tensor",
        "l2": "_l2_regularization_strength_tensor",
    }

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _prepare(self) -> None:
        self._learning_rate_tensor = convert.to_tensor(self._learning_rate, name="learning_rate")
        self._l1_regularization_strength_tensor = convert.to_tensor(
            self._l1_regularization_strength, name="l1_regularization_strength"
        )
        self._l2_regularization_strength_tensor = convert.to_tensor(
            self._l2_regularization_strength, name="l2_regularization_strength"
        )
