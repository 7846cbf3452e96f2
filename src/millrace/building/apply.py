"""`apply`: checks, converts and infers, then appends one operation. The second stop of the road."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any

from millrace.building import convert
from millrace.building.create import append, bind_list, bind_type, graph_of, name_for, whole
from millrace.core import dtypes
from millrace.core.kinds import LISTS
from millrace.graph import defaults
from millrace.graph.attrs import MISSING
from millrace.graph.graph import Graph
from millrace.graph.opdef import Arg, OpDef
from millrace.graph.operation import Operation, is_ref
from millrace.graph.tensor import Tensor

_TUPLE: type = tuple
_named: Callable[..., Any] = namedtuple  # its fields are known when an operation type is
_result_types: dict[str, Callable[..., Any]] = {}


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
    current = defaults.graph_stack.items
    if current and current[-1].is_function:
        inputs = current[-1].entered(inputs)
    graph = graph_of(inputs, opdef, name)
    if graph.finalized:
        graph.check_open()
    if graph.adding == get_ident():  # inside of a call that undoes everything
        op = _create(graph, opdef, inputs, name, attrs)
    else:
        op = whole(graph, _create, opdef, inputs, name, attrs)
    outputs = op.outputs
    if opdef.single_output:
        return outputs[0]
    if not opdef.outputs:
        return op
    if len(opdef.outputs) == 1:
        return list(outputs)
    return result_type(opdef)(*(list(r) if type(r) is _TUPLE else r for r in op.results()))


def result_type(opdef: OpDef) -> Callable[..., Any]:
    """The named tuple that an operation with several outputs returns."""
    found = _result_types.get(opdef.name)
    if found is None:
        found = _result_types[opdef.name] = _named(opdef.name, [arg.name for arg in opdef.outputs])
    return found


def _create(
    graph: Graph, opdef: OpDef, inputs: tuple[Any, ...], name: str | None, attrs: dict[str, Any]
) -> Operation:
    full_name = graph.unique_name(opdef.name) if name is None else name_for(graph, opdef, name)
    dtypes_given = tuple([v.dtype.as_datatype_enum for v in inputs if type(v) is Tensor])
    bound = opdef.bound.get(dtypes_given)  # holds whole signatures only
    if bound is not None:
        return append(graph, opdef, full_name, inputs, inputs, bound.copy(), attrs)
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
                bind_type(opdef, arg, base, final, full_name)
            elif known is not base:
                raise TypeError(_type_clash(opdef, arg, base, known, full_name))
        elif base is not arg.dtype:
            raise TypeError(
                f"{opdef.name} '{full_name}': input '{arg.name}' must be {arg.dtype.name}. "  # type: ignore
                f"Received: {value.name} of dtype {base.name}"
            )
        tensors.append(value)
        grouped.append(value)
    if opdef.simple and len(dtypes_given) == len(inputs):
        opdef.bound[dtypes_given] = final.copy()
    return append(graph, opdef, full_name, tensors, grouped, final, attrs)


def _type_clash(opdef: OpDef, arg: Arg, base: dtypes.DType, known: dtypes.DType, full_name: str) -> str:
    first = next((a.name for a in opdef.inputs if a.type_attr == arg.type_attr), None)
    return (
        f"{opdef.name} '{full_name}': input '{arg.name}' has dtype {base.name}, which does not match dtype "
        f"{known.name} of argument '{first}'{_remedy(base, known)}"
    )


def _remedy(found: dtypes.DType, wanted: dtypes.DType) -> str:
    numbers = all(d.is_floating or d.is_integer or d.is_complex or d.is_bool for d in (found, wanted))
    return f"; tf.cast(x, tf.{wanted.name}) converts it" if numbers else ""


def _convert(
    graph: Graph,
    opdef: OpDef,
    arg: Arg,
    value: Any,
    full_name: str,
    final: dict[str, Any],
    attrs: dict[str, Any],
) -> Tensor:
    """Makes a tensor of an input that is not one, named after the argument, under the operation's own
    scope.
    """
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
            tensor = convert.to_tensor(value, _hint_for(value, dtype), arg.name, preferred, arg.is_ref)
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


def _list_input(
    graph: Graph,
    opdef: OpDef,
    arg: Arg,
    value: Any,
    full_name: str,
    final: dict[str, Any],
    attrs: dict[str, Any],
) -> tuple[Tensor, ...]:
    if isinstance(value, Tensor) or not isinstance(value, LISTS):
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
    hint = arg.dtype
    if arg.type_attr is not None:
        hint = final.get(arg.type_attr)
        if hint is None and arg.type_attr in attrs:
            hint = dtypes.as_dtype(attrs[arg.type_attr]).base_dtype
    if hint is None:
        given = [v.dtype for v in value if isinstance(v, Tensor)]
        typed = given or [d for v in value if isinstance(d := getattr(v, "dtype", None), dtypes.DType)]
        hint = typed[0].base_dtype if typed else None
    got = _convert_list(graph, opdef, arg, value, full_name, [hint] * len(value))
    if arg.type_attr is not None and not got and hint is not None:
        final[arg.type_attr] = hint
    bind_list(opdef, arg, got, final, full_name)
    return got


def _hint_for(value: Any, hint: Any) -> Any:
    """The dtype to convert to; None for variables and the like: what does not fit is told as of a tensor."""
    return None if isinstance(getattr(value, "dtype", None), dtypes.DType) else hint


def _convert_list(
    graph: Graph, opdef: OpDef, arg: Arg, values: Sequence[Any], full_name: str, hints: Sequence[Any]
) -> tuple[Tensor, ...]:
    if all(type(v) is Tensor for v in values) and not arg.is_ref:
        return tuple(values)
    old, graph.scope = graph.scope, full_name
    try:
        with graph.as_default():
            return tuple(
                convert.to_tensor(v, _hint_for(v, hint), f"{arg.name}_{i}", None, arg.is_ref)
                for i, (v, hint) in enumerate(zip(values, hints, strict=True))
            )
    except (TypeError, ValueError) as error:
        raise type(error)(f"{opdef.name} '{full_name}': input '{arg.name}': {error}") from error
    finally:
        graph.scope = old
