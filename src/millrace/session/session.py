"""`Session`: runs parts of a graph and keeps its variables. The third stop of the road."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph.graph import Graph
from millrace.runtime import failures, interpret
from millrace.runtime.executable import Executables
from millrace.runtime.store import Store
from millrace.session import composites as composites  # SparseTensors are fetched and fed as their parts
from millrace.session.feed import FeedPlan
from millrace.session.fetch import FetchPlan, structure_key


class _Runner:
    """One (fetches, feed keys) of one session, resolved: what a warm run needs."""

    __slots__ = ("convert", "executables", "keep", "rebuild", "single")

    def __init__(self, session: BaseSession, fetches: Any, keys: tuple[Any, ...]) -> None:
        plan = FetchPlan(session.graph, fetches)
        feeds = FeedPlan(session.graph, keys) if keys else None
        self.keep = (fetches, keys)  # the cache is keyed by identity; what it names must stay alive
        self.convert = feeds.convert if feeds else None
        self.rebuild = plan.rebuild
        self.executables = Executables(plan.elements, feeds.feeds if feeds else [], session.store, session.options)


class BaseSession:
    """What `Session` and `InteractiveSession` share."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"Session: graph must be a Graph. Received: {graph!r}")
        if config is not None and not hasattr(config, "gpu_options"):
            raise TypeError(f"Session: config must be a tf.ConfigProto. Received: {config!r}")
        if not isinstance(target, str | bytes):
            raise TypeError(f"Session: target must be a string. Received: {target!r}")
        self._target = target
        self._graph = graph if graph is not None else defaults.get_default_graph()
        self._config = config
        self._closed = False
        self._runners: dict[Any, _Runner] = {}
        self._edits = self._graph.edits
        self._partial: dict[str, Any] = {}
        self.store = Store()
        self.options = config

    @property
    def graph(self) -> Graph:
        """The graph whose parts this session runs."""
        return self._graph

    @property
    def graph_def(self) -> Any:
        """The graph as a `GraphDef` message."""
        return self._graph.as_graph_def()

    @property
    def sess_str(self) -> Any:
        """The target given at construction."""
        return self._target

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Computes `fetches`, all at once, and what they need; nothing else runs.

        Args:
          fetches: tensors, operations, variables, names of them, or lists, tuples, named tuples, dicts and attrs
            objects of those, nested at will.
          feed_dict: tensor (or its name) -> value to use in its place: numbers, lists, arrays of any castable dtype.
          options: a `RunOptions`.
          run_metadata: a `RunMetadata` to fill.

        Returns:
          The values in the structure of `fetches`; None for operations.

        Raises:
          RuntimeError: the session is closed, or its graph is empty.
          TypeError, ValueError: a fetch or feed is of a wrong kind, unknown, from another graph, or misshapen.
          tf.errors.OpError: an operation failed; no variable has changed.
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        if feed_dict:
            keys = tuple(feed_dict)
        elif feed_dict is None or isinstance(feed_dict, dict) or len(feed_dict) == 0:
            keys = ()
        else:
            raise TypeError(f"run: feed_dict must be a dictionary. Received: {feed_dict!r}")
        if self._edits != self._graph._edits:
            self._runners.clear()
            self._edits = self._graph._edits
        try:
            runner = self._runners.get((structure_key(fetches), keys))
        except TypeError:
            runner = None
        if runner is None:
            runner = self._prepare(fetches, keys)
        values = runner.convert(feed_dict) if keys else ()
        if options is not None or run_metadata is not None:
            return runner.rebuild(self._traced(runner, values, options, run_metadata))
        return runner.rebuild(runner.executables.run(values))

    def _prepare(self, fetches: Any, keys: tuple[Any, ...]) -> _Runner:
        if not self._graph.ops:
            raise RuntimeError("The Session graph is empty. Add operations to the graph before calling run().")
        runner = _Runner(self, fetches, keys)
        with contextlib.suppress(TypeError):
            self._runners[structure_key(fetches), keys] = runner
        return runner

    def close(self) -> None:
        """Frees the variables; the session cannot be used afterwards."""
        self._closed = True
        self._runners.clear()
        self.store.clear()

    @contextlib.contextmanager
    def as_default(self) -> Iterator[BaseSession]:
        """Makes this the default session of the thread, used by `Tensor.eval` and `Operation.run`."""
        with defaults.session_stack.entered(self):
            yield self


@public("Session")
class Session(BaseSession):
    """Runs operations of a graph; as a context manager, also the default session and its graph the default graph.

    Args:
      target: accepted for TensorFlow's form; millrace runs in this process.
      graph: default: the default graph.
      config: a `ConfigProto`.
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._entered: list[contextlib.ExitStack] = []

    def __enter__(self) -> Session:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._graph.as_default())
            stack.enter_context(self.as_default())
            self._entered.append(stack.pop_all())
        return self

    def __exit__(self, *error: Any) -> None:
        self._entered.pop().__exit__(*error)
        self.close()


@public("InteractiveSession")
class InteractiveSession(BaseSession):
    """A session that makes itself the default one when created; for the prompt and notebooks."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
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


