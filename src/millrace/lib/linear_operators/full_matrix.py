"""The linear operator whose matrix is written out."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linear_operators.base import LinearOperator, checked_matrix
from millrace.ops.linalg.matmul import matmul


@public("linalg.LinearOperatorFullMatrix")
class LinearOperatorFullMatrix(LinearOperator):
    """Matrices written out.

    Args:
      matrix: `[..., rows, columns]`, float16, float32, float64 or complex.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      TypeError: another dtype.
      ValueError: the rank is below 2.
    """

    def __init__(
        self,
        matrix: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorFullMatrix",
    ) -> None:
        self._matrix = checked_matrix(matrix, "matrix", 2)
        super().__init__(
            self._matrix.dtype,
            [self._matrix],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            is_square,
            name,
        )

    def _dims(self) -> shapes.Dims:
        return self._matrix.dims

    def _shape_tensor(self) -> Tensor:
        return raw.Shape(self._matrix)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return matmul(self._matrix, x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _to_dense(self) -> Tensor:
        return self._matrix
