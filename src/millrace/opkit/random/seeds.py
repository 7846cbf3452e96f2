"""Seeds: what the user's graph and operation seeds mean, and the generators they start."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.opkit.random.philox import initial_state

_DEFAULT_GRAPH_SEED: Final = 87654321
_MODULUS: Final = 2**31 - 1


@public("set_random_seed", "random.set_random_seed")
def set_random_seed(seed: int) -> None:
    """Sets the default graph's seed, which every random operation created afterwards takes part of its seed
    from.

    Args:
      seed: any integer; None takes the seed away again.

    Example:
      >>> tf.set_random_seed(1)
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.random_uniform([])))
      0.7787856
    """
    get_default_graph().seed = seed


@public("get_seed", "random.get_seed")
def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The two seeds that a random operation created now gets.

    With a graph seed but no operation seed, the number of operations in the graph stands for the latter, so
    that the numbers are the same every time the program runs but differ between operations.

    Args:
      op_seed: the operation's own seed, or None.

    Returns:
      Two integers, or two Nones when neither seed is set: fresh entropy in every session.

    Raises:
      TypeError: a seed is not an integer.
    """
    graph = get_default_graph()
    if graph.seed is None and op_seed is None:
        return None, None
    first = _DEFAULT_GRAPH_SEED if graph.seed is None else _reduced(graph.seed, "graph")
    second = graph.last_id if op_seed is None else _reduced(op_seed, "operation")
    # A generator takes two zeros for a wish for entropy.
    return (0, _MODULUS) if first == second == 0 else (first, second)


def _reduced(seed: Any, what: str) -> int:
    try:
        return operator.index(seed) % _MODULUS
    except TypeError:
        raise TypeError(f"get_seed: the {what} seed must be an integer. Received: {seed!r}") from None


def seed_attrs(op_seed: int | None) -> dict[str, Any]:
    """The attributes `seed` and `seed2` of a random operation created now."""
    first, second = get_seed(op_seed)
    return {"seed": first or 0, "seed2": second or 0}


def generator(attrs: Mapping[str, Any]) -> np.ndarray:
    """The generator state that a session starts a random operation with, uint32 `[6]`.

    Args:
      attrs: the operation's; `seed` and `seed2` are both 0 for fresh entropy.
    """
    seed, seed2 = attrs["seed"], attrs["seed2"]
    if seed == 0 and seed2 == 0:
        seed, seed2 = np.frombuffer(os.urandom(16), np.int64).tolist()
    return initial_state(seed, seed2)
