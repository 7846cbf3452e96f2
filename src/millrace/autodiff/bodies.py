"""Gradients of branches and loops: the body of the gradient is drawn from the body of the operation.

A backward body takes what it needs of the forward body in one of three ways: constants are repeated, what the
forward body captured is captured again, and any other value is kept by the forward operation, which gets one
more result for it: the value itself for a branch, a stack with the value of each iteration for a loop. The
forward operation is extended in place; it computes nothing twice.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from millrace.autodiff.aggregate import add
from millrace.autodiff.gradients import backpropagate
from millrace.building import raw
from millrace.building.body import Body, names_variable
from millrace.building.indexed_slices import IndexedSlices
from millrace.core import dtypes, shapes
from millrace.graph.opdef import NOT_DIFFERENTIABLE
from millrace.graph.operation import Operation
from millrace.graph.references import variable_of
from millrace.graph.tensor import Tensor


class _Backward(Body):
    """The body of a gradient, drawn while looking at the forward body `of` an operation."""

    def __init__(self, op: Operation, of: Body) -> None:
        super().__init__(op.graph, of.tag)
        self.op = op
        self.of = of
        self.constants = 0  # how many of the forward body are repeated

    def capture(self, tensor: Tensor, name: str = "") -> Tensor:
        with self.graph.counted_as(0):  # whoever draws the body counts what TensorFlow has for it
            if tensor.op.body is not self.of:
                return super().capture(tensor, name)
            known = self._inside.get(tensor)
            if known is None:
                known = self._inside[tensor] = self._from_forward(tensor, name)
            return known

    def _from_forward(self, tensor: Tensor, name: str) -> Tensor:
        if names_variable(tensor):
            return tensor
        if tensor.op.type == "Const":
            self.constants += 1
            with self.graph.inside(self):
                return raw.Const(
                    value=tensor.op.attrs["value"], dtype=tensor.dtype, name=name or tensor.op.opdef.name
                )
        outer = self.of.outer_of(tensor)
        return self._kept(tensor) if outer is None else self.capture(outer, name)

    def _kept(self, tensor: Tensor) -> Tensor:
        raise NotImplementedError


class _BranchBackward(_Backward):
    """The gradient of one branch: values kept by the forward operation are captured like any other."""

    def _kept(self, tensor: Tensor) -> Tensor:
        return self.capture(kept_by_branch(self.op, self.of, tensor))


class _LoopBackward(_Backward):
    """The gradient of one iteration: kept values are scanned, last iteration first."""

    def __init__(self, op: Operation, of: Body) -> None:
        super().__init__(op, of)
        self.scans: list[Tensor] = []  # stacks, outside
        self.elements: list[Tensor] = []  # their elements, inside
        self.kept: list[Tensor] = []  # those of values that the forward body computes
        self.drawn: list[Operation] = []  # the gradients

    def scan(self, stack: Tensor, dtype: dtypes.DType, dims: shapes.Dims) -> Tensor:
        """Takes one element of `stack` per iteration."""
        element = self._argument(dtype, dims, "StackPop")
        self.scans.append(stack)
        self.elements.append(element)
        return element

    def _kept(self, tensor: Tensor) -> Tensor:
        element = self.scan(kept_by_loop(self.op, self.of, tensor), tensor.dtype, tensor.dims)
        self.kept.append(element)
        return element

    def count_taken(self) -> tuple[int, int]:
        """How many values of the forward pass TensorFlow 1.15 keeps, and how many of outside it lets in.

        It takes shapes in the forward pass, and keeps them; where one of two that broadcast is unknown, some
        gradients keep the known one, too.
        """
        kept = sum(map(_is_taken, self.kept))
        drawn_shapes = self.graph.get_scoped("broadcasts of drawn shapes", set)
        forward = {*self.elements, *self.captures.values()}
        for op in self.drawn:
            if op.type == "Shape":
                kept += op.inputs[0] in forward and not _of_convolution(op.outputs[0])
            elif op in drawn_shapes:
                known = sum(t.op.type == "Const" for t in op.inputs)
                kept += known if known < len(op.inputs) else 0
        return kept, sum(map(_is_taken, self.captures.values()))


def _of_convolution(shape: Tensor) -> bool:
    """True where a convolution's gradient takes a shape: TensorFlow takes it of the kept value."""
    return any("Backprop" in op.type for op in shape.takers or ())


def _is_taken(tensor: Tensor) -> bool:
    """True where a gradient takes the numbers of an argument, not its shape alone."""
    if tensor.dtype in (dtypes.variant, dtypes.resource):
        return False
    return any(
        op.type != "Shape" and not (op.type == "TensorArrayReadOrZero" and tensor is not op.inputs[1])
        for op in tensor.takers or ()
    )


def _extended(op: Operation, dtype: dtypes.DType, dims: shapes.Dims) -> Tensor:
    """One more output of `op`."""
    op.attrs["Tout"] = (*op.attrs["Tout"], dtype)
    tensor = Tensor(op, len(op.outputs), dtype, dims)
    op.outputs.append(tensor)
    op.graph.changed()
    return tensor


def kept_by_branch(op: Operation, branch: Body, tensor: Tensor) -> Tensor:
    """An output of `op` that gives the value of `tensor`, of its body `branch`, when that branch runs."""
    kept = op.graph.get_scoped("kept values", dict).setdefault(op, {})
    if tensor not in kept:
        for body in (op.attrs["then_branch"], op.attrs["else_branch"]):
            if body is branch:
                body.outputs.append(tensor)
            else:
                with op.graph.inside(body):
                    body.outputs.append(raw.Nothing(name="Nothing"))
        kept[tensor] = _extended(op, tensor.dtype, tensor.dims)
    return kept[tensor]


def kept_by_loop(op: Operation, body: Body, tensor: Tensor) -> Tensor:
    """An output of `op` that gives the stack of the values of `tensor`, of its `body`, in each iteration."""
    kept = op.graph.get_scoped("kept values", dict).setdefault(op, {})
    if tensor not in kept:
        body.outputs.append(tensor)
        kept[tensor] = _extended(op, dtypes.variant, tensor.dims)
    return kept[tensor]


def differentiable(tensor: Tensor) -> bool:
    """True where a gradient may flow through `tensor`: numbers, stacks, tensor arrays, and variables by
    handle.
    """
    dtype = tensor.dtype.base_dtype
    if dtype is dtypes.resource:
        return _variable_dtype(tensor) is not None
    return dtype.is_floating or dtype.is_complex or dtype is dtypes.variant


def _variable_dtype(handle: Tensor) -> dtypes.DType | None:
    variable = variable_of(handle)
    return variable.attrs["dtype"] if variable is not None and variable.type == "VarHandleOp" else None


def zeros_of(tensor: Tensor) -> Tensor:
    """The gradient of `tensor` that nothing has reached."""
    if tensor.dtype is dtypes.variant:
        return raw.VariantZeros(tensor)
    if tensor.dtype is dtypes.resource:
        return raw.ZerosLike(raw.ReadVariableOp(tensor, dtype=_variable_dtype(tensor)))
    return raw.ZerosLike(tensor)


def dense(gradient: Any) -> Tensor:
    """A gradient as one tensor."""
    from millrace.building import convert

    return convert.to_tensor(gradient) if isinstance(gradient, IndexedSlices) else gradient


_OF_A_GATE: Final = 3  # around a Switch whose two results wait for each other
_OF_A_PART: Final = 6  # of a branch's gradient by what it takes: a Merge with zeros for the other branch
_OF_A_LOOP: Final = 18  # a loop that counts rounds, and what counts them down again
_OF_A_FLOW: Final = 5  # of what a loop carries: Enter, Merge, Switch, Exit, NextIteration
_OF_A_STACK: Final = 6  # of a value that is kept: a stack, Enter twice, push and pop
_OF_UNKNOWN_ZEROS: Final = 2
_OF_A_TOTAL: Final = 7  # of what a loop captures: a loop variable that starts with zeros, and its addition

# --- branches -----------------------------------------------------------------------------------------------


def branch_gradient(op: Operation, dys: tuple[Any, ...], on_way: list[int], gate: bool) -> list[Any]:
    """The gradient of `If`: an `If` on the same condition whose branches are the gradients of the
    branches.

    Args:
      on_way: for each input, 1 where its gradient is asked for; becomes the number of branches that have one.
      gate: gradients wait for each other.
    """
    graph = op.graph
    wanted = [i for i, t in enumerate(op.inputs[1:]) if on_way[1 + i] and differentiable(t)]
    if not wanted:
        return [None] * len(op.inputs)
    seeds = [(i, dense(dy)) for i, dy in enumerate(dys) if dy is not None and differentiable(op.outputs[i])]
    graph.count(len(seeds) * (1 + _OF_A_GATE * gate))  # a Switch for each
    backward, found = [], []
    for branch in (op.attrs["then_branch"], op.attrs["else_branch"]):
        body = _BranchBackward(op, branch)
        captures = list(branch.captures.values())
        pairs = [(branch.outputs[i], dy) for i, dy in seeds if branch.outputs[i].op.type != "Nothing"]
        with graph.inside(body):
            ys = [y for y, _ in pairs]
            xs = [captures[i] for i in wanted]
            found.append(_inner_gradients(body, ys, xs, [dy for _, dy in pairs], gate))
        backward.append(body)
    reached = [k for k, pair in enumerate(zip(*found, strict=True)) if any(g is not None for g in pair)]
    if not reached:
        return [None] * len(op.inputs)
    wanted, found = [wanted[k] for k in reached], [[gradients[k] for k in reached] for gradients in found]
    for k, pair in zip(wanted, zip(*found, strict=True), strict=True):
        on_way[1 + k] = sum(g is not None for g in pair)
    with graph.counted_as(_OF_A_PART * sum(on_way[1 + k] for k in wanted)):
        return _joined_branches(op, backward, wanted, found)


def _joined_branches(
    op: Operation, backward: list[Body], wanted: list[int], found: list[list[Any]]
) -> list[Any]:
    """The `If` whose branches are `backward`, which have the gradients `found` of the inputs `wanted`."""
    graph = op.graph
    slices = [_index_dtype(pair) for pair in zip(*found, strict=True)]
    for body, gradients in zip(backward, found, strict=True):
        with graph.inside(body):
            for g, i, sparse in zip(gradients, wanted, slices, strict=True):
                outer = op.inputs[1 + i]
                if sparse is not None:
                    body.outputs += _rows_of(g, body, outer, sparse)
                else:
                    body.outputs.append(_like(dense(g), outer) if g is not None else _zeros_in(body, outer))
    inputs = align(backward)
    outputs = iter(
        raw.If(
            op.inputs[0],
            inputs,
            Tout=[t.dtype for t in backward[0].outputs],
            then_branch=backward[0],
            else_branch=backward[1],
        )
    )
    results: list[Any] = [None] * len(op.inputs)
    for i, sparse in zip(wanted, slices, strict=True):
        value = raw.Identity(next(outputs), name="Merge")
        if sparse is not None:
            value = IndexedSlices(value, next(outputs), _dense_shape(op.inputs[1 + i]))
        results[1 + i] = value
    return results


def _index_dtype(gradients: tuple[Any, ...]) -> dtypes.DType | None:
    """The dtype of the row numbers where the gradients in the branches are rows or nothing; else None."""
    known = [g for g in gradients if g is not None]
    if not known or not all(isinstance(g, IndexedSlices) for g in known):
        return None
    found = {g.indices.dtype for g in known}
    return found.pop() if len(found) == 1 else dtypes.int64


def _rows_of(gradient: Any, body: Body, outer: Tensor, dtype: dtypes.DType) -> list[Tensor]:
    """A gradient in a branch as rows and their numbers; none where nothing has reached `outer`."""
    if gradient is None:
        zero: Any = zeros_of(body.capture(outer))
        return [zero[:0], raw.Const(value=np.zeros(0, dtype.np_dtype), dtype=dtype)]
    indices = gradient.indices
    return [gradient.values, indices if indices.dtype is dtype else raw.Cast(indices, DstT=dtype)]


def _inner_gradients(
    body: _Backward, ys: list[Tensor], xs: list[Tensor], seeds: list[Any], gate: bool
) -> list[Any]:
    """Gradients of forward tensors, drawn into the backward body."""
    if not ys:
        return [None] * len(xs)
    seeds = [body.capture(s) if s.op.body is not body else s for s in seeds]
    return backpropagate(ys, xs, seeds, gate)


def _like(gradient: Tensor, x: Tensor) -> Tensor:
    dims = _dims_of(x)
    if gradient.dtype.is_numpy_compatible and x.dtype is not dtypes.variant and dims is not None:
        gradient.set_shape(dims)
    return gradient


def _zeros_in(body: Body, outer: Tensor) -> Tensor:
    return zeros_of(body.capture(outer))


def align(group: list[Body]) -> list[Tensor]:
    """Makes bodies capture the same outer tensors in the same order; returns these."""
    union = list(dict.fromkeys(t for body in group for t in body.captures))
    for body in group:
        body.captures = {t: body.capture(t) for t in union}
    return union


# --- loops --------------------------------------------------------------------------------------------------


def loop_gradient(op: Operation, dys: tuple[Any, ...], on_way: list[int], gate: bool) -> list[Any]:
    """The gradient of `While`: a loop over the iterations, last first, that carries the gradients back.

    Args:
      on_way: for each input, 1 where its gradient is asked for.
      gate: gradients wait for each other.
    """
    if not op.attrs["back_prop"]:
        return [None] * len(op.inputs)
    return _LoopGradient(op, dys, on_way, gate).drawn()


class _LoopGradient:
    """Draws the loop that goes back through the iterations of a `While`.

    It carries the gradients of what the loop carries, and collects those of what it scans. The gradient of
    what it captures is a sum over the iterations: carried as such, or, where the rows of all iterations are
    kept anyway, stacked rows or one product after the loop.
    """

    def __init__(self, op: Operation, dys: tuple[Any, ...], on_way: list[int], gate: bool) -> None:
        self.op, self.dys, self.gate = op, dys, gate
        self.body: Body = op.attrs["body"]
        self.carried, self.scanned = op.attrs["carried"], op.attrs["scanned"]
        self.explicit = self.carried + self.scanned
        self.backward = _LoopBackward(op, self.body)
        self.ticks = kept_by_loop(op, self.body, _tick(op, self.body))
        inner, outer = self.body.outputs, op.outputs
        given = [k for k in range(len(dys)) if dys[k] is not None and differentiable(inner[k])]
        self.stacks = [k for k in given if k >= self.carried]
        self.flows = _reached_flows(self.body, self.carried, given)
        outside = enumerate(op.inputs[self.explicit :])
        self.captured = [k for k, t in outside if on_way[self.explicit + k] and differentiable(t)]
        self.scans = [k for k in range(self.scanned) if differentiable(self.body.inputs[self.carried + k])]
        self.starts = [dense(dys[k]) if dys[k] is not None else zeros_of(outer[k]) for k in self.flows]
        self.collected: list[tuple[int, Tensor]] = []  # of what is scanned
        self.summed: list[tuple[int, Tensor]] = []  # captured, summed in what the loop carries
        self.products: list[tuple[int, Operation]] = []  # captured, one product over all iterations
        self.sparse: list[tuple[int, IndexedSlices]] = []  # captured, whose rows are stacked
        self.inner = 0  # how much the gradients inside count

    def drawn(self) -> list[Any]:
        """Adds the loop; the gradient of each input of the `While`, None where there is none."""
        before = self.op.graph.last_id
        results = self._drawn()
        self.op.graph.count(before + self._count() - self.op.graph.last_id)
        return results

    def _count(self) -> int:
        """How many operations TensorFlow 1.15 adds."""
        kept, entering = self.backward.count_taken()
        number = self.inner + _OF_A_LOOP + _OF_A_STACK * kept + entering
        number += len(self.flows) * (_OF_A_FLOW + _OF_A_GATE * self.gate)
        number += (kept > 0) + self.backward.constants  # one ControlTrigger for all that is kept
        for k, _ in [*self.summed, *self.products, *self.sparse]:
            source = self._source(k)
            known = source.dtype is dtypes.variant or shapes.fully_defined(_dims_of(source))
            number += _OF_A_TOTAL + (0 if known else _OF_UNKNOWN_ZEROS)
        return number

    def _drawn(self) -> list[Any]:
        backward = self.backward
        with self.op.graph.inside(backward):
            incoming, found = self._inside()
            to_flows, to_scans, to_captured = _cut(found, len(self.flows), len(self.scans))
            outputs = [
                dense(g) if g is not None else zeros_of(backward.capture(self.body.inputs[k]))
                for g, k in zip(to_flows, self.flows, strict=True)
            ]
            self._sort(to_captured)
            sums: list[Tensor] = []
            for k, g in self.summed:
                total = backward.add_input(g.dtype, _dims_of(self._source(k)), "b_acc")
                sums.append(total)
                outputs.append(add(total, g))
            self.collected += [
                (k, dense(g)) for k, g in zip(self.scans, to_scans, strict=True) if g is not None
            ]
            extra = self._extra()
            backward.outputs = outputs + extra
        backward.inputs = [*incoming, *sums, *backward.elements]
        zeros = [zeros_of(self._source(k)) for k, _ in self.summed]
        outer = list(backward.captures)
        results = raw.While(
            [*self.starts, *zeros, *backward.scans, *outer],
            Tout=[*[t.dtype for t in outputs], *[dtypes.variant] * len(extra)],
            body=backward,
            carried=len(outputs),
            scanned=len(backward.scans),
            captured=len(outer),
            reverse=not self.op.attrs["reverse"],
            name="b_exit",
        )
        return self._gradients(results[: len(outputs)], results[len(outputs) :])

    def _source(self, captured: int) -> Tensor:
        return self.op.inputs[self.explicit + captured]

    def _inside(self) -> tuple[list[Tensor], list[Any]]:
        """The gradients that enter an iteration, and those that its inputs get from them."""
        body, backward = self.body, self.backward
        backward.scan(self.ticks, dtypes.int32, ())
        incoming = [
            backward.add_input(s.dtype, self.op.outputs[k].dims, "b_switch")
            for k, s in zip(self.flows, self.starts, strict=True)
        ]
        stacked = [(dense(self.dys[k]), body.outputs[k]) for k in self.stacks]
        seeds = incoming + [backward.scan(dy, t.dtype, t.dims) for dy, t in stacked]
        captures = list(body.captures.values())
        ys = [body.outputs[k] for k in self.flows + self.stacks]
        xs = [body.inputs[k] for k in self.flows]
        xs += [body.inputs[self.carried + k] for k in self.scans]
        xs += [captures[k] for k in self.captured]
        before, first = backward.graph.last_id, len(backward.graph.get_operations())
        found = _inner_gradients(backward, ys, xs, seeds, self.gate)
        self.inner = backward.graph.last_id - before
        backward.drawn = backward.graph.get_operations()[first:]
        return incoming, found

    def _sort(self, to_captured: list[Any]) -> None:
        """Chooses for each captured tensor how its gradient leaves the loop."""
        for k, g in zip(self.captured, to_captured, strict=True):
            if isinstance(g, IndexedSlices):
                self.sparse.append((k, g))
            elif g is not None and _sums_products(g, self.backward):
                self.products.append((k, g.op))
            elif g is not None:
                self.summed.append((k, g))

    def _extra(self) -> list[Tensor]:
        """What the loop stacks: gradients of what is scanned, rows, the factors of products."""
        extra = [g for _, g in self.collected]
        extra += [t for _, s in self.sparse for t in (s.values, s.indices)]
        factors = dict.fromkeys(t for _, product in self.products for t in product.inputs)
        return extra + [t for t in factors if t not in self.backward.elements]

    def _gradients(self, carried: list[Tensor], stacked: list[Tensor]) -> list[Any]:
        """The gradients of the inputs, from what the loop has carried and stacked."""
        gradient: list[Any] = [None] * len(self.op.inputs)
        totals = [self.explicit + k for k, _ in self.summed]
        for k, tensor in zip([*self.flows, *totals], carried, strict=True):
            gradient[k] = tensor
        for (k, _), tensor in zip(self.collected, stacked, strict=False):
            gradient[self.carried + k] = tensor
        rows = stacked[len(self.collected) :]
        for i, (k, slices) in enumerate(self.sparse):
            source = self._source(k)
            values = _all_rows(rows[2 * i], slices.values, _dims_of(source))
            indices = _all_rows(rows[2 * i + 1], slices.indices, (None,))
            gradient[self.explicit + k] = IndexedSlices(values, indices, _dense_shape(source))
        backward = self.backward
        stack_of = dict(zip(backward.elements, backward.scans, strict=True))
        stack_of.update(zip(backward.outputs[len(carried) :], stacked, strict=True))
        for k, product in self.products:
            a, b = (_all_rows(stack_of[t], t) for t in product.inputs)
            gradient[self.explicit + k] = raw.MatMul(a, b, transpose_a=True)
        return gradient


def _reached_flows(body: Body, carried: int, given: list[int]) -> list[int]:
    """Which of the values that a loop carries get a gradient: those that have one after the loop, and those
    from which an iteration computes such.
    """
    flows = {t.op: k for k, t in enumerate(body.inputs[:carried])}
    found = {k for k in given if k < carried}
    queue = [body.outputs[k] for k in given]
    seen: set[Operation] = set()
    while queue:
        tensor = queue.pop()
        op = tensor.op
        if op in seen or not differentiable(tensor):
            continue
        seen.add(op)
        if op in flows:
            found.add(flows[op])
            queue.append(body.outputs[flows[op]])
        elif op.opdef.grad is not NOT_DIFFERENTIABLE or "_gradient_op_type" in op.attrs:
            queue += op.inputs
    return sorted(found)


def _sums_products(gradient: Tensor, backward: Body) -> bool:
    """True for aᵀb of matrices of the loop: the sum over iterations is one product of all their rows.

    The sum of 40 products of an LSTM's weights costs more than the products (docs/benchmarks.md), and a long
    product runs nearer to the machine's speed than many short ones.
    """
    op = gradient.op
    if (
        op.type != "MatMul"
        or op.body is not backward
        or not op.attrs["transpose_a"]
        or op.attrs["transpose_b"]
    ):
        return False
    return all(t.op.body is backward and t.dims is not None and t.dims[1] is not None for t in op.inputs)


def _all_rows(stack: Tensor, element: Tensor, dims: shapes.Dims = None) -> Tensor:
    """The elements of a stack end to end; `dims` tells of rows that an element does not tell."""
    known = element.dims or dims
    if known is not None and dims is not None and len(known) == len(dims):
        known = tuple(k if k is not None else d for k, d in zip(known, dims, strict=True))
    shape = None if known is None else (None, *known[1:])
    return raw.StackConcat(stack, dtype=element.dtype, element_shape=shape)


def _dims_of(source: Tensor) -> shapes.Dims:
    """The shape of a tensor, or of the variable behind a handle."""
    if source.dtype is not dtypes.resource:
        return source.dims
    variable = variable_of(source)
    return variable.attrs["shape"] if variable is not None and variable.type == "VarHandleOp" else None


def _dense_shape(source: Tensor) -> Tensor:
    if source.dtype is dtypes.resource:
        return raw.VariableShape(source)
    return raw.Shape(source)


def _tick(op: Operation, body: Body) -> Tensor:
    if body.tick is None:
        with op.graph.inside(body), op.graph.counted_as(0):
            body.tick = raw.Tick(name="Tick")
    return body.tick


def _cut(items: list[Any], first: int, second: int) -> tuple[list[Any], list[Any], list[Any]]:
    return items[:first], items[first : first + second], items[first + second :]
