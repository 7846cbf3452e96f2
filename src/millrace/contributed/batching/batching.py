"""`tf.contrib.batching.batch_function`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import nest
from millrace.core.public import public


@public("contrib.batching.batch_function", "nondifferentiable_batch_function")
def batch_function(
    num_batch_threads: int,
    max_batch_size: int,
    batch_timeout_micros: int,
    allowed_batch_sizes: Any = None,
    max_enqueued_batches: int = 10,
    autograph: bool = True,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a function of batches, which then returns a list of its results, without a gradient.

    Each run computes the batch that it brings: steps of one session follow one another, so there are never
    several whose batches could be put together.

    Args:
      num_batch_threads, batch_timeout_micros, max_enqueued_batches, autograph: accepted.
      max_batch_size: the most examples of a batch; accepted.
      allowed_batch_sizes: increasing, ends with `max_batch_size`.

    Raises:
      ValueError: the sizes do not increase to `max_batch_size`.
    """
    del num_batch_threads, batch_timeout_micros, max_enqueued_batches, autograph
    sizes = list(allowed_batch_sizes or ())
    if sizes and (sizes != sorted(set(sizes)) or sizes[-1] != max_batch_size):
        raise ValueError(
            f"allowed_batch_sizes must increase and end with max_batch_size ({max_batch_size}). "
            f"Received: {sizes}"
        )

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def decorated(*args: Any) -> Any:
            with name_scope("batch") as scope:
                given = [convert.to_tensor(x) for x in args]
                with name_scope(f"{scope}computation"):
                    outputs = fn(*given)
                    flat = [raw.StopGradient(x) for x in nest.flatten(outputs)]
                made = [raw.PlaceholderWithDefault(x, shape=None, name="BatchFunction") for x in flat]
            return made

        return decorated

    return decorate
