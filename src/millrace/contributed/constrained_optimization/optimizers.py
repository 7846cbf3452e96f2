"""`tf.contrib.constrained_optimization`: optimizers that play a game against the constraints."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies
from millrace.contributed.constrained_optimization.problems import ConstrainedOptimizer, projected_multipliers
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.math.reductions import reduce_logsumexp, reduce_sum
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.variable import Variable
from millrace.ops.array.concat import concat
from millrace.ops.flow.script import py_func


class _GameOptimizer(ConstrainedOptimizer):
    """Keeps a state, by which the constraints are weighed, and moves it where they are violated.

    Args:
      optimizer: moves the variables of the problem.
      constraint_optimizer: moves the state; default, the same.
    """

    state_name = ""

    def __init__(self, optimizer: Any, constraint_optimizer: Any = None) -> None:
        super().__init__(optimizer)
        self._constraint_optimizer = constraint_optimizer

    @property
    def constraint_optimizer(self) -> Any:
        """What moves the state, or None."""
        return self._constraint_optimizer

    @abstractmethod
    def _initial_state(self, count: int) -> np.ndarray:
        """Where the state begins, for so many constraints."""

    @abstractmethod
    def _loss(self, state: Any, problem: Any, proxies: Any) -> tuple[Any, Any]:
        """The loss of the variables, and the gradient by which the state descends."""

    @abstractmethod
    def _projected(self, state: Any) -> Any:
        """The nearest state that may be."""

    def _minimize_constrained(self, minimization_problem: Any, step: dict[str, Any]) -> Any:
        problem, count = minimization_problem, minimization_problem.num_constraints
        with control_dependencies(list(problem.pre_train_ops or [])):
            start = self._initial_state(count).astype(np.float32)
            state = Variable(start, trainable=False, name=self.state_name)
            proxies = problem.proxy_constraints
            proxies = convert_to_tensor(problem.constraints if proxies is None else proxies)
            loss, descent = self._loss(state, problem, proxies)
        global_step, name = step.pop("global_step"), step.pop("name")
        pairs = self._optimizer.compute_gradients(loss, **step)
        if self._constraint_optimizer is None:
            updates = [self._optimizer.apply_gradients([*pairs, (descent, state)], name="update")]
        else:
            updates = [
                self._optimizer.apply_gradients(pairs, name="update"),
                self._constraint_optimizer.apply_gradients([(descent, state)], name="optimizer_state_update"),
            ]
        with control_dependencies(updates):
            last = assign(state, self._projected(state.read_value()))
            if global_step is None:
                return group(last, name=name)
            with control_dependencies([last]):
                return group(global_step.assign_add(1), name=name)


@public("contrib.constrained_optimization.AdditiveExternalRegretOptimizer")
class AdditiveExternalRegretOptimizer(_GameOptimizer):
    """Lagrange multipliers that grow with the violations.

    Args:
      optimizer, constraint_optimizer: what moves the variables, and the multipliers.
      maximum_multiplier_radius: how large the sum of the multipliers may be; None: any.

    Raises:
      ValueError: the radius is not positive.
    """

    state_name = "external_regret_optimizer_state"

    def __init__(
        self, optimizer: Any, constraint_optimizer: Any = None, maximum_multiplier_radius: float | None = None
    ) -> None:
        super().__init__(optimizer, constraint_optimizer)
        if maximum_multiplier_radius is not None and maximum_multiplier_radius <= 0.0:
            raise ValueError(
                f"maximum_multiplier_radius must be strictly positive. Received: {maximum_multiplier_radius}"
            )
        self._radius = maximum_multiplier_radius

    def _initial_state(self, count: int) -> np.ndarray:
        return np.zeros(count)

    def _loss(self, state: Any, problem: Any, proxies: Any) -> tuple[Any, Any]:
        weighed = reduce_sum(state.read_value() * proxies)
        return problem.objective + weighed, raw.Neg(convert_to_tensor(problem.constraints))

    def _projected(self, state: Any) -> Any:
        if self._radius is None:
            return raw.Maximum(state, 0.0)
        radius = self._radius

        def nearest(values: Any) -> Any:
            return projected_multipliers(values, radius).astype(np.float32)

        found = py_func(nearest, [state], state.dtype)
        found.set_shape(state.get_shape())
        return found


class _SwapRegretOptimizer(_GameOptimizer):
    """A matrix whose columns are distributions over the objective and the constraints."""

    state_name = "swap_regret_optimizer_state"

    @abstractmethod
    def _stochastic(self, state: Any) -> Any:
        """The matrix whose columns sum to 1."""

    def _loss(self, state: Any, problem: Any, proxies: Any) -> tuple[Any, Any]:
        matrix = self._stochastic(state.read_value())
        weights = py_func(_stationary, [matrix], matrix.dtype)
        weights.set_shape(matrix.get_shape()[:1])
        loss = weights[0] * problem.objective + reduce_sum(weights[1:] * proxies)
        violations = concat([[0.0], convert_to_tensor(problem.constraints)], 0)
        return loss, raw.Neg(raw.ExpandDims(violations, 1) * raw.ExpandDims(weights, 0))


def _stationary(matrix: Any) -> Any:
    """The distribution that a matrix with columns of sum 1 leaves as it is."""
    values, vectors = np.linalg.eig(matrix.astype(np.float64))
    vector = np.abs(np.real(vectors[:, np.argmax(np.real(values))]))
    return (vector / vector.sum()).astype(np.float32)


@public("contrib.constrained_optimization.AdditiveSwapRegretOptimizer")
class AdditiveSwapRegretOptimizer(_SwapRegretOptimizer):
    """Distributions that move by the violations, and back to the nearest distributions.

    Args:
      optimizer, constraint_optimizer: what moves the variables, and the distributions.
    """

    def _initial_state(self, count: int) -> np.ndarray:
        state = np.zeros((count + 1, count + 1))
        state[0] = 1
        return state

    def _stochastic(self, state: Any) -> Any:
        return state

    def _projected(self, state: Any) -> Any:
        def nearest(matrix: Any) -> Any:
            return np.stack([_on_simplex(column) for column in matrix.T], 1).astype(np.float32)

        found = py_func(nearest, [state], state.dtype)
        found.set_shape(state.get_shape())
        return found


def _on_simplex(point: np.ndarray) -> np.ndarray:
    """The nearest distribution."""
    order = np.sort(point)[::-1]
    sums = (np.cumsum(order) - 1) / np.arange(1, len(order) + 1)
    return np.maximum(point - sums[np.flatnonzero(order > sums)[-1]], 0)


@public("contrib.constrained_optimization.MultiplicativeSwapRegretOptimizer")
class MultiplicativeSwapRegretOptimizer(_SwapRegretOptimizer):
    """Distributions whose logarithms move by the violations.

    Args:
      optimizer, constraint_optimizer: what moves the variables, and the distributions.
      minimum_multiplier_radius: the least that the constraints weigh together.
      initial_multiplier_radius: what they weigh together at first; default, all weigh the same.

    Raises:
      ValueError: a radius is not between 0 and 1, or the first one is smaller than the least.
    """

    def __init__(
        self,
        optimizer: Any,
        constraint_optimizer: Any = None,
        minimum_multiplier_radius: float = 1e-3,
        initial_multiplier_radius: float | None = None,
    ) -> None:
        super().__init__(optimizer, constraint_optimizer)
        first = initial_multiplier_radius
        if not 0.0 < minimum_multiplier_radius < 1.0:
            raise ValueError(
                f"minimum_multiplier_radius must be in the range (0,1). Received: {minimum_multiplier_radius}"
            )
        if first is not None and not minimum_multiplier_radius <= first < 1.0:
            raise ValueError(
                f"initial_multiplier_radius must be in [{minimum_multiplier_radius}, 1). Received: {first}"
            )
        self._minimum, self._first = minimum_multiplier_radius, first

    def _initial_state(self, count: int) -> np.ndarray:
        radius = count / (count + 1) if self._first is None else self._first
        state = np.full((count + 1, count + 1), math.log(radius / count))
        state[0] = math.log(1.0 - radius)
        return state

    def _stochastic(self, state: Any) -> Any:
        return raw.Exp(state)

    def _projected(self, state: Any) -> Any:
        size = state.get_shape().as_list()[0]
        normal = state - reduce_logsumexp(state, 0, keepdims=True)
        bounded = raw.Maximum(normal, math.log(self._minimum / (size - 1)))
        return bounded - reduce_logsumexp(bounded, 0, keepdims=True)


@public("contrib.constrained_optimization.find_best_candidate_index")
def find_best_candidate_index(
    objective_vector: Any, constraints_matrix: Any, rank_objectives: bool = False
) -> int:
    """The candidate that is best by ranks: of its violations first, then of its objective.

    Args:
      objective_vector: `[n]`, the objective of each candidate.
      constraints_matrix: `[n, m]`, its constraints.
      rank_objectives: whether the rank of the objective counts as those of violations do.

    Raises:
      ValueError: the shapes do not fit, or there are no candidates.
    """
    objectives, constraints = np.asarray(objective_vector), np.asarray(constraints_matrix)
    if constraints.ndim != 2 or objectives.ndim != 1 or len(objectives) != len(constraints):
        raise ValueError(
            "objective_vector must be [n], constraints_matrix [n, m]. "
            f"Received: shapes {objectives.shape} and {constraints.shape}"
        )
    if not len(objectives):
        raise ValueError("There must be at least one candidate. Received: none")
    worst = np.zeros(len(objectives), np.int64)
    columns = np.maximum(constraints, 0).T
    for column in [*columns, objectives] if rank_objectives else columns:
        worst = np.maximum(worst, np.searchsorted(np.unique(column), column))
    return int(np.lexsort((objectives, worst))[0])
