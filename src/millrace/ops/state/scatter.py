"""Rows and slices of variables: read by handle, and written in place of the old ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.core import shapes
from millrace.core.dtypes import ALL, BOOL, INDEX, NUMERIC, REAL, DType, int32
from millrace.core.errors import refusal
from millrace.graph import attrs
from millrace.graph.attrs import flag
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, declare, make_opdef
from millrace.graph.references import variable_of
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import at_least


def _rows(ref: shapes.Dims, indices: shapes.Dims, updates: shapes.Dims) -> shapes.Dims:
    """The variable's dims, after `updates` was found to be a scalar or one row for each index."""
    at_least(ref, 1, "ref")
    if updates != () and ref is not None and indices is not None:
        shapes.merge(updates, (*indices, *ref[1:]))
    return ref


def _without_outputs(rule: Callable[..., Any]) -> Callable[..., list[Any]]:
    """A shape rule that only checks."""

    def check(*dims: shapes.Dims) -> list[Any]:
        rule(*dims)
        return []

    return check


def _check_rows(op: str, ref: Any, indices: Any, updates: Any) -> None:
    wanted = indices.shape + ref.shape[1:]
    if updates.shape not in ((), wanted):
        raise refusal(
            f"{op}: updates must have shape {list(wanted)} or be a scalar. Received: {list(updates.shape)}",
        )


def _refuse_gradient(op: Any, *dys: Any) -> Any:
    raise LookupError(f"No gradient defined for operation '{op.name}' (op type: {op.type})")


def scatter(op_type: str, how: str, types: frozenset[DType], doc: str, locking: bool = False) -> OpDef:
    """Declares a write of rows: `Scatter...` on references, `ResourceScatter...` on handles."""

    def kernel(xp, *inputs):
        _check_rows(op_type, *inputs)
        return xp.scatter_rows(*inputs, how)

    handles = op_type.startswith("Resource")
    signature = (
        f"{op_type}(resource: resource, indices: Tindices, updates: dtype)"
        if handles
        else f"{op_type}(ref: Ref[T], indices: Tindices, updates: T) -> output_ref: Ref[T]"
    )
    members = {
        "shape": _without_outputs(_rows) if handles else (lambda *dims: _rows(*dims)),
        "kernel": kernel,
        "grad": _refuse_gradient if how in ("update", "min", "max") else NOT_DIFFERENTIABLE,
    }
    kinds: dict[str, Any] = {"dtype" if handles else "T": types, "Tindices": INDEX}
    if not handles:
        kinds["use_locking"] = flag(locking)
    flags = {"doc": doc, "room": __name__, "writes": ("resource" if handles else "ref",)}
    return make_opdef(signature, members, flags, kinds)


scatter("ScatterUpdate", "update", ALL, "ref[indices] = updates.", locking=True)
scatter("ScatterAdd", "add", NUMERIC, "ref[indices] += updates.")
scatter("ScatterSub", "sub", NUMERIC, "ref[indices] -= updates.")
scatter("ScatterMul", "mul", NUMERIC, "ref[indices] *= updates.")
scatter("ScatterDiv", "div", NUMERIC, "ref[indices] /= updates.")
scatter("ScatterMin", "min", REAL, "ref[indices] = min(ref[indices], updates).")
scatter("ScatterMax", "max", REAL, "ref[indices] = max(ref[indices], updates).")
scatter("ResourceScatterUpdate", "update", ALL, "resource[indices] = updates.")
scatter("ResourceScatterAdd", "add", NUMERIC, "resource[indices] += updates.")
scatter("ResourceScatterSub", "sub", NUMERIC, "resource[indices] -= updates.")
scatter("ResourceScatterMul", "mul", NUMERIC, "resource[indices] *= updates.")
scatter("ResourceScatterDiv", "div", NUMERIC, "resource[indices] /= updates.")
scatter("ResourceScatterMin", "min", REAL, "resource[indices] = min(resource[indices], updates).")
scatter("ResourceScatterMax", "max", REAL, "resource[indices] = max(resource[indices], updates).")


def _slices(ref: shapes.Dims, indices: shapes.Dims, updates: shapes.Dims) -> shapes.Dims:
    """The variable's dims, after `updates` was found to hold one slice for each row of `indices`."""
    at_least(indices, 1, "indices")
    if ref is None or indices is None or indices[-1] is None:
        return ref
    depth = indices[-1]
    if depth > len(ref):
        raise ValueError(f"indices.shape[-1] must be <= the variable's rank {len(ref)}. Received: {depth}")
    shapes.merge(updates, (*indices[:-1], *ref[depth:]))
    return ref


def scatter_nd(op_type: str, how: str, types: frozenset[DType], doc: str, locking: bool = False) -> OpDef:
    """Declares a write of slices: `ScatterNd...` on references, `ResourceScatterNd...` on handles."""

    def kernel(xp, ref, indices, updates):
        return xp.scattered_nd(ref, None, indices, updates, how)

    handles = op_type.startswith("Resource")
    kind = "resource" if handles else "Ref[T]"
    output = "" if handles else " -> output_ref: Ref[T]"
    members = {
        "shape": _without_outputs(_slices) if handles else (lambda *dims: _slices(*dims)),
        "kernel": kernel,
        "grad": NOT_DIFFERENTIABLE,
    }
    return make_opdef(
        f"{op_type}(ref: {kind}, indices: Tindices, updates: T){output}",
        members,
        {"doc": doc, "room": __name__, "writes": ("ref",)},
        {"T": types, "Tindices": INDEX, "use_locking": flag(locking)},
    )


scatter_nd("ScatterNdUpdate", "set", ALL, "Sets slices of ref at coordinates.", locking=True)
scatter_nd("ScatterNdAdd", "add", NUMERIC | BOOL, "Adds to slices of ref at coordinates.")
scatter_nd("ScatterNdSub", "sub", NUMERIC, "Subtracts from slices of ref at coordinates.")
scatter_nd("ResourceScatterNdUpdate", "set", ALL, "Sets slices of a variable at coordinates.", locking=True)
scatter_nd(
    "ResourceScatterNdAdd", "add", NUMERIC | BOOL, "Adds to slices of a variable at coordinates.", True
)
scatter_nd(
    "ResourceScatterNdSub", "sub", NUMERIC, "Subtracts from slices of a variable at coordinates.", True
)


# --- reading by handle ------------------------------------------------------------------------------------


def _shape_of(handle: Tensor, dtype: DType) -> Tensor:
    """The shape of the variable behind `handle`: a constant where it is known."""
    variable = variable_of(handle)
    dims = variable.attrs["shape"] if variable is not None and variable.type == "VarHandleOp" else None
    if shapes.fully_defined(dims):
        return raw.Const(value=np.array(dims, dtype.np_dtype), dtype=dtype, name="Const")
    return raw.VariableShape(handle, out_type=dtype)


@declare(
    "ResourceGather(resource: resource, indices: Tindices) -> output: dtype",
    reads="resource", batch_dims=attrs.integer(0), validate_indices=flag(True), dtype=attrs.dtype(),
    Tindices=INDEX,
)  # fmt: skip
class ResourceGather:
    """Rows of a variable."""

    def shape(resource, indices, batch_dims):
        if resource is None or indices is None:
            return None
        at_least(resource, batch_dims + 1, "resource")
        return (*resource[:batch_dims], *indices[batch_dims:], *resource[batch_dims + 1 :])

    def kernel(xp, resource, indices, batch_dims):
        if batch_dims:
            return xp.batch_gathered(resource, indices, batch_dims, batch_dims)
        return xp.gathered(resource, indices, 0)

    def grad(op, dy):
        handle, indices = op.inputs
        shape = _shape_of(handle, int32)
        size = raw.ExpandDims(raw.Size(indices), 0)
        values = raw.Reshape(dy, raw.ConcatV2([size, shape[1:]], 0, name="concat"))
        return IndexedSlices(values, raw.Reshape(indices, size), shape), None


@declare(
    "ResourceGatherNd(resource: resource, indices: Tindices) -> output: dtype",
    reads="resource", dtype=attrs.dtype(), Tindices=INDEX,
)  # fmt: skip
class ResourceGatherNd:
    """Slices of a variable at coordinates."""

    def shape(resource, indices):
        at_least(indices, 1, "indices")
        if resource is None or indices is None or indices[-1] is None:
            return None
        return (*indices[:-1], *resource[indices[-1] :])

    def kernel(xp, resource, indices):
        return xp.gathered_nd(resource, indices)

    def grad(op, dy):
        handle, indices = op.inputs
        shape = _shape_of(handle, indices.dtype.base_dtype)
        if indices.dims is not None and len(indices.dims) == 2 and indices.dims[-1] == 1:
            return IndexedSlices(dy, raw.Squeeze(indices, squeeze_dims=[-1]), shape), None
        return raw.ScatterNd(indices, dy, shape), None
