"""`apply`: checks, converts and infers, then appends one operation. The second stop of the road."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.core import dtypes
from millrace.graph import defaults, location
from millrace.graph.attrs import MISSING
from millrace.graph.body import Body, escaped
from millrace.graph.graph import Graph
from millrace.graph.opdef import Arg, OpDef
from millrace.graph.operation import Operation, is_ref
from millrace.graph.static import Known
from millrace.graph.tensor import Tensor

_result_types: dict[str, Any] = {}


def apply(opdef: OpDef, *inputs: Any, name: str | None = None, **attrs: Any) -> Any:
    """Appends one operation of type `opdef` to the graph of its inputs, or to the default graph.

    Args:
      opdef: the declared type.
      *inputs: one for each argument of its signature: tensors, or what converts to them; a list for a list
        argument.
      name: the operation's name, made unique under the current scope; taken as it is when it ends with "/".
      **attrs: attributes; those with a default and those that follow from the inputs may be left out.

    Returns:
      The output tensor; a list for a list output; a named tuple for several; the Operation where there is
      none.

    Raises:
      TypeError: an input's dtype, or an attribute's kind, does not fit the signature.
      ValueError: shapes clash, an attribute's value is not allowed, or an input is from another graph.
      RuntimeError: the graph is finalized.
    """
    if len(inputs) != len(opdef.inputs):
        raise TypeError(
            f"{opdef.name} takes {len(opdef.inputs)} inputs {[a.name for a in opdef.inputs]}. Received: "
            f"{len(inputs)}"
        )
    current = defaults.get_default_graph()
    if current.is_function:
        inputs = current.entered(inputs)
    graph = _graph_of(inputs, opdef, name)
    if graph._finalized:
        graph._check_open()
    outermost = graph.undo is None
    size = len(graph.ops)
    if outermost:
        graph.undo = []
    try:
        op = _create(graph, opdef, inputs, name, attrs)
    except BaseException:
        if outermost:
            graph.roll_back(size)
        raise
    finally:
        if outermost:
            graph.undo = None
    outputs = op.outputs
    if opdef.single_output:
        return outputs[0]
    if not opdef.outputs:
        return op
    if len(opdef.outputs) == 1:
        return list(outputs)
    return result_type(opdef)(*(list(r) if isinstance(r, tuple) else r for r in op.results()))


def result_type(opdef: OpDef) -> Any:
    """The named tuple that an operation with several outputs returns."""
    found = _result_types.get(opdef.name)
    if found is None:
        found = _result_types[opdef.name] = namedtuple(opdef.name, [a.name for a in opdef.outputs])
    return found


def _graph_of(inputs: tuple[Any, ...], opdef: OpDef, name: str | None) -> Graph:
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
                    "graph as the other inputs"
                )
        elif isinstance(value, list | tuple):
            for item in value:
                if type(item) is Tensor:
                    found = item.op.graph
                    if graph is None:
                        graph = found
                    elif found is not graph:
                        raise ValueError(
                            f"{opdef.name} '{name or opdef.name}': tensor '{item.name}' must be from the "
                            "same graph as the other inputs"
                        )
    return defaults.get_default_graph() if graph is None else graph


def _create(
    graph: Graph, opdef: OpDef, inputs: tuple[Any, ...], name: str | None, attrs: dict[str, Any]
) -> Operation:
    if name is None:
        full_name = graph.unique_name(opdef.name)
    elif name[-1:] == "/":
        full_name = name[:-1]
        if full_name in graph._by_name or full_name not in graph._names:
            full_name = _unique_at_root(graph, full_name)
    else:
        if not isinstance(name, str):
            raise TypeError(f"{opdef.name}: a name is a string. Received: {name!r}")
        graph.check_name(name)
        full_name = graph.unique_name(name)

    final: dict[str, Any] = {}
    tensors: list[Tensor] = []
    grouped: list[Any] = []
    for arg, value in zip(opdef.inputs, inputs):
        if arg.is_list:
            got = _list_input(graph, opdef, arg, value, full_name, final, attrs)
            tensors.extend(got)
            grouped.append(got)
            continue
        if type(value) is not Tensor or (arg.is_ref and not is_ref(value.dtype)):
            value = _convert(graph, opdef, arg, value, full_name, final, attrs)
        dtype = value.dtype
        base = dtype.base_dtype if dtype.is_ref_dtype else dtype
        if arg.type_attr is not None:
            known = final.get(arg.type_attr)
            if known is None:
                _bind_type(opdef, arg, base, final, full_name)
            elif known is not base:
                raise TypeError(_type_clash(opdef, arg, base, known, full_name, inputs))
        elif base is not arg.dtype:
            raise TypeError(
                f"{opdef.name} '{full_name}': input '{arg.name}' must be {arg.dtype.name}. "  # type: ignore
                f"Received: {value.name} of dtype {base.name}"
            )
        tensors.append(value)
        grouped.append(value)
    body = graph.body
    if body is not None:
        tensors, grouped = _enter_body(body, opdef, tensors, grouped, full_name)
    else:
        for tensor in tensors:
            if tensor.op.body is not None:
                raise ValueError(f"{opdef.name} '{full_name}': " + escaped(tensor))
    _bind_attrs(opdef, attrs, final, full_name)

    op = Operation()
    op.graph = graph
    op.opdef = opdef
    op.name = full_name
    op.id = len(graph.ops)
    op.attrs = final
    op.body = body
    op.device = ""
    op.frames = location.capture()
    flat = op.inputs = tuple(tensors)
    op.control_inputs = graph.control_inputs_for(flat) if graph.control else []
    op.outputs = _outputs(op, opdef, final)
    infer_shapes(op, grouped)
    for tensor in flat:
        if tensor._consumers is None:
            tensor._consumers = [op]
        else:
            tensor._consumers.append(op)
    if (
        opdef.reference_positions
        or graph.attr_scope
        or graph.gradient_overrides
        or graph.colocation
        or graph.devices
    ):
        _apply_scopes(graph, op, [grouped[i].op for i in opdef.reference_positions])
    graph.append(op)
    return op


def _unique_at_root(graph: Graph, name: str) -> str:
    old, graph.scope = graph.scope, ""
    try:
        found = graph.unique_name(name)
        while found in graph._by_name:
            found = graph.unique_name(name)
        return found
    finally:
        graph.scope = old


def _bind_type(opdef: OpDef, arg: Arg, base: dtypes.DType, final: dict[str, Any], full_name: str) -> None:
    allowed = opdef.attrs[arg.type_attr].allowed  # type: ignore[index]
    if allowed is not None and base not in allowed:
        shown = ", ".join(sorted(d.name for d in allowed))
        raise TypeError(
            f"{opdef.name} '{full_name}': input '{arg.name}' must be one of {shown}. Received: {base.name}"
        )
    final[arg.type_attr] = base  # type: ignore[index]


def _type_clash(opdef, arg, base, known, full_name, inputs) -> str:
    first = next((a.name for a in opdef.inputs if a.type_attr == arg.type_attr), None)
    return (
        f"{opdef.name} '{full_name}': input '{arg.name}' has dtype {base.name}, which does not match dtype "
        f"{known.name} of argument '{first}'"
    )


def _convert(graph, opdef, arg, value, full_name, final, attrs) -> Tensor:
    """Makes a tensor of an input that is not one, named after the argument, under the operation's own
    scope.
    """
    from millrace.graph import convert

    dtype, preferred = arg.dtype, None
    if arg.type_attr is not None:
        dtype = final.get(arg.type_attr)
        if dtype is None and arg.type_attr in attrs:
            dtype = dtypes.as_dtype(attrs[arg.type_attr]).base_dtype
        if dtype is None:
            default = opdef.attrs[arg.type_attr].default
            preferred = None if default is MISSING else default
    old, graph.scope = graph.scope, full_name
    try:
        with graph.as_default():
            tensor = convert.to_tensor(value, dtype, arg.name, preferred, arg.is_ref)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{opdef.name} '{full_name}': input '{arg.name}': {error}") from error
    finally:
        graph.scope = old
    if tensor.op.graph is not graph:
        raise ValueError(
            f"{opdef.name} '{full_name}': tensor '{tensor.name}' must be from the same graph as the others"
        )
    if arg.is_ref and not is_ref(tensor.dtype):
        raise TypeError(
            f"{opdef.name} '{full_name}': input '{arg.name}' must be a mutable tensor, a variable's "
            f"reference. Received: {tensor!r}"
        )
    return tensor


def _list_input(graph, opdef, arg, value, full_name, final, attrs) -> tuple[Tensor, ...]:
    if isinstance(value, Tensor) or not isinstance(value, list | tuple):
        try:
            value = list(value)
        except TypeError:
            raise TypeError(
                f"{opdef.name} '{full_name}': input '{arg.name}' must be a list of tensors. Received: "
                f"{value!r}"
            ) from None
    if arg.types_attr is not None:
        given = attrs.get(arg.types_attr)
        if given is not None and len(given) != len(value):
            raise ValueError(
                f"{opdef.name} '{full_name}': input '{arg.name}' must have {len(given)} tensors, as "
                f"attribute '{arg.types_attr}' says. Received: {len(value)}"
            )
        hints = [dtypes.as_dtype(d).base_dtype for d in given] if given is not None else [None] * len(value)
        got = _convert_list(graph, opdef, arg, value, full_name, hints)
        found = tuple(t.dtype.base_dtype for t in got)
        for hint, dtype in zip(hints, found, strict=True):
            if hint is not None and hint is not dtype:
                raise TypeError(
                    f"{opdef.name} '{full_name}': input '{arg.name}' must have dtypes "
                    f"{[h.name for h in hints]}. Received: {[d.name for d in found]}"  # pyright: ignore[reportOptionalMemberAccess]
                )
        kind = opdef.attrs[arg.types_attr]
        final[arg.types_attr] = kind.canonical(found, opdef.name, arg.types_attr)
        return got
    hint = arg.dtype or final.get(arg.type_attr)
    if hint is None and arg.type_attr in attrs:
        hint = dtypes.as_dtype(attrs[arg.type_attr]).base_dtype
    if hint is None:
        hint = next((v.dtype.base_dtype for v in value if isinstance(v, Tensor)), None)
        if hint is None:
            hint = next(
                (v.dtype.base_dtype for v in value if isinstance(getattr(v, "dtype", None), dtypes.DType)),
                None,
            )
    got = _convert_list(graph, opdef, arg, value, full_name, [hint] * len(value))
    if arg.type_attr is not None and not got and hint is not None:
        final[arg.type_attr] = hint
    for tensor in got:
        base = tensor.dtype.base_dtype
        if arg.type_attr is None:
            if base is not arg.dtype:
                raise TypeError(
                    f"{opdef.name} '{full_name}': tensors in list '{arg.name}' must be {arg.dtype.name}. "
                    f"Received: {tensor.name} of dtype {base.name}"
                )
        elif final.get(arg.type_attr) is None:
            _bind_type(opdef, arg, base, final, full_name)
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
    return got


def _convert_list(graph, opdef, arg, values, full_name, hints) -> tuple[Tensor, ...]:
    if all(type(v) is Tensor for v in values) and not arg.is_ref:
        return tuple(values)
    from millrace.graph import convert

    old, graph.scope = graph.scope, full_name
    try:
        with graph.as_default():
            return tuple(
                convert.to_tensor(v, hint, f"{arg.name}_{i}", None, arg.is_ref)
                for i, (v, hint) in enumerate(zip(values, hints, strict=True))
            )
    except (TypeError, ValueError) as error:
        raise type(error)(f"{opdef.name} '{full_name}': input '{arg.name}': {error}") from error
    finally:
        graph.scope = old


def _enter_body(body: Body, opdef: OpDef, tensors, grouped, full_name):
    """Replaces tensors from outside by what stands for them inside `body`."""
    inside = {}
    for tensor in tensors:
        if tensor.op.body is not body and tensor not in inside:
            graph = body.graph
            old, graph.scope = graph.scope, full_name
            try:
                inside[tensor] = body.capture(tensor)
            finally:
                graph.scope = old
    if not inside:
        return tensors, grouped
    swap = lambda t: inside.get(t, t)  # noqa: E731
    return [swap(t) for t in tensors], [
        tuple(map(swap, g)) if isinstance(g, tuple) else swap(g) for g in grouped
    ]


def _bind_attrs(opdef: OpDef, attrs: dict[str, Any], final: dict[str, Any], full_name: str) -> None:
    if not attrs:
        for name, default in opdef.defaults.items():
            if default is MISSING:
                raise TypeError(
                    f"{opdef.name} '{full_name}': attribute '{name}' is missing and has no default"
                )
            final[name] = default
    else:
        left = len(attrs)
        for name, kind in opdef.value_attrs:
            value = attrs.get(name, MISSING)
            if value is MISSING:
                value = opdef.defaults[name]
                if value is MISSING:
                    raise TypeError(
                        f"{opdef.name} '{full_name}': attribute '{name}' is missing and has no default"
                    )
            else:
                left -= 1
                if type(value) is not kind.canonical_type and not (value is None and kind.default is None):
                    value = kind.canonical(value, f"{opdef.name} '{full_name}'", name)
            final[name] = value
        if left:
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


def _bind_inferred(opdef, attrs, final, full_name) -> None:
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
        else:
            for _ in range(final[arg.number_attr]):
                found.append(Tensor(op, len(found), dtype))
    return found


def infer_shapes(op: Operation, grouped: list[Any]) -> None:
    """Runs the shape rule of a new operation and puts the dims on its outputs.

    Raises:
      ValueError: the rule found that the inputs do not fit together.
    """
    opdef = op.opdef
    attrs = op.attrs
    args = [tuple([t.dims for t in g]) if type(g) is tuple else g.dims for g in grouped]
    for i in opdef.static_positions:
        g = grouped[i]
        args[i] = tuple([Known(t.dims, None, t) for t in g]) if type(g) is tuple else Known(g.dims, None, g)
    for i in opdef.handle_positions:
        args[i] = _variable_dims(grouped[i])
    try:
        if opdef.shape_attrs:
            dims = opdef.shape(*args, **{a: attrs[a] for a in opdef.shape_attrs})
        else:
            dims = opdef.shape(*args)
    except ValueError as error:
        shown = ", ".join(f"{t.name} {t.shape}" for t in op.inputs)
        raise ValueError(f"{opdef.name} '{op.name}': {error} (inputs: {shown})") from None
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


def _variable_dims(handle: Tensor) -> Any:
    """The dims of the variable behind a resource handle, as far as the graph tells: what a reference has
    itself.
    """
    while True:
        op = handle.op
        if op.opdef.name == "VarHandleOp":
            return op.attrs["shape"]
        outer = op.inputs[0] if op.opdef.name == "Identity" else op.body.outer(handle) if op.body else None
        if outer is None:
            return None
        handle = outer


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
        if "_class" in attrs:
            groups.update(g if isinstance(g, bytes) else g.encode() for g in attrs["_class"])
        attrs["_class"] = tuple(sorted(g.decode() for g in groups))
        op.device = beside[-1].device or op.device


# Importing the operators gives tensors theirs; here, because there are no tensors before something is
# applied.
from millrace.graph import operators as _operators  # noqa: E402, F401
