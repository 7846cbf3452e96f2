"""Which of several candidates, or which distribution over them, is best within the constraints."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.public import public


@public("contrib.constrained_optimization.find_best_candidate_distribution")
def find_best_candidate_distribution(
    objective_vector: Any, constraints_matrix: Any, epsilon: float = 0.0
) -> np.ndarray:
    """The distribution over candidates whose mean objective is least while mean constraints hold.

    Where no distribution holds all constraints, the bound of all of them is the least that one can hold.
    At most as many candidates as there are constraints, and one more, have a probability that is not 0.

    Args:
      objective_vector: `[n]`, the objective of each candidate.
      constraints_matrix: `[m, n]`, the constraints: those that are at most 0 hold.
      epsilon: how exactly TensorFlow looks for the least bound; here it is always found exactly.

    Returns:
      `[n]`: the probabilities.

    Raises:
      ValueError: the shapes do not fit, `epsilon` is negative, or there are no candidates.
    """
    from scipy.optimize import linprog  # a fifth of a second that only this function needs

    objectives = np.asarray(objective_vector, np.float64)
    constraints = np.asarray(constraints_matrix, np.float64)
    if objectives.ndim != 1 or constraints.ndim != 2 or constraints.shape[1] != len(objectives):
        raise ValueError(
            "objective_vector must have shape (n,), and constraints_matrix (m, n), where n is the number of "
            "candidates, and m is the number of constraints. "
            f"Received: shapes {objectives.shape} and {constraints.shape}"
        )
    if epsilon < 0:
        raise ValueError(f"epsilon must be non-negative. Received: {epsilon}")
    count = len(objectives)
    if not count:
        raise ValueError("There must be at least one candidate. Received: none")
    one = np.ones([1, count])
    # First the least bound of the worst constraint, as one more unknown; then the objective within it.
    least = linprog(
        [*np.zeros(count), 1.0],
        A_ub=np.hstack([constraints, -np.ones([len(constraints), 1])]),
        b_ub=np.zeros(len(constraints)),
        A_eq=np.hstack([one, [[0.0]]]),
        b_eq=[1.0],
        bounds=[(0.0, None)] * (count + 1),
        method="highs-ds",
    )
    bound = max(float(least.x[-1]), 0.0) + 1e-9
    best = linprog(
        objectives,
        A_ub=constraints,
        b_ub=np.full(len(constraints), bound),
        A_eq=one,
        b_eq=[1.0],
        bounds=[(0.0, None)] * count,
        method="highs-ds",
    )
    found = np.maximum(best.x, 0.0)
    return found / np.sum(found)
