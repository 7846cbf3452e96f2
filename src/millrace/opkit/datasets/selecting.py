"""Datasets that choose which elements come, and how often: take, skip, repeat, shard, concatenate,
unique, ...
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.opkit.datasets.base import (
    INFINITE,
    UNKNOWN,
    Dataset,
    Element,
    Picking,
    Run,
    Stage,
    Through,
    invalid,
    scalar,
)
from millrace.opkit.datasets.mapping import infinite_or_unknown
from millrace.opkit.datasets.threads import Background


class Take(Dataset):
    """The first `count` elements; all where it is negative."""

    passes = True

    def _take_inputs(self, input_dataset: Dataset, count: Any) -> None:
        self.count = scalar(count)

    def start(self, run: Run) -> Stage:
        return _Taken(self, run)

    def cardinality(self) -> int:
        count = self.sources[0].cardinality()
        if self.count < 0 or count == UNKNOWN:
            return count
        return self.count if count == INFINITE else min(count, self.count)


class _Taken(Through):
    __slots__ = ("_left",)

    def __init__(self, dataset: Take, run: Run) -> None:
        super().__init__(dataset, run)
        self._left = dataset.count

    def next(self) -> Element | None:
        if not self._left:
            return None
        element = self.input.next()
        if element is None:
            return None
        self._left -= 1
        return element

    def save(self) -> Any:
        return {**super().save(), "left": self._left}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._left = state["left"]


class Skip(Dataset):
    """All but the first `count` elements; none where it is negative."""

    passes = True

    def _take_inputs(self, input_dataset: Dataset, count: Any) -> None:
        self.count = scalar(count)

    def start(self, run: Run) -> Stage:
        return _Skipped(self, run)

    def cardinality(self) -> int:
        count = self.sources[0].cardinality()
        if self.count < 0:
            return 0
        return count if count < 0 else max(count - self.count, 0)


class _Skipped(Through):
    __slots__ = ("_left",)

    def __init__(self, dataset: Skip, run: Run) -> None:
        super().__init__(dataset, run)
        self._left = dataset.count

    def next(self) -> Element | None:
        if self._left < 0:
            return None
        if self._left:
            for _ in itertools.islice(self.sought(), self._left):
                self._left -= 1
        if self._left:
            self._left = 0
            return None
        return self.input.next()

    def save(self) -> Any:
        return {**super().save(), "left": self._left}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._left = state["left"]


class Repeat(Dataset):
    """The elements over and over: `count` times, without end where it is negative."""

    passes = True

    def _take_inputs(self, input_dataset: Dataset, count: Any) -> None:
        self.count = scalar(count)

    def start(self, run: Run) -> Stage:
        return _Repeated(self, run)

    def cardinality(self) -> int:
        count = self.sources[0].cardinality()
        if self.count < 0:
            return 0 if count == 0 else INFINITE
        if self.count == 0:
            return 0
        return count * self.count if count >= 0 else count


class _Repeated(Stage):
    __slots__ = ("_at", "_dataset", "_epoch", "_first", "_run", "input")

    def __init__(self, dataset: Repeat, run: Run) -> None:
        self._dataset = dataset
        self._run = run
        self._epoch = 0
        self._first = True
        self._at = (*run.here(), 0)
        self.input: Stage | None = self._begun() if dataset.count else None

    def next(self) -> Element | None:
        while self.input is not None:
            element = self.input.next()
            if element is not None:
                self._first = False
                return element
            self.input.close()
            count = self._dataset.count
            if count < 0 and self._first:  # an empty input would be repeated without ever giving anything
                self.input = None
                break
            self._epoch += 1
            self._run.look()
            more = count < 0 or self._epoch < count
            self.input = self._begun() if more else None
            self._first = True
        return None

    def _begun(self) -> Stage:
        dataset = self._dataset
        return self._run.begin(dataset.sources[0], self._at, bare=True)

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        while len(elements) < count:
            before = len(elements)
            if self.input is not None:
                try:
                    self.input.fill(elements, count)
                finally:
                    self._first = self._first and len(elements) == before
            if len(elements) < count:
                element = self.next()  # which begins the next epoch
                if element is None:
                    return
                elements.append(element)

    def save(self) -> Any:
        inner = None if self.input is None else self.input.save()
        return {"epoch": self._epoch, "first": self._first, "input": inner}

    def restore(self, state: Any) -> None:
        self._epoch, self._first = state["epoch"], state["first"]
        if state["input"] is None:
            self.input = None
        elif self.input is not None:
            self.input.restore(state["input"])

    def close(self) -> None:
        if self.input is not None:
            self.input.close()


class Shard(Dataset):
    """Every `num_shards`-th element, from number `index` on."""

    passes = True

    def _take_inputs(self, input_dataset: Dataset, num_shards: Any, index: Any) -> None:
        self.count, self.index = scalar(num_shards), scalar(index)
        if self.count <= 0:
            raise invalid(
                self, f"Number of shards must be greater than zero (currently num_shards = {self.count})."
            )
        if not 0 <= self.index < self.count:
            raise invalid(
                self,
                f"Index must be between 0 and {self.count - 1} (currently index = {self.index}, num_shards = "
                f"{self.count}).",
            )

    def start(self, run: Run) -> Stage:
        return _Sharded(self, run)

    def cardinality(self) -> int:
        count = self.sources[0].cardinality()
        if count < 0:
            return count
        return count // self.count + (1 if self.index < count % self.count else 0)


class _Sharded(Through):
    __slots__ = ("_dataset", "_place")

    def __init__(self, dataset: Shard, run: Run) -> None:
        super().__init__(dataset, run)
        self._dataset = dataset
        self._place = 0

    def next(self) -> Element | None:
        count, index = self._dataset.count, self._dataset.index
        while True:
            element = self.input.next()
            if element is None:
                if self._dataset.attrs.get("require_non_empty") and self._place <= index:
                    raise invalid(
                        self._dataset,
                        "There aren't enough elements in this dataset for each shard to have at least "
                        "one element "
                        f"(# elems = {self._place}, # shards = {count})",
                    )
                return None
            self._place += 1
            if (self._place - 1) % count == index:
                return element

    def save(self) -> Any:
        return {**super().save(), "place": self._place}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._place = state["place"]


class Concatenate(Dataset):
    """The elements of one dataset, then those of another."""

    passes = True

    def start(self, run: Run) -> Stage:
        return _Concatenated(self, run)

    def cardinality(self) -> int:
        counts = [source.cardinality() for source in self.sources]
        if INFINITE in counts:
            return INFINITE
        return UNKNOWN if UNKNOWN in counts else sum(counts)


class _Concatenated(Stage):
    __slots__ = ("_at", "_dataset", "_place", "_run", "input")

    def __init__(self, dataset: Concatenate, run: Run) -> None:
        self._dataset = dataset
        self._at = (*run.here(), 1)
        self._run = run
        self._place = 0
        self.input = run.begin(dataset.sources[0], bare=True)

    def next(self) -> Element | None:
        while self._place < 2:
            element = self.input.next()
            if element is not None:
                return element
            self.input.close()
            self._place += 1
            if self._place == 1:
                self.input = self._run.begin(self._dataset.sources[1], self._at, bare=True)
        return None

    def save(self) -> Any:
        return {"place": self._place, "input": self.input.save() if self._place < 2 else None}

    def restore(self, state: Any) -> None:
        self._place = state["place"]
        if self._place:
            self.input = self._run.begin(self._dataset.sources[1], self._at, bare=True)
        if state["input"] is not None:
            self.input.restore(state["input"])

    def close(self) -> None:
        self.input.close()


class Unique(Dataset):
    """Each element once."""

    def start(self, run: Run) -> Stage:
        return _Unique(self, run)

    def cardinality(self) -> int:
        return infinite_or_unknown(self.sources[0].cardinality())


class _Unique(Picking):
    __slots__ = ("_seen",)

    def __init__(self, dataset: Unique, run: Run) -> None:
        super().__init__(dataset, run)
        self._seen: dict[Any, None] = {}  # in the order in which they came, which a saved place keeps

    def kept(self) -> Iterator[Element]:
        """The elements that it keeps, from where its input stands."""
        for element in self.sought():
            array = np.asarray(element[0])
            key = (array.shape, tuple(array.reshape(-1)) if array.dtype.kind == "O" else array.tobytes())
            if key not in self._seen:
                self._seen[key] = None
                yield element

    def save(self) -> Any:
        return {**super().save(), "seen": [list(key) for key in self._seen]}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._seen = dict.fromkeys(
            (tuple(shape), tuple(found) if isinstance(found, list) else found)
            for shape, found in state["seen"]
        )


class IgnoreErrors(Dataset):
    """The elements that come without an error."""

    passes = True

    def start(self, run: Run) -> Stage:
        return _WithoutErrors(self, run)

    def cardinality(self) -> int:
        return infinite_or_unknown(self.sources[0].cardinality())


class _WithoutErrors(Through):
    __slots__ = ()

    def next(self) -> Element | None:
        while True:
            try:
                return self.input.next()
            except errors.CancelledError:
                raise
            except Exception:
                self.run.look()


class Directed(Dataset):
    """Elements of several datasets, in the order in which a dataset of numbers says."""

    def __init__(self, op: Any, selector: Dataset, datasets: tuple[Dataset, ...]) -> None:
        super().__init__(op, selector, *datasets)
        self.stops: bool = op.attrs.get("stop_on_empty_dataset", False)

    def start(self, run: Run) -> Stage:
        return _Directed(self, run)

    def cardinality(self) -> int:
        return UNKNOWN


class _Directed(Stage):
    __slots__ = ("_dataset", "_open", "_run", "_selector", "_stages")

    def __init__(self, dataset: Directed, run: Run) -> None:
        self._dataset = dataset
        self._run = run
        self._selector = run.begin(dataset.sources[0])
        self._stages = [run.begin(source) for source in dataset.sources[1:]]
        self._open = [True] * len(self._stages)

    def next(self) -> Element | None:
        while any(self._open):
            chosen = self._selector.next()
            if chosen is None:
                return None
            i = scalar(chosen[0])
            if not 0 <= i < len(self._stages):
                raise invalid(
                    self._dataset,
                    f"Selector index out of range: {i} >= {len(self._stages)}",
                )
            if self._open[i]:
                element = self._stages[i].next()
                if element is not None:
                    return element
                if self._dataset.stops:
                    return None
                self._open[i] = False
            self._run.look()  # the choice may fall on what has ended for ever
        return None

    def save(self) -> Any:
        return {
            "selector": self._selector.save(),
            "open": list(self._open),
            "stages": [s.save() for s in self._stages],
        }

    def restore(self, state: Any) -> None:
        self._selector.restore(state["selector"])
        self._open = list(state["open"])
        for stage, saved in zip(self._stages, state["stages"], strict=True):
            stage.restore(saved)

    def close(self) -> None:
        for stage in (self._selector, *self._stages):
            stage.close()


class Same(Dataset):
    """The elements as they are: options, statistics, and what TensorFlow does to make a pipeline faster."""

    visible = False
    passes = True

    def start(self, run: Run) -> Stage:
        return run.begin(self.sources[0], bare=True)


class Prefetch(Dataset):
    """The elements as they are, taken ahead by a thread."""

    passes = True

    def _take_inputs(self, input_dataset: Dataset, buffer_size: Any) -> None:
        self.size = scalar(buffer_size)
        if self.size < -1:
            raise invalid(self, f"buffer_size must be >= 0 or set to AUTOTUNE. Received: {self.size}")

    def start(self, run: Run) -> Stage:
        stage = run.begin(self.sources[0], bare=True)
        if self.size == 0:
            return stage
        return Background(stage, 8 if self.size < 0 else self.size, run, f"prefetch '{self.op.name}'")


class Sleep(Dataset):
    """The elements as they are, each after a while."""

    passes = True

    def _take_inputs(self, input_dataset: Dataset, sleep_microseconds: Any) -> None:
        self.seconds = scalar(sleep_microseconds) / 1e6

    def start(self, run: Run) -> Stage:
        return _Slept(self, run)

    def slow(self, run: Run) -> bool:
        return True


class _Slept(Through):
    __slots__ = ("_seconds",)

    def __init__(self, dataset: Sleep, run: Run) -> None:
        super().__init__(dataset, run)
        self._seconds = dataset.seconds

    def next(self) -> Element | None:
        import time

        element = self.input.next()
        time.sleep(self._seconds)
        return element


class AutoShard(Shard):
    """What one of several workers reads: every so many-th element."""


class Rebatch(Dataset):
    """Each batch in as many pieces as there are replicas."""

    def _take_inputs(self, input_dataset: Dataset, num_replicas: Any) -> None:
        self.count = scalar(num_replicas)
        if self.count <= 0:
            raise invalid(self, f"num_replicas must be greater than zero. Received: {self.count}")

    def start(self, run: Run) -> Stage:
        return _Rebatched(self, run)

    def cardinality(self) -> int:
        count = self.sources[0].cardinality()
        return count if count < 0 else count * self.count


class _Rebatched(Through):
    __slots__ = ("_count", "_pieces")

    def __init__(self, dataset: Rebatch, run: Run) -> None:
        super().__init__(dataset, run)
        self._count = dataset.count
        self._pieces: list[Element] = []

    def next(self) -> Element | None:
        while not self._pieces:
            element = self.input.next()
            if element is None:
                return None
            columns = [np.asarray(c) for c in element]
            size = -(-len(columns[0]) // self._count)
            self._pieces = [
                tuple(c[i : i + size] for c in columns) for i in range(0, len(columns[0]), max(size, 1))
            ][::-1]
        return self._pieces.pop()

    def save(self) -> Any:
        return {**super().save(), "pieces": self._pieces}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._pieces = list(map(tuple, state["pieces"]))
