"""Matrices that need not be written out: the operations they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, late, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linear_operators.broadcasting import real_part, solve_cholesky, solve_matrix
from millrace.lib.math.array import eye
from millrace.lib.math.checks import assert_equal, assert_less, assert_positive
from millrace.lib.math.matrices import adjoint as adjoint_of
from millrace.lib.math.reductions import reduce_max
from millrace.lib.variables.module import Module


def dims_tensor(dims: shapes.Dims, fallback: Any) -> Tensor:
    """Dims as an int32 vector: a constant where all are known, else what `fallback()` gives."""
    if dims is not None and None not in dims:
        return to_tensor(np.array(dims, np.int32), dtypes.int32, "Const")
    return fallback()


@public("linalg.LinearOperator")
class LinearOperator(Module):
    """A (batch of) matrices by what they do; subclasses say at least their shape and `_matmul`.

    Args:
      dtype: of the matrices.
      graph_parents: tensors that the operator is made of.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square: what is promised, or None.
      name: of the operator; default its class's.

    Raises:
      ValueError: the promises contradict each other.
    """

    def __init__(
        self,
        dtype: Any,
        graph_parents: Any = None,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        if is_positive_definite and is_non_singular is False:
            raise ValueError(
                "A positive definite matrix is always non-singular. Received: is_non_singular=False"
            )
        if (is_positive_definite or is_non_singular or is_self_adjoint) and is_square is False:
            raise ValueError("A non-singular, self-adjoint or positive definite matrix is square. Received: "
                             "is_square=False")  # fmt: skip
        self._dtype = dtypes.as_dtype(dtype).base_dtype
        self._graph_parents = tuple(graph_parents or ())
        self._is_non_singular = True if is_positive_definite else is_non_singular
        self._is_self_adjoint = is_self_adjoint
        self._is_positive_definite = is_positive_definite
        square = is_square or bool(self._is_non_singular or is_self_adjoint or is_positive_definite)
        self._is_square = True if square else is_square
        self._name = name or type(self).__name__

    # --- what it is

    @property
    def dtype(self) -> dtypes.DType:
        """The dtype of the matrices."""
        return self._dtype

    @property
    def name(self) -> str:
        """The operator's name."""
        return self._name

    @property
    def graph_parents(self) -> list[Any]:
        """The tensors that the operator is made of."""
        return list(self._graph_parents)

    @property
    def is_non_singular(self) -> bool | None:
        """Whether an inverse is promised to exist."""
        return self._is_non_singular

    @property
    def is_self_adjoint(self) -> bool | None:
        """Whether the matrices are promised to be self-adjoint."""
        return self._is_self_adjoint

    @property
    def is_positive_definite(self) -> bool | None:
        """Whether the matrices are promised to be positive definite."""
        return self._is_positive_definite

    @property
    def is_square(self) -> bool | None:
        """Whether there are as many rows as columns; None where unknown."""
        dims = self.shape.dims
        if dims is not None and len(dims) >= 2:
            rows, columns = (d.value for d in dims[-2:])
            if rows is not None and columns is not None:
                if self._is_square is not None and self._is_square != (rows == columns):
                    raise ValueError(f"Static shape {self.shape} contradicts is_square={self._is_square}")
                return rows == columns
        return self._is_square

    @property
    def shape(self) -> shapes.TensorShape:
        """The static shape, batch first."""
        return shapes.shape_of(self._dims())

    @property
    def batch_shape(self) -> shapes.TensorShape:
        """The static shape of the batch."""
        dims = self._dims()
        return shapes.shape_of(None if dims is None else dims[:-2])

    @property
    def tensor_rank(self) -> int | None:
        """The rank of the matrices written out."""
        dims = self._dims()
        return None if dims is None else len(dims)

    @property
    def domain_dimension(self) -> Any:
        """The number of columns."""
        dims = self._dims()
        return shapes.as_dimension(None if dims is None else dims[-1])

    @property
    def range_dimension(self) -> Any:
        """The number of rows."""
        dims = self._dims()
        return shapes.as_dimension(None if dims is None else dims[-2])

    def shape_tensor(self, name: str = "shape_tensor") -> Tensor:
        """The shape as an int32 vector."""
        with self._scope(name):
            return dims_tensor(self._dims(), self._shape_tensor)

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The shape of the batch as an int32 vector."""
        with self._scope(name):
            batch = self.batch_shape
            if batch.is_fully_defined():
                return to_tensor(np.array(batch.as_list(), np.int32), dtypes.int32, "batch_shape")
            return self.shape_tensor()[:-2]

    def tensor_rank_tensor(self, name: str = "tensor_rank_tensor") -> Tensor:
        """The rank of the matrices written out, an int32 scalar."""
        with self._scope(name):
            return self._length(self.tensor_rank, lambda: raw.Size(self.shape_tensor()))

    def domain_dimension_tensor(self, name: str = "domain_dimension_tensor") -> Tensor:
        """The number of columns, an int32 scalar."""
        with self._scope(name):
            return self._length(self.domain_dimension.value, lambda: self.shape_tensor()[-1])

    def range_dimension_tensor(self, name: str = "range_dimension_tensor") -> Tensor:
        """The number of rows, an int32 scalar."""
        with self._scope(name):
            return self._length(self.range_dimension.value, lambda: self.shape_tensor()[-2])

    def _length(self, known: int | None, otherwise: Any) -> Tensor:
        """A number as a constant where it is known."""
        return otherwise() if known is None else to_tensor(np.int32(known), dtypes.int32, "Const")

    # --- what it does

    def matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "matmul") -> Any:
        """The product with matrices, or with another operator.

        Args:
          x: `[..., columns, k]` of the operator's dtype (with `adjoint_arg` `[..., k, columns]`), or another.
          adjoint: use the operator's adjoint.
          adjoint_arg: use the adjoint of `x`.
          name: op name.

        Returns:
          `[..., rows, k]`, or an operator.
        """
        if isinstance(x, LinearOperator):
            left, right = self.adjoint() if adjoint else self, x.adjoint() if adjoint_arg else x
            _check_inner(left.domain_dimension, right.range_dimension, left, right)
            with self._scope(name):
                return late.module("operator_products").product(left, right)
        with self._scope(name):
            x = self._argument(x, "x")
            self._check_rows(x, -1 if adjoint_arg else -2, "range" if adjoint else "domain")
            return self._matmul(x, adjoint, adjoint_arg)

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other)

    def matvec(self, x: Any, adjoint: bool = False, name: str = "matvec") -> Tensor:
        """The product with vectors `[..., columns]`: `[..., rows]`."""
        with self._scope(name):
            x = self._argument(x, "x")
            self._check_rows(x, -1, "range" if adjoint else "domain")
            return self._matvec(x, adjoint)

    def solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "solve") -> Any:
        """X with operator X = rhs.

        Args:
          rhs: `[..., rows, k]` of the operator's dtype, or an operator.
          adjoint: use the operator's adjoint.
          adjoint_arg: use the adjoint of `rhs`.
          name: op name.

        Raises:
          NotImplementedError: the operator is singular or not square.
        """
        self._need(self.is_non_singular is not False, "solve", "is not singular")
        self._need(self.is_square is not False, "solve", "is square")
        if isinstance(rhs, LinearOperator):
            left, right = self.adjoint() if adjoint else self, rhs.adjoint() if adjoint_arg else rhs
            _check_inner(left.range_dimension, right.range_dimension, left, right)
            with self._scope(name):
                return late.module("operator_products").quotient(left, right)
        with self._scope(name):
            rhs = self._argument(rhs, "rhs")
            self._check_rows(rhs, -1 if adjoint_arg else -2, "domain" if adjoint else "range")
            return self._solve(rhs, adjoint, adjoint_arg)

    def solvevec(self, rhs: Any, adjoint: bool = False, name: str = "solve") -> Tensor:
        """X with operator X = rhs for vectors `[..., rows]`."""
        with self._scope(name):
            rhs = self._argument(rhs, "rhs")
            self._check_rows(rhs, -1, "domain" if adjoint else "range")
            return self._solvevec(rhs, adjoint)

    def adjoint(self, name: str = "adjoint") -> LinearOperator:
        """The conjugate transpose as an operator."""
        if self.is_self_adjoint:
            return self
        with self._scope(name), name_scope("Adjoint"):
            return self._adjoint()

    H = property(adjoint)

    def inverse(self, name: str = "inverse") -> LinearOperator:
        """The inverse as an operator.

        Raises:
          ValueError: the operator is not square, or not promised to be non-singular.
        """
        if self.is_square is False or self.is_non_singular is False:
            raise ValueError(f"{self.name}: only square, non-singular operators have an inverse. Received: "
                             f"shape {self.shape}, is_non_singular={self.is_non_singular}")  # fmt: skip
        with self._scope(name), name_scope("Inverse"):
            return self._inverse()

    def cholesky(self, name: str = "cholesky") -> LinearOperator:
        """The Cholesky factor as an operator.

        Raises:
          ValueError: the operator is not promised to be self-adjoint and positive definite.
        """
        if not self._can_use_cholesky():
            raise ValueError(f"{self.name}: only a self-adjoint, positive definite operator has one. "
                             f"Received: {self.is_self_adjoint} and {self.is_positive_definite}")  # fmt: skip
        with self._scope(name), name_scope("Cholesky"):
            return self._cholesky()

    def to_dense(self, name: str = "to_dense") -> Tensor:
        """The matrices written out."""
        with self._scope(name):
            return self._to_dense()

    def determinant(self, name: str = "det") -> Tensor:
        """The determinants, `[...]`."""
        self._need(self.is_square is not False, "determinant", "is square")
        with self._scope(name):
            return self._determinant()

    def log_abs_determinant(self, name: str = "log_abs_det") -> Tensor:
        """The logarithms of the moduli of the determinants, `[...]`."""
        self._need(self.is_square is not False, "log_abs_determinant", "is square")
        with self._scope(name):
            return self._log_abs_determinant()

    def trace(self, name: str = "trace") -> Tensor:
        """The sums of the diagonals, `[...]`."""
        with self._scope(name):
            return self._trace()

    def diag_part(self, name: str = "diag_part") -> Tensor:
        """The diagonals, `[..., min(rows, columns)]`."""
        with self._scope(name):
            return self._diag_part()

    def add_to_tensor(self, x: Any, name: str = "add_to_tensor") -> Tensor:
        """The matrices written out, plus `x`."""
        with self._scope(name):
            return self._add_to_tensor(self._argument(x, "x"))

    def assert_non_singular(self, name: str = "assert_non_singular") -> Any:
        """An operation that fails when run where a matrix is singular, to working precision."""
        with self._scope(name):
            return self._assert_non_singular()

    def assert_self_adjoint(self, name: str = "assert_self_adjoint") -> Any:
        """An operation that fails when run where a matrix is not self-adjoint."""
        with self._scope(name):
            return self._assert_self_adjoint()

    def assert_positive_definite(self, name: str = "assert_positive_definite") -> Any:
        """An operation that fails when run where a matrix is not positive definite."""
        with self._scope(name):
            return self._assert_positive_definite()

    # --- what subclasses say

    def _dims(self) -> shapes.Dims:
        raise NotImplementedError(f"{type(self).__name__} says no shape")

    def _shape_tensor(self) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} says no shape_tensor")

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} says no matmul")

    # --- what they may say better

    def _matvec(self, x: Tensor, adjoint: bool) -> Tensor:
        product = self.matmul(raw.ExpandDims(x, -1), adjoint=adjoint)
        return raw.Squeeze(product, squeeze_dims=[-1])

    def _solvevec(self, rhs: Tensor, adjoint: bool) -> Tensor:
        return raw.Squeeze(self.solve(raw.ExpandDims(rhs, -1), adjoint=adjoint), squeeze_dims=[-1])

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        return raw.Add(self.to_dense(), x, name="add")

    def _to_dense(self) -> Tensor:
        batch = self.batch_shape
        lead: Any = batch.as_list() if batch.is_fully_defined() else self.batch_shape_tensor()
        columns = self.domain_dimension.value
        order: Any = self.domain_dimension_tensor() if columns is None else columns
        return self.matmul(eye(order, batch_shape=lead, dtype=self._dtype))

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        if self._can_use_cholesky():
            return solve_cholesky(raw.Cholesky(self.to_dense()), rhs)
        return solve_matrix(self.to_dense(), rhs, adjoint)

    def _adjoint(self) -> LinearOperator:
        return late.module("composed_operators").LinearOperatorAdjoint(self)

    def _inverse(self) -> LinearOperator:
        return late.module("composed_operators").LinearOperatorInversion(self)

    def _cholesky(self) -> LinearOperator:
        return late.module("triangular_operators").LinearOperatorLowerTriangular(
            raw.Cholesky(self.to_dense()), is_non_singular=True, is_self_adjoint=False, is_square=True
        )

    def _determinant(self) -> Tensor:
        if self._can_use_cholesky():
            return raw.Exp(self.log_abs_determinant())
        return raw.MatrixDeterminant(self.to_dense())

    def _log_abs_determinant(self) -> Tensor:
        if self._can_use_cholesky():
            return twice_log_sum(raw.Cholesky(self.to_dense()))
        return raw.LogMatrixDeterminant(self.to_dense())[1]

    def _trace(self) -> Tensor:
        return raw.Sum(self.diag_part(), -1)

    def _diag_part(self) -> Tensor:
        return raw.MatrixDiagPart(self.to_dense(), name="diag_part")

    def _assert_non_singular(self) -> Any:
        values = real_part(raw.Svd(self.to_dense(), compute_uv=False)[0])
        condition = raw.Max(values, -1) / raw.Min(values, -1)
        return assert_less(
            condition, self._largest_condition(), message="Singular matrix up to precision epsilon."
        )

    def _largest_condition(self) -> Tensor:
        """The condition number from which on a matrix counts as singular."""
        real = self.dtype.real_dtype
        with name_scope("max_nonsingular_condition_number"):
            rows = raw.Cast(self.range_dimension_tensor(), DstT=real)
            columns = raw.Cast(self.domain_dimension_tensor(), DstT=real)
            return 1.0 / (reduce_max([100.0, rows, columns]) * float(np.finfo(real.np_dtype).eps))

    def _assert_self_adjoint(self) -> Any:
        dense = self.to_dense()
        return assert_equal(dense, adjoint_of(dense), message="Matrix was not equal to its adjoint.")

    def _assert_positive_definite(self) -> Any:
        if not self.is_self_adjoint:
            raise NotImplementedError(
                f"{self.name}: assert_positive_definite needs a promise that the operator is self-adjoint. "
                f"Received: is_self_adjoint={self.is_self_adjoint}"
            )
        diagonal = raw.MatrixDiagPart(raw.Cholesky(self.to_dense()), name="diag_part")
        return assert_positive(real_part(diagonal), message="Matrix was not positive definite.")

    # --- tools

    def _can_use_cholesky(self) -> bool:
        return bool(self.is_self_adjoint and self.is_positive_definite)

    def _number(self, value: float) -> Tensor:
        return to_tensor(np.array(value, self.dtype.np_dtype), self.dtype)

    def _need(self, holds: bool, what: str, rule: str) -> None:
        if not holds:
            raise NotImplementedError(
                f"{self.name}: {what} needs an operator that {rule}. Received: {self.shape}"
            )

    def _argument(self, value: Any, name: str) -> Tensor:
        """What a method was given, as a tensor of the operator's dtype."""
        tensor = to_tensor(value, name=name)
        self._check_input_dtype(tensor)
        return tensor

    def _check_rows(self, x: Tensor, axis: int, side: str) -> None:
        """Refuses an argument whose length along `axis` is not the operator's.

        Raises:
          ValueError: the lengths differ.
        """
        known = self.range_dimension if side == "range" else self.domain_dimension
        if x.dims is not None and not known.is_compatible_with(x.dims[axis]):
            raise ValueError(
                f"{self.name}: dimension {axis} of the argument must be {known.value}. Received: {x.shape}"
            )

    @contextmanager
    def _scope(self, name: str) -> Iterator[None]:
        tensors = [t for t in self._graph_parents if isinstance(t, Tensor)]
        with name_scope(f"{self._name}/{name}", values=tensors):
            yield

    def _check_input_dtype(self, arg: Tensor) -> None:
        """Refuses an argument of another dtype than the operator's.

        Raises:
          TypeError: the dtypes differ.
        """
        if arg.dtype.base_dtype is not self._dtype:
            raise TypeError(
                f"Expected argument to have dtype {self._dtype}. Received: {arg.dtype} in tensor {arg}"
            )

    def _name_scope(self, name: str | None = None) -> Any:
        """The scope of a method of an operator that a program has written."""
        return self._scope(name) if name else name_scope(self._name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


def _check_inner(columns: Any, rows: Any, left: LinearOperator, right: LinearOperator) -> None:
    if not columns.is_compatible_with(rows):
        raise ValueError(f"Operators do not fit each other. Received: shapes {left.shape} and {right.shape}")


def twice_log_sum(factor: Tensor) -> Tensor:
    """The logarithm of the determinant of a matrix, from its Cholesky factor."""
    diagonal = raw.MatrixDiagPart(factor, name="diag_part")
    return 2.0 * raw.Sum(raw.Log(diagonal), [-1])


def checked_matrix(value: Any, name: str, rank: int) -> Tensor:
    """A floating or complex tensor of at least `rank` dimensions.

    Raises:
      TypeError: another dtype.
      ValueError: fewer dimensions.
    """
    tensor = to_tensor(value, name=name)
    if not (tensor.dtype.is_floating or tensor.dtype.is_complex):
        raise TypeError(f"Argument {name} must be floating or complex. Received: {tensor.dtype.name}")
    if tensor.dims is not None and len(tensor.dims) < rank:
        raise ValueError(f"Argument {name} must have at least {rank} dimensions. Received: {tensor.shape}")
    return tensor
