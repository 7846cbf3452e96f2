"""Toeplitz matrices, multiplied by way of a circulant matrix of twice their size."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linear_operators.base import LinearOperator, checked_matrix
from millrace.lib.linear_operators.circulant import LinearOperatorCirculant
from millrace.lib.math.matrices import adjoint as adjoint_of
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.shape import shape


@public("linalg.LinearOperatorToeplitz")
class LinearOperatorToeplitz(LinearOperator):
    """Toeplitz matrices: equal numbers along each diagonal.

    Args:
      col: `[..., n]`, floating or complex: the first column.
      row: `[..., n]`, same dtype: the first row; its first element is not read.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    def __init__(
        self,
        col: Any,
        row: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorToeplitz",
    ) -> None:
        if is_square is False:
            raise ValueError("Only square Toeplitz operators currently supported. Received: is_square=False")
        with name_scope(name, values=[col, row]):
            self._col, self._row = checked_matrix(col, "col", 1), checked_matrix(row, "row", 1)
            self._circulant = self._embedding()
        super().__init__(
            self._row.dtype,
            [self._col, self._row],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )

    @property
    def col(self) -> Tensor:
        """The first columns."""
        return self._col

    @property
    def row(self) -> Tensor:
        """The first rows."""
        return self._row

    def _dims(self) -> shapes.Dims:
        dims = shapes.broadcast(self._col.dims, self._row.dims)
        return None if dims is None else (*dims, dims[-1])

    def _embedding(self) -> LinearOperatorCirculant:
        """The circulant matrix of twice the size whose upper left corner this matrix is."""
        corner = zeros_like(self._col[..., 0:1])
        after = raw.ReverseV2(self._row[..., 1:], [-1])
        column = concat([self._col, corner, after], -1)
        if not column.dtype.is_complex:
            is_wide = column.dtype.base_dtype is dtypes.float64
            column = raw.Cast(column, DstT=dtypes.complex128 if is_wide else dtypes.complex64)
        return LinearOperatorCirculant(raw.FFT(column), self._row.dtype.base_dtype)

    def _shape_tensor(self) -> Tensor:
        shapes_of_both = shape(self._row), shape(self._col)
        lengths = raw.BroadcastArgs(*shapes_of_both)
        return concat([lengths, [lengths[-1]]], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        longer = concat([x, zeros_like(x)], -2)
        product = self._circulant.matmul(longer, adjoint=adjoint)
        result = product[..., : self.domain_dimension_tensor(), :]
        order = self.domain_dimension.value
        if order is not None and result.dims is not None:
            result.set_shape([*result.dims[:-2], order, result.dims[-1]])
        return result

    def _diag_part(self) -> Tensor:
        first = self._col[..., 0:1]
        return first * ones([self.domain_dimension_tensor()], self.dtype)

    def _trace(self) -> Tensor:
        order = raw.Cast(self.domain_dimension_tensor(), DstT=self.dtype)
        return order * self._col[..., 0]
