"""`QueueRunner`: threads that fill a queue."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any

from millrace.core import errors, protos
from millrace.core.collection_protos import register_proto_function
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph.keys import GraphKeys
from millrace.lib.platform import log
from millrace.session.session import BaseSession
from millrace.training.coordination.coordinator import Coordinator


@public(
    "train.QueueRunner", "train.queue_runner.QueueRunner", "python.training.queue_runner_impl.QueueRunner"
)
class QueueRunner:
    """Runs the operations that put something into a queue, each in a thread of its own.

    When one raises an error that means the end of the data, the queue is closed as soon as all have
    ended. Any other error stops the coordinator, or is kept in `exceptions_raised` where there is none.

    Args:
      queue: a queue.
      enqueue_ops: the operations, one thread each; one may stand there several times.
      close_op: closes the queue; default: `queue.close()`.
      cancel_op: closes it and calls off what waits; default: `queue.close(cancel_pending_enqueues=True)`.
      queue_closed_exception_types: a tuple of the errors that mean the end of the data; default:
        `(tf.errors.OutOfRangeError,)`.
      queue_runner_def: a `QueueRunnerDef` message to read all of that from instead.
      import_scope: the name scope under which the message's graph was imported.

    Raises:
      ValueError: queue or operations are missing, or given beside a message.
      TypeError: `queue_closed_exception_types` is not a tuple of error classes.
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Any = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: Any = None,
        queue_runner_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if queue_runner_def is not None:
            if queue is not None or enqueue_ops:
                raise ValueError("QueueRunner: queue_runner_def and queue are mutually exclusive.")
            self._read(queue_runner_def, import_scope)
        else:
            self._set(queue, enqueue_ops, close_op, cancel_op, queue_closed_exception_types)
        self._lock = threading.Lock()
        self._running: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._raised: list[Exception] = []

    def _set(self, queue: Any, enqueue_ops: Any, close_op: Any, cancel_op: Any, types: Any) -> None:
        if queue is None or not enqueue_ops:
            raise ValueError(
                f"QueueRunner: a queue and enqueue_ops are needed. Received: {queue!r}, {enqueue_ops!r}"
            )
        if types is None:
            types = (errors.OutOfRangeError,)
        elif (
            not isinstance(types, tuple)
            or not types
            or not all(isinstance(t, type) and issubclass(t, errors.OpError) for t in types)
        ):
            raise TypeError(
                "QueueRunner: queue_closed_exception_types must be a tuple of subclasses of "
                f"tf.errors.OpError. Received: {types!r}"
            )
        self._queue = queue
        self._enqueue_ops = enqueue_ops
        self._close_op = close_op if close_op is not None else queue.close()
        self._cancel_op = cancel_op if cancel_op is not None else queue.close(cancel_pending_enqueues=True)
        self._closed_types = types

    def _read(self, message: Any, import_scope: str | None) -> None:
        if not hasattr(message, "enqueue_op_name"):
            raise TypeError(f"QueueRunner: a QueueRunnerDef is needed. Received: {message!r}")
        graph = defaults.get_default_graph()

        def element(name: str) -> Any:
            return graph.as_graph_element(f"{import_scope}/{name}" if import_scope else name)

        self._queue = element(message.queue_name)
        self._enqueue_ops = [element(name) for name in message.enqueue_op_name]
        self._close_op = element(message.close_op_name)
        self._cancel_op = element(message.cancel_op_name)
        codes = message.queue_closed_exception_types
        types = tuple(errors.exception_type_from_error_code(code) for code in codes)
        self._closed_types = types or (errors.OutOfRangeError,)

    @property
    def queue(self) -> Any:
        """The queue; the operation that makes it where the runner was read from a message."""
        return self._queue

    @property
    def enqueue_ops(self) -> Any:
        """The operations that put something into the queue."""
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        """The operation that closes the queue."""
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        """The operation that closes the queue and calls off what waits."""
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple[type[errors.OpError], ...]:
        """The errors that mean the end of the data."""
        return self._closed_types

    @property
    def exceptions_raised(self) -> list[Exception]:
        """What the threads have raised, where no coordinator was told."""
        return self._raised

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.name

    def create_threads(
        self, sess: Any, coord: Coordinator | None = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """Makes the threads that fill the queue in one session, and one that closes it at a stop.

        Args:
          sess: the session.
          coord: told of errors; when it stops, the queue is closed.
          daemon: make them threads that do not keep the process alive.
          start: start them.

        Returns:
          The threads; none while those of an earlier call are running in the same session.
        """
        with self._lock:
            if self._running.get(sess, 0) > 0:
                return []
            self._running[sess] = len(self._enqueue_ops)
            self._raised = []
        label = f"QueueRunnerThread-{self.name}"
        threads = [
            threading.Thread(target=self._run, args=(sess, op, coord), name=f"{label}-{op.name}")
            for op in self._enqueue_ops
        ]
        if coord is not None:
            closer = threading.Thread(
                target=self._close_on_stop, args=(sess, coord), name=f"{label}-close_on_stop"
            )
            threads.append(closer)
        for thread in threads:
            if coord is not None:
                coord.register_thread(thread)
            if daemon:
                thread.daemon = True
            if start:
                thread.start()
        return threads

    def _run(self, sess: Any, enqueue_op: Any, coord: Coordinator | None) -> None:
        """Puts elements into the queue until the data, the program or the patience of `coord` ends."""
        at_end = False
        try:
            enqueue = self._enqueuer(sess, enqueue_op)
            while coord is None or not coord.should_stop():
                enqueue()
        except self._closed_types:
            at_end = True
        except Exception as error:
            if coord is not None:
                with contextlib.suppress(type(error)):  # nobody listens any more when all were joined
                    coord.request_stop(error)
            else:
                log.error("Exception in QueueRunner: %s", error)
                with self._lock:
                    self._raised.append(error)
        finally:
            with self._lock:
                self._running[sess] -= 1
                last = at_end and self._running[sess] == 0
        if last:
            self._quietly(sess, self._close_op)

    def _enqueuer(self, sess: Any, enqueue_op: Any) -> Any:
        """What puts an element, or several, into the queue each time it is called."""
        return (sess.make_repeated if isinstance(sess, BaseSession) else sess.make_callable)(enqueue_op)

    def _close_on_stop(self, sess: Any, coord: Coordinator) -> None:
        coord.wait_for_stop()
        self._quietly(sess, self._cancel_op)

    def _quietly(self, sess: Any, op: Any) -> None:
        """Closes the queue; that the session may be closed already is not a matter."""
        try:
            sess.run(op)
        except Exception as error:
            log.debug("Ignored exception: %s", error)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The runner as a `QueueRunnerDef` message; None when its queue lies outside of `export_scope`."""
        if export_scope is not None and not self._queue.name.startswith(export_scope):
            return None
        strip = len(export_scope) + 1 if export_scope else 0
        codes = [errors.error_code_from_exception_type(t) for t in self._closed_types]
        return protos.QueueRunnerDef(
            queue_name=self._queue.name[strip:],
            enqueue_op_name=[op.name[strip:] for op in self._enqueue_ops],
            close_op_name=self._close_op.name[strip:],
            cancel_op_name=self._cancel_op.name[strip:],
            queue_closed_exception_types=codes,
        )

    @staticmethod
    def from_proto(queue_runner_def: Any, import_scope: str | None = None) -> QueueRunner:
        """The runner that a `QueueRunnerDef` message describes, in the default graph."""
        return QueueRunner(queue_runner_def=queue_runner_def, import_scope=import_scope)


@public(
    "train.add_queue_runner",
    "train.queue_runner.add_queue_runner",
    "python.training.queue_runner_impl.add_queue_runner",
)
def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Adds a runner to a collection of the default graph, for `start_queue_runners`."""
    defaults.get_default_graph().add_to_collection(collection, qr)


@public(
    "train.start_queue_runners",
    "train.queue_runner.start_queue_runners",
    "python.training.queue_runner_impl.start_queue_runners",
)
def start_queue_runners(
    sess: Any = None,
    coord: Coordinator | None = None,
    daemon: bool = True,
    start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Starts all runners of a collection.

    Args:
      sess: a session; default: the default session.
      coord: told of errors; when it stops, the queues are closed.
      daemon: make threads that do not keep the process alive.
      start: start the threads.
      collection: of the session's graph.

    Returns:
      All threads.

    Raises:
      ValueError: no session is given and there is no default one.
      TypeError: `sess` is not a session.
    """
    if sess is None:
        sess = defaults.get_default_session()
        if sess is None:
            raise ValueError(
                "Cannot start queue runners: there is no default session. Use `with sess.as_default()` or "
                "pass a session to start_queue_runners(sess=sess)."
            )
    if not isinstance(sess, BaseSession):
        if getattr(sess, "starts_queue_runners", False):
            return []
        raise TypeError(f"start_queue_runners: sess must be a tf.Session. Received: {type(sess)}")
    runners = sess.graph.get_collection(collection)
    if not runners:
        log.warning(
            "`tf.train.start_queue_runners()` was called when no queue runners were defined. You can safely "
            "remove the call to this deprecated function."
        )
    with sess.graph.as_default():
        return [t for r in runners for t in r.create_threads(sess, coord, daemon, start)]


register_proto_function(
    GraphKeys.QUEUE_RUNNERS,
    "QueueRunnerDef",
    to_proto=QueueRunner.to_proto,
    from_proto=QueueRunner.from_proto,
)
