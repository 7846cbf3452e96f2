"""Loops over datasets: a reduction, which may end early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core import late, nest
from millrace.lib.autograph.changes import Changes
from millrace.lib.autograph.values import Missing
from millrace.lib.flow.control_flow import cond


def is_dataset(value: Any) -> bool:
    """True for a dataset."""
    return hasattr(value, "element_spec") and hasattr(value, "reduce")


def draw_over_dataset(
    dataset: Any,
    body: Callable[[Any], None],
    changes: Changes,
    start: list[Any],
    go_on: Callable[[], Any] | None,
) -> None:
    """Adds the loop over a dataset.

    Args:
      dataset: what is gone through.
      body: the block, given an element.
      changes: what it changes.
      start: the first values of what leaves the loop.
      go_on: whether the loop has not been left, or None.

    Raises:
      ValueError: the block deletes a variable.
    """
    state: Any = tuple(start) if start else (0,)

    def step(values: Any, element: Any) -> Any:
        if not start:
            body(element)
            return values
        changes.settle(values, changes.kept)
        body(element)
        after = changes.get()
        kept = [after[i] for i in changes.kept]
        if any(isinstance(v, Missing) for v in kept):
            raise ValueError(f"a loop over a dataset deletes a variable. Received: {changes.names!r}")
        return tuple(kept)

    try:
        if go_on is None:
            results = dataset.reduce(state, lambda values, *element: step(values, _one(element)))
        else:
            results = _ended(dataset, state, step, changes, go_on)
    except BaseException:
        changes.reset()
        raise
    if start:
        changes.settle(results, changes.kept)


def _one(element: tuple[Any, ...]) -> Any:
    return element[0] if len(element) == 1 else element


def _ended(
    dataset: Any, state: Any, step: Callable[[Any, Any], Any], changes: Changes, go_on: Callable[[], Any]
) -> Any:
    """The state behind the last element before the loop is left: scanned, taken while it goes on."""
    experimental = late.module("dataset_transformations")

    def scanned(values: Any, *element: Any) -> Any:
        changes.settle(values, changes.kept)
        going = go_on()
        after = cond(going, lambda: step(values, _one(element)), lambda: values, strict=True)
        return after, (after, going)

    taken = dataset.apply(experimental.scan(state, scanned))
    taken = taken.apply(experimental.take_while(lambda _, going: going))
    return taken.reduce(state, lambda _, result: nest.map_structure(lambda v: v, result[0]))
