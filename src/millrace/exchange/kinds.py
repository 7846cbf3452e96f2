"""What stacks, flows and the operations on them are called in TensorFlow: for writing bodies.

A tensor of dtype variant is one of three things here: the flow of a tensor array (in TensorFlow a float32
that only puts operations in order), a stack of a loop (there a list of tensors), or a variant there too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from millrace.core import dtypes, shapes
from millrace.exchange.attr_protos import attr_to_proto
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.exchange.writing import Context, Writer

_FLOWS = frozenset(
    (
        *("TensorArrayV3", "TensorArrayWriteV3", "TensorArrayScatterV3", "TensorArraySplitV3"),
        *("TensorArrayOneHot", "TensorArrayAccumulate", "TensorArrayRows", "TensorArrayParts"),
    )
)


def _source(tensor: Tensor) -> Tensor | None:
    """The tensor whose kind `tensor` has; None where it is of its own operation's kind."""
    op, k = tensor.op, tensor.value_index
    if op.type == "BodyArg" and op.body is not None:
        outer = op.body.outer_of(tensor)
        if outer is not None:
            return outer
        owner = op.body.owners[0]
        k = op.body.inputs.index(tensor)
        if k < owner.attrs["carried"]:
            return owner.inputs[k]
        return element_of(owner.inputs[k])
    if op.type == "If":
        results = op.attrs["then_branch"].outputs[k], op.attrs["else_branch"].outputs[k]
        return results[results[0].op.type == "Nothing"]
    if op.type == "While":
        return op.inputs[k] if k < op.attrs["carried"] else None
    if op.opdef.name in _FLOWS or not op.inputs:
        return None
    return op.inputs[0]


def is_flow(tensor: Tensor) -> bool:
    """True for the flow of a tensor array, or of the gradients of one."""
    found: Tensor | None = tensor
    while found is not None and found.dtype is dtypes.variant:
        if found.op.type in _FLOWS:
            return True
        found = _source(found)
    return False


def element_of(stack: Tensor) -> Tensor:
    """The tensor of a loop's body whose values a stack holds."""
    found: Tensor | None = stack
    while found is not None:
        op = found.op
        if op.type == "While" and found.value_index >= op.attrs["carried"]:
            return op.attrs["body"].outputs[found.value_index]
        found = _source(found)
    raise ValueError(f"'{stack.name}' (created at {stack.op.user_location}) is not the stack of a loop")


def dtype_of(tensor: Tensor) -> dtypes.DType:
    """The dtype that a tensor has in TensorFlow."""
    dtype = tensor.dtype.base_dtype
    return dtypes.float32 if dtype is dtypes.variant and is_flow(tensor) else dtype


def shape_of(tensor: Tensor) -> shapes.TensorShape:
    """The static shape that a tensor has in TensorFlow, where the flow of a tensor array is a scalar."""
    is_scalar = tensor.dtype is dtypes.variant and is_flow(tensor)
    return shapes.TensorShape([]) if is_scalar else tensor.get_shape()


def plain_types(node: Any, op: Operation) -> None:
    """Gives a node the dtypes that its inputs have in TensorFlow."""
    if not any(t.dtype is dtypes.variant for t in op.inputs):
        return
    for arg, part in zip(op.opdef.inputs, op.args(), strict=True):
        parts = part if isinstance(part, tuple) else (part,)
        if arg.types_attr is not None:
            node.attr[arg.types_attr].CopyFrom(attr_to_proto([dtype_of(t) for t in parts]))
        elif arg.type_attr is not None and parts:
            node.attr[arg.type_attr].CopyFrom(attr_to_proto(dtype_of(parts[0])))


# --- lists of tensors ---------------------------------------------------------------------------------------


def _any_shape(writer: Writer, name: str, context: Context | None) -> str:
    return writer.constant(np.int32(-1), f"{name}/element_shape", context)


def new_list(
    writer: Writer, op: Operation, k: int, length: str, name: str, context: Context | None, waits: list[str]
) -> str:
    """The list that a loop's stack `k` starts as: empty, or, in a loop over stacks, of their length."""
    shape = _any_shape(writer, name, context)
    dtype = writer.dtype_of(op.attrs["body"].outputs[k])
    if length:
        return writer.node(
            "TensorListReserve",
            [shape, length, *waits],
            name,
            context,
            element_dtype=dtype,
            shape_type=dtypes.int32,
        )
    most = writer.constant(np.int32(-1), f"{name}/most", context)
    return writer.node(
        "EmptyTensorList", [shape, most, *waits], name, context, element_dtype=dtype, shape_type=dtypes.int32
    )


def put(
    writer: Writer, stack: str, index: str, value: str, dtype: dtypes.DType, name: str, context: Context
) -> str:
    """The list with one more element, or with another at `index`."""
    if index:
        return writer.node("TensorListSetItem", [stack, index, value], name, context, element_dtype=dtype)
    return writer.node("TensorListPushBack", [stack, value], name, context, element_dtype=dtype)


def element(writer: Writer, stack: str, index: str, dtype: dtypes.DType, name: str, context: Context) -> str:
    """The element of a list at `index`."""
    shape = _any_shape(writer, name, context)
    return writer.node(
        "TensorListGetItem", [stack, index, shape], name, context, exact=True, element_dtype=dtype
    )


def nothing(writer: Writer, like: Tensor, name: str, context: Context) -> str:
    """Some value of the dtype of `like`, which nobody will ask for."""
    dtype = dtype_of(like)
    if dtype is dtypes.variant:
        shape, most = (
            _any_shape(writer, name, context),
            writer.constant(np.int32(-1), f"{name}/most", context),
        )
        return writer.node(
            "EmptyTensorList",
            [shape, most],
            name,
            context,
            element_dtype=dtypes.float32,
            shape_type=dtypes.int32,
        )
    if dtype is dtypes.resource:  # a tensor array's: nothing else that a branch makes has a handle
        size = writer.constant(np.int32(0), f"{name}/size", context)
        return writer.node("TensorArrayV3", [size], name, context, dtype=dtypes.float32)
    value = np.asarray(b"", object) if dtype is dtypes.string else np.zeros((), dtype.np_dtype)
    return writer.constant(value, name, context)


# --- operations that TensorFlow has by another name ---------------------------------------------------------

Special = Callable[["Writer", Operation, list[str], list[str], "Context | None"], None]


def _tick(
    writer: Writer, op: Operation, inputs: list[str], waits: list[str], context: Context | None
) -> None:
    node = writer.constant(np.int32(0), f"{op.name}/value", context, waits)
    writer.node("Identity", [node], op.name, context, exact=True, T=dtypes.int32)


def _nothing_left(writer: Writer, op: Operation, inputs: list[str], waits: Any, context: Any) -> None:
    """`Nothing` is written where a branch returns it."""


def _sum(writer: Writer, op: Operation, inputs: list[str], waits: list[str], context: Context | None) -> None:
    writer.node(
        "AddN", [*inputs, *waits], op.name, context, exact=True, T=dtype_of(op.inputs[0]), N=len(inputs)
    )


def _zeros(
    writer: Writer, op: Operation, inputs: list[str], waits: list[str], context: Context | None
) -> None:
    writer.node("ZerosLike", [*inputs, *waits], op.name, context, exact=True, T=dtype_of(op.inputs[0]))


def _element_shape(writer: Writer, dims: Any, name: str, context: Context | None) -> str:
    shape = -1 if dims is None else [-1 if d is None else d for d in dims]
    return writer.constant(np.asarray(shape, np.int32), f"{name}/element_shape", context)


def _concat(
    writer: Writer, op: Operation, inputs: list[str], waits: list[str], context: Context | None
) -> None:
    shape = _element_shape(writer, op.attrs["element_shape"], op.name, context)
    dims = writer.constant(np.zeros(0, np.int64), f"{op.name}/leading_dims", context)
    writer.node(
        "TensorListConcatV2",
        [inputs[0], shape, dims, *waits],
        op.name,
        context,
        exact=True,
        element_dtype=op.attrs["dtype"],
        shape_type=dtypes.int32,
    )


def _split(
    writer: Writer, op: Operation, inputs: list[str], waits: list[str], context: Context | None
) -> None:
    dtype = op.inputs[1].dtype.base_dtype
    value_dims = op.inputs[1].dims
    dims = None if value_dims is None else (None, *value_dims[1:])
    shape = _element_shape(writer, dims, op.name, context)
    leading = writer.constant(np.zeros(0, np.int64), f"{op.name}/leading_dims", context)
    lengths = writer.node(
        "TensorListConcatV2",
        [inputs[0], shape, leading],
        f"{op.name}/lengths",
        context,
        element_dtype=dtype,
        shape_type=dtypes.int32,
    )
    writer.node(
        "TensorListSplit",
        [inputs[1], shape, lengths + ":1", *waits],
        op.name,
        context,
        exact=True,
        element_dtype=dtype,
        shape_type=dtypes.int32,
    )


def _gradient_source(name: str) -> str:
    """The scope of the gradients that an operation belongs to: each has arrays of its own."""
    parts = name.split("/")
    last = max((i for i, part in enumerate(parts) if part.startswith("gradients")), default=None)
    return "gradients" if last is None else "/".join(parts[: last + 1])


def _of_gradients(kind: str, takes: str, order: tuple[int, ...], flow: int | None) -> Special:
    """An operation on an array of gradients: `kind` on the array that TensorArrayGradV3 gives.

    Args:
      kind: the operation in TensorFlow.
      takes: the attribute that says the dtype of the elements.
      order: which inputs come between the handle and the flow.
      flow: the number of the input that is the flow, where there is one.
    """

    def write(
        writer: Writer, op: Operation, inputs: list[str], waits: list[str], context: Context | None
    ) -> None:
        name = op.name
        after = sorted({*("^" + i.partition(":")[0] for i in inputs[1:]), *waits})
        before = (
            writer.constant(np.float32(0), f"{name}/flow", context, after) if flow is None else inputs[flow]
        )
        array = writer.node(
            "TensorArrayGradV3", [inputs[0], before], f"{name}/Grad", context, source=_gradient_source(name)
        )
        attrs: dict[str, Any] = {takes: op.attrs["T"]}
        writer.node(
            kind,
            [array, *(inputs[i] for i in order), array + ":1", *waits],
            name,
            context,
            exact=True,
            **attrs,
        )
        key = {"TensorArrayGatherV3": "element_shape", "TensorArrayConcatV3": "element_shape_except0"}.get(
            kind
        )
        if key is not None:
            writer.nodes[-1].attr[key].shape.unknown_rank = True

    return write


SPECIAL: dict[str, Special] = {
    "Tick": _tick,
    "Nothing": _nothing_left,
    "VariantSum": _sum,
    "VariantZeros": _zeros,
    "StackConcat": _concat,
    "StackSplit": _split,
    "TensorArrayOneHot": _of_gradients("TensorArrayWriteV3", "T", (1, 2), None),
    "TensorArrayAccumulate": _of_gradients("TensorArrayWriteV3", "T", (1, 2), 3),
    "TensorArrayRows": _of_gradients("TensorArrayScatterV3", "T", (1, 2), None),
    "TensorArrayParts": _of_gradients("TensorArraySplitV3", "T", (1, 2), None),
    "TensorArrayReadOrZero": _of_gradients("TensorArrayReadV3", "dtype", (1,), 3),
    "TensorArrayGatherOrZero": _of_gradients("TensorArrayGatherV3", "dtype", (1,), 3),
    "TensorArrayConcatOrZero": _of_gradients("TensorArrayConcatV3", "dtype", (), 3),
}

OF_GRADIENTS = frozenset(kind for kind in SPECIAL if kind.startswith(("TensorArray", "Variant")))
"""Operations on arrays of gradients, and on gradients of stacks."""
