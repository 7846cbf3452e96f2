"""Declares a dataset's operation in one line: its signature, and the class of the dataset that its kernel
makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.graph.attrs import shape_list, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, make_opdef

ELEMENT: dict[str, Any] = dict(output_types=types(minimum=1), output_shapes=shape_list(minimum=1))
ANY_ELEMENT: dict[str, Any] = dict(output_types=types(()), output_shapes=shape_list(()))


class _Making:
    """A kernel that makes a dataset of its inputs."""

    attr_names = ("op",)

    def __init__(self, kind: Callable[..., Any]) -> None:
        self._kind = kind

    def __call__(self, xp: Any, *inputs: Any, op: Any) -> Any:
        return self._kind(op, *inputs)


class _Scalar:
    """The shape rule of a handle."""

    attr_names = ()

    def __call__(self, *inputs: Any) -> tuple[int, ...]:
        return ()


def dataset(
    signature: str, kind: Callable[..., Any], room: str, typed: bool = True, shaped: bool = True, **attrs: Any
) -> OpDef:
    """Declares a dataset's operation.

    Args:
      signature: in TensorFlow's notation.
      kind: the class of the dataset, made of the operation and the inputs.
      room: `__name__` of the declaring module.
      typed, shaped: whether it has the attributes `output_types` and `output_shapes`.
      **attrs: beside `output_types` and `output_shapes`.
    """
    members = {"shape": _Scalar(), "kernel": _Making(kind), "grad": NOT_DIFFERENTIABLE}
    flags = {"doc": kind.__doc__ or "", "room": room, "host": True, "effect": _is_random(kind)}
    common: dict[str, Any] = {"output_types": types(minimum=1)} if typed else {}
    if shaped:
        common["output_shapes"] = shape_list(minimum=1)
    return make_opdef(signature, members, flags, {**attrs, **common})


def _is_random(kind: Any) -> bool:
    """True for datasets of which two with equal inputs differ, so that they must not be merged into one."""
    return getattr(kind, "distinct", False)
