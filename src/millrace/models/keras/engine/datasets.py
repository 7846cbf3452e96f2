"""`tf.data` as a model's data: datasets and iterators as tensors of the next batch."""

from __future__ import annotations

from typing import Any

from millrace.datasets import experimental
from millrace.models.keras.backend import session


def is_dataset(x: Any) -> bool:
    """Whether `x` is a dataset."""
    return hasattr(x, "make_initializable_iterator") or (
        hasattr(x, "output_shapes") and hasattr(x, "batch") and hasattr(x, "map")
    )


def is_iterator(x: Any) -> bool:
    """Whether `x` is an iterator over a dataset."""
    return (hasattr(x, "get_next") and hasattr(x, "output_shapes")) or hasattr(x, "_get_next_call_count")


def steps_of(dataset: Any) -> int | None:
    """How many batches a dataset has; None where nobody knows.

    Raises:
      ValueError: it has no end.
    """
    found = int(session.get_value(experimental.cardinality(dataset)))
    if found == experimental.INFINITE_CARDINALITY:
        raise ValueError(
            "When passing an infinitely repeating dataset, you must specify the `steps_per_epoch` argument. "
            f"Received: {dataset}"
        )
    return None if found == experimental.UNKNOWN_CARDINALITY else found


class Feed:
    """The next batch of a dataset or an iterator, as tensors.

    Attributes:
      x, y, weights: the tensors; None where the batch has none.
      restarts: whether each pass begins anew.
    """

    def __init__(self, source: Any) -> None:
        self.restarts = is_dataset(source)
        if self.restarts:
            source = source.make_initializable_iterator()
        self._source = source
        batch = source.get_next()
        if not isinstance(batch, tuple) or len(batch) == 1:
            batch = (batch[0] if isinstance(batch, tuple) else batch,)
        if len(batch) > 3:
            raise ValueError(
                "Please provide model inputs as a list or tuple of 2 or 3 elements: (input, target) or "
                f"(input, target, sample_weights). Received {len(batch)} elements."
            )
        self.x, self.y, self.weights = (*batch, None, None)[:3]

    def restart(self) -> None:
        """Begins a pass."""
        if self.restarts:
            session.get_session().run(self._source.initializer)
