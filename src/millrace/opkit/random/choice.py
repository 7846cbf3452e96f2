"""Draws that choose among given things: permutations and categories."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from millrace.opkit.random.fixed import double
from millrace.opkit.random.philox import RESERVED, Array, on_host, words

# Stands for a logit that is not finite: no weight beside any finite one.
_LOWEST: Final = np.finfo(np.float64).min


def permutation(state: np.ndarray, size: int) -> np.ndarray:
    """Draws a permutation of `size` places by Fisher and Yates' method, front to back.

    Args:
      state: uint32 `[6]`.
      size: how many places.

    Returns:
      intp `[size]`: where the element that comes to each place is taken from.
    """
    if size < 2:
        return np.arange(size)
    order = list(range(size))
    chosen = words(np, state, size - 1) % np.arange(size, 1, -1, dtype=np.uint32)
    # Each swap depends on the one before: nothing to vectorise.
    for i, j in enumerate(chosen.tolist()):
        if j:
            order[i], order[i + j] = order[i + j], order[i]
    return np.array(order)


def permutation_reserved(size: int) -> int:
    """Gives the blocks that a permutation of `size` places uses up: one word a swap."""
    return 0 if size < 2 else (size + 2) // 4


def categories(xp: Any, state: Array, logits: Array, samples: int) -> Array:
    """Draws category numbers with probabilities proportional to exp(logits), in double precision.

    The rows share one stream, two words for each draw. A logit that is not finite is never chosen.

    Args:
      xp: array namespace.
      state: uint32 `[6]`.
      logits: floating `[batch, classes]`.
      samples: draws for each row.

    Returns:
      int64 `[batch, samples]`.
    """
    batch = logits.shape[0]
    finite = xp.isfinite(logits)
    wide = logits.astype(np.float64)
    wide = xp.where(finite, wide, _LOWEST)
    weight = xp.where(finite, xp.exp(wide - wide.max(axis=1, keepdims=True)), 0.0)
    below = xp.cumsum(weight, axis=1)
    wanted = double(words(xp, state, batch * samples * 2).reshape(batch, samples, 2)) * below[:, -1:]
    if on_host(xp):
        out = np.empty((batch, samples), np.int64)
        for row in range(batch):
            out[row] = np.searchsorted(below[row], wanted[row], side="right")
        return out
    return (below[:, None, :] <= wanted[:, :, None]).sum(axis=2, dtype=np.int64)


def reserved(batch: int, samples: int) -> int:
    """Gives the blocks that a stateful op sets aside for `categories` of `batch` rows."""
    return batch * (-(-samples // 4) * 4) * 2 * RESERVED
