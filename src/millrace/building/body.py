"""`Body`: the part of a graph that a `cond` branch or a loop runs, kept apart from the operations around it.

The operations of a body live in the same `Graph` (their names, collections and seeds follow TensorFlow's),
but each carries `op.body`. A tensor from outside is *captured* when an operation inside first takes it: the
body gets an input for it. References to variables are names rather than values and cross freely; the result
of a write is a value. A control edge from inside leads to the operation outside, and the planner makes it an
edge of the If or While. Where a body writes a variable, the planner lets what captured its `read` see those
writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.building.capturing import Capturing
from millrace.building.create import create
from millrace.core import dtypes, shapes
from millrace.graph.nesting import escaped
from millrace.graph.opdef import lookup
from millrace.graph.operation import Operation, add_consumer
from millrace.graph.references import VARIABLE_TYPES, variable_of
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.graph.graph import Graph


class Body(Capturing):
    """A branch, or the body or condition of a loop.

    Attributes:
      graph: the graph that holds its operations.
      parent: the body around this one, or None.
      tag: the name that capturing operations get ("Switch", "Enter").
      twin: the body whose captures count for this one too: a loop has one Enter for both of its bodies.
      owners: the operations that have it as a body; what is captured after that becomes their input.
    """

    def __init__(self, graph: Graph, tag: str) -> None:
        super().__init__()
        self.graph = graph
        self.parent: Body | None = graph.body
        self.tag = tag
        self._inside: dict[Tensor, Tensor] = {}  # captured or re-read, whatever the distance
        self.name = graph.scope
        self.twin: Body | None = None
        self._names: set[Tensor] = set()
        self.owners: list[Operation] = []
        self.tick: Tensor | None = None  # a value of each iteration, by which a gradient counts them

    def bind(self, outer: Tensor, dims: shapes.Dims, name: str) -> Tensor:
        """A new argument that stands for the tensor `outer` of the body around this one: a capture asked for
        by name.
        """
        inside = self._argument(outer.dtype, dims, name)
        self.captures[outer] = self._inside[outer] = inside
        self.graph.on_undo(lambda: self._forget(outer, outer))
        inside.known_value = outer.known_value
        return inside

    def capture(self, tensor: Tensor, name: str = "") -> Tensor:
        """The tensor inside that stands for the outer `tensor`.

        Raises:
          ValueError: `tensor` belongs to a body that is not around this one.
        """
        known = self._inside.get(tensor)
        if known is not None:
            return known
        outer = tensor
        if tensor.op.body is not self.parent:
            if self.parent is None:
                raise ValueError(escaped(tensor))
            outer = self.parent.capture(tensor, name)
            if outer in self._inside:
                return self._inside[outer]
        if names_variable(outer):
            self._count_name(outer)
            return outer
        inside = self._argument(outer.dtype, outer.dims, name or self.tag)
        if self.twin is not None and outer in self.twin.captures:
            self.graph.count(-1)
        self.captures[outer] = inside
        self._inside[tensor] = self._inside[outer] = inside
        self.graph.on_undo(lambda: self._forget(tensor, outer))
        inside.known_value = tensor.known_value
        for owner in self.owners:
            _widen(owner, outer)
        return inside

    def _count_name(self, outer: Tensor) -> None:
        """Counts the Switch or Enter through which TensorFlow lets a variable's reference in."""
        known = self._names if self.twin is None else self._names | self.twin._names
        if outer not in known:
            self._names.add(outer)
            self.graph.count(1)

    def _forget(self, tensor: Tensor, outer: Tensor) -> None:
        """Undoes a capture, whose argument is no more."""
        for key in (tensor, outer):
            self._inside.pop(key, None)
        self.captures.pop(outer, None)

    def find(self, tensor: Tensor) -> Tensor | None:
        """The tensor inside that already stands for the outer `tensor`, or None."""
        return self._inside.get(tensor)

    def replace_outer(self, old: Tensor, new: Tensor) -> None:
        """Lets the argument that stood for the outer tensor `old` stand for `new`."""
        if old in self.captures and new not in self.captures:
            pairs = self.captures.items()
            self.captures = {new if outer is old else outer: inside for outer, inside in pairs}
            self._inside[new] = self._inside.pop(old)

    def _argument(self, dtype: dtypes.DType, dims: shapes.Dims, name: str) -> Tensor:
        with self.graph.as_default(), self.graph.inside(self):
            return create(lookup("BodyArg"), dtype=dtype.base_dtype, shape=dims, name=name).outputs[0]

    def __repr__(self) -> str:
        return f"<Body {self.name!r}: {len(self.inputs)} inputs, {len(self.captures)} captures>"


def names_variable(tensor: Tensor) -> bool:
    """True for a reference that is a name: a variable's own, or that of another resource."""
    if not tensor.dtype.is_ref_dtype:
        return False
    return tensor.op.type in VARIABLE_TYPES or variable_of(tensor) is None


def _widen(owner: Operation, outer: Tensor) -> None:
    """Gives an operation with bodies one more input, for what one of its bodies has captured late."""
    before = owner.inputs, dict(owner.attrs)
    owner.graph.on_undo(lambda: _narrow(owner, outer, *before))
    for value in owner.attrs.values():
        if isinstance(value, Body):
            owners, value.owners = value.owners, []
            value.capture(outer)
            value.owners = owners
    owner.inputs = (*owner.inputs, outer)
    owner.attrs["Tin"] = (*owner.attrs["Tin"], outer.dtype.base_dtype)
    if "captured" in owner.attrs:
        owner.attrs["captured"] += 1
    add_consumer(outer, owner)


def _narrow(owner: Operation, outer: Tensor, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> None:
    """Undoes `_widen`."""
    owner.inputs, owner.attrs = inputs, attrs
    if outer.takers and outer not in inputs and owner in outer.takers:
        outer.takers.remove(owner)
