"""Linear operators with few numbers: diagonal, identity, zeros, triangular, reflections."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.operators import public_div
from millrace.building.scopes import name_scope
from millrace.building.static import static_dims, static_value
from millrace.core import dtypes, shapes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import adjoint as adjoint_of
from millrace.lib.linalg.norms import norm
from millrace.lib.linalg.operators.base import LinearOperator, checked_matrix, modulus, with_batch
from millrace.opkit.rules.idioms import conj, filled, shape_tensor
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones, zeros
from millrace.ops.linalg.matmul import matmul


def _last_twice(dims: shapes.Dims) -> shapes.Dims:
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
        return _last_twice(self._diag.dims)

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
        return LinearOperatorDiag(diag, True, self.is_self_adjoint, self.is_positive_definite, True)

    def _cholesky(self) -> LinearOperator:
        return LinearOperatorDiag(raw.Sqrt(self._diag), True, True, True, True)

    def _to_dense(self) -> Tensor:
        return raw.MatrixDiag(self._diag, name="diag")

    def _determinant(self) -> Tensor:
        return raw.Prod(self._diag, [-1])

    def _log_abs_determinant(self) -> Tensor:
        return raw.Sum(raw.Log(modulus(self._diag)), [-1])

    def _diag_part(self) -> Tensor:
        return self._diag

    def _assert_non_singular(self) -> Any:
        rule = "Diagonal operator was singular: a diagonal entry was 0"
        return self._assert(raw.NotEqual(self._diag, raw.ZerosLike(self._diag)), rule)

    def _assert_positive_definite(self) -> Any:
        real = raw.Real(self._diag, Tout=self.dtype.real_dtype) if self.dtype.is_complex else self._diag
        rule = "Diagonal operator had a diagonal entry with non-positive real part"
        return self._assert(raw.Greater(real, raw.ZerosLike(real)), rule)


def _shape_of_batch(batch_shape: Any) -> Tensor | None:
    return None if batch_shape is None else to_tensor(batch_shape, dtypes.int32, "batch_shape_arg")


def _over_batch(x: Tensor, batch_shape: Tensor) -> Tensor:
    """`x`, broadcast to at least the batch."""
    batch = static_dims(batch_shape)
    if batch is not None and shapes.fully_defined(batch):
        return raw.Add(x, filled((*batch, 1, 1), 0, x.dtype, "zeros"), name="add")
    shape = raw.Shape(x)
    return raw.BroadcastTo(x, raw.ConcatV2([raw.BroadcastArgs(batch_shape, shape[:-2]), shape[-2:]], 0))


class _Sized(LinearOperator):
    """Square operators that are given by a number of rows."""

    _num_rows: Tensor

    def _rows(self, num_rows: Any, name: str, what: str = "num_rows") -> Tensor:
        rows = to_tensor(num_rows, name=what)
        value = static_value(rows)
        if not rows.dtype.is_integer:
            raise TypeError(f"{name}: num_rows must be an integer. Received: {rows.dtype.name}")
        if rows.dims not in (None, ()):
            raise ValueError(f"{name}: num_rows must be a scalar. Received: shape {rows.shape}")
        if value is not None and value < 0:
            raise ValueError(f"{name}: num_rows must be non-negative. Received: {int(value)}")
        return rows if rows.dtype is dtypes.int32 else raw.Cast(rows, DstT=dtypes.int32)

    def _order(self) -> int | None:
        value = static_value(self._num_rows)
        return None if value is None else int(value)


@public("linalg.LinearOperatorIdentity")
class LinearOperatorIdentity(_Sized):
    """Identity matrices.

    Args:
      num_rows: non-negative integer scalar.
      batch_shape: of the batch; default none.
      dtype: default float32.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
      assert_proper_shapes: kept for the signature: what is known is always checked.

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
        with name_scope(name):
            self._num_rows = self._rows(num_rows, name)
            self._batch = _shape_of_batch(batch_shape)
        super().__init__(dtype or dtypes.float32, None, True, True, True, True, name)

    def _dims(self) -> shapes.Dims:
        batch: shapes.Dims = () if self._batch is None else static_dims(self._batch)
        return None if batch is None else (*batch, self._order(), self._order())

    def _shape_tensor(self) -> Tensor:
        square = raw.Pack([self._num_rows, self._num_rows])
        return square if self._batch is None else raw.ConcatV2([self._batch, square], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        return x if self._batch is None else _over_batch(x, self._batch)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)

    def _inverse(self) -> LinearOperator:
        return self

    def _cholesky(self) -> LinearOperator:
        return self

    def _ones(self) -> Tensor:
        dims = self._dims()
        if shapes.fully_defined(dims) and dims is not None:
            return filled(dims[:-1], 1, self.dtype, "ones")
        return raw.Fill(self.shape_tensor()[:-1], self._number(1.0))

    def _to_dense(self) -> Tensor:
        with name_scope("eye"):
            return raw.MatrixDiag(self._ones(), name="diag")

    def _diag_part(self) -> Tensor:
        return self._ones()

    def _determinant(self) -> Tensor:
        return ones(self.batch_shape_tensor(), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return zeros(self.batch_shape_tensor(), self.dtype)

    def _trace(self) -> Tensor:
        dims = self._dims()
        if dims is None or not shapes.fully_defined(dims):
            return super()._trace()
        return float(dims[-1] or 0) * filled(dims[:-2], 1, self.dtype, "ones")

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        if self._batch is not None:
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
      assert_proper_shapes: kept for the signature: what is known is always checked.

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
            [self._multiplier],
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
        return raw.ConcatV2([raw.Shape(self._multiplier), raw.Pack([self._num_rows, self._num_rows])], 0)

    def _over_matrix(self, adjoint: bool) -> Tensor:
        number = conj(self._multiplier) if adjoint else self._multiplier
        return raw.ExpandDims(raw.ExpandDims(number, -1), -1)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        over = self._over_matrix(adjoint)
        return raw.Mul(adjoint_of(x) if adjoint_arg else x, over, name="mul")

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        over = self._over_matrix(adjoint)
        return raw.RealDiv(adjoint_of(rhs) if adjoint_arg else rhs, over, name="truediv")

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorScaledIdentity(
            self._num_rows, conj(self._multiplier), self.is_non_singular, None, self.is_positive_definite
        )

    def _inverse(self) -> LinearOperator:
        inverse = raw.Reciprocal(self._multiplier)
        return LinearOperatorScaledIdentity(
            self._num_rows, inverse, True, self.is_self_adjoint, self.is_positive_definite
        )

    def _cholesky(self) -> LinearOperator:
        return LinearOperatorScaledIdentity(self._num_rows, raw.Sqrt(self._multiplier), True, True, True)

    def _diag_part(self) -> Tensor:
        ones = self._row_of_ones()
        return raw.Mul(ones, self._multiplier[..., None], name="mul")

    def _trace(self) -> Tensor:
        dims = self._dims()
        if dims is None or not shapes.fully_defined(dims):
            return super()._trace()
        row = filled(dims[:-2], 1, self.dtype, "ones")
        return self._multiplier * float(dims[-1] or 0) * row

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        row = raw.ExpandDims(self._multiplier, -1)
        return raw.MatrixSetDiag(x, row + raw.MatrixDiagPart(x, name="diag_part"), name="set_diag")

    def _row_of_ones(self) -> Tensor:
        order = self._order()
        if order is not None:
            return filled((order,), 1, self.dtype, "ones")
        return raw.Fill(raw.Pack([self._num_rows]), self._number(1.0))

    def _to_dense(self) -> Tensor:
        with name_scope("eye"):
            identity = raw.MatrixDiag(self._row_of_ones(), name="diag")
        return self.matmul(identity)

    def _determinant(self) -> Tensor:
        return raw.Pow(self._multiplier, self._count)

    def _log_abs_determinant(self) -> Tensor:
        logarithm = raw.Log(modulus(self._multiplier))
        count = self._count if self.dtype.is_complex else self._real_count
        return raw.Mul(count, logarithm, name="mul")

    def _assert_non_singular(self) -> Any:
        rule = "LinearOperator was singular: a multiplier was 0"
        return self._assert(raw.NotEqual(self._multiplier, raw.ZerosLike(self._multiplier)), rule)


@public("linalg.LinearOperatorZeros")
class LinearOperatorZeros(_Sized):
    """Matrices of zeros.

    Args:
      num_rows: non-negative integer scalar.
      num_columns: default as many as rows.
      batch_shape: of the batch; default none.
      dtype: default float32.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
      assert_proper_shapes: kept for the signature: what is known is always checked.

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
        with name_scope(name):
            self._num_rows = self._rows(num_rows, name)
            columns = num_rows if num_columns is None else num_columns
            self._num_columns = self._rows(columns, name, "num_columns")
            self._batch = _shape_of_batch(batch_shape)
        super().__init__(dtype or dtypes.float32, None, False, is_self_adjoint, False, is_square, name)

    def _dims(self) -> shapes.Dims:
        batch: shapes.Dims = () if self._batch is None else static_dims(self._batch)
        columns = static_value(self._num_columns)
        return None if batch is None else (*batch, self._order(), None if columns is None else int(columns))

    def _shape_tensor(self) -> Tensor:
        last = raw.Pack([self._num_rows, self._num_columns])
        return last if self._batch is None else raw.ConcatV2([self._batch, last], 0)

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        if self.is_square:
            product = zeros(shape_tensor(adjoint_of(x) if adjoint_arg else x), self.dtype)
            return product if self._batch is None else _over_batch(product, self._batch)
        own = self.shape_tensor()
        shape = raw.Shape(x)
        rows = own[-1] if adjoint else own[-2]
        width = shape[-2] if adjoint_arg else shape[-1]
        batch = raw.BroadcastArgs(own[:-2], shape[:-2])
        return raw.Fill(raw.ConcatV2([batch, raw.Pack([rows, width])], 0), self._number(0.0))

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorZeros(
            self._num_columns,
            self._num_rows,
            self._batch,
            self.dtype,
            False,
            False,
            False,
            bool(self.is_square),
        )

    def _diag_part(self) -> Tensor:
        dims = self._dims()
        if dims is None or not shapes.fully_defined(dims):
            return super()._diag_part()
        return filled((*dims[:-2], min(dims[-2:])), 0, self.dtype, "zeros")

    def _determinant(self) -> Tensor:
        return self._trace()

    def _trace(self) -> Tensor:
        dims = self._dims()
        batch = None if dims is None else dims[:-2]
        if batch is None or not shapes.fully_defined(batch):
            return zeros(self.batch_shape_tensor(), self.dtype)
        return filled(batch, 0, self.dtype, "zeros")

    def _assert_non_singular(self) -> Any:
        raise refusal(f"Zero operators are always non-invertible. Received: {self.shape}")

    def _assert_positive_definite(self) -> Any:
        raise refusal(f"Zero operators are always non-positive definite. Received: {self.shape}")


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
        tril, rhs = with_batch(self._to_dense(), adjoint_of(rhs) if adjoint_arg else rhs)
        with name_scope("MatrixTriangularSolve"):
            return raw.MatrixTriangularSolve(tril, rhs, lower=True, adjoint=adjoint)

    def _to_dense(self) -> Tensor:
        return raw.MatrixBandPart(self._tril, np.array(-1, np.int64), np.array(0, np.int64))

    def _diagonal(self) -> Tensor:
        return raw.MatrixDiagPart(self._tril, name="diag_part")

    def _determinant(self) -> Tensor:
        return raw.Prod(self._diagonal(), [-1])

    def _log_abs_determinant(self) -> Tensor:
        return raw.Sum(raw.Log(modulus(self._diagonal())), [-1])

    def _assert_non_singular(self) -> Any:
        diagonal = self._diagonal()
        rule = "Singular operator: diagonal contained zero values"
        return self._assert(raw.NotEqual(diagonal, raw.ZerosLike(diagonal)), rule)


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
        super().__init__(
            self._axis.dtype, [self._axis], is_non_singular, True, is_positive_definite, True, name
        )

    @property
    def reflection_axis(self) -> Tensor:
        """The axes."""
        return self._axis

    def _dims(self) -> shapes.Dims:
        return _last_twice(self._axis.dims)

    def _shape_tensor(self) -> Tensor:
        shape = raw.Shape(self._axis)
        return raw.ConcatV2([shape, shape[-1:]], 0)

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

    def _assert_self_adjoint(self) -> Any:
        return raw.NoOp()

    def _assert_positive_definite(self) -> Any:
        rule = "Householder operators are always non-positive definite."
        raise refusal(f"{rule} Received: {self.shape}")
