"""The layers of a monitored session: around the plain session one that calls hooks, around it one that knows
its threads, around it one that is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.core import errors, protos
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.lib.platform import log
from millrace.training.coordination.coordinator import Coordinator
from millrace.training.coordination.queue_runner import start_queue_runners
from millrace.training.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues

ABORTED = (errors.AbortedError, errors.UnavailableError)
"""What ends a session that can be made anew: a machine went away."""


class Layer:
    """Around a session."""

    def __init__(self, sess: Any) -> None:
        self._sess: Any = sess

    @property
    def graph(self) -> Any:
        """The graph that the session runs."""
        return self._sess.graph

    @property
    def sess_str(self) -> Any:
        """The session's target."""
        return self._sess.sess_str

    def should_stop(self) -> bool:
        """Whether this layer, or one inside, wants to stop."""
        if self.check_stop():
            return True
        if self._sess is None:
            return True
        return isinstance(self._sess, Layer) and self._sess.should_stop()

    def check_stop(self) -> bool:
        """Whether this layer wants to stop."""
        return False

    def close(self) -> None:
        """Closes the session inside."""
        if self._sess is not None:
            try:
                self._sess.close()
            except ABORTED as error:
                log.error(
                    "An error occurred when attempting to close the session. This may be due to a "
                    "preemption in a connected worker or parameter server. Error: %s",
                    error,
                )
            finally:
                self._sess = None

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """As `Session.run`."""
        return self._sess.run(*args, **kwargs)

    def run_step_fn(
        self, step: Callable[[Any, Callable[..., Any]], Any], session: Any, run: Callable[..., Any] | None
    ) -> Any:
        """Calls `step` with the plain session and what runs with hooks."""
        return step(session, run or self.run)


@public("python.training.monitored_session._HookedSession")
class HookedSession(Layer):
    """Calls hooks around each run."""

    def __init__(self, sess: Any, hooks: Sequence[SessionRunHook]) -> None:
        super().__init__(sess)
        self._hooks = hooks
        self._stop = False

    def check_stop(self) -> bool:
        """Whether a hook wanted to stop."""
        return self._stop

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """As `Session.run`.

        Raises:
          RuntimeError: a hook wanted to stop before, or two feeds are of one tensor.
        """
        if self.should_stop():
            raise RuntimeError("Run called even after should_stop requested.")
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self._sess)
        asked = [hook.before_run(context) for hook in self._hooks]
        merged, special = _merged_options(options, asked)
        feeds = _merged_feeds(feed_dict, asked)
        extra = [None if a is None or a.fetches is None else a.fetches for a in asked]
        metadata = protos.RunMetadata() if run_metadata is None else run_metadata
        watched = special or run_metadata is not None
        values = self._sess.run(
            [fetches, *[e for e in extra if e is not None]],
            feed_dict=feeds,
            options=merged if special else None,
            run_metadata=metadata if watched else None,
        )
        results = iter(values[1:])
        for hook, wanted in zip(self._hooks, extra, strict=True):
            result = None if wanted is None else next(results)
            hook.after_run(context, SessionRunValues(result, merged, metadata))
        self._stop = self._stop or context.stop_requested
        return values[0]


def _merged_feeds(feed_dict: Any, asked: Sequence[SessionRunArgs | None]) -> Any:
    """All feeds together.

    Raises:
      RuntimeError: two are of one tensor.
    """
    merged: dict[Any, Any] = {}
    for request in asked:
        if request is not None and request.feed_dict:
            both = [k for k in request.feed_dict if k in merged]
            if both:
                raise RuntimeError(f"Same tensor is fed by two hooks. Received: {both}")
            merged.update(request.feed_dict)
    if not merged:
        return feed_dict
    both = [k for k in feed_dict or () if k in merged]
    if both:
        raise RuntimeError(f"Same tensor is fed by a SessionRunHook and user. Received: {both}")
    return {**merged, **(feed_dict or {})}


def _merged_options(options: Any, asked: Sequence[SessionRunArgs | None]) -> tuple[Any, bool]:
    """All options together, and whether there are any."""
    merged = protos.RunOptions()
    given = [o for o in (options, *(a.options for a in asked if a is not None)) if o is not None]
    for one in given:
        merged.trace_level = max(merged.trace_level, one.trace_level)
        merged.timeout_in_ms = max(merged.timeout_in_ms, one.timeout_in_ms)
        merged.inter_op_thread_pool = max(merged.inter_op_thread_pool, one.inter_op_thread_pool)
        merged.output_partition_graphs |= one.output_partition_graphs
        merged.report_tensor_allocations_upon_oom |= one.report_tensor_allocations_upon_oom
        merged.debug_options.debug_tensor_watch_opts.extend(one.debug_options.debug_tensor_watch_opts)
    return merged, bool(given)


@public("python.training.monitored_session._CoordinatedSession")
class CoordinatedSession(Layer):
    """Stops with its threads."""

    def __init__(self, sess: HookedSession, coord: Coordinator, stop_grace_period_secs: float) -> None:
        super().__init__(sess)
        self._coord = coord
        self._stop_grace_period_secs = stop_grace_period_secs

    def check_stop(self) -> bool:
        """Whether a thread wanted to stop; raises what it has raised."""
        self._coord.raise_requested_exception()
        return self._coord.should_stop()

    def close(self) -> None:
        """Stops the threads and closes the session inside."""
        self._coord.request_stop()
        try:
            self._coord.join(stop_grace_period_secs=self._stop_grace_period_secs, ignore_live_threads=True)
        finally:
            try:
                super().close()
            except Exception as error:
                log.debug("Ignored exception while closing a session: %s", error)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """As `Session.run`; a run that failed because a thread did raises what the thread has raised."""
        try:
            return self._sess.run(*args, **kwargs)
        except ABORTED:
            raise
        except Exception as error:
            try:
                self._coord.raise_requested_exception()
            except ABORTED:
                raise
            except Exception:
                raise error from None
            raise


class CoordinatedCreator:
    """Makes plain sessions with threads and hooks around.

    Attributes:
      tf_sess: the plain session made last.
      coord: its coordinator.
    """

    def __init__(
        self, session_creator: Any, hooks: Sequence[SessionRunHook], stop_grace_period_secs: float
    ) -> None:
        self._session_creator = session_creator
        self._hooks = hooks
        self._stop_grace_period_secs = stop_grace_period_secs
        self.tf_sess: Any = None
        self.coord: Coordinator | None = None

    def create_session(self) -> CoordinatedSession:
        """A new session."""
        self.tf_sess = self._session_creator.create_session()
        self.coord = Coordinator(clean_stop_exception_types=[])
        if self.tf_sess.graph.get_collection(GraphKeys.QUEUE_RUNNERS):
            start_queue_runners(sess=self.tf_sess, coord=self.coord)
        for hook in self._hooks:
            hook.after_create_session(self.tf_sess, self.coord)
        hooked = HookedSession(self.tf_sess, self._hooks)
        return CoordinatedSession(hooked, self.coord, self._stop_grace_period_secs)


@public("python.training.monitored_session._RecoverableSession")
class RecoverableSession(Layer):
    """Is made anew when it was aborted."""

    def __init__(self, creator: CoordinatedCreator) -> None:
        self._creator = creator
        super().__init__(self._created())

    def _created(self) -> CoordinatedSession:
        while True:
            try:
                return self._creator.create_session()
            except ABORTED as error:
                log.info(
                    "An error was raised while a session was being created. This may be due to a preemption "
                    "of a connected worker or parameter server. A new session will be created. Error: %s",
                    error,
                )

    def check_stop(self) -> bool:
        """Whether the session inside wants to stop."""
        try:
            return self._sess is None or self._sess.check_stop()
        except ABORTED as error:
            log.info(
                "An error was raised while considering whether the session is complete. This may be due to "
                "a preemption in a connected worker or parameter server. The current session will be closed "
                "and a new session will be created. Error: %s",
                error,
            )
            self.close()
            self._sess = self._created()
            return False
        except Exception:
            return True  # `close` raises it

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """As `Session.run`, as often as it takes."""
        return self._again(
            lambda: self._sess.run(fetches, feed_dict=feed_dict, options=options, run_metadata=run_metadata)
        )

    def run_step_fn(
        self, step: Callable[[Any, Callable[..., Any]], Any], session: Any, run: Callable[..., Any] | None
    ) -> Any:
        """Calls `step`, as often as it takes."""
        return self._again(lambda: self._sess.run_step_fn(step, self._creator.tf_sess, self._sess.run))

    def _again(self, work: Callable[[], Any]) -> Any:
        while True:
            try:
                if self._sess is None:
                    self._sess = self._created()
                return work()
            except ABORTED as error:
                log.info(
                    "An error was raised. This may be due to a preemption in a connected worker or parameter "
                    "server. The current session will be closed and a new session will be created. Error: %s",
                    error,
                )
                self.close()
