"""Products of matrices and of batches of matrices."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import shapes
from millrace.core.dtypes import COMPLEX, FLOATING, INDEX, bfloat16, float32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import conj, shape_tensor
from millrace.opkit.rules.shape_rules import at_least, with_rank

_PRODUCT = FLOATING | INDEX | COMPLEX
_SPARSE = frozenset({float32, bfloat16})


def _inner(x: Any, y: Any, inner_x: int | None, inner_y: int | None) -> None:
    if inner_x is not None and inner_y is not None and inner_x != inner_y:
        raise ValueError(
            f"Dimensions must be equal, but are {inner_x} and {inner_y}. "
            f"Received: {shapes.format_dims(x)} and {shapes.format_dims(y)}"
        )


def _matrix_shape(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> shapes.Dims:
    x, y = with_rank(a, 2, "a"), with_rank(b, 2, "b")
    rows, inner_a = (x[1], x[0]) if transpose_a else x  # type: ignore[index,misc]
    inner_b, columns = (y[1], y[0]) if transpose_b else y  # type: ignore[index,misc]
    _inner(a, b, inner_a, inner_b)
    return rows, columns


def _turn(xp: Any, x: Any, flip: bool, conjugate: bool = False) -> Any:
    if not flip:
        return x
    x = xp.swapaxes(x, -1, -2)
    return xp.conj(x) if conjugate and x.dtype.kind == "c" else x


def _matrices(xp: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> tuple[Any, Any]:
    """The two matrices of a product, transposed where that is asked for."""
    for which, x in enumerate((a, b)):
        if x.ndim != 2:
            raise refusal(f"In[{which}] is not a matrix. Received: shape {list(x.shape)}")
    x, y = _turn(xp, a, transpose_a), _turn(xp, b, transpose_b)
    if x.shape[1] != y.shape[0]:
        raise refusal(f"Matrix size-incompatible: In[0]: {list(a.shape)}, In[1]: {list(b.shape)}")
    return x, y


def _matrix_product(xp: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    return xp.mat_product(*_matrices(xp, a, b, transpose_a, transpose_b))


@declare("MatMul(a: T, b: T) -> product: T", T=_PRODUCT, transpose_a=flag(False), transpose_b=flag(False))
class MatMul:
    """The product of two matrices, either of which may be transposed first."""

    def shape(a, b, transpose_a, transpose_b):
        return _matrix_shape(a, b, transpose_a, transpose_b)

    def kernel(xp, a, b, transpose_a, transpose_b):
        return _matrix_product(xp, a, b, transpose_a, transpose_b)

    def xla(xp, a, b, transpose_a, transpose_b):
        _matrices(xp, a, b, transpose_a, transpose_b)
        return xp.dense_product(a, b, transpose_a, transpose_b)

    def bind(dims, values, attrs):
        a, b = dims
        if attrs["T"] is bfloat16 or any(d is None or len(d) != 2 for d in dims):
            return None
        turn_a, turn_b = attrs["transpose_a"], attrs["transpose_b"]
        inner_a, inner_b = a[0 if turn_a else 1], b[1 if turn_b else 0]
        if inner_a is None or inner_a != inner_b:
            return None
        if turn_a:
            return (lambda a, b: a.T.dot(b.T)) if turn_b else (lambda a, b: a.T.dot(b))
        return (lambda a, b: a.dot(b.T)) if turn_b else np.ndarray.dot  # half of the time of `np.matmul`

    def grad(op, dy):
        a, b = conj(op.inputs[0]), conj(op.inputs[1])
        turned = op.attrs["transpose_a"], op.attrs["transpose_b"]
        if turned == (False, False):
            da = raw.MatMul(dy, b, transpose_b=True)
            return da, raw.MatMul(a, dy, transpose_a=True)
        if turned == (False, True):
            da = raw.MatMul(dy, b)
            return da, raw.MatMul(dy, a, transpose_a=True)
        if turned == (True, False):
            da = raw.MatMul(b, dy, transpose_b=True)
            return da, raw.MatMul(a, dy)
        da = raw.MatMul(b, dy, transpose_a=True, transpose_b=True)
        return da, raw.MatMul(dy, a, transpose_a=True, transpose_b=True)


@declare(
    "SparseMatMul(a: Ta, b: Tb) -> product: float32",
    Ta=dtype_attr(_SPARSE, default=float32),
    Tb=dtype_attr(_SPARSE, default=float32),
    transpose_a=flag(False),
    transpose_b=flag(False),
    a_is_sparse=flag(False),
    b_is_sparse=flag(False),
)
class SparseMatMul:
    """The float32 product of two matrices of float32 or bfloat16; which one is mostly zero is only a hint."""

    def shape(a, b, transpose_a, transpose_b):
        return _matrix_shape(a, b, transpose_a, transpose_b)

    def kernel(xp, a, b, transpose_a, transpose_b):
        return _matrix_product(xp, a.astype(np.float32), b.astype(np.float32), transpose_a, transpose_b)

    def grad(op, dy):
        turn_a, turn_b = op.attrs["transpose_a"], op.attrs["transpose_b"]
        a, b = op.inputs
        is_sparse = {a: op.attrs["a_is_sparse"], b: op.attrs["b_is_sparse"], dy: dy.op.type == "ReluGrad"}

        def product(x, y, dtype, turn_x=False, turn_y=False):
            result = raw.SparseMatMul(
                x,
                y,
                transpose_a=turn_x,
                transpose_b=turn_y,
                a_is_sparse=is_sparse[x],
                b_is_sparse=is_sparse[y],
            )
            return result if dtype is float32 else raw.Cast(result, DstT=dtype)

        ta, tb = a.dtype.base_dtype, b.dtype.base_dtype
        if not turn_a and not turn_b:
            return product(dy, b, ta, turn_y=True), product(a, dy, tb, turn_x=True)
        if not turn_a:
            return product(dy, b, ta), product(dy, a, tb, turn_x=True)
        if not turn_b:
            return product(b, dy, ta, turn_y=True), product(a, dy, tb)
        return product(b, dy, ta, True, True), product(dy, a, tb, True, True)


def _batch_shape(x: Any, y: Any, adj_x: bool, adj_y: bool, broadcasts: bool) -> shapes.Dims:
    at_least(x, 2, "x")
    at_least(y, 2, "y")
    if x is not None and y is not None:
        inner_x = x[-2] if adj_x else x[-1]
        inner_y = y[-1] if adj_y else y[-2]
        _inner(x, y, inner_x, inner_y)
        rows, columns = x[-1] if adj_x else x[-2], y[-2] if adj_y else y[-1]
        batch = shapes.broadcast(x[:-2], y[:-2]) if broadcasts else shapes.merge(x[:-2], y[:-2])
        return None if batch is None else (*batch, rows, columns)
    if broadcasts:
        return None
    if x is not None:
        return (*x[:-2], x[-1] if adj_x else x[-2], None)
    if y is not None:
        return (*y[:-2], None, y[-2] if adj_y else y[-1])
    return None


def _batch_product(xp: Any, x: Any, y: Any, adj_x: bool, adj_y: bool) -> Any:
    for which, part in enumerate((x, y)):
        if part.ndim < 2:
            raise refusal(f"In[{which}] ndims must be >= 2. Received: shape {list(part.shape)}")
    left, right = _turn(xp, x, adj_x, True), _turn(xp, y, adj_y, True)
    shown = f"In[0]: {list(x.shape)}, In[1]: {list(y.shape)}"
    if left.shape[-1] != right.shape[-2]:
        raise refusal(f"In[0] mismatch In[1] shape. Received: {shown}")
    try:
        np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        raise refusal(f"In[0] and In[1] must have compatible batch dimensions: {shown}") from None
    return xp.mat_product(left, right)


def _batch_gradients(op: Any, dy: Tensor, product: Any) -> tuple[Tensor, Tensor]:
    x, y = op.inputs
    adj_x, adj_y = op.attrs["adj_x"], op.attrs["adj_y"]
    if not adj_x:
        if not adj_y:
            dx = product(dy, y, adj_x=False, adj_y=True)
            return dx, product(x, dy, adj_x=True, adj_y=False)
        dx = product(dy, y, adj_x=False, adj_y=False)
        return dx, product(dy, x, adj_x=True, adj_y=False)
    if not adj_y:
        dx = product(y, dy, adj_x=False, adj_y=True)
        return dx, product(x, dy, adj_x=False, adj_y=False)
    dx = product(y, dy, adj_x=True, adj_y=True)
    return dx, product(dy, x, adj_x=True, adj_y=True)


@declare("BatchMatMul(x: T, y: T) -> output: T", T=_PRODUCT, adj_x=flag(False), adj_y=flag(False))
class BatchMatMul:
    """Products of matrices in two batches of the same shape, either of which may be adjoint first."""

    def shape(x, y, adj_x, adj_y):
        return _batch_shape(x, y, adj_x, adj_y, broadcasts=False)

    def kernel(xp, x, y, adj_x, adj_y):
        if x.shape[:-2] != y.shape[:-2]:
            shown = f"{list(x.shape)} vs. {list(y.shape)}"
            raise refusal(f"In[0] and In[1] must have the same batch dimensions: {shown}")
        return _batch_product(xp, x, y, adj_x, adj_y)

    def grad(op, dy):
        return _batch_gradients(op, dy, raw.BatchMatMul)


_OF_BATCH_SHAPES: Final = 15  # what TensorFlow 1.15 adds to sum over broadcast batches, equal ones included


@declare("BatchMatMulV2(x: T, y: T) -> output: T", T=_PRODUCT, adj_x=flag(False), adj_y=flag(False))
class BatchMatMulV2:
    """Products of matrices in two batches whose leading axes broadcast."""

    def shape(x, y, adj_x, adj_y):
        return _batch_shape(x, y, adj_x, adj_y, broadcasts=True)

    def kernel(xp, x, y, adj_x, adj_y):
        return _batch_product(xp, x, y, adj_x, adj_y)

    def grad(op, dy):
        x, y = op.inputs
        dx, dy_ = _batch_gradients(op, dy, raw.BatchMatMulV2)
        if x.dims is not None and y.dims is not None:
            batch_x, batch_y = x.dims[:-2], y.dims[:-2]
            if batch_x == batch_y and shapes.fully_defined(batch_x):
                if x.dims != y.dims or not shapes.fully_defined(x.dims):
                    dy.graph.count(_OF_BATCH_SHAPES)
                return dx, dy_
        shape_x, shape_y = shape_tensor(x), shape_tensor(y)
        axes = raw.BroadcastGradientArgs(shape_x[:-2], shape_y[:-2])
        return (
            raw.Reshape(raw.Sum(dx, axes[0]), shape_x),
            raw.Reshape(raw.Sum(dy_, axes[1]), shape_y),
        )


@public("matmul", "linalg.matmul")
def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The matrix product of `a` and `b`.

    Args:
      a: `[..., n, k]`, floating, int32, int64 or complex; `[..., k, n]` when transposed or adjoint.
      b: `[..., k, m]`, same dtype; `[..., m, k]` when transposed or adjoint. Leading axes broadcast.
      transpose_a, transpose_b: swap the last two axes first.
      adjoint_a, adjoint_b: swap and conjugate first.
      a_is_sparse, b_is_sparse: hints that a float32 or bfloat16 matrix is mostly zero.
      name: op name; default "MatMul".

    Returns:
      `[..., n, m]`, the dtype of `a`.

    Raises:
      ValueError: the shapes do not fit, or both a transpose and an adjoint flag are set for one argument.
      TypeError: the dtypes differ or cannot be multiplied.

    Example:
      >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.matmul(x, x, transpose_b=True)))
      [[ 5. 11.]
       [11. 25.]]
    """
    with name_scope(name, "MatMul", [a, b]) as scope:
        for which, both in (("a", transpose_a and adjoint_a), ("b", transpose_b and adjoint_b)):
            if both:
                raise ValueError(
                    f"matmul '{scope[:-1]}': only one of transpose_{which} and adjoint_{which} can be True"
                )
        a = to_tensor(a, name="a")
        b = to_tensor(b, name="b")
        rank_a = None if a.dims is None else len(a.dims)
        rank_b = None if b.dims is None else len(b.dims)
        hinted = a_is_sparse or b_is_sparse
        if not hinted and not (rank_a in (0, 1, 2) and rank_b in (0, 1, 2)):
            if transpose_a:
                a = conj(a)
            if transpose_b:
                b = conj(b)
            product = raw.BatchMatMulV2
            return product(a, b, adj_x=transpose_a or adjoint_a, adj_y=transpose_b or adjoint_b, name=scope)
        if adjoint_a:
            a = conj(a)
        if adjoint_b:
            b = conj(b)
        turn_a, turn_b = transpose_a or adjoint_a, transpose_b or adjoint_b
        types = a.dtype.base_dtype, b.dtype.base_dtype
        mixed = bfloat16 in types and types[0] is not types[1]
        if (hinted and set(types) <= _SPARSE) or mixed:
            product = raw.SparseMatMul(
                a,
                b,
                transpose_a=turn_a,
                transpose_b=turn_b,
                a_is_sparse=a_is_sparse,
                b_is_sparse=b_is_sparse,
                name=scope,
            )
            return raw.Cast(product, DstT=bfloat16) if types == (bfloat16, bfloat16) else product
        return raw.MatMul(a, b, transpose_a=turn_a, transpose_b=turn_b, name=scope)


@public("sparse_matmul")
def sparse_matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The float32 product of two float32 or bfloat16 matrices that may be mostly zero.

    Args:
      a: `[n, k]`.
      b: `[k, m]`.
      transpose_a, transpose_b: swap the axes first.
      a_is_sparse, b_is_sparse: hints only.
      name: op name; default "SparseMatMul".

    Returns:
      `[n, m]`, float32.

    Raises:
      ValueError: the shapes do not fit.
    """
    return raw.SparseMatMul(
        a,
        b,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        a_is_sparse=a_is_sparse,
        b_is_sparse=b_is_sparse,
        name=name,
    )


@public("linalg.matvec")
def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """The product of the matrices `a` with the vectors `b`.

    Args:
      a: `[..., n, k]`; `[..., k, n]` when transposed or adjoint.
      b: `[..., k]`, same dtype.
      transpose_a, adjoint_a: as for `matmul`.
      a_is_sparse, b_is_sparse: as for `matmul`.
      name: op name; default "MatVec".

    Returns:
      `[..., n]`, the dtype of `a`.
    """
    with name_scope(name, "MatVec", [a, b]):
        column = raw.ExpandDims(b, -1)
        product = matmul(
            a,
            column,
            transpose_a=transpose_a,
            adjoint_a=adjoint_a,
            a_is_sparse=a_is_sparse,
            b_is_sparse=b_is_sparse,
        )
        return raw.Squeeze(product, squeeze_dims=[-1])
