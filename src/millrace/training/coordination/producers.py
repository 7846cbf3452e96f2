"""Producers: queues that a runner fills with the rows of a tensor, again and again."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.input import queues
from millrace.lib.math import checks
from millrace.lib.summary import operations as summary
from millrace.lib.variables.variable import Variable
from millrace.ops.array import constant, fill, gather, shape
from millrace.ops.math import cast
from millrace.ops.random import draws as random
from millrace.training.coordination.queue_runner import QueueRunner, add_queue_runner


@public("train.match_filenames_once", "io.match_filenames_once", "python.training.input.match_filenames_once")
def match_filenames_once(pattern: Any, name: str | None = None) -> Variable:
    """The names of the files that match a pattern, looked up when local variables are initialized.

    Args:
      pattern: a glob pattern, or a list of them.
      name: default "matching_filenames".

    Returns:
      A local variable, string `[n]`.
    """
    with name_scope(name, "matching_filenames", [pattern]) as scope:
        return Variable(
            raw.MatchingFiles(pattern),
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
            validate_shape=False,
            name=scope,
        )


@public("train.limit_epochs", "python.training.input.limit_epochs")
def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Tensor:
    """`tensor`, which can be had `num_epochs` times; then OutOfRangeError.

    Args:
      tensor: any tensor.
      num_epochs: how often; None for any number. It is counted in a local variable.
      name: default "limit_epochs".

    Raises:
      ValueError: `num_epochs` is not positive.
    """
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise ValueError(f"limit_epochs: num_epochs must be > 0. Received: {num_epochs}")
    with name_scope(name, "limit_epochs", [tensor]) as scope:
        epochs = Variable(
            constant.constant(0, dtypes.int64),
            trainable=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
            name="epochs",
        )
        with control_dependencies([epochs.count_up_to(num_epochs)]):
            return constant.identity(tensor, name=scope)


@public("train.input_producer", "python.training.input.input_producer")
def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> queues.FIFOQueue:
    """A queue of the rows of `input_tensor`, again and again.

    Args:
      input_tensor: `[n, ...]`.
      element_shape: of a row, where the tensor's shape is not known.
      num_epochs: how often each row comes before the queue is closed; None for ever.
      shuffle: put the rows in another order each time.
      seed: of that order.
      capacity: of the queue.
      shared_name: of the queue.
      summary_name: where given, a summary of this name tells how full the queue is.
      name: default "input_producer".
      cancel_op: called to cancel the queue; default: as `QueueRunner` has it.

    Raises:
      ValueError: the shape of a row is not fully known.
    """
    with name_scope(name, "input_producer", [input_tensor]):
        rows = convert.to_tensor(input_tensor, name="input_tensor")
        row = shapes.shape_of(None if rows.dims is None else rows.dims[1:])
        merged = row.merge_with(element_shape)
        if not merged.is_fully_defined():
            raise ValueError(
                "input_producer: the shape of a row must be fully known; pass a tensor of known shape or "
                f"element_shape. Received: {rows.name} of shape {rows.shape}, element_shape={element_shape}"
            )
        if rows.dims is None:
            rows.set_shape([None, *merged.as_list()])
        if shuffle:
            rows = random.random_shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = queues.FIFOQueue(
            capacity=capacity,
            dtypes=[rows.dtype.base_dtype],
            shapes=[merged],
            shared_name=shared_name,
            name=name or "FIFOQueueV2",
        )
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many(rows)], cancel_op=cancel_op))
        if summary_name is not None:
            fraction = cast.cast(queue.size(), dtypes.float32) * (1.0 / capacity)
            summary.scalar(summary_name, fraction)
        return queue


@public("train.string_input_producer", "python.training.input.string_input_producer")
def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> queues.FIFOQueue:
    """A queue of strings, file names mostly, for a reader.

    Args:
      string_tensor: string `[n]`, n > 0.
      num_epochs, shuffle, seed, capacity, shared_name, cancel_op: as for `input_producer`.
      name: default "input_producer".

    Raises:
      ValueError: the list is empty; when run, an empty tensor is an InvalidArgumentError.
    """
    message = "string_input_producer requires a non-null input tensor"
    if not isinstance(string_tensor, Tensor) and not string_tensor:
        raise ValueError(f"{message}. Received: {string_tensor!r}")
    with name_scope(name, "input_producer", [string_tensor]) as scope:
        strings = convert.to_tensor(string_tensor, dtypes.string)
        with control_dependencies([checks.Assert(raw.Greater(shape.size(strings), 0), [message])]):
            strings = constant.identity(strings)
        return input_producer(
            input_tensor=strings,
            element_shape=[],
            num_epochs=num_epochs,
            shuffle=shuffle,
            seed=seed,
            capacity=capacity,
            shared_name=shared_name,
            name=scope,
            summary_name=f"fraction_of_{capacity}_full",
            cancel_op=cancel_op,
        )


@public("train.range_input_producer", "python.training.input.range_input_producer")
def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> queues.FIFOQueue:
    """A queue of the integers from 0 up to `limit`.

    Args:
      limit: a scalar int32.
      num_epochs, shuffle, seed, capacity, shared_name: as for `input_producer`.
      name: default "input_producer".

    Raises:
      AssertionError: `limit` is not a number.
    """
    with name_scope(name, "input_producer", [limit]) as scope:
        try:
            numbers = fill.range_(limit)
        except TypeError as error:
            raise AssertionError(f"range_input_producer: {error}") from None
        return input_producer(
            input_tensor=numbers,
            element_shape=[],
            num_epochs=num_epochs,
            shuffle=shuffle,
            seed=seed,
            capacity=capacity,
            shared_name=shared_name,
            name=scope,
            summary_name=f"fraction_of_{capacity}_full",
        )


@public("train.slice_input_producer", "python.training.input.slice_input_producer")
def slice_input_producer(
    tensor_list: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Tensor]:
    """One row of each tensor, the next one in each run.

    Args:
      tensor_list: tensors `[n, ...]` of one n.
      num_epochs, shuffle, seed, capacity, shared_name: as for `input_producer`.
      name: default "input_producer".

    Returns:
      A list of tensors `[...]`, one for each in `tensor_list`.

    Raises:
      ValueError: the list is empty.
    """
    with name_scope(name, "input_producer", tensor_list):
        tensors = [convert.to_tensor(t) for t in tensor_list]
        if not tensors:
            raise ValueError(
                f"slice_input_producer: at least one tensor is needed. Received: {tensor_list!r}"
            )
        count = shape.shape(tensors[0])[0]
        queue = range_input_producer(
            count,
            num_epochs=num_epochs,
            shuffle=shuffle,
            seed=seed,
            capacity=capacity,
            shared_name=shared_name,
        )
        index = queue.dequeue()
        return [gather.gather(t, index) for t in tensors]
