"""Products and quotients of linear operators, in their simplest form."""

from __future__ import annotations

from typing import Any

from millrace.building.operators import public_div
from millrace.building.scopes import name_scope
from millrace.graph.tensor import Tensor
from millrace.lib.linear_operators.base import LinearOperator
from millrace.lib.linear_operators.circulant import LinearOperatorCirculant
from millrace.lib.linear_operators.composed import LinearOperatorComposition, LinearOperatorInversion
from millrace.lib.linear_operators.diagonal import LinearOperatorDiag, LinearOperatorLowerTriangular
from millrace.lib.linear_operators.identity import (
    LinearOperatorIdentity,
    LinearOperatorScaledIdentity,
    LinearOperatorZeros,
)


def product(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    """left right: an operator of a simple kind where there is one, else their composition."""
    with name_scope("Matmul"):
        if isinstance(left, LinearOperatorIdentity):
            return right
        if isinstance(right, LinearOperatorIdentity):
            return left
        zeros = _zeros(left, right)
        if zeros is not None:
            return zeros
        return _combined(left, right, divide=False) or LinearOperatorComposition([left, right])


def quotient(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    """left^-1 right, as `product` gives products."""
    with name_scope("Solve"):
        if isinstance(left, LinearOperatorIdentity):
            return right
        combined = _combined(left, right, divide=True)
        if combined is not None:
            return combined
        if isinstance(left, LinearOperatorInversion):
            return left.operator.matmul(right)
        factors = [LinearOperatorInversion(left), right]
        return LinearOperatorComposition(factors, _both(left.is_non_singular, right.is_non_singular))


def _zeros(left: LinearOperator, right: LinearOperator) -> LinearOperator | None:
    """The product where one of them is zero and the other square."""
    if isinstance(left, LinearOperatorZeros) and right.is_square:
        return left
    if isinstance(right, LinearOperatorZeros) and left.is_square:
        return right
    return None


def _combined(left: LinearOperator, right: LinearOperator, divide: bool) -> LinearOperator | None:
    """left right, or left^-1 right, where both are given by numbers that one operation combines."""
    if isinstance(left, LinearOperatorCirculant) and isinstance(right, LinearOperatorCirculant):
        spectrum = _of(left.spectrum, right.spectrum, divide)
        non_singular, self_adjoint, positive = _promises(left, right)
        return LinearOperatorCirculant(spectrum, left.dtype, non_singular, self_adjoint, positive)
    kinds = {type(left), type(right)}
    if LinearOperatorDiag in kinds and kinds <= {LinearOperatorDiag, LinearOperatorScaledIdentity}:
        non_singular, self_adjoint, positive = _promises(left, right)
        numbers = _of(_numbers(left), _numbers(right), divide)
        return LinearOperatorDiag(numbers, non_singular, self_adjoint, positive, True)
    return _triangular(left, right, divide)


def _triangular(left: LinearOperator, right: LinearOperator, divide: bool) -> LinearOperator | None:
    """The product of a diagonal and a triangular matrix; the diagonal one alone can be divided by."""
    if isinstance(left, LinearOperatorDiag) and isinstance(right, LinearOperatorLowerTriangular):
        if divide:
            dense = right.to_dense()
            numbers = dense / left.diag[..., None]
        else:
            numbers = left.diag[..., None] * right.to_dense()
    elif (
        isinstance(left, LinearOperatorLowerTriangular)
        and isinstance(right, LinearOperatorDiag)
        and not divide
    ):
        numbers = left.to_dense() * right.diag
    else:
        return None
    return LinearOperatorLowerTriangular(numbers, _promises(left, right)[0])


def _numbers(operator: Any) -> Tensor:
    if isinstance(operator, LinearOperatorDiag):
        return operator.diag
    multiplier = operator.multiplier
    return multiplier if multiplier.dims == () else multiplier[..., None]


def _of(left: Tensor, right: Tensor, divide: bool) -> Tensor:
    return public_div(right, left, "truediv") if divide else left * right


def _promises(left: LinearOperator, right: LinearOperator) -> tuple[bool | None, bool | None, bool | None]:
    """What a product of operators that commute is promised to be: non-singular, self-adjoint, positive."""
    self_adjoint = _both(left.is_self_adjoint, right.is_self_adjoint)
    positive = _both(left.is_positive_definite, right.is_positive_definite) if self_adjoint else None
    return _both(left.is_non_singular, right.is_non_singular), self_adjoint, positive


def _both(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return True if left and right else None
