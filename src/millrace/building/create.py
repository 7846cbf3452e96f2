"""`create`: one operation from tensors, appended whole or not at all; `apply` and conversions share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any

from millrace.building.static import Known
from millrace.core import dtypes
from millrace.core.kinds import LISTS, TEXT
from millrace.graph import defaults, location
from millrace.graph.attrs import MISSING
from millrace.graph.graph import Graph
from millrace.graph.nesting import check_edges, encloses, escaped
from millrace.graph.opdef import Arg, OpDef
from millrace.graph.operation import Operation
from millrace.graph.references import passed_on, variable_of
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.building.body import Body

_MOST_OUTPUTS = 1 << 17
_TUPLE: type = tuple


def create(opdef: OpDef, *inputs: Tensor | list[Tensor], name: str | None = None, **attrs: Any) -> Operation:
    """Appends one operation whose inputs are tensors, in the graph of its inputs or, without inputs, in
    the default graph.

    Args:
      opdef: a type that takes no tensor, or plain tensors and lists of one dtype.
      *inputs: one for each argument of its signature.
      name: as for `apply`.
      **attrs: attributes that do not follow from the inputs.

    Raises:
      TypeError: dtypes clash, or an attribute is missing or of another kind.
      ValueError: the shape rule refuses the inputs, or they are from several graphs.
    """
    current = defaults.get_default_graph()
    if current.is_function:
        inputs = current.entered(inputs)
    graph = graph_of(inputs, opdef, name) if inputs else current
    if graph.finalized:
        graph.check_open()
    if graph.adding == get_ident():
        return _from_tensors(graph, opdef, inputs, name, attrs)
    return whole(graph, _from_tensors, opdef, inputs, name, attrs)


def graph_of(inputs: tuple[Any, ...], opdef: OpDef, name: str | None) -> Graph:
    """The graph of the first tensor among the inputs; all others must be from the same."""
    graph = None
    for value in inputs:
        if type(value) is Tensor:
            found = value.op.graph
            if graph is None:
                graph = found
            elif found is not graph:
                raise ValueError(
                    f"{opdef.name} '{name or opdef.name}': tensor '{value.name}' must be from the same "
                    f"graph as the other inputs; {where_made(value)}"
                )
        elif isinstance(value, LISTS):
            for item in value:
                if type(item) is Tensor:
                    found = item.op.graph
                    if graph is None:
                        graph = found
                    elif found is not graph:
                        raise ValueError(
                            f"{opdef.name} '{name or opdef.name}': tensor '{item.name}' must be from the "
                            f"same graph as the other inputs; {where_made(item)}"
                        )
    return defaults.get_default_graph() if graph is None else graph


def where_made(element: Any) -> str:
    """Where a tensor or operation of another graph comes from, for messages."""
    op = getattr(element, "op", element)
    return f"it was created at {op.user_location}" if op.user_location else "it belongs to another graph"


def whole(
    graph: Graph,
    make: Callable[..., Operation],
    opdef: OpDef,
    inputs: tuple[Any, ...],
    name: str | None,
    attrs: dict[str, Any],
) -> Operation:
    """`make(graph, opdef, ...)`, alone in the graph; when it fails, the graph is as it was before."""
    thread = get_ident()
    with graph.lock:
        size, undo = len(graph.ops), graph.undo
        if undo is None:
            graph.undo, names = [], 0
        else:
            names = len(undo)
            graph.mixed = graph.mixed or graph.builder != thread
        graph.adding = thread
        try:
            return make(graph, opdef, inputs, name, attrs)
        except BaseException:
            graph.roll_back(size, names)
            raise
        finally:
            graph.adding = 0
            if undo is None:
                graph.undo = None


def _from_tensors(
    graph: Graph, opdef: OpDef, inputs: tuple[Any, ...], name: str | None, attrs: dict[str, Any]
) -> Operation:
    full_name = name_for(graph, opdef, name)
    known = opdef.bound.get(tuple([t.dtype.as_datatype_enum for t in inputs])) if opdef.simple else None
    if known is not None:
        return append(graph, opdef, full_name, inputs, inputs, known.copy(), attrs)
    final: dict[str, Any] = {}
    tensors: list[Tensor] = []
    grouped: list[Any] = []
    for arg, value in zip(opdef.inputs, inputs, strict=True):
        if arg.is_list:
            got = tuple(value)
            bind_list(opdef, arg, got, final, full_name)
            tensors.extend(got)
            grouped.append(got)
        else:
            bind_type(opdef, arg, value.dtype.base_dtype, final, full_name)
            tensors.append(value)
            grouped.append(value)
    if opdef.simple:
        opdef.bound[tuple([t.dtype.as_datatype_enum for t in tensors])] = final.copy()
    return append(graph, opdef, full_name, tensors, grouped, final, attrs)


def name_for(graph: Graph, opdef: OpDef, name: str | None) -> str:
    """The full name of a new operation: unique under the current scope; `name` itself when it ends with "/".

    Raises:
      ValueError: the name has characters that names do not have.
      TypeError: the name is not a string.
    """
    if name is None:
        return graph.unique_name(opdef.name)
    if not isinstance(name, TEXT):
        hint = ""
        if isinstance(name, int | list | tuple):
            hint = "; are brackets missing, as in [2, 3] for a shape, or is it an argument too many?"
        raise TypeError(f"{opdef.name}: a name is a string. Received: {name!r}{hint}")
    if name[-1:] == "/":
        full_name = name[:-1]
        if full_name in graph.by_name or full_name not in graph.names:
            full_name = _unique_at_root(graph, full_name)
        return full_name
    graph.check_name(name)
    return graph.unique_name(name)


def append(
    graph: Graph,
    opdef: OpDef,
    full_name: str,
    tensors: Sequence[Tensor],
    grouped: Sequence[Any],
    final: dict[str, Any],
    attrs: dict[str, Any],
) -> Operation:
    """The last steps of adding an operation: into the body, attributes, shapes, scopes.

    Args:
      graph: where it goes.
      opdef: its type.
      full_name: its name.
      tensors, grouped: the inputs, flat and as the signature groups them.
      final: the attributes that the inputs determine; completed here.
      attrs: the attributes that the caller gave.
    """
    body = graph.body
    waits: list[Operation] = []
    if body is not None:
        tensors, grouped, waits = _enter_body(body, opdef, tensors, grouped, full_name)
    else:
        for tensor in tensors:
            if tensor.op.body is not None:
                raise ValueError(f"{opdef.name} '{full_name}': " + escaped(tensor))
    if attrs or opdef.required or not opdef.simple:
        _bind_attrs(opdef, attrs, final, full_name)
    else:
        final.update(opdef.defaults)

    op = object.__new__(Operation)
    op.graph = graph
    op.opdef = opdef
    op.name = full_name
    op.id = len(graph.ops)
    op.attrs = final
    op.body = body
    op.device = ""
    op.frames = graph.frames or location.capture(2)
    flat = op.inputs = tuple(tensors)
    op.control_inputs = graph.control_inputs_for(_always_taken(op)) if graph.control else []
    if waits:
        op.control_inputs = list(dict.fromkeys([*op.control_inputs, *waits]))
    if op.control_inputs:
        check_edges(op)
    if opdef.single_output:
        arg = opdef.outputs[0]
        dtype: Any = arg.dtype if arg.type_attr is None else final[arg.type_attr]
        op.outputs = [Tensor(op, 0, dtype.as_ref if arg.is_ref else dtype)]
    else:
        op.outputs = _outputs(op, opdef, final)
    infer_shapes(op, grouped)
    for tensor in flat:
        if tensor.takers is None:
            tensor.takers = [op]
        else:
            tensor.takers.append(op)
    if (
        opdef.reference_positions
        or graph.attr_scope
        or graph.gradient_overrides
        or graph.colocation
        or graph.devices
    ):
        _apply_scopes(graph, op, [grouped[i].op for i in opdef.reference_positions])
    graph.append(op)
    if opdef.has_body:
        for value in final.values():
            if hasattr(value, "owners"):
                value.owners.append(op)
    return op


def _always_taken(op: Operation) -> tuple[Tensor, ...]:
    """The inputs that every run of an operation takes: of one with bodies, a run may leave out the others."""
    if not op.opdef.has_body:
        return op.inputs
    test = op.attrs.get("cond")
    if test is None:  # a branch, or a loop over stacks
        first = op.attrs.get("carried", 0)
        return op.inputs[first : first + 1]
    return tuple(t for t, inside in zip(op.inputs, test.inputs, strict=False) if inside.takers)


def _unique_at_root(graph: Graph, name: str) -> str:
    old, graph.scope = graph.scope, ""
    try:
        found = graph.unique_name(name)
        while found in graph.by_name:
            found = graph.unique_name(name)
        return found
    finally:
        graph.scope = old


def bind_type(opdef: OpDef, arg: Arg, base: dtypes.DType, final: dict[str, Any], full_name: str) -> None:
    """Binds the type attribute of an argument.

    Raises:
      TypeError: the signature does not allow the dtype.
    """
    allowed = opdef.attrs[arg.type_attr].allowed  # type: ignore[index]
    if allowed is not None and base not in allowed:
        shown = ", ".join(sorted(d.name for d in allowed))
        raise TypeError(
            f"{opdef.name} '{full_name}': input '{arg.name}' must be one of {shown}. Received: {base.name}"
        )
    final[arg.type_attr] = base  # type: ignore[index]


def bind_list(opdef: OpDef, arg: Arg, got: tuple[Tensor, ...], final: dict[str, Any], full_name: str) -> None:
    """Binds the dtype and the length of a list of one dtype, or checks them against what is bound.

    Raises:
      TypeError: the dtypes differ from each other or from what the signature says.
      ValueError: the length is not allowed.
    """
    assert arg.number_attr is not None
    for tensor in got:
        base = tensor.dtype.base_dtype
        if arg.type_attr is None:
            if base is not arg.dtype:
                assert arg.dtype is not None
                raise TypeError(
                    f"{opdef.name} '{full_name}': tensors in list '{arg.name}' must be {arg.dtype.name}. "
                    f"Received: {tensor.name} of dtype {base.name}"
                )
        elif final.get(arg.type_attr) is None:
            bind_type(opdef, arg, base, final, full_name)
        elif final[arg.type_attr] is not base:
            raise TypeError(
                f"{opdef.name} '{full_name}': tensors in list '{arg.name}' must all be "
                f"{final[arg.type_attr].name}. Received: {[t.dtype.name for t in got]}"
            )
    known = final.setdefault(arg.number_attr, len(got))
    if known != len(got):
        raise ValueError(
            f"{opdef.name} '{full_name}': list '{arg.name}' must have {known} tensors, as many as the lists "
            f"before it. Received: {len(got)}"
        )
    minimum = opdef.attrs[arg.number_attr].minimum
    if minimum is not None and len(got) < minimum:
        raise ValueError(
            f"{opdef.name} '{full_name}': list '{arg.name}' must have at least {minimum} tensors. Received: "
            f"{len(got)}"
        )


def _enter_body(
    body: Body, opdef: OpDef, tensors: Sequence[Tensor], grouped: Sequence[Any], full_name: str
) -> tuple[Sequence[Tensor], Sequence[Any], list[Operation]]:
    """Replaces tensors from outside by what stands for them inside `body`.

    A reference that an operation outside passes on names its variable, where the new operation takes it as a
    reference; the new operation then waits for the one outside, which is the third result.
    """
    if all(tensor.op.body is body for tensor in tensors):
        return tensors, grouped, []
    graph = body.graph
    inside: dict[tuple[Tensor, bool], Tensor] = {}
    waits: dict[Operation, None] = {}
    old, graph.scope = graph.scope, full_name
    try:
        for arg, part in zip(opdef.inputs, grouped, strict=True):
            for tensor in part if type(part) is _TUPLE else (part,):
                if tensor.op.body is body:
                    continue
                variable = variable_of(tensor) if arg.is_ref and tensor.dtype.is_ref_dtype else None
                if variable is None:
                    inside[tensor, arg.is_ref] = body.capture(tensor)
                    continue
                if variable is not tensor.op:
                    if not encloses(tensor.op.body, body):
                        raise ValueError(f"{opdef.name} '{full_name}': " + escaped(tensor))
                    waits[tensor.op] = None
                name = variable.outputs[0]
                apart = encloses(variable.body, body)
                inside[tensor, arg.is_ref] = body.capture(name) if apart else name
    finally:
        graph.scope = old
    swapped: list[Any] = [
        tuple(inside.get((t, arg.is_ref), t) for t in part)
        if type(part) is _TUPLE
        else inside.get((part, arg.is_ref), part)
        for arg, part in zip(opdef.inputs, grouped, strict=True)
    ]
    flat = [t for part in swapped for t in (part if type(part) is _TUPLE else (part,))]
    return flat, swapped, list(waits)


def _bind_attrs(opdef: OpDef, attrs: dict[str, Any], final: dict[str, Any], full_name: str) -> None:
    for name in opdef.required:
        if name not in attrs:
            raise TypeError(f"{opdef.name} '{full_name}': attribute '{name}' is missing and has no default")
    final.update(opdef.defaults)
    kinds, inferred = opdef.value_kinds, False
    for name, value in attrs.items():
        kind = kinds.get(name)
        if kind is None:
            inferred = True
            continue
        if value is None and kind.default is not MISSING:
            continue  # as if it were not given
        if type(value) is not kind.canonical_type:
            value = kind.canonical(value, f"{opdef.name} '{full_name}'", name)
        final[name] = value
    if inferred:
        _bind_inferred(opdef, attrs, final, full_name)
    if opdef.simple:
        return
    for arg in opdef.inputs:
        if arg.type_attr is not None and arg.type_attr not in final:
            default = opdef.attrs[arg.type_attr].default
            if default is MISSING:
                raise TypeError(
                    f"{opdef.name} '{full_name}': dtype '{arg.type_attr}' cannot be told from an empty list"
                )
            final[arg.type_attr] = default


def _bind_inferred(opdef: OpDef, attrs: dict[str, Any], final: dict[str, Any], full_name: str) -> None:
    """Attributes that follow from the inputs may be given too, if they agree."""
    values = {n for n, _ in opdef.value_attrs}
    for name, value in attrs.items():
        if name in values:
            continue
        if name not in opdef.attrs:
            if name[0] == "_":
                final[name] = value
                continue
            raise TypeError(
                f"{opdef.name} '{full_name}': has no attribute '{name}'; it has {sorted(opdef.attrs)}"
            )
        value = opdef.attrs[name].canonical(value, opdef.name, name)
        if final.setdefault(name, value) != value:
            raise TypeError(
                f"{opdef.name} '{full_name}': attribute '{name}' is given as {value!r}, the inputs say "
                f"{final[name]!r}"
            )


def _outputs(op: Operation, opdef: OpDef, final: dict[str, Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for arg in opdef.outputs:
        if arg.types_attr is not None:
            for dtype in final[arg.types_attr]:
                found.append(Tensor(op, len(found), dtype))
            continue
        dtype: Any = arg.dtype if arg.type_attr is None else final[arg.type_attr]
        if arg.is_ref:
            dtype = dtype.as_ref
        if arg.number_attr is None:
            found.append(Tensor(op, len(found), dtype))
        elif final[arg.number_attr] > _MOST_OUTPUTS:
            raise ValueError(
                f"{opdef.name} '{op.name}': an operation has at most {_MOST_OUTPUTS} outputs. Received: "
                f"{arg.number_attr}={final[arg.number_attr]}"
            )
        else:
            for _ in range(final[arg.number_attr]):
                found.append(Tensor(op, len(found), dtype))
    return found


def infer_shapes(op: Operation, grouped: Sequence[Any]) -> None:
    """Runs the shape rule of a new operation and puts the dims on its outputs.

    Raises:
      ValueError: the rule found that the inputs do not fit together.
    """
    opdef = op.opdef
    attrs = op.attrs
    if opdef.plain:
        args = [t.dims for t in grouped]
    else:
        args = _shape_args(opdef, grouped)
    try:
        if opdef.shape_attrs:
            dims = opdef.shape(*args, **{a: attrs[a] for a in opdef.shape_attrs})
        else:
            dims = opdef.shape(*args)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        shown = ", ".join(f"{t.name} {t.shape}" for t in op.inputs)
        cause = None if isinstance(error, ValueError) else error
        raise op.graph.misfit(op, f"{opdef.name} '{op.name}': {error} (inputs: {shown})") from cause
    outputs = op.outputs
    if opdef.single_output:
        outputs[0].dims = dims
    elif outputs:
        if len(dims) != len(outputs):
            raise TypeError(
                f"declare {opdef.name}: the shape rule gave {len(dims)} shapes for {len(outputs)} outputs"
            )
        for tensor, d in zip(outputs, dims, strict=True):
            tensor.dims = d


def _shape_args(opdef: OpDef, grouped: Sequence[Any]) -> list[Any]:
    """What the shape rule gets for each input: its dims, or `Known` where it looks at the value, too."""
    args = [tuple([t.dims for t in g]) if type(g) is _TUPLE else g.dims for g in grouped]
    for i in opdef.static_positions:
        g = grouped[i]
        args[i] = tuple([Known(t.dims, None, t) for t in g]) if type(g) is _TUPLE else Known(g.dims, None, g)
    for i in opdef.handle_positions:
        args[i] = _variable_dims(grouped[i])
    return args


def _variable_dims(handle: Tensor) -> Any:
    """The dims of the variable behind a resource handle, as far as the graph tells: what a reference has
    itself.
    """
    found: Tensor | None = handle
    while found is not None:
        if found.op.opdef.name == "VarHandleOp":
            return found.op.attrs["shape"]
        found = passed_on(found)
    return None


def _apply_scopes(graph: Graph, op: Operation, variables: list[Operation]) -> None:
    """Adds what the scopes around say; an operation that takes a variable's reference stays beside the
    variable.
    """
    attrs = op.attrs
    for name, value in graph.attr_scope.items():
        if name != "container":
            attrs.setdefault(name, value(op.node_def) if callable(value) else value)
        elif attrs.get(name) == "":  # declared, and not given
            attrs[name] = value
    override = graph.gradient_overrides.get(op.opdef.name)
    if override is not None:
        attrs["_gradient_op_type"] = override
    beside = graph.colocation + variables
    if variables:
        op.device = variables[-1].device
    else:
        graph.place(op)
    if beside:
        groups = {g for other in beside for g in other.colocation_groups()}
        attrs["_class"] = tuple(sorted(g.decode() for g in groups))
        op.device = beside[-1].device or op.device
