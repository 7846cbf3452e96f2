"""Branches, loops and tensor arrays while tracing, and the checks that a compiled program reports
afterwards.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend import core as jax_core
from jax.interpreters import partial_eval

from millrace.core.errors import refusal
from millrace.dialect.numpy import control as numpy_control

_state = threading.local()
_MOST_ROUNDS = 1 << 15  # of a loop that is followed while tracing: a few seconds
_UNKNOWN_SIZE = "a tensor array whose size is known only when it runs"
_SUMS = frozenset(("add", "sub", "mul", "max", "min", "neg", "convert_element_type"))


class Watch:
    """The operations that have checked something known while tracing, and those that something unknown."""

    def __init__(self) -> None:
        self.decided: set[Any] = set()
        self.undecided: set[Any] = set()


class Checks:
    """Conditions that a program computes beside its results; the runtime raises for those that do not hold.

    Attributes:
      op: the operation being traced.
      room: how long the tensor array gets that it makes, see `planner.Room`.
      holds: a traced bool for each condition, of the body being traced where there is one.
      rows: the operation and the error of each condition.
      ops: the operations that have a condition, those in bodies of branches and loops included.
    """

    def __init__(self) -> None:
        self.op: Any = None
        self.room: Any = None
        self.holds: list[Any] = []
        self.rows: list[tuple[Any, Callable[[], Exception]]] = []
        self.ops: set[Any] = set()
        self.small: frozenset[Any] = frozenset()  # operations on angles known to be small
        self.native: Callable[[], bool] = bool  # whether the native kernels are there, for what is not a body
        self._outer: Checks | None = None
        self._watch: Watch | None = None
        self._undecided: list[set[Any]] = []

    def __enter__(self) -> Checks:
        self._outer = getattr(_state, "checks", None)
        _state.checks = self
        return self

    def __exit__(self, *error: Any) -> None:
        _state.checks = self._outer

    @staticmethod
    def current() -> Checks:
        """The one of the trace going on."""
        return _state.checks

    @staticmethod
    def decided() -> None:
        """Notes that the operation being traced, if any, has checked something known."""
        checks = getattr(_state, "checks", None)
        if checks is not None and checks._watch is not None:
            checks._watch.decided.add(checks.op)

    @staticmethod
    def small_angle() -> bool:
        """True while tracing an operation on an angle known to be small."""
        checks = getattr(_state, "checks", None)
        return checks is not None and checks.op in checks.small

    def add(self, holds: Any, error: Callable[[], Exception]) -> None:
        """Notes a condition, unless it is known to hold in every iteration of a loop being traced."""
        if all(self.op in undecided for undecided in self._undecided):
            self.holds.append(holds)
            self.rows.append((self.op, error))
            self.ops.add(self.op)

    @contextlib.contextmanager
    def watched(self) -> Iterator[Watch]:
        """Tells which operations check something meanwhile; the conditions themselves are dropped."""
        outside = self.holds, self.rows, self.ops, self._watch
        watch = Watch()
        self.holds, self.rows, self.ops, self._watch = [], [], watch.undecided, watch
        try:
            yield watch
        finally:
            self.holds, self.rows, self.ops, self._watch = outside

    def add_of_body(self, held: Any, *bodies: _Body) -> None:
        """Notes that all conditions of bodies must have held; the first of them stands for all."""
        rows = [row for body in bodies for row in body.rows]
        if rows:
            self.holds.append(held)
            self.rows.append(rows[0])
            self.ops.update(*(body.ops for body in bodies))


class _Body:
    """A function for a branch or loop; its conditions cannot leave a body by themselves, but its results can.

    Attributes:
      rows, ops: what its last trace noted, as in `Checks`.
    """

    def __init__(self, function: Callable[..., Any], undecided: set[Any] | None = None) -> None:
        self._function = function
        self._undecided = [] if undecided is None else [undecided]
        self.rows: list[Any] = []
        self.ops: set[Any] = set()

    def __call__(self, *args: Any) -> tuple[Any, Any]:
        """The results, and a bool: whether all conditions held."""
        checks = Checks.current()
        outside = checks.op, checks.holds, checks.rows, checks.ops, checks._undecided, checks.native
        checks.holds, checks.rows, checks.ops, checks.native = [], [], set(), bool
        checks._undecided = [*checks._undecided, *self._undecided]
        try:
            results = self._function(*args)
            held = jnp.asarray(True)
            for holds in checks.holds:
                held &= jnp.all(holds)
            self.rows, self.ops = checks.rows, checks.ops
            return results, held
        finally:
            checks.op, checks.holds, checks.rows, checks.ops, checks._undecided, checks.native = outside

    def results(self, *args: Any) -> Any:
        """The results alone."""
        return self(*args)[0]


@jax.tree_util.register_pytree_node_class
class TensorArrayValue:
    """The contents of a tensor array: all elements in one array, or None before the first write.

    Attributes:
      data: `[size, ...]`, zeros where nothing was written.
      size, dtype, shape: of the array and, as far as it is known, of an element.
      used: its present size where it grows up to `size`; else None.
    """

    def __init__(self, data: Any, size: int, dtype: Any, shape: Any, used: Any = None) -> None:
        self.data = data
        self.size = size
        self.dtype = dtype
        self.shape = shape
        self.used = used

    def tree_flatten(self) -> Any:
        return (self.data, self.used), (self.size, self.dtype, self.shape)

    @classmethod
    def tree_unflatten(cls, facts: Any, children: Any) -> TensorArrayValue:
        size, dtype, shape = facts
        return cls(children[0], size, dtype, shape, children[1])

    def filled(self, element: Any) -> TensorArrayValue:
        """The same with room for elements like `element`."""
        if self.data is not None:
            return self
        return self.with_data(jnp.zeros((self.size, *element.shape), element.dtype))

    def with_data(self, data: Any) -> TensorArrayValue:
        """The same with other contents."""
        return TensorArrayValue(data, self.size, self.dtype, self.shape, self.used)

    def fixed(self) -> TensorArrayValue:
        """The same.

        Raises:
          Uncompilable: its size follows from data.
        """
        if self.used is not None:
            raise Uncompilable(_UNKNOWN_SIZE)
        return self

    def on_host(self) -> numpy_control.TensorArrayValue:
        """The same for the interpreter; elements of zeros may be written again."""
        grows = self.used is not None
        size = int(self.used) if grows else self.size
        if self.data is None:
            return numpy_control.TensorArrayValue([None] * size, self.dtype, grows, self.shape)
        rows = np.asarray(self.data)
        if grows:
            return numpy_control.TensorArrayValue(list(rows[:size]), self.dtype, True, self.shape)
        items = [row if row.any() else None for row in rows]
        return numpy_control.TensorArrayValue(items, self.dtype, False, rows.shape[1:])


@jax.tree_util.register_pytree_node_class
class Stack:
    """The values of a tensor in each iteration of a loop, in one array; None where nobody can ask for
    them.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def tree_flatten(self) -> Any:
        return (self.data,), None

    @classmethod
    def tree_unflatten(cls, facts: Any, children: Any) -> Stack:
        return cls(children[0])

    def __len__(self) -> int:
        return jax.tree.leaves(self.data)[0].shape[0]

    def on_host(self) -> numpy_control.Stack:
        """The same for the interpreter."""
        if self.data is None:
            return _Nothing()
        data = jax.tree.map(np.asarray, self.data)
        rows = [jax.tree.map(lambda leaf, i=i: leaf[i], data) for i in range(len(self))]
        return numpy_control.Stack([r.on_host() if hasattr(r, "on_host") else r for r in rows])


class _Nothing(numpy_control.Stack):
    """A stack whose values nobody can ask for, of any length."""

    def __getitem__(self, index: Any) -> Any:
        return None


class Uncompilable(Exception):
    """Something that only the interpreter can run; the runtime falls back to it."""


def _is_traced(value: Any) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value))


def _strong(value: Any) -> Any:
    """Arrays without weak types, so that the two ends of a loop or the two branches have equal types."""
    return jax.tree.map(
        lambda leaf: (
            lax.convert_element_type(jnp.asarray(leaf), np.asarray(leaf).dtype)
            if not isinstance(leaf, jax.Array)
            else jnp.asarray(leaf, leaf.dtype)
        ),
        value,
    )


class ControlVerbs:
    """What the kernels of branches, loops and tensor arrays call."""

    check: Callable[..., None]  # from MathVerbs

    def branch(
        self, cond: Any, then: Callable[..., Any], other: Callable[..., Any], args: Sequence[Any]
    ) -> Any:
        if not isinstance(cond, Tracer):
            return (then if cond else other)(*args)
        operands = [a for a in args if _is_traced(a)]

        def traced(function: Callable[..., Any]) -> Callable[..., Any]:
            def run(some: list[Any]) -> list[Any]:
                rest = iter(some)
                return _strong(function(*[next(rest) if _is_traced(a) else a for a in args]))

            return run

        first, second = _Body(traced(then)), _Body(traced(other))
        one, two = jax.eval_shape(first.results, operands), jax.eval_shape(second.results, operands)
        wanted = [b if a is None else a for a, b in zip(one, two, strict=True)]

        def whole(body: _Body) -> Callable[..., Any]:
            def run(some: list[Any]) -> tuple[list[Any], Any]:
                results, held = body(some)
                return [_complete(r, w) for r, w in zip(results, wanted, strict=True)], held

            return run

        if jax.tree.structure(jax.eval_shape(whole(first), operands)) != jax.tree.structure(
            jax.eval_shape(whole(second), operands)
        ):
            raise Uncompilable("the branches give values of different kinds")
        results, held = lax.cond(cond, whole(first), whole(second), operands)
        Checks.current().add_of_body(held, first, second)
        return results

    def while_loop(self, cond: Any, body: Any, carried: Any, captured: Any, state: Any) -> list[Any]:
        if body.stacks:
            return self._recorded_loop(cond, body, carried, captured, state)
        count = len(carried)
        test = _Body(lambda values: cond(*values[:count], *captured, *values[count:]))
        turn = _Body(lambda values, after: _strong(body(*values[:count], *captured, *after)))

        def step(values: list[Any]) -> tuple[list[Any], Any]:
            return turn(values, test.results(values)[1:])

        start = _with_room(lambda values: step(values)[0], _strong([*carried, *state]))
        if not _is_traced((start, captured)) and not test.results(start)[0]:
            return start
        final, held, allowed = _repeated(test, turn, step, start)
        Checks.current().add_of_body(held, turn)
        Checks.current().add_of_body(allowed, test)
        return final

    def _recorded_loop(self, cond: Any, body: Any, carried: Any, captured: Any, state: Any) -> list[Any]:
        """A loop whose values a gradient needs: a scan, when the trip count follows from what is known."""
        trips, undecided = _known_trips(cond, body, carried, captured, state)
        count = len(carried)

        def step(values: list[Any], _: Any) -> tuple[list[Any], list[Any]]:
            results = body(*values[:count], *captured, *values[count:])
            end = len(results) - len(state)
            return _strong(results[:count] + results[end:]), _strong(results[count:end])

        turn = _Body(step, undecided)
        start = _with_room(lambda v: turn.results(v, None)[0], _strong([*carried, *state]))
        final, stacks = _scanned(turn, start, None, trips, False)
        return [*final[:count], *[Stack(s) for s in stacks], *final[count:]]

    def scan_loop(
        self, body: Any, carried: Any, scanned: Any, captured: Any, state: Any, reverse: bool
    ) -> list[Any]:
        count = len(carried)
        length = next(len(s) for s in scanned)

        def step(values: list[Any], elements: list[Any]) -> tuple[list[Any], list[Any]]:
            results = body(*values[:count], *elements, *captured, *values[count:])
            end = len(results) - len(state)
            return _strong(results[:count] + results[end:]), _strong(results[count:end])

        turn = _Body(step)
        rows = [s.data for s in scanned]
        first = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), rows)
        start = _with_room(
            lambda v: turn.results(v, jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), first))[0],
            _strong([*carried, *state]),
        )
        final, stacks = _scanned(turn, start, rows, length, reverse)
        return [*final[:count], *[Stack(s) for s in stacks], *final[count:]]

    def variant_sum(self, values: Sequence[Any]) -> Any:
        total = values[0]
        for value in values[1:]:
            if total.data is None:
                total = value
            elif value.data is not None:
                total = jax.tree.map(jnp.add, total, value)
        return total

    def variant_zeros(self, value: Any) -> Any:
        return jax.tree.map(jnp.zeros_like, value)

    def stack_concat(self, stack: Any, dtype: Any, dims: Any) -> Any:
        return stack.data.reshape((-1, *stack.data.shape[2:]))

    def stack_split(self, like: Any, value: Any) -> Stack:
        return Stack(jnp.reshape(value, like.data.shape))

    # --- tensor arrays --------------------------------------------------------------------------------------

    def _check_places(self, flow: TensorArrayValue, indices: Any) -> None:
        size = flow.size if flow.used is None else flow.used
        self.check(
            (indices >= 0) & (indices < size),
            lambda: refusal(f"Tried to access an index out of range: array size is: {flow.size}"),
        )

    def ta_new(self, size: Any, dtype: Any, dynamic: bool, shape: Any) -> TensorArrayValue:
        room = Checks.current().room if dynamic else None
        if isinstance(size, Tracer) or (dynamic and (room is None or room.size < 0)):
            raise Uncompilable(_UNKNOWN_SIZE)
        used = None if room is None or room.exact else jnp.int32(size)
        size = int(size) if room is None else max(room.size, int(size))
        known = shape is not None and all(d is not None for d in shape)
        data = jnp.zeros((size, *(shape or ())), dtype) if known else None
        return TensorArrayValue(data, size, np.dtype(dtype), shape, used)

    def ta_write(self, flow: TensorArrayValue, index: Any, value: Any) -> TensorArrayValue:
        if flow.used is None:
            self._check_places(flow, index)
        flow = flow.filled(jnp.asarray(value))
        data = lax.dynamic_update_index_in_dim(flow.data, jnp.asarray(value, flow.data.dtype), index, 0)
        if flow.used is None:
            return flow.with_data(data)
        used = jnp.maximum(flow.used, jnp.int32(index + 1))
        return TensorArrayValue(data, flow.size, flow.dtype, flow.shape, used)

    def ta_read(self, flow: TensorArrayValue, index: Any) -> Any:
        self._check_places(flow, index)
        return lax.dynamic_index_in_dim(_written(flow), index, 0, keepdims=False)

    def ta_read_or_zero(self, flow: TensorArrayValue, index: Any, like: Any) -> Any:
        if flow.data is None:
            return jnp.zeros_like(like)
        return lax.dynamic_index_in_dim(flow.data, index, 0, keepdims=False)

    def ta_gather(self, flow: TensorArrayValue, indices: Any, dims: Any) -> Any:
        if flow.data is None and flow.size == 0 and flow.used is None and dims is not None:
            return jnp.zeros((0, *[d or 0 for d in dims[1:]]), flow.dtype)
        if flow.used is None and _is_all(indices, flow.size):
            return _written(flow)
        self._check_places(flow, indices)
        return jnp.take(_written(flow), jnp.asarray(indices), axis=0)

    def ta_gather_or_zero(self, flow: TensorArrayValue, indices: Any, like: Any) -> Any:
        if flow.data is None:
            return jnp.zeros_like(like)
        return flow.data if _is_all(indices, flow.size) else jnp.take(flow.data, jnp.asarray(indices), axis=0)

    def ta_scatter(self, flow: TensorArrayValue, indices: Any, value: Any) -> TensorArrayValue:
        flow = flow.fixed()
        if flow.data is None and _is_all(indices, flow.size):
            return flow.with_data(jnp.asarray(value))
        self._check_places(flow, indices)
        flow = flow.filled(jnp.asarray(value)[0])
        return flow.with_data(flow.data.at[jnp.asarray(indices)].set(value))

    def ta_accumulate(self, flow: TensorArrayValue, index: Any, value: Any) -> TensorArrayValue:
        flow = flow.filled(jnp.asarray(value))
        return flow.with_data(flow.data.at[index].add(value))

    def ta_accumulate_rows(self, flow: TensorArrayValue, indices: Any, value: Any) -> TensorArrayValue:
        if flow.data is None and _is_all(indices, flow.size):
            return flow.with_data(jnp.asarray(value))
        flow = flow.filled(jnp.asarray(value)[0])
        return flow.with_data(flow.data.at[jnp.asarray(indices)].add(value))

    def ta_concat(self, flow: TensorArrayValue, dims: Any) -> Any:
        data = _written(flow.fixed())
        lengths = np.full((flow.size,), data.shape[1], np.int64)
        return data.reshape((-1, *data.shape[2:])), lengths

    def ta_concat_or_zero(self, flow: TensorArrayValue, lengths: Any, like: Any) -> Any:
        return jnp.zeros_like(like) if flow.data is None else flow.data.reshape(like.shape)

    def ta_split(self, flow: TensorArrayValue, value: Any, lengths: Any) -> TensorArrayValue:
        if isinstance(lengths, Tracer) or len(set(np.ravel(lengths).tolist())) > 1:
            raise Uncompilable("a tensor array with elements of different lengths")
        return flow.fixed().with_data(jnp.reshape(value, (flow.size, -1, *value.shape[1:])))

    def ta_size(self, flow: TensorArrayValue) -> Any:
        return np.int32(flow.size) if flow.used is None else flow.used


def _complete(result: Any, wanted: Any) -> Any:
    if result is None:
        return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), wanted)
    return result


def _with_room(step: Callable[[list[Any]], list[Any]], start: list[Any]) -> list[Any]:
    """Allocates tensor arrays that get their first element inside the loop."""
    if not any(isinstance(v, TensorArrayValue) and v.data is None for v in start):
        return start
    after = jax.eval_shape(step, start)
    return [
        b.with_data(jnp.zeros(a.data.shape, a.data.dtype))
        if isinstance(b, TensorArrayValue) and b.data is None and a.data is not None
        else b
        for a, b in zip(after, start, strict=True)
    ]


def _repeated(
    test: _Body, turn: _Body, step: Callable[..., Any], start: list[Any]
) -> tuple[list[Any], Any, Any]:
    """`lax.while_loop` of `step`, whose body is `turn`, while `test` gives true first.

    Where a condition does not hold the loop ends, since what it goes on with may never end it.

    Returns:
      The last values, whether the conditions of all turns held, whether those of all tests did.
    """
    leaves, tree = jax.tree.flatten(start)
    body, shapes = jax.make_jaxpr(step, return_shape=True)(start)
    if jax.tree.structure(shapes[0]) != tree:
        raise Uncompilable("a loop that changes the kind of a value")
    asked = jax.make_jaxpr(lambda values: test(values)[0][0])(start)
    once, whether = jax_core.jaxpr_as_fun(body), jax_core.jaxpr_as_fun(asked)

    if not test.rows and (not turn.rows or _only_counts(asked.jaxpr, body.jaxpr)):

        def going(loop: tuple[list[Any], Any]) -> Any:
            return whether(*loop[0])[0]

    else:

        def going(loop: tuple[list[Any], Any]) -> Any:
            (going_on, *_), allowed = test(jax.tree.unflatten(tree, loop[0]))
            return going_on & loop[1] & allowed

    def turned(loop: tuple[list[Any], Any]) -> tuple[list[Any], Any]:
        *values, held = once(*loop[0])
        return values, loop[1] & held if turn.rows else loop[1]

    values, held = lax.while_loop(going, turned, (leaves, jnp.asarray(True)))
    final = jax.tree.unflatten(tree, values)
    # the conditions of the test held before each turn, but perhaps not at the end
    return final, held, test(final)[1] if test.rows else None


def _only_counts(test: jax_core.Jaxpr, body: jax_core.Jaxpr) -> bool:
    """True where a loop's condition depends on sums and the like alone, which no failure of its body reaches.

    Args:
      test: of the carried values.
      body: of the carried values; its last result is not a carried value.
    """
    wanted = partial_eval.dce_jaxpr(test, [True])[1]
    while True:
        part, used = partial_eval.dce_jaxpr(body, [*wanted, False])
        if any(eqn.primitive.name not in _SUMS for eqn in part.eqns):
            return False
        if not any(u and not w for u, w in zip(used, wanted, strict=True)):
            return True
        wanted = [u or w for u, w in zip(used, wanted, strict=True)]


def _scanned(turn: _Body, start: list[Any], rows: Any, length: int, reverse: bool) -> tuple[Any, Any]:
    """`lax.scan` of a body; its conditions are noted."""

    def step(values: list[Any], elements: Any) -> tuple[list[Any], Any]:
        (values, stacked), held = turn(values, elements)
        return values, (stacked, held if turn.rows else None)

    final, (stacks, held) = lax.scan(step, start, rows, length=length, reverse=reverse)
    Checks.current().add_of_body(held, turn)
    return final, stacks


def _known_trips(cond: Any, body: Any, carried: Any, captured: Any, state: Any) -> tuple[int, set[Any]]:
    """How often a loop runs, from running it on what is known, and the operations whose conditions that does
    not decide; raises where it does not settle the loop's condition.
    """
    start = [*carried, *state]
    found: list[tuple[int, set[Any]]] = []

    def follow(unknown: list[Any]) -> list[Any]:
        rest = iter(unknown)
        values = [next(rest) if _is_traced(v) else v for v in start]
        found.append(_followed(cond, body, values, list(captured), len(carried)))
        return []

    jax.eval_shape(_Body(follow).results, [v for v in start if _is_traced(v)])
    return found[0]


def _followed(
    cond: Any, body: Any, values: list[Any], captured: list[Any], count: int
) -> tuple[int, set[Any]]:
    """`_known_trips` inside a trace of its own, where tracers stand for what is unknown in a round."""
    fixed = slice(count, count + len(captured))
    asked, turn = cond.following(fixed), body.following(fixed)
    undecided: set[Any] = set()
    trips = 0
    while True:
        going, *state = asked([*values[:count], *captured, *values[count:]])
        if isinstance(going, Tracer):
            raise Uncompilable("a loop whose trip count depends on data")
        if not going:
            return trips, undecided
        trips += 1
        if trips > _MOST_ROUNDS:
            raise Uncompilable(f"a loop of more than {_MOST_ROUNDS} rounds with a gradient")
        results = turn([*values[:count], *captured, *state])
        undecided |= turn.undecided
        values = results[:count] + results[len(results) - len(state) :]


def _written(flow: TensorArrayValue) -> Any:
    if flow.data is None:
        raise Uncompilable("a tensor array that is read before it is written")
    return flow.data


def _is_all(indices: Any, size: int) -> bool:
    return not isinstance(indices, Tracer) and np.array_equal(np.ravel(indices), np.arange(size))
