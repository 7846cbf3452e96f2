"""Series drawn from state space models, with NumPy."""

from __future__ import annotations

import numpy as np


def random_covariance(random: np.random.RandomState, size: int, scale: float) -> np.ndarray:
    """A diagonal covariance whose variances are around a scale.

    Args:
      random: the generator.
      size: n.
      scale: of the variances.

    Returns:
      `[n, n]`.
    """
    return np.diag(scale * np.exp(0.5 * random.normal(size=[size])))


def drawn_series(
    random: np.random.RandomState,
    counts: tuple[int, int],
    start: np.ndarray,
    movement: tuple[np.ndarray, np.ndarray],
    observation: tuple[np.ndarray, np.ndarray | None],
) -> dict[str, np.ndarray]:
    """Series of a linear Gaussian model.

    Args:
      random: the generator.
      counts: how many series, and how many steps each.
      start: the state before the first step, `[state]`.
      movement: the transition `[state, state]`, and a factor of the covariance of its noise `[state, noise]`.
      observation: what is seen `[features, state]`, and a factor of the covariance of its noise
        `[features, features]`, or None.

    Returns:
      "times" and "values", `[series, steps]` and `[series, steps, features]`.
    """
    series, steps = counts
    transition, noise_factor = movement
    model, seen_factor = observation
    state = np.tile(start[None], [series, 1])
    values = []
    for _ in range(steps):
        state = state @ transition.T + random.normal(size=[series, noise_factor.shape[1]]) @ noise_factor.T
        seen = state @ model.T
        if seen_factor is not None:
            seen = seen + random.normal(size=[series, len(seen_factor)]) @ seen_factor.T
        values.append(seen)
    times = np.tile(np.arange(steps, dtype=np.int64)[None], [series, 1])
    return {"times": times, "values": np.stack(values, axis=1)}
