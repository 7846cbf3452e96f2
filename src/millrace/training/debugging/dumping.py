"""Writing dumps: a run whose options watch tensors, and the session and hook that watch each run."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import urllib.parse
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.exchange.tensor_messages import make_tensor_proto
from millrace.runtime.plan.planner import Step
from millrace.training.debugging import dumps, watches
from millrace.training.debugging.numbers import dumped
from millrace.training.debugging.wrapping import WrapperSession
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook

_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"
_FOLDER = dumps.DEVICE + _DEVICE.replace("/", ",").replace(":", "_")


class Dump:
    """An observer of one run: writes the tensors that its options watch into the folders they name.

    Args:
      options: the `DebugOptions` of the run.
      ops: the operations that the run needs.
      names: of what is fed, fetched as a tensor, and run as an operation.
      run: how many runs the session has begun.

    Raises:
      ValueError: an address is not a folder: only `file://` is written to.
    """

    def __init__(self, options: Any, ops: Sequence[Any], names: tuple[list[str], ...], run: int) -> None:
        self._watched: dict[tuple[str, int], list[tuple[str, str]]] = {}
        folders: dict[str, None] = {}
        for watch in options.debug_tensor_watch_opts:
            for url in watch.debug_urls:
                folder = _folder(url)
                folders[folder] = None
                kinds = self._watched.setdefault((watch.node_name, watch.output_slot), [])
                kinds += [(folder, kind) for kind in watch.debug_ops or ["DebugIdentity"]]
        about = dumps.CoreMetadata(options.global_step, run, 0, *names)
        graph = protos.GraphDef(node=[op.node_def for op in ops])
        for folder in folders:
            _message(
                os.path.join(folder, f"{dumps.METADATA}sessionrun{run:014d}"), json.dumps(about._asdict())
            )
            text = graph.SerializeToString()
            name = f"{dumps.GRAPH}hash{zlib.crc32(text)}_{_now()}"
            _write(os.path.join(folder, _FOLDER, name), protos.Event(wall_time=_now(), graph_def=text))

    def feed(self, fed: Sequence[tuple[Any, Any]]) -> None:
        """Dumps what was fed: (tensor, value) of each."""
        for tensor, value in fed:
            self._dump(tensor, value)

    def __call__(self, part: Any, start: int, end: int, results: Sequence[Any]) -> None:
        """Dumps what a part of the run has computed."""
        given = dict(zip(part.gives, results, strict=True))
        for step in part.steps:
            if isinstance(step, Step):
                for tensor, value in zip(step.op.outputs, step.outputs, strict=False):
                    if value in given:
                        self._dump(tensor, given[value])

    def _dump(self, tensor: Any, value: Any) -> None:
        name, slot = tensor.op.name, tensor.value_index
        for folder, kind in (*self._watched.get((name, slot), ()), *self._watched.get((name, -1), ())):
            if not hasattr(value, "dtype"):
                continue  # a resource or a list has no number to show
            moment = _now()
            event = protos.Event(wall_time=moment)
            shown = event.summary.value.add(tag=name, node_name=f"{tensor.name}:{kind}")
            shown.tensor.CopyFrom(make_tensor_proto(dumped(kind, value)))
            shown.metadata.plugin_data.plugin_name = "debugger"
            place = {"device": _DEVICE, "outputSlot": slot, "numChunks": 1, "chunkIndex": 0}
            shown.metadata.plugin_data.content = json.dumps(place).encode()
            _write(os.path.join(folder, _FOLDER, f"{name}_{slot}_{kind.partition('(')[0]}_{moment}"), event)


class _Roots:
    """Gives each run a folder of its own below one folder, and its options what to watch."""

    def __init__(self, session_root: str, watch_fn: Any) -> None:
        if os.path.isfile(session_root):
            raise ValueError(f"session_root path points to a file: {session_root}")
        if os.path.isdir(session_root) and os.listdir(session_root):
            raise ValueError(f"session_root path points to a non-empty directory: {session_root}")
        if watch_fn is not None and not callable(watch_fn):
            raise TypeError(f"watch_fn is not callable. Received: {watch_fn!r}")
        self.root, self._watch_fn, self.calls = session_root, watch_fn, 0

    def prepare(self, options: Any, graph: Any, fetches: Any, feed_dict: Any) -> None:
        """Fills in a `RunOptions`."""
        folder = os.path.join(self.root, f"run_{_now()}_{self.calls}")
        self.calls += 1
        found = self._watch_fn(fetches, feed_dict) if self._watch_fn else watches.WatchOptions()
        if isinstance(found, tuple):  # as of old: (operations, pattern of names, pattern of types)
            found = watches.WatchOptions(*found)
        watches.watch_graph(options, graph, debug_urls=f"file://{folder}", **vars(found))
        _message(os.path.join(folder, dumps.FETCHES), repr(fetches), stamped=False)
        keys = feed_dict.keys() if feed_dict else None
        _message(os.path.join(folder, dumps.FEEDS), repr(keys), stamped=False)


@public(
    "python.debug.DumpingDebugWrapperSession",
    "python.debug.wrappers.dumping_wrapper.DumpingDebugWrapperSession",
)
class DumpingDebugWrapperSession(WrapperSession):
    """A session whose runs dump the tensors they compute, each run into `session_root/run_TIME_COUNT`.

    Args:
      sess: the session to wrap.
      session_root: a folder that is empty or not there yet.
      watch_fn: takes the fetches and feeds of a run, gives its `WatchOptions`; by default all is watched.
      thread_name_filter: only runs of threads whose name matches; others are not dumped.
      pass_through_operrors, log_usage: accepted; errors of a run always reach the caller.

    Raises:
      TypeError: `sess` is not a session, or `watch_fn` not a function.
      ValueError: the folder is a file, or not empty.
    """

    def __init__(
        self,
        sess: Any,
        session_root: str,
        watch_fn: Callable[[Any, Any], Any] | None = None,
        thread_name_filter: str | None = None,
        pass_through_operrors: bool | None = None,
        log_usage: bool = True,
    ) -> None:
        super().__init__(sess, "DumpingDebugHook")
        self._threads = thread_name_filter
        self._roots = _Roots(session_root, watch_fn)

    @property
    def run_call_count(self) -> int:
        """How often a run was dumped."""
        return self._roots.calls

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """As `Session.run`, and dumps."""
        if not _thread_fits(self._threads):
            return self._sess.run(fetches, feed_dict, options, run_metadata)
        filled = protos.RunOptions()
        if options is not None:
            filled.CopyFrom(options)
        self._roots.prepare(filled, self._sess.graph, fetches, feed_dict)
        return self._sess.run(fetches, feed_dict, filled, run_metadata)


@public("python.debug.DumpingDebugHook", "python.debug.wrappers.hooks.DumpingDebugHook")
class DumpingDebugHook(SessionRunHook):
    """The same for the runs of a monitored session.

    Args:
      session_root, watch_fn, thread_name_filter: as for `DumpingDebugWrapperSession`.
      log_usage: accepted.
    """

    def __init__(
        self,
        session_root: str,
        watch_fn: Callable[[Any, Any], Any] | None = None,
        thread_name_filter: str | None = None,
        log_usage: bool = True,
    ) -> None:
        self._roots, self._threads = _Roots(session_root, watch_fn), thread_name_filter

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Has the run dumped."""
        options = protos.RunOptions()
        if _thread_fits(self._threads):
            asked = run_context.original_args
            self._roots.prepare(options, run_context.session.graph, asked.fetches, asked.feed_dict)
        return SessionRunArgs(None, None, options=options)


def _thread_fits(pattern: str | None) -> bool:
    if pattern is None:
        return True
    return re.match(pattern, threading.current_thread().name) is not None


def _folder(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "file":
        raise ValueError(f"A debug URL names a folder, as file:///tmp/dumps does. Received: {url!r}")
    return parts.netloc + urllib.parse.unquote(parts.path)


def _now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def _message(path: str, text: str, stamped: bool = True) -> None:
    event = protos.Event(wall_time=_now() if stamped else 0.0)
    event.log_message.message = text
    _write(f"{path}_{_now()}" if stamped else path, event)


def _write(path: str, event: Any) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(event.SerializeToString())
