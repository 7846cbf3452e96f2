"""Linear operators made of others: adjoints, inverses, products, blocks, updates."""

from __future__ import annotations

import functools
from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import adjoint as adjoint_of
from millrace.lib.linalg.operators.base import LinearOperator


def _all_parents(operators: Any) -> list[Any]:
    return [p for o in operators for p in o.graph_parents]


def _checked_operators(operators: Any, who: str) -> list[LinearOperator]:
    found = list(operators)
    if not found:
        raise ValueError(f"{who}: expected a list of at least one operator. Received: {operators!r}")
    for operator in found:
        if operator.dtype is not found[0].dtype:
            shown = [o.dtype.name for o in found]
            raise TypeError(f"{who}: all operators must have the same dtype. Received: {shown}")
    return found


def _common_batch(operators: list[LinearOperator]) -> shapes.Dims:
    parts = [o.batch_shape for o in operators]
    return functools.reduce(shapes.broadcast, (shapes.as_dims(p) for p in parts))


def _common_batch_tensor(operators: list[LinearOperator]) -> Tensor:
    return functools.reduce(raw.BroadcastArgs, (o.batch_shape_tensor() for o in operators))


@public("linalg.LinearOperatorAdjoint")
class LinearOperatorAdjoint(LinearOperator):
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
        self._operator = operator
        super().__init__(
            operator.dtype,
            operator.graph_parents,
            operator.is_non_singular if is_non_singular is None else is_non_singular,
            operator.is_self_adjoint if is_self_adjoint is None else is_self_adjoint,
            operator.is_positive_definite if is_positive_definite is None else is_positive_definite,
            operator.is_square if is_square is None else is_square,
            name or operator.name + "_adjoint",
        )

    @property
    def operator(self) -> LinearOperator:
        """The operator before transposing."""
        return self._operator

    def _dims(self) -> shapes.Dims:
        dims = self._operator._dims()
        return None if dims is None else (*dims[:-2], dims[-1], dims[-2])

    def _shape_tensor(self) -> Tensor:
        shape = self._operator.shape_tensor()
        return raw.ConcatV2([shape[:-2], shape[-1:], shape[-2:-1]], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.matmul(x, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._operator.solve(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _adjoint(self) -> LinearOperator:
        return self._operator

    def _to_dense(self) -> Tensor:
        return adjoint_of(self._operator.to_dense())

    def _determinant(self) -> Tensor:
        value = self._operator.determinant()
        return raw.Conj(value) if self.dtype.is_complex else value

    def _log_abs_determinant(self) -> Tensor:
        return self._operator.log_abs_determinant()


@public("linalg.LinearOperatorInversion")
class LinearOperatorInversion(LinearOperator):
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
        self._operator = operator
        super().__init__(
            operator.dtype,
            operator.graph_parents,
            True,
            operator.is_self_adjoint if is_self_adjoint is None else is_self_adjoint,
            operator.is_positive_definite if is_positive_definite is None else is_positive_definite,
            True,
            name or operator.name + "_inv",
        )

    @property
    def operator(self) -> LinearOperator:
        """The operator before inverting."""
        return self._operator

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
        return raw.Reciprocal(self._operator.determinant())

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
        self._operators = _checked_operators(operators, "LinearOperatorComposition")
        for left, right in zip(self._operators, self._operators[1:], strict=False):
            if not left.domain_dimension.is_compatible_with(right.range_dimension):
                raise ValueError(
                    f"Operators do not fit each other. Received: shapes {left.shape} and {right.shape}"
                )
        if is_non_singular is None and all(o.is_non_singular for o in self._operators):
            is_non_singular = True
        super().__init__(
            self._operators[0].dtype,
            _all_parents(self._operators),
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
        batch = _common_batch(self._operators)
        rows, columns = self._operators[0].range_dimension.value, self._operators[-1].domain_dimension.value
        return None if batch is None else (*batch, rows, columns)

    def _shape_tensor(self) -> Tensor:
        first, last = self._operators[0].shape_tensor(), self._operators[-1].shape_tensor()
        return raw.ConcatV2([_common_batch_tensor(self._operators), first[-2:-1], last[-1:]], 0)

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
        return functools.reduce(raw.Mul, (o.determinant() for o in self._operators))

    def _log_abs_determinant(self) -> Tensor:
        if not self._factors_are_square():
            return super()._log_abs_determinant()
        return functools.reduce(raw.Add, (o.log_abs_determinant() for o in self._operators))


@public("linalg.LinearOperatorBlockDiag")
class LinearOperatorBlockDiag(LinearOperator):
    """Operators as the blocks of a block-diagonal matrix.

    Args:
      operators: at least one, square, of one dtype.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      ValueError: no operators, or one is not square.
      TypeError: their dtypes differ.
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str | None = None,
    ) -> None:
        self._operators = _checked_operators(operators, "LinearOperatorBlockDiag")
        if is_square is False or any(o.is_square is False for o in self._operators):
            raise ValueError(
                f"Only square blocks are supported. Received: {[str(o.shape) for o in self._operators]}"
            )

        def promised(given: bool | None, name: str) -> bool | None:
            return True if given is None and all(getattr(o, name) for o in self._operators) else given

        super().__init__(
            self._operators[0].dtype,
            _all_parents(self._operators),
            promised(is_non_singular, "is_non_singular"),
            promised(is_self_adjoint, "is_self_adjoint"),
            promised(is_positive_definite, "is_positive_definite"),
            True,
            name or "_ds_".join(o.name for o in self._operators),
        )

    @property
    def operators(self) -> list[LinearOperator]:
        """The blocks."""
        return self._operators

    def _dims(self) -> shapes.Dims:
        batch = _common_batch(self._operators)
        orders = [o.domain_dimension.value for o in self._operators]
        order = None if None in orders else sum(orders)
        return None if batch is None else (*batch, order, order)

    def _orders(self) -> list[Any]:
        return [
            o.domain_dimension_tensor() if o.domain_dimension.value is None else o.domain_dimension.value
            for o in self._operators
        ]

    def _shape_tensor(self) -> Tensor:
        order = to_tensor(functools.reduce(lambda a, b: a + b, self._orders()))
        return raw.ConcatV2([_common_batch_tensor(self._operators), raw.Pack([order, order])], 0)

    def _blockwise(self, x: Tensor, function: Any) -> Tensor:
        """Rows of `x` block by block, put together again."""
        batch = raw.BroadcastArgs(_common_batch_tensor(self._operators), raw.Shape(x)[:-2])
        parts, start = [], 0
        for operator, order in zip(self._operators, self._orders(), strict=True):
            part = function(operator, x[..., start : start + order, :])
            parts.append(raw.BroadcastTo(part, raw.ConcatV2([batch, raw.Shape(part)[-2:]], 0)))
            start = start + order
        return raw.ConcatV2(parts, -2)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        return self._blockwise(x, lambda operator, part: operator.matmul(part, adjoint=adjoint))

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        return self._blockwise(rhs, lambda operator, part: operator.solve(part, adjoint=adjoint))

    def _inverse(self) -> LinearOperator:
        return LinearOperatorBlockDiag([o.inverse() for o in self._operators], is_non_singular=True)

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorBlockDiag([o.adjoint() for o in self._operators])

    def _cholesky(self) -> LinearOperator:
        return LinearOperatorBlockDiag([o.cholesky() for o in self._operators], is_non_singular=True)

    def _determinant(self) -> Tensor:
        return functools.reduce(raw.Mul, (o.determinant() for o in self._operators))

    def _log_abs_determinant(self) -> Tensor:
        return functools.reduce(raw.Add, (o.log_abs_determinant() for o in self._operators))

    def _trace(self) -> Tensor:
        return functools.reduce(raw.Add, (o.trace() for o in self._operators))


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
        self._operators = _checked_operators(operators, "LinearOperatorKronecker")

        def promised(given: bool | None, name: str) -> bool | None:
            return True if given is None and all(getattr(o, name) for o in self._operators) else given

        super().__init__(
            self._operators[0].dtype,
            _all_parents(self._operators),
            promised(is_non_singular, "is_non_singular"),
            promised(is_self_adjoint, "is_self_adjoint"),
            promised(is_positive_definite, "is_positive_definite"),
            promised(is_square, "is_square"),
            name or "_x_".join(o.name for o in self._operators),
        )

    @property
    def operators(self) -> list[LinearOperator]:
        """The factors."""
        return self._operators

    def _dims(self) -> shapes.Dims:
        batch = _common_batch(self._operators)
        sides = []
        for side in ("range_dimension", "domain_dimension"):
            lengths = [getattr(o, side).value for o in self._operators]
            sides.append(None if None in lengths else functools.reduce(lambda a, b: a * b, lengths))
        return None if batch is None else (*batch, *sides)

    def _shape_tensor(self) -> Tensor:
        last = functools.reduce(raw.Mul, (o.shape_tensor()[-2:] for o in self._operators))
        return raw.ConcatV2([_common_batch_tensor(self._operators), last], 0)

    def _factor_by_factor(self, x: Tensor, apply_one: Any, rows_before: str) -> Tensor:
        """Applies each factor along its own axis of the rows of `x`, seen as one axis for each factor."""
        shape = raw.Shape(x)
        width = shape[-1:]
        batch = shape[:-2]
        for operator in self._operators:
            rows = getattr(operator, rows_before)()
            # [..., rows * rest, width] -> rows first, everything else as columns -> rest * width stays behind
            folded = raw.Reshape(x, raw.ConcatV2([batch, raw.Pack([rows, -1])], 0))
            done = apply_one(operator, folded)
            batch = raw.Shape(done)[:-2]
            size = raw.Shape(done)[-2:]
            inner = raw.ConcatV2([batch, size[:1], [-1], width], 0)
            split = raw.Reshape(done, inner)
            rank = raw.Size(inner)
            front = raw.Range(0, rank - 3, 1)
            # the finished axis goes behind the ones still to come
            turned = raw.Transpose(split, raw.ConcatV2([front, raw.Pack([rank - 2, rank - 3, rank - 1])], 0))
            x = raw.Reshape(turned, raw.ConcatV2([batch, [-1], width], 0))
        return x

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        side = "range_dimension_tensor" if adjoint else "domain_dimension_tensor"
        result = self._factor_by_factor(x, lambda o, part: o.matmul(part, adjoint=adjoint), side)
        return self._with_static_shape(result, x, adjoint)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        side = "domain_dimension_tensor" if adjoint else "range_dimension_tensor"
        result = self._factor_by_factor(rhs, lambda o, part: o.solve(part, adjoint=adjoint), side)
        return self._with_static_shape(result, rhs, not adjoint)

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
            right = operator.to_dense()
            product = raw.Mul(
                raw.ExpandDims(raw.ExpandDims(result, -2), -1), raw.ExpandDims(raw.ExpandDims(right, -2), -4)
            )
            size = raw.Mul(raw.Shape(result)[-2:], raw.Shape(right)[-2:])
            # Mul gave [..., m1, 1, n1, 1] * [..., 1, m2, 1, n2]
            result = raw.Reshape(product, raw.ConcatV2([raw.Shape(product)[:-4], size], 0))
        result.set_shape(self.shape)
        return result

    def _powers(self) -> list[Any]:
        """How often the determinant of each factor counts: the order of the whole by its own."""
        total = self.domain_dimension_tensor()
        return [
            raw.Cast(raw.FloorDiv(total, o.domain_dimension_tensor()), DstT=self.dtype)
            for o in self._operators
        ]

    def _determinant(self) -> Tensor:
        parts = [raw.Pow(o.determinant(), p) for o, p in zip(self._operators, self._powers(), strict=True)]
        return functools.reduce(raw.Mul, parts)

    def _log_abs_determinant(self) -> Tensor:
        parts = [
            raw.Mul(o.log_abs_determinant(), p) for o, p in zip(self._operators, self._powers(), strict=True)
        ]
        return functools.reduce(raw.Add, parts)

    def _trace(self) -> Tensor:
        return functools.reduce(raw.Mul, (o.trace() for o in self._operators))

    def _inverse(self) -> LinearOperator:
        return LinearOperatorKronecker([o.inverse() for o in self._operators], is_non_singular=True)

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorKronecker([o.adjoint() for o in self._operators])

    def _cholesky(self) -> LinearOperator:
        return LinearOperatorKronecker([o.cholesky() for o in self._operators], is_non_singular=True)
