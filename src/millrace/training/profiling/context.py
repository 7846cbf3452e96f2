"""`tf.contrib.tfprof`: profiles the runs of a program at given steps, and advises."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.lib.platform import log as logging
from millrace.session.session import BaseSession
from millrace.training.profiling.options import ProfileOptionBuilder
from millrace.training.profiling.profiler import Profiler

_FIRST, _LAST = 10, 50
ALL_ADVICE = public("contrib.tfprof.model_analyzer.ALL_ADVICE")(
    {
        "ExpensiveOperationChecker": {},
        "AcceleratorUtilizationChecker": {},
        "JobChecker": {},
        "OperationChecker": {},
    }
)


@public("contrib.tfprof.ProfileContext")
class ProfileContext:
    """Traces some runs inside a `with` statement, writes what they measured, and shows profiles.

    Args:
      profile_dir: the folder of the files `run_meta_STEP`.
      trace_steps: the numbers of the runs that are traced; default, ten spread over the first fifty.
      dump_steps: those whose traces are written; default, the traced ones.
      enabled: otherwise nothing is done.
      debug: log what is done.

    Raises:
      ValueError: there is no folder to write to.
    """

    def __init__(
        self,
        profile_dir: Any,
        trace_steps: Sequence[int] | None = None,
        dump_steps: Sequence[int] | None = None,
        enabled: bool = True,
        debug: bool = False,
    ) -> None:
        self._enabled, self._debug = enabled, debug
        if not enabled:
            return
        if not profile_dir:
            raise ValueError(f"Must have a directory for profile. Received: {profile_dir!r}")
        self._profiler_dir = os.fspath(profile_dir)
        default = range(_FIRST, _LAST + 1, (_LAST - _FIRST) // 8)
        self._trace_steps = set(default if trace_steps is None else trace_steps)
        self._dump_steps = set(self._trace_steps if dump_steps is None else dump_steps)
        self._auto: list[tuple[str, Any, set[int]]] = []
        self._shown: dict[str, Any] = {}
        self._trace_next = self._dump_next = False
        self._step = 0
        self._profiler: Profiler | None = None

    def add_auto_profiling(self, cmd: str, options: Any, profile_steps: Sequence[int]) -> None:
        """Shows a profile after some runs.

        Args:
          cmd: "scope", "op", "graph" or "code".
          options: as for `tf.profiler.profile`.
          profile_steps: the numbers of the runs.
        """
        if self._enabled:
            self._auto.append((cmd, options, set(profile_steps)))

    @property
    def profiler(self) -> Profiler | None:
        """What has been collected; None before the first traced run."""
        return self._profiler if self._enabled else None

    def trace_next_step(self) -> None:
        """Traces the next run, whatever its number is."""
        if self._enabled:
            self._trace_next = True

    def dump_next_step(self) -> None:
        """Traces the next run and writes what it measured."""
        if self._enabled:
            self._dump_next = True

    def get_profiles(self, cmd: str) -> Any:
        """The profiles of `cmd` so far, by the number of the run.

        Raises:
          ValueError: there are none.
        """
        if cmd not in self._shown:
            raise ValueError(f"No autoprofiler for command: {cmd}, was run")
        return self._shown[cmd]

    def __enter__(self) -> ProfileContext:
        if self._enabled:
            self._original = original = BaseSession.run
            context = self

            def run(self: Any, fetches: Any, *args: Any, **kwargs: Any) -> Any:
                return context._run(original, self, fetches, *args, **kwargs)

            setattr(BaseSession, "run", run)  # noqa: B010
        return self

    def __exit__(
        self,
        exec_type: type[BaseException] | None,
        exec_value: BaseException | None,
        exec_tb: TracebackType | None,
    ) -> None:
        if self._enabled:
            setattr(BaseSession, "run", self._original)  # noqa: B010

    def _run(
        self,
        original: Any,
        session: Any,
        fetches: Any,
        feed_dict: Any = None,
        options: Any = None,
        run_metadata: Any = None,
    ) -> Any:
        step = self._step
        self._step += 1
        wanted = [entry for entry in self._auto if step in entry[2]]
        dumped = step in self._dump_steps or self._dump_next
        if not (wanted or dumped or step in self._trace_steps or self._trace_next):
            return original(session, fetches, feed_dict, options, run_metadata)
        self._trace_next = self._dump_next = False
        options = protos.RunOptions() if options is None else options
        options.trace_level = protos.RunOptions.FULL_TRACE
        metadata = protos.RunMetadata() if run_metadata is None else run_metadata
        found = original(session, fetches, feed_dict, options, metadata)
        if self._profiler is None:
            self._profiler = Profiler(session.graph)
        self._profiler.add_step(step, metadata)
        if self._debug:
            logging.info("debug: traced step: %d", step)
        if dumped:
            self._dump(step, metadata)
        for cmd, chosen, _ in wanted:
            self._shown.setdefault(cmd, {})[step] = self._profiled(cmd, {**chosen, "step": step})
        return found

    def _dump(self, step: int, metadata: Any) -> None:
        os.makedirs(self._profiler_dir, exist_ok=True)
        with open(os.path.join(self._profiler_dir, f"run_meta_{step}"), "wb") as file:
            file.write(metadata.SerializeToString())

    def _profiled(self, cmd: str, options: Any) -> Any:
        assert self._profiler is not None
        methods = {
            "scope": self._profiler.profile_name_scope,
            "graph": self._profiler.profile_graph,
            "op": self._profiler.profile_operations,
            "code": self._profiler.profile_python,
        }
        if cmd not in methods:
            raise ValueError(f"Unknown auto profiling command. Received: {cmd!r}")
        return methods[cmd](options)


@public("profiler.advise")
def advise(graph: Any = None, run_meta: Any = None, options: Any = ALL_ADVICE) -> Any:
    """What takes most of the time of a traced run, as an `AdviceProto`.

    Args:
      graph: default the default graph.
      run_meta: the `RunMetadata` of a traced run.
      options: the names of the checkers that are asked, with options of each.

    Raises:
      ValueError: a checker is unknown.
    """
    unknown = set(options) - set(ALL_ADVICE)
    if unknown:
        raise ValueError(f"These are not checkers: {sorted(unknown)}. Received: {options!r}")
    advice = protos.AdviceProto()
    for name in options:
        advice.checkers[name].SetInParent()
    if run_meta is None or "ExpensiveOperationChecker" not in options:
        return advice
    profiler = Profiler(graph)
    profiler.add_step(0, run_meta)
    shown = ProfileOptionBuilder(ProfileOptionBuilder.time_and_memory()).with_empty_output().build()
    found = profiler.profile_operations({**shown, "step": 0})
    children = sorted(found.children, key=lambda child: -child.exec_micros)[:3]
    for rank, child in enumerate(children):
        advice.checkers["ExpensiveOperationChecker"].reports.append(
            f"top {rank + 1} operation type: {child.name}, cpu: {child.cpu_exec_micros / 1000:.2f}ms, "
            f"accelerator: {child.accelerator_exec_micros / 1000:.2f}ms, "
            f"total: {child.exec_micros / 1000:.2f}ms"
        )
    return advice


@public("contrib.tfprof.model_analyzer.advise")
def advise_with_options(graph: Any, run_meta: Any = None, tfprof_options: Any = ALL_ADVICE) -> Any:
    """`tf.profiler.advise`, with the old name of its options."""
    return advise(graph, run_meta, tfprof_options)


@public("contrib.tfprof.tfprof_logger.write_op_log", "profiler.write_op_log")
def write_op_log(
    graph: Any, log_dir: Any, op_log: Any = None, run_meta: Any = None, add_trace: bool = True
) -> None:
    """Writes what is known of a graph's operations to a file `tfprof_log`.

    Args:
      graph: default the default graph.
      log_dir: the folder.
      op_log: an `OpLogProto` with more.
      run_meta: the `RunMetadata` of a traced run.
      add_trace: note the types of the operations, too.
    """
    from millrace.graph.defaults import get_default_graph

    graph = get_default_graph() if graph is None else graph
    log = protos.OpLogProto()
    if op_log is not None:
        log.CopyFrom(op_log)
    known = {entry.name for entry in log.log_entries}
    if add_trace:
        for op in graph.get_operations():
            if op.name not in known:
                log.log_entries.add(name=op.name, types=[op.type])
    os.makedirs(log_dir, exist_ok=True)
    with open(os.path.join(log_dir, "tfprof_log"), "wb") as file:
        file.write(log.SerializeToString())
