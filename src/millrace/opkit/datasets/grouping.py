"""Datasets that group elements by a key: group_by_window, group_by_reducer."""

from __future__ import annotations

from typing import Any

from millrace.opkit.datasets.base import (
    UNKNOWN,
    Dataset,
    Element,
    Run,
    Stage,
    Through,
    ended_or_raise,
    invalid,
    scalar,
)
from millrace.opkit.datasets.mapping import started
from millrace.opkit.datasets.sources import InMemory


class GroupByWindow(Dataset):
    """What `reduce_func` makes of the elements of each key, a window of them at a time."""

    owns = False

    def _take_inputs(self, input_dataset: Dataset, key_args: Any, reduce_args: Any, size_args: Any) -> None:
        self.captured = (key_args, reduce_args, size_args)

    def start(self, run: Run) -> Stage:
        return _Windows(self, run)

    def cardinality(self) -> int:
        return UNKNOWN


class _Keyed(Through):
    """A stage that gives elements keys."""

    __slots__ = ("calls", "count", "dataset", "scope")

    def __init__(self, dataset: Any, run: Run, functions: tuple[str, ...]) -> None:
        super().__init__(dataset, run)
        self.dataset = dataset
        self.scope = run.scope()
        self.calls = [
            run.start(dataset.attrs[name], captured)
            for name, captured in zip(functions, dataset.captured, strict=True)
        ]
        self.count = 0

    def called(self, function: int, *arguments: Any) -> Any:
        """The results of one of the functions, or an error that tells the element."""
        try:
            return self.calls[function](*arguments)
        except Exception as error:
            self.failed(error)
            raise

    def failed(self, error: Exception) -> None:
        """Raises the error of a call with the stage and the element; returns where it means the end."""
        ended_or_raise(error, self.dataset, self.run, self.count - 1)


class _Windows(_Keyed):
    __slots__ = ("_at", "_done", "_groups", "_key", "_reduced", "_sizes")

    def __init__(self, dataset: GroupByWindow, run: Run) -> None:
        super().__init__(dataset, run, ("key_func", "reduce_func", "window_size_func"))
        self._at = (*run.here(), 1)  # of all groups: what they shuffle gets its seeds from one generator
        self._groups: dict[int, list[Element]] = {}
        self._sizes: dict[int, int] = {}
        self._reduced: Stage | None = None
        self._key: tuple[int, list[Element]] = (0, [])
        self._done = False

    def next(self) -> Element | None:
        while True:
            if self._reduced is not None:
                element = self._reduced.next()
                if element is not None:
                    return element
                self._reduced.close()
                self._reduced = None
            if not self._done:
                self._gather()
            elif not self._groups:
                return None
            else:
                self._reduce(min(self._groups))

    def _gather(self) -> None:
        """Takes elements until a window is full, or there are no more."""
        take, key_of, groups, sizes = self.input.next, self.calls[0], self._groups, self._sizes
        while (element := take()) is not None:
            self.count += 1
            try:
                key = scalar(key_of(*element)[0])
            except Exception as error:
                self.failed(error)
                raise
            if key not in sizes:
                sizes[key] = self._size_of(key)
            group = groups.setdefault(key, [])
            group.append(element)
            if len(group) == sizes[key]:
                self._reduce(key)
                return
        self._done = True

    def _size_of(self, key: int) -> int:
        size = scalar(self.called(2, self._typed(key))[0])
        if size <= 0:
            raise invalid(self.dataset, f"Window size must be greater than zero, but got {size}.")
        return size

    def _typed(self, key: int) -> Any:
        return self.dataset.attrs["key_func"].outputs[0].dtype.np_dtype.type(key)

    def _reduce(self, key: int) -> None:
        self._open(key, self._groups.pop(key))

    def _open(self, key: int, elements: list[Element]) -> None:
        self._key = (key, elements)
        window = InMemory(self.dataset, elements)
        self._reduced = started(self.called(1, self._typed(key), window), self, self._at)

    def save(self) -> Any:
        reduced = None if self._reduced is None else [*self._key, self._reduced.save()]
        return {
            **super().save(),
            "groups": list(map(list, self._groups.items())),
            "sizes": list(map(list, self._sizes.items())),
            "done": self._done,
            "reduced": reduced,
        }

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._groups = {k: list(map(tuple, v)) for k, v in state["groups"]}
        self._sizes = dict(state["sizes"])
        self._done = state["done"]
        if state["reduced"] is not None:
            key, elements, stage = state["reduced"]
            self._open(key, list(map(tuple, elements)))
            assert self._reduced is not None
            self._reduced.restore(stage)

    def close(self) -> None:
        if self._reduced is not None:
            self._reduced.close()
        super().close()


class GroupByReducer(Dataset):
    """For each key, what its elements were reduced to."""

    owns = False

    def _take_inputs(
        self, input_dataset: Dataset, key_args: Any, init_args: Any, reduce_args: Any, finalize_args: Any
    ) -> None:
        self.captured = (key_args, init_args, reduce_args, finalize_args)

    def start(self, run: Run) -> Stage:
        return _Reduced(self, run)

    def cardinality(self) -> int:
        return UNKNOWN


class _Reduced(_Keyed):
    __slots__ = ("_results",)

    def __init__(self, dataset: GroupByReducer, run: Run) -> None:
        super().__init__(dataset, run, ("key_func", "init_func", "reduce_func", "finalize_func"))
        self._results: list[Element] | None = None

    def next(self) -> Element | None:
        if self._results is None:
            self._results = self._reduce()
        return self._results.pop() if self._results else None

    def _reduce(self) -> list[Element]:
        states: dict[int, Any] = {}
        while (element := self.input.next()) is not None:
            self.count += 1
            key = self.called(0, *element)[0]
            number = scalar(key)
            state = states.get(number)
            if state is None:
                state = self.called(1, key)
            states[number] = self.called(2, *state, *element)
        return [tuple(self.called(3, *states[k])) for k in sorted(states, reverse=True)]

    def save(self) -> Any:
        return {**super().save(), "results": self._results}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._results = None if state["results"] is None else list(map(tuple, state["results"]))
