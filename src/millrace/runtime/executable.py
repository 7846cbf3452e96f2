"""`Executables`: the ready-to-run forms of one plan, one for each combination of fed shapes up to a limit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.graph.tensor import Tensor
from millrace.runtime import failures, interpret
from millrace.runtime.plan import make_plan
from millrace.runtime.simplify import simplify
from millrace.runtime.store import Slot, Store

_MOST_SHAPES = 16  # a program that feeds more shapes than this is better served by one plan for all of them

_log = logging.getLogger("millrace")


class Executables:
    """Runs some fetches for some feeds.

    Feeding a new combination of shapes makes a plan in which everything that follows from them is folded; when there
    are too many of them, one plan for unknown shapes serves the rest.
    """

    def __init__(self, fetches: Sequence[Any], feeds: Sequence[Any], store: Store, options: Any) -> None:
        self._fetches = list(fetches)
        self._feeds: list[Tensor] = [f.tensor for f in feeds]
        self._store = store
        self._options = options
        self._ready: dict[tuple[tuple[int, ...], ...] | None, tuple[Any, list[Slot]]] = {}
        self._fixed = not any(f.any_shape for f in feeds)

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The fetched values for the fed `values`.

        Raises:
          tf.errors.OpError: an operation failed; the store is as it was.
        """
        key = () if self._fixed else tuple([np.shape(v) for v in values])
        ready = self._ready.get(key)
        if ready is None:
            ready = self._make(key, values)
        function, slots = ready
        try:
            with self._store.lock, np.errstate(all="ignore"):
                return function(*values, *slots)
        except Exception as error:
            raise_located(error)
            raise

    def _make(self, key: Any, values: Sequence[Any]) -> tuple[Any, list[Slot]]:
        if len(self._ready) >= _MOST_SHAPES:
            if None in self._ready:
                return self._ready[None]
            _log.info(
                "millrace: %d shapes were fed for the same fetches; one plan for unknown shapes serves the next ones "
                "(feed fewer shapes, by padding, to have each planned for speed)",
                len(self._ready),
            )
            key = None
        plan = make_plan(self._fetches, self._feeds)
        simplify(plan, None if key is None else [np.shape(v) for v in values])
        ready = interpret.compile_plan(plan), interpret.slots_for(plan, self._store)
        self._ready[key] = ready
        return ready


def raise_located(error: Exception) -> None:
    """Raises the `tf.errors` exception for an error inside a plan's function; returns when it is from elsewhere."""
    found = interpret.locate(error)
    if found is None:
        return
    step, values = found
    raised = failures.from_exception(error, step.op, values)
    if raised is not error:
        raise raised from (None if isinstance(error, failures.errors.OpError) else error)
