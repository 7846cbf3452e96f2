"""Adagrad that can step without learning from the gradient."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from millrace.core.public import public
from millrace.training.optimizers.adagrad import AdagradOptimizer


@public("contrib.opt.RegAdagradOptimizer")
class RegAdagradOptimizer(AdagradOptimizer):
    """Adagrad whose accumulators can be left as they are, say for the gradient of a penalty.

    Args:
      learning_rate, initial_accumulator_value, use_locking: as for `AdagradOptimizer`.
      name: default "RegAdagrad".

    Raises:
      ValueError: `initial_accumulator_value` is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "RegAdagrad",
    ) -> None:
        super().__init__(learning_rate, initial_accumulator_value, use_locking, name)
        self._should_update_slots = True

    @contextlib.contextmanager
    def avoid_updating_slots(self) -> Iterator[None]:
        """What is applied inside leaves the accumulators as they are."""
        before, self._should_update_slots = self._should_update_slots, False
        try:
            yield
        finally:
            self._should_update_slots = before

    def _attrs(self) -> dict[str, Any]:
        return {"update_slots": self._should_update_slots}
