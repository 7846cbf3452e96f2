"""Linear operators changed by a few columns."""

from __future__ import annotations

import functools
from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import cholesky_solve
from millrace.lib.linalg.operators.base import (
    LinearOperator,
    checked_matrix,
    modulus,
    solve_dense,
    with_batch,
)
from millrace.lib.linalg.operators.diagonal import LinearOperatorDiag, LinearOperatorIdentity
from millrace.ops.linalg.matmul import matmul


@public("linalg.LinearOperatorLowRankUpdate")
class LinearOperatorLowRankUpdate(LinearOperator):
    """L + U D V^H for an operator L and few columns U, V.

    Args:
      base_operator: L.
      u: `[..., rows, k]`.
      diag_update: `[..., k]`, the diagonal of D; default ones.
      v: `[..., columns, k]`; default `u`.
      is_diag_update_positive: whether D is promised to be positive.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    def __init__(
        self,
        base_operator: LinearOperator,
        u: Any,
        diag_update: Any = None,
        v: Any = None,
        is_diag_update_positive: bool | None = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowRankUpdate",
    ) -> None:
        self._base = base_operator
        self._u = checked_matrix(u, "u", 2)
        self._v = self._u if v is None else checked_matrix(v, "v", 2)
        self._diag = None if diag_update is None else checked_matrix(diag_update, "diag_update", 1)
        positive = True if diag_update is None else is_diag_update_positive
        symmetric = v is None and base_operator.is_self_adjoint
        if symmetric and is_self_adjoint is None and (self._diag is None or not self._diag.dtype.is_complex):
            is_self_adjoint = True
        if is_self_adjoint and v is None and base_operator.is_positive_definite and positive:
            is_positive_definite = True if is_positive_definite is None else is_positive_definite
        self._is_diag_positive = positive
        super().__init__(
            base_operator.dtype,
            [*base_operator.graph_parents, self._u, self._v, *([] if self._diag is None else [self._diag])],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            is_square,
            name,
        )
        rank = raw.Shape(self._u)[-1]
        self._diag_operator: LinearOperator = (
            LinearOperatorIdentity(rank, dtype=self.dtype)
            if self._diag is None
            else LinearOperatorDiag(self._diag, is_positive_definite=is_diag_update_positive)
        )

    @property
    def base_operator(self) -> LinearOperator:
        """L."""
        return self._base

    @property
    def u(self) -> Tensor:
        """U."""
        return self._u

    @property
    def v(self) -> Tensor:
        """V."""
        return self._v

    @property
    def diag_update(self) -> Tensor | None:
        """The diagonal of D, or None for ones."""
        return self._diag

    @property
    def diag_operator(self) -> LinearOperator:
        """D."""
        return self._diag_operator

    @property
    def is_diag_update_positive(self) -> bool | None:
        """Whether D is promised to be positive."""
        return self._is_diag_positive

    def _dims(self) -> shapes.Dims:
        dims = self._base._dims()
        if dims is None or self._u.dims is None or self._v.dims is None:
            return None
        batch = functools.reduce(shapes.broadcast, (dims[:-2], self._u.dims[:-2], self._v.dims[:-2]))
        return None if batch is None else (*batch, *dims[-2:])

    def _shape_tensor(self) -> Tensor:
        shape = self._base.shape_tensor()
        batch = raw.BroadcastArgs(shape[:-2], raw.Shape(self._u)[:-2])
        return raw.ConcatV2([raw.BroadcastArgs(batch, raw.Shape(self._v)[:-2]), shape[-2:]], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        outer, inner = (self._v, self._u) if adjoint else (self._u, self._v)
        base = self._base.matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)
        coefficients = matmul(inner, x, adjoint_a=True, adjoint_b=adjoint_arg)
        return raw.Add(base, matmul(outer, self._diag_operator.matmul(coefficients, adjoint=adjoint)))

    def _capacitance(self, adjoint: bool = False) -> Tensor:
        """D^-1 + V^H L^-1 U, the small matrix of the Woodbury formula."""
        outer, inner = (self._v, self._u) if adjoint else (self._u, self._v)
        small = matmul(inner, self._base.solve(outer, adjoint=adjoint), adjoint_a=True)
        inverse = self._diag_operator.inverse()
        return (inverse.adjoint() if adjoint else inverse).add_to_tensor(small)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        outer, inner = (self._v, self._u) if adjoint else (self._u, self._v)
        first = self._base.solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        right = matmul(inner, first, adjoint_a=True)
        small = self._capacitance(adjoint)
        if self._small_is_positive():
            factor, right = with_batch(raw.Cholesky(small), right)
            middle = cholesky_solve(factor, right)
        else:
            middle = solve_dense(small, right)
        return raw.Sub(first, self._base.solve(matmul(outer, middle), adjoint=adjoint))

    def _small_is_positive(self) -> bool:
        return bool(
            self._base.is_positive_definite
            and self._is_diag_positive
            and self._v is self._u
            and self._base.is_self_adjoint
        )

    def _determinant(self) -> Tensor:
        small = raw.MatrixDeterminant(self._capacitance())
        return raw.Mul(raw.Mul(small, self._diag_operator.determinant()), self._base.determinant())

    def _log_abs_determinant(self) -> Tensor:
        small = modulus(raw.MatrixDeterminant(self._capacitance()))
        parts = raw.Add(raw.Log(small), self._diag_operator.log_abs_determinant())
        return raw.Add(parts, self._base.log_abs_determinant())
