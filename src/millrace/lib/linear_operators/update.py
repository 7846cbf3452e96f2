"""Linear operators changed by a few columns."""

from __future__ import annotations

import functools
from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linear_operators.base import LinearOperator, checked_matrix, twice_log_sum
from millrace.lib.linear_operators.broadcasting import modulus, solve_cholesky, solve_matrix
from millrace.lib.linear_operators.diagonal import LinearOperatorDiag
from millrace.lib.linear_operators.identity import LinearOperatorIdentity
from millrace.ops.array.concat import concat
from millrace.ops.array.shape import shape
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
        if diag_update is None and is_diag_update_positive is False:
            raise ValueError(
                "The default of diag_update, ones, is positive. Received: is_diag_update_positive=False"
            )
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
        self._check_shapes()
        with name_scope(name):
            self._diag_operator = self._diagonal(is_diag_update_positive)

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

    def _check_shapes(self) -> None:
        pairs = [("u", self._u, self._base.range_dimension), ("v", self._v, self._base.domain_dimension)]
        for name, columns, side in pairs:
            if columns.dims is not None and not side.is_compatible_with(columns.dims[-2]):
                raise ValueError(
                    f"Argument {name} must have {side.value} rows. Received: shape {columns.shape}"
                )
        widths = [t.dims[-1] for t in (self._u, self._v, self._diag) if t is not None and t.dims is not None]
        if len({w for w in widths if w is not None}) > 1:
            raise ValueError(f"u, v and diag_update must agree in their last dimension. Received: {widths}")

    def _diagonal(self, is_positive: bool | None) -> LinearOperator:
        """D as an operator."""
        if self._diag is not None:
            return LinearOperatorDiag(self._diag, is_positive_definite=is_positive)
        dims = self._u.dims
        rank: Any = None if dims is None else dims[-1]
        return LinearOperatorIdentity(shape(self._u)[-1] if rank is None else rank, dtype=self.dtype)

    def _shape_tensor(self) -> Tensor:
        batch = self._base.batch_shape_tensor()
        batch = raw.BroadcastArgs(batch, shape(self._u)[:-2])
        if self._v is not self._u:
            batch = raw.BroadcastArgs(batch, shape(self._v)[:-2])
        return concat([batch, self._base.shape_tensor()[-2:]], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        outer, inner = (self._v, self._u) if adjoint else (self._u, self._v)
        base = self._base.matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)
        coefficients = matmul(inner, x, adjoint_a=True, adjoint_b=adjoint_arg)
        return base + matmul(outer, self._diag_operator.matmul(coefficients, adjoint=adjoint))

    def _capacitance(self) -> Tensor:
        """D^-1 + V^H L^-1 U, the small matrix of the Woodbury formula."""
        small = matmul(self._v, self._base.solve(self._u), adjoint_a=True)
        return self._diag_operator.inverse().add_to_tensor(small)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        outer, inner = (self._v, self._u) if adjoint else (self._u, self._v)
        first = self._base.solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        right = matmul(inner, first, adjoint_a=True)
        small = self._capacitance()
        if self._small_is_positive():
            middle = solve_cholesky(raw.Cholesky(small), right)
        else:
            middle = solve_matrix(small, right, adjoint)
        return first - self._base.solve(matmul(outer, middle), adjoint=adjoint)

    def _small_is_positive(self) -> bool:
        return bool(
            self._base.is_positive_definite
            and self._is_diag_positive
            and self._v is self._u
            and self._base.is_self_adjoint
        )

    def _determinant(self) -> Tensor:
        if self.is_positive_definite:
            return raw.Exp(self.log_abs_determinant())
        small = raw.MatrixDeterminant(self._capacitance())
        of_diagonal, of_base = self._diag_operator.determinant(), self._base.determinant()
        return small * of_diagonal * of_base

    def _log_abs_determinant(self) -> Tensor:
        of_diagonal = self._diag_operator.log_abs_determinant()
        of_base = self._base.log_abs_determinant()
        small = self._capacitance()
        if self._small_is_positive():
            of_small = twice_log_sum(raw.Cholesky(small))
        else:
            of_small = raw.Log(modulus(raw.MatrixDeterminant(small)))
        return of_small + of_diagonal + of_base
