"""`tf.contrib.learn`: inputs in memory, and the columns that suit them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.contributed.layers.columns.dense import real_valued_column
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.models.estimator import inputs


@public("contrib.learn.io.numpy_input_fn", "contrib.learn.io.numpy_io.numpy_input_fn")
def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = True,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Callable[[], Any]:
    """As `tf.estimator.inputs.numpy_input_fn`, which shuffles only where it is told to.

    Args:
      x, y, batch_size, num_epochs, shuffle, queue_capacity, num_threads: as there.
    """
    return inputs.numpy_input_fn(x, y, batch_size, num_epochs, shuffle, queue_capacity, num_threads)


@public("contrib.learn.io.pandas_input_fn", "contrib.learn.io.pandas_io.pandas_input_fn")
def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool = True,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """As `tf.estimator.inputs.pandas_input_fn`, which shuffles only where it is told to.

    Args:
      x, y, batch_size, num_epochs, shuffle, queue_capacity, num_threads, target_column: as there.
    """
    return inputs.pandas_input_fn(
        x, y, batch_size, num_epochs, shuffle, queue_capacity, num_threads, target_column
    )


def _column(name: str, feature: Any) -> Any:
    """The column of numbers for one feature."""
    dims = feature.get_shape().with_rank_at_least(1).as_list()[1:]
    width = 1
    for size in dims:
        if size is None:
            raise ValueError(
                f"infer_real_valued_columns: the shape of a feature must be known but for the batch. "
                f"Received: {name!r}, {feature.get_shape()}"
            )
        width *= size
    if not (feature.dtype.is_integer or feature.dtype.is_floating):
        raise ValueError(
            "infer_real_valued_columns: a feature must have numbers. "
            f"Received: {name!r}, {feature.dtype.name}"
        )
    return real_valued_column(name, dimension=width, dtype=feature.dtype)


@public("contrib.learn.infer_real_valued_columns_from_input_fn")
def infer_real_valued_columns_from_input_fn(input_fn: Callable[[], Any]) -> list[Any]:
    """A column of numbers for each feature.

    Args:
      input_fn: gives features (a tensor, or tensors by name) and labels.

    Raises:
      ValueError: a feature has no numbers, or its shape is unknown.
    """
    with Graph().as_default():
        features, _ = input_fn()
        if isinstance(features, dict):
            return [_column(name, features[name]) for name in sorted(features)]
        return [_column("", features)]


@public("contrib.learn.infer_real_valued_columns_from_input")
def infer_real_valued_columns_from_input(x: Any) -> list[Any]:
    """A column of numbers for each feature; errors as for `infer_real_valued_columns_from_input_fn`.

    Args:
      x: an array, or arrays by name.
    """

    def input_fn() -> Any:
        if isinstance(x, dict):
            return {name: convert_to_tensor(value) for name, value in x.items()}, None
        return convert_to_tensor(x), None

    return infer_real_valued_columns_from_input_fn(input_fn)
