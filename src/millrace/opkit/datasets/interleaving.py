"""Datasets that mix the elements of several: interleave and parallel_interleave."""

from __future__ import annotations

from collections import deque
from typing import Any

from millrace.core import errors
from millrace.opkit.datasets.base import Calling, Dataset, Element, Place, Run, Stage, invalid, scalar
from millrace.opkit.datasets.mapping import AUTOTUNE, OfDatasets, checked_calls, returned
from millrace.opkit.datasets.threads import Background

_AHEAD = 16  # elements that a thread takes ahead from each of the datasets


class Interleave(OfDatasets):
    """Blocks of elements of the datasets that `f` makes, `cycle_length` of them in turn.

    Attributes:
      counts_failed: an element that fails is one of its block.
      numbered: each dataset has a place of its own, where else those that follow each other in the cycle
        share one, and with it the seeds of what they shuffle.
    """

    counts_failed = False
    numbered = False

    def _take_inputs(
        self, input_dataset: Dataset, other_arguments: Any, cycle_length: Any, block_length: Any
    ) -> None:
        super()._take_inputs(input_dataset, other_arguments)
        self.cycle, self.block = scalar(cycle_length), scalar(block_length)
        self.threads = False
        if self.cycle == AUTOTUNE:
            self.cycle = 2
        if self.cycle <= 0:
            raise invalid(self, f"cycle_length must be greater than zero. Received: {self.cycle}")
        if self.block <= 0:
            raise invalid(self, f"block_length must be greater than zero. Received: {self.block}")

    def start(self, run: Run) -> Stage:
        return _Interleaved(self, run)


class ParallelInterleave(Interleave):
    """`Interleave` with threads that take elements ahead where taking one may wait."""

    counts_failed = True
    numbered = True

    def _take_inputs(  # type: ignore[override]
        self, input_dataset: Dataset, other_arguments: Any, cycle: Any, block: Any, num_parallel_calls: Any
    ) -> None:
        super()._take_inputs(input_dataset, other_arguments, cycle, block)
        calls = checked_calls(num_parallel_calls, self)
        if scalar(num_parallel_calls) > self.cycle and scalar(cycle) != AUTOTUNE:
            rule = "num_parallel_calls must be less than or equal to cycle_length"
            raise invalid(self, f"{rule}. Received: {calls} and {self.cycle}")
        self.threads = calls > 1


def opened(results: Any, interleaved: Calling, place: Place, threads: bool, ahead: int = _AHEAD) -> Stage:
    """The dataset that a function of `interleaved` returned, at work at `place`; in a thread of its own where
    `threads`, and where that pays.
    """
    run = interleaved.run
    dataset = returned(results, run)
    stage = run.begin(dataset, place, bare=True, scope=interleaved.scope)
    if threads and dataset.slow(run):
        return Background(stage, ahead, run, f"interleave '{dataset.op.name}'")
    return stage


class _Interleaved(Calling):
    __slots__ = ("_arguments", "_at", "_block", "_ended", "_given", "_here", "_numbers", "_open")

    def __init__(self, dataset: Interleave, run: Run) -> None:
        super().__init__(dataset, run)
        self._here = run.here()
        self._numbers = list(range(1, dataset.cycle + 1))  # of the places in the pipeline
        self._open: list[Stage | None] = [None] * dataset.cycle
        self._arguments: list[Element | None] = [None] * dataset.cycle
        self._at = 0
        self._given = 0  # of the current block
        self._block = dataset.block
        self._ended = False

    def next(self) -> Element | None:
        stages = self._open
        idle = 0  # places in a row that have nothing more to give
        while idle < len(stages):
            stage = stages[self._at]
            if stage is None:
                if self._ended or not self._refill():
                    idle += 1
                    self._advance()
                continue
            try:
                element = stage.next()
            except errors.OpError:
                if self.dataset.counts_failed:
                    self._count_one()
                raise
            if element is not None:
                self._count_one()
                return element
            stage.close()
            stages[self._at] = None
            idle = 0
            self._advance()
        return None

    def _count_one(self) -> None:
        self._given += 1
        if self._given == self._block:
            self._advance()

    def _advance(self) -> None:
        self._at = (self._at + 1) % len(self._open)
        self._given = 0

    def _refill(self) -> bool:
        argument = self.input.next()
        if argument is None:
            self._ended = True
            return False
        self.count += 1
        if self.dataset.numbered:
            self._numbers[self._at] = self.count
        try:
            self._open[self._at] = self._opened(self._at, argument)
        except Exception as error:
            self.failed(error)
            self._ended = True
            return False
        self._arguments[self._at] = argument
        return True

    def _opened(self, i: int, argument: Element) -> Stage:
        place = (*self._here, self._numbers[i])
        return opened(self.call(*argument), self, place, self.dataset.threads)

    def save(self) -> Any:
        inner = [
            None if s is None else {"of": a, "stage": s.save()}
            for s, a in zip(self._open, self._arguments, strict=True)
        ]
        return {
            **super().save(),
            "at": self._at,
            "given": self._given,
            "ended": self._ended,
            "numbers": self._numbers,
            "inner": inner,
        }

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._at, self._given, self._ended = state["at"], state["given"], state["ended"]
        self._numbers = list(state["numbers"])
        for i, saved in enumerate(state["inner"]):
            if saved is not None:
                self._arguments[i] = argument = tuple(saved["of"])
                self._open[i] = stage = self._opened(i, argument)
                stage.restore(saved["stage"])

    def close(self) -> None:
        for stage in self._open:
            if stage is not None:
                stage.close()
        super().close()


class Workers(OfDatasets):
    """`parallel_interleave`: as Interleave, with some more datasets opened ahead, and another turn at the
    end of one.
    """

    def _take_inputs(
        self,
        input_dataset: Dataset,
        other_arguments: Any,
        cycle_length: Any,
        block_length: Any,
        sloppy: Any,
        buffer_output_elements: Any,
        prefetch_input_elements: Any,
    ) -> None:
        super()._take_inputs(input_dataset, other_arguments)
        self.cycle, self.block = scalar(cycle_length), scalar(block_length)
        self.buffer, self.ahead = scalar(buffer_output_elements), scalar(prefetch_input_elements)
        for name, value in (("cycle_length", self.cycle), ("block_length", self.block)):
            if value <= 0:
                raise invalid(self, f"`{name}` must be > 0. Received: {value}")
        if self.buffer <= 0:
            raise invalid(self, f"`buffer_output_elements` must be > 0. Received: {self.buffer}")
        if self.ahead < 0:
            raise invalid(self, f"`prefetch_input_elements` must be >= 0. Received: {self.ahead}")

    def start(self, run: Run) -> Stage:
        return _Working(self, run)


_Opened = tuple[Element, Stage, int]
"""What a dataset was made of, the dataset at work, and the number of who works on it."""


class _Working(Calling):
    __slots__ = ("_at", "_block", "_given", "_here", "_places", "_staged", "_started")

    def __init__(self, dataset: Workers, run: Run) -> None:
        super().__init__(dataset, run)
        self._here = run.here()
        self._places: list[_Opened | None] = []
        self._staged: deque[_Opened] = deque()
        self._at = 0
        self._given = 0
        self._block = dataset.block
        self._started = False

    def _open_one(self, worker: int) -> _Opened | None:
        argument = self.input.next()
        if argument is None:
            return None
        self.count += 1
        try:
            return self._opened(argument, worker)
        except Exception as error:
            self.failed(error)
            return None

    def _opened(self, argument: Element, worker: int) -> _Opened:
        place = (*self._here, worker + 1)
        return argument, opened(self.call(*argument), self, place, True, self.dataset.buffer), worker

    def _start(self) -> None:
        self._started = True
        cycle = self.dataset.cycle
        for worker in range(cycle + self.dataset.ahead):
            stage = self._open_one(worker)
            if stage is None:
                return
            (self._places if worker < cycle else self._staged).append(stage)

    def next(self) -> Element | None:
        if not self._started:
            self._start()
        places = self._places
        while any(place is not None for place in places):
            place = places[self._at]
            element = None if place is None else place[1].next()
            if element is not None:
                self._given += 1
                if self._given == self._block:
                    self._advance()
                return element
            if place is not None:
                place[1].close()
                places[self._at] = None
                following = self._open_one(place[2])
                if following is not None:
                    self._staged.append(following)
                if self._staged:
                    places[self._at] = self._staged.popleft()
                    self._given = 0
            self._at = (self._at + 1) % len(places)  # the block goes on where no other dataset has come
        return None

    def _advance(self) -> None:
        self._at = (self._at + 1) % len(self._places)
        self._given = 0

    def save(self) -> Any:
        opened = [
            None if place is None else {"of": place[0], "stage": place[1].save(), "worker": place[2]}
            for place in (*self._places, *self._staged)
        ]
        return {
            **super().save(),
            "at": self._at,
            "given": self._given,
            "started": self._started,
            "places": opened[: len(self._places)],
            "staged": opened[len(self._places) :],
        }

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._at, self._given, self._started = state["at"], state["given"], state["started"]
        self._places = [None if saved is None else self._restored(saved) for saved in state["places"]]
        self._staged = deque(map(self._restored, state["staged"]))

    def _restored(self, saved: Any) -> _Opened:
        found = self._opened(tuple(saved["of"]), saved["worker"])
        found[1].restore(saved["stage"])
        return found

    def close(self) -> None:
        for place in (*self._places, *self._staged):
            if place is not None:
                place[1].close()
        super().close()
