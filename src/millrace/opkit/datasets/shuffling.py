"""Shuffling, with TensorFlow's generator and TensorFlow's order, exactly."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from millrace.core.progress import long_work
from millrace.opkit.datasets.base import INFINITE, Dataset, Element, Run, Stage, invalid, scalar
from millrace.opkit.datasets.sources import entropy
from millrace.opkit.random.philox import initial_state
from millrace.opkit.random.stream import WordStream

_MANY = 500  # elements: to take so many may take long enough to say so


class _Words(WordStream):
    """A generator's words, counted so that its place can be saved."""

    def __init__(self, seeds: tuple[int, int], count: int = 0) -> None:
        super().__init__(initial_state(*seeds))
        self.seeds = seeds
        self.count = 0
        for _ in range(count):
            self.word()

    def word(self) -> int:
        """The next 32 random bits."""
        self.count += 1
        ready = self._ready
        return ready.pop() if ready else super().word()

    def words(self, count: int) -> list[int]:
        """The next `count` words."""
        self.count += count
        return super().words(count)

    def save(self) -> Any:
        """The seeds, and how many words have been taken."""
        return [self.seeds[0], self.seeds[1], self.count]

    def restore(self, state: Any) -> None:
        """Goes on from where `save` was called."""
        first, second, count = state
        self.__init__((first, second), count)


def save_orders(run: Run) -> Any:
    """What gives the next iterations their orders, at each place of a pipeline that has shuffled."""
    return [[place, words.save()] for (_, place), words in run.kept.items()]


def restore_orders(run: Run, state: Any) -> None:
    """Goes on with the orders that would have come; called when the stages have been restored."""
    for place, words in state:
        key = ("seeds", tuple(place))
        run.kept.setdefault(key, _Words((words[0], words[1]))).restore(words)


class Shuffle(Dataset):
    """The elements in random order: each is drawn from a buffer that the next ones fill up again.

    Where each iteration has an order of its own, the seeds of an iteration are drawn from a generator
    that belongs to the dataset's place in the pipeline: what is taken twice side by side has one order.
    """

    distinct = True
    passes = True
    count = 1

    def _take_inputs(self, input_dataset: Dataset, buffer_size: Any, seed: Any, seed2: Any) -> None:
        self.size = scalar(buffer_size)
        if self.size <= 0:
            raise invalid(self, f"buffer_size must be greater than zero. Received: {self.size}")
        self.seeds = entropy(scalar(seed), scalar(seed2))
        self.reshuffles = bool(self.attrs.get("reshuffle_each_iteration", False))

    def start(self, run: Run) -> Stage:
        generator = self.generator(run)
        seeds = self.seeds if generator is None else (generator.word(), generator.word())
        return _Shuffled(self, run, _Words(seeds), generator)

    def generator(self, run: Run) -> _Words | None:
        """What gives each iteration its seeds, where they differ: one for each place in a pipeline."""
        if not self.reshuffles:
            return None
        return run.kept.setdefault(("seeds", run.here()), _Words(self.seeds))

    def cardinality(self) -> int:
        return self.sources[0].cardinality()


class ShuffleAndRepeat(Shuffle):
    """Repeated and shuffled: epochs follow each other without waiting for the buffer to run empty."""

    @classmethod
    def fused(cls, shuffle: Shuffle, count: int) -> ShuffleAndRepeat:
        """`shuffle`, repeated `count` times."""
        made = copy.copy(shuffle)
        made.__class__ = cls
        made.reshuffles = False
        made.count = count
        return made  # type: ignore[return-value]

    def _take_inputs(
        self, input_dataset: Dataset, buffer_size: Any, seed: Any, seed2: Any, count: Any
    ) -> None:  # type: ignore[override]
        super()._take_inputs(input_dataset, buffer_size, seed, seed2)
        self.count = scalar(count)
        if self.count == 0 or self.count < -1:
            raise invalid(self, f"count must be greater than zero or equal to -1. Received: {self.count}")

    def cardinality(self) -> int:
        count = self.sources[0].cardinality()
        if self.count < 0:
            return 0 if count == 0 else INFINITE
        return count * self.count if count >= 0 else count


class ShuffleBySeedGenerator(Shuffle):
    """`Shuffle` whose seeds come from a resource."""

    def _take_inputs(self, input_dataset: Dataset, buffer_size: Any, seed_generator: Any) -> None:  # type: ignore[override]
        super()._take_inputs(input_dataset, buffer_size, *seed_generator.seeds)
        self._seed_generator = seed_generator

    def generator(self, run: Run) -> _Words:
        """The resource."""
        return self._seed_generator


class SeedGenerator(_Words):
    """The resource that gives each iteration its seeds."""


def _draws(dataset: Dataset) -> bool:
    """True where each beginning of `dataset` draws the seeds of another order."""
    return (isinstance(dataset, Shuffle) and dataset.reshuffles) or any(map(_draws, dataset.sources))


class _Shuffled(Stage):
    """The buffer is a ring; each epoch that has elements in it is a slice of the ring."""

    __slots__ = (
        "_at",
        "_buffer",
        "_dataset",
        "_epoch",
        "_generator",
        "_held",
        "_run",
        "_size",
        "_slices",
        "_words",
        "input",
    )

    def __init__(self, dataset: Shuffle, run: Run, words: _Words, generator: _Words | None) -> None:
        self._generator = generator
        self._at = (*run.here(), 0)
        self._dataset = dataset
        self._run = run
        self._words = words
        self._size = dataset.size
        self._buffer: list[Element | None] = [None] * min(dataset.size, 1 << 16)
        self._slices = [[0, 0]]
        self._held = 0
        self._epoch = 0
        self.input: Stage | None = run.begin(dataset.sources[0], self._at, bare=True)

    def next(self) -> Element | None:
        size = self._size
        slices = self._slices
        if self.input is not None and self._held < size:
            if size - self._held < _MANY:
                self._fill(size)
            else:
                with long_work(f"filling a shuffle buffer of {size:,} elements"):
                    self._fill(size)
        if not self._held:
            return None
        while slices[0][0] == slices[0][1]:
            slices.pop(0)
        first = slices[0]
        start, stop = first
        at = (start + self._words.word() % (stop - start)) % size
        buffer = self._buffer
        element = buffer[at]
        begin = start % size
        buffer[at] = buffer[begin]
        buffer[begin] = None
        first[0] = start + 1
        self._held -= 1
        return element

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        while len(elements) < count:
            if self.input is not None and self._held == self._size - 1:
                self._exchange(self.input, elements, count)
            if len(elements) < count:
                element = self.next()
                if element is None:
                    return
                elements.append(element)

    def _exchange(self, source: Stage, elements: list[Element], count: int) -> None:
        """As `next`, again and again, while the buffer has room for one element and the epoch lasts."""
        if len(self._buffer) < self._size:
            return
        taken: list[Element] = []
        try:
            source.fill(taken, count - len(elements))
        finally:
            words = self._words.words(len(taken))
            done = 0
            while done < len(taken):
                done += self._swap(taken[done:], words[done:], elements)

    def _swap(self, taken: list[Element], words: list[int], elements: list[Element]) -> int:
        """Puts elements into the buffer, each against one of the first epoch with any; returns how many."""
        size, buffer, slices = self._size, self._buffer, self._slices
        while len(slices) > 1 and slices[0][0] == slices[0][1]:
            slices.pop(0)
        first, last = slices[0], slices[-1]
        one = first is last  # then each element that comes is one to choose from
        begin, end, left = first[0] % size, last[1] % size, first[1] - first[0] + one
        number = 0
        for element, word in zip(taken, words, strict=True):
            buffer[end] = element
            at = begin + word % left
            if at >= size:
                at -= size
            elements.append(buffer[at])  # type: ignore[arg-type]
            buffer[at] = buffer[begin]
            buffer[begin] = None
            end = begin
            begin += 1
            if begin == size:
                begin = 0
            number += 1
            if not one:
                left -= 1
                if not left:
                    break
        first[0] += number
        last[1] += number
        return number

    def _fill(self, size: int) -> None:
        """Takes elements until the buffer is full or the input has ended."""
        buffer, last = self._buffer, self._slices[-1]
        while (source := self.input) is not None:
            element = source.next()
            if element is None:
                self._end_epoch()
                last = self._slices[-1]
                continue
            at = last[1] % size
            if at >= len(buffer):
                buffer.extend([None] * min(len(buffer), size - len(buffer)))
            buffer[at] = element
            last[1] += 1
            self._held += 1
            if self._held == size:
                return

    def _end_epoch(self) -> None:
        dataset, last = self._dataset, self._slices[-1]
        if self.input is not None:
            self.input.close()
            self.input = None
        if dataset.count < 0 and last[0] == last[1] == 0 and not self._epoch:
            return  # an empty input, which would be repeated for ever
        self._epoch += 1
        if dataset.count < 0 or self._epoch < dataset.count:
            self.input = self._run.begin(dataset.sources[0], self._at, bare=True)
            self._slices.append([last[1], last[1]])
        elif _draws(dataset.sources[0]):  # TensorFlow begins once more, which draws the seeds of an order
            self._run.begin(dataset.sources[0], self._at, bare=True).close()

    def save(self) -> Any:
        return {
            "words": self._words.save(),
            "slices": [list(s) for s in self._slices],
            "held": self._held,
            "epoch": self._epoch,
            "buffer": [
                [i % self._dataset.size, self._buffer[i % self._dataset.size]]
                for start, stop in self._slices
                for i in range(start, stop)
            ],
            "input": None if self.input is None else self.input.save(),
            "generator": self._generator.save() if isinstance(self._generator, SeedGenerator) else None,
        }

    def restore(self, state: Any) -> None:
        first, second, count = state["words"]
        self._words = _Words((first, second), count)
        self._slices = [list(s) for s in state["slices"]]
        self._held, self._epoch = state["held"], state["epoch"]
        for at, element in state["buffer"]:
            if at >= len(self._buffer):
                self._buffer.extend([None] * (at + 1 - len(self._buffer)))
            self._buffer[at] = tuple(element)
        if state["input"] is None:
            self.input = None
        elif self.input is not None:
            self.input.restore(state["input"])
        if state["generator"] is not None and self._generator is not None:
            self._generator.restore(state["generator"])

    def close(self) -> None:
        if self.input is not None:
            self.input.close()


class Sampling(Dataset):
    """Each element with a given probability."""

    passes = True

    def _take_inputs(self, input_dataset: Dataset, rate: Any, seed: Any, seed2: Any) -> None:
        self.rate = float(np.asarray(rate))
        self.seeds = entropy(scalar(seed), scalar(seed2))

    def start(self, run: Run) -> Stage:
        return _Sampled(self, run)

    def cardinality(self) -> int:
        return -2


class _Sampled(Stage):
    __slots__ = ("_rate", "_words", "input")

    def __init__(self, dataset: Sampling, run: Run) -> None:
        self.input = run.begin(dataset.sources[0], bare=True)
        self._rate = dataset.rate
        self._words = _Words(dataset.seeds)

    def next(self) -> Element | None:
        while True:
            element = self.input.next()
            if element is None or (self._words.word() & 0x7FFFFF) * 2.0**-23 < self._rate:
                return element

    def save(self) -> Any:
        return {"input": self.input.save(), "words": self._words.save()}

    def restore(self, state: Any) -> None:
        self.input.restore(state["input"])
        first, second, count = state["words"]
        self._words = _Words((first, second), count)

    def close(self) -> None:
        self.input.close()
