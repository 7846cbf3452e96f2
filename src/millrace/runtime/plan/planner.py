"""`make_plan`: what has to run for some fetches, in which order, reading which version of each variable.

A plan is a list of `Step`s in single-assignment form. Variables are values too: a write takes the current
version and makes the next one, and a read names the version it sees, so that every real schedule gives the
one meaning that the design promises. The passes:

1. prune: the ancestors of the fetches; a fed tensor cuts what is before it;
2. order: creation order, unless an edge demands otherwise;
3. versions: which write each read sees (the last that happens before it along edges, else the value at the
   start);
4. simplify (in `simplify.py`): fold constants, drop operations that change nothing, merge equal ones.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from millrace.core import errors, shapes
from millrace.exchange.tokens import needs_tokens
from millrace.graph.operation import Operation, is_ref
from millrace.graph.references import VARIABLE_TYPES, cell_key, is_variable_read, passed_on, variable_of
from millrace.graph.tensor import Tensor
from millrace.runtime.plan.borders import BodyUse, LoweredOperation, Lowering, bodies_of

_EARLIER = "\0earlier"  # marks, behind a cell's key, the version that a body's reads see before its writes
_TOKENS = "it is old control flow, which runs as a whole, by tokens"


class NeedsTokens(errors.UnimplementedError):
    """A run needs old control flow, for which there is no plan."""


class Room(NamedTuple):
    """How long a tensor array gets that grows while a loop writes to it, or how often such a loop runs.

    Attributes:
      size: at most.
      exact: at last it has that size, or it runs as often.
    """

    size: int
    exact: bool


@dataclass(slots=True)
class Step:
    """One kernel call.

    Attributes:
      op: the operation whose kernel runs.
      inputs: value ids, flat, in signature order; variables' current values stand for references.
      outputs: value ids of the outputs, flat; for a write, the first is also the new version.
      state: value ids of cells that the kernel gets beside its inputs (own state, or the state of its
        bodies).
      new_state: value ids of the cells' next versions, in the order in which the kernel returns them.
      dims: the shapes of the inputs where the feeds have made them more exact; what bodies are planned for.
      room: for a tensor array that grows and the loop that writes to it, where that is known.
    """

    op: Operation
    inputs: list[int]
    outputs: list[int]
    state: list[int] = field(default_factory=list[int])
    new_state: list[int] = field(default_factory=list[int])
    dims: tuple[shapes.Dims, ...] | None = None
    room: Room | None = None

    @property
    def takes(self) -> list[int]:
        """All values that it takes."""
        return [*self.inputs, *self.state]

    @property
    def makes(self) -> list[int]:
        """All values that it makes."""
        return [*self.outputs, *self.new_state]


@dataclass(slots=True)
class CellUse:
    """How a plan uses one cell of the store.

    Attributes:
      key: the cell's name.
      op: the operation that owns it, for messages and for its initial value.
      initial: id of the value at the start of the run.
      final: id of the value at the end; equal to `initial` where nothing is written.
      must_exist: an empty cell is an error.
    """

    key: str
    op: Operation
    initial: int
    final: int
    must_exist: bool = False


@dataclass(slots=True)
class Plan:
    """The whole of one run, ready for a tier.

    Attributes:
      feeds: value ids of the fed tensors.
      steps: in execution order.
      fetches: value ids of the fetched tensors; -1 for a fetched operation.
      constants: value id -> array, known before the run.
      cells: the variables and states used.
      dims: value id -> static shape, as far as it is known.
      tensors: value id -> the tensor it came from, for messages and dtypes.
      count: value ids are below this.
      function: what the interpreter made of it, where it is the plan of a body.
    """

    feeds: list[int]
    steps: list[Step]
    fetches: list[int]
    constants: dict[int, Any]
    cells: list[CellUse]
    dims: dict[int, shapes.Dims]
    tensors: dict[int, Tensor]
    count: int
    function: Any = None


def make_plan(fetches: Sequence[Any], feeds: Sequence[Tensor], lowering: Lowering | None = None) -> Plan:
    """Plans a run.

    Args:
      fetches: tensors and operations.
      feeds: the tensors that the caller gives values for.
      lowering: what is known of the graph's branches and loops.

    Raises:
      InvalidArgumentError: a placeholder is needed but not fed, or the graph has a cycle.
    """
    reach = (lowering or Lowering()).reach(fetches, frozenset(feeds))
    for op in reach.ops:
        op.graph.planned = len(op.graph.ops)
        break
    for op in reach.ops:
        if op.opdef.kernel is None and needs_tokens(op):
            raise NeedsTokens(None, op, _TOKENS)
    return _Versions(in_order(reach.ops), fetches, feeds, {}).plan()


def ancestors(fetches: Iterable[Any], feeds: frozenset[Tensor]) -> dict[Operation, Operation]:
    """The operations that the fetches need, themselves among them, given the feeds."""
    return Lowering().reach(fetches, feeds).ops


def in_order(needed: Mapping[Operation, Operation]) -> list[Operation]:
    """The operations as they are used, in creation order, changed only where an edge leads backwards.

    Args:
      needed: the graph's operations, each with what the run uses in its place.
    """
    ops = sorted(needed.values(), key=lambda op: op.id)
    place = {op: i for i, op in enumerate(ops)}
    if all(place.get(t.op, -1) < i for i, op in enumerate(ops) for t in op.inputs) and all(
        place.get(c, -1) < i for i, op in enumerate(ops) for c in op.control_inputs
    ):
        return ops
    return _topological(ops, place)


def _topological(ops: list[Operation], place: dict[Operation, int]) -> list[Operation]:
    """Kahn's algorithm that always takes the operation created first."""
    waiting = [0] * len(ops)
    followers: list[list[int]] = [[] for _ in ops]
    for i, op in enumerate(ops):
        for source in {t.op for t in op.inputs} | set(op.control_inputs):
            k = place.get(source)
            if k is not None:
                waiting[i] += 1
                followers[k].append(i)
    ready = [i for i, n in enumerate(waiting) if n == 0]
    done: list[Operation] = []
    while ready:
        i = heapq.heappop(ready)
        done.append(ops[i])
        for k in followers[i]:
            waiting[k] -= 1
            if waiting[k] == 0:
                heapq.heappush(ready, k)
    if len(done) < len(ops):
        stuck = [op for i, op in enumerate(ops) if waiting[i]]
        raise errors.InvalidArgumentError(
            None, stuck[0], f"The graph has a cycle: {' -> '.join(op.name for op in stuck[:6])}"
        )
    return done


class _Versions:
    """Gives every value an id, and every read of a variable the version it sees."""

    def __init__(
        self,
        order: list[Operation],
        fetches: Sequence[Any],
        feeds: Sequence[Tensor],
        rereads: dict[Tensor, Tensor],
        apart: frozenset[str] = frozenset(),
    ) -> None:
        self.order = order
        self.rereads = rereads
        self.apart = apart
        self.constants: dict[int, Any] = {}
        self.variables: dict[Tensor, Operation | None] = {}
        self.fetches = fetches
        self.ids: dict[Tensor, int] = {}
        self.feeds = [self._id_of(t) for t in feeds]
        self.fed = frozenset(feeds)
        self._fed_refs = frozenset(t for t in feeds if is_ref(t.dtype) and t.op.type != "BodyArg")
        self._fed_of: dict[Tensor, Tensor | None] = {}
        self.held: dict[Tensor, int] = {}  # a lock -> the writes before it was last freed
        self.dims: dict[int, shapes.Dims] = {}
        self.tensors: dict[int, Tensor] = {}
        self.steps: list[Step] = []
        self.cells: dict[str, CellUse] = {}
        self.history: dict[
            str, list[tuple[int, int]]
        ] = {}  # cell -> (bit of the write, id of the version it made)
        self.writes = 0
        self.place = 0
        self.last_reads: dict[str, int] = {}
        self.after: dict[Operation, int] = {}  # the writes that happen before an operation is done, as bits
        self.count = len(self.ids)

    def _variable(self, ref: Tensor) -> Operation | None:
        return variable_of(ref, self.variables)

    def _id_of(self, tensor: Tensor) -> int:
        return self.ids.setdefault(tensor, len(self.ids))

    def _new(self) -> int:
        self.count += 1
        return self.count - 1

    def plan(self) -> Plan:
        for tensor in self.fed:
            self._describe(self.ids[tensor], tensor)
        self.last_reads = self._last_reads()
        for place, op in enumerate(self.order):
            self.place = place
            self._visit(op)
        finals = [self._fetched(f) for f in self.fetches]
        for use in self.cells.values():
            history = self.history.get(use.key.removesuffix(_EARLIER))  # the next round of a loop sees all
            use.final = history[-1][1] if history else use.initial
        return Plan(
            self.feeds,
            self.steps,
            finals,
            self.constants,
            list(self.cells.values()),
            self.dims,
            self.tensors,
            self.count,
        )

    def _last_reads(self) -> dict[str, int]:
        """Cell -> the place of the last operation that reads it; the writes after that need no bit."""
        last: dict[str, int] = {}
        for place, op in enumerate(self.order):
            writes = op.opdef.writes
            for position, tensor in enumerate(op.inputs):
                ref = self.rereads.get(tensor)
                if ref is None:
                    ref = tensor.op.inputs[0] if is_variable_read(tensor.op) else tensor
                if is_ref(ref.dtype) and not (writes and self._argument_name(op, position) in writes):
                    variable = self._variable(ref)
                    if variable is not None:
                        last[cell_key(variable)] = place
            if op.opdef.has_body:
                last.update((key, place) for key in body_cells(op))
        return last

    def _describe(self, value: int, tensor: Tensor) -> None:
        self.dims[value] = tensor.dims
        self.tensors[value] = tensor

    def _visit(self, op: Operation) -> None:
        before = 0
        after = self.after
        for tensor in op.inputs:
            before |= after.get(tensor.op, 0)
        for control in op.control_inputs:
            before |= after.get(control, 0)
        if op.type == "MutexLock":  # what the lock was held for before
            before |= self.held.get(op.inputs[0], 0)
        if op.type in VARIABLE_TYPES:
            if before:
                after[op] = before
            return
        opdef = op.opdef
        if opdef.kernel is None and all(t in self.fed for t in op.outputs):
            return
        if opdef.kernel is None:
            raise NeedsTokens(None, op, _TOKENS) if needs_tokens(op) else _missing_feed(op)
        ref = op.inputs[0] if is_variable_read(op) else None
        if ref is not None and self._fed(ref) is None and self._variable(ref) is not None:
            # the read itself sees what is before it; those who take its result look for themselves
            for tensor in op.outputs:
                if tensor not in self.fed:
                    self.ids[tensor] = self._version(ref, before, True)
            if before:
                after[op] = before
            return
        if opdef.has_body:
            op = self._told_apart(op, before)
        step = Step(op, [], [])
        written: list[str] = []
        for position, tensor in enumerate(op.inputs):
            step.inputs.append(self._input(op, position, tensor, before, written))
        if opdef.state is not None:
            key = cell_key(op)
            step.state.append(self._current(key, op, must_exist=False))
            written.append(key)
        if opdef.has_body:
            for key, (owner, changed) in body_cells(op).items():
                if changed:
                    step.state.append(self._current(key, owner, must_exist=False))
                else:  # bodies that only read are readers like any other
                    plain = key.removesuffix(_EARLIER)
                    step.state.append(self._seen(plain, owner, before, must_exist=False))
                written.append(key if changed else "")
        outputs_are_versions = bool(opdef.writes)
        for tensor in op.outputs:
            value = self._new()
            step.outputs.append(value)
            self._describe(value, tensor)
            if tensor not in self.fed:
                self.ids[tensor] = value
        if written:
            self._write(op, step, written, before, outputs_are_versions)
        elif before:
            after[op] = before
            if op.type == "ConsumeMutexLock":
                self.held[op.inputs[0].op.inputs[0]] = before
        self.steps.append(step)

    def _told_apart(self, op: Operation, before: int) -> Operation:
        """An operation with bodies, as one that sees earlier versions of some cells than it goes on from."""
        cells = frozenset(
            key
            for key, (owner, changed) in body_cells(op).items()
            if changed and self._seen(key, owner, before, False) != self._current(key, owner, False)
        )
        return op.reading_earlier(cells) if cells and isinstance(op, LoweredOperation) else op

    def _write(self, op: Operation, step: Step, written: list[str], before: int, is_write: bool) -> None:
        for k, key in enumerate(written):
            if not key:  # a cell that a body only reads comes back unchanged
                step.new_state.append(self._new())
                continue
            bit = 0
            if self.last_reads.get(key, -1) > self.place:
                bit = 1 << self.writes
                self.writes += 1
                before |= bit
            first_output = step.outputs and is_write and k == 0 and op.opdef.outputs[0].is_ref
            version = step.outputs[0] if first_output else self._new()
            if not first_output:
                self.dims[version] = self.dims.get(self.cells[key].initial)
            step.new_state.append(version)
            self.history.setdefault(key, []).append((bit, version))
        self.after[op] = before

    def _input(self, op: Operation, position: int, tensor: Tensor, before: int, written: list[str]) -> int:
        if tensor in self.rereads:
            return self._version(self.rereads[tensor], before, True)
        if is_ref(tensor.dtype):
            variable = self._variable(tensor)
            name = self._argument_name(op, position)
            fed = self._fed(tensor)
            if fed is not None:
                if name in op.opdef.writes:
                    raise _written_feed(op, fed)
                return self.ids[fed]
            if variable is None:
                return self.ids[tensor]
            if (op.opdef.has_body and not tensor.dtype.is_ref_dtype) or op.opdef.has_function:
                return self._handle()
            uninitialized = op.opdef.reads_uninitialized
            key = cell_key(variable)
            if name in op.opdef.writes:
                written.append(key)
                return self._current(key, variable, not uninitialized)
            if tensor.op is not variable and name not in op.opdef.reads and tensor.dtype.is_ref_dtype:
                return self.ids[tensor]  # the result of a write, taken as the value that it wrote
            return self._version(tensor, before, not uninitialized)
        if tensor in self.fed:
            return self.ids[tensor]
        source = tensor.op
        if (
            is_variable_read(source)
            and before
            and self._fed(source.inputs[0]) is None
            and self._variable(source.inputs[0]) is not None
        ):
            return self._version(source.inputs[0], before, True)
        return self.ids[tensor]

    def _fed(self, ref: Tensor) -> Tensor | None:
        """The fed tensor that a reference stands for, where its variable is fed; else None."""
        if not self._fed_refs:
            return None
        path: list[Tensor] = []
        found: Tensor | None = None
        current: Tensor | None = ref
        while current is not None:
            if current in self._fed_of:
                found = self._fed_of[current]
                break
            path.append(current)
            if current in self._fed_refs:
                found = current
                break
            current = passed_on(current) if current.op.type not in VARIABLE_TYPES else None
        self._fed_of.update((t, found) for t in path)
        return found

    def _handle(self) -> int:
        """A value that stands for a variable's handle where a body takes it: the planner knows which variable
        it is, and a compiled loop hands it on as any number.
        """
        value = self._new()
        self.constants[value] = np.zeros((), np.int8)
        return value

    def _argument_name(self, op: Operation, position: int) -> str:
        for arg in op.opdef.inputs:
            if not arg.is_list:
                if position == 0:
                    return arg.name
                position -= 1
                continue
            count = op.attrs[arg.number_attr] if arg.number_attr else len(op.attrs[arg.types_attr])  # pyright: ignore[reportArgumentType]
            if position < count:
                return arg.name
            position -= count
        raise IndexError(position)

    def _use(self, key: str, op: Operation) -> CellUse:
        use = self.cells.get(key)
        if use is None:
            value = self._new()
            use = self.cells[key] = CellUse(key, op, value, value)
            if op.outputs and op.type in VARIABLE_TYPES:
                dims = op.attrs.get("shape") if op.type == "VarHandleOp" else op.outputs[0].dims
                self.dims[value] = dims
                self.tensors[value] = op.outputs[0]
        return use

    def _current(self, key: str, op: Operation, must_exist: bool) -> int:
        """The version that the next write starts from: the last one in execution order."""
        use = self._use(key, op)
        history = self.history.get(key)
        if history:
            return history[-1][1]
        use.must_exist |= must_exist
        return use.initial

    def _version(self, ref: Tensor, before: int, must_exist: bool) -> int:
        """The version that a read sees: the last write among those that happen before it."""
        variable = self._variable(ref)
        assert variable is not None
        return self._seen(cell_key(variable), variable, before, must_exist)

    def _seen(self, key: str, op: Operation, before: int, must_exist: bool) -> int:
        for bit, version in reversed(self.history.get(key, ())):
            if before & bit:
                return version
        use = self._use(key + _EARLIER if key in self.apart else key, op)
        use.must_exist |= must_exist
        return use.initial

    def _fetched(self, fetch: Any) -> int:
        if not isinstance(fetch, Tensor):
            return -1
        if fetch in self.rereads:
            return self._version(self.rereads[fetch], 0, True)  # an argument has nothing before it
        if fetch in self.fed:
            return self.ids[fetch]
        if is_ref(fetch.dtype) and fetch.op.type in VARIABLE_TYPES:
            for tensor in self.fed:  # a resource variable is fed by its read
                if is_variable_read(tensor.op) and tensor.op.inputs[0] is fetch:
                    return self.ids[tensor]
            return self._current(cell_key(fetch.op), fetch.op, True)
        return self.ids[fetch]


def body_cells(op: Operation) -> dict[str, tuple[Operation, bool]]:
    """The cells that the bodies of `op` use, themselves or in bodies inside them, and whether one writes it.

    Both tiers hand these to the kernel behind its last list argument, in this order, and take all of them
    back behind its results.
    """
    found: dict[str, tuple[Operation, bool]] = {}
    for body in bodies_of(op):
        for use in body_plan(body).cells:
            changed = use.final != use.initial and not use.key.endswith(_EARLIER)
            found[use.key] = (use.op, changed or (use.key in found and found[use.key][1]))
    return found


def any_step(steps: Iterable[Step], holds: Callable[[Step], bool]) -> bool:
    """True where something holds of a step, or of one in the bodies of a step."""
    return any(
        holds(step)
        or (
            step.op.opdef.has_body
            and any(any_step(body_plan(body).steps, holds) for body in bodies_of(step.op))
        )
        for step in steps
    )


def with_bodies(value: Any, bind: Callable[[BodyUse], Any]) -> Any:
    """An attribute's value, or `bind` of it where it is a body."""
    return bind(value) if isinstance(value, BodyUse) else value


def new_body_plan(body: BodyUse) -> Plan:
    """A plan of a body, not simplified."""
    return _Versions(in_order(body.reach.ops), body.outputs, body.feeds, body.rereads, body.apart).plan()


def body_plan(body: BodyUse) -> Plan:
    """The plan of a body, not simplified; made once, to know which cells the body uses."""
    if body.plan is None:
        body.plan = new_body_plan(body)
    return body.plan


def _written_feed(op: Operation, fed: Tensor) -> errors.InvalidArgumentError:
    return errors.InvalidArgumentError(
        None, op, f"{op.type} '{op.name}' would write the variable '{fed.name}', which is fed in this run"
    )


def _missing_feed(op: Operation) -> errors.InvalidArgumentError:
    dtype = op.outputs[0].dtype.name
    shape = op.outputs[0].shape
    return errors.InvalidArgumentError(
        None,
        op,
        f"You must feed a value for placeholder tensor '{op.name}' with dtype {dtype} and shape {shape}",
    )
