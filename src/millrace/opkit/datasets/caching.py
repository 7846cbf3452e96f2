"""Datasets that remember their elements: in memory, or in a file."""

from __future__ import annotations

import glob
import os
from typing import Any

from millrace.core import errors
from millrace.opkit.datasets.base import Dataset, Element, Run, Stage, text
from millrace.opkit.datasets.state import decode, encode


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
        self.input: Stage | None = None if dataset.elements is not None else dataset.sources[0].start(run)

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
            self.input = self._dataset.sources[0].start(self._run)
        self.input.restore(state["input"])

    def close(self) -> None:
        if self.input is not None:
            self.input.close()


class _FileWriter(Stage):
    """Writes the elements to files beside the path, which get their names when all are written."""

    __slots__ = ("_count", "_dataset", "_lock", "_writer", "input")

    def __init__(self, dataset: Cache, run: Run) -> None:
        self._dataset = dataset
        self.input = dataset.sources[0].start(run)
        self._count = 0
        self._writer: Any = None
        self._lock = dataset.path + "_0.lockfile"

    def next(self) -> Element | None:
        if self._writer is None:
            self._open()
        element = self.input.next()
        if element is None:
            self._finish()
            return None
        for i, value in enumerate(element):
            self._writer.add(f"{self._count}_{i}", value)
        self._count += 1
        return element

    def _open(self) -> None:
        from millrace.opkit.datasets.cache_files import CacheWriter

        if os.path.exists(self._lock):
            raise errors.AlreadyExistsError(
                None,
                None,
                f"There appears to be a concurrent caching iterator running - cache lockfile already exists "
                f"('{self._lock}'). If you are sure no other running program caches here, delete it.",
            )
        with open(self._lock, "wb"):
            pass
        self._writer = CacheWriter(self._dataset.path)

    def _finish(self) -> None:
        if self._writer is not None and self._writer.finish():
            os.unlink(self._lock)

    def close(self) -> None:
        if self._writer is not None and not self._writer.finished:
            self._writer.abandon()
            for left in glob.glob(glob.escape(self._lock)):
                os.unlink(left)
            self._writer = None
        self.input.close()

    def save(self) -> Any:
        raise errors.UnimplementedError(
            None, None, f"{self._dataset.place}: the place of a cache that is being written cannot be saved"
        )


class _FileReader(Stage):
    __slots__ = ("_dataset", "_place", "_reader")

    def __init__(self, dataset: Cache) -> None:
        from millrace.opkit.datasets.cache_files import CacheReader

        self._dataset = dataset
        self._reader = CacheReader(dataset.path)
        self._place = 0

    def next(self) -> Element | None:
        count = len(self._dataset.attrs["output_types"])
        if not self._reader.has(f"{self._place}_0"):
            return None
        self._place += 1
        return tuple(self._reader.get(f"{self._place - 1}_{i}") for i in range(count))

    def save(self) -> Any:
        return {"place": self._place}

    def restore(self, state: Any) -> None:
        self._place = state["place"]


__all__ = ["Cache", "decode", "encode"]
