"""`Supervisor`: the older way to train: a session, and threads that save beside it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.exchange.graph_util import write_graph
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.lookup.tables import tables_initializer
from millrace.lib.platform import log
from millrace.lib.summary.operations import merge_all
from millrace.lib.variables import sets
from millrace.saver.meta_graph import export_meta_graph
from millrace.saver.saver import Saver
from millrace.summaries.file_writer import FileWriter
from millrace.training.coordination.coordinator import Coordinator, LooperThread
from millrace.training.global_step import global_step as step_value
from millrace.training.sessions.manager import SessionManager

USE_DEFAULT = 0


@public("train.Supervisor", "python.training.supervisor.Supervisor")
class Supervisor:
    """Makes a session that is initialized or restored, and saves and summarizes beside the program's loop.

    Args:
      graph: default: the default graph. It is finalized.
      ready_op: a tensor of the names of what is not initialized.
      ready_for_local_init_op: the same for what `local_init_op` needs.
      is_chief: initialize and save; else wait for the chief.
      init_op: initializes the model.
      init_feed_dict: what to feed to it.
      local_init_op: initializes local variables and tables.
      logdir: where to restore from and save to; None to save nothing.
      summary_op: all summaries merged.
      saver: a `Saver`.
      global_step: the step's tensor.
      save_summaries_secs: seconds from one summary to the next; 0 for none.
      save_model_secs: seconds from one checkpoint to the next; 0 for none.
      recovery_wait_secs: how long to wait between two looks at a model that is not ready.
      stop_grace_secs: how long threads may go on after a stop.
      checkpoint_basename: how the checkpoints' names begin.
      session_manager: makes the sessions.
      summary_writer: what writes summaries.
      init_fn: called with the session after `init_op`.
      local_init_run_options: a `RunOptions` for `local_init_op`.

    Raises:
      RuntimeError: `is_chief` is false, and the graph's variables have no devices.
    """

    USE_DEFAULT = USE_DEFAULT

    def __init__(
        self,
        graph: Graph | None = None,
        ready_op: Any = USE_DEFAULT,
        ready_for_local_init_op: Any = USE_DEFAULT,
        is_chief: bool = True,
        init_op: Any = USE_DEFAULT,
        init_feed_dict: Any = None,
        local_init_op: Any = USE_DEFAULT,
        logdir: Any = None,
        summary_op: Any = USE_DEFAULT,
        saver: Any = USE_DEFAULT,
        global_step: Any = USE_DEFAULT,
        save_summaries_secs: float = 120,
        save_model_secs: float = 600,
        recovery_wait_secs: float = 30,
        stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt",
        session_manager: SessionManager | None = None,
        summary_writer: Any = USE_DEFAULT,
        init_fn: Any = None,
        local_init_run_options: Any = None,
    ) -> None:
        self._graph = graph or get_default_graph()
        with self._graph.as_default():
            self._ready_op = _found(ready_op, GraphKeys.READY_OP, sets.report_uninitialized_variables)
            self._ready_for_local_init_op = _found(
                ready_for_local_init_op, GraphKeys.READY_FOR_LOCAL_INIT_OP, lambda: None
            )
            self._init_op = _found(init_op, GraphKeys.INIT_OP, sets.global_variables_initializer)
            self._init_feed_dict = init_feed_dict
            self._local_init_op = _found(local_init_op, GraphKeys.LOCAL_INIT_OP, _local_init_op)
            self._saver = _found(saver, GraphKeys.SAVERS, _saver)
            self._summary_op = _found(summary_op, GraphKeys.SUMMARY_OP, merge_all)
            self._global_step = _found(global_step, GraphKeys.GLOBAL_STEP, _global_step)
        self._is_chief = is_chief
        self._coord = Coordinator()
        self._recovery_wait_secs = recovery_wait_secs
        self._stop_grace_secs = stop_grace_secs
        self._init_fn = init_fn
        self._logdir: Any = None
        self._save_summaries_secs: Any = None
        self._save_model_secs: Any = None
        self._save_path: Any = None
        self._summary_writer: Any = None
        self._graph_added_to_summary = False
        if is_chief:
            self._logdir = logdir
            self._save_summaries_secs = save_summaries_secs
            self._save_model_secs = save_model_secs
            if logdir:
                self._save_path = os.path.join(logdir, checkpoint_basename)
            if summary_writer is not USE_DEFAULT:
                self._summary_writer = summary_writer
            elif logdir:
                self._summary_writer = FileWriter(logdir)
        self._session_manager = session_manager or SessionManager(
            local_init_op=self._local_init_op,
            ready_op=self._ready_op,
            ready_for_local_init_op=self._ready_for_local_init_op,
            graph=self._graph,
            recovery_wait_secs=recovery_wait_secs,
            local_init_run_options=local_init_run_options,
        )
        self._check_devices()
        self._graph.finalize()

    def _check_devices(self) -> None:
        """A worker's variables live elsewhere: without devices that is an oversight."""
        if not self._is_chief:
            for op in self._graph.get_operations():
                if op.type in ("Variable", "VariableV2") and not op.device:
                    raise ValueError(
                        "When using replicas, all Variables must have their device set. "
                        f"Received: {op.name} without one"
                    )

    @property
    def is_chief(self) -> bool:
        """Whether it initializes and saves."""
        return self._is_chief

    @property
    def session_manager(self) -> SessionManager:
        """Makes the sessions."""
        return self._session_manager

    @property
    def coord(self) -> Coordinator:
        """Stops the threads."""
        return self._coord

    @property
    def init_op(self) -> Any:
        """Initializes the model."""
        return self._init_op

    @property
    def init_feed_dict(self) -> Any:
        """What is fed to `init_op`."""
        return self._init_feed_dict

    @property
    def ready_op(self) -> Any:
        """A tensor of the names of what is not initialized."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        """The same for what `local_init_op` needs."""
        return self._ready_for_local_init_op

    @property
    def summary_writer(self) -> Any:
        """What writes summaries."""
        return self._summary_writer

    @property
    def summary_op(self) -> Any:
        """All summaries merged."""
        return self._summary_op

    @property
    def save_summaries_secs(self) -> Any:
        """Seconds from one summary to the next."""
        return self._save_summaries_secs

    @property
    def global_step(self) -> Any:
        """The step's tensor."""
        return self._global_step

    @property
    def saver(self) -> Any:
        """What saves and restores."""
        return self._saver

    @property
    def save_model_secs(self) -> Any:
        """Seconds from one checkpoint to the next."""
        return self._save_model_secs

    @property
    def save_path(self) -> Any:
        """How the checkpoints' paths begin."""
        return self._save_path

    def _write_graph(self) -> None:
        if not self._logdir:
            return
        definition = self._graph.as_graph_def(add_shapes=True)
        write_graph(definition, self._logdir, "graph.pbtxt")
        if self._summary_writer is not None and not self._graph_added_to_summary:
            self._summary_writer.add_graph(self._graph)
            with self._graph.as_default():
                saver_def = None if self._saver is None else self._saver.saver_def
                self._summary_writer.add_meta_graph(
                    export_meta_graph(graph_def=definition, saver_def=saver_def)
                )
            self._graph_added_to_summary = True

    def start_standard_services(self, sess: Any) -> list[LooperThread] | None:
        """Starts the threads that save checkpoints and summaries and tell the rate of steps.

        Raises:
          RuntimeError: this is not the chief.
        """
        if not self._is_chief:
            raise RuntimeError(
                "Only chief supervisor can start standard services. Because only chief supervisors can write "
                "events."
            )
        if not self._logdir:
            log.warning("Standard services need a 'logdir' passed to the SessionManager")
            return None
        if self._global_step is not None and self._summary_writer:
            entry = protos.SessionLog(status=protos.SessionLog.START)
            self._summary_writer.add_session_log(entry, step_value(sess, self._global_step))
        threads: list[LooperThread] = []
        if self._save_summaries_secs and self._summary_writer:
            if self._summary_op is not None:
                threads.append(_SummaryThread(self, sess))
            if self._global_step is not None:
                threads.append(_RateThread(self, sess))
        if self._saver is not None and self._save_model_secs:
            threads.append(_CheckpointThread(self, sess))
        for thread in threads:
            thread.start()
        return threads

    def prepare_or_wait_for_session(
        self,
        master: str = "",
        config: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        start_standard_services: bool = True,
    ) -> Any:
        """A session that is ready; the chief makes it so, others wait.

        Args:
          master: the session's target.
          config: a `ConfigProto`.
          wait_for_checkpoint: wait for a checkpoint.
          max_wait_secs: that long at most.
          start_standard_services: start the services and queue runners.
        """
        self._coord.clear_stop()
        if self._summary_writer:
            self._summary_writer.reopen()
        if self._is_chief:
            sess = self._session_manager.prepare_session(
                master,
                init_op=self._init_op,
                saver=self._saver,
                checkpoint_dir=self._logdir,
                wait_for_checkpoint=wait_for_checkpoint,
                max_wait_secs=max_wait_secs,
                config=config,
                init_feed_dict=self._init_feed_dict,
                init_fn=self._init_fn,
            )
            self._write_graph()
            if start_standard_services:
                log.info("Starting standard services.")
                self.start_standard_services(sess)
        else:
            sess = self._session_manager.wait_for_session(master, config, max_wait_secs)
        if start_standard_services:
            log.info("Starting queue runners.")
            self.start_queue_runners(sess)
        return sess

    def start_queue_runners(self, sess: Any, queue_runners: Any = None) -> list[threading.Thread]:
        """Starts the threads of queue runners; default: all of the graph's."""
        if queue_runners is None:
            queue_runners = self._graph.get_collection(GraphKeys.QUEUE_RUNNERS)
        return [
            t for r in queue_runners for t in r.create_threads(sess, self._coord, daemon=True, start=True)
        ]

    def loop(
        self,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
    ) -> LooperThread:
        """Starts a thread that calls `target(*args, **kwargs)` at intervals until the stop."""
        return LooperThread.loop(self._coord, timer_interval_secs, target, args, kwargs)

    def stop(
        self, threads: Any = None, close_summary_writer: bool = True, ignore_live_threads: bool = False
    ) -> None:
        """Stops the services and waits for the threads; raises what one of them has raised."""
        self._coord.request_stop()
        try:
            self._coord.join(
                threads,
                stop_grace_period_secs=self._stop_grace_secs,
                ignore_live_threads=ignore_live_threads,
            )
        finally:
            closed = getattr(self._summary_writer, "_closed", False)  # by another call, or by the program
            if close_summary_writer and self._summary_writer and not closed:
                self._summary_writer.add_session_log(protos.SessionLog(status=protos.SessionLog.STOP))
                self._summary_writer.close()
                self._graph_added_to_summary = False

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop."""
        self._coord.request_stop(ex)

    def should_stop(self) -> bool:
        """Whether a stop was requested."""
        return self._coord.should_stop()

    def stop_on_exception(self) -> Any:
        """A context in which an exception becomes a request to stop."""
        return self._coord.stop_on_exception()

    def wait_for_stop(self) -> None:
        """Waits until a stop is requested."""
        self._coord.wait_for_stop()

    def summary_computed(self, sess: Any, summary: Any, global_step: Any = None) -> None:
        """Writes a summary that the program has computed.

        Raises:
          TypeError: `summary` is not bytes or a message.
          RuntimeError: there is no summary writer.
        """
        if not self._summary_writer:
            raise RuntimeError("Writing a summary requires a summary writer.")
        if global_step is None and self._global_step is not None:
            global_step = step_value(sess, self._global_step)
        self._summary_writer.add_summary(summary, global_step)

    @contextlib.contextmanager
    def managed_session(
        self,
        master: str = "",
        config: Any = None,
        start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Any]:
        """A session that is ready, with its services; the end of the block stops them.

        Exceptions of the block and of threads are raised at its end, but for the end of the data.
        """
        try:
            sess = self.prepare_or_wait_for_session(
                master, config, start_standard_services=start_standard_services
            )
            yield sess
        except Exception as error:
            self.request_stop(error)
        finally:
            try:
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                with contextlib.suppress(Exception):
                    sess.close()  # pyright: ignore[reportPossiblyUnboundVariable]

    PrepareSession = prepare_or_wait_for_session
    StartQueueRunners = start_queue_runners
    StartStandardServices = start_standard_services
    Stop = stop
    RequestStop = request_stop
    Loop = loop
    ShouldStop = should_stop
    StopOnException = stop_on_exception
    WaitForStop = wait_for_stop
    SummaryComputed = summary_computed


def _found(given: Any, key: str, make: Callable[[], Any]) -> Any:
    """What was given, else the collection's first item, else a new one, which is added to it."""
    if given is not USE_DEFAULT:
        return given
    graph = get_default_graph()
    items = graph.get_collection(key)
    if items:
        return items[0]
    made = make()
    if made is not None:
        graph.add_to_collection(key, made)
    return made


def _local_init_op() -> Any:
    return group(sets.local_variables_initializer(), tables_initializer())


def _saver() -> Saver | None:
    return Saver() if sets.global_variables() else None


def _global_step() -> Any:
    try:
        found = get_default_graph().get_tensor_by_name("global_step:0")
    except KeyError:
        return None
    if found.dtype.base_dtype.is_integer:
        return found
    log.warning("Found 'global_step' is not an int type: %s", found.dtype)
    return None


class _SummaryThread(LooperThread):
    """Writes summaries."""

    def __init__(self, supervisor: Supervisor, sess: Any) -> None:
        super().__init__(supervisor.coord, supervisor.save_summaries_secs)
        self._supervisor, self._session = supervisor, sess

    def run_loop(self) -> None:
        supervisor = self._supervisor
        if supervisor.global_step is None:
            summaries, step = self._session.run(supervisor.summary_op), None
        else:
            summaries, step = self._session.run([supervisor.summary_op, supervisor.global_step])
        if supervisor.summary_writer:
            log.info("Recording summary at step %s.", step)
            supervisor.summary_writer.add_summary(summaries, step)


class _RateThread(LooperThread):
    """Tells how many steps there are in a second."""

    def __init__(self, supervisor: Supervisor, sess: Any) -> None:
        super().__init__(supervisor.coord, supervisor.save_summaries_secs)
        self._supervisor, self._session = supervisor, sess
        self._tag = f"{supervisor.global_step.op.name}/sec"

    def start_loop(self) -> None:
        self._last_time = time.time()
        self._last_step = step_value(self._session, self._supervisor.global_step)

    def run_loop(self) -> None:
        step, now = step_value(self._session, self._supervisor.global_step), time.time()
        added, elapsed = step - self._last_step, now - self._last_time
        self._last_step, self._last_time = step, now
        rate = added / elapsed if elapsed > 0 else float("inf")
        if self._supervisor.summary_writer:
            value = protos.Summary.Value(tag=self._tag, simple_value=rate)
            self._supervisor.summary_writer.add_summary(protos.Summary(value=[value]), step)
        log.info("%s: %g", self._tag, rate)


class _CheckpointThread(LooperThread):
    """Saves checkpoints."""

    def __init__(self, supervisor: Supervisor, sess: Any) -> None:
        super().__init__(supervisor.coord, supervisor.save_model_secs)
        self._supervisor, self._session = supervisor, sess

    def run_loop(self) -> None:
        supervisor = self._supervisor
        log.info("Saving checkpoint to path %s", supervisor.save_path)
        supervisor.saver.save(self._session, supervisor.save_path, global_step=supervisor.global_step)
        if supervisor.summary_writer and supervisor.global_step is not None:
            entry = protos.SessionLog(
                status=protos.SessionLog.CHECKPOINT, checkpoint_path=supervisor.save_path
            )
            step = step_value(self._session, supervisor.global_step)
            supervisor.summary_writer.add_session_log(entry, step)


@public("train.basic_train_loop", "python.training.basic_loops.basic_train_loop")
def basic_train_loop(
    supervisor: Supervisor,
    train_step_fn: Callable[..., Any],
    args: Any = None,
    kwargs: Any = None,
    master: str = "",
) -> None:
    """Calls `train_step_fn(session, *args, **kwargs)` until the supervisor says stop.

    Args:
      supervisor: makes the session.
      train_step_fn: one step.
      args, kwargs: its further arguments.
      master: the session's target.
    """
    with supervisor.managed_session(master) as sess:
        while not supervisor.should_stop():
            train_step_fn(sess, *(args or ()), **(kwargs or {}))
