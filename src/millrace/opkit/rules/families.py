"""Families of operations that differ in one line: a unary or binary elementwise declaration says only that
line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.dtypes import DType
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, make_opdef
from millrace.opkit.rules import shape_rules


def _verb(name: str) -> Callable[..., Any]:
    """A kernel that is one verb of the dialect; the interpreter binds NumPy's function itself."""

    def kernel(xp: Any, *args: Any) -> Any:
        return getattr(xp, name)(*args)

    kernel.verb = name  # type: ignore[attr-defined]
    return kernel


def unary(
    op_type: str,
    types: frozenset[DType],
    kernel: str | Callable[..., Any],
    grad: Any,
    doc: str,
    room: str = "",
    **extra: Any,
) -> OpDef:
    """Declares `op_type(x: T) -> y: T`, element by element.

    Args:
      op_type: the type as GraphDef spells it.
      types: the dtypes of T.
      kernel: the name of a dialect verb, or `(xp, x) -> y`.
      grad: `(op, dy) -> dx`, or NOT_DIFFERENTIABLE.
      doc: what it computes.
      room: `__name__` of the declaring module.
      **extra: further members (`xla`).
    """
    members = {
        "shape": lambda x: x,
        "kernel": _verb(kernel) if isinstance(kernel, str) else kernel,
        "grad": grad,
        **extra,
    }
    return make_opdef(f"{op_type}(x: T) -> y: T", members, {"doc": doc, "room": room}, {"T": types})


def binary(
    op_type: str,
    types: frozenset[DType],
    kernel: str | Callable[..., Any],
    grad: Any,
    doc: str,
    room: str = "",
    commutative: bool = False,
    names: tuple[str, str, str] = ("x", "y", "z"),
    **extra: Any,
) -> OpDef:
    """Declares `op_type(x: T, y: T) -> z: T` with NumPy broadcasting; arguments as for `unary`.

    `names` are the names of the two inputs and the output.
    """
    members = {
        "shape": lambda *dims: shape_rules.broadcast(*dims),
        "kernel": _verb(kernel) if isinstance(kernel, str) else kernel,
        "grad": grad,
        **extra,
    }
    flags = {"doc": doc, "room": room, "commutative": commutative}
    first, second, output = names
    return make_opdef(f"{op_type}({first}: T, {second}: T) -> {output}: T", members, flags, {"T": types})


def comparison(
    op_type: str,
    types: frozenset[DType],
    kernel: str | Callable[..., Any],
    grad: Any,
    doc: str,
    room: str = "",
    **extra: Any,
) -> OpDef:
    """Declares `op_type(x: T, y: T) -> z: bool` with NumPy broadcasting; arguments as for `unary`."""
    members = {
        "shape": lambda x, y: shape_rules.broadcast(x, y),
        "kernel": _verb(kernel) if isinstance(kernel, str) else kernel,
        "grad": grad,
        **extra,
    }
    return make_opdef(f"{op_type}(x: T, y: T) -> z: bool", members, {"doc": doc, "room": room}, {"T": types})


def gradient_of(
    op_type: str,
    types: frozenset[DType],
    kernel: Callable[..., Any],
    grad: Any,
    doc: str,
    room: str = "",
    **extra: Any,
) -> OpDef:
    """Declares `op_type(y: T, dy: T) -> z: T`, the gradient of an elementwise operation in terms of its
    output.
    """
    members = {"shape": lambda y, dy: shape_rules.merged(y, dy), "kernel": kernel, "grad": grad, **extra}
    return make_opdef(f"{op_type}(y: T, dy: T) -> z: T", members, {"doc": doc, "room": room}, {"T": types})


def predicate(op_type: str, types: frozenset[DType] | None, kernel: str, doc: str, room: str = "") -> OpDef:
    """Declares `op_type(x: T) -> y: bool`, element by element; `types` None for a bool `x`."""
    members = {"shape": lambda x: x, "kernel": _verb(kernel), "grad": NOT_DIFFERENTIABLE}
    kind, attrs = ("bool", {}) if types is None else ("T", {"T": types})
    return make_opdef(f"{op_type}(x: {kind}) -> y: bool", members, {"doc": doc, "room": room}, attrs)


def nothing_from_nothing(xp: Any, dy: Any, dx: Any) -> Any:
    """`dx`, and 0 where no gradient comes in, also at a point where the slope is infinite or undefined."""
    return dx if dy.dtype.kind == "c" else xp.where(dy == 0, xp.zeros((), dx.dtype), dx)


def handle(
    signature: str,
    state: Callable[[Any], Any],
    doc: str,
    room: str,
    dims: tuple[int, ...] = (),
    kernel: Callable[..., Any] | None = None,
    effect: bool = False,
    **attrs: Any,
) -> OpDef:
    """Declares an operation whose one result is a handle: the object itself, which the session keeps.

    Args:
      signature: `Type() -> name: resource`; in old graphs handles are references to strings.
      state: from the attributes to the object, made at the first run.
      doc: what the object is.
      room: `__name__` of the declaring module.
      dims: the shape of the handle.
      kernel: `(xp, object, **attrs) -> (object, object)`, where the object is to be looked at first.
      effect: whether it is never merged or left out.
      **attrs: attributes.
    """

    def same(xp: Any, found: Any) -> tuple[Any, Any]:
        return found, found

    members = {"shape": lambda: dims, "kernel": kernel or same, "grad": NOT_DIFFERENTIABLE}
    flags = {"doc": doc, "room": room, "state": state, "host": True, "effect": effect}
    return make_opdef(signature, members, flags, attrs)
