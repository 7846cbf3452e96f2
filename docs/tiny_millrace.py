"""millrace in one file: describe a computation, differentiate it, plan it, run it.

Read it from top to bottom. It is the road of docs/walk.md at walking pace: the same stops under the same
names, with what makes the real system long left out. Comments that start with NB say where the real one
differs. Run it:

    python docs/tiny_millrace.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# --- 1. One op, one declaration -----------------------------------------------------------------------------
# An operation type is a frozen record: how shapes follow from shapes, what numbers it computes, and its
# derivative. NB: millrace.graph.opdef also keeps dtypes, attributes and flags, and checks the rules against
# the signature.

REGISTRY: dict[str, OpDef] = {}


class OpDef:
    """Everything there is to know about one operation type."""

    def __init__(self, name: str, shape: Any, kernel: Any, grad: Any, writes: bool = False) -> None:
        self.name = name
        self.shape = shape  # (*input shapes) -> output shape
        self.kernel = kernel  # (*input arrays) -> output array
        self.grad = grad  # (op, gradient of the output) -> gradients of the inputs
        self.writes = writes  # the first input is a variable, and the result its new value
        REGISTRY[name] = self


def declare(cls: type) -> OpDef:
    """Turns a namespace class into an OpDef; the class is never instantiated."""
    rules = vars(cls)
    return OpDef(cls.__name__, rules["shape"], rules["kernel"], rules["grad"], rules.get("writes", False))


# --- 2. The graph -------------------------------------------------------------------------------------------
# Operations are appended and never change. No numbers move here.


class Tensor:
    """A name for the value that an operation will compute."""

    def __init__(self, op: Operation, shape: tuple[int, ...]) -> None:
        self.op = op
        self.shape = shape

    def __repr__(self) -> str:
        return f"<Tensor '{self.op.name}:0' shape={self.shape}>"

    def __add__(self, other: Any) -> Tensor:
        return apply(Add, self, convert(other))

    def __mul__(self, other: Any) -> Tensor:
        return apply(Mul, self, convert(other))

    def __sub__(self, other: Any) -> Tensor:
        return apply(Add, self, apply(Neg, convert(other)))

    __radd__, __rmul__ = __add__, __mul__


class Operation:
    """One node: its type, its inputs, what must run before it."""

    def __init__(self, graph: Graph, opdef: OpDef, name: str, inputs: tuple[Tensor, ...], value: Any) -> None:
        self.graph, self.opdef, self.name, self.inputs, self.value = graph, opdef, name, inputs, value
        self.control_inputs = list(graph.control)
        self.output: Tensor | None = None


class Graph:
    """An append-only list of operations with unique names."""

    def __init__(self) -> None:
        self.ops: list[Operation] = []
        self.names: dict[str, int] = {}
        self.control: list[Operation] = []

    def unique_name(self, name: str) -> str:
        count = self.names.get(name, 0)
        self.names[name] = count + 1
        return name if count == 0 else f"{name}_{count}"


default_graph = Graph()  # NB: millrace.graph.defaults keeps a stack for each thread


def convert(value: Any) -> Tensor:
    """A tensor for `value`: itself, a variable's read, or a constant."""
    if isinstance(value, Variable):
        return value.read
    return value if isinstance(value, Tensor) else constant(value)


def apply(
    opdef: OpDef, *inputs: Tensor, value: Any = None, shape: Any = None, name: str | None = None
) -> Tensor:
    """Checks, infers, and appends one operation. NB: nothing stays in the graph when a check fails."""
    inferred = opdef.shape(*[t.shape for t in inputs]) if shape is None else shape
    op = Operation(default_graph, opdef, default_graph.unique_name(name or opdef.name), inputs, value)
    op.output = Tensor(op, inferred)
    default_graph.ops.append(op)
    return op.output


# --- 3. The rooms: a few operations, each whole in one place ------------------------------------------------


def _broadcast(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    return np.broadcast_shapes(x, y)


def _sum_to(gradient: Tensor, x: Tensor) -> Tensor:
    """Undoes broadcasting: sums `gradient` to the shape of `x`."""
    return gradient if gradient.shape == x.shape else apply(SumTo, gradient, value=x.shape, shape=x.shape)


@declare
class Const:
    shape = None  # NB: given when it is made

    def kernel(op):
        return op.value

    def grad(op, dy):
        return ()


@declare
class Placeholder:
    shape = None

    def kernel(op):
        raise ValueError(f"You must feed a value for placeholder '{op.name}'")

    def grad(op, dy):
        return ()


@declare
class VariableV2:
    shape = None
    kernel = None  # the plan reads it from the session's store

    def grad(op, dy):
        return ()


@declare
class Identity:
    def shape(x):
        return x

    def kernel(op, x):
        return x

    def grad(op, dy):
        return (dy,)


@declare
class Add:
    shape = _broadcast

    def kernel(op, x, y):
        return x + y

    def grad(op, dz):
        x, y = op.inputs
        return _sum_to(dz, x), _sum_to(dz, y)


@declare
class Mul:
    shape = _broadcast

    def kernel(op, x, y):
        return x * y

    def grad(op, dz):
        x, y = op.inputs
        return _sum_to(dz * y, x), _sum_to(dz * x, y)


@declare
class Neg:
    def shape(x):
        return x

    def kernel(op, x):
        return -x

    def grad(op, dy):
        return (apply(Neg, dy),)


@declare
class Mean:
    def shape(x):
        return ()

    def kernel(op, x):
        return np.mean(x)

    def grad(op, dy):
        (x,) = op.inputs
        return (dy * constant(np.full(x.shape, 1.0 / np.prod(x.shape))),)


@declare
class SumTo:
    shape = None

    def kernel(op, x):
        extra = x.ndim - len(op.value)
        axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(op.value) if n == 1)
        return np.sum(x, axis=axes, keepdims=True).reshape(op.value)

    def grad(op, dy):
        (x,) = op.inputs
        return (dy * constant(np.ones(x.shape)),)


@declare
class Assign:
    writes = True

    def shape(ref, value):
        return value

    def kernel(op, old, value):
        return value

    def grad(op, dy):
        return None, dy


@declare
class NoOp:
    def shape():
        return ()

    def kernel(op):
        return None

    def grad(op, dy):
        return ()


def constant(value: Any) -> Tensor:
    array = np.asarray(value, np.float64)
    return apply(Const, value=array, shape=array.shape)


def placeholder(shape: tuple[int, ...]) -> Tensor:
    return apply(Placeholder, shape=shape)


def mean(x: Tensor) -> Tensor:
    return apply(Mean, x)


def square(x: Tensor) -> Tensor:
    return x * x


class Variable:
    """A value that lives in the session: a reference, an initializer, and a read."""

    def __init__(self, initial: Any) -> None:
        start = constant(initial)
        self.ref = apply(VariableV2, shape=start.shape, name="Variable")
        self.initializer = apply(Assign, self.ref, start).op
        self.read = apply(Identity, self.ref, name=self.ref.op.name + "/read")

    def assign(self, value: Tensor) -> Tensor:
        return apply(Assign, self.ref, value)


def group(*ops: Operation) -> Operation:
    """An operation that is done when all of `ops` are."""
    default_graph.control, before = list(ops), default_graph.control
    gate = apply(NoOp, name="group").op
    default_graph.control = before
    return gate


# --- 4. Gradients are more graph ----------------------------------------------------------------------------


def gradients(y: Tensor, xs: list[Tensor]) -> list[Tensor | None]:
    """Walks backwards from y in reverse creation order. NB: the real walk counts, so that xs may be
    anywhere.
    """
    collected: dict[Tensor, list[Tensor]] = {y: [constant(np.ones(y.shape))]}
    totals: dict[Tensor, Tensor] = {}
    for op in reversed(list(default_graph.ops)):
        if op.output not in collected:
            continue
        total, *rest = collected[op.output]
        for gradient in rest:
            total = total + gradient
        totals[op.output] = total
        for tensor, gradient in zip(op.inputs, op.opdef.grad(op, total), strict=True):
            if gradient is not None:
                collected.setdefault(tensor, []).append(gradient)
    return [totals.get(x) for x in xs]


# --- 5. The plan --------------------------------------------------------------------------------------------
# What the fetches need, in creation order, as the source of one Python function. Variables are values too: a
# write makes a new version, and a read names the version it sees: the last write that happens before it along
# edges, else the value at the start of the run. That is why a loss fetched beside a training step is the loss
# before the step.


def plan_for(fetches: list[Any], feeds: list[Tensor]) -> tuple[Callable[..., Any], list[Operation]]:
    needed: set[Operation] = set()
    stack = [f.op if isinstance(f, Tensor) else f for f in fetches if f not in feeds]
    while stack:
        op = stack.pop()
        if op not in needed:
            needed.add(op)
            stack.extend(t.op for t in op.inputs if t not in feeds)
            stack.extend(op.control_inputs)
    steps = [op for op in default_graph.ops if op in needed]

    value: dict[Tensor, str] = {t: f"feed{i}" for i, t in enumerate(feeds)}
    versions: dict[Operation, list[tuple[Operation | None, str]]] = {}  # variable -> (the write, its value)
    before: dict[Operation, set[Operation]] = {}  # the writes that happen before an operation is done
    names: dict[str, Any] = {}
    lines: list[str] = []

    def seen(variable: Operation, writes: set[Operation]) -> str:
        return next(v for write, v in reversed(versions[variable]) if write is None or write in writes)

    for i, op in enumerate(steps):
        before[op] = set().union(
            *[before.get(t.op, set()) for t in op.inputs], *[before[c] for c in op.control_inputs]
        )
        if op.output in value:
            continue
        if op.opdef is VariableV2:
            versions[op] = [(None, f"store.get({op.name!r})")]
            continue
        read_of = op.inputs[0].op if op.inputs and op.inputs[0].op.opdef is VariableV2 else None
        if read_of is not None and not op.opdef.writes:  # a read: no step at all, only a version
            value[op.output] = seen(read_of, before[op])
            continue
        args = []
        for tensor in op.inputs:
            source = tensor.op
            if source.opdef is VariableV2:
                args.append(versions[source][-1][1])  # a write starts from the latest version
            elif source.opdef is Identity and source.inputs[0].op.opdef is VariableV2 and tensor not in feeds:
                args.append(seen(source.inputs[0].op, before[op]))  # a read's consumer looks for itself
            else:
                args.append(value[tensor])
        names[f"kernel{i}"], names[f"op{i}"] = op.opdef.kernel, op
        lines.append(f"    v{i} = kernel{i}({', '.join([f'op{i}', *args])})")
        value[op.output] = f"v{i}"
        if op.opdef.writes:
            variable = op.inputs[0].op
            versions[variable].append((op, f"v{i}"))
            before[op].add(op)
    # everything that can fail has been computed: only now do the variables change
    for variable, history in versions.items():
        if len(history) > 1:
            lines.append(f"    store[{variable.name!r}] = {history[-1][1]}")
    results = []
    for fetch in fetches:
        if isinstance(fetch, Operation):
            results.append("None")
        elif fetch.op.opdef is VariableV2:
            results.append(versions[fetch.op][-1][1])
        else:
            results.append(value[fetch])
    arguments = ", ".join(["store", *[f"feed{i}" for i in range(len(feeds))]])
    source = f"def run({arguments}):\n" + "\n".join(lines) + f"\n    return [{', '.join(results)}]\n"
    exec(source, names)
    return names["run"], steps


# --- 6. The session -----------------------------------------------------------------------------------------
# NB: the real one also flattens nested fetches, checks shapes, folds constants, plans once for each
# combination of fed shapes, and compiles a plan with XLA when its cost says that this pays.


class Session:
    """Runs parts of the graph and keeps its variables."""

    def __init__(self) -> None:
        self.store: dict[str, np.ndarray] = {}
        self.plans: dict[Any, Any] = {}

    def run(self, fetches: Any, feed_dict: dict[Tensor, Any] | None = None) -> Any:
        single = not isinstance(fetches, list)
        wanted = [f.ref if isinstance(f, Variable) else f for f in ([fetches] if single else fetches)]
        feeds = list(feed_dict or {})
        key = (tuple(wanted), tuple(feeds))
        if key not in self.plans:
            self.plans[key] = plan_for(wanted, feeds)
        run, _ = self.plans[key]
        values = [np.asarray(v, np.float64) for v in (feed_dict or {}).values()]
        results = run(self.store, *values)
        return results[0] if single else results


# --- The whole of it, used ----------------------------------------------------------------------------------


def main() -> tuple[float, float]:
    """Fits a line by gradient descent, and checks the promises on the way."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(100,))
    targets = 3.0 * inputs - 2.0 + 0.01 * rng.normal(size=(100,))

    x, y = placeholder((100,)), placeholder((100,))
    slope, offset = Variable(0.0), Variable(0.0)
    loss = mean(square(x * slope + offset - y))
    to_slope, to_offset = gradients(loss, [slope.read, offset.read])
    step = group(
        slope.assign(slope.read - to_slope * 0.1).op,
        offset.assign(offset.read - to_offset * 0.1).op,
    )

    session = Session()
    session.run([slope.initializer, offset.initializer])
    feed = {x: inputs, y: targets}
    for _ in range(200):
        before = session.run(loss, feed)
        _, beside = session.run([step, loss], feed)
        assert before == beside, "a loss fetched beside the step is the loss before it"
    fitted = float(session.run(slope)), float(session.run(offset))
    assert abs(fitted[0] - 3.0) < 0.01 and abs(fitted[1] + 2.0) < 0.01
    return fitted


if __name__ == "__main__":
    slope_, offset_ = main()
    print(f"y = {slope_:.3f} x {offset_:+.3f}")
    print(f"{len(default_graph.ops)} operations; the last is {default_graph.ops[-1].name!r}")
