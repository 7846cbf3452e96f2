"""When it is time: every so many steps or seconds."""

from __future__ import annotations

import time

from millrace.core.public import public


class HookTimer:
    """Says at which steps something is to be done: abstract, what its methods do is for subclasses to say."""

    def reset(self) -> None:
        """Begins anew."""

    def should_trigger_for_step(self, step: int) -> bool:
        """Whether it is to be done at `step`."""
        raise NotImplementedError(f"{type(self).__name__} must override should_trigger_for_step")

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Notes that it was done at `step`; returns the seconds and steps since the time before, or Nones."""
        raise NotImplementedError(f"{type(self).__name__} must override update_last_triggered_step")

    def last_triggered_step(self) -> int | None:
        """The step at which it was done last."""
        raise NotImplementedError(f"{type(self).__name__} must override last_triggered_step")


@public(
    "train.SecondOrStepTimer",
    "estimator.SecondOrStepTimer",
    "python.training.basic_session_run_hooks.SecondOrStepTimer",
)
class SecondOrStepTimer(HookTimer):
    """Every so many steps, or every so many seconds, and at the first step.

    Args:
      every_secs: seconds.
      every_steps: steps.

    Raises:
      ValueError: not exactly one of them is given.
    """

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None) -> None:
        if (every_secs is None) == (every_steps is None):
            raise ValueError(
                "SecondOrStepTimer: exactly one of every_secs and every_steps must be given. "
                f"Received: {every_secs}, {every_steps}"
            )
        self._every_secs = every_secs
        self._every_steps = every_steps
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self._last_triggered_step: int | None = None
        self._last_triggered_time = 0.0

    def should_trigger_for_step(self, step: int) -> bool:
        """Whether it is time at `step`, which has not been done yet."""
        if self._last_triggered_step is None:
            return True
        if self._last_triggered_step == step:
            return False
        if self._every_secs is not None:
            return time.time() >= self._last_triggered_time + self._every_secs
        return step >= self._last_triggered_step + (self._every_steps or 0)

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Notes that `step` was done; returns the seconds and steps since the time before, or Nones."""
        now = time.time()
        elapsed: tuple[float | None, int | None] = None, None
        if self._last_triggered_step is not None:
            elapsed = now - self._last_triggered_time, step - self._last_triggered_step
        self._last_triggered_time, self._last_triggered_step = now, step
        return elapsed

    def last_triggered_step(self) -> int | None:
        """The step at which it was done last."""
        return self._last_triggered_step


class NeverTriggerTimer(HookTimer):
    """Never."""

    def should_trigger_for_step(self, step: int) -> bool:
        """False."""
        return False

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Nothing to note."""
        return None, None

    def last_triggered_step(self) -> int | None:
        """None."""
        return None
