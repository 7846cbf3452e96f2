"""Datasets that come from values: tensors, slices of them, ranges, random numbers, generators."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.errors import refusal
from millrace.opkit.datasets.base import (
    INFINITE,
    UNKNOWN,
    Dataset,
    Element,
    Run,
    Stage,
    ended_or_raise,
    scalar,
)
from millrace.opkit.random.philox import initial_state
from millrace.opkit.random.stream import WordStream


class _Counted(Stage):
    """A stage whose place is a number."""

    __slots__ = ("place",)

    def __init__(self) -> None:
        self.place = 0

    def save(self) -> Any:
        return {"place": self.place}

    def restore(self, state: Any) -> None:
        self.place = state["place"]


class Tensors(Dataset):
    """One element: the tensors."""

    def _take_inputs(self, components: tuple[Any, ...]) -> None:
        self.element = tuple(components)

    def start(self, run: Run) -> Stage:
        return _Once(self.element)

    def cardinality(self) -> int:
        return 1


class _Once(_Counted):
    __slots__ = ("_element",)

    def __init__(self, element: Element) -> None:
        super().__init__()
        self._element = element

    def next(self) -> Element | None:
        if self.place:
            return None
        self.place = 1
        return self._element


class Slices(Dataset):
    """The rows of tensors."""

    def _take_inputs(self, components: tuple[Any, ...]) -> None:
        self.columns = [np.asarray(c) for c in components]
        sizes = {c.shape[0] for c in self.columns if c.ndim}
        if any(not c.ndim for c in self.columns):
            raise refusal("All components must be at least 1-dimensional")
        if len(sizes) > 1:
            raise refusal(
                f"All components must have the same size in the 0th dimension. Received: {sorted(sizes)}",
            )
        self.size = sizes.pop() if sizes else 0

    def start(self, run: Run) -> Stage:
        return _Rows(self)

    def cardinality(self) -> int:
        return self.size


class _Rows(_Counted):
    __slots__ = ("_columns", "_size")

    def __init__(self, dataset: Slices) -> None:
        super().__init__()
        self._columns = dataset.columns
        self._size = dataset.size

    def next(self) -> Element | None:
        i = self.place
        if i >= self._size:
            return None
        self.place = i + 1
        return row(self._columns, i)

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        i = self.place
        end = self.place = min(self._size, i + count - len(elements))
        elements.extend(zip(*[_pieces(c, i, end) for c in self._columns], strict=True))


def _pieces(column: np.ndarray, start: int, end: int) -> list[Any]:
    """Some rows of a column, each as `row` gives it."""
    if column.dtype.kind != "O" or column.ndim > 1:
        return list(column[start:end])
    return [column[i, ...] for i in range(start, end)]


def row(columns: list[np.ndarray], i: int) -> Element:
    """Row `i` of each column, as an element."""
    return tuple([c[i] if c.dtype.kind != "O" or c.ndim > 1 else c[i, ...] for c in columns])


class SparseSlices(Dataset):
    """The rows of a sparse tensor, each a sparse element."""

    owns = True

    def _take_inputs(self, indices: Any, values: Any, dense_shape: Any) -> None:
        indices, values, dense_shape = np.asarray(indices), np.asarray(values), np.asarray(dense_shape)
        first = indices[:, 0] if indices.size else np.zeros(0, np.int64)
        if (np.diff(first) < 0).any():
            raise errors.UnimplementedError(
                None, None, "The SparseTensor must be ordered in the batch dimension"
            )
        self.size = int(dense_shape[0])
        self.rows = [(indices, values, dense_shape, first)]

    def start(self, run: Run) -> Stage:
        return _SparseRows(self)

    def cardinality(self) -> int:
        return self.size


class _SparseRows(_Counted):
    __slots__ = ("_dataset",)

    def __init__(self, dataset: SparseSlices) -> None:
        super().__init__()
        self._dataset = dataset

    def next(self) -> Element | None:
        i = self.place
        if i >= self._dataset.size:
            return None
        self.place = i + 1
        ((indices, values, dense_shape, first),) = self._dataset.rows
        start, stop = np.searchsorted(first, [i, i + 1])
        return indices[start:stop, 1:], values[start:stop], dense_shape[1:]


class Range(Dataset):
    """The numbers from `start` to before `stop`."""

    owns = True

    def _take_inputs(self, start: Any, stop: Any, step: Any) -> None:
        self.first, self.stop, self.step = scalar(start), scalar(stop), scalar(step)
        if self.step == 0:
            raise refusal("step must be a non-zero integer.")
        self.kind = self.attrs["output_types"][0].np_dtype

    def start(self, run: Run) -> Stage:
        return _Numbers(self)

    def cardinality(self) -> int:
        return len(range(self.first, self.stop, self.step))


class _Numbers(_Counted):
    __slots__ = ("_numbers", "_size", "_type")

    def __init__(self, dataset: Range) -> None:
        super().__init__()
        self._numbers = range(dataset.first, dataset.stop, dataset.step)
        self._size = len(self._numbers)
        self._type = np.dtype(dataset.kind).type

    def next(self) -> Element | None:
        i = self.place
        if i >= self._size:
            return None
        self.place = i + 1
        return (self._type(self._numbers[i]),)


class RandomNumbers(Dataset):
    """Pseudo-random integers without end."""

    distinct = True
    owns = True

    def _take_inputs(self, seed: Any, seed2: Any) -> None:
        self.seeds = entropy(scalar(seed), scalar(seed2))

    def start(self, run: Run) -> Stage:
        return _Random(self.seeds)

    def cardinality(self) -> int:
        return INFINITE


class _Random(_Counted):
    __slots__ = ("_seeds", "_words")

    def __init__(self, seeds: tuple[int, int]) -> None:
        super().__init__()
        self._seeds = seeds
        self._words = WordStream(initial_state(*seeds))

    def next(self) -> Element | None:
        self.place += 1
        return (np.int64(self._words.word()),)

    def restore(self, state: Any) -> None:
        self._words = WordStream(initial_state(*self._seeds))
        for _ in range(state["place"]):
            self._words.word()
        self.place = state["place"]


def entropy(seed: int, seed2: int) -> tuple[int, int]:
    """The seeds to use: two zeros ask for fresh entropy."""
    if seed == 0 and seed2 == 0:
        first, second = np.frombuffer(os.urandom(16), np.int64).tolist()
        return first, second
    return seed, seed2


class Generator(Dataset):
    """What `next_func` gives, called with what `init_func` gave, until it says that there is no more."""

    def _take_inputs(self, init_args: Any, next_args: Any, finalize_args: Any) -> None:
        self.arguments = (init_args, next_args, finalize_args)

    def start(self, run: Run) -> Stage:
        return _Generated(self, run)

    def slow(self, run: Run) -> bool:
        return True

    def cardinality(self) -> int:
        return UNKNOWN


class _Generated(Stage):
    __slots__ = ("_calls", "_count", "_dataset", "_done", "_run", "_state")

    def __init__(self, dataset: Generator, run: Run) -> None:
        self._dataset = dataset
        self._run = run
        attrs = dataset.attrs
        functions = attrs["init_func"], attrs["next_func"], attrs["finalize_func"]
        self._calls = [run.start(f, a) for f, a in zip(functions, dataset.arguments, strict=True)]
        self._state: Any = None
        self._done = False
        self._count = 0

    def next(self) -> Element | None:
        if self._done:
            return None
        try:
            if self._state is None:
                self._state = tuple(self._calls[0]())
            self._count += 1
            return tuple(self._calls[1](*self._state))
        except Exception as error:
            ended_or_raise(error, self._dataset, self._run, self._count - 1)
            self.close()
            return None

    def close(self) -> None:
        if not self._done:
            self._done = True
            if self._state is not None:
                self._calls[2](*self._state)

    def save(self) -> Any:
        raise errors.UnimplementedError(
            None, None, f"{self._dataset.place}: a generator's place cannot be saved"
        )


class InMemory(Dataset):
    """Elements that are there already: a window, or a group."""

    def __init__(self, made_by: Dataset, elements: list[Element]) -> None:
        super().__init__(made_by.op)
        self.elements = elements

    def start(self, run: Run) -> Stage:
        return _Listed(self.elements)

    def cardinality(self) -> int:
        return len(self.elements)


class _Listed(_Counted):
    __slots__ = ("_elements",)

    def __init__(self, elements: list[Element]) -> None:
        super().__init__()
        self._elements = elements

    def next(self) -> Element | None:
        if self.place >= len(self._elements):
            return None
        self.place += 1
        return self._elements[self.place - 1]
