"""`tf.contrib.learn.read_batch_examples` and its relatives: records of files in batches, through queues."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes
from millrace.core.errors import CancelledError, OutOfRangeError
from millrace.core.public import public
from millrace.lib.input.queues import FIFOQueue
from millrace.lib.input.readers import TFRecordReader
from millrace.lib.platform import gfile
from millrace.lib.summary.operations import scalar
from millrace.ops.array.constant import constant
from millrace.ops.io.parsing import parse_example
from millrace.ops.math.cast import cast
from millrace.training.coordination.batching import batch_join, shuffle_batch_join
from millrace.training.coordination.producers import string_input_producer
from millrace.training.coordination.queue_runner import QueueRunner, add_queue_runner

KEY_FEATURE_NAME = public("contrib.learn.io.graph_io.KEY_FEATURE_NAME")("__key__")


def _file_names(file_pattern: Any, shuffled: bool) -> list[str]:
    if isinstance(file_pattern, list):
        if not file_pattern:
            raise ValueError("No files given to dequeue_examples.")
        found = [name for pattern in file_pattern for name in gfile.glob_v1(pattern)]
    else:
        found = list(gfile.glob_v1(file_pattern))
    if not found:
        raise ValueError(f"No files match {file_pattern}.")
    found.sort()
    if shuffled:
        random.shuffle(found)
    return found


def _check(
    batch_size: Any, queue_capacity: Any, num_threads: Any, read_batch_size: Any, num_epochs: Any
) -> None:
    if not queue_capacity or queue_capacity <= 0:
        raise ValueError(f"Invalid queue_capacity {queue_capacity}.")
    if batch_size is None or batch_size <= 0 or batch_size >= queue_capacity:
        raise ValueError(f"Invalid batch_size {batch_size}, with queue_capacity {queue_capacity}.")
    for name, value in (("read_batch_size", read_batch_size), ("num_threads", num_threads)):
        if not value or value <= 0:
            raise ValueError(f"Invalid {name} {value}.")
    if num_epochs is not None and num_epochs <= 0:
        raise ValueError(f"Invalid num_epochs {num_epochs}.")


def _read(reader: Any, queue: Any, threads: int, rows: int, parse_fn: Any) -> list[Any]:
    """What each thread reads: keys and examples, or the parts of the latter by name."""
    found = []
    with name_scope("read"):
        for _ in range(threads):
            keys, examples = reader().read(queue) if rows == 1 else reader().read_up_to(queue, rows)
            parsed = parse_fn(examples) if parse_fn else examples
            if isinstance(parsed, dict):
                parsed[KEY_FEATURE_NAME] = keys
                found.append(parsed)
            else:
                found.append([keys, parsed])
    return found


@public(
    "contrib.learn.read_keyed_batch_examples",
    "contrib.learn.io.read_keyed_batch_examples",
    "contrib.learn.io.graph_io.read_keyed_batch_examples",
    "contrib.learn.read_keyed_batch_examples_shared_queue",
    "contrib.learn.io.read_keyed_batch_examples_shared_queue",
    "contrib.learn.io.graph_io.read_keyed_batch_examples_shared_queue",
)
def read_keyed_batch_examples(
    file_pattern: Any,
    batch_size: int,
    reader: Callable[[], Any],
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    num_threads: int = 1,
    read_batch_size: int = 1,
    parse_fn: Callable[[Any], Any] | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """Batches of records, each with its key; a training must run the queues and initialize local variables.

    Args:
      file_pattern: of file names, or a list of patterns.
      batch_size: records at once.
      reader: makes a reader, such as `tf.TFRecordReader`.
      randomize_input: whether files and records are shuffled.
      num_epochs: how many times; None for ever.
      queue_capacity: how many records wait.
      num_threads: how many readers there are.
      read_batch_size: records that a reader reads at once.
      parse_fn: from a record to a tensor, or tensors by name.
      name: scope; default "read_batch_examples".
      seed: of the shuffling.

    Returns:
      Keys `[batch]`, and records or what `parse_fn` made of them.

    Raises:
      ValueError: no files match, or a number does not fit.
    """
    names = _file_names(file_pattern, randomize_input)
    _check(batch_size, queue_capacity, num_threads, read_batch_size, num_epochs)
    with name_scope(name, "read_batch_examples", [file_pattern]) as scope:
        with name_scope("file_name_queue") as files:
            queue = string_input_producer(
                constant(names, name="input"),
                num_epochs=num_epochs,
                shuffle=randomize_input,
                name=files,
                seed=seed,
            )
        read = _read(reader, queue, num_threads, read_batch_size, parse_fn)
        several, smaller = read_batch_size > 1, num_epochs is not None
        options: dict[str, Any] = {
            "capacity": queue_capacity,
            "enqueue_many": several,
            "name": scope,
            "allow_smaller_final_batch": smaller,
        }
        if randomize_input:
            least = max(queue_capacity - 3 * batch_size, batch_size)
            rows: Any = shuffle_batch_join(read, batch_size, min_after_dequeue=least, seed=seed, **options)
        else:
            rows = batch_join(read, batch_size, **options)
    if isinstance(rows, dict):
        return rows.pop(KEY_FEATURE_NAME), rows
    return rows


@public(
    "contrib.learn.read_batch_examples",
    "contrib.learn.io.read_batch_examples",
    "contrib.learn.io.graph_io.read_batch_examples",
)
def read_batch_examples(
    file_pattern: Any,
    batch_size: int,
    reader: Callable[[], Any],
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    num_threads: int = 1,
    read_batch_size: int = 1,
    parse_fn: Callable[[Any], Any] | None = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """Batches of records; arguments and errors as for `read_keyed_batch_examples`."""
    return read_keyed_batch_examples(
        file_pattern,
        batch_size,
        reader,
        randomize_input,
        num_epochs,
        queue_capacity,
        num_threads,
        read_batch_size,
        parse_fn,
        name,
        seed,
    )[1]


@public(
    "contrib.learn.queue_parsed_features",
    "contrib.learn.io.queue_parsed_features",
    "contrib.learn.io.graph_io.queue_parsed_features",
)
def queue_parsed_features(
    parsed_features: dict[str, Any],
    keys: Any = None,
    feature_queue_capacity: int = 100,
    num_enqueue_threads: int = 2,
    name: str | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Whole batches of features behind a queue, so that they are parsed while a step runs.

    Args:
      parsed_features: tensors by name, dense or sparse.
      keys: `[batch]`, or None.
      feature_queue_capacity: how many batches wait.
      num_enqueue_threads: how many threads fill it.
      name: scope; default "queue_parsed_features".

    Returns:
      Keys and features; keys are None where none were given.
    """
    with name_scope(name, "queue_parsed_features", [*parsed_features.values()]):
        flat: list[Any] = []
        for key in sorted(parsed_features):
            tensor = parsed_features[key]
            parts = (
                [tensor.indices, tensor.values, tensor.dense_shape]
                if isinstance(tensor, SparseTensor)
                else [tensor]
            )
            flat += parts
        if keys is not None:
            flat.append(keys)
        queue = FIFOQueue(feature_queue_capacity, [tensor.dtype.base_dtype for tensor in flat])
        scalar(
            f"queue/parsed_features/{queue.name}/fraction_of_{feature_queue_capacity}_full",
            cast(queue.size(), dtypes.float32) * (1.0 / feature_queue_capacity),
        )
        runner = QueueRunner(
            queue,
            [queue.enqueue(flat) for _ in range(num_enqueue_threads)],
            queue_closed_exception_types=(OutOfRangeError, CancelledError),
        )
        add_queue_runner(runner)
        taken = queue.dequeue()
        taken = taken if isinstance(taken, list | tuple) else [taken]
        for before, after in zip(flat, taken, strict=True):
            after.set_shape(before.get_shape())
        rest = iter(taken)
        found = {
            key: SparseTensor(next(rest), next(rest), next(rest))
            if isinstance(parsed_features[key], SparseTensor)
            else next(rest)
            for key in sorted(parsed_features)
        }
        return (None if keys is None else next(rest)), found


@public(
    "contrib.learn.read_keyed_batch_features",
    "contrib.learn.io.read_keyed_batch_features",
    "contrib.learn.io.graph_io.read_keyed_batch_features",
)
def read_keyed_batch_features(
    file_pattern: Any,
    batch_size: int,
    features: dict[str, Any],
    reader: Callable[[], Any],
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    reader_num_threads: int = 1,
    feature_queue_capacity: int = 100,
    num_enqueue_threads: int = 2,
    parse_fn: Callable[[Any], Any] | None = None,
    name: str | None = None,
    read_batch_size: int | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Batches of `tf.train.Example`s, parsed, each with its key.

    Args:
      features: from names to `tf.FixedLenFeature`s and the like.
      reader_num_threads: how many readers there are.
      feature_queue_capacity: how many parsed batches wait.
      num_enqueue_threads: how many threads parse.
      read_batch_size: records that a reader reads at once; default, `batch_size`.
      file_pattern, batch_size, reader, randomize_input, num_epochs, queue_capacity, parse_fn, name: as for
        `read_keyed_batch_examples`.

    Returns:
      Keys `[batch]`, and tensors by name.
    """
    with name_scope(name, "read_batch_features", [file_pattern]) as scope:
        keys, examples = read_keyed_batch_examples(
            file_pattern,
            batch_size,
            reader,
            randomize_input,
            num_epochs,
            queue_capacity,
            reader_num_threads,
            batch_size if read_batch_size is None else read_batch_size,
            parse_fn,
            scope,
        )
        return queue_parsed_features(
            parse_example(examples, features), keys, feature_queue_capacity, num_enqueue_threads, scope
        )


@public(
    "contrib.learn.read_keyed_batch_features_shared_queue",
    "contrib.learn.io.read_keyed_batch_features_shared_queue",
    "contrib.learn.io.graph_io.read_keyed_batch_features_shared_queue",
)
def read_keyed_batch_features_shared_queue(
    file_pattern: Any,
    batch_size: int,
    features: dict[str, Any],
    reader: Callable[[], Any],
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    reader_num_threads: int = 1,
    feature_queue_capacity: int = 100,
    num_queue_runners: int = 2,
    parse_fn: Callable[[Any], Any] | None = None,
    name: str | None = None,
) -> tuple[Any, dict[str, Any]]:
    """`read_keyed_batch_features` in one process, where a queue is shared anyway; arguments as there."""
    return read_keyed_batch_features(
        file_pattern,
        batch_size,
        features,
        reader,
        randomize_input,
        num_epochs,
        queue_capacity,
        reader_num_threads,
        feature_queue_capacity,
        num_queue_runners,
        parse_fn,
        name,
    )


@public(
    "contrib.learn.read_batch_features",
    "contrib.learn.io.read_batch_features",
    "contrib.learn.io.graph_io.read_batch_features",
)
def read_batch_features(
    file_pattern: Any,
    batch_size: int,
    features: dict[str, Any],
    reader: Callable[[], Any],
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    feature_queue_capacity: int = 100,
    reader_num_threads: int = 1,
    num_enqueue_threads: int = 2,
    parse_fn: Callable[[Any], Any] | None = None,
    name: str | None = None,
    read_batch_size: int | None = None,
) -> dict[str, Any]:
    """`read_keyed_batch_features` without the keys; arguments as there."""
    return read_keyed_batch_features(
        file_pattern,
        batch_size,
        features,
        reader,
        randomize_input,
        num_epochs,
        queue_capacity,
        reader_num_threads,
        feature_queue_capacity,
        num_enqueue_threads,
        parse_fn,
        name,
        read_batch_size,
    )[1]


@public(
    "contrib.learn.read_batch_record_features",
    "contrib.learn.io.read_batch_record_features",
    "contrib.learn.io.graph_io.read_batch_record_features",
)
def read_batch_record_features(
    file_pattern: Any,
    batch_size: int,
    features: dict[str, Any],
    randomize_input: bool = True,
    num_epochs: int | None = None,
    queue_capacity: int = 10000,
    reader_num_threads: int = 1,
    name: str = "dequeue_record_examples",
) -> dict[str, Any]:
    """`read_batch_features` of TFRecord files; arguments as there."""
    return read_batch_features(
        file_pattern,
        batch_size,
        features,
        TFRecordReader,
        randomize_input,
        num_epochs,
        queue_capacity,
        reader_num_threads=reader_num_threads,
        name=name,
    )
