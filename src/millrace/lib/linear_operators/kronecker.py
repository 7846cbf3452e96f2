"""Kronecker products of linear operators."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.linear_operators.base import LinearOperator
from millrace.lib.linear_operators.broadcasting import product_of
from millrace.lib.linear_operators.composed import all_parents, checked_operators, common_batch, promises
from millrace.lib.math.matrices import adjoint as adjoint_of
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import ones_like, range_
from millrace.ops.array.reshape import matrix_transpose, transpose
from millrace.ops.array.shape import rank, shape


@public("linalg.LinearOperatorKronecker")
class LinearOperatorKronecker(LinearOperator):
    """The Kronecker product of operators.

    Args:
      operators: at least one, of one dtype.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      ValueError: no operators.
      TypeError: their dtypes differ.
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        self._operators = checked_operators(operators, "LinearOperatorKronecker")
        given = (is_non_singular, is_self_adjoint, is_positive_definite, is_square)
        super().__init__(
            self._operators[0].dtype,
            all_parents(self._operators),
            *promises(self._operators, given),
            name=name or "_x_".join(o.name for o in self._operators),
        )

    @property
    def operators(self) -> list[LinearOperator]:
        """The factors."""
        return self._operators

    def _dims(self) -> shapes.Dims:
        batch = common_batch(self._operators)
        sides = []
        for side in ("range_dimension", "domain_dimension"):
            lengths = [getattr(o, side).value for o in self._operators]
            sides.append(None if None in lengths else product_of(lengths))
        return None if batch is None else (*batch, *sides)

    def _shape_tensor(self) -> Tensor:
        columns = product_of(o.domain_dimension_tensor() for o in self._operators)
        rows = product_of(o.range_dimension_tensor() for o in self._operators)
        batch = functools.reduce(raw.BroadcastArgs, (o.batch_shape_tensor() for o in self._operators))
        return concat([batch, [rows, columns]], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        result = self._factor_by_factor(
            x,
            adjoint,
            lambda operator, part: operator.matmul(part, adjoint=adjoint),
            lambda operator, part: operator.matvec(part, adjoint=adjoint),
        )
        return self._with_static_shape(result, x, adjoint)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        result = self._factor_by_factor(
            rhs,
            adjoint,
            lambda operator, part: operator.solve(part, adjoint=adjoint),
            lambda operator, part: operator.solvevec(part, adjoint=adjoint),
        )
        return self._with_static_shape(result, rhs, not adjoint)

    def _factor_by_factor(
        self,
        x: Tensor,
        adjoint: bool,
        apply_matrix: Callable[[LinearOperator, Tensor], Tensor],
        apply_vector: Callable[[LinearOperator, Tensor], Tensor],
    ) -> Tensor:
        """Applies each factor to its own part of the rows of `x`, `[..., rows, k]`.

        The columns are turned to the front. Then the last axis holds what the factors still have to do: it is
        cut into the rows of the next factor and the rest, the factor is applied, and its result goes to the
        front of what is done.
        """
        leading = concat([ones_like(self.batch_shape_tensor()), [1, 1]], 0)
        x = x + zeros(leading, self.dtype)
        state = _last_first(x)[None, ...]
        for operator in self._operators[:-1]:
            rows = operator.range_dimension_tensor() if adjoint else operator.domain_dimension_tensor()
            cut = raw.Reshape(state, concat([shape(state)[:-1], [rows, -1]], 0))
            done = apply_matrix(operator, matrix_transpose(matrix_transpose(cut)))
            state = _last_first(_joined(_first_last(matrix_transpose(done))))
        state = apply_vector(self._operators[-1], state)
        return _first_last(_joined(_first_last(state)))

    def _with_static_shape(self, result: Tensor, x: Tensor, adjoint: bool) -> Tensor:
        dims = self._dims()
        if dims is not None and x.dims is not None:
            batch = shapes.broadcast(dims[:-2], x.dims[:-2])
            if batch is not None:
                result.set_shape([*batch, dims[-1] if adjoint else dims[-2], x.dims[-1]])
        return result

    def _to_dense(self) -> Tensor:
        result = self._operators[0].to_dense()
        for operator in self._operators[1:]:
            product = result[..., :, None, :, None] * operator.to_dense()[..., None, :, None, :]
            batch = shape(product)[:-4]
            rows = shape(product)[-4] * shape(product)[-3]
            columns = shape(product)[-2] * shape(product)[-1]
            result = raw.Reshape(product, concat([batch, [rows, columns]], 0))
        result.set_shape(self.shape)
        return result

    def _diag_part(self) -> Tensor:
        result = self._operators[0].diag_part()
        for operator in self._operators[1:]:
            product = result[..., :, None] * operator.diag_part()[..., None, :]
            result = raw.Reshape(product, concat([shape(product)[:-2], [-1]], 0))
        if self.range_dimension == self.domain_dimension:
            result.set_shape(self.shape[:-1])
        return result

    def _powers(self, total: Tensor, operator: LinearOperator) -> Tensor:
        """How often the determinant of a factor counts: the order of the whole by its own."""
        return raw.Cast(total / operator.domain_dimension_tensor(), DstT=self.dtype)

    def _determinant(self) -> Tensor:
        total, result = self.domain_dimension_tensor(), 1.0
        for operator in self._operators:
            result = result * operator.determinant() ** self._powers(total, operator)
        return result  # type: ignore[return-value]

    def _log_abs_determinant(self) -> Tensor:
        total, result = self.domain_dimension_tensor(), 0.0
        for operator in self._operators:
            result = result + operator.log_abs_determinant() * self._powers(total, operator)
        return result  # type: ignore[return-value]

    def _trace(self) -> Tensor:
        return product_of(itertools.chain([1.0], (o.trace() for o in self._operators)))

    def _inverse(self) -> LinearOperator:
        return self._of_factors([o.inverse() for o in self._operators])

    def _adjoint(self) -> LinearOperator:
        return self._of_factors([o.adjoint() for o in self._operators])

    def _of_factors(self, factors: list[LinearOperator]) -> LinearOperator:
        return LinearOperatorKronecker(
            factors, self.is_non_singular, self.is_self_adjoint, self.is_positive_definite, True
        )

    def _cholesky(self) -> LinearOperator:
        factors = [o.cholesky() for o in self._operators]
        return LinearOperatorKronecker(factors, True, False, is_square=True)

    def _each(self, what: str, purpose: str) -> Any:
        if not all(o.is_square for o in self._operators):
            shown = [str(o.shape) for o in self._operators]
            raise refusal(f"Only square Kronecker factors make a product {purpose}. Received: {shown}")
        return group(*(getattr(o, what)() for o in self._operators))

    def _assert_non_singular(self) -> Any:
        return self._each("assert_non_singular", "that can be inverted")

    def _assert_self_adjoint(self) -> Any:
        return self._each("assert_self_adjoint", "that is self-adjoint")


def _last_first(x: Tensor) -> Tensor:
    """`x` with its last axis before the others."""
    count = rank(x)
    return transpose(x, concat([[count - 1], range_(0, count - 1)], 0))


def _first_last(x: Tensor) -> Tensor:
    """`x` with its first axis behind the others."""
    return transpose(x, concat([range_(1, rank(x)), [0]], 0))


def _joined(x: Tensor) -> Tensor:
    """The last two axes of `x` as one, the second of them first."""
    turned = matrix_transpose(x)
    return raw.Reshape(turned, concat([shape(x)[:-2], [-1]], 0))
