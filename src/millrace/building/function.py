"""`FunctionGraph`: a function with a graph of its own, as datasets and `Defun` use them.

Unlike a `Body`, whose operations live in the graph around it, a function is drawn in a graph of its own, so
that its operations take no names and no numbers from the program's graph. A tensor from outside is
*captured*: an argument stands for it inside, and the operation that uses the function takes the outer tensor
as one more input.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from millrace.building.apply import apply
from millrace.building.body import Body
from millrace.building.capturing import Capturing
from millrace.building.create import create
from millrace.core import dtypes, shapes
from millrace.core.kinds import LISTS
from millrace.core.public import public
from millrace.graph import location
from millrace.graph.graph import Graph
from millrace.graph.opdef import lookup
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor


@public("python.framework.func_graph.FuncGraph")
class FunctionGraph(Capturing, Graph):
    """A function that is a graph.

    Attributes:
      name: what a GraphDef calls it, before it is made unique.
      outer: the graph around it.
      made_at: where in the user's program it was made.
    """

    is_function = True

    def __init__(self, name: str, outer: Graph) -> None:
        Graph.__init__(self)
        Capturing.__init__(self)
        self.name = name
        self.outer = outer
        self.seed = outer.seed
        self.made_at = location.capture()
        self._collections = outer._collections

    @property
    def user_location(self) -> str:
        """`file.py:line` of the user's program that made the function."""
        return location.describe(self.made_at)

    @property
    def root(self) -> Graph:
        """The outermost graph around."""
        graph = self.outer
        while isinstance(graph, FunctionGraph):
            graph = graph.outer
        return graph

    def capture(self, tensor: Tensor) -> Tensor:
        """The tensor inside that stands for `tensor`: itself where it is inside already.

        Raises:
          ValueError: `tensor` is from a graph that is not around this one.
        """
        if tensor.op.graph is self:
            return tensor
        known = self.captures.get(tensor)
        if known is not None:
            return known
        outer = self.outer
        if tensor.op.graph is not outer:
            if not isinstance(outer, FunctionGraph):
                raise ValueError(
                    f"Tensor '{tensor.name}' must be from the same graph as the function {self.name!r}, "
                    "which uses it"
                )
            return self.capture(outer.capture(tensor))
        inside = self._argument(tensor.dtype, tensor.dims, tensor.op.name)
        self.captures[tensor] = inside
        return inside

    def captured(self) -> list[Tensor]:
        """The outer tensors that the function uses, in order of capture."""
        return list(self.captures)

    def close_over(self, outers: list[Tensor]) -> None:
        """Takes the last arguments for those that stand for `outers`: a function that was read from a
        GraphDef.
        """
        first = len(self.inputs) - len(outers)
        self.captures = dict(zip(outers, self.inputs[first:], strict=True))
        del self.inputs[first:]

    def entered(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs of an operation that is added here, with what stands inside for tensors from outside."""
        return tuple(
            self.capture(v)
            if type(v) is Tensor
            else [self.capture(t) if type(t) is Tensor else t for t in v]
            if type(v) in (list, tuple)
            else v
            for v in inputs
        )

    def control_dependencies(self, control_inputs: Any) -> Any:
        """As for any graph; operations outside of the function are done before it runs anyway."""
        if control_inputs is None:
            return super().control_dependencies(None)
        inside = [c for c in control_inputs if getattr(getattr(c, "op", c), "graph", self) is self]
        return super().control_dependencies(inside)

    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Any:
        """As for any graph; an operation outside of the function has no place inside."""
        graph = getattr(getattr(op, "op", op), "graph", self)
        if graph is not self and isinstance(graph, Graph):
            return contextlib.nullcontext()
        return super().colocate_with(op, ignore_existing)

    def _argument(self, dtype: dtypes.DType, dims: shapes.Dims, name: str) -> Tensor:
        with self.as_default(), self.inside(None), self._at_root():
            return create(lookup("BodyArg"), name=name, dtype=dtype.base_dtype, shape=dims).outputs[0]

    @contextlib.contextmanager
    def _at_root(self) -> Generator[None, None, None]:
        old, self.scope = self.scope, ""
        try:
            yield
        finally:
            self.scope = old

    def __repr__(self) -> str:
        return f"<FunctionGraph {self.name!r}: {len(self.inputs)} inputs, {len(self.captures)} captures>"


def is_effect(op: Operation) -> bool:
    """Whether an operation does something besides its results."""
    if op.type in ("BodyArg", "VarHandleOp"):
        return False
    return op.opdef.effect or bool(op.opdef.writes) or op.opdef.blocking


class OrderedGraph(FunctionGraph):
    """A function that does everything in the order in which it was written: what reads, writes or acts waits
    for the last operation that wrote or acted.
    """

    bodies_apart = True

    def __init__(self, name: str, outer: Graph) -> None:
        super().__init__(name, outer)
        self._last: dict[Any, Operation] = {}  # the last operation with an effect, by body

    def append(self, op: Operation) -> None:
        """Adds an operation; what reads, writes or acts waits for the last that wrote or acted."""
        super().append(op)
        bodies = [v for v in op.attrs.values() if isinstance(v, Body)]
        acts = is_effect(op) or any(body in self._last for body in bodies)
        if not (acts or bodies or op.opdef.reads):
            return
        last = self._last.get(op.body)
        if last is not None and last not in op.control_inputs:
            op.control_inputs = [*op.control_inputs, last]
        for body in bodies:
            self._complete(body)
        if acts:
            self._last[op.body] = op

    def _complete(self, body: Body) -> None:
        """Lets the results of a body wait for what it does besides."""
        last = self._last.get(body)
        if last is not None:
            with self.inside(body), self.control_dependencies([last]):
                body.outputs = [apply(lookup("Identity"), t) for t in body.outputs]


class ValueGraph(FunctionGraph):
    """A function that copies what it uses from outside instead of capturing it, so that it needs no
    arguments.

    Args:
      name: of the function.
      outer: the graph around it.
      allowed: says of an operation with state whether it may be copied all the same.
    """

    def __init__(self, name: str, outer: Graph, allowed: Any) -> None:
        super().__init__(name, outer)
        self._allowed = allowed
        self._copies: dict[Tensor, Tensor] = {}

    def capture(self, tensor: Tensor) -> Tensor:
        """A copy inside of `tensor` and all that it depends on.

        Raises:
          ValueError: it depends on a placeholder or on an operation with state.
        """
        if tensor.op.graph is self:
            return tensor
        known = self._copies.get(tensor)
        if known is None:
            copy = self._copied(tensor.op)
            self._copies.update(zip(tensor.op.outputs, copy.outputs, strict=True))
            known = self._copies[tensor]
        return known

    def _copied(self, op: Operation) -> Operation:
        kind = "placeholder" if op.type.startswith("Placeholder") else "stateful node"
        if kind == "placeholder" or not (op.opdef.pure or self._allowed(op)):
            raise ValueError(f"Cannot capture a {kind} (name:{op.name}, type:{op.type}) by value.")
        args = [[self.capture(t) for t in a] if isinstance(a, LISTS) else self.capture(a) for a in op.args()]
        with self.as_default(), self._at_root():
            apply(op.opdef, *args, name=op.name, **op.attrs)
        copy = self.ops[-1]
        copy.frames = op.frames  # messages name the line that made the original
        return copy
