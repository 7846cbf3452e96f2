"""What one run needs of branches and loops: whatever crosses the border of a body is an input or an edge.

`Lowering.reach` finds the operations that some results need. Where it meets an If or While, it looks into
the bodies, from the results that are wanted there: what the operations inside take, wait for or read from
outside becomes an input or a control input of the operation *as the run uses it*, and nothing else does. So
one result of a branch runs its own part alone, an edge from inside a body to an operation outside keeps that
operation in the run and before the body, and a variable that is fed reaches the bodies that read it.

The graph's own operations and bodies stay as they are: what is made here belongs to the runtime.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Iterable, Sequence
from typing import Any

from millrace.building.body import Body
from millrace.core import errors
from millrace.graph.nesting import encloses, escaped
from millrace.graph.operation import Operation, is_ref
from millrace.graph.references import VARIABLE_TYPES, cell_key, is_variable_read, variable_of
from millrace.graph.tensor import Tensor


class Reach:
    """What some results need, in one body or outside of all.

    Attributes:
      ops: the operations in need, each with what the run uses in its place: itself, or the lowered form of an
        operation with bodies.
      given: which of the given tensors are met.
      outside: operations around the body that something inside waits for.
    """

    def __init__(self) -> None:
        self.ops: dict[Operation, Operation] = {}
        self.given: dict[Tensor, None] = {}
        self.outside: dict[Operation, None] = {}


class BodyUse:
    """A body as a run uses it: the arguments, results and outer references that are needed.

    Attributes:
      body: the body in the graph.
      inputs, outputs: those of the body's that are used.
      captures: pairs of an outer tensor and the argument that stands for it.
      references: outer references to variables that the run feeds, read in the body as values.
      reach: the operations inside.
      rereads: captured reads of variables that the operation writes, and the references that they read.
      fixed: arguments whose values are fed, so that they are not read anew.
      written: the cells that operations inside write.
      apart: those of them whose reads at the start see an earlier version than the writes begin with.
      plan: the runtime's, not simplified, made when it is asked for.
      forms: simplified plans by the shapes of the arguments.
    """

    def __init__(
        self,
        body: Body,
        inputs: list[Tensor],
        captures: list[tuple[Tensor, Tensor]],
        outputs: list[Tensor],
        references: list[Tensor],
        reach: Reach,
        fixed: frozenset[Tensor],
    ) -> None:
        self.body = body
        self.inputs = inputs
        self.captures = captures
        self.outputs = outputs
        self.references = references
        self.reach = reach
        self.fixed = fixed
        self.rereads: dict[Tensor, Tensor] = {}
        self.written = _written(reach)
        self.apart: frozenset[str] = frozenset()
        self.plan: Any = None
        self.forms: dict[Any, Any] = {}

    @property
    def feeds(self) -> list[Tensor]:
        """All arguments: the explicit ones, what is captured, the references that are fed."""
        return [*self.inputs, *(inside for _, inside in self.captures), *self.references]

    def read_anew(self, written: set[str]) -> None:
        """Lets captured reads of the variables `written` be read where they are used."""
        for outer, inside in self.captures if written else ():
            source: Tensor | None = outer
            while source is not None and source.op.type == "BodyArg" and source.op.body is not None:
                source = source.op.body.outer_of(source)
            if source is None or inside in self.fixed or not is_variable_read(source.op):
                continue
            variable = variable_of(source.op.inputs[0])
            if variable is not None and cell_key(variable) in written:
                self.rereads[inside] = source.op.inputs[0]

    def reading_earlier(self, cells: frozenset[str]) -> BodyUse:
        """The same, where reads at the start see another version of `cells` than the writes begin with."""
        other = copy.copy(self)
        other.apart, other.plan, other.forms = cells, None, {}
        return other


class LoweredOperation(Operation):
    """An operation with bodies as a run uses it; never part of a graph. As a key it stands for its origin.

    Attributes:
      origin: the graph's operation.
      apart: the same with the cells that it reads and writes apart, by these cells.
    """

    __slots__ = ("apart", "origin")
    origin: Operation
    apart: dict[frozenset[str], LoweredOperation]

    def __new__(cls) -> LoweredOperation:
        """One that has nothing yet: unlike an operation it enters no graph."""
        return object.__new__(cls)

    def reading_earlier(self, cells: frozenset[str]) -> LoweredOperation:
        """The same, where reads at the start see another version of `cells` than the writes begin with."""
        known = self.apart.get(cells)
        if known is None:
            known = self.apart[cells] = copy.copy(self)
            known.attrs = {
                name: value.reading_earlier(cells) if isinstance(value, BodyUse) else value
                for name, value in self.attrs.items()
            }
        return known

    def __eq__(self, other: object) -> bool:
        return other is self.origin or other is self

    def __hash__(self) -> int:
        return hash(self.origin)


class Lowering:
    """Finds what runs need of one graph, and remembers the lowered operations until the graph is edited."""

    def __init__(self) -> None:
        self._known: dict[Any, LoweredOperation] = {}
        self._edits: Any = None

    def reach(
        self,
        fetches: Iterable[Any],
        given: frozenset[Tensor],
        fixed: frozenset[Tensor] | None = None,
        body: Body | None = None,
    ) -> Reach:
        """The operations that `fetches`, tensors and operations of `body`, need.

        Args:
          fetches: what is wanted.
          given: tensors whose values are there.
          fixed: those among them that the caller feeds; default, all.
          body: where to look; default, outside of all bodies.

        Raises:
          InvalidArgumentError: something inside another body is needed.
        """
        fixed = given if fixed is None else fixed
        found = Reach()
        ops = found.ops
        wanted: dict[Operation, set[int]] = {}
        changed: dict[Operation, None] = {}
        stack: list[Any] = list(fetches)
        while stack or changed:
            if not stack:
                op = changed.popitem()[0]
                lowered = ops[op] = self._lowered(op, frozenset(wanted[op]), given, fixed)
                stack.extend(lowered.inputs)
                stack.extend(_controls(lowered, body, given, found))
                continue
            item = stack.pop()
            if isinstance(item, LoweredOperation):
                stack.extend(item.outputs or item.origin.outputs)
                continue
            if isinstance(item, Tensor):
                if item in given:
                    found.given[item] = None
                    continue
                op, asked = item.op, (item.value_index,)
            else:
                op, asked = item, range(len(item.outputs))
            if op in ops and op not in wanted:
                continue
            if op.body is not body and op.type not in VARIABLE_TYPES:
                raise _foreign(op, body)
            if op.opdef.has_body:
                if op not in ops or not wanted[op].issuperset(asked):
                    ops.setdefault(op, op)
                    wanted.setdefault(op, set()).update(asked)
                    changed[op] = None
                continue
            ops[op] = op
            stack.extend(op.inputs)
            if op.control_inputs:
                stack.extend(_controls(op, body, given, found))
        return found

    def _lowered(
        self, op: Operation, wanted: frozenset[int], given: frozenset[Tensor], fixed: frozenset[Tensor]
    ) -> LoweredOperation:
        if self._edits != op.graph.edits:
            self._known.clear()
            self._edits = op.graph.edits
        references = frozenset(t for t in given if is_ref(t.dtype) and t.op.type != "BodyArg")
        key = op, wanted, references, frozenset(t for t in op.inputs if t in fixed)
        known = self._known.get(key)
        if known is None:
            lower = _Branch if op.type == "If" else _Loop
            known = self._known[key] = lower(self, op, wanted, references, fixed).lowered()
        return known


def _controls(op: Operation, body: Body | None, given: frozenset[Tensor], found: Reach) -> list[Operation]:
    """What `op` waits for in `body`; what it waits for around `body` is noted in `found`."""
    here: list[Operation] = []
    for control in op.control_inputs:
        if control.type in ("Placeholder", "BodyArg") and control.outputs[0] in given:
            continue
        if control.body is body:
            here.append(control)
        elif encloses(control.body, body):
            found.outside[control] = None
        elif control.type not in VARIABLE_TYPES:
            raise _foreign(control, body)
    return here


def _foreign(op: Operation, body: Body | None) -> errors.OpError:
    if op.body is not None and not encloses(op.body, body):
        return errors.InvalidArgumentError(None, op, escaped(op.outputs[0] if op.outputs else op))
    return errors.InternalError(None, op, f"{op!r} is outside of the body being planned")


class _Lower(abc.ABC):
    """Makes the lowered form of one operation."""

    def __init__(self, lowering: Lowering, op: Operation, wanted: frozenset[int],
                 references: frozenset[Tensor], fixed: frozenset[Tensor]) -> None:  # fmt: skip
        self.lowering = lowering
        self.op = op
        self.wanted = sorted(wanted)
        self.references = references
        self.fixed = fixed

    @abc.abstractmethod
    def lowered(self) -> LoweredOperation:
        """The operation with what its bodies need as its inputs and edges."""

    def _reach(self, body: Body, results: list[Tensor], explicit: Sequence[Tensor]) -> Reach:
        """What results of a body need of it; `explicit` are the operation's inputs for its arguments."""
        arguments = self._arguments(body)
        fixed = frozenset(a for a, outer in zip(arguments, explicit, strict=False) if outer in self.fixed)
        return self.lowering.reach(results, self.references.union(arguments), self.references | fixed, body)

    @staticmethod
    def _arguments(body: Body) -> list[Tensor]:
        return [*body.inputs, *body.captures.values()]

    def _made(self, inputs: list[Tensor], outputs: list[int], attrs: dict[str, Any],
              uses: list[BodyUse]) -> LoweredOperation:  # fmt: skip
        op = self.op
        made = LoweredOperation()
        made.graph, made.opdef, made.name, made.id = op.graph, op.opdef, op.name, op.id
        made.device, made.body, made.frames = op.device, op.body, op.frames
        made.origin, made.apart = op, {}
        made.inputs = tuple(inputs)
        made.outputs = [op.outputs[i] for i in outputs]
        outside = [c for use in uses for c in use.reach.outside]
        made.control_inputs = list(dict.fromkeys([*op.control_inputs, *outside]))
        typed = inputs if op.type != "If" else inputs[1:]
        made.attrs = {
            **op.attrs,
            **attrs,
            "Tin": tuple(t.dtype.base_dtype for t in typed),
            "Tout": tuple(t.dtype.base_dtype for t in made.outputs),
        }
        return made

    def _fed(self, *reaches: Reach) -> list[Tensor]:
        """The references that are fed and read in the bodies."""
        return [t for t in dict.fromkeys(t for r in reaches for t in r.given) if t in self.references]


class _Branch(_Lower):
    def lowered(self) -> LoweredOperation:
        op = self.op
        branches: list[Body] = [op.attrs["then_branch"], op.attrs["else_branch"]]
        outer = op.inputs[1:]
        reaches = [self._reach(b, [b.outputs[i] for i in self.wanted], outer) for b in branches]
        arguments = [self._arguments(b) for b in branches]
        used = [
            k
            for k in range(len(outer))
            if any(a[k] in r.given for a, r in zip(arguments, reaches, strict=True))
        ]
        references = self._fed(*reaches)
        uses = [
            BodyUse(
                body,
                [],
                [(outer[k], a[k]) for k in used],
                [body.outputs[i] for i in self.wanted],
                references,
                reach,
                frozenset(a[k] for k in used if outer[k] in self.fixed),
            )
            for body, a, reach in zip(branches, arguments, reaches, strict=True)
        ]
        for use in uses:
            use.read_anew(use.written)
        inputs = [op.inputs[0], *(outer[k] for k in used), *references]
        attrs: dict[str, Any] = {"then_branch": uses[0], "else_branch": uses[1]}
        return self._made(inputs, self.wanted, attrs, uses)


class _Loop(_Lower):
    def lowered(self) -> LoweredOperation:
        op = self.op
        carried, scanned = op.attrs["carried"], op.attrs["scanned"]
        body: Body = op.attrs["body"]
        test: Body | None = op.attrs["cond"]
        outer = op.inputs[carried + scanned :]
        reaches: list[Reach] = []
        kept = {k for k in self.wanted if k < carried}
        if test is not None:
            explicit = [*op.inputs[:carried], *outer]
            reaches.append(self._reach(test, test.outputs, explicit))
            kept.update(k for k, t in enumerate(test.inputs) if t in reaches[0].given)
        stacks = [k for k in self.wanted if k >= carried]
        while True:  # what the next value of a variable takes is needed too
            inner = self._reach(body, [body.outputs[k] for k in (*sorted(kept), *stacks)], op.inputs)
            more = {k for k in range(carried) if body.inputs[k] in inner.given} - kept
            if not more:
                break
            kept |= more
        reaches.append(inner)
        variables = sorted(kept)
        scans = [k for k in range(scanned) if not k or body.inputs[carried + k] in inner.given]
        bodies = [b for b in (test, body) if b is not None]
        captures = [list(b.captures.values()) for b in bodies]
        used = [
            k
            for k in range(len(outer))
            if any(c[k] in r.given for c, r in zip(captures, reaches, strict=True))
        ]
        references = self._fed(*reaches)
        uses: list[BodyUse] = []
        for each, c, reach in zip(bodies, captures, reaches, strict=True):
            inputs = [each.inputs[k] for k in variables]
            if each is body:
                inputs += [body.inputs[carried + k] for k in scans]
            results = each.outputs if each is test else [body.outputs[k] for k in (*variables, *stacks)]
            fixed = frozenset(c[k] for k in used if outer[k] in self.fixed)
            pairs = [(outer[k], c[k]) for k in used]
            uses.append(BodyUse(each, inputs, pairs, results, references, reach, fixed))
        written = set[str]().union(*(use.written for use in uses))
        for use in uses:
            use.read_anew(written)
        attrs: dict[str, Any] = {
            "cond": uses[0] if test is not None else None,
            "body": uses[-1],
            "carried": len(variables),
            "scanned": len(scans),
            "captured": len(used) + len(references),
        }
        inputs = [op.inputs[k] for k in variables] + [op.inputs[carried + k] for k in scans]
        inputs += [outer[k] for k in used] + references
        return self._made(inputs, [*variables, *stacks], attrs, uses)


def _written(reach: Reach) -> set[str]:
    """The cells that operations write, those in bodies inside them included."""
    found: set[str] = set()
    for op, used in reach.ops.items():
        for arg, tensor in zip(op.opdef.inputs, op.inputs, strict=False):
            if arg.name in op.opdef.writes:
                variable = variable_of(tensor)
                if variable is not None:
                    found.add(cell_key(variable))
        if op.opdef.has_body:
            for use in bodies_of(used):
                found |= use.written
    return found


def bodies_of(op: Operation) -> list[BodyUse]:
    """The bodies of a lowered operation."""
    return [value for value in op.attrs.values() if isinstance(value, BodyUse)]
