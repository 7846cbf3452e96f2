"""`tf.contrib.summary`: writers, the default one, and when summaries are recorded."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.core import errors
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph, get_default_session
from millrace.graph.graph import Graph
from millrace.ops.array.constant import constant, placeholder
from millrace.training.global_step import get_or_create_global_step

_INIT, OPERATIONS = "_SUMMARY_WRITER_V2", "_SUMMARY_V2"


class _State(threading.local):
    """A thread's default writer, whether summaries are recorded, and at which step."""

    writer: Any = None
    recording: Any = None
    step: Any = None


state = _State()


def default_writer() -> Any:
    """The thread's default writer, or None."""
    return state.writer


@public("contrib.summary.SummaryWriter")
class SummaryWriter:
    """A writer that writes nothing, and what all can do; `create_file_writer` makes one that writes."""

    def set_as_default(self) -> None:
        """Makes it the default writer of the thread."""
        state.writer = self

    @contextlib.contextmanager
    def as_default(self) -> Iterator[Any]:
        """Makes it the default writer within a `with`."""
        before = state.writer
        state.writer = self
        try:
            yield self
            self.flush()
        finally:
            state.writer = before

    def init(self) -> Any:
        """The operation that opens the writer."""
        return raw.NoOp()

    def flush(self) -> Any:
        """An operation that hands what is pending to the operating system."""
        return raw.NoOp()

    def close(self) -> Any:
        """An operation that closes the writer."""
        return raw.NoOp()


class ResourceSummaryWriter(SummaryWriter):
    """A writer with a handle.

    Args:
      shared_name: of the writer in its session.
      open_with: of the handle to the operation that opens it.
    """

    def __init__(self, shared_name: str, open_with: Any) -> None:
        self._resource = raw.SummaryWriter(shared_name=shared_name)
        self._init_op = open_with(self._resource)
        get_default_graph().add_to_collection(_INIT, self._init_op)
        self._closed = False

    @property
    def resource(self) -> Any:
        """The handle."""
        return self._resource

    def init(self) -> Any:
        """The operation that opens the writer."""
        return self._init_op

    def flush(self) -> Any:
        """An operation that hands what is pending to the operating system."""
        return raw.FlushSummaryWriter(self._resource)

    def close(self) -> Any:
        """An operation that writes what is pending and closes the writer."""
        with control_dependencies([self.flush()]):
            return raw.CloseSummaryWriter(self._resource)


@public("contrib.summary.create_file_writer")
def create_file_writer(
    logdir: str | None,
    max_queue: Any = None,
    flush_millis: Any = None,
    filename_suffix: Any = None,
    name: str | None = None,
) -> SummaryWriter:
    """A writer of event files.

    Args:
      logdir: the folder; None: a writer that writes nothing.
      max_queue: how many events may wait before they are handed to the operating system; default 10.
      flush_millis: how many milliseconds they may; default two minutes.
      filename_suffix: ends the file's name; default ".v2".
      name: the writer's name in its session: writers of one name share a file; default: the folder.
    """
    if logdir is None:
        return SummaryWriter()
    logdir = os.fspath(logdir)
    queue = constant(10) if max_queue is None else convert.to_tensor(max_queue, int32)
    if flush_millis is None:
        flush_millis = constant(2 * 60 * 1000)
    suffix = constant(".v2") if filename_suffix is None else filename_suffix
    return ResourceSummaryWriter(
        f"logdir:{logdir}" if name is None else name,
        lambda handle: raw.CreateSummaryFileWriter(handle, logdir, queue, flush_millis, suffix),
    )


@public("contrib.summary.create_summary_file_writer")
def create_summary_file_writer(*args: Any, **kwargs: Any) -> SummaryWriter:
    """The old name of `create_file_writer`."""
    return create_file_writer(*args, **kwargs)


@public("contrib.summary.create_db_writer")
def create_db_writer(
    db_uri: str,
    experiment_name: str | None = None,
    run_name: str | None = None,
    user_name: str | None = None,
    name: str | None = None,
) -> SummaryWriter:
    """Summaries into an SQLite database, which TensorBoard stopped reading before 1.15: refused.

    Raises:
      UnimplementedError: always; `create_file_writer` writes what TensorBoard reads.
    """
    del experiment_name, run_name, user_name, name
    raise errors.UnimplementedError(
        None,
        None,
        f"create_db_writer: databases are not written; use create_file_writer. Received: {db_uri!r}",
    )


@public("contrib.summary.should_record_summaries")
def should_record_summaries() -> Any:
    """Whether summaries are recorded here, a bool scalar; False where nothing was said."""
    return should_record(default=False)


def should_record(default: bool) -> Any:
    """Whether summaries are recorded here, a bool scalar; `default` where nothing was said."""
    condition = default if state.recording is None else state.recording
    return raw.LogicalAnd(True, condition() if callable(condition) else condition)


@contextlib.contextmanager
def recording_where(condition: Any) -> Iterator[None]:
    """A `with` in which summaries are recorded where `condition` holds: a bool, a tensor or a function."""
    before = state.recording
    state.recording = condition
    try:
        yield
    finally:
        state.recording = before


@public("contrib.summary.always_record_summaries")
def always_record_summaries() -> Any:
    """A `with` in which summaries are recorded at every step."""
    return recording_where(True)


@public("contrib.summary.never_record_summaries")
def never_record_summaries() -> Any:
    """A `with` in which no summaries are recorded."""
    return recording_where(False)


@public("contrib.summary.record_summaries_every_n_global_steps")
def record_summaries_every_n_global_steps(n: int, global_step: Any = None) -> Any:
    """A `with` in which summaries are recorded where `n` divides the global step.

    Args:
      n: how many steps lie between.
      global_step: the step; default: the graph's, which is made where there is none.
    """
    step = get_or_create_global_step() if global_step is None else global_step
    return recording_where(raw.Equal(convert.to_tensor(step) % n, 0))


@public("contrib.summary.all_summary_ops", "summary.all_v2_summary_ops")
def all_summary_ops() -> list[Any]:
    """What the summaries of the graph give: bool tensors, whether each was recorded."""
    return get_default_graph().get_collection(OPERATIONS)


@public("contrib.summary.summary_writer_initializer_op")
def summary_writer_initializer_op() -> list[Any]:
    """The operations that open the writers of the graph."""
    return get_default_graph().get_collection(_INIT)


@public("contrib.summary.initialize", "summary.initialize")
def initialize(graph: Any = None, session: Any = None) -> None:
    """Opens the writers of the graph, once before training.

    Args:
      graph: a graph, or a GraphDef, that is written.
      session: where; default: the default session.

    Raises:
      ValueError: there is no session.
    """
    if default_writer() is None:
        return
    session = session or get_default_session()
    if session is None:
        raise ValueError("Argument `session must be passed if no default session exists")
    session.run(summary_writer_initializer_op())
    if graph is not None:
        fed = placeholder("string")
        data = graph.as_graph_def(add_shapes=True) if isinstance(graph, Graph) else graph
        write = raw.WriteGraphSummary(default_writer().resource, 0, fed)
        session.run(write, feed_dict={fed: data.SerializeToString()})


@public("contrib.summary.flush")
def flush(writer: Any = None, name: str | None = None) -> Any:
    """An operation that hands what is pending to the operating system.

    Args:
      writer: which; default: the default writer.
      name: of the operation.
    """
    writer = default_writer() if writer is None else writer
    if not isinstance(writer, ResourceSummaryWriter):
        return raw.NoOp()
    return raw.FlushSummaryWriter(writer.resource, name=name)


@public("contrib.summary.eval_dir")
def eval_dir(model_dir: str, name: str | None = None) -> str:
    """The folder below a model's in which an evaluation writes: "eval", or "eval_" and a name."""
    return os.path.join(model_dir, "eval" if not name else f"eval_{name}")
