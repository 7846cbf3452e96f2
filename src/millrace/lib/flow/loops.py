"""The bodies of one loop, drawn: what `while_loop` makes of a test, a step and variables."""

from __future__ import annotations

import contextlib
from typing import Any

from millrace.autodiff.bodies import align
from millrace.building import convert, raw
from millrace.building.body import Body
from millrace.building.composites import CompositeTensor
from millrace.core import dtypes, nest, shapes
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.crossing import Flat, dereferenced, grows, plain
from millrace.lib.flow.tensor_array import TensorArray


class Loop:
    """Draws the bodies of one loop.

    Args:
      test, step: functions of the variables.
      variables: what they start with, nested.
      invariants: what stays true of their shapes, nested likewise, or None.
      back_prop, parallel: attributes of the loop.
      limited: TensorFlow counts the iterations of this loop in one more variable, up to a limit that the test
        implies: so many operations of that are in its test.
    """

    def __init__(
        self,
        test: Any,
        step: Any,
        variables: Any,
        invariants: Any,
        back_prop: bool,
        parallel: int,
        limited: int = 0,
    ) -> None:
        self.limited = limited
        self.test = test
        self.step = step
        self.variables = variables
        self.flat = Flat(nest.flatten(variables))
        self.graph = get_default_graph()
        with self.graph.counted_as(0):
            self.start = [dereferenced(t) for t in self.flat.tensors]
        self.dims = self._invariants(invariants)
        self.back_prop = back_prop
        self.parallel = parallel

    def _invariants(self, given: Any) -> list[shapes.Dims]:
        if given is None:
            position, found = 0, []
            for value, size in zip(nest.flatten(self.variables), self.flat.sizes, strict=True):
                dims = [t.dims for t in self.start[position : position + size]]
                found += value.part_dims(shapes.as_dims(value.shape)) if grows(value) else dims
                position += size
            return found
        nest.assert_same_structure(plain(self.variables), plain(given))
        wanted = []
        for leaf, value in zip(nest.flatten(given), nest.flatten(self.variables), strict=True):
            dims = shapes.as_dims(leaf) if not isinstance(leaf, shapes.TensorShape) else leaf.dims_tuple
            wanted.extend(_component_dims(value, dims))
        for tensor, dims in zip(self.start, wanted, strict=True):
            if tensor.dtype is not dtypes.variant and not _less_exact(dims, tensor.dims):
                raise ValueError(
                    f"The shape invariant specified for {tensor.name} is not compatible with the initial "
                    f"shape of the loop variable. It enters the loop with shape {tensor.shape}, but the "
                    f"specified shape invariant is {shapes.shape_of(dims)}."
                )
        return wanted

    def _counted(self) -> contextlib.AbstractContextManager[None]:
        """A context for a body, which TensorFlow counts apart in functions, from its counter and limit on."""
        return self.graph.counted_from(2) if self.graph.bodies_apart else contextlib.nullcontext()

    def _arguments(self, body: Body, name: str) -> list[Any]:
        tensors = [
            body.add_input(t.dtype.base_dtype, dims, name)
            for t, dims in zip(self.start, self.dims, strict=True)
        ]
        return nest.pack_sequence_as(self.variables, self.flat.pack(tensors))

    def build(self) -> list[Any]:
        """Adds the loop; its variables afterwards, nested as they were given."""
        graph = self.graph
        if graph.executes:
            return self._run()
        apart = graph.bodies_apart
        counters = 1 if self.limited and not apart else 0
        if apart:
            graph.count(1 if self.limited else 2)  # a counter and its limit
        else:
            graph.count(len(self.start))  # an Enter for each variable
            graph.count(3 * counters)  # the counter's first value, Enter and Merge
        condition = Body(graph, "Enter")
        with graph.inside(condition), self._counted():
            graph.count(0 if apart else self.limited)
            result = convert.convert_to_tensor(self.test(*self._arguments(condition, "Merge")))
            if result.dtype.base_dtype is not dtypes.bool_:
                raise TypeError(
                    f"while_loop: cond must return a bool. Received: {result.name} of {result.dtype.name}"
                )
            if result.dims is not None and result.dims != ():
                raise ValueError(
                    f"while_loop: cond must return a scalar. Received: {result.name} of shape {result.shape}"
                )
            condition.outputs = [result if result.op.body is condition else condition.capture(result)]
        if not apart:
            graph.count(1 + len(self.start) + counters)  # LoopCond, and a Switch for each variable
        body = Body(graph, "Enter")
        body.twin = condition
        with graph.inside(body), self._counted():
            graph.count(3 * counters)  # the counter's Identity, and what adds one to it
            arguments = self._arguments(body, "Identity")
            graph.count(len(condition.captures) if apart else 0)
            values = self.step(*arguments)
            if not nest.is_nested(values):
                values = [values]
            after = self._results(values)
            body.outputs = [t if t.op.body is body else body.capture(t, "Enter") for t in after.tensors]
            with graph.counted_as(0):
                body.outputs = [dereferenced(t) for t in body.outputs]
        self._check(body)
        # a NextIteration and an Exit for each variable; or a While and an Identity for each that it gives
        held = len({*condition.captures, *body.captures})
        with graph.counted_as(3 + len(self.start) + held if apart else 2 * (len(self.start) + counters)):
            captured = align([condition, body])
            outputs = raw.While(
                [*self.start, *captured],
                Tout=[t.dtype.base_dtype for t in self.start],
                cond=condition,
                body=body,
                carried=len(self.start),
                captured=len(captured),
                parallel_iterations=self.parallel,
                back_prop=self.back_prop,
            )
            outputs = [raw.Identity(t, name="Exit") for t in outputs]
        return nest.pack_sequence_as(values, after.pack(outputs))

    def _run(self) -> list[Any]:
        """Goes round at once: there are values to decide by."""
        found = nest.pack_sequence_as(self.variables, self.flat.pack(self.start))
        while self.test(*found):
            values = self.step(*found)
            values = values if nest.is_nested(values) else [values]
            after = self._results(values)
            found = nest.pack_sequence_as(values, after.pack(after.tensors))
        return found

    def _results(self, values: Any) -> Flat:
        """What `body` returned, as tensors, checked to nest as the loop variables do."""
        if any(isinstance(v, Operation) for v in nest.flatten(values)):
            raise TypeError(f"while_loop: body must return tensors, not operations. Received: {values!r}")
        nest.assert_same_structure(list(plain(self.variables)), list(plain(values)))
        leaves = [
            convert.to_tensor(v, t.dtype.base_dtype if not isinstance(v, Tensor) and _is_number(v) else None)
            if not hasattr(v, "with_flow") and not isinstance(v, CompositeTensor)
            else v
            for v, t in zip(nest.flatten(values), self._first_components(), strict=True)
        ]
        return Flat(leaves)

    def _first_components(self) -> list[Tensor]:
        """For each variable, its first tensor."""
        found, position = [], 0
        for count in self.flat.sizes:
            found.append(self.start[position])
            position += count
        return found

    def _check(self, body: Body) -> None:
        """Every variable must keep its dtype, and its shape as far as promised."""
        for before, after, dims in zip(self.start, body.outputs, self.dims, strict=True):
            if before.dtype.base_dtype is not after.dtype.base_dtype:
                raise TypeError(
                    f"while_loop: the loop variable {before.name} enters with dtype {before.dtype.name}. "
                    f"Received: dtype {after.dtype.name} after one iteration"
                )
            if before.dtype is not dtypes.variant and not _less_exact(dims, after.dims):
                raise ValueError(
                    f"The shape for {after.name} is not an invariant for the loop. It enters the loop with "
                    f"shape {shapes.shape_of(dims)}, but has shape {after.shape} after one iteration. "
                    "Provide shape invariants using either the `shape_invariants` argument of "
                    "tf.while_loop or set_shape() on the loop variables."
                )


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def _component_dims(value: Any, dims: shapes.Dims) -> list[shapes.Dims]:
    if isinstance(value, TensorArray):
        return [value.flow.dims]
    if isinstance(value, CompositeTensor):
        return value.part_dims(dims)
    return [dims]


def _less_exact(general: shapes.Dims, exact: shapes.Dims) -> bool:
    """True where every shape that fits `exact` fits `general`."""
    if general is None:
        return True
    if exact is None or len(general) != len(exact):
        return False
    return all(g is None or g == e for g, e in zip(general, exact, strict=True))
