"""Linear operators that a number of rows gives: identities, multiples of them, zeros."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import static_dims, static_value
from millrace.core import dtypes, shapes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.linear_operators.base import LinearOperator, checked_matrix
from millrace.lib.linear_operators.broadcasting import absolute, modulus, real_part
from millrace.lib.math.checks import assert_equal, assert_non_negative, assert_positive, assert_rank
from millrace.lib.math.matrices import adjoint as adjoint_of
from millrace.lib.math.reductions import reduce_min
from millrace.opkit.rules.idioms import conj, filled, shape_tensor
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import ones, zeros
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.shape import shape
from millrace.ops.math.complex import imag


class _Sized(LinearOperator):
    """Operators that are given by a number of rows, and perhaps by a batch shape."""

    _num_rows: Tensor
    _batch: Tensor | None = None
    _asserts = False

    def _rows(self, num_rows: Any, name: str, what: str = "num_rows") -> Tensor:
        rows = to_tensor(num_rows, name=what)
        value = static_value(rows)
        if not rows.dtype.is_integer:
            raise TypeError(f"{name}: {what} must be an integer. Received: {rows.dtype.name}")
        if rows.dims not in (None, ()):
            raise ValueError(f"{name}: {what} must be a scalar. Received: shape {rows.shape}")
        if value is not None and value < 0:
            raise ValueError(f"{name}: {what} must be non-negative. Received: {int(value)}")
        rows = self._asserted(rows, 0, what)
        return rows if rows.dtype is dtypes.int32 else raw.Cast(rows, DstT=dtypes.int32)

    def _batch_of(self, batch_shape: Any, name: str) -> Tensor | None:
        if batch_shape is None:
            return None
        batch = to_tensor(batch_shape, name="batch_shape_arg")
        value = static_value(batch)
        if batch.dims is not None and len(batch.dims) != 1:
            raise ValueError(f"{name}: batch_shape must be a vector. Received: shape {batch.shape}")
        if value is not None and any(v < 0 for v in value):
            raise ValueError(f"{name}: batch_shape must be non-negative. Received: {value}")
        return self._asserted(batch, 1, "batch_shape")

    def _asserted(self, x: Tensor, rank: int, what: str) -> Tensor:
        """`x`, checked when run where the program has asked for that."""
        if not self._asserts:
            return x
        kind = "a scalar" if rank == 0 else "a vector"
        checks = [
            assert_rank(x, rank, message=f"Argument {what} must be {kind}."),
            assert_non_negative(x, message=f"Argument {what} must be non-negative."),
        ]
        return with_dependencies(checks, x)

    def _fitting(self, x: Tensor) -> Tensor:
        """`x`, its rows counted when run where the program has asked for that."""
        if not self._asserts:
            return x
        rows = shape(x)[-2]
        message = "The argument must have as many rows as the operator has columns."
        return with_dependencies([assert_equal(rows, self.domain_dimension_tensor(), message=message)], x)

    def _order(self) -> int | None:
        value = static_value(self._num_rows)
        return None if value is None else int(value)

    def _over_batch(self, x: Tensor) -> Tensor:
        """`x`, broadcast to at least the batch."""
        if self._batch is None:
            return x
        batch = static_dims(self._batch)
        if batch is not None and shapes.fully_defined(batch):
            if x.dims is not None and shapes.broadcast(batch, x.dims[:-2]) == x.dims[:-2]:
                return x
            return x + filled((*batch, 1, 1), 0, x.dtype, "zeros")
        return x + zeros(concat([self.batch_shape_tensor(), [1, 1]], 0), x.dtype)

    def _least_side(self) -> Tensor:
        return reduce_min(self.shape_tensor()[-2:])

    def _diagonal_shape(self) -> Any:
        """The shape of the diagonals: a list where it is known, else a tensor."""
        dims = self._dims()
        if dims is not None and shapes.fully_defined(dims):
            return [*dims[:-2], min(dims[-2:])]  # type: ignore[type-var]
        batch = self.batch_shape_tensor()
        return concat([batch, [self._least_side()]], 0)

    def _known_batch(self) -> Any:
        """The batch shape: a list where it is known, else a tensor."""
        batch = self.batch_shape
        return batch.as_list() if batch.is_fully_defined() else self.batch_shape_tensor()


@public("linalg.LinearOperatorIdentity")
class LinearOperatorIdentity(_Sized):
    """Identity matrices.

    Args:
      num_rows: non-negative integer scalar.
      batch_shape: of the batch; default none.
      dtype: default float32.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
      assert_proper_shapes: check when run too; what is known is always checked.

    Raises:
      ValueError: it is said not to be what every identity is.
    """

    def __init__(
        self,
        num_rows: Any,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = True,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = True,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorIdentity",
    ) -> None:
        if not (is_non_singular and is_self_adjoint and is_positive_definite and is_square):
            raise ValueError(
                "An identity operator is always non-singular, self-adjoint, positive definite and square"
            )
        self._asserts = assert_proper_shapes
        with name_scope(name):
            self._num_rows = self._rows(num_rows, name)
            self._batch = self._batch_of(batch_shape, name)
        super().__init__(dtype or dtypes.float32, None, True, True, True, True, name)

    def _dims(self) -> shapes.Dims:
        batch: shapes.Dims = () if self._batch is None else static_dims(self._batch)
        return None if batch is None else (*batch, self._order(), self._order())

    def _shape_tensor(self) -> Tensor:
        square = stack([self._num_rows, self._num_rows])
        return square if self._batch is None else concat([self._batch, square], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._over_batch(self._fitting(adjoint_of(x) if adjoint_arg else x))

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)

    def _inverse(self) -> LinearOperator:
        return self

    def _cholesky(self) -> LinearOperator:
        return self

    def _diag_part(self) -> Tensor:
        return ones(self._diagonal_shape(), self.dtype)

    def _determinant(self) -> Tensor:
        return ones(self.batch_shape_tensor(), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return zeros(self.batch_shape_tensor(), self.dtype)

    def _trace(self) -> Tensor:
        dims = self._dims()
        row = ones(self._known_batch(), self.dtype)
        if dims is not None and dims[-1] is not None:
            return float(dims[-1]) * row
        return raw.Cast(self._least_side(), DstT=self.dtype) * row

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        batch = shapes.as_dims(self.batch_shape)
        if self._batch is not None and (x.dims is None or batch is None or x.dims[:-2] != batch):
            return super()._add_to_tensor(x)
        return raw.MatrixSetDiag(x, 1.0 + raw.MatrixDiagPart(x, name="diag_part"), name="set_diag")

    def _assert_self_adjoint(self) -> Any:
        return raw.NoOp(name="assert_self_adjoint")

    def _assert_non_singular(self) -> Any:
        return raw.NoOp(name="assert_non_singular")

    def _assert_positive_definite(self) -> Any:
        return raw.NoOp(name="assert_positive_definite")


@public("linalg.LinearOperatorScaledIdentity")
class LinearOperatorScaledIdentity(_Sized):
    """Identity matrices times a number each.

    Args:
      num_rows: non-negative integer scalar.
      multiplier: `[...]`, floating or complex: the numbers.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
      assert_proper_shapes: check when run too; what is known is always checked.

    Raises:
      ValueError: it is said not to be square.
    """

    def __init__(
        self,
        num_rows: Any,
        multiplier: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorScaledIdentity",
    ) -> None:
        if not is_square:
            raise ValueError("A scaled identity operator is always square. Received: is_square=False")
        self._asserts = assert_proper_shapes
        with name_scope(name, values=[multiplier]):
            self._num_rows = self._rows(num_rows, name)
            self._multiplier = checked_matrix(multiplier, "multiplier", 0)
            kind = self._multiplier.dtype.base_dtype
            self._count = raw.Cast(self._num_rows, DstT=kind)
            self._real_count = raw.Cast(self._num_rows, DstT=kind.real_dtype)
        if not self._multiplier.dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError(
                    "A real scaled identity is always self-adjoint. Received: is_self_adjoint=False"
                )
            is_self_adjoint = True
        super().__init__(
            self._multiplier.dtype,
            None,
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )

    @property
    def multiplier(self) -> Tensor:
        """The numbers."""
        return self._multiplier

    def _dims(self) -> shapes.Dims:
        dims = self._multiplier.dims
        return None if dims is None else (*dims, self._order(), self._order())

    def _shape_tensor(self) -> Tensor:
        square = stack([self._num_rows, self._num_rows])
        return concat([shape(self._multiplier), square], 0)

    def _over_matrix(self, adjoint: bool) -> Tensor:
        number = conj(self._multiplier) if adjoint else self._multiplier
        return raw.ExpandDims(raw.ExpandDims(number, -1), -1)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        over = self._over_matrix(adjoint)
        return raw.Mul(self._fitting(x), over, name="mul")

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        over = self._over_matrix(adjoint)
        return raw.RealDiv(self._fitting(rhs), over, name="truediv")

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorScaledIdentity(
            self._num_rows, conj(self._multiplier), self.is_non_singular, None, self.is_positive_definite
        )

    def _inverse(self) -> LinearOperator:
        inverse = 1.0 / self._multiplier
        return LinearOperatorScaledIdentity(
            self._num_rows, inverse, self.is_non_singular, self.is_self_adjoint, self.is_positive_definite
        )

    def _cholesky(self) -> LinearOperator:
        return LinearOperatorScaledIdentity(self._num_rows, raw.Sqrt(self._multiplier), True, True, True)

    def _diag_part(self) -> Tensor:
        row = ones(self._diagonal_shape(), self.dtype)
        return row * self._multiplier[..., None]

    def _trace(self) -> Tensor:
        dims = self._dims()
        row = ones(self._known_batch(), self.dtype)
        if dims is not None and dims[-1] is not None:
            return self._multiplier * float(dims[-1]) * row
        return self._multiplier * raw.Cast(self._least_side(), DstT=self.dtype) * row

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        row = raw.ExpandDims(self._multiplier, -1)
        return raw.MatrixSetDiag(x, row + raw.MatrixDiagPart(x, name="diag_part"), name="set_diag")

    def _determinant(self) -> Tensor:
        return raw.Pow(self._multiplier, self._count)

    def _log_abs_determinant(self) -> Tensor:
        logarithm = raw.Log(modulus(self._multiplier))
        count = self._count if self.dtype.is_complex else self._real_count
        return raw.Mul(count, logarithm, name="mul")

    def _assert_non_singular(self) -> Any:
        message = "LinearOperator was singular: a multiplier was 0."
        return assert_positive(absolute(self._multiplier), message=message)

    def _assert_self_adjoint(self) -> Any:
        imaginary = imag(self._multiplier)
        message = "LinearOperator was not self-adjoint: a multiplier was not real."
        return assert_equal(zeros_like(imaginary), imaginary, message=message)

    def _assert_positive_definite(self) -> Any:
        message = "LinearOperator was not positive definite: a multiplier was not positive."
        return assert_positive(real_part(self._multiplier), message=message)


@public("linalg.LinearOperatorZeros")
class LinearOperatorZeros(_Sized):
    """Matrices of zeros.

    Args:
      num_rows: non-negative integer scalar.
      num_columns: default as many as rows.
      batch_shape: of the batch; default none.
      dtype: default float32.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
      assert_proper_shapes: check when run too; what is known is always checked.

    Raises:
      ValueError: it is said to be non-singular or positive definite.
    """

    def __init__(
        self,
        num_rows: Any,
        num_columns: Any = None,
        batch_shape: Any = None,
        dtype: Any = None,
        is_non_singular: bool | None = False,
        is_self_adjoint: bool | None = True,
        is_positive_definite: bool | None = False,
        is_square: bool | None = True,
        assert_proper_shapes: bool = False,
        name: str = "LinearOperatorZeros",
    ) -> None:
        if is_non_singular or is_positive_definite:
            raise ValueError(
                "A zeros operator is always singular. Received: is_non_singular or is_positive_definite"
            )
        if not is_square and is_self_adjoint:
            raise ValueError("A self-adjoint operator is square. Received: is_square=False")
        self._asserts = assert_proper_shapes
        with name_scope(name):
            self._num_rows = self._rows(num_rows, name)
            columns = num_rows if num_columns is None else num_columns
            self._num_columns = self._rows(columns, name, "num_columns")
            self._batch = self._batch_of(batch_shape, name)
        super().__init__(dtype or dtypes.float32, None, False, is_self_adjoint, False, is_square, name)

    def _dims(self) -> shapes.Dims:
        batch: shapes.Dims = () if self._batch is None else static_dims(self._batch)
        columns = static_value(self._num_columns)
        return None if batch is None else (*batch, self._order(), None if columns is None else int(columns))

    def _shape_tensor(self) -> Tensor:
        last = stack([self._num_rows, self._num_columns])
        return last if self._batch is None else concat([self._batch, last], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        if self.is_square:
            x = self._fitting(adjoint_of(x) if adjoint_arg else x)
            return self._over_batch(zeros(shape_tensor(x), self.dtype))
        lengths = shape(x)
        rows = self._num_columns if adjoint else self._num_rows
        width = lengths[-2] if adjoint_arg else lengths[-1]
        return self._over_batch(zeros(concat([lengths[:-2], [rows, width]], 0), self.dtype))

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        batch = shapes.as_dims(self.batch_shape)
        if batch is None or x.dims is None or len(batch) > len(x.dims) - 2:
            return super()._add_to_tensor(x)
        return x if shapes.broadcast(batch, x.dims[:-2]) == x.dims[:-2] else super()._add_to_tensor(x)

    def _diag_part(self) -> Tensor:
        return zeros(self._diagonal_shape(), self.dtype)

    def _determinant(self) -> Tensor:
        return self._trace()

    def _trace(self) -> Tensor:
        return zeros(self._known_batch(), self.dtype)

    def _assert_self_adjoint(self) -> Any:
        return raw.NoOp(name="assert_self_adjoint")

    def _assert_non_singular(self) -> Any:
        raise refusal(f"Zero operators are always non-invertible. Received: {self.shape}")

    def _assert_positive_definite(self) -> Any:
        raise refusal(f"Zero operators are always non-positive definite. Received: {self.shape}")
