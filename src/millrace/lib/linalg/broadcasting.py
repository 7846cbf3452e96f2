"""Operations of linear algebra whose batch dimensions broadcast, which those of TensorFlow 1 do not do."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.array.shape import broadcast_dynamic_shape, shape
from millrace.ops.linalg.matmul import matmul


@public("python.ops.linalg.linear_operator_util.broadcast_matrix_batch_dims")
def broadcast_matrix_batch_dims(batch_matrices: Any, name: str | None = None) -> list[Tensor]:
    """Matrices `[..., m, n]` whose batch dimensions have been broadcast against one another.

    Args:
      batch_matrices: a list of tensors of rank 2 or more.
      name: a scope.

    Raises:
      ValueError: no list, or a matrix of a lower rank.
    """
    with name_scope(name, "broadcast_matrix_batch_dims", list(batch_matrices)):
        matrices = [convert_to_tensor(m) for m in batch_matrices]
        for matrix in matrices:
            if matrix.dims is not None and len(matrix.dims) < 2:
                raise ValueError(f"Input should have at least two dims. Received: {matrix.get_shape()}")
        batches = [None if m.dims is None else m.dims[:-2] for m in matrices]
        if len(set(batches)) <= 1 and None not in batches:
            return matrices
        whole: Any = ()
        for batch in batches:
            whole = shapes.broadcast(whole, batch)
        if shapes.fully_defined(whole):
            target: Any = list(whole)
        else:
            target = shape(matrices[0])[:-2]
            for matrix in matrices[1:]:
                target = broadcast_dynamic_shape(target, shape(matrix)[:-2])
        return [_of_batch(m, target, whole) for m in matrices]


def _of_batch(matrix: Tensor, batch: Any, known: shapes.Dims) -> Tensor:
    found = raw.BroadcastTo(matrix, raw.ConcatV2([convert_to_tensor(batch), shape(matrix)[-2:]], 0))
    if known is not None and matrix.dims is not None:
        found.set_shape([*known, *matrix.dims[-2:]])
    return found


@public("python.ops.linalg.linear_operator_util.matmul_with_broadcast")
def matmul_with_broadcast(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    name: str | None = None,
) -> Tensor:
    """`tf.matmul` of matrices whose batch dimensions broadcast.

    Args:
      a: `[..., m, k]`.
      b: `[..., k, n]`.
      transpose_a, transpose_b: swap the last two dimensions first.
      adjoint_a, adjoint_b: swap and conjugate them.
      name: a scope.
    """
    with name_scope(name, "MatMulWithBroadcast", [a, b]):
        a, b = broadcast_matrix_batch_dims([a, b])
        return matmul(a, b, transpose_a, transpose_b, adjoint_a, adjoint_b)


@public("python.ops.linalg.linear_operator_util.matrix_solve_with_broadcast")
def matrix_solve_with_broadcast(
    matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """`tf.matrix_solve` whose batch dimensions broadcast.

    Args:
      matrix: `[..., m, m]`.
      rhs: `[..., m, n]`.
      adjoint: solve with the adjoint.
      name: a scope.
    """
    with name_scope(name, "MatrixSolveWithBroadcast", [matrix, rhs]):
        matrix, rhs = broadcast_matrix_batch_dims([matrix, rhs])
        return raw.MatrixSolve(matrix, rhs, adjoint=adjoint)


@public("python.ops.linalg.linear_operator_util.matrix_triangular_solve_with_broadcast")
def matrix_triangular_solve_with_broadcast(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """`tf.matrix_triangular_solve` whose batch dimensions broadcast.

    Args:
      matrix: `[..., m, m]`.
      rhs: `[..., m, n]`.
      lower: use the lower triangle of the matrix, else the upper one.
      adjoint: solve with the adjoint.
      name: a scope.
    """
    with name_scope(name, "MatrixTriangularSolve", [matrix, rhs]):
        matrix, rhs = broadcast_matrix_batch_dims([matrix, rhs])
        return raw.MatrixTriangularSolve(matrix, rhs, lower=lower, adjoint=adjoint)
