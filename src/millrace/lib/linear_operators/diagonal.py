"""Linear operators with few numbers: diagonal, triangular, reflections."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.operators import public_div
from millrace.core import shapes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import norm
from millrace.lib.linear_operators.base import LinearOperator, checked_matrix
from millrace.lib.linear_operators.broadcasting import (
    absolute,
    assert_no_zeros,
    assert_real,
    cast_to,
    modulus,
    real_part,
    solve_triangular,
)
from millrace.lib.math.checks import assert_positive
from millrace.lib.math.matrices import adjoint as adjoint_of
from millrace.opkit.rules.idioms import conj
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones, zeros
from millrace.ops.linalg.matmul import matmul


def last_twice(dims: shapes.Dims) -> shapes.Dims:
    """The shape of square matrices, of which `dims` gives the batch and the rows."""
    return None if dims is None else (*dims, dims[-1])


@public("linalg.LinearOperatorDiag")
class LinearOperatorDiag(LinearOperator):
    """Diagonal matrices.

    Args:
      diag: `[..., n]`, floating or complex.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      ValueError: a real diagonal is said not to be self-adjoint, or it is said not to be square.
    """

    def __init__(
        self,
        diag: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorDiag",
    ) -> None:
        self._diag = checked_matrix(diag, "diag", 1)
        if not self._diag.dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError(
                    "A real diagonal operator is always self adjoint. Received: is_self_adjoint=False"
                )
            is_self_adjoint = True
        if is_square is False:
            raise ValueError("Only square diagonal operators currently supported. Received: is_square=False")
        super().__init__(
            self._diag.dtype, [self._diag], is_non_singular, is_self_adjoint, is_positive_definite, True, name
        )

    @property
    def diag(self) -> Tensor:
        """The diagonals."""
        return self._diag

    def _dims(self) -> shapes.Dims:
        return last_twice(self._diag.dims)

    def _shape_tensor(self) -> Tensor:
        shape = raw.Shape(self._diag)
        return concat([shape, [shape[-1]]], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        diag = conj(self._diag) if adjoint else self._diag
        x = adjoint_of(x) if adjoint_arg else x
        return raw.Mul(raw.ExpandDims(diag, -1), x, name="mul")

    def _matvec(self, x: Tensor, adjoint: bool) -> Tensor:
        return raw.Mul(conj(self._diag) if adjoint else self._diag, x, name="mul")

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        diag = conj(self._diag) if adjoint else self._diag
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        inverse = public_div(self._one(), diag, "truediv")
        return raw.Mul(rhs, raw.ExpandDims(inverse, -1), name="mul")

    def _one(self) -> np.ndarray:
        return np.array(1.0, self.dtype.np_dtype)

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        total = raw.Add(self._diag, raw.MatrixDiagPart(x, name="diag_part"), name="add")
        return raw.MatrixSetDiag(x, total, name="set_diag")

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorDiag(
            conj(self._diag), self.is_non_singular, None, self.is_positive_definite, True
        )

    def _inverse(self) -> LinearOperator:
        diag = public_div(self._one(), self._diag, "truediv")
        return LinearOperatorDiag(
            diag, self.is_non_singular, self.is_self_adjoint, self.is_positive_definite, True
        )

    def _cholesky(self) -> LinearOperator:
        return LinearOperatorDiag(raw.Sqrt(self._diag), True, True, True, True)

    def _to_dense(self) -> Tensor:
        return raw.MatrixDiag(self._diag, name="diag")

    def _determinant(self) -> Tensor:
        return raw.Prod(self._diag, [-1])

    def _log_abs_determinant(self) -> Tensor:
        return cast_to(raw.Sum(raw.Log(absolute(self._diag)), [-1]), self.dtype)

    def _diag_part(self) -> Tensor:
        return self._diag

    def _assert_non_singular(self) -> Any:
        return assert_no_zeros(self._diag, "Singular operator: the diagonal contained zeros.")

    def _assert_self_adjoint(self) -> Any:
        return assert_real(self._diag, "Not self-adjoint: the diagonal was not real.")

    def _assert_positive_definite(self) -> Any:
        message = "Not positive definite: a diagonal entry had a real part that was not positive."
        return assert_positive(real_part(self._diag), message=message)


@public("linalg.LinearOperatorLowerTriangular")
class LinearOperatorLowerTriangular(LinearOperator):
    """Lower triangular matrices.

    Args:
      tril: `[..., n, n]`, floating or complex; what is above the diagonal is not read.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      ValueError: it is said not to be square.
    """

    def __init__(
        self,
        tril: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowerTriangular",
    ) -> None:
        if is_square is False:
            raise ValueError("Only square lower triangular operators supported. Received: is_square=False")
        self._tril = checked_matrix(tril, "tril", 2)
        super().__init__(
            self._tril.dtype, [self._tril], is_non_singular, is_self_adjoint, is_positive_definite, True, name
        )

    def _dims(self) -> shapes.Dims:
        return self._tril.dims

    def _shape_tensor(self) -> Tensor:
        return raw.Shape(self._tril)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return matmul(self._to_dense(), x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        return solve_triangular(self._to_dense(), rhs, adjoint)

    def _to_dense(self) -> Tensor:
        return raw.MatrixBandPart(self._tril, np.array(-1, np.int64), np.array(0, np.int64))

    def _diagonal(self) -> Tensor:
        return raw.MatrixDiagPart(self._tril, name="diag_part")

    def _determinant(self) -> Tensor:
        return raw.Prod(self._diagonal(), [-1])

    def _log_abs_determinant(self) -> Tensor:
        return raw.Sum(raw.Log(modulus(self._diagonal())), [-1])

    def _assert_non_singular(self) -> Any:
        return assert_no_zeros(self._diagonal(), "Singular operator: the diagonal contained zeros.")


@public("linalg.LinearOperatorHouseholder")
class LinearOperatorHouseholder(LinearOperator):
    """Reflections at the plane orthogonal to an axis.

    Args:
      reflection_axis: `[..., n]`, floating or complex: the axes, of any length but 0.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      ValueError: it is said not to be what every reflection is.
    """

    def __init__(
        self,
        reflection_axis: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorHouseholder",
    ) -> None:
        self._axis = checked_matrix(reflection_axis, "reflection_axis", 1)
        if is_square is False or is_non_singular is False or is_self_adjoint is False or is_positive_definite:
            raise ValueError(
                "A Householder operator is square, non-singular, self-adjoint and not positive definite"
            )
        super().__init__(self._axis.dtype, [self._axis], is_non_singular, True, False, True, name)

    @property
    def reflection_axis(self) -> Tensor:
        """The axes."""
        return self._axis

    def _dims(self) -> shapes.Dims:
        return last_twice(self._axis.dims)

    def _shape_tensor(self) -> Tensor:
        shape = raw.Shape(self._axis)
        return concat([shape, [shape[-1]]], 0)

    def _unit(self) -> Tensor:
        return raw.RealDiv(self._axis, norm(self._axis, axis=-1, keepdims=True), name="truediv")

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        column = self._unit()[..., None]
        along = matmul(column, x, adjoint_a=True)
        return x - 2.0 * column * along

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)

    def _inverse(self) -> LinearOperator:
        return self

    def _trace(self) -> Tensor:
        order = raw.Cast(self.domain_dimension_tensor() - 2, DstT=self.dtype)
        return order * ones(self.batch_shape_tensor(), self.dtype)

    def _diag_part(self) -> Tensor:
        unit = self._unit()
        return 1.0 - 2.0 * unit * conj(unit)

    def _to_dense(self) -> Tensor:
        column = self._unit()[..., None]
        matrix = -2.0 * matmul(column, column, adjoint_b=True)
        return raw.MatrixSetDiag(matrix, 1.0 + raw.MatrixDiagPart(matrix, name="diag_part"), name="set_diag")

    def _determinant(self) -> Tensor:
        return -ones(self.batch_shape_tensor(), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return zeros(self.batch_shape_tensor(), self.dtype)

    def _assert_non_singular(self) -> Any:
        return raw.NoOp(name="assert_non_singular")

    def _assert_self_adjoint(self) -> Any:
        return raw.NoOp(name="assert_self_adjoint")

    def _assert_positive_definite(self) -> Any:
        rule = "Householder operators are always non-positive definite."
        raise refusal(f"{rule} Received: {self.shape}")
