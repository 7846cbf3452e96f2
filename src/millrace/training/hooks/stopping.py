"""Hooks that stop, wait, feed, and fetch at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from millrace.core import errors
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.platform import log
from millrace.training.global_step import global_step_read
from millrace.training.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues


def step_to_read(hook: SessionRunHook) -> Tensor:
    """The tensor from which a hook reads the global step.

    Raises:
      RuntimeError: the graph has no global step.
    """
    found = global_step_read()
    if found is None:
        raise RuntimeError(f"Global step should be created to use {type(hook).__name__}.")
    return found


@public(
    "train.StopAtStepHook",
    "estimator.StopAtStepHook",
    "python.training.basic_session_run_hooks.StopAtStepHook",
)
class StopAtStepHook(SessionRunHook):
    """Asks for a stop at a step.

    Args:
      num_steps: how many steps after the session's first one.
      last_step: the number of the last step.

    Raises:
      ValueError: not exactly one of them is given.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if (num_steps is None) == (last_step is None):
            raise ValueError(
                "StopAtStepHook: exactly one of num_steps and last_step must be given. "
                f"Received: {num_steps}, {last_step}"
            )
        self._num_steps = num_steps
        self._last_step = last_step

    @property
    def last_step(self) -> int | None:
        """The number of the last step; None before a session has told where it begins."""
        return self._last_step

    def begin(self) -> None:
        """Finds the global step."""
        self._step = step_to_read(self)

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Settles where to stop."""
        if self._last_step is None:
            self._last_step = int(session.run(self._step)) + int(self._num_steps or 0)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Looks whether the last step is done."""
        assert self._last_step is not None
        if run_values.results + 1 >= self._last_step and (
            run_context.session.run(self._step) >= self._last_step
        ):
            run_context.request_stop()


@public(
    "train.GlobalStepWaiterHook",
    "estimator.GlobalStepWaiterHook",
    "python.training.basic_session_run_hooks.GlobalStepWaiterHook",
)
class GlobalStepWaiterHook(SessionRunHook):
    """Holds the first run back until another one has brought the global step to `wait_until_step`."""

    def __init__(self, wait_until_step: int) -> None:
        self._wait_until_step = wait_until_step

    def begin(self) -> None:
        """Finds the global step."""
        self._waiting = True
        self._step = step_to_read(self)

    def before_run(self, run_context: SessionRunContext) -> None:
        """Waits, the first time."""
        if not self._waiting:
            return
        if self._wait_until_step <= 0:
            self._waiting = False
            return
        log.info("Waiting for global step %d before starting training.", self._wait_until_step)
        reported = 0
        while True:
            step = run_context.session.run(self._step)
            if step >= self._wait_until_step:
                self._waiting = False
                return
            if step - reported > 1000:
                log.info("Waiting for global step %d. Current global step %d.", self._wait_until_step, step)
                reported = step
            time.sleep(0.5)  # other processes move the step on: nobody here can tell when


@public(
    "train.FinalOpsHook", "estimator.FinalOpsHook", "python.training.basic_session_run_hooks.FinalOpsHook"
)
class FinalOpsHook(SessionRunHook):
    """Fetches something when the session ends.

    Args:
      final_ops: what to fetch, in any structure.
      final_ops_feed_dict: what to feed then.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._final_ops = final_ops
        self._feed_dict = final_ops_feed_dict
        self._values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """What was fetched, or None."""
        return self._values

    def end(self, session: Any) -> None:
        """Fetches."""
        if self._final_ops is None:
            return
        try:
            self._values = session.run(self._final_ops, feed_dict=self._feed_dict)
        except (errors.OutOfRangeError, StopIteration) as error:
            log.warning(
                "An OutOfRangeError or StopIteration exception is raised by the code in FinalOpsHook. This "
                "typically means the Ops running by the FinalOpsHook have a dependency back to some input "
                "source, which should not happen: %s",
                error,
            )
            raise


@public("train.FeedFnHook", "estimator.FeedFnHook", "python.training.basic_session_run_hooks.FeedFnHook")
class FeedFnHook(SessionRunHook):
    """Feeds each run what `feed_fn()` returns, a dictionary."""

    def __init__(self, feed_fn: Callable[[], Any]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for what to feed."""
        return SessionRunArgs(fetches=None, feed_dict=self.feed_fn())
