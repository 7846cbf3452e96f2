"""Datasets that take elements together or apart: batch, padded_batch, unbatch, window, zip."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.opkit.datasets.base import (
    INFINITE,
    UNKNOWN,
    Dataset,
    Element,
    Run,
    Stage,
    Through,
    error_of,
    invalid,
    scalar,
    state_of,
)
from millrace.opkit.datasets.batches import AtOnce, batches_of, gather
from millrace.opkit.datasets.mapping import Map, ParallelMap
from millrace.opkit.datasets.sources import InMemory, row
from millrace.opkit.datasets.stacking import Padding, check_row, sparse_rows, stack


class Batch(Dataset):
    """Elements stacked, `batch_size` at a time.

    Attributes:
      together: where an element fails, the others of its batch are lost with it.
    """

    owns = True
    together = False

    def _take_inputs(self, input_dataset: Dataset, batch_size: Any, drop_remainder: Any = False) -> None:
        self.size = scalar(batch_size)
        self.drop = bool(drop_remainder)
        if self.size <= 0:
            raise invalid(self, f"Batch size must be greater than zero. Received: {self.size}")

    check: Any = None  # of one element and its number, before the others of its batch are taken

    def start(self, run: Run) -> Stage:
        source = self.sources[0]
        if type(self) is Batch and isinstance(source, Map | ParallelMap):
            call = run.functions.rowwise(source.function, source.captured)
            if call is not None:
                return AtOnce(self, source.sources[0], source, call, run)
            call = run.functions.rows_last(source.function, source.captured, self.size)
            if call is not None:
                return AtOnce(self, source.before_batches(self.size), None, call, run)
        return _Batches(self, run)

    def combined(self, rows: list[Element], first: int) -> Element:
        """One batch of the elements `rows`, the first of which is number `first`."""
        return stack(rows, self, first)

    def cardinality(self) -> int:
        return batches_of(self.sources[0].cardinality(), self.size, self.drop)


class _Batches(Through):
    __slots__ = ("_count", "_dataset", "_drop", "_size", "_together")

    def __init__(self, dataset: Batch, run: Run) -> None:
        self.input = run.begin(dataset.sources[0], bare=True)
        self._dataset = dataset
        self._count = 0
        self._size = dataset.size
        self._drop = dataset.drop
        self._together = dataset.together

    def next(self) -> Element | None:
        first = self._count
        rows = self._gathered() if self._dataset.check is None else self._checked()
        if not rows or (self._drop and len(rows) < self._size):
            return None
        return self._dataset.combined(rows, first)

    def _gathered(self) -> list[Element]:
        """The elements of the next batch."""
        rows: list[Element] = []
        try:
            gather(self.input, rows, self._size, self._together)
        except Exception:
            self._count += self._size if self._together else len(rows) + 1
            raise
        self._count += len(rows)
        return rows

    def _checked(self) -> list[Element]:
        """The elements of the next batch, each checked before the one behind it is taken."""
        rows: list[Element] = []
        while len(rows) < self._size and (element := self.input.next()) is not None:
            self._count += 1
            self._dataset.check(element, self._count - 1)
            rows.append(element)
        return rows

    def save(self) -> Any:
        return {**super().save(), "count": self._count}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._count = state.get("count", 0)


class PaddedBatch(Batch):
    """Elements padded to the same shape and stacked."""

    def _take_inputs(  # type: ignore[override]
        self,
        input_dataset: Dataset,
        batch_size: Any,
        padded_shapes: Any,
        padding_values: Any,
        drop: Any = False,
    ) -> None:
        super()._take_inputs(input_dataset, batch_size, drop)
        self.padding = Padding(padded_shapes, padding_values)

    def combined(self, rows: list[Element], first: int) -> Element:
        """One padded batch of the elements `rows`."""
        return self.padding.stack(rows, self, first)


class SparseBatch(Batch):
    """Dense elements of different sizes as a sparse batch."""

    def _take_inputs(self, input_dataset: Dataset, batch_size: Any, row_shape: Any) -> None:
        super()._take_inputs(input_dataset, batch_size)
        self.row_shape = [int(d) for d in np.asarray(row_shape).reshape(-1)]

    def check(self, element: Element, number: int) -> None:
        """Refuses an element that is larger than a row, or of another rank."""
        check_row(element[0], self.row_shape, self, number)

    def combined(self, rows: list[Element], first: int) -> Element:
        """One sparse batch of the elements `rows`."""
        return (sparse_rows([r[0] for r in rows], self.row_shape),)


class Unbatch(Dataset):
    """The rows of each element."""

    def start(self, run: Run) -> Stage:
        return _Unbatched(self, run)

    def cardinality(self) -> int:
        return UNKNOWN


class _Unbatched(Through):
    __slots__ = ("_columns", "_dataset", "_place", "_size")

    def __init__(self, dataset: Unbatch, run: Run) -> None:
        super().__init__(dataset, run)
        self._dataset = dataset
        self._columns: list[Any] = []
        self._place = self._size = 0

    def next(self) -> Element | None:
        while self._place >= self._size:
            element = self.input.next()
            if element is None:
                return None
            self._columns = [np.asarray(c) for c in element]
            sizes = {c.shape[0] if c.ndim else -1 for c in self._columns}
            if len(sizes) != 1 or -1 in sizes:
                raise invalid(
                    self._dataset,
                    "Input element must have the same batch size in each component. Received: "
                    f"{sorted(sizes)}",
                )
            self._place, self._size = 0, sizes.pop()
        self._place += 1
        return row(self._columns, self._place - 1)

    def save(self) -> Any:
        left = [c[self._place :] for c in self._columns] if self._place < self._size else []
        return {"input": self.input.save(), "left": left}

    def restore(self, state: Any) -> None:
        self.input.restore(state["input"])
        self._columns = list(state["left"])
        self._place, self._size = 0, len(self._columns[0]) if self._columns else 0


class Window(Dataset):
    """Datasets of neighbouring elements, one for each component.

    Attributes:
      places_failed: an element that failed has its place in the windows, which fail with it.
    """

    places_failed = True

    def _take_inputs(self, input_dataset: Dataset, size: Any, shift: Any, stride: Any, drop: Any) -> None:
        self.size, self.shift, self.stride = scalar(size), scalar(shift), scalar(stride)
        self.drop = bool(drop)
        for name, value in (("size", self.size), ("shift", self.shift), ("stride", self.stride)):
            if value <= 0:
                raise invalid(self, f"Window {name} must be greater than zero. Received: {value}")

    def start(self, run: Run) -> Stage:
        return _Windows(self, run)

    def made_of(self, elements: list[Element]) -> Element:
        """One element of this dataset: the windows of each component."""
        return tuple(InMemory(self, [(c,) for c in column]) for column in zip(*elements, strict=True))

    def cardinality(self) -> int:
        count = self.sources[0].cardinality()
        if count < 0:
            return count
        span = (self.size - 1) * self.stride + 1
        if self.drop:
            return 0 if count < span else (count - span) // self.shift + 1
        return -(-count // self.shift)


class _Windows(Through):
    __slots__ = ("_buffer", "_dataset", "_done")

    def __init__(self, dataset: Window, run: Run) -> None:
        super().__init__(dataset, run)
        self._dataset = dataset
        self._buffer: deque[Element | Exception] = deque()  # an element that failed stands in its place
        self._done = False

    def next(self) -> Element | None:
        dataset, buffer = self._dataset, self._buffer
        span = (dataset.size - 1) * dataset.stride + 1
        while len(buffer) < span and not self._done:
            try:
                element = self.input.next()
            except errors.OpError as error:
                if not dataset.places_failed or isinstance(error, errors.CancelledError):
                    raise
                buffer.append(error)
                continue
            if element is None:
                self._done = True
                break
            buffer.append(element)
        if not buffer or (dataset.drop and len(buffer) < span):
            return None
        window = list(buffer)[: span : dataset.stride]
        self._move_on()
        failed = next((e for e in window if isinstance(e, Exception)), None)
        if failed is not None:
            raise failed
        return dataset.made_of(window)  # type: ignore[arg-type]

    def _move_on(self) -> None:
        """Drops what does not belong to the next window."""
        dataset, buffer = self._dataset, self._buffer
        skipped = dataset.shift - len(buffer)
        for _ in range(min(dataset.shift, len(buffer))):
            buffer.popleft()
        for _ in range(skipped):
            if self._done or self._skip_one():
                self._done = True
                break

    def _skip_one(self) -> bool:
        """Passes over an element, failed or not; True at the end."""
        try:
            return self.input.next() is None
        except errors.CancelledError:
            raise
        except errors.OpError:
            return False

    def save(self) -> Any:
        buffer = [state_of(e) if isinstance(e, Exception) else e for e in self._buffer]
        return {"input": self.input.save(), "buffer": buffer, "done": self._done}

    def restore(self, state: Any) -> None:
        self.input.restore(state["input"])
        self._buffer = deque(error_of(e) if isinstance(e, dict) else tuple(e) for e in state["buffer"])
        self._done = state["done"]


class SlidingWindow(Window):
    """Batches of neighbouring elements."""

    owns = True
    places_failed = False

    def _take_inputs(self, input_dataset: Dataset, size: Any, shift: Any, stride: Any) -> None:  # type: ignore[override]
        super()._take_inputs(input_dataset, size, shift, stride, True)

    def made_of(self, elements: list[Element]) -> Element:
        """One batch."""
        return stack(elements, self)


class Zip(Dataset):
    """The components of one element of each dataset, side by side."""

    def __init__(self, op: Any, input_datasets: tuple[Dataset, ...]) -> None:
        super().__init__(op, *input_datasets)

    def start(self, run: Run) -> Stage:
        return _Zipped([run.begin(source) for source in self.sources])

    def cardinality(self) -> int:
        counts = [source.cardinality() for source in self.sources]
        if UNKNOWN in counts:
            return UNKNOWN
        finite = [c for c in counts if c != INFINITE]
        return min(finite) if finite else INFINITE


class _Zipped(Stage):
    __slots__ = ("_stages",)

    def __init__(self, stages: list[Stage]) -> None:
        self._stages = stages

    def next(self) -> Element | None:
        found: list[Any] = []
        for stage in self._stages:
            element = stage.next()
            if element is None:
                return None
            found.extend(element)
        return tuple(found)

    def save(self) -> Any:
        return {"stages": [stage.save() for stage in self._stages]}

    def restore(self, state: Any) -> None:
        for stage, saved in zip(self._stages, state["stages"], strict=True):
            stage.restore(saved)

    def close(self) -> None:
        for stage in self._stages:
            stage.close()
