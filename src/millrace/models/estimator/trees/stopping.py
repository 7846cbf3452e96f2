"""Hooks of boosted trees."""

from __future__ import annotations

from typing import Any

from millrace.training.hooks.base import SessionRunArgs, SessionRunHook


class BeginHook(SessionRunHook):
    """Runs an operation in each new session."""

    def __init__(self, begin: Any) -> None:
        self._op = begin

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Runs it."""
        del coord
        session.run(self._op)


class StopAtTreesHook(SessionRunHook):
    """Stops when there are enough trees, or after twice as many attempts as they have layers.

    Args:
      num_finalized_trees, num_attempted_layers: tensors.
      max_trees: how many trees are enough.
      max_layers: how many layers they have.
    """

    def __init__(
        self, num_finalized_trees: Any, num_attempted_layers: Any, max_trees: int, max_layers: int
    ) -> None:
        self._asked = [num_finalized_trees, num_attempted_layers]
        self._max_trees, self._max_layers = max_trees, max_layers

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Asks for both."""
        del run_context
        return SessionRunArgs(self._asked)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Stops, perhaps; near the end it asks again, for what the run has grown."""
        trees, layers = run_values.results
        if trees >= self._max_trees - 1 or layers > 2 * self._max_layers - 1:
            trees, layers = run_context.session.run(self._asked)
        if trees >= self._max_trees or layers > 2 * self._max_layers:
            run_context.request_stop()
