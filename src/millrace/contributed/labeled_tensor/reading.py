"""`tf.contrib.labeled_tensor`: examples that are parsed, and batches of what is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw, slicing  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.labeled_tensor.axes import (
    LabeledTensor,
    as_axis,
    convert_to_labeled_tensor,
)
from millrace.core.public import public
from millrace.opkit.records.features import FixedLenFeature as _FixedLenFeature
from millrace.ops.io import parsing
from millrace.training.coordination import batching


@public("contrib.labeled_tensor.FixedLenFeature")
class FixedLenFeature:
    """How a feature of fixed axes is parsed.

    Args:
      axes: pairs of a name and a length or labels.
      dtype: of the feature.
      default_value: what an example without it has.
    """

    def __init__(self, axes: Any, dtype: Any, default_value: Any = None) -> None:
        self._axes = [as_axis(a) for a in axes]
        self._dtype, self._default_value = dtype, default_value

    @property
    def axes(self) -> list[Any]:
        """The axes."""
        return self._axes

    @property
    def dtype(self) -> Any:
        """The dtype."""
        return self._dtype

    @property
    def default_value(self) -> Any:
        """What an example without it has."""
        return self._default_value

    def _plain(self) -> _FixedLenFeature:
        return _FixedLenFeature([a.size for a in self._axes], self._dtype, self._default_value)


@public("contrib.labeled_tensor.parse_example")
def parse_example(
    serialized: Any, features: Any, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """Labeled tensors by name of serialized Examples, a labeled tensor of one axis.

    Args:
      serialized: strings, one axis.
      features: a `FixedLenFeature` for each name.
      name: scope.
      example_names: strings for messages.
    """
    serialized = convert_to_labeled_tensor(serialized)
    parsed = parsing.parse_example(
        serialized.tensor,
        {k: f._plain() for k, f in features.items()},
        name=name,
        example_names=example_names,
    )
    batch = next(iter(serialized.axes.values()))
    return {k: LabeledTensor(v, [batch, *features[k].axes]) for k, v in parsed.items()}


@public("contrib.labeled_tensor.parse_single_example")
def parse_single_example(
    serialized: Any, features: Any, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """As `parse_example`, for one Example, a labeled scalar."""
    serialized = convert_to_labeled_tensor(serialized)
    parsed = parsing.parse_single_example(
        serialized.tensor, {k: f._plain() for k, f in features.items()}, name, example_names
    )
    return {k: LabeledTensor(v, features[k].axes) for k, v in parsed.items()}


def _batched(
    make: Callable[[list[Any]], Any], tensors: Any, size: int, many: bool, smaller: bool, what: str
) -> Any:
    """Batches of labeled tensors, whose first axis is "batch"."""
    given = [convert_to_labeled_tensor(t) for t in tensors]
    if many and any(next(iter(t.axes), None) != "batch" for t in given):
        raise ValueError(f"{what}: with enqueue_many the first axis must be 'batch'. Received: {given}")
    made = make([t.tensor for t in given])
    made = made if isinstance(made, list | tuple) else [made]
    axis = ("batch", None if smaller else size)
    return [
        LabeledTensor(x, [axis, *list(t.axes.values())[1 if many else 0 :]])
        for x, t in zip(made, given, strict=True)
    ]


@public("contrib.labeled_tensor.batch")
def batch(
    labeled_tensors: Any,
    batch_size: int,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    allow_smaller_final_batch: bool = False,
    name: str | None = None,
) -> list[LabeledTensor]:
    """`tf.train.batch` of labeled tensors: a list of those whose first axis is "batch"; see there."""

    def make(tensors: list[Any]) -> Any:
        return batching.batch(
            tensors, batch_size, num_threads, capacity, enqueue_many,
            allow_smaller_final_batch=allow_smaller_final_batch, name=name,
        )  # fmt: skip

    return _batched(make, labeled_tensors, batch_size, enqueue_many, allow_smaller_final_batch, "batch")


@public("contrib.labeled_tensor.shuffle_batch")
def shuffle_batch(
    labeled_tensors: Any,
    batch_size: int,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    min_after_dequeue: int = 0,
    seed: int | None = None,
    allow_smaller_final_batch: bool = False,
    name: str | None = None,
) -> list[LabeledTensor]:
    """`tf.train.shuffle_batch` of labeled tensors: a list of those whose first axis is "batch"; see there."""

    def make(tensors: list[Any]) -> Any:
        return batching.shuffle_batch(
            tensors, batch_size, capacity, min_after_dequeue, num_threads, seed, enqueue_many,
            allow_smaller_final_batch=allow_smaller_final_batch, name=name,
        )  # fmt: skip

    return _batched(
        make, labeled_tensors, batch_size, enqueue_many, allow_smaller_final_batch, "shuffle_batch"
    )
