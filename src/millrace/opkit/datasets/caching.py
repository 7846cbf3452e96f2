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

    __slots__ = ("_count", "_dataset", "_lock", "_writer", "input")

    def __init__(self, dataset: Cache, run: Run) -> None:
        self._dataset = dataset
        self.input = run.begin(dataset.sources[0])
        self._count = 0
        self._writer: CacheWriter | None = None
        self._lock = dataset.path + "_0.lockfile"

    def next(self) -> Element | None:
        writer = self._writer or self._open()
        element = self.input.next()
        if element is None:
            writer.finish()
            self._unlock()
            return None
        types = self._dataset.attrs["output_types"]
        for i, (value, dtype) in enumerate(zip(element, types, strict=True)):
            writer.add(key(self._count, i, len(types)), value, dtype)
        self._count += 1
        return element

    def _open(self) -> CacheWriter:
        if os.path.exists(self._lock):
            raise errors.AlreadyExistsError(
                None,
                None,
                "There appears to be a concurrent caching iterator running: cache lockfile already exists "
                f"({self._lock!r}). If you are sure that no other program writes this cache, delete it.",
            )
        with open(self._lock, "wb"):
            pass
        self._writer = CacheWriter(self._dataset.path)
        return self._writer

    def _unlock(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._lock)

    def close(self) -> None:
        if self._writer is not None and not os.path.exists(self._dataset.path + ".index"):
            self._writer.abandon()
            self._unlock()
        self.input.close()

    def save(self) -> Any:
        raise errors.UnimplementedError(
            None, None, f"{self._dataset.place}: the place of a cache that is being written cannot be saved"
        )


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
