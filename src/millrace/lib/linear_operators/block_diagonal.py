"""Linear operators as the blocks of a block-diagonal matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.convert import to_tensor
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.linear_operators.base import LinearOperator
from millrace.lib.linear_operators.broadcasting import (
    product_of,
    sum_of,
    with_one_batch,
    zeros_of_batches,
)
from millrace.lib.linear_operators.composed import all_parents, checked_operators, common_batch, promises
from millrace.ops.array.concat import concat, split, stack
from millrace.ops.array.constant import zeros
from millrace.ops.array.reshape import squeeze
from millrace.ops.array.shape import shape


@public("linalg.LinearOperatorBlockDiag")
class LinearOperatorBlockDiag(LinearOperator):
    """Operators as the blocks of a block-diagonal matrix.

    Args:
      operators: at least one, square, of one dtype.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.

    Raises:
      ValueError: no operators, or one is not known to be square.
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
        self._operators = checked_operators(operators, "LinearOperatorBlockDiag")
        given = (is_non_singular, is_self_adjoint, is_positive_definite, is_square)
        *promised, square = promises(self._operators, given)
        if not square or not all(o.is_square for o in self._operators):
            shown = [str(o.shape) for o in self._operators]
            raise ValueError(f"Only blocks known to be square are supported. Received: {shown}")
        super().__init__(
            self._operators[0].dtype,
            all_parents(self._operators),
            *promised,
            is_square=True,
            name=name or "_ds_".join(o.name for o in self._operators),
        )

    @property
    def operators(self) -> list[LinearOperator]:
        """The blocks."""
        return self._operators

    def _dims(self) -> shapes.Dims:
        batch = common_batch(self._operators)
        orders = [o.domain_dimension.value for o in self._operators]
        order = None if None in orders else sum(orders)
        return None if batch is None else (*batch, order, order)

    def _shape_tensor(self) -> Tensor:
        columns = self._operators[0].domain_dimension_tensor()
        rows = self._operators[0].range_dimension_tensor()
        for operator in self._operators[1:]:
            columns = columns + operator.domain_dimension_tensor()
            rows = rows + operator.range_dimension_tensor()
        last = stack([columns, rows])
        return concat([zeros_of_batches(self._operators), last], 0)

    def _orders(self) -> Any:
        """The number of rows of each block: a constant where the shape is known."""
        if shapes.fully_defined(self._dims()):
            return to_tensor([o.domain_dimension.value for o in self._operators], name="Const")
        return [o.domain_dimension_tensor() for o in self._operators]

    def _blockwise(
        self, x: Tensor, is_turned: bool, function: Callable[[LinearOperator, Tensor], Tensor]
    ) -> Tensor:
        """What `function` makes of each block and of its part of `x`, rows put together again."""
        parts = split(x, self._orders(), axis=-1 if is_turned else -2, num=len(self._operators))
        done = [function(o, part) for o, part in zip(self._operators, parts, strict=True)]
        return concat(with_one_batch(*done), -2)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._blockwise(x, adjoint_arg, lambda o, part: o.matmul(part, adjoint, adjoint_arg))

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._blockwise(rhs, adjoint_arg, lambda o, part: o.solve(part, adjoint, adjoint_arg))

    def _to_dense(self) -> Tensor:
        before: Any = 0
        rows = []
        for block in with_one_batch(*(o.to_dense() for o in self._operators)):
            lead = shape(block)[:-1]
            left = zeros(concat([lead, [before]], -1), self.dtype)
            before = before + shape(block)[-1]
            after = self.domain_dimension_tensor() - before
            right = zeros(concat([lead, [after]], -1), self.dtype)
            rows.append(concat([left, block, right], -1))
        matrix = concat(rows, -2)
        matrix.set_shape(self.shape)
        return matrix

    def _diag_part(self) -> Tensor:
        columns = with_one_batch(*[part[..., None] for part in [o.diag_part() for o in self._operators]])
        return squeeze(concat(columns, -2), axis=-1)

    def _determinant(self) -> Tensor:
        return product_of(o.determinant() for o in self._operators)

    def _log_abs_determinant(self) -> Tensor:
        return sum_of(o.log_abs_determinant() for o in self._operators)

    def _trace(self) -> Tensor:
        return sum_of(o.trace() for o in self._operators)

    def _inverse(self) -> LinearOperator:
        return self._of_blocks([o.inverse() for o in self._operators])

    def _adjoint(self) -> LinearOperator:
        return self._of_blocks([o.adjoint() for o in self._operators])

    def _of_blocks(self, blocks: list[LinearOperator]) -> LinearOperator:
        return LinearOperatorBlockDiag(
            blocks, self.is_non_singular, self.is_self_adjoint, self.is_positive_definite, True
        )

    def _cholesky(self) -> LinearOperator:
        blocks = [o.cholesky() for o in self._operators]
        return LinearOperatorBlockDiag(blocks, True, False, is_square=True)

    def _assert_non_singular(self) -> Any:
        return group(*(o.assert_non_singular() for o in self._operators))

    def _assert_self_adjoint(self) -> Any:
        return group(*(o.assert_self_adjoint() for o in self._operators))

    def _assert_positive_definite(self) -> Any:
        return group(*(o.assert_positive_definite() for o in self._operators))
