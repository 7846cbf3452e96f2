"""What a hook is, and what it is given around a run."""

from __future__ import annotations

from typing import Any, NamedTuple

from millrace.core.public import public


@public("train.SessionRunArgs", "estimator.SessionRunArgs", "python.training.session_run_hook.SessionRunArgs")
class SessionRunArgs(NamedTuple("SessionRunArgs", [("fetches", Any), ("feed_dict", Any), ("options", Any)])):
    """What a hook adds to a run.

    Args:
      fetches: to fetch beside the caller's, in any structure.
      feed_dict: to feed beside the caller's.
      options: a `RunOptions` to merge with the others'.
    """

    __slots__ = ()

    def __new__(cls, fetches: Any, feed_dict: Any = None, options: Any = None) -> SessionRunArgs:
        """Nothing but `fetches` has to be given."""
        return super().__new__(cls, fetches, feed_dict, options)


@public(
    "train.SessionRunValues",
    "estimator.SessionRunValues",
    "python.training.session_run_hook.SessionRunValues",
)
class SessionRunValues(NamedTuple):
    """What a run gave to a hook.

    Attributes:
      results: the values of the hook's fetches, in their structure.
      options: the `RunOptions` of the run.
      run_metadata: its `RunMetadata`.
    """

    results: Any
    options: Any
    run_metadata: Any


@public(
    "train.SessionRunContext",
    "estimator.SessionRunContext",
    "python.training.session_run_hook.SessionRunContext",
)
class SessionRunContext:
    """The run around which a hook is called.

    Args:
      original_args: the caller's `SessionRunArgs`.
      session: the session that runs.
    """

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self._original_args = original_args
        self._session = session
        self._stop_requested = False

    @property
    def original_args(self) -> SessionRunArgs:
        """What the caller of the run asked for."""
        return self._original_args

    @property
    def session(self) -> Any:
        """The session that runs."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        """Whether a hook has asked for a stop."""
        return self._stop_requested

    def request_stop(self) -> None:
        """Asks the session to stop after this run."""
        self._stop_requested = True


@public("train.SessionRunHook", "estimator.SessionRunHook", "python.training.session_run_hook.SessionRunHook")
class SessionRunHook:
    """Called around each run of a monitored session; subclasses override what they need."""

    def begin(self) -> None:
        """Called once, before the session is made: the last chance to add to the graph."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called when a session was made, and again when it was made anew; the graph is final.

        Args:
          session: the session.
          coord: the `Coordinator` of its threads.
        """

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before each run; returns what to fetch and feed beside, or None."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Called after each run that has not failed.

        Args:
          run_context: of the run; `request_stop()` ends the session's loop.
          run_values: what `before_run` has asked for.
        """

    def end(self, session: Any) -> None:
        """Called when the session ends without an exception."""
