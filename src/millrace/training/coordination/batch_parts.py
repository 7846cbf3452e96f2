"""What all batching functions share: the structure of elements, their dtypes and shapes, and the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.building.static import static_value
from millrace.core import dtypes
from millrace.core.shapes import TensorShape, as_dims, as_shape, shape_of
from millrace.graph.tensor import Tensor
from millrace.lib.flow import control_flow
from millrace.lib.input import queues
from millrace.lib.summary import operations as summary
from millrace.ops.array import constant
from millrace.ops.math import cast
from millrace.training.coordination import sparse_parts
from millrace.training.coordination.queue_runner import QueueRunner, add_queue_runner

Elements = Sequence[Sequence[Any]]  # of each producer, the tensors of an element


def as_list(tensors: Any, where: str) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The tensors of a list or dictionary, the latter in the order of its keys, and the way back.

    Raises:
      ValueError: there is none.
    """
    if isinstance(tensors, dict):
        keys = sorted(tensors)
        found = [tensors[k] for k in keys]

        def rebuild(values: list[Any]) -> Any:
            return dict(zip(keys, values, strict=True))

    else:
        found = list(tensors)

        def rebuild(values: list[Any]) -> Any:
            return values[0] if len(values) == 1 else values

    if not found:
        raise ValueError(f"{where}: at least one tensor is needed. Received: {tensors!r}")
    return [_converted(t) for t in found], rebuild


def as_lists(tensors_list: Any, where: str) -> tuple[list[list[Any]], Callable[[list[Any]], Any]]:
    """`as_list` for each of several producers.

    Raises:
      ValueError: there is none, or their keys differ.
      TypeError: dictionaries stand beside lists.
    """
    given = list(tensors_list)
    if not given:
        raise ValueError(f"{where}: at least one set of tensors is needed. Received: {tensors_list!r}")
    if isinstance(given[0], dict):
        for other in given:
            if not isinstance(other, dict):
                raise TypeError(
                    f"{where}: all or none of the sets must be dictionaries. Received: {tensors_list!r}"
                )
            if sorted(other) != sorted(given[0]):
                raise ValueError(
                    f"{where}: all dictionaries must have the same keys. "
                    f"Received: {sorted(given[0])} and {sorted(other)}"
                )
    found = [as_list(one, where) for one in given]
    return [tensors for tensors, _ in found], found[0][1]


def _converted(tensor: Any) -> Any:
    return tensor if isinstance(tensor, SparseTensor | IndexedSlices) else convert.to_tensor(tensor)


def validated_keep_input(keep_input: Any, enqueue_many: bool) -> Tensor:
    """`keep_input` as a tensor: a scalar, or one for each row.

    Raises:
      ValueError: its rank is unknown or not allowed.
    """
    found = convert.to_tensor(keep_input)
    if found.dims is None:
        raise ValueError(f"keep_input must have a known number of dimensions. Received: {found.name}")
    if len(found.dims) > 1:
        raise ValueError(f"keep_input must have 0 or 1 dimensions. Received: shape {found.shape}")
    if found.dims and not enqueue_many:
        raise ValueError(
            f"keep_input cannot be a vector when enqueue_many=False. Received: shape {found.shape}"
        )
    return found


def common_dtypes(elements: Elements) -> list[dtypes.DType]:
    """The dtype of each component.

    Raises:
      TypeError: producers disagree.
    """
    found = []
    for component in zip(*elements, strict=False):
        kinds = [t.dtype.base_dtype for t in component]
        if any(kind is not kinds[0] for kind in kinds):
            names = " vs. ".join(dict.fromkeys(kind.name for kind in kinds))
            raise TypeError(f"Expected types to be consistent: {names}.")
        found.append(kinds[0])
    return found


def common_shapes(
    given: Any, elements: Elements, enqueue_many: bool, keep_input: Tensor, dynamic_pad: bool
) -> list[TensorShape]:
    """The shape of each component of one element: `given`, or what the producers' tensors have in common.

    Raises:
      ValueError: it is not known well enough for a queue.
    """
    if given is not None:
        return [as_shape(s) for s in given]
    if enqueue_many and keep_input.dims:
        for tensors in elements:
            for tensor in tensors:
                keep_input.shape.merge_with(tensor.shape[:1])
    return [_common(list(c), enqueue_many, dynamic_pad) for c in zip(*elements, strict=False)]


def _common(component: list[Tensor], enqueue_many: bool, dynamic_pad: bool) -> TensorShape:
    if any(t.dims is None for t in component):
        raise ValueError(f"Cannot infer Tensor's rank: {component!r}")
    found = [as_shape(t.dims[1:] if enqueue_many and t.dims else t.dims) for t in component]
    if not dynamic_pad:
        merged = found[0]
        for other in found[1:]:
            merged = merged.merge_with(other)
        return merged
    dims = [as_dims(s) or () for s in found]
    if len({len(d) for d in dims}) > 1:
        raise ValueError(f"Shapes must have the same rank: {', '.join(map(str, found))}")
    return shape_of(tuple(c[0] if len(set(c)) == 1 else None for c in zip(*dims, strict=True)))


def select_which_to_enqueue(tensors: Sequence[Any], keep_input: Tensor) -> list[Any]:
    """The rows to keep."""
    select = cast.cast(keep_input, dtypes.int32)
    return [raw.DynamicPartition(t, select, num_partitions=2)[1] for t in tensors]


def enqueue_each(
    queue: queues.QueueBase, elements: Elements, enqueue_many: bool, keep_input: Tensor
) -> list[Any]:
    """The operations by which each producer puts its elements into the queue, where `keep_input` says so."""
    put = queue.enqueue_many if enqueue_many else queue.enqueue
    if keep_input.dims:
        return [put(select_which_to_enqueue(tensors, keep_input)) for tensors in elements]
    known = static_value(keep_input)
    if known is not None:
        return [put(list(tensors)) if known else constant.no_op() for tensors in elements]
    return [
        control_flow.cond(keep_input, lambda tensors=tensors: put(list(tensors)), constant.no_op)
        for tensors in elements
    ]


def make_queue(
    kinds: list[dtypes.DType],
    capacity: int,
    dims: list[TensorShape],
    dynamic_pad: bool,
    shared_name: str | None,
) -> queues.QueueBase:
    """A queue that pads its batches, or a plain one."""
    cls = queues.PaddingFIFOQueue if dynamic_pad else queues.FIFOQueue
    return cls(capacity=capacity, dtypes=kinds, shapes=dims, shared_name=shared_name)


def batched(
    where: str,
    producers: Any,
    *,
    name: str | None,
    keep_input: Any,
    batch_size: Any,
    capacity: int,
    enqueue_many: bool,
    shapes: Any,
    allow_smaller_final_batch: bool,
    shared_name: str | None,
    num_threads: int = 1,
    dynamic_pad: bool = False,
    shuffle: tuple[int, int | None] | None = None,
) -> Any:
    """Batches of what several producers give; the public functions say what the arguments mean.

    Args:
      where: the default name.
      producers: a list of structures of tensors.
      shuffle: the fewest elements left in the queue, and the seed, of a queue that shuffles.
    """
    elements, rebuild = as_lists(producers, where)
    with name_scope(name, where, [t for tensors in elements for t in tensors]) as scope:
        keep = validated_keep_input(keep_input, enqueue_many)
        stored, kept = sparse_parts.store(elements[0], enqueue_many, keep)
        dense = [stored, *(sparse_parts.store(e, enqueue_many, keep, kept)[0] for e in elements[1:])]
        kinds = common_dtypes(dense)
        dims = common_shapes(shapes, dense, enqueue_many, keep, dynamic_pad)
        if shuffle is None:
            queue = make_queue(kinds, capacity, dims, dynamic_pad, shared_name)
        else:
            queue = queues.RandomShuffleQueue(
                capacity=capacity,
                min_after_dequeue=shuffle[0],
                seed=shuffle[1],
                dtypes=kinds,
                shapes=dims,
                shared_name=shared_name,
            )
        ops = enqueue_each(queue, dense, enqueue_many, keep)
        add_queue_runner(QueueRunner(queue, ops * num_threads))
        summarize(queue, capacity, None if shuffle is None else shuffle[0])
        take = queue.dequeue_up_to if allow_smaller_final_batch else queue.dequeue_many
        taken = take(batch_size, name=scope)
        return rebuild(sparse_parts.restore(taken if isinstance(taken, list) else [taken], kept))


def summarize(queue: queues.QueueBase, capacity: int, least: int | None = None) -> None:
    """Tells how full a queue is, beyond the `least` elements that stay in it."""
    if least is None:
        fraction = cast.cast(queue.size(), dtypes.float32) * (1.0 / capacity)
        summary.scalar(f"fraction_of_{capacity}_full", fraction)
        return
    above = cast.cast(raw.Maximum(0, queue.size() - least), dtypes.float32)
    summary.scalar(f"fraction_over_{least}_of_{capacity - least}_full", above * (1.0 / (capacity - least)))
