"""`tf.contrib.solvers.util`: linear operators as named tuples, and lengths of vectors."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.constant import constant
from millrace.ops.linalg.matmul import matmul

LinearOperator = namedtuple("LinearOperator", "shape dtype apply apply_adjoint")


@public("contrib.solvers.util.create_operator")
def create_operator(matrix: Any) -> Any:
    """A matrix as a linear operator: a named tuple of `shape`, `dtype`, `apply` and `apply_adjoint`.

    Args:
      matrix: `[m, n]`; `apply` multiplies it with `[n, k]`, `apply_adjoint` its adjoint with `[m, k]`.
    """
    matrix = convert.to_tensor(matrix)
    return LinearOperator(
        shape=matrix.shape.as_list(),
        dtype=matrix.dtype,
        apply=lambda v: matmul(matrix, v, adjoint_a=False),
        apply_adjoint=lambda v: matmul(matrix, v, adjoint_a=True),
    )


@public("contrib.solvers.util.identity_operator")
def identity_operator(matrix: Any) -> Any:
    """The operator that changes nothing, of the shape and dtype of a matrix or an operator."""
    shape = matrix.shape.as_list() if hasattr(matrix.shape, "as_list") else matrix.shape
    return LinearOperator(shape=shape, dtype=matrix.dtype, apply=lambda v: v, apply_adjoint=lambda v: v)


@public("contrib.solvers.util.dot")
def dot(x: Any, y: Any) -> Tensor:
    """The sum of the products of the elements, a scalar."""
    return reduce_sum(convert.to_tensor(x) * y)


@public("contrib.solvers.util.l2norm_squared")
def l2norm_squared(v: Any) -> Tensor:
    """The sum of squares, a scalar."""
    v = convert.to_tensor(v)
    return constant(2, dtype=v.dtype.base_dtype) * raw.L2Loss(v)


@public("contrib.solvers.util.l2norm")
def l2norm(v: Any) -> Tensor:
    """The Euclidean length, a scalar."""
    return raw.Sqrt(l2norm_squared(v))


@public("contrib.solvers.util.l2normalize")
def l2normalize(v: Any) -> tuple[Tensor, Tensor]:
    """A vector of length 1, and the length that it had; of a vector of length 0 NaN, as in TensorFlow."""
    v = convert.to_tensor(v)
    norm = l2norm(v)
    return v / norm, norm
