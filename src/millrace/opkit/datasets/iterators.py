"""Iterators: the resource behind the handle, optionals, and one buffer for each of several devices."""

from __future__ import annotations

import contextlib
import itertools
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import dtypes, errors, shapes
from millrace.core.errors import refusal
from millrace.core.waiting import WouldWait, attempting, wait_until
from millrace.opkit.datasets.base import Dataset, Element, Run, Stage, string, text
from millrace.opkit.datasets.mapping import as_dataset
from millrace.opkit.datasets.shuffling import restore_orders, save_orders
from millrace.opkit.datasets.state import decode, encode
from millrace.opkit.records import tfrecord as records
from millrace.opkit.state.resource import Resource

_serial = itertools.count()
_by_handle: weakref.WeakValueDictionary[bytes, Any] = weakref.WeakValueDictionary()


class _Resource(Resource):
    """What has a string handle, under which other operations find it.

    Args:
      kind: the word in the handle.
      types: dtypes of an element's components; empty for any.
      dims: their shapes.
    """

    def __init__(self, kind: str, types: Sequence[dtypes.DType], dims: Sequence[shapes.Dims]) -> None:
        self.types = tuple(types)
        self.dims = tuple(dims)
        self.kind = kind
        self.handle = f"millrace {kind} {next(_serial)}".encode()
        _by_handle[self.handle] = self


class IteratorResource(_Resource):
    """An iterator: a dataset at work, once it has been given one.

    Args:
      factory: a function that makes the dataset of a one-shot iterator, at the first element.
    """

    def __init__(
        self, types: Sequence[dtypes.DType], dims: Sequence[shapes.Dims], factory: Any = None
    ) -> None:
        super().__init__("iterator", types, dims)
        self._factory = factory
        self._lock = threading.Lock()
        self._dataset: Dataset | None = None
        self._stage: Stage | None = None
        self._fresh = False
        self._run: Run | None = None

    def make(self, dataset: Dataset) -> None:
        """Starts at the beginning of `dataset`."""
        run = Run()
        stage = run.begin(dataset)
        run.taken()
        old, self._stage = self._stage, stage
        self._dataset, self._fresh, self._run = dataset, dataset.fresh, run
        if old is not None:
            old.close()

    def _started(self) -> Stage:
        if self._stage is None:
            if self._factory is None:
                raise errors.FailedPreconditionError(
                    None,
                    None,
                    "GetNext() failed because the iterator has not been initialized. Ensure that you "
                    "have run the "
                    "initializer operation for this iterator before getting the next element.",
                )
            self.make(as_dataset(Run().start(self._factory, ())()[0]))
        assert self._stage is not None
        return self._stage

    def get(self) -> Element | None:
        """The next element, in arrays that belong to the caller; None at the end.

        Raises:
          FailedPreconditionError: the iterator has no dataset yet.
        """
        with self._lock:
            stage = self._stage or self._started()
            if attempting() and self._may_wait(stage):
                raise WouldWait  # a pipeline that has begun an element could not take it back
            element = stage.next()
        if element is None or self._fresh:
            return element
        return tuple([np.array(v) if type(v) is np.ndarray else v for v in element])

    def _may_wait(self, stage: Stage) -> bool:
        return self._run is not None and self._run.waits and not getattr(stage, "ready", False)

    def save(self) -> bytes:
        """Where the iterator stands.

        Raises:
          FailedPreconditionError: the iterator has no dataset yet, or a function of the pipeline remembers
            something, as a random generator does.
        """
        with self._lock:
            stage = self._started()
            assert self._dataset is not None and self._run is not None
            _refuse_memory(self._dataset, Run())
            return encode({"stage": stage.save(), "orders": save_orders(self._run)})

    def restore(self, state: bytes) -> None:
        """Goes on from where `save` was called.

        Raises:
          FailedPreconditionError: the iterator has no dataset yet.
        """
        with self._lock:
            self._started()
            assert self._dataset is not None
            run = Run()
            stage = run.begin(self._dataset)
            found = decode(state, self._dataset)
            stage.restore(found["stage"])
            restore_orders(run, found["orders"])
            old, self._stage, self._run = self._stage, stage, run
            if old is not None:
                old.close()

    def release(self) -> None:
        """Ends its threads and closes its files: the session ends."""
        stage, self._stage = self._stage, None
        if stage is not None:
            stage.close()


def _refuse_memory(dataset: Dataset, run: Run) -> None:
    """Raises FailedPreconditionError where a function of the pipeline remembers something between calls:
    wherever it stands, for what it remembers is not saved.
    """
    stateful = run.functions.stateful(dataset.op)
    if stateful:
        raise errors.FailedPreconditionError(None, None, f"{stateful} is stateful.\n  at {dataset.place}")
    for source in (*dataset.sources, *dataset.captured_datasets):
        _refuse_memory(source, run)


def next_of(iterator: Any) -> Element:
    """The next element of an iterator's resource.

    Raises:
      OutOfRangeError: there is none.
    """
    element = iterator.get()
    if element is None:
        raise errors.OutOfRangeError(None, None, "End of sequence")
    return element


def found(handle: Any, kind: type, types: Sequence[dtypes.DType], dims: Sequence[shapes.Dims]) -> Any:
    """The resource with a string handle.

    Raises:
      InvalidArgumentError: there is none, or its elements are of other types or shapes.
    """
    key = bytes(np.asarray(handle, object).reshape(())[()])
    resource = _by_handle.get(key)
    if not isinstance(resource, kind):
        raise refusal(f"Could not parse string_handle into a valid ResourceHandle. Received: {key!r}")
    check_types(resource, types, dims)
    return resource


def check_types(resource: Any, types: Sequence[dtypes.DType], dims: Sequence[shapes.Dims]) -> None:
    """Refuses an iterator whose elements are not of the types and shapes that its user expects."""
    if not types or not resource.types:
        return
    if tuple(types) != resource.types:
        raise refusal(
            f"Number or types of components do not match: expected {[t.name for t in types]}, got "
            f"{[t.name for t in resource.types]}",
        )
    for i, (wanted, given) in enumerate(zip(dims, resource.dims, strict=False)):
        if not shapes.compatible(wanted, given):
            raise refusal(
                f"Incompatible shapes at component {i}: expected {shapes.format_dims(wanted)} but got "
                f"{shapes.format_dims(given)}",
            )


class Optional:
    """An element, or the lack of one."""

    def __init__(self, element: Element | None) -> None:
        self.element = element


class MultiDeviceResource(_Resource):
    """Deals the elements of one dataset out to several devices, in turn.

    Args:
      devices: their names.
    """

    def __init__(
        self, devices: Sequence[str], types: Sequence[dtypes.DType], dims: Sequence[shapes.Dims]
    ) -> None:
        super().__init__("multi-device iterator", types, dims)
        self._count = len(devices)
        self._source: IteratorResource | None = None
        self._buffers: list[deque[Element]] = []
        self._changed = threading.Condition()
        self._turn = 0
        self._limit = 1
        self._ended = False
        self._taking = False
        self.incarnation = 0

    def init(self, dataset: Dataset, max_buffer_size: int) -> int:
        """Starts `dataset`; the number to give with each request until the next start."""
        source = IteratorResource(self.types, self.dims)
        source.make(dataset)
        with self._changed:
            old, self._source = self._source, source
            self._buffers = [deque() for _ in range(self._count)]
            self._limit = max(max_buffer_size, 1)
            self._turn, self._ended = 0, False
            self.incarnation += 1
            self._changed.notify_all()
        if old is not None:
            old.release()
        return self.incarnation

    def get(self, shard: int, incarnation: int) -> Element | None:
        """The next element for device number `shard`; None at the end.

        Args:
          shard: number of the device.
          incarnation: what the start that is meant has given; 0 for the latest.
        """
        if self._source is None or incarnation not in (0, self.incarnation):
            raise refusal(f"Invalid incarnation id. Provided: {incarnation}; Expected: {self.incarnation}")
        while True:
            with self._changed:
                wait_until(
                    self._changed,
                    lambda: bool(self._buffers[shard]) or self._ended or not self._taking,
                    "a multi-device iterator",
                )
                if self._buffers[shard]:
                    return self._buffers[shard].popleft()
                if self._ended:
                    return None
                self._taking = True
                source, turn = self._source, self._turn
            element: Element | None = None
            try:
                element = source.get()
            finally:
                with self._changed:
                    self._taking = False
                    self._ended = self._ended or element is None
                    if element is not None:
                        self._buffers[turn].append(element)
                        self._turn = (turn + 1) % self._count
                    self._changed.notify_all()

    def release(self) -> None:
        """Ends its threads and closes its files: the session ends."""
        if self._source is not None:
            self._source.release()


def handle_of(resource: Any) -> np.ndarray:
    """The string handle of a resource."""
    return string(resource.handle)


def write_records(dataset: Dataset, filename: Any, compression_type: Any) -> None:
    """Writes the elements of a dataset of strings to a file of records."""
    writer = records.Writer(text(filename).decode(errors="surrogateescape"), text(compression_type).decode())
    try:
        with contextlib.closing(Run().elements(dataset)) as elements:
            for element in elements:
                writer.write(text(element[0]))
    finally:
        writer.close()
