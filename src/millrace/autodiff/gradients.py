"""`tf.gradients`: walks the graph backwards from ys to xs and adds, for each operation on the way, its
gradient.
"""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

from millrace.autodiff import aggregate
from millrace.autodiff.counting import MORE_RESULTS, OF_GRADIENTS
from millrace.autodiff.registry import WITHOUT_GRADIENT, gradient_function
from millrace.building import convert, raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import name_scope
from millrace.core.collection import COLLECTOR_RESTS
from millrace.core.public import public
from millrace.graph import location
from millrace.graph.opdef import NOT_DIFFERENTIABLE
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor


@public("gradients")
def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = "none",
) -> list[Any]:
    """Adds to the graph the derivatives of the sum of `ys` with respect to each of `xs`.

    Args:
      ys: a tensor or list of tensors.
      xs: a tensor, variable, or list of them.
      grad_ys: the gradients of some further sum with respect to each y, shaped as `ys`; None for ones.
      name: scope of the operations added.
      colocate_gradients_with_ops: keep each gradient on the device of its operation.
      gate_gradients: let the gradients of one operation wait for each other.
      aggregation_method: an `AggregationMethod`.
      stop_gradients: tensors taken as constants.
      unconnected_gradients: "none" gives None for an x that no y depends on, "zero" gives zeros.

    Returns:
      One gradient for each x: a tensor, an `IndexedSlices` where only some rows matter, or None.

    Raises:
      LookupError: an operation on the way has no gradient.
      ValueError: `grad_ys` does not match `ys`, or the arguments are from several graphs.
      TypeError: a dtype cannot be differentiated.

    Example:
      >>> x = tf.constant(3.0)
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.gradients(x * x, [x])))
      [np.float32(6.0)]
    """
    ys, xs = _as_list(ys), _as_list(xs)
    stops = [] if stop_gradients is None else _as_list(stop_gradients)
    seeds = [None] * len(ys) if grad_ys is None else _as_list(grad_ys)
    if len(seeds) != len(ys):
        raise ValueError(
            f"gradients: one grad_y is needed for each of {len(ys)} ys. Received: {len(seeds)} grad_ys"
        )
    if aggregation_method is not None and aggregation_method not in aggregate.METHODS:
        raise ValueError(
            f"gradients: aggregation_method must be an AggregationMethod. Received: {aggregation_method!r}"
        )
    zero = str(getattr(unconnected_gradients, "value", unconnected_gradients))
    if zero not in ("none", "zero"):
        raise ValueError(
            f"gradients: unconnected_gradients must be 'none' or 'zero'. Received: {unconnected_gradients!r}"
        )
    given = [*ys, *xs, *stops, *[s for s in seeds if s is not None]]
    with name_scope(name, "gradients", given), COLLECTOR_RESTS:
        ys = [_to_tensor(y, "y") for y in ys]
        xs = [_to_tensor(x, "x", as_ref=True) for x in xs]
        stops = [_to_tensor(s, "stop_gradient", as_ref=True) for s in stops]
        if ys and _tensor_of(ys[0]).graph.get_scoped("old control flow", list):  # read from a GraphDef
            from millrace.exchange.raising import raise_before  # the first gradient need not wait for it

            raise_before(map(_tensor_of, ys))
        seeds = _seeds(ys, seeds, colocate_gradients_with_ops)
        if len(ys) > 1:
            with _tensor_of(ys[0]).graph.counted_as(0):
                ys = [raw.Identity(y) if isinstance(y, Tensor) and y.consumers() else y for y in ys]
        walk = _Walk(xs, ys, seeds, stops)
        walk.colocate = colocate_gradients_with_ops
        walk.gate = gate_gradients
        walk.method = aggregation_method
        found = walk.run()
        if zero == "zero":
            found = [raw.ZerosLike(_value(x)) if g is None else g for g, x in zip(found, xs, strict=True)]
    return found


def backpropagate(ys: list[Tensor], xs: list[Tensor], seeds: list[Any], gate: bool) -> list[Any]:
    """The gradients of `ys` with respect to `xs` in a body, given those that reach `ys`; adds no operation of
    its own.

    Args:
      gate: gradients outside of the body wait for each other.
    """
    walk = _Walk(xs, ys, seeds, [])
    walk.gate, walk.inside = gate, True
    return walk.run()


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _to_tensor(value: Any, name: str, as_ref: bool = False) -> Any:
    if isinstance(value, IndexedSlices):
        return value
    if as_ref:  # a source, which may lie outside of the function that asks
        handle = value if isinstance(value, Tensor) else getattr(value, "handle", None)
        if isinstance(handle, Tensor):
            return handle
    return convert.to_tensor(value, name=name, as_ref=as_ref)


def _value(x: Tensor) -> Tensor:
    if x.op.type == "VarHandleOp":
        return raw.ReadVariableOp(x, dtype=x.op.attrs["dtype"])
    return x


def _seeds(ys: list[Any], given: list[Any], colocate: bool) -> list[Any]:
    """The gradient each y starts with: what the caller gave, or ones."""
    seeds: list[Any] = []
    for i, (y, seed) in enumerate(zip(ys, given, strict=True)):
        dtype = y.dtype.base_dtype
        if seed is None:
            if dtype.is_complex:
                raise TypeError(
                    f"gradients: a complex y needs its grad_ys. Received: {y.name} of dtype {dtype.name}"
                )
            with _colocated(y.op, colocate):
                seeds.append(
                    raw.Fill(convert.shape_tensor(y), convert.constant_of(1, dtype, "Const"), name="Fill")
                )
            continue
        if not isinstance(seed, IndexedSlices):
            seed = convert.to_tensor(seed, None if isinstance(seed, Tensor) else dtype, f"grad_ys_{i}")
            seed.graph.count(1)  # TensorFlow 1.15 has an identity of it
        kind = seed.dtype.base_dtype
        same = (kind.is_floating and dtype.is_floating) or (kind.is_integer and dtype.is_integer)
        if not same and kind is not dtype:
            raise TypeError(
                f"gradients: grad_ys[{i}] must be of the kind of y, {dtype.name}. Received: {kind.name}"
            )
        if dtype.is_complex and not kind.is_complex:
            raise TypeError(f"gradients: the gradient of a complex y must be complex. Received: {kind.name}")
        seeds.append(seed)
    return seeds


@contextlib.contextmanager
def _colocated(op: Operation, colocate: bool) -> Iterator[None]:
    if not colocate:
        yield
        return
    with op.graph.colocate_with(op):
        yield


class _Walk:
    """One backward pass, from `ys` to `xs`, in the order in which gradients become complete."""

    def __init__(self, xs: list[Tensor], ys: list[Any], seeds: list[Any], stops: list[Tensor]) -> None:
        self.xs = xs
        self.ys = ys
        self.colocate = False
        self.gate = False
        self.inside = False  # in the body of a gradient
        self.method: int | None = None
        self.frames = location.capture()  # what is added comes from whoever asked for the gradients
        self.gradients: dict[Tensor, list[Any]] = {}
        self._graph: Any = _tensor_of(ys[0]).graph if ys else None  # where gradients are added
        self.around = _around(ys)
        self.counted: Counter[Tensor] = Counter()  # how many of the gradients TensorFlow 1.15 has, too
        for y, seed in zip(ys, seeds, strict=True):
            self._add(_tensor_of(y), seed, 1)
        self.pending = self._pending()
        self.smooth = self._smooth()
        self.ends = self._ends() | {t.op for t in stops}

    def _pending(self) -> dict[Operation, int]:
        """For each operation between xs and ys, how many gradients it still waits for."""
        reached: set[Operation] = set()
        queue = deque(x.op for x in self.xs)
        sources = set(queue)
        while queue:
            op = queue.popleft()
            if op in reached:
                continue
            reached.add(op)
            for tensor in op.outputs:
                if op in sources or _backpropagates(tensor):
                    queue.extend(tensor.takers or ())
                    queue.extend(b.captures[tensor].op for b in self.around if tensor in b.captures)
        between: dict[Operation, int] = {}
        queue = deque(_tensor_of(y).op for y in self.ys)
        order = []
        while queue:
            op = queue.popleft()
            if op in reached:
                reached.discard(op)
                between[op] = 0
                order.append(op)
                queue.extend(t.op for t in self._inputs(op))
        for op in order:
            for tensor in self._inputs(op):
                if tensor.op in between:
                    between[tensor.op] += 1
        return between

    def _smooth(self) -> set[Operation]:
        """The operations on the way that xs reach without a step through integers: TensorFlow 1.15 adds
        gradients of these alone.
        """
        reached: set[Operation] = set()
        queue = [x.op for x in self.xs if x.op in self.pending]
        while queue:
            op = queue.pop()
            if op in reached:
                continue
            reached.add(op)
            for tensor in op.outputs:
                if tensor.dtype.base_dtype.is_integer:
                    continue
                queue.extend(t for t in tensor.takers or () if t in self.pending)
                queue.extend(b.captures[tensor].op for b in self.around if tensor in b.captures)
        return reached

    def _ends(self) -> set[Operation]:
        """The operations of xs behind which there is nothing to differentiate."""
        return {x.op for x in self.xs if not any(self.pending.get(t.op, 0) for t in self._inputs(x.op))}

    def _inputs(self, op: Operation) -> tuple[Tensor, ...]:
        """The inputs of `op`; for what a body around ys captured, the tensor outside that it stands for."""
        if op.type == "BodyArg":
            function = op.body or op.graph
            if function in self.around:
                outer = function.outer_of(op.outputs[0])
                return () if outer is None else (outer,)
        return op.inputs

    def run(self) -> list[Any]:
        """Adds the gradients and returns those of `xs`."""
        if not self.ys:
            return [None] * len(self.xs)
        graph = self._graph
        old, graph.frames = graph.frames, self.frames
        try:
            return self._walk()
        finally:
            graph.frames = old

    def _walk(self) -> list[Any]:
        pending = self.pending
        queue: deque[Operation] = deque()
        for y in self.ys:
            op = _tensor_of(y).op
            if pending.get(op, 0) == 0 and op not in queue:
                queue.append(op)
        while queue:
            op = queue.popleft()
            with _colocated(op, self.colocate):
                self._differentiate(op)
            for tensor in self._inputs(op):
                if tensor.op in pending:
                    pending[tensor.op] -= 1
                    if pending[tensor.op] == 0:
                        queue.append(tensor.op)
        results = []
        for x in self.xs:
            found = self.gradients.get(x)
            results.append(self._total(x, x.op) if found else None)
        return results

    def _add(self, tensor: Tensor, gradient: Any, counted: int) -> None:
        self.gradients.setdefault(tensor, []).append(gradient)
        self.counted[tensor] += counted

    def _total(self, tensor: Tensor, op: Operation) -> Any:
        """The sum of the gradients of an output of `op`."""
        found, adds = self.gradients[tensor], self.counted[tensor] > 1
        if adds and len(found) == 1:
            self._graph.count(1)  # what both branches of an `If` have given as one
        with contextlib.nullcontext() if adds else self._graph.counted_as(0):
            return aggregate.total(found, op, self.method)

    def _is_on_a_way(self, op: Operation, gradients: list[Any]) -> bool:
        """True where a gradient of numbers that are not integers would go on from `op` towards xs."""
        reached = [t for t, g in zip(op.outputs, gradients, strict=True) if g is not None]
        kinds = [t.dtype.base_dtype for t in reached]
        return any(k.is_floating or k.is_complex for k in kinds) and any(
            t.op in self.pending for t in op.inputs
        )

    def _differentiate(self, op: Operation) -> None:
        collected: list[Any] = []
        for tensor in op.outputs:
            found = self.gradients.get(tensor)
            if not found:
                collected.append(None)
                continue
            if len(found) > 1 or self.counted[tensor] > 1:
                self.gradients[tensor] = found = [self._total(tensor, op)]
                self.counted[tensor] = 1
            collected.append(found[0])
        if op in self.ends or all(g is None for g in collected):
            return
        if op.type == "BodyArg" and self._inputs(op):
            self._add(self._inputs(op)[0], collected[0], op in self.smooth)
            return
        function = gradient_function(op)
        if function is NOT_DIFFERENTIABLE:
            if op.type in WITHOUT_GRADIENT and self._is_on_a_way(op, collected):
                raise LookupError(f"No gradient defined for operation '{op.name}' (op type: {op.type})")
            return
        if function is None:
            raise LookupError(f"No gradient defined for operation '{op.name}' (op type: {op.type})")
        for i, gradient in enumerate(collected):
            if gradient is None and _trainable(op.outputs[i]) and not op.opdef.has_body:
                collected[i] = raw.ZerosLike(op.outputs[i], name="zeros_like")
        graph = self._graph
        if function is not op.opdef.grad or op.opdef.has_body or op.opdef.has_function:
            graph.frames = None  # a program's own function adds operations from where it stands
        with graph.name_scope(op.name + "_grad"), self._counting(op, function):
            wanted = self._wanted(op, function)
            results = _as_list(function(op, *collected, **wanted))
            graph.frames = self.frames
            if len(results) != len(op.inputs):
                raise ValueError(
                    f"Num gradients {len(results)} generated for op {op.name} (type {op.type}) do not match "
                    f"num inputs {len(op.inputs)}"
                )
            if self.gate and (number := sum(g is not None for g in results)) > 1:
                results = self._gated(op, results, number)
        parts = wanted["wanted"] if wanted else [True] * len(results)
        for tensor, gradient, part in zip(op.inputs, results, parts, strict=True):
            if gradient is None:
                continue
            if (
                isinstance(gradient, Tensor)
                and not tensor.dtype.is_ref_dtype
                and tensor.dtype.is_numpy_compatible
            ):
                _refine(gradient, tensor, op)
            self._add(tensor, gradient, part if op in self.smooth else 0)

    def _wanted(self, op: Operation, function: Any) -> dict[str, Any]:
        """What the gradient of an operation with bodies is told: 1 for each input on the way to xs, of which
        it makes the number of the gradient's parts; and whether gradients wait for each other.
        """
        if not op.opdef.has_body or function is not op.opdef.grad:
            return {}
        return {"wanted": [int(t.op in self.pending) for t in op.inputs], "gate": self.gate}

    def _gated(self, op: Operation, results: list[Any], number: int) -> list[Any]:
        """Gradients that wait for each other.

        In a body they need not, and are only counted; for an operation with bodies TensorFlow has none.
        """
        if op.attrs.get("is_training"):
            self._graph.count(MORE_RESULTS.get(op.type, 0))
        if self.inside:
            self._graph.count(1 + number)
            return results
        with self._graph.counted_as(0) if op.opdef.has_body else contextlib.nullcontext():
            return _gated(results)

    def _counting(self, op: Operation, function: Any) -> contextlib.AbstractContextManager[None]:
        """Counts what `function` adds as TensorFlow 1.15 would."""
        if op not in self.smooth or op in op.graph.absent:
            return self._graph.counted_as(0)
        number = OF_GRADIENTS.get(op.type) if function is op.opdef.grad else None
        return contextlib.nullcontext() if number is None else self._graph.counted_as(number)


def _around(ys: list[Any]) -> list[Any]:
    """The bodies and functions that new operations are being added to, innermost first.

    A walk may leave these towards xs outside.
    """
    found: list[Any] = []
    graph: Any = _tensor_of(ys[0]).graph if ys else None
    while graph is not None:
        body = graph.body
        while body is not None:
            found.append(body)
            body = body.parent
        if graph.root is graph:
            break
        found.append(graph)
        graph = graph.outer
    return found


def _tensor_of(y: Any) -> Tensor:
    return y.values if isinstance(y, IndexedSlices) else y


def _refine(gradient: Tensor, tensor: Tensor, op: Operation) -> None:
    """A gradient has the shape of what it is the gradient of."""
    if tensor.dims is None or gradient.dims == tensor.dims:
        return
    try:
        gradient.set_shape(tensor.dims)
    except ValueError:
        raise ValueError(
            "Incompatible shapes between op input and calculated input gradient. Forward operation: "
            f"{op.name}, input {tensor.name} of shape {tensor.shape}. Received: gradient of shape "
            f"{gradient.shape}"
        ) from None


def _trainable(tensor: Tensor) -> bool:
    dtype = tensor.dtype.base_dtype
    return dtype.is_floating or dtype.is_complex


def _backpropagates(tensor: Tensor) -> bool:
    dtype = tensor.dtype.base_dtype
    return not (dtype.is_bool or dtype.is_quantized or dtype.name == "string")


def _gated(results: list[Any]) -> list[Any]:
    """Each gradient, available only when all are: TensorFlow's `tuple`."""
    graph = next(g for g in results if g is not None).graph
    with graph.name_scope("tuple"):
        sources = [g for g in results if g is not None]
        with graph.control_dependencies([_tensor_of(g).op for g in sources]):
            gate = raw.NoOp(name="group_deps")
        gated: list[Any] = []
        with graph.control_dependencies([gate]):
            for gradient in results:
                if gradient is None:
                    gated.append(None)
                elif isinstance(gradient, IndexedSlices):
                    values = raw.Identity(gradient.values, name="control_dependency")
                    gated.append(IndexedSlices(values, gradient.indices, gradient.dense_shape))
                else:
                    gated.append(raw.Identity(gradient, name="control_dependency"))
    return gated
