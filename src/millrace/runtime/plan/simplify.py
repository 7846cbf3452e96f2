"""Simplifies a plan: folds what is known, drops what changes nothing, merges what is equal, forgets what is
unused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.body import Body
from millrace.building.evaluate import evaluate
from millrace.building.static import Known
from millrace.core import dtypes, shapes
from millrace.core.kinds import LISTS
from millrace.graph.operation import Operation, group
from millrace.graph.tensor import Tensor
from millrace.runtime.plan.borders import BodyUse, bodies_of
from millrace.runtime.plan.planner import Plan, Room, Step, new_body_plan
from millrace.runtime.plan.trips import follow as trips_of

_LARGEST_FOLD = 1 << 20  # bytes: beyond it a constant costs more memory than computing it costs time
_BY_IDENTITY: tuple[type, ...] = (np.ndarray, Body, BodyUse, list)
_INTERNED = 64  # elements: equal constants up to this size become one value


def simplify(
    plan: Plan, feed_dims: list[shapes.Dims] | None = None, dropped: list[tuple[str, Operation]] | None = None
) -> Plan:
    """The same plan with less to do.

    Args:
      plan: changed in place.
      feed_dims: the shapes of the fed values; given, every shape that follows from them is folded too.
      dropped: gets a word for why and the operation, for each step that is left out.
    """
    if feed_dims is not None:
        for value, dims in zip(plan.feeds, feed_dims, strict=True):
            plan.dims[value] = dims
    _Simplifier(plan, feed_dims is not None).run([] if dropped is None else dropped)
    return plan


class _Simplifier:
    def __init__(self, plan: Plan, infer: bool) -> None:
        self.plan = plan
        self.infer = infer
        self.same: dict[int, int] = {}
        self.seen: dict[Any, list[int]] = {}
        self.interned: dict[Any, int] = {}
        self.sizes: dict[int, np.ndarray] = {}  # handle of a tensor array of fixed size -> that size
        self.growing: dict[int, tuple[Step, int]] = {}  # a tensor array that grows -> what made it, its size

    def run(self, dropped: list[tuple[str, Operation]]) -> None:
        plan = self.plan
        kept: list[Step] = []
        for step in plan.steps:
            why = self._why_not(step)
            if why:
                dropped.append((why, step.op))
            else:
                kept.append(step)
        plan.steps = kept
        same = self.same
        plan.fetches = [same.get(f, f) for f in plan.fetches]
        for use in plan.cells:
            use.final = same.get(use.final, use.final)
        _drop_unused(plan, dropped)

    def _why_not(self, step: Step) -> str:
        """Why a step need not run; empty where it must."""
        same = self.same
        step.inputs = [same.get(v, v) for v in step.inputs]
        step.state = [same.get(v, v) for v in step.state]
        op = step.op
        opdef = op.opdef
        if self.infer:
            infer(self.plan, step)
        if self.growing and op.type == "While" and not op.attrs["scanned"]:
            self._fill(step)
        if not opdef.pure or opdef.has_body:
            return ""
        if not step.outputs:
            return "without results"
        if opdef.name == "Const":
            self._constant(step.outputs[0], op.attrs["value"])
            return "constant"
        source = self._forwarded(step)
        if source is not None:
            same[step.outputs[0]] = step.inputs[source]
            return "passes its input on"
        if self._fold(step):
            return "folded"
        return "merged" if self._merge(step) else ""

    def _constant(self, value: int, array: np.ndarray) -> None:
        plan = self.plan
        if array.size <= _INTERNED and array.dtype.kind != "O":
            key = (array.dtype, array.shape, array.tobytes())
            known = self.interned.setdefault(key, value)
            if known != value:
                self.same[value] = known
                return
        plan.constants[value] = array
        plan.dims[value] = array.shape

    def _forwarded(self, step: Step) -> int | None:
        forward = step.op.opdef.forward
        if forward is None or isinstance(forward, int):
            return forward
        plan = self.plan
        dims = [plan.dims.get(v) for v in step.inputs]
        values = [plan.constants.get(v) for v in step.inputs]
        return forward(dims, values, step.op.attrs)

    def _fold(self, step: Step) -> bool:
        plan, op = self.plan, step.op
        name = op.opdef.name
        dims = plan.dims.get(step.inputs[0]) if step.inputs else None
        if name in ("Shape", "Size") and shapes.fully_defined(dims):
            dtype = op.outputs[0].dtype.np_dtype
            found = np.array(dims, dtype) if name == "Shape" else np.array(shapes.num_elements(dims), dtype)
            self._constant(step.outputs[0], found)
            return True
        if name == "ShapeN" and all(shapes.fully_defined(plan.dims.get(v)) for v in step.inputs):
            for source, value, tensor in zip(step.inputs, step.outputs, op.outputs, strict=True):
                self._constant(value, np.array(plan.dims[source], tensor.dtype.np_dtype))
            return True
        if name == "Rank" and dims is not None:
            self._constant(step.outputs[0], np.array(len(dims), np.int32))
            return True
        constants = plan.constants
        if name == "TensorArrayV3" and step.inputs[0] in constants:
            self._array(step, constants[step.inputs[0]])
        if name == "TensorArraySizeV3":
            handle, flow = step.inputs
            size = self.growing[flow][1] if flow in self.growing else self.sizes.get(handle)
            if size is not None:
                self._constant(step.outputs[0], np.asarray(size, np.int32))
                return True
        if not step.inputs or any(v not in constants for v in step.inputs):
            return False
        if not all(t.dtype.is_numpy_compatible for t in op.outputs):
            return False
        size = sum(
            (shapes.num_elements(plan.dims.get(v)) or 0) * max(t.dtype.size, 1)
            for v, t in zip(step.outputs, op.outputs, strict=True)
        )
        if size > _LARGEST_FOLD:
            return False
        results = evaluate(op, [constants[v] for v in step.inputs])
        if results is None:
            return False
        for value, array in zip(step.outputs, results, strict=True):
            self._constant(value, array)
        return True

    def _array(self, step: Step, size: np.ndarray) -> None:
        """Notes a tensor array whose size is known."""
        if not step.op.attrs["dynamic_size"]:
            self.sizes[step.outputs[0]] = size
        elif size >= 0:
            self.growing[step.outputs[1]] = step, int(size)

    def _fill(self, step: Step) -> None:
        """Finds out how long the tensor arrays get that a loop writes to."""
        growing = {v: size for v, (_, size) in self.growing.items() if v in step.inputs}
        bodies = [body_form(step.op, step.op.attrs[name], step.dims) for name in ("cond", "body")]
        trips = trips_of(step, self.plan, (bodies[0], bodies[1]), growing) if growing else None
        if trips is None:
            return
        step.room = Room(trips.most, trips.exact)
        for before, after, size in zip(step.inputs, step.outputs, trips.sizes, strict=False):
            if size is None:
                continue
            maker = self.growing[before][0]
            room = Room(size, trips.exact)
            # an array of one size in one loop and of another in the next is the interpreter's
            maker.room = room if maker.room in (None, room) else Room(-1, False)
            if trips.exact:
                self.growing[after] = maker, size

    def _merge(self, step: Step) -> bool:
        """Uses the results of an equal step done before."""
        op = step.op
        key = (op.opdef.name, tuple(step.inputs), _attr_key(op))
        known = self.seen.setdefault(key, step.outputs)
        if known is step.outputs:
            return False
        self.same.update(zip(step.outputs, known, strict=True))
        return True


def infer(plan: Plan, step: Step) -> None:
    """The shapes of the outputs of a step from the shapes of its inputs, which the feeds may have made more
    exact; into `plan.dims`.
    """
    op = step.op
    opdef = op.opdef
    if opdef.has_body:
        step.dims = tuple(plan.dims.get(v) for v in step.inputs)
        for value, dims in zip(step.outputs, result_dims(op, step.dims), strict=True):
            plan.dims[value] = dims
        return
    if not step.outputs:
        return
    args: list[Any] = []
    for arg, value in zip(opdef.inputs, group(opdef.inputs, step.inputs, op.attrs), strict=True):
        given = _known if arg.name in opdef.static else _dims
        args.append(tuple(given(plan, v) for v in value) if isinstance(value, LISTS) else given(plan, value))
    try:
        dims = opdef.shape(*args, **{a: op.attrs[a] for a in opdef.shape_attrs})
    except Exception:
        return
    for value, d in zip(step.outputs, [dims] if opdef.single_output else dims, strict=True):
        try:
            plan.dims[value] = shapes.merge(plan.dims.get(value), d)
        except ValueError:
            continue


def _dims(plan: Plan, value: int) -> shapes.Dims:
    return plan.dims.get(value)


def _known(plan: Plan, value: int) -> Known:
    constant = plan.constants.get(value)
    if constant is not None:
        return Known(plan.dims.get(value), np.asarray(constant))
    return Known(plan.dims.get(value), None, plan.tensors.get(value))


def body_form(op: Operation, body: BodyUse, dims: tuple[shapes.Dims, ...] | None) -> Plan:
    """The simplified plan of one of the bodies of `op`, for inputs of `op` of the shapes `dims` where those
    are known.
    """
    if dims is None:
        form = body.forms.get(None)
        if form is None:
            form = body.forms[None] = simplify(new_body_plan(body))
        return form
    key = dims if op.type == "If" else _loop_dims(op, dims)
    form = body.forms.get(key)
    if form is None:
        arguments = list(key[1:]) if op.type == "If" else list(key)
        if len(arguments) > len(
            body.feeds
        ):  # a condition takes what is carried and captured, not what is scanned
            carried = op.attrs["carried"]
            arguments = arguments[:carried] + arguments[carried + op.attrs["scanned"] :]
        form = body.forms[key] = simplify(new_body_plan(body), arguments)
    return form


def _loop_dims(op: Operation, dims: tuple[shapes.Dims, ...]) -> tuple[shapes.Dims, ...]:
    """The shapes of a loop's inputs that hold in every iteration, found by following them around the loop."""
    body: BodyUse = op.attrs["body"]
    carried = op.attrs["carried"]
    for _ in range(4):
        if ("loop", dims) in body.forms:
            return body.forms["loop", dims]
        plan = simplify(new_body_plan(body), list(dims))
        after = [plan.dims.get(v) for v in plan.fetches[:carried]]
        settled = tuple(
            _joined(before, now, tensor)
            for before, now, tensor in zip(dims[:carried], after, body.inputs, strict=False)
        )
        if settled == dims[:carried]:
            body.forms["loop", dims] = dims
            body.forms[dims] = plan
            return dims
        dims = (*settled, *dims[carried:])
    return (*[t.dims for t in body.inputs[:carried]], *dims[carried:])


def _joined(before: shapes.Dims, after: shapes.Dims, tensor: Tensor) -> shapes.Dims:
    if tensor.dtype is dtypes.variant:  # the elements' shape, unknown until one is written
        return after if before is None else before
    return shapes.most_general(before, after)


def result_dims(op: Operation, dims: tuple[shapes.Dims, ...]) -> list[shapes.Dims]:
    """The shapes of the results of an operation with bodies."""
    forms = [body_form(op, body, dims) for body in bodies_of(op)]
    if op.type == "If":
        first, second = ([form.dims.get(v) for v in form.fetches] for form in forms)
        outputs = zip(first, second, bodies_of(op)[0].outputs, bodies_of(op)[1].outputs, strict=True)
        return [
            b if x.op.type == "Nothing" else a if y.op.type == "Nothing" else shapes.most_general(a, b)
            for a, b, x, y in outputs
        ]
    form = body_form(op, op.attrs["body"], dims)
    carried = op.attrs["carried"]
    return [*_loop_dims(op, dims)[:carried], *[form.dims.get(v) for v in form.fetches[carried:]]]


def _attr_key(op: Operation) -> Any:
    return tuple(
        (name, value) if not isinstance(value, _BY_IDENTITY) else (name, id(value))
        for name, value in op.attrs.items()
        if name[0] != "_"
    )


def _drop_unused(plan: Plan, dropped: list[tuple[str, Operation]]) -> None:
    """Removes pure steps whose results nobody takes, and constants likewise."""
    used = set(plan.fetches)
    used.update(use.final for use in plan.cells)
    kept: list[Step] = []
    for step in reversed(plan.steps):
        if not step.op.opdef.pure or step.op.opdef.has_body or any(v in used for v in step.outputs):
            used.update(step.inputs)
            used.update(step.state)
            kept.append(step)
        else:
            dropped.append(("unused", step.op))
    kept.reverse()
    plan.steps = kept
    plan.constants = {v: a for v, a in plan.constants.items() if v in used}
