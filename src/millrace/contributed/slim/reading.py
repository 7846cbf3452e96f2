"""`tf.contrib.slim`: several readers that share a queue, prefetching, and the runners of queues."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.input.queues import FIFOQueue, PaddingFIFOQueue, QueueBase, RandomShuffleQueue
from millrace.lib.platform.gfile import glob_v1
from millrace.lib.summary.operations import scalar
from millrace.training.coordination.coordinator import Coordinator
from millrace.training.coordination.producers import string_input_producer
from millrace.training.coordination.queue_runner import QueueRunner, add_queue_runner


def _filling(queue: Any, capacity: int) -> None:
    """A summary of how full a queue is."""
    filled = raw.Cast(queue.size(), DstT=dtypes.float32) * (1.0 / capacity)
    scalar(f"fraction_of_{capacity}_full", filled)


@public("contrib.slim.prefetch_queue.prefetch_queue")
def prefetch_queue(
    tensors: Any,
    capacity: int = 8,
    num_threads: int = 1,
    dynamic_pad: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> QueueBase:
    """A queue that threads fill with tensors ahead of their use.

    Args:
      tensors: a list, or a dictionary of tensors by name: one element of the queue.
      capacity: how many elements there may be.
      num_threads: how many threads fill it.
      dynamic_pad: allow shapes with unknown dimensions.
      shared_name: of the queue in its session.
      name: scope; default "prefetch_queue".

    Raises:
      ValueError: a shape is not known.
    """
    if isinstance(tensors, dict):
        names = sorted(tensors)
        given = [tensors[n] for n in names]
    else:
        names, given = None, list(tensors)
    with name_scope(name, "prefetch_queue", given):
        given = [convert.to_tensor(x) for x in given]
        kind = PaddingFIFOQueue if dynamic_pad else FIFOQueue
        queue = kind(
            capacity=capacity,
            dtypes=[x.dtype.base_dtype for x in given],
            shapes=[x.shape for x in given],
            names=names,
            shared_name=shared_name,
        )
        enqueue = queue.enqueue(dict(zip(names, given, strict=True)) if names else given)
        add_queue_runner(QueueRunner(queue, [enqueue] * num_threads))
        _filling(queue, capacity)
        return queue


@public("contrib.slim.parallel_reader.get_data_files")
def get_data_files(data_sources: Any) -> list[str]:
    """The files that patterns match.

    Args:
      data_sources: a path, a pattern like "train-*", or a list of them.

    Raises:
      ValueError: no file matches.
    """
    if isinstance(data_sources, list | tuple):
        files = [path for source in data_sources for path in get_data_files(source)]
    elif any(sign in str(data_sources) for sign in "*?["):
        files = glob_v1(data_sources)
    else:
        files = [data_sources]
    if not files:
        raise ValueError(f"No data files found in {data_sources}")
    return files


@public("contrib.slim.parallel_reader.ParallelReader")
class ParallelReader:
    """Several readers that put what they read into one queue.

    Args:
      reader_class: a class of readers, `tf.TFRecordReader`.
      common_queue: of keys and values, both strings.
      num_readers: how many readers there are.
      reader_kwargs: arguments of the class.

    Raises:
      TypeError: the queue's elements are not pairs of strings.
    """

    def __init__(
        self, reader_class: Any, common_queue: Any, num_readers: int = 4, reader_kwargs: Any = None
    ) -> None:
        if len(common_queue.dtypes) != 2:
            raise TypeError("common_queue.dtypes must contain exactly 2 elements.")
        if any(not d.is_compatible_with(dtypes.string) for d in common_queue.dtypes):
            raise TypeError("common_queue.dtypes must be strings.")
        self._readers = [reader_class(**(reader_kwargs or {})) for _ in range(num_readers)]
        self._common_queue = common_queue

    @property
    def num_readers(self) -> int:
        """How many readers there are."""
        return len(self._readers)

    @property
    def common_queue(self) -> Any:
        """The queue that they fill."""
        return self._common_queue

    def read(self, queue: Any, name: str | None = None) -> Any:
        """The next key and value.

        Args:
          queue: of file names.
          name: of the operation that takes them.
        """
        self._configure_readers_by(queue)
        return self._common_queue.dequeue(name=name)

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> Any:
        """At most `num_records` keys and values."""
        self._configure_readers_by(queue)
        return self._common_queue.dequeue_up_to(num_records, name)

    def _configure_readers_by(self, queue: Any) -> None:
        made = [self._common_queue.enqueue(reader.read(queue)) for reader in self._readers]
        add_queue_runner(QueueRunner(self._common_queue, made))

    def num_records_produced(self, name: str | None = None) -> Any:
        """How many records were read, an int64 scalar."""
        return raw.AddN([r.num_records_produced() for r in self._readers], name=name)

    def num_work_units_completed(self, name: str | None = None) -> Any:
        """How many files were read to their ends, an int64 scalar."""
        return raw.AddN([r.num_work_units_completed() for r in self._readers], name=name)


@public("contrib.slim.parallel_reader.parallel_read")
def parallel_read(
    data_sources: Any,
    reader_class: Any,
    num_epochs: int | None = None,
    num_readers: int = 4,
    reader_kwargs: Any = None,
    shuffle: bool = True,
    dtypes: Any = None,
    capacity: int = 256,
    min_after_dequeue: int = 128,
    seed: int | None = None,
    scope: str | None = None,
) -> Any:
    """The next key and value of many files, read by several readers.

    Args:
      data_sources: a path, a pattern, or a list of them.
      reader_class, num_readers, reader_kwargs: see `ParallelReader`.
      num_epochs: how often every file is read; None: for ever.
      shuffle: whether files and records are shuffled.
      dtypes: of the queue; default two strings.
      capacity: of the queue.
      min_after_dequeue: how many records stay in it to be shuffled.
      seed: of the shuffling.
      scope: default "parallel_read".
    """
    files = get_data_files(data_sources)
    with name_scope(scope, "parallel_read"):
        names = string_input_producer(
            files, num_epochs=num_epochs, shuffle=shuffle, seed=seed, name="filenames"
        )
        kinds = dtypes or _STRINGS
        if shuffle:
            queue = RandomShuffleQueue(
                capacity=capacity,
                min_after_dequeue=min_after_dequeue,
                dtypes=kinds,
                seed=seed,
                name="common_queue",
            )
        else:
            queue = FIFOQueue(capacity=capacity, dtypes=kinds, name="common_queue")
        _filling(queue, capacity)
        return ParallelReader(reader_class, queue, num_readers, reader_kwargs).read(names)


_STRINGS = [dtypes.string, dtypes.string]


@public("contrib.slim.parallel_reader.single_pass_read")
def single_pass_read(
    data_sources: Any, reader_class: Any, reader_kwargs: Any = None, scope: str | None = None
) -> Any:
    """The next key and value of many files, each read once, in order.

    Args:
      data_sources: a path, a pattern, or a list of them.
      reader_class, reader_kwargs: the reader.
      scope: default "single_pass_read".
    """
    files = get_data_files(data_sources)
    with name_scope(scope, "single_pass_read"):
        names = string_input_producer(files, num_epochs=1, shuffle=False, capacity=1, name="filenames")
        return reader_class(**(reader_kwargs or {})).read(names)


@public("contrib.slim.queues.NestedQueueRunnerError")
class NestedQueueRunnerError(Exception):
    """The runners of queues were started a second time."""


@public("contrib.slim.queues.QueueRunners")
@contextlib.contextmanager
def QueueRunners(session: Any) -> Iterator[None]:  # noqa: N802 - TensorFlow's name
    """A `with` in which the threads of the graph's queue runners work.

    Args:
      session: where they run.

    Raises:
      NestedQueueRunnerError: they were started already.
    """
    runners = get_default_graph().get_collection(GraphKeys.QUEUE_RUNNERS)
    coordinator = Coordinator()
    threads: list[Any] = []
    for runner in runners:
        threads.extend(runner.create_threads(session, coord=coordinator, daemon=True, start=True))
    if not threads and runners:
        raise NestedQueueRunnerError("The queue runners are running already: QueueRunners cannot be nested.")
    try:
        yield
    finally:
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=120)
