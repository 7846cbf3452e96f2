"""`Body`: the part of a graph that a `cond` branch or a loop runs, kept apart from the operations around it.

The operations of a body live in the same `Graph` (their names, collections and seeds follow TensorFlow's),
but each carries `op.body`. A tensor from outside is *captured* when an operation inside first takes it: the
body gets an input for it. Plain references to variables are names rather than values and cross freely. Where
a body writes a variable, the planner lets what captured its `read` see those writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.building.create import create, escaped
from millrace.core import dtypes, shapes
from millrace.graph.opdef import lookup
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.graph.graph import Graph


class Body:
    """A function of `inputs`, then `captures`, to `outputs`, drawn inside a graph.

    Attributes:
      graph: the graph that holds its operations.
      parent: the body around this one, or None.
      inputs: tensors inside that stand for the explicit arguments.
      captures: outer tensor -> the tensor inside that stands for it, in order of capture.
      outputs: tensors inside, the results.
      tag: the name that capturing operations get ("Switch", "Enter").
      twin: the body whose captures count for this one too: a loop has one Enter for both of its bodies.
    """

    def __init__(self, graph: Graph, tag: str) -> None:
        self.graph = graph
        self.parent: Body | None = graph.body
        self.inputs: list[Tensor] = []
        self.captures: dict[Tensor, Tensor] = {}
        self.outputs: list[Tensor] = []
        self.tag = tag
        self._inside: dict[Tensor, Tensor] = {}  # captured or re-read, whatever the distance
        self.name = graph.scope
        self.twin: Body | None = None
        self._names: set[Tensor] = set()
        self.tick: Tensor | None = None  # a value of each iteration, by which a gradient counts them
        self.plan: Any = None  # the runtime's, made at the first run
        self.forms: dict[Any, Any] = {}  # the plan for argument shapes, likewise

    def add_input(self, dtype: dtypes.DType, dims: shapes.Dims, name: str) -> Tensor:
        """A new explicit argument, as a tensor inside."""
        tensor = self._argument(dtype, dims, name)
        self.inputs.append(tensor)
        return tensor

    def bind(self, outer: Tensor, dims: shapes.Dims, name: str) -> Tensor:
        """A new argument that stands for the tensor `outer` of the body around this one: a capture asked for
        by name.
        """
        inside = self._argument(outer.dtype, dims, name)
        self.captures[outer] = self._inside[outer] = inside
        inside._static = outer._static
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
        if outer.dtype.is_ref_dtype:
            self._count_name(outer)
            return outer
        inside = self._argument(outer.dtype, outer.dims, name or self.tag)
        if self.twin is not None and outer in self.twin.captures:
            self.graph.count(-1)
        self.captures[outer] = inside
        self._inside[tensor] = self._inside[outer] = inside
        inside._static = tensor._static
        return inside

    def _count_name(self, outer: Tensor) -> None:
        """Counts the Switch or Enter through which TensorFlow lets a variable's reference in."""
        known = self._names if self.twin is None else self._names | self.twin._names
        if outer not in known:
            self._names.add(outer)
            self.graph.count(1)

    def find(self, tensor: Tensor) -> Tensor | None:
        """The tensor inside that already stands for the outer `tensor`, or None."""
        return self._inside.get(tensor)

    def outer(self, inside: Tensor) -> Tensor | None:
        """The outer tensor that `inside` stands for; None for an explicit argument."""
        return next((outer for outer, tensor in self.captures.items() if tensor is inside), None)

    def _argument(self, dtype: dtypes.DType, dims: shapes.Dims, name: str) -> Tensor:
        with self.graph.as_default(), self.graph.inside(self):
            return create(lookup("BodyArg"), dtype=dtype.base_dtype, shape=dims, name=name).outputs[0]

    def __repr__(self) -> str:
        return f"<Body {self.name!r}: {len(self.inputs)} inputs, {len(self.captures)} captures>"


def is_variable_read(op: Operation) -> bool:
    """True for the operations that do nothing but read a variable."""
    return op.type == "ReadVariableOp" or (op.type == "Identity" and op.inputs[0].dtype.is_ref_dtype)
