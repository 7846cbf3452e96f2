"""Linear operators that Fourier transforms make fast: circulant and Toeplitz matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import adjoint as adjoint_of
from millrace.lib.linalg.operators.base import LinearOperator, checked_matrix, modulus
from millrace.ops.array.reshape import matrix_transpose
from millrace.ops.linalg.matmul import matmul


class _BlockCirculant(LinearOperator):
    """Convolutions over one, two or three axes, given by their Fourier transform, the spectrum."""

    _depth = 1

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = dtypes.complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str | None = None,
    ) -> None:
        if is_square is False:
            raise ValueError("A circulant operator is always square. Received: is_square=False")
        self._spectrum = checked_matrix(spectrum, "spectrum", self._depth)
        if not self._spectrum.dtype.is_complex:
            if is_self_adjoint is False:
                raise ValueError(
                    "A real spectrum makes a self-adjoint operator. Received: is_self_adjoint=False"
                )
            is_self_adjoint = True
        super().__init__(
            input_output_dtype,
            [self._spectrum],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )

    @property
    def block_depth(self) -> int:
        """Over how many axes it convolves."""
        return self._depth

    @property
    def spectrum(self) -> Tensor:
        """The Fourier transform of the convolution kernel."""
        return self._spectrum

    @property
    def block_shape(self) -> shapes.TensorShape:
        """The lengths of the axes that it convolves over."""
        dims = self._spectrum.dims
        return shapes.shape_of(None if dims is None else dims[-self._depth :])

    def block_shape_tensor(self) -> Tensor:
        """The lengths of the axes that it convolves over, an int32 vector."""
        return raw.Shape(self._spectrum)[-self._depth :]

    def convolution_kernel(self, name: str = "convolution_kernel") -> Tensor:
        """The kernel whose Fourier transform the spectrum is."""
        with self._scope(name):
            return self._as_dtype(self._transform(self._complex(self._spectrum), inverse=True))

    def assert_hermitian_spectrum(self, name: str = "assert_hermitian_spectrum") -> Any:
        """An operation that fails when run where the convolution kernel is not real."""
        with self._scope(name):
            kernel = self._transform(self._complex(self._spectrum), inverse=True)
            real = kernel.dtype.real_dtype
            imaginary = raw.Abs(raw.Imag(kernel, Tout=real))
            largest = raw.Max(raw.ComplexAbs(kernel, Tout=real), raw.Range(0, raw.Rank(kernel), 1))
            small = raw.LessEqual(imaginary, largest * 1e-3)
            return self._assert(small, "Imaginary parts of the convolution kernel are not 0")

    def _dims(self) -> shapes.Dims:
        dims = self._spectrum.dims
        if dims is None:
            return None
        block = dims[-self._depth :]
        order = None if None in block else int(np.prod(block))  # type: ignore[arg-type]
        return (*dims[: -self._depth], order, order)

    def _shape_tensor(self) -> Tensor:
        shape = raw.Shape(self._spectrum)
        order = raw.Prod(shape[-self._depth :], [0], keep_dims=True)
        return raw.ConcatV2([shape[: -self._depth], order, order], 0)

    def _complex(self, x: Tensor) -> Tensor:
        if x.dtype.is_complex:
            return x
        wide = dtypes.complex128 if x.dtype.base_dtype is dtypes.float64 else dtypes.complex64
        return raw.Cast(x, DstT=wide)

    def _as_dtype(self, x: Tensor) -> Tensor:
        if x.dtype.base_dtype is self.dtype:
            return x
        if x.dtype.is_complex and not self.dtype.is_complex:
            x = raw.Real(x, Tout=x.dtype.real_dtype)
        return raw.Cast(x, DstT=self.dtype)

    def _transform(self, x: Tensor, inverse: bool = False) -> Tensor:
        name = ("IFFT" if inverse else "FFT") + {1: "", 2: "2D", 3: "3D"}[self._depth]
        return getattr(raw, name)(x)

    def _filtered(self, x: Tensor, spectrum: Tensor, divide: bool) -> Tensor:
        """Columns of `x`, `[..., n, k]`, transformed, multiplied (or divided), and transformed back."""
        last_first = matrix_transpose(self._complex(x))
        block = self.block_shape_tensor()
        front = raw.Shape(last_first)[:-1]
        blocks = raw.Reshape(last_first, raw.ConcatV2([front, block], 0))
        spectrum = self._complex(spectrum)
        if spectrum.dtype.base_dtype is not blocks.dtype.base_dtype:
            spectrum = raw.Cast(spectrum, DstT=blocks.dtype.base_dtype)
        spectrum = raw.ExpandDims(spectrum, -1 - self._depth)
        transformed = self._transform(blocks)
        combined = raw.RealDiv(transformed, spectrum) if divide else raw.Mul(transformed, spectrum)
        back = self._transform(combined, inverse=True)
        flat = raw.Reshape(back, raw.ConcatV2([raw.Shape(back)[: -self._depth], [-1]], 0))
        result = self._as_dtype(matrix_transpose(flat))
        dims = self._dims()
        if dims is not None and x.dims is not None:
            batch = shapes.broadcast(dims[:-2], x.dims[:-2])
            if batch is not None:
                result.set_shape([*batch, dims[-2], x.dims[-1]])
        return result

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        x = adjoint_of(x) if adjoint_arg else x
        return self._filtered(x, self._turned(adjoint), divide=False)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        rhs = adjoint_of(rhs) if adjoint_arg else rhs
        return self._filtered(rhs, self._turned(adjoint), divide=True)

    def _turned(self, adjoint: bool) -> Tensor:
        return raw.Conj(self._spectrum) if adjoint and self._spectrum.dtype.is_complex else self._spectrum

    def _axes(self) -> list[int]:
        return list(range(-self._depth, 0))

    def _determinant(self) -> Tensor:
        return self._as_dtype(raw.Prod(self._spectrum, self._axes()))

    def _log_abs_determinant(self) -> Tensor:
        return self._as_dtype(raw.Sum(raw.Log(modulus(self._spectrum)), self._axes()))

    def _trace(self) -> Tensor:
        return self._as_dtype(raw.Sum(self._spectrum, self._axes()))

    def _diag_part(self) -> Tensor:
        order = self.domain_dimension_tensor()
        mean = raw.Mul(self._trace(), raw.Reciprocal(raw.Cast(order, DstT=self.dtype)))
        ones = raw.Fill(raw.Pack([order]), self._number(1.0))
        return raw.Mul(raw.ExpandDims(mean, -1), ones)

    def _assert_non_singular(self) -> Any:
        nonzero = raw.NotEqual(self._spectrum, raw.ZerosLike(self._spectrum))
        return self._assert(nonzero, "Singular operator: a spectrum value was 0")

    def _assert_self_adjoint(self) -> Any:
        if not self._spectrum.dtype.is_complex:
            return raw.NoOp()
        imaginary = raw.Imag(self._spectrum, Tout=self._spectrum.dtype.real_dtype)
        rule = "Not equal to its adjoint: the imaginary part of a spectrum value was not 0"
        return self._assert(raw.Equal(imaginary, raw.ZerosLike(imaginary)), rule)

    def _assert_positive_definite(self) -> Any:
        spectrum = self._spectrum
        real = raw.Real(spectrum, Tout=spectrum.dtype.real_dtype) if spectrum.dtype.is_complex else spectrum
        rule = "Not positive definite: the real part of a spectrum value was not positive"
        return self._assert(raw.Greater(real, raw.ZerosLike(real)), rule)


@public("linalg.LinearOperatorCirculant")
class LinearOperatorCirculant(_BlockCirculant):
    """Circulant matrices: convolutions of vectors.

    Args:
      spectrum: `[..., n]`, floating or complex: the Fourier transform of the first column.
      input_output_dtype: dtype of what it is applied to.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    _depth = 1


@public("linalg.LinearOperatorCirculant2D")
class LinearOperatorCirculant2D(_BlockCirculant):
    """Block circulant matrices: convolutions over two axes.

    Args:
      spectrum: `[..., m, n]`, floating or complex: the Fourier transform of the convolution kernel.
      input_output_dtype: dtype of what it is applied to.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    _depth = 2


@public("linalg.LinearOperatorCirculant3D")
class LinearOperatorCirculant3D(_BlockCirculant):
    """Nested block circulant matrices: convolutions over three axes.

    Args:
      spectrum: `[..., l, m, n]`, floating or complex: the Fourier transform of the convolution kernel.
      input_output_dtype: dtype of what it is applied to.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    _depth = 3


@public("linalg.LinearOperatorToeplitz")
class LinearOperatorToeplitz(LinearOperator):
    """Toeplitz matrices: equal numbers along each diagonal.

    Args:
      col: `[..., n]`, floating or complex: the first column.
      row: `[..., n]`, same dtype: the first row; its first element is not read.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    def __init__(
        self,
        col: Any,
        row: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorToeplitz",
    ) -> None:
        if is_square is False:
            raise ValueError("Only square Toeplitz operators currently supported. Received: is_square=False")
        self._col, self._row = checked_matrix(col, "col", 1), checked_matrix(row, "row", 1)
        super().__init__(
            self._row.dtype,
            [self._col, self._row],
            is_non_singular,
            is_self_adjoint,
            is_positive_definite,
            True,
            name,
        )

    @property
    def col(self) -> Tensor:
        """The first columns."""
        return self._col

    @property
    def row(self) -> Tensor:
        """The first rows."""
        return self._row

    def _dims(self) -> shapes.Dims:
        dims = shapes.broadcast(self._col.dims, self._row.dims)
        return None if dims is None else (*dims, dims[-1])

    def _shape_tensor(self) -> Tensor:
        shape = raw.BroadcastArgs(raw.Shape(self._col), raw.Shape(self._row))
        return raw.ConcatV2([shape, shape[-1:]], 0)

    def _to_dense(self) -> Tensor:
        shape = raw.BroadcastArgs(raw.Shape(self._col), raw.Shape(self._row))
        col, row = raw.BroadcastTo(self._col, shape), raw.BroadcastTo(self._row, shape)
        # values of the diagonals from the lower left to the upper right corner
        values = raw.ConcatV2([raw.ReverseV2(col, [-1]), row[..., 1:]], -1)
        order = shape[-1]
        at = raw.Range(0, order, 1)
        places = raw.Sub(raw.ExpandDims(at, 0), raw.ExpandDims(at, 1)) + (order - 1)
        dense = raw.GatherV2(values, places, -1)
        dense.set_shape(self.shape)
        return dense

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return matmul(self._to_dense(), x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _diag_part(self) -> Tensor:
        dims = raw.BroadcastArgs(raw.Shape(self._col), raw.Shape(self._row))
        return raw.BroadcastTo(self._col[..., :1], dims)

    def _trace(self) -> Tensor:
        order = raw.Cast(self.domain_dimension_tensor(), DstT=self.dtype)
        corner = raw.BroadcastTo(self._col[..., 0], self.batch_shape_tensor())
        return raw.Mul(corner, order)
