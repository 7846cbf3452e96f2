"""The family of training updates: one formula for dense and sparse operations, references and handles.

A formula is `(xp, *variables, *inputs, **attrs) -> new values`, element by element. Dense operations apply
it to whole variables, sparse ones to the rows that `indices` names, one occurrence after the other where an
index repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core import errors, shapes
from millrace.core.dtypes import INDEX, NUMERIC
from millrace.core.errors import refusal
from millrace.graph.attrs import flag
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, make_opdef
from millrace.opkit.state.update_formulas import POWERS

Formula = Callable[..., Any]

_GRADIENTS = ("grad", "delta")


class Update:
    """The kernel of an update.

    Attributes:
      formula: computes the new values.
      variables: how many variables come first among the inputs.
      gradient: the gradient's place among the inputs.
      attr_names: the attributes that the formula takes.
      exact: no element's value depends, in its last bits, on where in an array it stands.
      whole: it applies to whole variables, and may be applied to pieces of them; False for rows by number.
    """

    whole = True

    def __init__(self, formula: Formula, variables: int, gradient: int, attr_names: tuple[str, ...]) -> None:
        self.formula = formula
        self.variables = variables
        self.gradient = gradient
        self.attr_names = attr_names
        self.exact = formula not in POWERS

    def check(self, args: tuple[Any, ...], wanted: tuple[int, ...]) -> None:
        """All variables must have one shape, and the gradient the shape that fits it.

        Raises:
          InvalidArgumentError: one has another shape.
        """
        shape = args[0].shape
        for other in args[1 : self.variables]:
            if other.shape != shape:
                raise _misshapen("slots", shape, other.shape)
        if args[self.gradient].shape != wanted:
            raise _misshapen("gradient", wanted, args[self.gradient].shape)

    def __call__(self, xp: Any, *args: Any, **attrs: Any) -> Any:
        """The new values of the variables."""
        self.check(args, args[0].shape)
        return self.formula(xp, *args, **attrs)


class _RowUpdate(Update):
    """The kernel of an update of some rows.

    Attributes:
      indices: the place of the rows' numbers among the inputs.
    """

    whole = False

    def __init__(
        self, formula: Formula, variables: int, gradient: int, attr_names: tuple[str, ...], indices: int
    ) -> None:
        super().__init__(formula, variables, gradient, attr_names)
        self.indices = indices

    def __call__(self, xp: Any, *args: Any, **attrs: Any) -> Any:
        rows = args[self.indices]
        self.check(args, rows.shape + args[0].shape[1:])

        def changed(values: tuple[Any, ...], gradient: Any) -> Any:
            placed = [*values, *args[self.variables :]]
            placed[self.gradient] = gradient
            del placed[self.indices]
            return self.formula(xp, *placed, **attrs)

        return xp.update_rows(args[: self.variables], rows, args[self.gradient], changed)


def _misshapen(what: str, wanted: Any, found: Any) -> errors.InvalidArgumentError:
    return refusal(f"{what} must fit the variable: shape {list(wanted)}. Received: {list(found)}")


def update(op_type: str, variables: str, inputs: str, formula: Formula, room: str, **attrs: Any) -> OpDef:
    """Declares a dense update, `op_type(*variables, *inputs) -> out`; no output with handles.

    Args:
      op_type: the type as GraphDef spells it; `Resource...` takes handles.
      variables: names of the variables that it reads and writes; the first gives the shape.
      inputs: names of the other inputs, in order; `grad` or `delta` has the variables' shape, the others are
        scalars.
      formula: computes the new values; takes the inputs in the operation's order.
      room: `__name__` of the declaring module.
      **attrs: attributes beside `use_locking`.
    """
    slots, names = variables.split(), inputs.split()
    gradient = len(slots) + next(i for i, n in enumerate(names) if n in _GRADIENTS)
    kernel = Update(formula, len(slots), gradient, tuple(attrs))

    def shape(*dims: shapes.Dims) -> Any:
        whole = _merged(dims[: len(slots)])
        whole = shapes.merge(whole, dims[gradient])
        _check_scalars(slots + names, dims, len(slots), (gradient,))
        return [] if op_type.startswith("Resource") else whole

    return _declare(op_type, slots, names, kernel, shape, (formula.__doc__ or "").strip(), room, attrs)


def sparse_update(
    op_type: str, variables: str, inputs: str, formula: Formula, room: str, **attrs: Any
) -> OpDef:
    """Declares a sparse update: as `update`, but `grad` holds the rows that `indices` names."""
    slots, names = variables.split(), inputs.split()
    gradient, indices = len(slots) + names.index("grad"), len(slots) + names.index("indices")
    kernel = _RowUpdate(formula, len(slots), gradient, tuple(attrs), indices)

    def shape(*dims: shapes.Dims) -> Any:
        whole = _merged(dims[: len(slots)])
        _check_rows(whole, dims[gradient], dims[indices])
        _check_scalars(slots + names, dims, len(slots), (gradient, indices))
        return [] if op_type.startswith("Resource") else whole

    doc = f"On the rows that `indices` names: {(formula.__doc__ or '').strip()}"
    return _declare(op_type, slots, names, kernel, shape, doc, room, attrs)


def _declare(
    op_type: str,
    slots: list[str],
    names: list[str],
    kernel: Any,
    shape: Callable[..., Any],
    doc: str,
    room: str,
    attrs: dict[str, Any],
) -> OpDef:
    handles = op_type.startswith("Resource")
    kinds = ["resource" if handles else "Ref[T]"] * len(slots)
    kinds += ["Tindices" if n == "indices" else "int64" if n == "global_step" else "T" for n in names]
    arguments = ", ".join(f"{n}: {k}" for n, k in zip(slots + names, kinds, strict=True))
    types = {"T": NUMERIC, **({"Tindices": INDEX} if "indices" in names else {})}
    return make_opdef(
        f"{op_type}({arguments})" + ("" if handles else " -> out: Ref[T]"),
        {"shape": shape, "kernel": kernel, "grad": NOT_DIFFERENTIABLE},
        {"doc": doc, "room": room, "writes": tuple(slots)},
        {**types, "use_locking": flag(False), **attrs},
    )


def _merged(dims: tuple[shapes.Dims, ...]) -> shapes.Dims:
    whole: shapes.Dims = None
    for d in dims:
        whole = shapes.merge(whole, d)
    return whole


def _check_scalars(
    names: list[str], dims: tuple[shapes.Dims, ...], start: int, others: tuple[int, ...]
) -> None:
    for i, d in enumerate(dims[start:], start):
        if i not in others and d:
            raise ValueError(f"'{names[i]}' must be a scalar. Received: shape {shapes.format_dims(d)}")


def _check_rows(whole: shapes.Dims, rows: shapes.Dims, indices: shapes.Dims) -> None:
    """`rows` must be `indices` rows of a variable of dims `whole`."""
    if indices is not None and len(indices) != 1:
        raise ValueError(f"'indices' must be a vector. Received: shape {shapes.format_dims(indices)}")
    if rows is None or whole is None:
        return
    if not rows or not whole:
        raise ValueError(f"variable and gradient need rows. Received: gradient {shapes.format_dims(rows)}")
    shapes.merge(whole[1:], rows[1:])
    if indices is not None:
        shapes.merge(rows[:1], indices)
