"""Datasets that call a function for each element: map, filter, scan, take_while, flat_map and their kin."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.errors import refusal
from millrace.core.waiting import wake_from_finalizer
from millrace.opkit.datasets.base import (
    INFINITE,
    UNKNOWN,
    Calling,
    Dataset,
    Element,
    Picking,
    Place,
    Run,
    Stage,
    error_of,
    invalid,
    scalar,
    state_of,
)
from millrace.opkit.datasets.batches import AtOnce, batches_of, gather
from millrace.opkit.datasets.stacking import stack
from millrace.opkit.datasets.threads import Line, Pool

AUTOTUNE = -1
_BLOCK = 16  # elements that a thread takes at once: to take one by itself costs as much as a short call
_BLOCK_BYTES = 4 << 20  # that the results of a block may hold


class WithFunction(Dataset):
    """A dataset with one input dataset and one function.

    Attributes:
      batches: how many elements the batches have for which the last of the function is done elsewhere; 0
        where all is done here.
    """

    batches = 0

    def _take_inputs(self, input_dataset: Dataset, other_arguments: Any) -> None:
        self.captured = other_arguments

    @property
    def function(self) -> Any:
        return self.attrs["f"]

    def slow(self, run: Run) -> bool:
        return super().slow(run) or run.functions.worth_threads(self.function)

    def before_batches(self, size: int) -> Dataset:
        """The same for a stage that makes batches of `size` and does the last of the function for these."""
        changed = copy.copy(self)
        changed.batches = size
        return changed


class Map(WithFunction):
    """`f` of each element."""

    owns = False

    def start(self, run: Run) -> Stage:
        return _Mapped(self, run)


class _Mapped(Calling):
    __slots__ = ()

    def next(self) -> Element | None:
        element = self.input.next()
        if element is None:
            return None
        self.count += 1
        try:
            return self.call(*element)  # type: ignore[return-value]
        except Exception as error:
            self.failed(error)
            return None


class ParallelMap(WithFunction):
    """`f` of each element, several at once where a call takes long enough."""

    owns = False

    def _take_inputs(self, input_dataset: Dataset, other_arguments: Any, num_parallel_calls: Any) -> None:
        super()._take_inputs(input_dataset, other_arguments)
        self.calls = checked_calls(num_parallel_calls, self)

    def start(self, run: Run) -> Stage:
        if self.calls > 1 and run.functions.worth_threads(self.function):
            return _MappedInThreads(self, run)
        return _Mapped(self, run)


def checked_calls(value: Any, dataset: Dataset) -> int:
    """The number of parallel calls that a dataset asks for; 2 where it leaves that to us.

    Raises:
      InvalidArgumentError: it is zero, or negative and not AUTOTUNE.
    """
    calls = scalar(value)
    if calls == AUTOTUNE:
        return 2
    if calls <= 0:
        raise invalid(dataset, f"num_parallel_calls must be greater than zero. Received: {calls}")
    return calls


class _Failed:
    """What stands in the place of a result that there is not."""

    __slots__ = ("called", "error")

    def __init__(self, error: BaseException, called: bool) -> None:
        self.error = error
        self.called = called  # the function failed, not what it was to be called with


def _outcomes(calls: list[Any]) -> deque[Any]:
    """The results of calls, or why there are none, in their order."""
    found: deque[Any] = deque()
    for one in calls:
        if type(one) is _Failed:
            found.append(one)
            continue
        try:
            found.append(one())
        except BaseException as error:  # whatever it is belongs to who takes the element
            found.append(_Failed(error, True))
    return found


class _Blocks:
    """The calls of a function for the elements of a stage, a block of them at a time, in order.

    Args:
      stage: gives the elements.
      call: the function.
      most: elements in a block.
    """

    __slots__ = ("_begin", "_input", "_long", "_most", "_together")

    def __init__(self, stage: Stage, call: Any, most: int) -> None:
        self._input = stage
        self._begin = getattr(call, "begin", None)  # what must come in order comes first,
        self._long = getattr(call, "ahead", call)  # or last
        self._most = most
        self._together = 1

    def next(self) -> Callable[[], deque[Any]] | None:
        """A function that does the calls for the next elements; None at the end.

        What remembers something, as random numbers do, has come in order then.
        """
        calls = self._calls(self._together)
        return partial(_outcomes, calls) if calls else None

    def _calls(self, count: int) -> list[Any]:
        elements: list[Element] = []
        calls: list[Any] = []
        failure = None
        try:
            self._input.fill(elements, count)
        except Exception as error:
            failure = _Failed(error, False)
        for element in elements:
            if self._begin is None:
                calls.append(partial(self._long, *element))
                continue
            try:
                calls.append(self._begin(*element))
            except Exception as error:
                calls.append(_Failed(error, True))
        return calls if failure is None else [*calls, failure]

    def measure(self, found: deque[Any]) -> None:
        """Lets the blocks that follow hold as many elements as there may be for their memory."""
        if self._most > 1:
            size = max(map(_bytes_of, found))
            self._together = max(1, min(self._most, _BLOCK_BYTES // max(size, 1)))


class _MappedInThreads(Calling):
    """Threads call the function for blocks of elements, as many as hand little memory on at once."""

    __slots__ = ("_blocks", "_finish", "_ready", "_threads")

    def __init__(self, dataset: ParallelMap | MapAndBatch, run: Run) -> None:
        super().__init__(dataset, run)
        self._finish = getattr(self.call, "finish", None)
        together = run.functions.only_computes(dataset.function) and not dataset.sources[0].slow(run)
        self._blocks = _Blocks(self.input, self.call, _BLOCK if together else 1)
        self._threads = (Line if together else Pool)(run, dataset.calls, self._blocks.next, "map")
        self._ready: deque[Any] = deque()

    def next(self) -> Element | None:
        if not self._ready and not self._advance():
            return None
        self.count += 1
        found = self._ready.popleft()
        if type(found) is _Failed:
            if not found.called:
                raise found.error
            self.failed(found.error)
            return None
        if self._finish is None:
            return found
        try:
            return self._finish(found)
        except Exception as error:
            self.failed(error)
            return None

    def _advance(self) -> bool:
        """Waits for the next block, with others under way; False at the end."""
        found = self._threads.next()
        if found is None:
            return False
        self._ready = found
        self._blocks.measure(found)
        return True

    def save(self) -> Any:
        """Waits for the calls that are under way: what they give comes first when it goes on."""
        return self._threads.paused(self._saved)

    def _saved(self, blocks: list[Any]) -> Any:
        outcomes = [*self._ready, *(one for block in blocks for one in block)]
        return {**super().save(), "outcomes": [self._saved_one(one) for one in outcomes]}

    def _saved_one(self, outcome: Any) -> Any:
        if type(outcome) is not _Failed:
            return list(outcome)
        error = self.run.functions.located(outcome.error) if outcome.called else outcome.error
        return {**state_of(error), "called": outcome.called}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._ready = deque(map(_restored, state["outcomes"]))

    def close(self) -> None:
        self._threads.close()
        super().close()

    def __del__(self) -> None:
        if hasattr(self, "_threads"):  # else it never began
            self._threads.stop(wake_from_finalizer)


def _restored(outcome: Any) -> Any:
    """A saved outcome."""
    if not isinstance(outcome, dict):
        return tuple(outcome)
    return _Failed(error_of(outcome), outcome["called"])


def _bytes_of(found: Any) -> int:
    """The memory of a call's results."""
    return 0 if type(found) is _Failed else sum(getattr(value, "nbytes", 0) for value in found)


class MapAndBatch(WithFunction):
    """Batches of `f` of each element."""

    owns = True
    together = True  # where an element fails, the others of its batch are lost with it

    def _take_inputs(
        self,
        input_dataset: Dataset,
        other_arguments: Any,
        batch_size: Any,
        num_parallel_calls: Any,
        drop: Any,
    ) -> None:
        super()._take_inputs(input_dataset, other_arguments)
        self.calls = checked_calls(num_parallel_calls, self)
        self.size = scalar(batch_size)
        self.drop = bool(drop)
        if self.size <= 0:
            raise invalid(self, f"batch_size must be greater than zero. Received: {self.size}")

    def start(self, run: Run) -> Stage:
        call = run.functions.rowwise(self.function, self.captured)
        if call is not None:
            return AtOnce(self, self.sources[0], self, call, run)
        threads = self.calls > 1 and run.functions.worth_threads(self.function)
        return _MappedBatches(self, run, _MappedInThreads(self, run) if threads else _Mapped(self, run))  # type: ignore[arg-type]

    def combined(self, rows: list[Element], first: int) -> Element:
        """One batch of the elements `rows`, the first of which is number `first`."""
        return stack(rows, self, first)

    def cardinality(self) -> int:
        return batches_of(self.sources[0].cardinality(), self.size, self.drop)


class _MappedBatches(Stage):
    __slots__ = ("_dataset", "input")

    def __init__(self, dataset: MapAndBatch, run: Run, mapped: Calling) -> None:
        self._dataset = dataset
        self.input = mapped

    def next(self) -> Element | None:
        rows: list[Element] = []
        gather(self.input, rows, self._dataset.size, together=True)
        if not rows or (self._dataset.drop and len(rows) < self._dataset.size):
            return None
        return self._dataset.combined(rows, self.input.count - len(rows))

    def save(self) -> Any:
        return {"input": self.input.save()}

    def restore(self, state: Any) -> None:
        self.input.restore(state["input"])

    def close(self) -> None:
        self.input.close()


class Filter(WithFunction):
    """The elements for which the predicate holds."""

    @property
    def function(self) -> Any:
        return self.attrs["predicate"]

    def start(self, run: Run) -> Stage:
        return _Filtered(self, run)

    def cardinality(self) -> int:
        return UNKNOWN


class _Filtered(Picking, Calling):
    __slots__ = ()

    def kept(self) -> Iterator[Element]:
        """The elements that it keeps, from where its input stands."""
        call = self.call
        for element in self.sought():
            self.count += 1
            try:
                (held,) = call(*element)
            except Exception as error:
                self.failed(error)
                return
            if held:
                yield element


class FilterByLast(Dataset):
    """The elements whose last component is True, without it."""

    def start(self, run: Run) -> Stage:
        return _FilteredByLast(self, run)

    def cardinality(self) -> int:
        return UNKNOWN


class _FilteredByLast(Picking):
    __slots__ = ()

    def kept(self) -> Iterator[Element]:
        """The elements that it keeps, from where its input stands."""
        return (tuple(element[:-1]) for element in self.sought() if element[-1])


class TakeWhile(Filter):
    """The elements before the first for which the predicate does not hold."""

    def start(self, run: Run) -> Stage:
        return _TakenWhile(self, run)


class _TakenWhile(Calling):
    __slots__ = ("_done",)

    def __init__(self, dataset: Any, run: Run) -> None:
        super().__init__(dataset, run)
        self._done = False

    def next(self) -> Element | None:
        if self._done:
            return None
        element = self.input.next()
        if element is None:
            return None
        self.count += 1
        try:
            (held,) = self.call(*element)
        except Exception as error:
            self.failed(error)
            return None
        self._done = not held
        return element if held else None


class Scan(WithFunction):
    """What `f` of the state and each element gives beside the next state."""

    owns = False

    def _take_inputs(self, input_dataset: Dataset, initial_state: Any, other_arguments: Any) -> None:
        super()._take_inputs(input_dataset, other_arguments)
        self.state = tuple(initial_state)

    def start(self, run: Run) -> Stage:
        return _Scanned(self, run)


class _Scanned(Calling):
    __slots__ = ("_state",)

    def __init__(self, dataset: Scan, run: Run) -> None:
        super().__init__(dataset, run)
        self._state = dataset.state

    def next(self) -> Element | None:
        element = self.input.next()
        if element is None:
            return None
        self.count += 1
        try:
            results = tuple(self.call(*self._state, *element))
        except Exception as error:
            self.failed(error)
            return None
        size = len(self._state)
        self._state = results[:size]
        return results[size:]

    def save(self) -> Any:
        return {**super().save(), "state": self._state}

    def restore(self, state: Any) -> None:
        super().restore(state)
        self._state = tuple(state["state"])


class OfDatasets(WithFunction):
    """A dataset of the elements of the datasets that its function makes."""

    owns = False

    @property
    def bare(self) -> bool:
        """True for strings; the others would only be looked at once more."""
        types, sizes = self.attrs["output_types"], self.attrs["output_shapes"]
        return list(types) == [dtypes.string] and sizes[0] == ()

    def cardinality(self) -> int:
        return UNKNOWN


class FlatMap(OfDatasets):
    """The elements of the datasets that `f` makes of each element, one dataset after another."""

    def start(self, run: Run) -> Stage:
        return _FlatMapped(self, run)


class _FlatMapped(Calling):
    __slots__ = ("_argument", "_at", "_current")

    def __init__(self, dataset: FlatMap, run: Run) -> None:
        super().__init__(dataset, run)
        self._at = run.here()
        self._current: Stage | None = None
        self._argument: Element | None = None

    def next(self) -> Element | None:
        while True:
            if self._current is None:
                self._argument = self.input.next()
                if self._argument is None:
                    return None
                self.count += 1
                try:
                    self._current = self._begun(self._argument)
                except Exception as error:
                    self.failed(error)
                    return None
            element = self._current.next()
            if element is not None:
                return element
            self._current.close()
            self._current = None

    def _begun(self, argument: Element) -> Stage:
        return started(self.call(*argument), self, (*self._at, self.count), bare=True)

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        while len(elements) < count:
            if self._current is not None:
                self._current.fill(elements, count)
            if len(elements) < count:
                element = self.next()  # which goes on to the next dataset
                if element is None:
                    return
                elements.append(element)

    def save(self) -> Any:
        inner = None if self._current is None else {"of": self._argument, "stage": self._current.save()}
        return {**super().save(), "inner": inner}

    def restore(self, state: Any) -> None:
        super().restore(state)
        inner = state["inner"]
        if inner is not None:
            self._argument = tuple(inner["of"])
            self._current = self._begun(self._argument)
            self._current.restore(inner["stage"])

    def close(self) -> None:
        if self._current is not None:
            self._current.close()
        super().close()


def started(results: Any, stage: Any, place: Place | None = None, bare: bool = False) -> Stage:
    """The dataset that a function of `stage` returned, at work at `place`."""
    return stage.run.begin(returned(results, stage.run), place, bare, stage.scope)


def returned(results: Any, run: Run) -> Dataset:
    """The dataset that a function returned."""
    dataset = as_dataset(results[0])
    return dataset if run.adapt is None else run.adapt(dataset)


def as_dataset(value: Any) -> Dataset:
    """The dataset in a variant value.

    Raises:
      InvalidArgumentError: it holds something else.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and not value.ndim:
        value = value[()]
    if not isinstance(value, Dataset):
        raise refusal(f"Tensor must be a Dataset object. Received: {type(value).__name__}")
    return value


def infinite_or_unknown(count: int) -> int:
    """The cardinality of what may drop elements of so many."""
    return count if count in (0, INFINITE) else UNKNOWN


Function = Callable[..., Any]
