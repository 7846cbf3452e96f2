"""Batches of elements that belong together: by a number, or by their length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import dtypes, errors
from millrace.core import shapes as shape_module
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.input import queues
from millrace.lib.summary import operations as summary
from millrace.ops.array import constant
from millrace.training.coordination import batch_parts, sparse_parts
from millrace.training.coordination.queue_runner import QueueRunner, add_queue_runner


def _for_each(given: Any, count: int, what: str) -> list[Any]:
    if isinstance(given, list | tuple):
        if len(given) != count:
            raise ValueError(f"bucket: there must be a {what} for each of {count} buckets. Received: {given}")
        return list(given)
    return [given] * count


@public("contrib.training.bucket")
def bucket(
    tensors: Any,
    which_bucket: Any,
    batch_size: Any,
    num_buckets: int,
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Any = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Tensor, Any]:
    """Batches of elements of one bucket each.

    Args:
      tensors: a list or dictionary of tensors, dense or sparse: one element.
      which_bucket: a scalar int32: the element's bucket, in [0, num_buckets).
      batch_size: of all buckets, or a list with that of each.
      num_buckets: how many buckets there are, at least 2.
      num_threads: how many threads fill the buckets.
      capacity: how many batches wait, and how many elements in each bucket.
      bucket_capacities: how many elements wait in each bucket, a list.
      shapes: of an element, where the tensors' are not known.
      dynamic_pad: elements of a batch may differ in length; they are padded with zeros.
      allow_smaller_final_batch: give what is left at the end.
      keep_input: a scalar bool: whether the element is wanted.
      shared_name: of the queues.
      name: default "bucket".

    Returns:
      The bucket, a scalar int32, and the batch in the structure of `tensors`.

    Raises:
      ValueError: there are no tensors, fewer than 2 buckets, or not one size or capacity for each.
    """
    if num_buckets < 2:
        raise ValueError(f"num_buckets must be >= 2. Received: {num_buckets}")
    sizes = _for_each(batch_size, num_buckets, "batch_size")
    room = _for_each(capacity if bucket_capacities is None else bucket_capacities, num_buckets, "capacity")
    found, rebuild = batch_parts.as_list(tensors, "bucket")
    with name_scope(name, "bucket", found):
        keep = batch_parts.validated_keep_input(keep_input, enqueue_many=False)
        for size in sizes:  # nobody takes them, but TensorFlow adds and counts them
            convert.to_tensor(size, dtypes.int32, name="batch_size")
        which = convert.to_tensor(which_bucket, dtypes.int32, name="which_bucket")
        dense, kept = sparse_parts.store(found, False, keep)
        kinds = batch_parts.common_dtypes([dense])
        dims = batch_parts.common_shapes(shapes, [dense], False, keep, dynamic_pad)
        cls = queues.PaddingFIFOQueue if dynamic_pad else queues.FIFOQueue
        waiting = [
            cls(capacity=r, dtypes=kinds, shapes=dims, shared_name=shared_name, name=f"bucket_queue_{i}")
            for i, r in enumerate(room)
        ]
        static = [None if isinstance(s, Tensor) or allow_smaller_final_batch else int(s) for s in sizes]
        length = static[0] if len(set(static)) == 1 else None
        whole = [shape_module.as_shape([length]).concatenate(d) for d in dims]
        top_queue = queues.PaddingFIFOQueue(
            capacity=capacity,
            dtypes=[dtypes.int32, *kinds],
            shapes=[shape_module.as_shape([]), *whole],
            shared_name=shared_name,
            name="top_queue",
        )
        put = _put_where_it_belongs(waiting, which, dense, keep)
        _run(waiting, top_queue, [put] * num_threads, sizes, allow_smaller_final_batch)
        for queue in waiting:
            summary.scalar(f"bucket/{queue.name}/size", raw.Cast(top_queue.size(), DstT=dtypes.float32))
        fraction = raw.Cast(top_queue.size(), DstT=dtypes.float32) * (1.0 / capacity)
        summary.scalar(f"bucket/{top_queue.name}/fraction_of_{capacity}_full", fraction)
        number, *batch = top_queue.dequeue(name="dequeue_top")
        return number, rebuild(sparse_parts.restore(batch, kept))


def _put_where_it_belongs(waiting: Sequence[Any], which: Tensor, element: list[Any], keep: Tensor) -> Any:
    def into_its_bucket() -> Any:
        puts = [
            cond(raw.Equal(which, i), lambda q=queue: q.enqueue(element), constant.no_op)
            for i, queue in enumerate(waiting)
        ]
        return group(*puts, name="group_enqueues")

    known = static_value(keep)
    if known is None:
        return cond(keep, into_its_bucket, constant.no_op)
    return into_its_bucket() if known else constant.no_op()


def _run(waiting: Sequence[Any], top_queue: Any, puts: list[Any], sizes: list[Any], smaller: bool) -> None:
    """Adds the runners: into the buckets, and from each of them to the top."""
    to_top = []
    for i, (queue, size) in enumerate(zip(waiting, sizes, strict=True)):
        number = constant.constant(i, dtypes.int32)
        take = queue.dequeue_up_to if smaller else queue.dequeue_many
        taken = take(size, name=f"read_bucket_{i}")
        batch = taken if isinstance(taken, list) else [taken]
        to_top.append(top_queue.enqueue([number, *batch], name=f"enqueue_from_bucket_{i}"))
    ends = (errors.OutOfRangeError, errors.CancelledError)
    upwards = QueueRunner(top_queue, to_top, queue_closed_exception_types=ends)
    inwards = QueueRunner(
        waiting[0],
        puts,
        close_op=group(*[q.close() for q in waiting]),
        cancel_op=group(*[q.close(cancel_pending_enqueues=True) for q in waiting]),
        queue_closed_exception_types=ends,
    )
    for runner in (inwards, upwards):
        add_queue_runner(runner)


@public("contrib.training.bucket_by_sequence_length")
def bucket_by_sequence_length(
    input_length: Any,
    tensors: Any,
    batch_size: Any,
    bucket_boundaries: Any,
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Any = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Tensor, Any]:
    """Batches of elements of like lengths.

    Args:
      input_length: a scalar int32, the element's length.
      bucket_boundaries: increasing lengths, each the first of the next bucket.
      tensors, batch_size, num_threads, capacity, bucket_capacities, shapes, dynamic_pad,
        allow_smaller_final_batch, keep_input, shared_name, name: as for `bucket`.

    Returns:
      The lengths, int32 `[batch_size]`, and the batch: a list or dictionary as `tensors` is.

    Raises:
      TypeError: the boundaries are not a list of integers.
      ValueError: they are empty or do not increase, or sizes or capacities are not as many as buckets.
    """
    if not isinstance(bucket_boundaries, list | tuple):
        raise TypeError(f"bucket_boundaries must be a list or tuple. Received: {bucket_boundaries!r}")
    if not bucket_boundaries:
        raise ValueError("bucket_boundaries must not be empty")
    for before, after in zip(bucket_boundaries, [*bucket_boundaries[1:], None], strict=True):
        if not isinstance(before, int) or (after is not None and not isinstance(after, int)):
            raise TypeError(f"bucket boundaries must be integers. Received: {before!r} and {after!r}")
        if after is not None and before >= after:
            raise ValueError(
                f"Buckets must contain sequential increasing lengths. Received: {before}, {after}"
            )
    found, rebuild = batch_parts.as_list(tensors, "bucket_by_sequence_length")
    with name_scope(name, "bucket_by_sequence_length", found):
        length = convert.to_tensor(input_length, dtypes.int32, name="input_length")
        least = constant.constant([dtypes.int32.min, *bucket_boundaries], dtypes.int32)
        most = constant.constant([*bucket_boundaries, dtypes.int32.max], dtypes.int32)
        fits = raw.LogicalAnd(raw.LessEqual(least, length), raw.Less(length, most))
        which = raw.Cast(raw.Min(raw.Where(fits), [0, 1]), DstT=dtypes.int32)
        which.set_shape([])
        if shapes is not None:
            shapes = [shape_module.as_shape([]), *shapes]
        _, batch = bucket(
            [length, *found],
            which,
            batch_size,
            len(bucket_boundaries) + 1,
            num_threads=num_threads,
            capacity=capacity,
            bucket_capacities=bucket_capacities,
            shapes=shapes,
            dynamic_pad=dynamic_pad,
            allow_smaller_final_batch=allow_smaller_final_batch,
            keep_input=keep_input,
            shared_name=shared_name,
        )
        if isinstance(tensors, dict):
            # the one value of a dictionary of one is a list, as in TensorFlow
            return batch[0], rebuild([batch[1:]] if len(found) == 1 else batch[1:])
        return batch[0], batch[1:]
