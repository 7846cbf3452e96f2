"""Batches of a map whose function is called for many elements at once."""

from __future__ import annotations

import contextlib
from typing import Any

from millrace.core import errors
from millrace.opkit.datasets.base import Dataset, Element, Run, Stage, boxed, ended_or_raise


def gather(stage: Stage, rows: list[Element], count: int, together: bool) -> None:
    """Adds the next elements to `rows` until there are `count`, fewer at the end.

    Args:
      stage: gives them.
      rows: empty.
      count: how many.
      together: where one of the elements fails, the others of its batch are lost with it.
    """
    try:
        stage.fill(rows, count)
    except errors.CancelledError:
        raise
    except Exception:
        for _ in range(count - len(rows) - 1 if together else 0):
            with contextlib.suppress(errors.OpError):
                if stage.next() is None:
                    break
        raise


def batches_of(count: int, size: int, drop: bool) -> int:
    """How many batches there are of `count` elements."""
    if count < 0:
        return count
    return count // size if drop else -(-count // size)


class AtOnce(Stage):
    """Batches of what a function gives that is called for batches of what `source` gives.

    Where that fails, the function is called for single elements, and the first that fails tells why; the
    whole batch is lost, as it is in TensorFlow, which joins a map and its batches, too.

    Args:
      dataset: makes batches; has `size`, `drop` and `combined`.
      source: gives the elements.
      mapped: has the function for single elements; None where the function cannot fail.
      call: the function for batches.
      run: of the pipeline.
    """

    __slots__ = ("_call", "_count", "_dataset", "_mapped", "_run", "input")

    def __init__(self, dataset: Any, source: Dataset, mapped: Any, call: Any, run: Run) -> None:
        self._dataset = dataset
        self._mapped = mapped
        self._call = call
        self._run = run
        self._count = 0
        self.input = run.begin(source, bare=True)

    def next(self) -> Element | None:
        dataset = self._dataset
        rows: list[Element] = []
        gather(self.input, rows, dataset.size, dataset.together)
        if not rows or (dataset.drop and len(rows) < dataset.size):
            return None
        first = self._count
        self._count += len(rows)
        batch = dataset.combined(rows, first)
        try:
            return tuple(self._call(*batch))
        except Exception:
            self._find_failed(rows, first)
            raise

    def _find_failed(self, rows: list[Element], first: int) -> None:
        """Raises the error of the first element for which the function fails."""
        if self._mapped is None:
            return
        alone = self._run.start(self._mapped.function, self._mapped.captured)
        for i, row in enumerate(rows):
            try:
                alone(*boxed(row))
            except Exception as error:
                ended_or_raise(error, self._mapped, self._run, first + i)

    def save(self) -> Any:
        return {"input": self.input.save(), "count": self._count}

    def restore(self, state: Any) -> None:
        self.input.restore(state["input"])
        self._count = state.get("count", 0)

    def close(self) -> None:
        self.input.close()
