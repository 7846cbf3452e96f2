"""`millrace.export`: a part of a graph as a pure function that JAX can transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from millrace.core.kinds import LISTS, MAPPINGS
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor
from millrace.runtime.plan.planner import Plan, make_plan
from millrace.runtime.plan.segments import host_reason
from millrace.runtime.plan.simplify import simplify
from millrace.session.feed import FeedPlan
from millrace.session.fetch import FetchPlan


class Exported:
    """A pure function of feeds and variables.

    Call it as `exported(feeds)` or `exported(feeds, variables)`, under `jax.jit`, `jax.grad`, `jax.vmap` or
    plainly. Graphs with 64-bit values need `jax.enable_x64(True)` around the call, as any JAX function does.

    Attributes:
      feeds: the names of the feeds, in order.
      variables: name -> array, as the session held them at the time of the export. Counters of random
        operations and the like are among them.
    """

    def __init__(self, fetch_plan: FetchPlan, feeds: FeedPlan, aliases: Sequence[Any], session: Any) -> None:
        from millrace.runtime.xla import lowering as xla

        self._feeds = feeds.feeds
        self._rebuild = fetch_plan.rebuild
        plan = simplify(make_plan(fetch_plan.elements, [feed.tensor for feed in self._feeds]))
        _check(plan)
        self._keys = [use.key for use in plan.cells]
        self._function = xla.pure_function(plan)
        self._stablehlo = xla.stablehlo
        self.feeds: list[str] = [str(a) for a in aliases]
        self._names: dict[Any, int] = {name: i for i, name in enumerate(self.feeds)}
        for i, feed in enumerate(self._feeds):
            self._names.setdefault(feed.tensor.name, i)
            self._names.setdefault(feed.tensor.op.name, i)
        self.variables: dict[str, Any] = {use.key: _value(use, session) for use in plan.cells}

    def __call__(self, feeds: Any = (), variables: Mapping[str, Any] | None = None) -> Any:
        """The values of the fetches, in their structure; None for operations.

        Args:
          feeds: name (or tensor) -> array, or the arrays in the order of `self.feeds`.
          variables: name -> array; those left out have the values of `self.variables`.

        Raises:
          KeyError: a name is unknown.
          ValueError: there are too few or too many feeds.
        """
        return self.step(feeds, variables)[0]

    def step(self, feeds: Any = (), variables: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As calling it, with the variables as the run leaves them: what a train step is for."""
        given = self.variables if variables is None else {**self.variables, **variables}
        unknown = given.keys() - self.variables.keys()
        if unknown:
            raise KeyError(f"export: no variables {sorted(unknown)}; there are {self._keys}")
        outputs, cells = self._function(self._ordered(feeds), [given[key] for key in self._keys])
        return self._rebuild(tuple(outputs)), dict(zip(self._keys, cells, strict=True))

    def stablehlo(self, feeds: Any = None) -> str:
        """The program as StableHLO text, for feeds of these shapes.

        Args:
          feeds: as in a call; default: zeros, where all static shapes are known.

        Raises:
          ValueError: a feed's shape is not known.
        """
        values = self._zeros() if feeds is None else self._ordered(feeds)
        typed = [np.asarray(v, feed.np_dtype) for feed, v in zip(self._feeds, values, strict=True)]
        return self._stablehlo(self._function, typed, [self.variables[key] for key in self._keys])

    def _zeros(self) -> list[np.ndarray]:
        for feed in self._feeds:
            if feed.any_shape:
                raise ValueError(
                    f"export: stablehlo needs example feeds, since the shape of '{feed.tensor.name}' is "
                    f"{feed.tensor.get_shape()}"
                )
        return [np.zeros([d or 0 for d in feed.tensor.dims or ()], feed.np_dtype) for feed in self._feeds]

    def _ordered(self, feeds: Any) -> list[Any]:
        if isinstance(feeds, MAPPINGS):
            found: dict[int, Any] = {self._position(key): value for key, value in feeds.items()}
            values: list[Any] = [found[i] for i in sorted(found)]
        else:
            values = list(feeds) if isinstance(feeds, LISTS) else [feeds]
        if len(values) != len(self._feeds):
            raise ValueError(f"export: the feeds are {self.feeds}. Received: {len(values)} values")
        return values

    def _position(self, key: Any) -> int:
        position = self._names.get(key.name if isinstance(key, Tensor) else key)
        if position is None:
            raise KeyError(f"export: no feed {key!r}; there are {self.feeds}")
        return position


def _check(plan: Plan) -> None:
    known = set(plan.constants)
    for step in plan.steps:
        reason = host_reason(plan, step, known)
        if reason and not reason.startswith("its results"):  # shapes may become known where it is traced
            raise ValueError(
                f"export: {step.op.type} '{step.op.name}' cannot be part of a JAX function: it {reason} "
                f"(created at {step.op.user_location})"
            )


def _value(use: Any, session: Any) -> Any:
    value = session.store.cell(use.key).value
    if value is None and use.op.opdef.state is not None:
        value = use.op.opdef.state(use.op.attrs)
    if value is None and use.must_exist:
        raise ValueError(
            f"export: variable '{use.op.name}' has no value in this session; run its initializer"
        )
    return np.array(value) if hasattr(value, "dtype") and hasattr(value, "shape") else value


@public("export")
def export(fetches: Any, feeds: Any = (), session: Any = None) -> Exported:
    """Part of a graph as a pure JAX function: `(feeds, variables) -> outputs`.

    Args:
      fetches: what to compute, in any structure that `Session.run` takes.
      feeds: the tensors that are arguments: a list, or a dict name -> tensor.
      session: where the variables' values come from; default: the default session.

    Returns:
      An `Exported`, to be called, differentiated and compiled by JAX.

    Raises:
      TypeError: `session` is not one.
      ValueError: there is no session, a variable has no value, or an operation can only run in Python.
    """
    if session is None:
        session = defaults.get_default_session()
        if session is None:
            raise ValueError(
                "export: no default session is registered. Use `with sess.as_default()` or pass session="
            )
    if not isinstance(getattr(session, "graph", None), Graph):
        raise TypeError(f"export: session must be a tf.Session. Received: {session!r}")
    if isinstance(feeds, Tensor):
        feeds = [feeds]
    named = isinstance(feeds, MAPPINGS)
    tensors: tuple[Any, ...] = tuple(feeds.values() if named else feeds)
    feed_plan = FeedPlan(session.graph, tensors)
    aliases: list[Any] = list(feeds) if named else [feed.tensor.name for feed in feed_plan.feeds]
    return Exported(FetchPlan(session.graph, fetches, session), feed_plan, aliases, session)
