"""`tf.contrib.constrained_optimization`: what is minimized, and what optimizers of it have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies
from millrace.core.public import public
from millrace.graph.operation import Operation


@public("contrib.constrained_optimization.ConstrainedMinimizationProblem")
class ConstrainedMinimizationProblem(ABC):
    """An objective, and constraints that are to be at most 0."""

    @property
    @abstractmethod
    def objective(self) -> Any:
        """What is to be small: a scalar tensor."""

    @property
    @abstractmethod
    def constraints(self) -> Any:
        """What is to be at most 0: `[m]`; it need not be differentiable."""

    @property
    def num_constraints(self) -> int:
        """How many constraints there are.

        Raises:
          ValueError: their shape is not known, or they are not a vector.
        """
        dims = convert_to_tensor(self.constraints).dims
        if dims is None or len(dims) != 1 or dims[0] is None:
            raise ValueError(f"constraints must be a vector of a known size. Received: shape {dims}")
        return dims[0]

    @property
    def proxy_constraints(self) -> Any:
        """Differentiable ones instead of the constraints, or None."""
        return None

    @property
    def pre_train_ops(self) -> Any:
        """What runs before each step, or None."""
        return None


@public("contrib.constrained_optimization.ConstrainedOptimizer")
class ConstrainedOptimizer(ABC):
    """Minimizes a `ConstrainedMinimizationProblem`.

    Args:
      optimizer: moves the variables of the problem.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer

    @property
    def optimizer(self) -> Any:
        """What moves the variables of the problem."""
        return self._optimizer

    @abstractmethod
    def _minimize_constrained(self, minimization_problem: Any, step: dict[str, Any]) -> Any:
        """The operation of a step; `step` holds arguments for the optimizer."""

    def minimize_unconstrained(
        self,
        minimization_problem: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = 1,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """A step that looks at the objective only; arguments as for `tf.train.Optimizer.minimize`."""
        step = {"global_step": global_step, "var_list": var_list, "gate_gradients": gate_gradients}
        step |= {"aggregation_method": aggregation_method, "name": name, "grad_loss": grad_loss}
        with control_dependencies(list(minimization_problem.pre_train_ops or [])):
            return self._optimizer.minimize(
                minimization_problem.objective,
                colocate_gradients_with_ops=colocate_gradients_with_ops,
                **step,
            )

    def minimize_constrained(
        self,
        minimization_problem: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = 1,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Operation:
        """A step that looks at the constraints, too; arguments as for `tf.train.Optimizer.minimize`."""
        step = {
            "global_step": global_step,
            "var_list": var_list,
            "gate_gradients": gate_gradients,
            "aggregation_method": aggregation_method,
            "colocate_gradients_with_ops": colocate_gradients_with_ops,
            "name": name,
            "grad_loss": grad_loss,
        }
        return self._minimize_constrained(minimization_problem, step)

    def minimize(self, minimization_problem: Any, unconstrained_steps: int | None = None, **step: Any) -> Any:
        """As `minimize_constrained`; the first steps may look at the objective only.

        Args:
          minimization_problem: the problem.
          unconstrained_steps: how many; needs `global_step`.
          **step: as for `tf.train.Optimizer.minimize`.

        Raises:
          ValueError: `global_step` is missing.
        """
        if unconstrained_steps is None:
            return self.minimize_constrained(minimization_problem, **step)
        if step.get("global_step") is None:
            raise ValueError("global_step cannot be None if unconstrained_steps is provided")
        from millrace.lib.flow.control_flow import cond

        return cond(
            convert_to_tensor(step["global_step"]) < unconstrained_steps,
            lambda: self.minimize_unconstrained(minimization_problem, **step),
            lambda: self.minimize_constrained(minimization_problem, **step),
        )


def projected_multipliers(multipliers: np.ndarray, radius: float) -> np.ndarray:
    """The nearest point that is not negative and whose sum is at most `radius`."""
    kept = np.maximum(multipliers, 0)
    if kept.sum() <= radius:
        return kept
    order = np.sort(kept)[::-1]
    sums = (np.cumsum(order) - radius) / np.arange(1, len(order) + 1)
    return np.maximum(kept - sums[np.flatnonzero(order > sums)[-1]], 0)
