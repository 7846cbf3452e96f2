"""Operation types that are known by their signature alone.

TensorFlow has types for accelerators, for services and for single projects. A graph that holds some of them
is read all the same, keeps them when it is written, and runs where it does not need them; what needs one
fails when it runs, as TensorFlow does on a machine without a kernel for it. `signatures.tsv` lists them;
`tools/record_signatures.py` made it.
"""

from __future__ import annotations

import functools
import json
import pathlib
from typing import Any

from millrace.core import dtypes, errors
from millrace.graph.attrs import MISSING, Attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, lookup, undeclared
from millrace.graph.operation import Operation

ROOM = "signatures.tsv"  # where these types come from, as others come from a room


@functools.cache
def _lines() -> dict[str, str]:
    text = pathlib.Path(__file__).with_name(ROOM).read_text(encoding="utf-8")
    return {line.partition("(")[0]: line for line in text.splitlines()}


def _attr(kind: str, default: Any = MISSING) -> Attr:
    if default is not MISSING and kind.endswith("type"):
        default = dtypes.as_dtype(default)
    elif default is not MISSING and kind == "list(type)":
        default = tuple(map(dtypes.as_dtype, default))
    elif isinstance(default, list):
        default = tuple(default)
    return Attr(kind, default)


def _count(opdef: OpDef, attrs: dict[str, Any]) -> int:
    """How many outputs an operation has."""
    count = 0
    for arg in opdef.outputs:
        many = attrs.get(arg.number_attr or arg.types_attr or "")
        count += 1 if not arg.is_list else len(many) if isinstance(many, tuple) else int(many or 0)
    return count


@functools.cache
def _known(name: str) -> OpDef:
    signature, _, listed = _lines()[name].partition("\t")
    attrs = {key: _attr(*value) for key, value in json.loads(listed).items() if "func" not in value[0]}

    def shape(*inputs, **attrs):
        return None if made.single_output else [None] * _count(made, attrs)

    def kernel(xp, *inputs, op):
        raise _without_kernel(op)

    made = undeclared(
        signature,
        attrs,
        shape=shape,
        kernel=kernel,
        grad=NOT_DIFFERENTIABLE,
        effect=True,
        host=True,
        room=ROOM,
    )
    return made


def _without_kernel(op: Operation) -> errors.InvalidArgumentError:
    rule = f"No OpKernel was registered to support Op '{op.type}'"
    return errors.InvalidArgumentError(None, op, f"{rule}: millrace knows this type by its signature alone")


def names() -> list[str]:
    """All types that are known by their signature alone."""
    return sorted(_lines())


def find(name: str) -> OpDef:
    """The record of a type: declared in a room, or known by its signature.

    Raises:
      KeyError: it is neither.
    """
    try:
        return lookup(name)
    except KeyError:
        if name not in _lines():
            raise
        return _known(name)
