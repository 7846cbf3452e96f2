"""Datasets that remember their elements: in memory, or in a file."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from millrace.core import errors
from millrace.opkit.datasets.base import Dataset, Element, Run, Stage, text
from millrace.opkit.datasets.cache_files import CacheReader, CacheWriter, key


class Cache(Dataset):
    """The elements as they are; from the second time on as they were the first time."""

    distinct = True
    owns = False

    def _take_inputs(self, input_dataset: Dataset, filename: Any, cache: Any = None) -> None:
        self.path = os.fsdecode(text(filename))
        self.elements: list[Element] | None = None  # complete, or nothing

    def start(self, run: Run) -> Stage:
        if self.path:
            return _FileReader(self) if os.path.exists(self.path + ".index") else _FileWriter(self, run)
        return _Remembered(self, run)


class _Remembered(Stage):
    __slots__ = ("_dataset", "_elements", "_place", "_run", "input")

    def __init__(self, dataset: Cache, run: Run) -> None:
        self._dataset = dataset
        self._run = run
        self._place = 0
        self._elements: list[Element] = []
        self.input: Stage | None = None if dataset.elements is not None else run.begin(dataset.sources[0])

    def next(self) -> Element | None:
        if self.input is not None:
            element = self.input.next()
            if element is not None:
                self._elements.append(element)
                return element
            self.input.close()
            self.input = None
            if self._dataset.elements is None:
                self._dataset.elements = self._elements
            self._place = len(self._elements)
            return None
        elements = self._dataset.elements or ()
        if self._place >= len(elements):
            return None
        self._place += 1
        return elements[self._place - 1]

    def save(self) -> Any:
        if self.input is not None:
            return {"elements": self._elements, "input": self.input.save()}
        return {"elements": list(self._dataset.elements or ()), "place": self._place}

    def restore(self, state: Any) -> None:
        elements = list(map(tuple, state["elements"]))
        if "place" in state:
            self._dataset.elements, self._place = elements, state["place"]
            if self.input is not None:
                self.input.close()
                self.input = None
            return
        self._elements = elements
        if self.input is None:
            self.input = self._run.begin(self._dataset.sources[0])
        self.input.restore(state["input"])

    def close(self) -> None:
        if self.input is not None:
            self.input.close()


class _FileWriter(Stage):
    """Writes the elements to files, which get their names when all are there."""

    __slots__ = ("_count", "_dataset", "_done", "_lock", "_locked", "_writer", "input")

    def __init__(self, dataset: Cache, run: Run) -> None:
        self._dataset = dataset
        self.input = run.begin(dataset.sources[0])
        self._count = 0
        self._done = False
        self._writer: CacheWriter | None = None
        self._lock = dataset.path + "_0.lockfile"
        self._locked = False

    def next(self) -> Element | None:
        if self._done:
            return None
        writer = self._writer if self._writer is not None and self._locked else self._open()
        element = self.input.next()
        if element is None:
            writer.finish()
            self._done = True
            self._unlock()
            return None
        types = self._dataset.attrs["output_types"]
        for i, (value, dtype) in enumerate(zip(element, types, strict=True)):
            writer.add(key(self._count, i, len(types)), value, dtype)
        self._count += 1
        return element

    def _open(self) -> CacheWriter:
        if self._writer is None:
            if os.path.exists(self._lock):
                raise errors.AlreadyExistsError(
                    None,
                    None,
                    "There appears to be a concurrent caching iterator running: cache lockfile already "
                    f"exists ({self._lock!r}). If you are sure that no other program writes this cache, "
                    "delete it.",
                )
            self._writer = CacheWriter(self._dataset.path)
        with open(self._lock, "wb"):
            self._locked = True
        return self._writer

    def _unlock(self) -> None:
        if self._locked:
            self._locked = False
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._lock)

    def close(self) -> None:
        if self._writer is not None and not os.path.exists(self._dataset.path + ".index"):
            self._writer.abandon()
            self._unlock()
        self.input.close()

    def save(self) -> Any:
        """Where it stands; what was written so far stays in files, for the cache that goes on from here."""
        pieces = 0 if self._writer is None or self._done else self._writer.save()
        return {"place": self._count, "pieces": pieces, "input": self.input.save()}

    def restore(self, state: Any) -> None:
        """Goes on writing behind the pieces that were there.

        Raises:
          NotFoundError: the whole cache was there, and is not any more.
        """
        if "pieces" not in state:
            raise errors.NotFoundError(
                None, None, f"The cache {self._dataset.path!r} is not there.\n  at {self._dataset.place}"
            )
        self._count = state["place"]
        self._writer = CacheWriter(self._dataset.path, state["pieces"])
        self.input.restore(state["input"])


class _FileReader(Stage):
    __slots__ = ("_count", "_place", "_reader")

    def __init__(self, dataset: Cache) -> None:
        self._reader = CacheReader(dataset.path)
        self._count = len(dataset.attrs["output_types"])
        self._place = 0

    def next(self) -> Element | None:
        element = self._reader.element(self._place, self._count)
        if element is not None:
            self._place += 1
        return element

    def save(self) -> Any:
        return {"place": self._place}

    def restore(self, state: Any) -> None:
        self._place = state["place"]
