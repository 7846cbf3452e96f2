"""`Dataset`, the value of a dataset tensor, and `Stage`, one of them at work.

A dataset is a recipe: kernels make it from other datasets and plain values, and it never changes. An
iterator starts it: each dataset becomes a stage that takes elements from the stages before it. An
element is a tuple with a NumPy value for each component; nobody changes an element's arrays, so they may
be shared.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.errors import refusal
from millrace.core.waiting import Cancellation, current

Element = tuple[Any, ...]
_OBJECT = np.dtype(object)
INFINITE = -1
UNKNOWN = -2
_LOOKING = 16  # elements that a stage passes over before it looks whether the session is closed


Place = tuple[int, ...]
"""Where a stage stands in its pipeline: the same for the same stage in each epoch."""


class Watching:
    """Who looks on when pipelines work: asked when each begins.

    Attributes:
      meter: `meter.watched(dataset, stage)` gives the stage to use instead; None where nobody does.
    """

    meter: Any = None


class Run:
    """What the stages of one iterator share.

    Attributes:
      cancellation: calls off the waits of the session.
      functions: starts functions in the session.
      waits: some stage may wait for a thread.
      adapt: what an optimizer makes of the datasets that functions return.
      kept: what stages leave to those that begin later at the same place, by kind and place.
    """

    __slots__ = (
        "_beginning",
        "_meter",
        "_serial",
        "_states",
        "adapt",
        "cancellation",
        "functions",
        "kept",
        "waits",
    )

    def __init__(self) -> None:
        step = current()
        found = None if step is None else step.session
        if found is None or found.functions is None:
            raise errors.InternalError(None, None, "a dataset is started outside of a session's run")
        self.cancellation: Cancellation = found
        self.waits = False
        self.functions: Any = found.functions
        self.adapt: Callable[[Dataset], Dataset] | None = None
        self._states: dict[Any, Any] = {}
        self.kept: dict[Any, Any] = {}
        self._meter = Watching.meter
        self._beginning = threading.local()
        self._serial = itertools.count()

    def begin(
        self,
        dataset: Dataset,
        place: Place | None = None,
        bare: bool = False,
        scope: Place | None = None,
    ) -> Stage:
        """`dataset` at work, at its beginning.

        Args:
          dataset: what begins.
          place: where it stands in the pipeline; default: the next place below what is beginning.
          bare: whether string scalars may come as their bytes.
          scope: of the stage whose function made the dataset; default: that of what is beginning.
        """
        around = getattr(self._beginning, "at", None)
        if scope is None and around is not None:
            scope = around[2]
        if place is None:
            place = (next(self._serial),) if around is None else (*around[0], around[1])
            if around is not None:
                around[1] += 1
        self._beginning.at = [place, 0, scope]
        try:
            stage = dataset.start(self)
        finally:
            self._beginning.at = around
        if self._meter is not None:
            stage = self._meter.watched(dataset, stage)
        return stage if bare or not dataset.bare else _Boxed(stage)

    def taken(self) -> None:
        """Called when the program is to take what the stage gives that began last."""
        if self._meter is not None:
            self._meter.ended()

    def look(self) -> None:
        """Called now and then by a stage that may look for an element for ever.

        Raises:
          CancelledError: the session was closed.
        """
        if self.cancellation.cancelled:
            raise errors.CancelledError(None, None, "a pipeline was cancelled: the session was closed")

    def here(self) -> Place:
        """The place in the pipeline of the stage that is beginning."""
        return self._beginning.at[0]

    def scope(self) -> Place | None:
        """The place of the stage that is beginning, or, where a function made its dataset, of the stage of
        the pipeline itself whose function that was; None while nothing begins.
        """
        at = getattr(self._beginning, "at", None)
        return at and (at[2] or at[0])

    def elements(self, dataset: Dataset) -> Generator[Element, None, None]:
        """All elements of `dataset`; closing the generator ends its threads."""
        stage = self.begin(dataset)
        try:
            while (element := stage.next()) is not None:
                yield element
                self.look()
        finally:
            stage.close()

    def start(self, function: Any, captured: Sequence[Any], rows: int = 0) -> Callable[..., Sequence[Any]]:
        """A Python function of the explicit arguments of `function`.

        What its random operations remember lasts as long as the iterator, however often it is started, and
        belongs to its scope: two branches of a pipeline draw the same numbers, as in TensorFlow.

        Args:
          function: to be called for each element.
          captured: the values of what it captured.
          rows: of the batches for which somebody else does the last of it; 0 where nobody does.
        """
        return self.functions.start(function, captured, self._states.setdefault(self.scope(), {}), rows)


class Dataset:
    """A recipe for a sequence of elements.

    Args:
      op: the operation that made it, for attributes and messages.
      inputs: what its kernel got.

    Attributes:
      sources: the datasets it takes elements from.
      captured_datasets: those that its functions captured.
      owns: whether its elements' arrays belong to nobody else; None where that is as in its sources.
    """

    owns: bool | None = None

    def __init__(self, op: Any, *inputs: Any) -> None:
        self.op = op
        self.attrs: Any = op.attrs
        self.sources: tuple[Dataset, ...] = tuple(i for i in inputs if isinstance(i, Dataset))
        captures = itertools.chain.from_iterable(i for i in inputs if isinstance(i, tuple))
        self.captured_datasets = tuple(value for value in captures if isinstance(value, Dataset))
        self._take_inputs(*inputs)

    def _take_inputs(self, *inputs: Any) -> None:
        """Reads what the kernel got."""

    @property
    def fresh(self) -> bool:
        """True where the arrays of an element belong to nobody else."""
        if self.owns is not None:
            return self.owns
        return bool(self.sources) and all(source.fresh for source in self.sources)

    visible = True  # a stage of its own, for people
    passes = False  # hands elements on without a look at what they hold

    @property
    def bare(self) -> bool:
        """True where the stage may give string scalars as their `bytes`, as they come from files: that saves
        an array for each.
        """
        return self.passes and any(source.bare for source in self.sources)

    def slow(self, run: Run) -> bool:
        """True where taking an element may wait, or takes long enough for a thread of its own."""
        return any(source.slow(run) for source in self.sources)

    def start(self, run: Run) -> Stage:
        """The dataset at work, at its beginning; called by `Run.begin`."""
        raise NotImplementedError

    def cardinality(self) -> int:
        """How many elements there are, INFINITE, or UNKNOWN."""
        return self.sources[0].cardinality() if self.sources else UNKNOWN

    @property
    def place(self) -> str:
        """Who this is, for messages: type, name and the user's line."""
        where = self.op.user_location
        return f"{self.op.type} '{self.op.name}'{f' ({where})' if where else ''}"


class Stage:
    """A dataset at work."""

    __slots__ = ()

    def next(self) -> Element | None:
        """The next element; None at the end. After an error the next call goes on with the next element."""
        raise NotImplementedError

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end.

        After an error, those that came before it have been added, and the next call goes on behind it.
        """
        take = self.next
        while len(elements) < count:
            element = take()
            if element is None:
                return
            elements.append(element)

    def save(self) -> Any:
        """Where it stands: nested dicts, lists and tuples of numbers, strings and arrays."""
        raise NotImplementedError

    def restore(self, state: Any) -> None:
        """Goes on from where `state` was saved; called on a stage that has just been started."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends threads and closes files."""


class Through(Stage):
    """A stage with one input."""

    __slots__ = ("input", "run")

    def __init__(self, dataset: Dataset, run: Run) -> None:
        self.run = run
        self.input = run.begin(dataset.sources[0], bare=dataset.passes)

    def sought(self) -> Iterator[Element]:
        """The input's elements, for a stage that may pass over any number of them: closing the session ends
        it.
        """
        for count, element in enumerate(iter(self.input.next, None), 1):
            if not count % _LOOKING:
                self.run.look()
            yield element

    def save(self) -> Any:
        return {"input": self.input.save()}

    def restore(self, state: Any) -> None:
        self.input.restore(state["input"])

    def close(self) -> None:
        self.input.close()


class _Boxed(Stage):
    """What a bare stage gives, with an array for each string scalar."""

    __slots__ = ("_stage",)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @property
    def ready(self) -> bool:
        """True where the next element is there already."""
        return getattr(self._stage, "ready", False)

    def next(self) -> Element | None:
        element = self._stage.next()
        return None if element is None else boxed(element)

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        found: list[Element] = []
        try:
            self._stage.fill(found, count - len(elements))
        finally:
            elements += map(boxed, found)

    def save(self) -> Any:
        return self._stage.save()

    def restore(self, state: Any) -> None:
        self._stage.restore(state)

    def close(self) -> None:
        self._stage.close()


class Picking(Through):
    """A stage that keeps some of its input's elements."""

    __slots__ = ()

    def kept(self) -> Iterator[Element]:
        """The elements that it keeps, from where its input stands."""
        raise NotImplementedError

    def next(self) -> Element | None:
        return next(self.kept(), None)

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        elements.extend(itertools.islice(self.kept(), count - len(elements)))


class Calling(Through):
    """A stage that calls a function for each element, and says at which one it failed."""

    __slots__ = ("call", "count", "dataset", "scope")

    def __init__(self, dataset: Any, run: Run) -> None:
        super().__init__(dataset, run)
        self.dataset = dataset
        self.scope = run.scope()
        self.call = run.start(dataset.function, dataset.captured, dataset.batches)
        self.count = 0

    def save(self) -> Any:
        return {"input": self.input.save(), "count": self.count}

    def restore(self, state: Any) -> None:
        self.input.restore(state["input"])
        self.count = state["count"]

    def failed(self, error: BaseException) -> None:
        """Raises what a failed call means; returns where it means the end of the sequence."""
        ended_or_raise(error, self.dataset, self.run, self.count - 1)


def ended_or_raise(error: BaseException, dataset: Dataset, run: Run, index: int) -> None:
    """Raises the error of a function's call, with the stage and the element; OutOfRangeError means the
    end.
    """
    found = run.functions.located(error)
    if isinstance(found, errors.OutOfRangeError):
        return
    raise told(found, f"element {index} of {dataset.place}") from error.__cause__


def state_of(error: BaseException) -> dict[str, Any]:
    """What is saved of an error that is still to come."""
    if isinstance(error, errors.OpError):
        return {"code": error.error_code, "message": error.message}
    return {"code": errors.UNKNOWN, "message": f"{type(error).__name__}: {error}"}


def error_of(state: dict[str, Any]) -> Exception:
    """The error that was saved."""
    kind: Any = errors.exception_type_from_error_code(state["code"])
    return kind(None, None, state["message"])


def told(error: BaseException, where: str) -> BaseException:
    """The same error, which also tells `where`."""
    if not isinstance(error, errors.OpError):
        return error
    message = f"{error.message}\n  at {where}"
    if type(error) is errors.OpError:
        return errors.OpError(None, error.op, message, error.error_code)
    return type(error)(None, error.op, message)  # type: ignore[call-arg, arg-type]


def invalid(dataset: Dataset, message: str, index: int | None = None) -> errors.InvalidArgumentError:
    """An InvalidArgumentError that names the stage, and the element where its number is given."""
    return refusal(f"{message}\n  at {'' if index is None else f'element {index} of '}{dataset.place}")


def scalar(value: Any) -> int:
    """A Python integer for an int64 scalar input."""
    return int(np.asarray(value).reshape(()))


def text(value: Any) -> bytes:
    """The bytes of a string scalar input."""
    return value if isinstance(value, bytes) else bytes(np.asarray(value).reshape(())[()])


def texts(value: Any) -> list[bytes]:
    """The bytes of a string scalar or vector input."""
    return [bytes(v) for v in np.asarray(value, object).reshape(-1)]


def string(value: bytes) -> np.ndarray:
    """A string scalar as kernels take it."""
    return np.array(value, _OBJECT)


def boxed(element: Element) -> Element:
    """A bare element with an array for each string scalar."""
    return tuple([np.array(v, _OBJECT) if type(v) is bytes else v for v in element])
