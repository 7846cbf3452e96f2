"""References: which variable a tensor names, and the name of the cell that keeps a variable's value."""

from __future__ import annotations

from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

VARIABLE_TYPES = frozenset(("VariableV2", "Variable", "VarHandleOp", "TemporaryVariable"))


def cell_key(op: Operation) -> str:
    """The name under which a variable or stateful operation keeps its value in a session."""
    shared = op.attrs.get("shared_name") or op.name
    container = op.attrs.get("container")
    return f"{container}/{shared}" if container else shared


def variable_of(tensor: Tensor, known: dict[Tensor, Operation | None] | None = None) -> Operation | None:
    """The variable that a reference names, through the writes that pass it on; None for other handles.

    Args:
      tensor: a reference.
      known: what earlier calls have found; added to.
    """
    path: list[Tensor] = []
    found: Operation | None = None
    current: Tensor | None = tensor
    while current is not None:
        if known is not None and current in known:
            found = known[current]
            break
        path.append(current)
        if current.op.type in VARIABLE_TYPES:
            found = current.op
            break
        current = passed_on(current)
    if known is not None:
        known.update((t, found) for t in path)
    return found


def passed_on(tensor: Tensor) -> Tensor | None:
    """The reference that an operation hands on as `tensor`."""
    op, index = tensor.op, tensor.value_index
    opdef = op.opdef
    if op.type == "BodyArg":
        return (op.graph if op.body is None else op.body).outer_of(tensor)
    if not op.inputs:
        return None
    if opdef.writes and opdef.outputs[index].is_ref:
        return op.inputs[0]  # where what is passed on always stands
    if op.type in ("Identity", "Enter", "RefEnter", "Switch", "RefSwitch", "IdentityN"):
        return op.inputs[index if op.type == "IdentityN" else 0]
    return None


def is_variable_read(op: Operation) -> bool:
    """True for the operations that do nothing but read a variable."""
    return op.type == "ReadVariableOp" or (op.type == "Identity" and op.inputs[0].dtype.is_ref_dtype)
