"""How tensors are called inside of functions."""

from __future__ import annotations

from typing import Any

from millrace.graph.opdef import OpDef
from millrace.graph.tensor import Tensor


def spell(tensor: Tensor) -> str:
    """A tensor as an input inside a FunctionDef: `node:argument:index`."""
    op, k = tensor.op, tensor.value_index
    for arg, part in zip(op.opdef.outputs, op.results(), strict=True):
        size = len(part) if isinstance(part, tuple) else 1
        if k < size:
            return f"{op.name}:{arg.name}:{k}"
        k -= size
    raise IndexError(f"'{op.name}' has no output {tensor.value_index}")


def flat_index(opdef: OpDef, attrs: dict[str, Any], argument: str, index: int) -> int:
    """The number of output `argument:index` among all outputs of an operation.

    Raises:
      ValueError: there is no such output.
    """
    position = 0
    for arg in opdef.outputs:
        if arg.name == argument:
            return position + index
        if arg.number_attr is not None:
            position += int(attrs[arg.number_attr])
        else:
            position += len(attrs[arg.types_attr]) if arg.types_attr is not None else 1
    raise ValueError(f"{opdef.name} has no output argument {argument!r}")
