"""`tf.summary.FileWriter`: summaries, graphs and run statistics into event files, and reading them back."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from millrace.core import protos
from millrace.core.parsing import parsed
from millrace.core.public import public
from millrace.core.version import VERSION
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.opkit.records import tfrecord as records
from millrace.summaries.events_writer import EventFileWriter


@public("summary.FileWriter", "train.SummaryWriter")
class FileWriter:
    """Writes summaries and graphs to a new event file, which TensorBoard shows.

        with tf.summary.FileWriter("logs", session.graph) as writer:
            writer.add_summary(session.run(merged), step)

    Args:
      logdir: the folder; made where it does not exist.
      graph: a graph to write first.
      max_queue: how many events may wait before they are handed to the operating system.
      flush_secs: how many seconds they may.
      graph_def: a GraphDef to write first, where there is no graph.
      filename_suffix: ends the file's name.
      session: kept from TensorFlow; events are written by Python either way.

    Example:
      >>> import tempfile
      >>> loss = tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=0.5)])
      >>> with tf.summary.FileWriter(tempfile.mkdtemp()) as writer:
      ...     writer.add_summary(loss, global_step=1)
    """

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ) -> None:
        self.event_writer = EventFileWriter(logdir, max_queue, flush_secs, filename_suffix)
        self._described: set[str] = set()
        self._run_tags: set[str] = set()
        self._warned = False
        if isinstance(graph, Graph) and graph_def is None:
            meta = protos.MetaGraphDef(graph_def=graph.as_graph_def(add_shapes=True))
            meta.meta_info_def.tensorflow_version = VERSION
            self.add_graph(meta.graph_def)
            self.add_meta_graph(meta)
        elif graph is not None or graph_def is not None:
            self.add_graph(graph, graph_def=graph_def)

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def get_logdir(self) -> str:
        """The folder of the event file."""
        return self.event_writer.get_logdir()

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Writes a summary.

        Args:
          summary: a `Summary`, or one serialized, as `session.run` returns it.
          global_step: an integer, the place on the horizontal axis.
        """
        if isinstance(summary, bytes):
            summary = parsed(protos.Summary, summary, "FileWriter.add_summary: the summary")
        else:
            summary = protos.Summary.FromString(summary.SerializeToString())
        for value in summary.value:
            # A tag's metadata are written once.
            if value.HasField("metadata"):
                if value.tag in self._described:
                    value.ClearField("metadata")
                self._described.add(value.tag)
        self._add(global_step, summary=summary)

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Writes a `SessionLog`: that a session started, stopped or saved a checkpoint."""
        self._add(global_step, session_log=session_log)

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Writes a graph.

        Args:
          graph: a Graph, or a GraphDef as in the first releases.
          global_step: an integer.
          graph_def: a GraphDef, where there is no graph.

        Raises:
          TypeError: `graph` is neither.
          ValueError: neither or both are given.
        """
        if (graph is None) == (graph_def is None):
            raise ValueError(f"add_graph: give either a graph or a graph_def. Received: {graph}, {graph_def}")
        if isinstance(graph, Graph):
            graph_def = graph.as_graph_def(add_shapes=True)
        elif graph is not None:
            if not hasattr(graph, "SerializeToString"):
                raise TypeError(f"add_graph: the graph must be a tf.Graph. Received: {type(graph).__name__}")
            graph_def = graph
        self._add(global_step, graph_def=graph_def.SerializeToString())

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Writes a `MetaGraphDef`.

        Raises:
          TypeError: it is something else.
        """
        if not isinstance(meta_graph_def, protos.MetaGraphDef):
            raise TypeError(
                f"add_meta_graph: takes a MetaGraphDef. Received: {type(meta_graph_def).__name__}"
            )
        self._add(global_step, meta_graph_def=meta_graph_def.SerializeToString())

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Writes the statistics of a run.

        Args:
          run_metadata: a `RunMetadata` that `session.run` filled.
          tag: its name, used once.
          global_step: an integer.

        Raises:
          ValueError: the tag was used before.
        """
        if tag in self._run_tags:
            raise ValueError(f"add_run_metadata: a tag is used once. Received: {tag!r}")
        self._run_tags.add(tag)
        tagged = protos.TaggedRunMetadata(tag=tag, run_metadata=run_metadata.SerializeToString())
        self._add(global_step, tagged_run_metadata=tagged)

    def _add(self, global_step: Any, **what: Any) -> None:
        event = protos.Event(wall_time=time.time(), **what)
        if global_step is not None:
            event.step = int(global_step)
        self.add_event(event)

    def add_event(self, event: Any) -> None:
        """Writes an `Event`; a closed writer only warns."""
        if not self._closed:
            self.event_writer.add_event(event)
        elif not self._warned:
            self._warned = True
            warnings.warn(
                "FileWriter: closed, so events are lost until it is reopened. Received: an event for "
                f"{self.get_logdir()}",
                stacklevel=3,
            )

    @property
    def _closed(self) -> bool:
        return self.event_writer.closed

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self.event_writer.flush()

    def close(self) -> None:
        """Finishes the event file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Begins another event file in the same folder, where this one was closed."""
        self.event_writer.reopen()
        self._warned = False


_writers: dict[str, FileWriter] = {}
_writers_lock = threading.Lock()


@public("summary.FileWriterCache", "train.SummaryWriterCache")
class FileWriterCache:
    """One writer for each folder, shared by all that ask."""

    @staticmethod
    def clear() -> None:
        """Closes the writers and forgets them."""
        with _writers_lock:
            for writer in _writers.values():
                writer.close()
            _writers.clear()

    @staticmethod
    def get(logdir: str) -> FileWriter:
        """The writer of a folder, made with the default graph where there is none yet."""
        with _writers_lock:
            if logdir not in _writers:
                _writers[logdir] = FileWriter(logdir, graph=get_default_graph())
            return _writers[logdir]


@public("train.summary_iterator")
def summary_iterator(path: Any) -> Iterator[Any]:
    """The events of an event file, one after another.

    Args:
      path: of the file.

    Returns:
      An iterator of `Event`s.
    """
    return (
        parsed(protos.Event, record, f"A record of {path}") for record in records.iterate(os.fspath(path))
    )
