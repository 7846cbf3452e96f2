"""Sparse tensors with dense partners: to a dense tensor, sums, products, quotients, matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import shapes
from millrace.core.dtypes import ALL, INDEX, NUMERIC, QUANTIZED, int64
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import all_axes, conj, constant, shape_tensor, shown, size_tensor
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.sparse.places import (
    check_increasing,
    check_inside,
    check_parts,
    invalid,
    numbers,
    sparse_rank,
)

_NUMBER = NUMERIC | QUANTIZED


# --- sparse to dense ---------------------------------------------------------------------------------------


def _as_places(indices: Any) -> Any:
    """Places as `[n, rank]`: a scalar is one place in a vector, a vector are places in a vector."""
    if len(indices.shape) > 2:
        raise invalid(
            f"sparse_indices should be a scalar, vector, or matrix. Received: shape {list(indices.shape)}"
        )
    return indices if len(indices.shape) == 2 else indices.reshape(-1, 1)


@declare(
    "SparseToDense(sparse_indices: Tindices, output_shape: Tindices, sparse_values: T, default_value: T) -> "
    "dense: T",
    validate_indices=attrs.flag(True),
    T=ALL,
    Tindices=INDEX,
    static=("output_shape",),
)
class SparseToDense:
    """A tensor of `default_value`s with `sparse_values` at some places."""

    def shape(sparse_indices, output_shape, sparse_values, default_value):
        return output_shape.as_dims()

    def kernel(xp, sparse_indices, output_shape, sparse_values, default_value, validate_indices):
        places = _as_places(sparse_indices)
        if output_shape.ndim != 1 or output_shape.size != places.shape[1]:
            raise invalid(
                f"output_shape must have {places.shape[1]} elements, one for each column of the indices. "
                f"Received: {output_shape.tolist()}"
            )
        if np.ndim(default_value):
            raise invalid(f"default_value should be a scalar. Received: shape {list(default_value.shape)}")
        if np.shape(sparse_values) not in ((), (places.shape[0],)):
            raise invalid(
                f"sparse_values must be a scalar or have {places.shape[0]} elements. "
                f"Received: shape {list(np.shape(sparse_values))}"
            )
        dims = tuple(output_shape.tolist())
        if any(d < 0 for d in dims):
            raise invalid(f"output_shape must not have negative dimensions. Received: {list(dims)}")
        check_inside(xp, places, dims)
        if validate_indices:
            check_increasing(xp, places, numbers(xp, places, dims))
        columns = tuple(places[:, k] for k in range(len(dims)))
        return xp.updated(xp.filled(dims, default_value), columns, sparse_values)

    def grad(op, dy):
        values = op.inputs[2]
        chosen = raw.GatherNd(dy, _rows_of_places(op.inputs[0]))
        total = raw.Sum(dy, all_axes(dy))
        default = total - raw.Sum(chosen, all_axes(chosen))
        if values.dims == ():
            chosen = raw.Sum(chosen, all_axes(chosen))
        return None, None, chosen, default


def _rows_of_places(indices: Tensor) -> Tensor:
    return indices if indices.dims is None or len(indices.dims) == 2 else raw.Reshape(indices, [-1, 1])


@public("sparse_to_dense")
def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """A dense tensor with values at some places and a default elsewhere.

    Args:
      sparse_indices: `[n, rank]`, int32 or int64: the places; `[n]` or a scalar for places in a vector.
      output_shape: `[rank]`, same dtype: the shape of the result.
      sparse_values: `[n]`, or a scalar for all places.
      default_value: scalar, dtype of the values: what stands elsewhere.
      validate_indices: check that the places are in row-major order and that none stands twice.
      name: op name; default "SparseToDense".

    Returns:
      `output_shape`, dtype of `sparse_values`.

    Raises:
      InvalidArgumentError: when run, if a place is outside of the result, or, when checked, out of order or
        repeated.
    """
    return apply(
        SparseToDense,
        sparse_indices,
        output_shape,
        sparse_values,
        default_value,
        validate_indices=validate_indices,
        name=name,
    )


# --- sums --------------------------------------------------------------------------------------------------


@declare(
    "SparseTensorDenseAdd(a_indices: Tindices, a_values: T, a_shape: Tindices, b: T) -> output: T",
    T=_NUMBER,
    Tindices=INDEX,
)
class SparseTensorDenseAdd:
    """A sparse tensor plus a dense one, dense."""

    def shape(a_indices, a_values, a_shape, b):
        return b

    def kernel(xp, a_indices, a_values, a_shape, b):
        check_parts(a_indices, a_values, a_shape, "a_")
        if a_shape.shape[0] != len(np.shape(b)):
            raise invalid(
                f"a and b must have one rank. Received: ranks {a_shape.shape[0]} and {len(np.shape(b))}"
            )

        def differ() -> Exception:
            return invalid(f"a and b must have one shape. Received: {shown(xp, a_shape)} and {list(b.shape)}")

        xp.check(a_shape == np.array(np.shape(b)), differ)
        check_inside(xp, a_indices, b.shape)
        return xp.scattered_nd(b, None, a_indices, a_values, "add")

    def grad(op, dy):
        return None, raw.GatherNd(dy, op.inputs[0]), None, dy


# --- element by element ------------------------------------------------------------------------------------


def _dense_at(xp: Any, indices: Any, shape: Any, dense: Any) -> Any:
    """What the dense partner, broadcast to the sparse one's shape, has at the places."""
    dims, given = tuple(shape.tolist()), tuple(np.shape(dense))
    extra = len(dims) - len(given)
    fits = extra >= 0 and all(g in (1, d) for g, d in zip(given, dims[max(extra, 0) :], strict=False))
    if not fits:
        raise invalid(
            "a dense partner can be broadcast to the shape of the sparse one, but not the other way round. "
            f"Received: sparse shape {list(dims)}, dense shape {list(given)}"
        )
    check_inside(xp, indices, dims)
    key = tuple(indices[:, extra + k] if n != 1 else 0 for k, n in enumerate(given))
    found = dense[key] if key else dense
    return xp.broadcast_to(found, (indices.shape[0],))


def _cwise_kernel(function):
    def kernel(xp, sp_indices, sp_values, sp_shape, dense):
        check_parts(sp_indices, sp_values, sp_shape, "sp_")
        return function(xp, sp_values, _dense_at(xp, sp_indices, sp_shape, dense))

    return kernel


def _cwise_shape(sp_indices, sp_values, sp_shape, dense):
    count, _ = sparse_rank(sp_indices, sp_values, sp_shape, "sp_")
    return (count,)


class _Partner:
    """The dense partner in a gradient: its elements at the places, and the way back to its shape."""

    def __init__(self, op: Any) -> None:
        indices, _, shape, self.dense = op.inputs
        self.dims = raw.Cast(shape_tensor(self.dense), DstT=int64)
        added = size_tensor(shape) - size_tensor(self.dims)
        added = raw.ExpandDims(added, 0)
        with name_scope("ones") as scope:
            ones = raw.Fill(added, constant(1, "Const", int64), name=scope)
        scaling = shape // raw.ConcatV2([ones, self.dims], 0, name="concat")
        first = raw.ConcatV2([[0], added], 0, name="concat")
        self.places = raw.Slice(indices // scaling, first, [-1, -1], name="Slice")

    def values(self) -> Tensor:
        return raw.GatherNd(self.dense, self.places)

    def spread(self, d_values: Tensor) -> Tensor:
        zeros = raw.ZerosLike(self.dense, name="zeros_like")
        return raw.SparseTensorDenseAdd(self.places, d_values, self.dims, zeros)


def _mul_grad(op, dy):
    dense = _Partner(op)
    return None, dy * conj(dense.values()), None, dense.spread(dy * conj(op.inputs[1]))


def _div_grad(op, dy):
    dense = _Partner(op)
    values = conj(dense.values())
    dvalues = dy / values
    slope = -conj(op.inputs[1]) / raw.Square(values)
    return None, dvalues, None, dense.spread(dy * slope)


def _add_grad(op, dy):
    return None, dy, None, _Partner(op).spread(dy)


def _multiplied(xp: Any, x: Any, y: Any) -> Any:
    return xp.multiply(x, y)


def _added(xp: Any, x: Any, y: Any) -> Any:
    return xp.add(x, y)


def _divided(xp: Any, x: Any, y: Any) -> Any:
    if np.dtype(x.dtype).kind not in "iu":
        return xp.divide(x, y)
    xp.check(y != 0, lambda: invalid("Integer division by zero. Received: a divisor of 0"))
    safe = xp.where(y == 0, xp.ones_like(y), y)
    # toward zero, as C divides; minus one is a negation, which may wrap around but does not trap
    quotient, rest = x // safe, x % safe
    return xp.where((rest != 0) & ((x < 0) != (safe < 0)), quotient + 1, quotient).astype(x.dtype)


_CWISE = {"T": _NUMBER, "static": ("sp_shape",)}


@declare(
    "SparseDenseCwiseMul(sp_indices: int64, sp_values: T, sp_shape: int64, dense: T) -> output: T", **_CWISE
)
class SparseDenseCwiseMul:
    """The stored values times the dense partner's elements at their places."""

    def shape(sp_indices, sp_values, sp_shape, dense):
        return _cwise_shape(sp_indices, sp_values, sp_shape, dense)

    kernel = _cwise_kernel(_multiplied)
    grad = _mul_grad


@declare(
    "SparseDenseCwiseDiv(sp_indices: int64, sp_values: T, sp_shape: int64, dense: T) -> output: T", **_CWISE
)
class SparseDenseCwiseDiv:
    """The stored values divided by the dense partner's elements at their places."""

    def shape(sp_indices, sp_values, sp_shape, dense):
        return _cwise_shape(sp_indices, sp_values, sp_shape, dense)

    kernel = _cwise_kernel(_divided)
    grad = _div_grad


@declare(
    "SparseDenseCwiseAdd(sp_indices: int64, sp_values: T, sp_shape: int64, dense: T) -> output: T", **_CWISE
)
class SparseDenseCwiseAdd:
    """The stored values plus the dense partner's elements at their places; other places are left out."""

    def shape(sp_indices, sp_values, sp_shape, dense):
        return _cwise_shape(sp_indices, sp_values, sp_shape, dense)

    kernel = _cwise_kernel(_added)
    grad = _add_grad


# --- matrix products ---------------------------------------------------------------------------------------


@declare(
    "SparseTensorDenseMatMul(a_indices: Tindices, a_values: T, a_shape: int64, b: T) -> product: T",
    T=_NUMBER,
    Tindices=attrs.dtype(INDEX, int64),
    adjoint_a=attrs.flag(False),
    adjoint_b=attrs.flag(False),
    static=("a_shape",),
)
class SparseTensorDenseMatMul:
    """A sparse matrix times a dense one."""

    def shape(a_indices, a_values, a_shape, b, adjoint_a, adjoint_b):
        sparse_rank(a_indices, a_values, a_shape, "a_")
        rows, inner = with_rank(a_shape.as_dims(), 2, "a_shape")  # type: ignore[misc]
        depth, columns = with_rank(b, 2, "b")  # type: ignore[misc]
        if adjoint_a:
            rows, inner = inner, rows
        if adjoint_b:
            depth, columns = columns, depth
        shapes.merge((inner,), (depth,))
        return (rows, columns)

    def kernel(xp, a_indices, a_values, a_shape, b, adjoint_a, adjoint_b):
        check_parts(a_indices, a_values, a_shape, "a_")
        if a_shape.size != 2:
            raise invalid(f"Tensor 'a_shape' must have 2 elements. Received: {a_shape.tolist()}")
        if len(b.shape) != 2:
            raise invalid(f"Tensor 'b' is not a matrix. Received: shape {list(b.shape)}")
        if adjoint_b:
            b = xp.conjugate(b.T)
        dims = a_shape.tolist()
        count, inner = reversed(dims) if adjoint_a else dims
        if inner != b.shape[0]:
            raise invalid(
                "Cannot multiply A and B because inner dimension does not match: "
                f"{inner} vs. {b.shape[0]}. Received: A of shape {dims}, B of shape {list(b.shape)}"
            )
        check_inside(xp, a_indices, dims)
        rows, columns = a_indices[:, 0], a_indices[:, 1]
        if adjoint_a:
            rows, columns, a_values = columns, rows, xp.conjugate(a_values)
        return xp.sparse_product(rows, columns, a_values, count, b)

    def grad(op, dy):
        indices, values, shape, b = op.inputs
        adjoint_a, adjoint_b = op.attrs["adjoint_a"], op.attrs["adjoint_b"]
        db = raw.SparseTensorDenseMatMul(indices, values, shape, dy, adjoint_a=not adjoint_a)
        if adjoint_b:
            db = conj(raw.Transpose(db, [1, 0], name="transpose"))
        rows, columns = indices[:, 0], indices[:, 1]
        if adjoint_a:
            rows, columns = columns, rows
        of_dy = raw.GatherV2(dy, rows, 0)
        of_b = raw.GatherV2(raw.Transpose(b, [1, 0], name="transpose") if adjoint_b else b, columns, 0)
        # product = A B: dA = dy B^H; a stored value enters conjugated where A, or B, is
        products = of_dy * (of_b if adjoint_b else conj(of_b))
        dvalues = raw.Sum(products, 1)
        return None, conj(dvalues) if adjoint_a else dvalues, None, db


@public("sparse_tensor_dense_matmul", "sparse.matmul", "sparse.sparse_dense_matmul")
def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """A sparse matrix times a dense one.

    Args:
      sp_a: SparseTensor `[n, k]`; values at one place add up.
      b: `[k, m]`, dtype of `sp_a`.
      adjoint_a: use the conjugate transpose of `sp_a`, which then has shape `[k, n]`.
      adjoint_b: use the conjugate transpose of `b`, which then has shape `[m, k]`.
      name: a scope; default "SparseTensorDenseMatMul".

    Returns:
      `[n, m]`, same dtype.

    Raises:
      ValueError: the static shapes do not fit.
      InvalidArgumentError: when run, if the shapes do not fit or a place is outside of the matrix.
    """
    sp_a = SparseTensor.from_value(sp_a)
    with name_scope(name, "SparseTensorDenseMatMul", [sp_a.indices, sp_a.values, b]):
        b = convert_to_tensor(b, name="b")
        return apply(
            SparseTensorDenseMatMul,
            sp_a.indices,
            sp_a.values,
            sp_a.dense_shape,
            b,
            adjoint_a=adjoint_a,
            adjoint_b=adjoint_b,
        )
