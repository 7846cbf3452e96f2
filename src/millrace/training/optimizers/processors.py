"""What an optimizer does with one variable, whatever its kind: the target of gradients, and the update."""

from __future__ import annotations

from typing import Any

from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import control_dependencies
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable


@public("python.training.optimizer._OptimizableVariable")
class OptimizableVariable:
    """Something to optimize.

    Args:
      v: a variable, or a tensor.
    """

    def __init__(self, v: Any) -> None:
        self._v = v

    def target(self) -> Tensor:
        """What gradients are taken with respect to: a variable's reference or handle, or a tensor itself."""
        return self._v

    def update_op(self, optimizer: Any, g: Any) -> Any:
        """The update of the variable, and its constraint behind it.

        Args:
          optimizer: a `tf.train.Optimizer`.
          g: the gradient, a tensor or an IndexedSlices.

        Raises:
          NotImplementedError: it is a tensor, which has no place that could be written.
          RuntimeError: a sparse gradient meets a constraint.
        """
        raise NotImplementedError(f"Trying to update a Tensor. Received: {self._v}")


class _OfVariable(OptimizableVariable):
    """A variable."""

    def target(self) -> Tensor:
        return self._v._target

    def update_op(self, optimizer: Any, g: Any) -> Any:
        constraint = self._v.constraint
        if isinstance(g, IndexedSlices):
            if constraint is not None:
                raise RuntimeError(
                    "Cannot use a constraint function on a sparse variable. "
                    f"Received: variable '{self._v.name}'"
                )
            return self._sparse(optimizer, g)
        update = self._dense(optimizer, g)
        if constraint is None:
            return update
        with control_dependencies([update]):
            return self._v.assign(constraint(self._v))

    def _dense(self, optimizer: Any, g: Any) -> Any:
        return optimizer._apply_dense(g, self._v)

    def _sparse(self, optimizer: Any, g: IndexedSlices) -> Any:
        return optimizer._apply_sparse_duplicate_indices(g, self._v)


@public("python.training.optimizer._RefVariableProcessor")
class RefVariableProcessor(_OfVariable):
    """A variable whose value is named by a reference."""


@public("python.training.optimizer._DenseResourceVariableProcessor")
class DenseResourceVariableProcessor(_OfVariable):
    """A variable whose value is named by a handle."""

    def _dense(self, optimizer: Any, g: Any) -> Any:
        return optimizer._resource_apply_dense(g, self._v)

    def _sparse(self, optimizer: Any, g: IndexedSlices) -> Any:
        return optimizer._resource_apply_sparse_duplicate_indices(g.values, self._v, g.indices)


@public("python.training.optimizer._TensorProcessor")
class TensorProcessor(OptimizableVariable):
    """A tensor, of which gradients can be computed, but which cannot be updated."""


@public("python.training.optimizer._get_processor")
def processor_of(v: Any) -> OptimizableVariable:
    """The processor for a variable or tensor.

    Raises:
      TypeError: it is neither.
    """
    if isinstance(v, Variable):
        return DenseResourceVariableProcessor(v) if v._is_resource else RefVariableProcessor(v)
    if isinstance(v, Tensor):
        return TensorProcessor(v)
    raise TypeError(f"Argument is not a variable. Received: {v!r}")
