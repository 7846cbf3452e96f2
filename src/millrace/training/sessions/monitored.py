"""Monitored sessions: they call hooks around each run, recover, and stop in order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from millrace.core import errors
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.training.hooks.base import SessionRunHook
from millrace.training.hooks.saving import CheckpointSaverHook, SummarySaverHook
from millrace.training.hooks.watching import StepCounterHook
from millrace.training.sessions.layers import CoordinatedCreator, RecoverableSession
from millrace.training.sessions.scaffold import (
    ChiefSessionCreator,
    Scaffold,
    SessionCreator,
    WorkerSessionCreator,
)

USE_DEFAULT = object()


class StepContext:
    """What a step function of `run_step_fn` is given.

    Args:
      session: the plain session.
      run_with_hooks_fn: runs with the hooks around.
    """

    def __init__(self, session: Any, run_with_hooks_fn: Callable[..., Any]) -> None:
        self._session = session
        self._run_with_hooks_fn = run_with_hooks_fn

    @property
    def session(self) -> Any:
        """The plain session: its runs call no hooks."""
        return self._session

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """Like `Session.run`, with the hooks around."""
        return self._run_with_hooks_fn(*args, **kwargs)

    def request_stop(self) -> None:
        """Ends the session's loop; does not return."""
        raise StopIteration("step_fn has requested the iterations to stop.")


@public("python.training.monitored_session._MonitoredSession")
class MonitoredBase:
    """What `MonitoredSession` and `SingularMonitoredSession` share.

    Args:
      session_creator: default: a `ChiefSessionCreator`.
      hooks: `SessionRunHook`s.
      should_recover: make the session anew when it was aborted.
      stop_grace_period_secs: how long threads may go on after the end.
    """

    StepContext = StepContext
    starts_queue_runners = True

    def __init__(
        self,
        session_creator: SessionCreator | None,
        hooks: Sequence[SessionRunHook] | None,
        should_recover: bool,
        stop_grace_period_secs: float = 120,
    ) -> None:
        self._graph_was_finalized = get_default_graph().finalized
        self._hooks = list(hooks or ())
        for hook in self._hooks:
            hook.begin()
        self._creator = CoordinatedCreator(
            session_creator or ChiefSessionCreator(), self._hooks, stop_grace_period_secs
        )
        self._sess: Any = (
            RecoverableSession(self._creator) if should_recover else self._creator.create_session()
        )

    @property
    def graph(self) -> Graph | None:
        """The graph that the session runs; None when it is closed."""
        plain = self._creator.tf_sess
        return None if plain is None else plain.graph

    def _tf_sess(self) -> Any:
        """The plain session, as older programs ask for it."""
        return self._creator.tf_sess

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """As `Session.run`, with the hooks around.

        Raises:
          RuntimeError: after `should_stop()`, or two feeds of one tensor.
        """
        return self._sess.run(fetches, feed_dict=feed_dict, options=options, run_metadata=run_metadata)

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """Calls `step_fn` with a step context, by which it may run with and without hooks, and stop.

        Args:
          step_fn: takes one argument, `step_context`.

        Raises:
          ValueError: it takes others.
        """
        names = tuple(inspect.getfullargspec(step_fn).args)
        if names not in (("step_context",), ("self", "step_context")):
            raise ValueError(
                "`step_fn` may either have one `step_context` argument, or two arguments: `self` and "
                f"`step_context` if it's an instance method. Received: {names}"
            )
        return self._sess.run_step_fn(
            lambda session, run: step_fn(StepContext(session, run)), self._creator.tf_sess, None
        )

    def should_stop(self) -> bool:
        """Whether the loop is to end."""
        return self._sess is None or self._sess.should_stop()

    def close(self) -> None:
        """Calls the hooks' `end`, stops the threads, and closes the session."""
        self._close(None)

    def _is_closed(self) -> bool:
        return self._creator.tf_sess is None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exception_type: Any, exception_value: Any, traceback: Any) -> bool:
        if exception_type in (errors.OutOfRangeError, StopIteration):
            exception_type = None
        self._close(exception_type)
        return exception_type is None

    def _close(self, exception_type: Any) -> None:
        try:
            if exception_type is None:
                for hook in self._hooks:
                    hook.end(self._creator.tf_sess)
        finally:
            try:
                if self._sess is None:
                    raise RuntimeError("Session is already closed.")
                self._sess.close()
            finally:
                self._sess = None
                self._creator.tf_sess = None
                self._creator.coord = None
                if not self._graph_was_finalized:
                    get_default_graph()._unsafe_unfinalize()


@public("train.MonitoredSession", "python.training.monitored_session.MonitoredSession")
class MonitoredSession(MonitoredBase):
    """A session that initializes itself, calls hooks, makes itself anew when aborted, and stops in order.

    `OutOfRangeError` and `StopIteration` end its `with` block without an error.

    Args:
      session_creator: makes the session; default: a `ChiefSessionCreator`.
      hooks: `SessionRunHook`s.
      stop_grace_period_secs: how long threads may go on after the end.
    """

    def __init__(
        self,
        session_creator: SessionCreator | None = None,
        hooks: Sequence[SessionRunHook] | None = None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        super().__init__(session_creator, hooks, True, stop_grace_period_secs)


@public("train.SingularMonitoredSession", "python.training.monitored_session.SingularMonitoredSession")
class SingularMonitoredSession(MonitoredBase):
    """A monitored session that is not made anew when aborted.

    Args:
      hooks: `SessionRunHook`s.
      scaffold: default: a plain one.
      master: the session's target.
      config: a `ConfigProto`.
      checkpoint_dir: the folder of the checkpoint to restore.
      stop_grace_period_secs: how long threads may go on after the end.
      checkpoint_filename_with_path: the checkpoint itself.
    """

    def __init__(
        self,
        hooks: Sequence[SessionRunHook] | None = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        creator = ChiefSessionCreator(
            scaffold=scaffold,
            master=master,
            config=config,
            checkpoint_dir=checkpoint_dir,
            checkpoint_filename_with_path=checkpoint_filename_with_path,
        )
        super().__init__(creator, hooks, False, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """The plain session."""
        return self._creator.tf_sess


@public("train.MonitoredTrainingSession", "python.training.monitored_session.MonitoredTrainingSession")
def MonitoredTrainingSession(  # noqa: N802 - the public name
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: Any = None,
    scaffold: Scaffold | None = None,
    hooks: Sequence[SessionRunHook] | None = None,
    chief_only_hooks: Sequence[SessionRunHook] | None = None,
    save_checkpoint_secs: Any = USE_DEFAULT,
    save_summaries_steps: Any = USE_DEFAULT,
    save_summaries_secs: Any = USE_DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = USE_DEFAULT,
    summary_dir: Any = None,
) -> MonitoredSession:
    """A monitored session for training: it saves checkpoints and summaries, and tells the rate of steps.

    Args:
      master: the session's target.
      is_chief: initialize and save; else wait for the chief.
      checkpoint_dir: where to restore from and save to.
      scaffold: default: a plain one.
      hooks: `SessionRunHook`s.
      chief_only_hooks: those that only the chief calls, before the others.
      save_checkpoint_secs: seconds from one checkpoint to the next; default 600 where no steps are given.
      save_summaries_steps: steps from one summary to the next; default 100 where no seconds are given.
      save_summaries_secs: seconds.
      config: a `ConfigProto`.
      stop_grace_period_secs: how long threads may go on after the end.
      log_step_count_steps: steps from one rate to the next.
      max_wait_secs: how long a worker waits for the chief.
      save_checkpoint_steps: steps from one checkpoint to the next.
      summary_dir: where to write summaries; default: `checkpoint_dir`.
    """
    summary_steps, summary_secs = _chosen(save_summaries_steps, save_summaries_secs, (100, None))
    save_steps, save_secs = _chosen(save_checkpoint_steps, save_checkpoint_secs, (None, 600))
    scaffold = scaffold or Scaffold()
    if not is_chief:
        worker = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(worker, hooks or [], stop_grace_period_secs)
    all_hooks = list(chief_only_hooks or ())
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    summary_dir = summary_dir or checkpoint_dir
    if summary_dir:
        if log_step_count_steps and log_step_count_steps > 0:
            all_hooks.append(StepCounterHook(log_step_count_steps, output_dir=summary_dir))
        if (summary_steps and summary_steps > 0) or (summary_secs and summary_secs > 0):
            all_hooks.append(
                SummarySaverHook(summary_steps, summary_secs, scaffold=scaffold, output_dir=summary_dir)
            )
    if checkpoint_dir and ((save_secs and save_secs > 0) or (save_steps and save_steps > 0)):
        all_hooks.append(CheckpointSaverHook(checkpoint_dir, save_secs, save_steps, scaffold=scaffold))
    all_hooks.extend(hooks or ())
    return MonitoredSession(creator, all_hooks, stop_grace_period_secs)


def _chosen(steps: Any, secs: Any, default: tuple[Any, Any]) -> tuple[Any, Any]:
    """Steps and seconds; what is left out is None beside what is given."""
    if steps is USE_DEFAULT and secs is USE_DEFAULT:
        return default
    return (None if steps is USE_DEFAULT else steps), (None if secs is USE_DEFAULT else secs)
