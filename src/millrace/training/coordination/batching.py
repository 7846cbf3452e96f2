"""Batches: a queue that runners fill with single elements, and that gives many at once."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.training.coordination.batch_parts import batched


def _check_room(capacity: int, min_after_dequeue: int) -> None:
    if capacity <= min_after_dequeue:
        raise ValueError(
            f"shuffle_batch: capacity {capacity} must be bigger than min_after_dequeue {min_after_dequeue}."
        )


@public("train.batch", "python.training.input.batch")
def batch(
    tensors: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of what `tensors` are from run to run.

    A runner evaluates `tensors` again and again and fills a queue, from which batches are taken.

    Args:
      tensors: a list or dictionary of tensors, dense or sparse: one element, `[...]` each.
      batch_size: elements in a batch, an integer or scalar int32 tensor.
      num_threads: how many threads fill the queue; with more than one the order is left to chance.
      capacity: of the queue.
      enqueue_many: `tensors` are rows of elements, `[n, ...]` each.
      shapes: of an element, where the tensors' are not known.
      dynamic_pad: elements may differ in length in unknown dimensions; they are padded with zeros.
      allow_smaller_final_batch: give what is left when the queue is closed.
      shared_name: of the queue.
      name: of the batch; default "batch".

    Returns:
      Tensors `[batch_size, ...]` in the structure of `tensors`; one tensor for a list of one.

    Raises:
      ValueError: there are no tensors, or a shape is not known.
      OutOfRangeError: when run, after the last batch.
    """
    return batched(
        "batch",
        [tensors],
        name=name,
        keep_input=True,
        batch_size=batch_size,
        capacity=capacity,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
        shared_name=shared_name,
        num_threads=num_threads,
        dynamic_pad=dynamic_pad,
    )


@public("train.maybe_batch", "python.training.input.maybe_batch")
def maybe_batch(
    tensors: Any,
    keep_input: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`batch` of the elements for which `keep_input` holds.

    Args:
      keep_input: a scalar bool, or with `enqueue_many` one for each row, `[n]`.
      tensors, batch_size, num_threads, capacity, enqueue_many, shapes, dynamic_pad,
        allow_smaller_final_batch, shared_name, name: as for `batch`.

    Raises:
      ValueError: the rank of `keep_input` does not fit.
    """
    return batched(
        "batch",
        [tensors],
        name=name,
        keep_input=keep_input,
        batch_size=batch_size,
        capacity=capacity,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
        shared_name=shared_name,
        num_threads=num_threads,
        dynamic_pad=dynamic_pad,
    )


@public("train.batch_join", "python.training.input.batch_join")
def batch_join(
    tensors_list: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of what several producers give, each in a thread of its own.

    Args:
      tensors_list: of each producer, a list or dictionary of tensors, with the same dtypes.
      batch_size, capacity, enqueue_many, shapes, dynamic_pad, allow_smaller_final_batch, shared_name: as for
        `batch`.
      name: of the batch; default "batch_join".

    Returns:
      Tensors `[batch_size, ...]` in the structure of one producer's.

    Raises:
      TypeError: producers differ in dtypes.
      ValueError: there are no tensors, a shape is not known, or the producers' structures differ.
    """
    return batched(
        "batch_join",
        tensors_list,
        name=name,
        keep_input=True,
        batch_size=batch_size,
        capacity=capacity,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
        shared_name=shared_name,
        dynamic_pad=dynamic_pad,
    )


@public("train.maybe_batch_join", "python.training.input.maybe_batch_join")
def maybe_batch_join(
    tensors_list: Any,
    keep_input: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`batch_join` of the elements for which `keep_input` holds.

    Args:
      keep_input: a scalar bool, or with `enqueue_many` one for each row, `[n]`.
      tensors_list, batch_size, capacity, enqueue_many, shapes, dynamic_pad, allow_smaller_final_batch,
        shared_name, name: as for `batch_join`.
    """
    return batched(
        "batch_join",
        tensors_list,
        name=name,
        keep_input=keep_input,
        batch_size=batch_size,
        capacity=capacity,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
        shared_name=shared_name,
        dynamic_pad=dynamic_pad,
    )


@public("train.shuffle_batch", "python.training.input.shuffle_batch")
def shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of what `tensors` are from run to run, in random order.

    Args:
      tensors, batch_size, num_threads, enqueue_many, shapes, allow_smaller_final_batch, shared_name: as for
        `batch`.
      capacity: of the queue, more than `min_after_dequeue`.
      min_after_dequeue: how many elements stay in the queue to choose from, until it is closed.
      seed: makes the order repeatable.
      name: of the batch; default "shuffle_batch".

    Raises:
      ValueError: there are no tensors, a shape is not known, or the capacity is too small.
    """
    _check_room(capacity, min_after_dequeue)
    return batched(
        "shuffle_batch",
        [tensors],
        name=name,
        keep_input=True,
        batch_size=batch_size,
        capacity=capacity,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
        shared_name=shared_name,
        num_threads=num_threads,
        shuffle=(min_after_dequeue, seed),
    )


@public("train.maybe_shuffle_batch", "python.training.input.maybe_shuffle_batch")
def maybe_shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`shuffle_batch` of the elements for which `keep_input` holds.

    Args:
      keep_input: a scalar bool, or with `enqueue_many` one for each row, `[n]`.
      tensors, batch_size, capacity, min_after_dequeue, num_threads, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, name: as for `shuffle_batch`.
    """
    _check_room(capacity, min_after_dequeue)
    return batched(
        "shuffle_batch",
        [tensors],
        name=name,
        keep_input=keep_input,
        batch_size=batch_size,
        capacity=capacity,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
        shared_name=shared_name,
        num_threads=num_threads,
        shuffle=(min_after_dequeue, seed),
    )


@public("train.shuffle_batch_join", "python.training.input.shuffle_batch_join")
def shuffle_batch_join(
    tensors_list: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of what several producers give, each in a thread of its own, in random order.

    Args:
      tensors_list, batch_size, enqueue_many, shapes, allow_smaller_final_batch, shared_name: as for
        `batch_join`.
      capacity, min_after_dequeue, seed: as for `shuffle_batch`.
      name: of the batch; default "shuffle_batch_join".
    """
    _check_room(capacity, min_after_dequeue)
    return batched(
        "shuffle_batch_join",
        tensors_list,
        name=name,
        keep_input=True,
        batch_size=batch_size,
        capacity=capacity,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
        shared_name=shared_name,
        shuffle=(min_after_dequeue, seed),
    )


@public("train.maybe_shuffle_batch_join", "python.training.input.maybe_shuffle_batch_join")
def maybe_shuffle_batch_join(
    tensors_list: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`shuffle_batch_join` of the elements for which `keep_input` holds.

    Args:
      keep_input: a scalar bool, or with `enqueue_many` one for each row, `[n]`.
      tensors_list, batch_size, capacity, min_after_dequeue, seed, enqueue_many, shapes,
        allow_smaller_final_batch, shared_name, name: as for `shuffle_batch_join`.
    """
    _check_room(capacity, min_after_dequeue)
    return batched(
        "shuffle_batch_join",
        tensors_list,
        name=name,
        keep_input=keep_input,
        batch_size=batch_size,
        capacity=capacity,
        enqueue_many=enqueue_many,
        shapes=shapes,
        allow_smaller_final_batch=allow_smaller_final_batch,
        shared_name=shared_name,
        shuffle=(min_after_dequeue, seed),
    )
