"""`tf.contrib.learn.io.generator_input_fn`: a Python generator as what estimators read."""

from __future__ import annotations

from collections.abc import Callable, Container
from types import FunctionType, GeneratorType
from typing import Any

from millrace.core.public import public
from millrace.models.estimator.enqueuing import batch_of, enqueue_data


def _check_target(target_key: Any) -> None:
    if target_key is None or isinstance(target_key, str):
        return
    if not isinstance(target_key, Container):
        raise TypeError(f"target_key must be str or Container of str; got {type(target_key).__name__}")
    for item in target_key:  # type: ignore[attr-defined]
        if not isinstance(item, str):
            raise TypeError(f"target_key must be str or Container of str; got {type(item).__name__}")


@public("contrib.learn.io.generator_input_fn", "contrib.learn.io.generator_io.generator_input_fn")
def generator_input_fn(
    x: Any,
    target_key: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = True,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    pad_value: Any = None,
) -> Callable[[], Any]:
    """An input function that gives batches of what a generator yields.

    Args:
      x: a generator function, which yields a dict of arrays for each row.
      target_key: the key of the labels, or keys; None for none.
      batch_size: rows at once.
      num_epochs: how many times; None for ever.
      shuffle: whether to shuffle.
      queue_capacity: how many rows wait in the queue.
      num_threads: how many threads fill it.
      pad_value: what smaller arrays are filled up with, or None.

    Returns:
      A function without arguments that gives features, or features and labels.

    Raises:
      TypeError: `x` is not a generator function, or `target_key` not text.
      KeyError: there is no such key.
    """
    if not isinstance(x, FunctionType):
        raise TypeError(f"x must be generator function; got {type(x).__name__}")
    begun = x()
    if not isinstance(begun, GeneratorType):
        raise TypeError(f"x() must be generator; got {type(begun).__name__}")
    first: Any = next(begun)
    if not isinstance(first, dict):
        raise TypeError(f"x() must yield dict; got {type(first).__name__}")
    _check_target(target_key)
    targets = [target_key] if isinstance(target_key, str) else list(target_key or ())
    for key in targets:
        if key not in first:
            raise KeyError(key)

    def input_fn() -> Any:
        keys = sorted(first)
        queue = enqueue_data(
            x,
            queue_capacity,
            shuffle,
            None,
            num_threads,
            enqueue_size=batch_size,
            num_epochs=num_epochs,
            pad_value=pad_value,
        )
        batch = dict(zip(keys, batch_of(queue, batch_size, num_epochs), strict=True))
        if not targets:
            return batch
        labels = {key: batch.pop(key) for key in targets}
        return batch, labels[target_key] if isinstance(target_key, str) else labels

    return input_fn
