"""Generators told by a key, a counter and the number of an algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.errors import refusal
from millrace.opkit.random.philox import blocks

PHILOX, CHOOSE = 1, 3


def state_of(key: Any, counter: Any, alg: Any) -> np.ndarray:
    """The generator's six words."""
    if int(alg) not in (PHILOX, CHOOSE):
        raise refusal(f"Only Philox (algorithm {PHILOX}) is there. Received: algorithm {int(alg)}")
    if np.shape(key) != (1,) or np.shape(counter) != (2,):
        raise refusal(
            "key must have 1 element and counter 2. "
            f"Received: {list(np.shape(key))} and {list(np.shape(counter))}"
        )
    parts = [np.ascontiguousarray(part, np.uint64).view(np.uint32) for part in (counter, key)]
    return np.concatenate(parts)


def whole_words(state: np.ndarray, count: int, kind: np.dtype) -> np.ndarray:
    """Integers of all values that a type has."""
    lanes = -(-count * kind.itemsize // 16)
    words = np.ascontiguousarray(blocks(np, state, lanes), np.uint32).reshape(-1)
    return words.view(kind)[:count]
