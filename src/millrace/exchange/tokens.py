"""The operation types of old control flow, and TensorFlow's tensor arrays among them.

Here a tensor array is a value that flows (`ops/state/tensor_array.py`). In a graph with Switch and Merge it
is what it is in TensorFlow: a resource, whose users a scalar called the flow puts in order. Both go by the
same names; the importer takes the types below where a GraphDef holds old control flow.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from millrace.core import dtypes, shapes
from millrace.graph.opdef import NOT_DIFFERENTIABLE, Arg, OpDef, lookup
from millrace.graph.operation import Operation

REFERENCES = "Ref"  # RefSwitch is a Switch of a variable's reference, and so on
FLOW = frozenset(("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond", "ControlTrigger"))
STACKS = frozenset(("StackV2", "StackPushV2", "StackPopV2", "StackCloseV2"))
ARRAYS = frozenset(f"TensorArray{verb}V3" for verb in ("", "Write", "Read", "Gather", "Scatter", "Concat",
                                                       "Split", "Size", "Close", "Grad"))  # fmt: skip


def plain(op_type: str) -> str:
    """The type, the same for references and values."""
    short = op_type.removeprefix(REFERENCES)
    return short if short in FLOW else op_type


def is_flow(op_type: str) -> bool:
    """True for the types that only a graph with old control flow has."""
    return plain(op_type) in FLOW or op_type in STACKS or op_type == "TensorArrayGradV3"


def has_plain_flows(nodes: Collection[Any]) -> bool:
    """True where a constant stands for the flow of a tensor array, as in graphs of early releases."""
    arrays = [node for node in nodes if node.op in ARRAYS]
    if not arrays:
        return False
    constants = {node.name for node in nodes if node.op == "Const"}
    flows = (
        [i for i in node.input if not i.startswith("^")] for node in arrays if node.op != "TensorArrayV3"
    )
    return any(inputs and inputs[-1].partition(":")[0] in constants for inputs in flows)


def needs_tokens(op: Operation) -> bool:
    """True for an operation that only tokens along the edges can run."""
    opdef = op.opdef
    return opdef.kernel is None and (is_flow(opdef.name) or opdef.name in ARRAYS)


def _elements(handle: Any) -> shapes.Dims:
    """The shape of the elements of the array behind a handle, where it was made for elements of one shape."""
    tensor = handle.tensor
    while tensor is not None and tensor.op.inputs:
        op = tensor.op
        if op.type == "TensorArrayV3":
            return op.attrs["element_shape"] if op.attrs["identical_element_shapes"] else None
        if op.type != "TensorArrayGradV3" and op.type != "Identity" and plain(op.type) not in FLOW:
            return None
        tensor = op.inputs[0]
    return None


def _gathered(handle: Any, indices: Any, flow_in: Any) -> Any:
    element = _elements(handle)
    return None if element is None else (indices[0] if indices else None, *element)


_SHAPES: dict[str, Callable[..., Any]] = {
    "TensorArrayV3": lambda size: [(2,), ()],
    "TensorArrayWriteV3": lambda handle, index, value, flow_in: (),
    "TensorArrayReadV3": lambda handle, index, flow_in: _elements(handle),
    "TensorArrayGatherV3": _gathered,
    "TensorArrayScatterV3": lambda handle, indices, value, flow_in: (),
    "TensorArrayConcatV3": lambda handle, flow_in: [None, (None,)],
    "TensorArraySplitV3": lambda handle, value, lengths, flow_in: (),
    "TensorArraySizeV3": lambda handle, flow_in: (),
    "TensorArrayCloseV3": lambda handle: [],
}


@functools.cache
def array_types() -> Mapping[str, OpDef]:
    """The types of tensor arrays as resources, by name."""
    return {name: _as_resource(lookup(name), rule) for name, rule in _SHAPES.items()}


def _as_resource(opdef: OpDef, rule: Callable[..., Any]) -> OpDef:
    def token(arg: Arg) -> Arg:
        return replace(arg, dtype=dtypes.float32) if arg.dtype is dtypes.variant else arg

    return replace(
        opdef,
        inputs=tuple(map(token, opdef.inputs)),
        outputs=tuple(map(token, opdef.outputs)),
        shape=rule,
        kernel=None,
        grad=NOT_DIFFERENTIABLE,
        static=frozenset(("handle",)) if opdef.inputs[0].name == "handle" else frozenset(),
        alias=False,
    )
