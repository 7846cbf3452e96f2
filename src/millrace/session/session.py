"""`Session`: runs parts of a graph and keeps its variables. The third stop of the road."""

from __future__ import annotations

import contextlib
import copy
import itertools
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from millrace.core import errors, late
from millrace.core.errors import refusal
from millrace.core.kinds import LISTS, TEXTS
from millrace.core.public import public
from millrace.core.waiting import limits
from millrace.graph import defaults
from millrace.graph.graph import Graph
from millrace.runtime.executable import Executables, tier_asked_for
from millrace.runtime.functions import Functions
from millrace.runtime.memory import keep_memory
from millrace.runtime.plan.planner import ancestors
from millrace.session import composites as composites  # SparseTensors are fetched and fed as their parts
from millrace.session import devices, served
from millrace.session.feed import FeedPlan, OtherTensors
from millrace.session.fetch import FetchPlan, structure_key
from millrace.session.partial import PartialRun

if TYPE_CHECKING:
    from millrace.runtime.plan.explain import Explanation

_GRAPHS: tuple[type, ...] = (Graph,)
_HERE = "/job:localhost/replica:0/task:0/device:CPU:0"
_MOST_RUNNERS = 512  # combinations of fetches and feeds whose plans a session keeps
_handles = itertools.count()
# Each is told the runner and the values of every run. What one gives back, if anything, is told each step of
# the run, which is then interpreted step by step.
observers: list[Callable[[Any, Any], Any]] = []


class _Runner:
    """One (fetches, feed keys) of one session, resolved: what a warm run needs."""

    __slots__ = ("convert", "elements", "executables", "feeds", "keep", "rebuild", "store", "tier")

    def __init__(
        self, session: BaseSession, fetches: Any, keys: tuple[Any, ...], feed_dict: Any = None
    ) -> None:
        plan = FetchPlan(session.graph, fetches, session)
        feeds = FeedPlan(session.graph, keys, feed_dict) if keys else None
        self.keep = (fetches, keys)  # the cache is keyed by identity; what it names must stay alive
        self.convert: Any = feeds.convert if feeds else None
        self.rebuild = plan.rebuild
        self.elements = plan.elements
        self.feeds = feeds.feeds if feeds else []
        self.store = session.store
        self.tier = tier_asked_for(session.options)
        self.executables: Any = Executables(plan.elements, self.feeds, session.store, self.tier)
        if observers:
            self.executables = _Watched(self)

    def apart(self) -> Executables:
        """The same, to be run step by step by the interpreter."""
        return Executables(self.elements, self.feeds, self.store, "interpret")

    def explain(self, dims: list[Any], runs: int = 0) -> Explanation:
        """Explains the run after `runs` others, for feeds of the shapes `dims`."""
        from millrace.runtime.plan import explain

        tensors = [feed.tensor for feed in self.feeds]
        return explain.explain(self.elements, tensors, dims, self.tier, runs)


def _reordered(runner: _Runner, keys: tuple[Any, ...]) -> _Runner:
    """A runner for the same fetches and feeds, given in the order of `keys`."""
    other, convert, order = copy.copy(runner), runner.convert, runner.keep[1]
    other.keep = (runner.keep[0], keys)

    def reordered(feed_dict: Any) -> Any:
        return convert({key: feed_dict[key] for key in order})

    other.convert = reordered
    return other


def _hashable(key: Any) -> bool:
    try:
        hash(key)
    except TypeError:
        return False
    return True


class _Watched:
    """Tells the observers of every run."""

    def __init__(self, runner: _Runner) -> None:
        self._runner = runner
        self._executables = runner.executables
        self._apart: Executables | None = None

    @property
    def runs(self) -> int:
        return self._executables.runs

    def run(self, values: Any, observe: Any = None) -> tuple[Any, ...]:
        told = [t for observer in observers if (t := observer(self._runner, values)) is not None]
        if not told:
            return self._executables.run(values, observe)
        if self._apart is None:
            self._apart = self._runner.apart()
        return self._apart.run(values, _each((*told, observe)))


def _each(observers: Sequence[Any]) -> Callable[..., None]:
    """One observer that tells each of these; None stands for nobody."""
    present = [observer for observer in observers if observer is not None]

    def tell(*part: Any) -> None:
        for observer in present:
            observer(*part)

    return tell


@public("python.client.session.BaseSession", "python.client.session.SessionInterface")
class BaseSession:
    """What `Session` and `InteractiveSession` share."""

    def __init__(self, target: str | bytes = "", graph: Graph | None = None, config: Any = None) -> None:
        if graph is not None and not isinstance(graph, _GRAPHS):
            raise TypeError(f"Session: graph must be a tf.Graph, but got {type(graph)}. Received: {graph!r}")
        if config is not None and not hasattr(config, "gpu_options"):
            raise TypeError(
                f"Session: config must be a tf.ConfigProto, but got {type(config)}. Received: {config!r}"
            )
        if not isinstance(target, TEXTS):
            raise TypeError(f"Session: target must be a string, but got {type(target)}. Received: {target!r}")
        keep_memory()
        self._target = target.encode() if isinstance(target, str) else target
        if self._target not in (b"", b"local") and not self._target.startswith(b"grpc://"):
            raise errors.NotFoundError(
                None, None, f"Session: target must be '', 'local' or 'grpc://host:port'. Received: {target!r}"
            )
        self._graph = graph if graph is not None else defaults.get_default_graph()
        self._config = config
        self._closed = False
        self._runners: dict[Any, _Runner] = {}
        self._any_order: dict[Any, _Runner] = {}  # by fetches and the set of fed keys
        self._edits = self._graph.edits
        self._partial: dict[str, PartialRun] = {}
        self._placed: set[Any] = set()
        timeout = 0 if config is None else config.operation_timeout_in_ms
        self._seconds = timeout / 1000 if timeout > 0 else None
        self.store = served.store_for(self._target, self._graph)
        self.store.cancellation.functions = Functions(self.store)
        self.options = config
        self._dumps = 0  # runs whose tensors were dumped
        _live.add(self)

    @property
    def graph(self) -> Graph:
        """The graph whose parts this session runs."""
        return self._graph

    @property
    def graph_def(self) -> Any:
        """The graph as a `GraphDef` message."""
        return self._graph.as_graph_def()

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closed

    @property
    def sess_str(self) -> bytes:
        """The target given at construction."""
        return self._target

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Computes `fetches`, all at once, and what they need; nothing else runs.

        Args:
          fetches: tensors, operations, variables, names of them, or lists, tuples, named tuples, dicts
            and attrs objects of those, nested at will.
          feed_dict: tensor (or its name) -> value to use in its place: numbers, lists, arrays of any castable
            dtype. A tuple of tensors may be a key for a tuple of values.
          options: a `RunOptions`: trace level, timeout.
          run_metadata: a `RunMetadata` to fill.

        Returns:
          The values in the structure of `fetches`; None for operations.

        Raises:
          RuntimeError: the session is closed, or its graph is empty.
          TypeError, ValueError: a fetch or feed is of a wrong kind, unknown, from another graph, or
            misshapen.
          tf.errors.OpError: an operation failed; no variable has changed.
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        if feed_dict:
            if not hasattr(feed_dict, "items"):
                raise TypeError(f"run: feed_dict must be a dictionary. Received: {feed_dict!r}")
            keys = tuple(feed_dict)
        else:
            keys = ()
        if self._edits != self._graph.edits:
            self._runners.clear()
            self._any_order.clear()
            self._edits = self._graph.edits
        try:
            runner = self._runners[structure_key(fetches), keys]
        except (KeyError, TypeError, RecursionError):
            runner = None
        if runner is None:
            runner = self._prepare(fetches, keys, feed_dict)
        values = ()
        if keys:
            try:
                values = runner.convert(feed_dict)
            except OtherTensors:
                runner = self._prepare(fetches, keys, feed_dict)
                values = runner.convert(feed_dict)
        if options is not None or run_metadata is not None or self._seconds is not None:
            return runner.rebuild(self._run_with_options(runner, values, options, run_metadata))
        return runner.rebuild(runner.executables.run(values))

    def _prepare(self, fetches: Any, keys: tuple[Any, ...], feed_dict: Any = None) -> _Runner:
        if not self._graph.ops:
            raise RuntimeError(
                "The Session graph is empty.  Add operations to the graph before calling run()."
                + _whose(fetches)
            )
        try:
            unordered = (structure_key(fetches), frozenset(keys))
        except RecursionError:
            raise ValueError("run: the fetches are nested too deeply") from None
        known = self._any_order.get(unordered) if len(keys) > 1 and _hashable(unordered) else None
        runner = _Runner(self, fetches, keys, feed_dict) if known is None else _reordered(known, keys)
        if self._config is not None and self._config.log_device_placement:
            self._log_placement(runner)
        with contextlib.suppress(TypeError):
            if len(self._runners) >= _MOST_RUNNERS:
                self._forget()
            self._runners[structure_key(fetches), keys] = runner
            self._any_order.setdefault(unordered, runner)
        return runner

    def _forget(self) -> None:
        """Drops the half of the runners that have run least, the oldest first: a program that fetches
        something else each time must not grow.
        """
        runs = sorted(self._runners, key=lambda key: self._runners[key].executables.runs)
        for key in runs[: len(runs) // 2]:
            self._runners.pop(key, None)
        self._any_order = {(fetches, frozenset(keys)): r for (fetches, keys), r in self._runners.items()}

    def _log_placement(self, runner: _Runner) -> None:
        """Writes where each operation runs, once for each."""
        feeds = frozenset(feed.tensor for feed in runner.feeds)
        for op in ancestors(runner.elements, feeds):
            if op not in self._placed:
                self._placed.add(op)
                sys.stderr.write(f"{op.name}: ({op.type}): {_HERE}\n")

    def _run_with_options(self, runner: _Runner, values: Any, options: Any, metadata: Any) -> Any:
        if options is not None and not hasattr(options, "trace_level"):
            raise TypeError(f"run: options must be a tf.RunOptions. Received: {options!r}")
        if metadata is not None and not hasattr(metadata, "step_stats"):
            raise TypeError(f"run: run_metadata must be a tf.RunMetadata. Received: {metadata!r}")
        timeout = options.timeout_in_ms if options is not None else 0
        seconds = timeout / 1000 if timeout > 0 else self._seconds
        observer = None
        if options is not None and options.trace_level and metadata is not None:
            from millrace.runtime.trace import Trace

            observer = Trace()
        before = limits.deadline
        try:
            if seconds is not None:
                limits.deadline = time.monotonic() + seconds
            if options is not None and options.debug_options.debug_tensor_watch_opts:
                results = self._dumped(runner, values, options, observer)
            else:
                results = runner.executables.run(values, observer)
        finally:  # in place, since a signal may keep a context's end from being called
            limits.deadline = before
        if metadata is not None:
            metadata.Clear()
            if observer is not None:
                observer.fill(metadata.step_stats)
            if options is not None and options.output_partition_graphs:
                part = metadata.partition_graphs.add()
                needed = ancestors(runner.elements, frozenset(feed.tensor for feed in runner.feeds))
                part.node.extend(op.node_def for op in sorted(needed, key=lambda op: op.id))
        return results

    def _dumped(self, runner: _Runner, values: Any, options: Any, observer: Any) -> tuple[Any, ...]:
        """Runs one operation after another and writes the tensors that the options watch."""
        fed = [feed.tensor for feed in runner.feeds]
        ops = {*ancestors(runner.elements, frozenset(fed)), *(tensor.op for tensor in fed)}
        needed = sorted(ops, key=lambda op: op.id)
        wanted = [element.name for element in runner.elements]
        tensors, targets = [n for n in wanted if ":" in n], [n for n in wanted if ":" not in n]
        names = [tensor.name for tensor in fed], tensors, targets
        self._dumps += 1
        dump = late.module("dumping").Dump(options.debug_options, needed, names, self._dumps)
        dump.feed(list(zip(fed, values, strict=False)))
        return runner.apart().run(values, _each((dump, observer)))

    def run_observed(self, fetches: Any, feed_dict: Any, observe: Callable[..., None]) -> Any:
        """`run`, one operation after another.

        Args:
          fetches, feed_dict: as in `run`.
          observe: told each step that is done, as `Executables.run` says; what it raises ends the run, which
            then changes nothing.
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        keys = tuple(feed_dict or ())
        runner = _Runner(self, fetches, keys, feed_dict)
        values = runner.convert(feed_dict) if keys else ()
        return runner.rebuild(runner.apart().run(values, observe))

    def make_callable(
        self, fetches: Any, feed_list: Any = None, accept_options: bool = False
    ) -> Callable[..., Any]:
        """A function that runs `fetches` with less ado than `run`.

        Args:
          fetches: as in `run`.
          feed_list: the tensors whose values are the function's positional arguments.
          accept_options: the function takes `options` and `run_metadata` as keywords.

        Raises:
          TypeError: `feed_list` is not a list or tuple.
        """
        if feed_list is not None and not isinstance(feed_list, LISTS):
            raise TypeError(f"`feed_list` must be a list or tuple. Received: {feed_list!r}")
        keys: tuple[Any, ...] = tuple(feed_list or ())
        runners = [self._prepare(fetches, keys)]
        edits = [self._graph.edits]

        def call(*values: Any, **kwargs: Any) -> Any:
            if self._closed:
                raise RuntimeError("Attempted to use a closed Session.")
            if len(values) != len(keys):
                raise ValueError(f"The callable takes {len(keys)} values to feed. Received: {len(values)}")
            if kwargs and not (accept_options and kwargs.keys() <= {"options", "run_metadata"}):
                raise TypeError(
                    f"The callable takes no keywords but those of accept_options. Received: {kwargs}"
                )
            if edits[0] != self._graph.edits:
                runners[0], edits[0] = self._prepare(fetches, keys), self._graph.edits
            runner = runners[0]
            feeds = runner.convert(dict(zip(keys, values, strict=True))) if keys else ()
            if kwargs or self._seconds is not None:
                given = kwargs.get("options"), kwargs.get("run_metadata")
                return runner.rebuild(self._run_with_options(runner, feeds, *given))
            return runner.rebuild(runner.executables.run(feeds))

        return call

    def make_repeated(self, operation: Any) -> Callable[[], Any]:
        """A function for whoever runs one operation over and over: each call runs it once, or several times
        at once where nobody can tell the difference, as for one that moves elements from queue to queue.
        """
        run = self.make_callable(operation)
        runner = self._prepare(operation, ())
        if self._seconds is not None or not isinstance(runner.executables, Executables):
            return run
        rounds = runner.executables.rounds()
        if rounds is None:
            return run
        edits = self._graph.edits

        def call() -> Any:
            if self._closed or edits != self._graph.edits:
                return run()
            return rounds()

        return call

    def _make_callable_from_options(self, callable_options: Any) -> Callable[..., Any]:
        """A function that gives a list of the values of the fetches that a CallableOptions message names.

        Args:
          callable_options: the message: names of tensors in `feed` and `fetch`, of operations in `target`;
            in `tensor_connection` tensors take the values of others, which are computed first.
        """
        options = callable_options
        fetches = [*options.fetch, *(self._graph.get_operation_by_name(name) for name in options.target)]
        feeds = [self._graph.get_tensor_by_name(name) for name in options.feed]
        joined = [self._graph.get_tensor_by_name(c.to_tensor) for c in options.tensor_connection]
        run = self.make_callable(fetches, [*feeds, *joined], accept_options=True)
        sources = self.make_callable([c.from_tensor for c in options.tensor_connection], feeds)
        wanted = len(options.fetch)

        def call(*values: Any, run_metadata: Any = None) -> list[Any]:
            if joined:
                values = (*values, *sources(*values))
            if run_metadata is None:
                return run(*values)[:wanted]
            return run(*values, options=options.run_options, run_metadata=run_metadata)[:wanted]

        return call

    def _extend_graph(self) -> None:
        """Does nothing: a run sees every operation that was added before it."""

    def partial_run_setup(self, fetches: Any, feeds: Any = None) -> str:
        """Prepares a run in several calls.

        Args:
          fetches: everything that the calls will fetch.
          feeds: the tensors that they will feed.

        Returns:
          A handle for `partial_run`.
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        plan = FetchPlan(self._graph, fetches, self)
        listed = FeedPlan(self._graph, tuple(feeds or ()))
        if not plan.elements:
            raise refusal("partial_run_setup: must specify at least one target to fetch. Received: none")
        run = PartialRun(plan.elements, [feed.tensor for feed in listed.feeds], self.store)
        names = ",".join([feed.tensor.name for feed in listed.feeds] + [e.name for e in plan.elements])
        handle = f"{next(_handles)};{names}"
        self._partial[handle] = run
        return handle

    def partial_run(self, handle: str, fetches: Any, feed_dict: Any = None) -> Any:
        """Continues a run: feeds more, fetches more; what ran in an earlier call does not run again.

        Args:
          handle: from `partial_run_setup`.
          fetches: some of those set up, not fetched before.
          feed_dict: some of the feeds set up, not fed before.

        Raises:
          InvalidArgumentError: the handle is unknown or used up; a fetch or feed was not set up, comes
          again, or depends on what is not fed yet.
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        run = self._partial.get(handle)
        if run is None:
            message = "Must run 'setup' before performing partial runs!"
            raise refusal(f"{message} Received: {handle!r}")
        plan = FetchPlan(self._graph, fetches, self)
        feeds = FeedPlan(self._graph, tuple(feed_dict or ()), feed_dict or None)
        values = feeds.convert(feed_dict) if feed_dict else []
        tensors = [feed.tensor for feed in feeds.feeds]
        results = run.run(plan.elements, dict(zip(tensors, values, strict=True)))
        if run.finished:
            del self._partial[handle]
        return plan.rebuild(tuple(results))

    def list_devices(self) -> list[devices.DeviceAttributes]:
        """The devices that this session could use: the CPU, and what JAX finds."""
        if self._closed:
            raise errors.CancelledError(None, None, "Session has been closed.")
        count = 0 if self._config is None else self._config.device_count.get("CPU", 0)
        return devices.list_devices(max(count, 1))

    def explain(self, fetches: Any, feed_dict: Any = None) -> Explanation:
        """What `run(fetches, feed_dict)` would do and why; print it. Nothing runs.

        Args:
          fetches, feed_dict: as in `run`. The values fed only give their shapes.
        """
        keys = tuple(feed_dict or ())
        runner = self._prepare(fetches, keys, feed_dict or None)
        return runner.explain([v.shape for v in runner.convert(feed_dict)] if keys else [])

    def close(self) -> None:
        """Frees the variables and calls off what waits; the session cannot be used afterwards."""
        self._closed = True
        self.store.cancellation.cancel()
        with self.store.lock:  # a run in flight ends first
            self._runners.clear()
            self._any_order.clear()
            self._partial.clear()
            self.store.clear()

    def _repr_html_(self) -> str:
        return late.module("cards").session(self._graph, self._closed, self.store.cells)

    def as_default(self) -> contextlib.AbstractContextManager[BaseSession]:
        """Makes this the default session of the thread, used by `Tensor.eval` and `Operation.run`."""
        return defaults.session_stack.entered(self)


def _whose(fetches: Any) -> str:
    """Where the first of `fetches` was made, for a session whose own graph is empty."""
    for fetch in fetches if isinstance(fetches, LISTS) else [fetches]:
        op = getattr(fetch, "op", fetch)
        location = getattr(op, "user_location", None)
        if location:
            return f"  {op.name!r} is in another graph (created at {location}): tf.Session(graph=x.graph)."
    return ""


_live: weakref.WeakSet[BaseSession] = weakref.WeakSet()


@public("Session")
class Session(BaseSession):
    """Runs operations of a graph; as a context manager, the default session, and its graph the default graph.

    Args:
      target: of a `tf.train.Server` of this process, whose variables are shared; "" for variables of its own.
      graph: default: the default graph.
      config: a `ConfigProto`.

    Example:
      >>> x, y = tf.constant(1.0), tf.constant(2.0)
      >>> with tf.Session() as sess:
      ...     print(sess.run(x + y))
      3.0
    """

    def __init__(self, target: str | bytes = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._entered: contextlib.ExitStack | None = None

    def __enter__(self) -> Session:
        if self._entered is not None:
            raise RuntimeError(
                "Session context managers are not re-entrant. Use `Session.as_default()` if you want to "
                "enter a session multiple times."
            )
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._graph.as_default())
            stack.enter_context(self.as_default())
            self._entered = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        entered, self._entered = self._entered, None
        try:
            if entered is not None:
                entered.__exit__(*error)
        finally:
            self.close()

    @staticmethod
    def reset(target: str | bytes, containers: Any = None, config: Any = None) -> None:
        """Frees the variables of all sessions with `target`, and closes these sessions.

        Args:
          target: as given to the sessions.
          containers: free only what was made under `Graph.container` with one of these names.
          config: accepted for TensorFlow's form.
        """
        wanted = target.encode() if isinstance(target, str) else target
        for session in list(_live):
            if session.sess_str != wanted:
                continue
            if containers:
                session.store.clear(tuple(containers))
            else:
                session.close()
        if not containers:
            served.reset(wanted)


@public("InteractiveSession")
class InteractiveSession(BaseSession):
    """A session that makes itself the default one when created; for the prompt and notebooks.

    Args:
      target, graph, config: as for `Session`.
    """

    def __init__(self, target: str | bytes = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        if any(isinstance(s, InteractiveSession) and not s._closed for s in defaults.session_stack.items):
            warnings.warn(
                "An interactive session is already active. This can cause out-of-memory errors in some "
                "cases. You must explicitly call `InteractiveSession.close()` to release resources held by "
                "the other session(s).",
                stacklevel=2,
            )
        defaults.session_stack.items.append(self)
        self._own_graph = graph
        if graph is not None:
            defaults.graph_stack.items.append(graph)

    def close(self) -> None:
        """Frees the variables and stops being the default session."""
        super().close()
        for stack, item in ((defaults.session_stack, self), (defaults.graph_stack, self._own_graph)):
            if item is not None and item in stack.items:
                stack.items.remove(item)
