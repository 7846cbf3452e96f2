"""The family of training updates: one formula for dense and sparse operations, references and handles.

A formula is `(xp, *variables, *inputs, **attrs) -> new values`, element by element. Dense operations apply
it to whole variables, sparse ones to the rows that `indices` names, one occurrence after the other where an
index repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core import shapes
from millrace.core.dtypes import INDEX, NUMERIC
from millrace.graph.attrs import flag
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, make_opdef

Formula = Callable[..., Any]


def update(op_type: str, variables: str, inputs: str, formula: Formula, room: str, **attrs: Any) -> OpDef:
    """Declares a dense update, `op_type(*variables, *inputs) -> out`; no output with handles.

    Args:
      op_type: the type as GraphDef spells it; `Resource...` takes handles.
      variables: names of the variables that it reads and writes; the first gives the shape.
      inputs: names of the other inputs, in order; `grad` and `delta` have the variables' shape, the others
        are scalars.
      formula: computes the new values; its arguments are named as the inputs.
      room: `__name__` of the declaring module.
      **attrs: attributes beside `use_locking`.
    """
    doc = (formula.__doc__ or "").strip()
    return _declare(
        op_type, variables.split(), inputs.split(), formula, None, {"doc": doc, "room": room}, attrs
    )


def sparse_update(
    op_type: str, variables: str, inputs: str, formula: Formula, room: str, **attrs: Any
) -> OpDef:
    """Declares a sparse update: as `update`, but `grad` holds the rows that `indices` names."""
    names = inputs.split()
    count = len(variables.split())
    place, rows = count + names.index("indices"), count + names.index("grad")

    def kernel(xp: Any, *args: Any, **given: Any) -> Any:
        scalars = [a for i, a in enumerate(args) if i >= count and i != place]
        wanted = {name: given[name] for name in attrs}

        def rowwise(values: tuple[Any, ...], gradient: Any) -> Any:
            placed = list(scalars)
            placed[rows - count - (place < rows)] = gradient
            return formula(xp, *values, *placed, **wanted)

        return xp.update_rows(args[:count], args[place], args[rows], rowwise)

    doc = f"On the rows that `indices` names: {(formula.__doc__ or '').strip()}"
    return _declare(op_type, variables.split(), names, kernel, place, {"doc": doc, "room": room}, attrs)


def _declare(
    op_type: str,
    variables: list[str],
    inputs: list[str],
    kernel: Formula,
    indices: int | None,
    flags: dict[str, Any],
    attrs: dict[str, Any],
) -> OpDef:
    handles = op_type.startswith("Resource")
    kinds = ["resource" if handles else "Ref[T]"] * len(variables)
    kinds += ["Tindices" if n == "indices" else "int64" if n == "global_step" else "T" for n in inputs]
    names = variables + inputs
    arguments = ", ".join(f"{n}: {k}" for n, k in zip(names, kinds, strict=True))
    shaped = len(variables) + next(i for i, n in enumerate(inputs) if n in _SHAPED)

    def shape(*dims: shapes.Dims) -> Any:
        whole: shapes.Dims = None
        for d in dims[: len(variables)]:
            whole = shapes.merge(whole, d)
        given = dims[shaped]
        if indices is None:
            whole = shapes.merge(whole, given)
        else:
            _check_rows(whole, given, dims[indices])
        for i, d in enumerate(dims[len(variables) :], len(variables)):
            if i not in (shaped, indices) and d:
                raise ValueError(f"'{names[i]}' must be a scalar. Received: shape {shapes.format_dims(d)}")
        return [] if handles else whole

    types = {"T": NUMERIC, **({} if indices is None else {"Tindices": INDEX})}
    return make_opdef(
        f"{op_type}({arguments})" + ("" if handles else " -> out: Ref[T]"),
        {"shape": shape, "kernel": kernel, "grad": NOT_DIFFERENTIABLE},
        {**flags, "writes": tuple(variables)},
        {**types, "use_locking": flag(False), **attrs},
    )


_SHAPED = ("grad", "delta", "gradient")


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
