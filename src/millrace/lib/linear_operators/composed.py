"""Linear operators made of others: adjoints, inverses, products."""

from __future__ import annotations

import functools
from typing import Any

from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linear_operators.base import LinearOperator
from millrace.lib.linear_operators.broadcasting import product_of, sum_of, zeros_of_batches
from millrace.lib.math.matrices import adjoint as adjoint_of
from millrace.opkit.rules.idioms import conj
from millrace.ops.array.concat import concat, stack


def all_parents(operators: Any) -> list[Any]:
    """The tensors that operators are made of, one after the other."""
    return [p for o in operators for p in o.graph_parents]


def checked_operators(operators: Any, who: str) -> list[LinearOperator]:
    """Operators as a list.

    Raises:
      ValueError: there are none.
      TypeError: their dtypes differ.
    """
    found = list(operators)
    if not found:
        raise ValueError(f"{who}: expected a list of at least one operator. Received: {operators!r}")
    for operator in found:
        if operator.dtype is not found[0].dtype:
            shown = [o.dtype.name for o in found]
            raise TypeError(f"{who}: all operators must have the same dtype. Received: {shown}")
    return found


def common_batch(operators: list[LinearOperator]) -> shapes.Dims:
    """The static batch shapes of operators, broadcast to each other."""
    parts = [o.batch_shape for o in operators]
    return functools.reduce(shapes.broadcast, (shapes.as_dims(p) for p in parts))


_PROMISES = ("is_non_singular", "is_self_adjoint", "is_positive_definite", "is_square")


def promises(operators: list[LinearOperator], given: tuple[bool | None, ...]) -> list[bool | None]:
    """Promises of what is made of operators: non-singular, self-adjoint, positive definite, square.

    What is not given is promised where all operators promise it.
    """
    return [
        True if value is None and all(getattr(o, name) for o in operators) else value
        for name, value in zip(_PROMISES, given, strict=True)
    ]


class _OfAnother(LinearOperator):
    """What is made of one other operator, whose promises hold where none are given.

    Args:
      operator: the other.
      given: promises or None: non-singular, self-adjoint, positive definite, square.
      name: of the new one.
    """

    def __init__(self, operator: LinearOperator, given: tuple[bool | None, ...], name: str) -> None:
        self._operator = operator
        promised = [
            getattr(operator, promise) if value is None else value
            for promise, value in zip(_PROMISES, given, strict=True)
        ]
        super().__init__(operator.dtype, operator.graph_parents, *promised, name=name)

    @property
    def operator(self) -> LinearOperator:
        """The operator that this one is made of."""
        return self._operator

    def _assert_non_singular(self) -> Any:
        return self._operator.assert_non_singular()


@public("linalg.LinearOperatorAdjoint")
class LinearOperatorAdjoint(_OfAnother):
    """The conjugate transpose of an operator; promises default to its own.

    Args:
      operator: the operator.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    def __init__(
        self,
        operator: LinearOperator,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        given = (is_non_singular, is_self_adjoint, is_positive_definite, is_square)
        super().__init__(operator, given, name or operator.name + "_adjoint")

    def _dims(self) -> shapes.Dims:
        dims = self._operator._dims()
        return None if dims is None else (*dims[:-2], dims[-1], dims[-2])

    def _shape_tensor(self) -> Tensor:
        shape = self._operator.shape_tensor()
        return concat([shape[:-2], [shape[-1], shape[-2]]], -1)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.matmul(x, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.solve(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _adjoint(self) -> LinearOperator:
        return self._operator

    def _to_dense(self) -> Tensor:
        return adjoint_of(self._operator.to_dense())

    def _determinant(self) -> Tensor:
        return conj(self._operator.determinant())

    def _log_abs_determinant(self) -> Tensor:
        return self._operator.log_abs_determinant()

    def _trace(self) -> Tensor:
        return conj(self._operator.trace())

    def _assert_self_adjoint(self) -> Any:
        return self._operator.assert_self_adjoint()

    def _assert_positive_definite(self) -> Any:
        return self._operator.assert_positive_definite()


@public("linalg.LinearOperatorInversion")
class LinearOperatorInversion(_OfAnother):
    """The inverse of an operator; promises default to its own.

    Args:
      operator: the operator.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      ValueError: the operator is not promised to be non-singular, or the inverse is said to be singular.
    """

    def __init__(
        self,
        operator: LinearOperator,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        if operator.is_square is False or operator.is_non_singular is False or is_non_singular is False:
            raise ValueError(f"Only square, non-singular operators have an inverse. Received: {operator!r}")
        given = (is_non_singular, is_self_adjoint, is_positive_definite, True)
        super().__init__(operator, given, name or operator.name + "_inv")

    def _dims(self) -> shapes.Dims:
        return self._operator._dims()

    def _shape_tensor(self) -> Tensor:
        return self._operator.shape_tensor()

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.solve(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.matmul(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _inverse(self) -> LinearOperator:
        return self._operator

    def _determinant(self) -> Tensor:
        return 1.0 / self._operator.determinant()

    def _log_abs_determinant(self) -> Tensor:
        return -1.0 * self._operator.log_abs_determinant()


@public("linalg.LinearOperatorComposition")
class LinearOperatorComposition(LinearOperator):
    """The product of operators, the last applied first.

    Args:
      operators: at least one, of one dtype; columns of each are rows of the next.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      ValueError: no operators, or their shapes do not fit.
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
        self._operators = checked_operators(operators, "LinearOperatorComposition")
        for left, right in zip(self._operators, self._operators[1:], strict=False):
            if not left.domain_dimension.is_compatible_with(right.range_dimension):
                raise ValueError(
                    f"Operators do not fit each other. Received: shapes {left.shape} and {right.shape}"
                )
        if is_non_singular is None and all(o.is_non_singular for o in self._operators):
            is_non_singular = True
        super().__init__(
            self._operators[0].dtype,
            all_parents(self._operators),
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            is_square,
            name or "_o_".join(o.name for o in self._operators),
        )

    @property
    def operators(self) -> list[LinearOperator]:
        """The factors."""
        return self._operators

    def _dims(self) -> shapes.Dims:
        batch = common_batch(self._operators)
        rows, columns = self._operators[0].range_dimension.value, self._operators[-1].domain_dimension.value
        return None if batch is None else (*batch, rows, columns)

    def _shape_tensor(self) -> Tensor:
        rows = self._operators[0].range_dimension_tensor()
        columns = self._operators[-1].domain_dimension_tensor()
        last = stack([rows, columns])
        return concat([zeros_of_batches(self._operators), last], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        order = self._operators if adjoint else self._operators[::-1]
        result = order[0].matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)
        for operator in order[1:]:
            result = operator.matmul(result, adjoint=adjoint)
        return result

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        order = self._operators[::-1] if adjoint else self._operators
        result = order[0].solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        for operator in order[1:]:
            result = operator.solve(result, adjoint=adjoint)
        return result

    def _factors_are_square(self) -> bool:
        return all(o.is_square for o in self._operators)

    def _determinant(self) -> Tensor:
        if not self._factors_are_square():
            return super()._determinant()
        return product_of(o.determinant() for o in self._operators)

    def _log_abs_determinant(self) -> Tensor:
        if not self._factors_are_square():
            return super()._log_abs_determinant()
        return sum_of(o.log_abs_determinant() for o in self._operators)
