"""`FeedingQueueRunner`: threads that feed what they put into a queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.core.public import public
from millrace.training.coordination.queue_runner import QueueRunner


@public("contrib.training.FeedingQueueRunner")
class FeedingQueueRunner(QueueRunner):
    """A queue runner whose threads feed what they put into the queue.

    Args:
      queue: the queue.
      enqueue_ops: the operations that fill it, one for each thread.
      close_op, cancel_op, queue_closed_exception_types: as for `QueueRunner`.
      feed_fns: for each operation a function without arguments that gives the `feed_dict` of its next run;
        OutOfRangeError from one of them means the end of the data.

    Raises:
      ValueError: queue or operations are missing, or there is not one function for each operation.
      TypeError: `queue_closed_exception_types` is not a tuple of error classes.
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Sequence[Any] | None = None,
        close_op: Any = None,
        cancel_op: Any = None,
        feed_fns: Sequence[Callable[[], dict[Any, Any]]] | None = None,
        queue_closed_exception_types: Any = None,
    ) -> None:
        ops, functions = list(enqueue_ops or ()), list(feed_fns or ())
        if feed_fns is not None and len(ops) != len(functions):
            raise ValueError(
                "FeedingQueueRunner: enqueue_ops and feed_fns must be of one length. "
                f"Received: {len(ops)} and {len(functions)}"
            )
        super().__init__(queue, ops, close_op, cancel_op, queue_closed_exception_types)
        self._feeds = functions or [dict for _ in ops]
        self._taken = 0

    def _enqueuer(self, sess: Any, enqueue_op: Any) -> Any:
        with self._lock:
            place = self._taken % len(self._feeds)
            self._taken += 1
        op, feed = self._enqueue_ops[place], self._feeds[place]
        return lambda: sess.run(op, feed_dict=feed())

    def to_proto(self, export_scope: str | None = None) -> Any:
        """A runner that feeds cannot be written down.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError(
            f"{type(self).__name__} from feed functions cannot be written as a QueueRunnerDef"
        )
