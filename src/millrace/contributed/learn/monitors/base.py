"""`tf.contrib.learn.monitors`: what a monitor is, and one that looks every so many steps."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public


@public("contrib.learn.monitors.BaseMonitor")
class BaseMonitor:
    """Watches a training; classes derived from it override what they need."""

    def __init__(self) -> None:
        self._estimator: Any = None
        self._max_steps: int | None = None
        self._begun = False

    @property
    def run_on_all_workers(self) -> bool:
        """Whether every worker has it."""
        return False

    def set_estimator(self, estimator: Any) -> None:
        """Tells which estimator is trained.

        Raises:
          ValueError: there is none.
        """
        if estimator is None:
            raise ValueError("Missing estimator.")
        self._estimator = estimator

    def begin(self, max_steps: int | None = None) -> None:
        """Called before the graph is fixed.

        Args:
          max_steps: how far the training goes, where that is known.

        Raises:
          ValueError: it has begun already.
        """
        if self._begun:
            raise ValueError("begin called twice without end.")
        self._max_steps, self._begun = max_steps, True

    def end(self, session: Any = None) -> None:
        """Called after the last step.

        Raises:
          ValueError: it has not begun.
        """
        del session
        if not self._begun:
            raise ValueError("end called without begin.")
        self._max_steps, self._begun = None, False

    def step_begin(self, step: int) -> list[Any]:
        """Called before each step; gives the tensors whose values `step_end` gets."""
        del step
        return []

    def step_end(self, step: int, output: dict[Any, Any]) -> bool:
        """Called after each step with values by tensor's name; True ends the training."""
        del step, output
        return False

    def post_step(self, step: int, session: Any) -> None:
        """Called after each step and all `step_end`."""


@public("contrib.learn.monitors.EveryN")
class EveryN(BaseMonitor):
    """Looks at the first steps, and then every so many.

    Args:
      every_n_steps: from one look to the next.
      first_n_steps: how many steps at the start.
    """

    def __init__(self, every_n_steps: int = 100, first_n_steps: int = 1) -> None:
        super().__init__()
        self._every_n_steps, self._first_n_steps = every_n_steps, first_n_steps
        self._last_successful_step: int | None = None
        self._last_active_step: int | None = 0
        self._every_n_step_begin_called = False

    def every_n_step_begin(self, step: int) -> list[Any]:
        """Called before a step that is looked at; gives tensors."""
        del step
        return []

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """Called after such a step with values by tensor's name; True ends the training."""
        del step, outputs
        return False

    def every_n_post_step(self, step: int, session: Any) -> None:
        """Called after such a step and all `step_end`."""

    def step_begin(self, step: int) -> list[Any]:
        """Calls `every_n_step_begin` where it is time."""
        super().step_begin(step)
        first = step <= self._first_n_steps
        due = step >= self._every_n_steps + (self._last_active_step or 0)
        last = step == self._max_steps
        if first or due or last:
            self._every_n_step_begin_called = True
            return self.every_n_step_begin(step)
        self._every_n_step_begin_called = False
        return []

    def step_end(self, step: int, output: dict[Any, Any]) -> bool:
        """Calls `every_n_step_end` where it was time."""
        super().step_end(step, output)
        return self.every_n_step_end(step, output) if self._every_n_step_begin_called else False

    def post_step(self, step: int, session: Any) -> None:
        """Calls `every_n_post_step` where it was time."""
        super().post_step(step, session)
        if self._every_n_step_begin_called:
            self.every_n_post_step(step, session)
            self._last_active_step = step
        self._last_successful_step = step

    def end(self, session: Any = None) -> None:
        """Looks at the last step, where it was not looked at."""
        super().end(session)
        if self._last_successful_step != self._last_active_step and self._last_successful_step is not None:
            self.every_n_post_step(self._last_successful_step, session)
