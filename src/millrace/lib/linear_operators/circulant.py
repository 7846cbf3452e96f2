"""Linear operators that convolve over one, two or three axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linear_operators.base import LinearOperator, checked_matrix
from millrace.lib.linear_operators.broadcasting import (
    absolute,
    assert_no_zeros,
    assert_real,
    cast_to,
    real_part,
    with_one_batch,
)
from millrace.lib.math.checks import assert_integer, assert_less_equal, assert_positive
from millrace.lib.math.matrices import adjoint as adjoint_of
from millrace.lib.math.reductions import reduce_max, reduce_prod
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import range_, zeros_like
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import rank, shape


class BlockCirculant(LinearOperator):
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
        with name_scope(name or type(self).__name__, values=[spectrum]):
            self._spectrum = checked_matrix(spectrum, "spectrum", self._depth)
            if not self._spectrum.dtype.is_complex:
                if is_self_adjoint is False:
                    raise ValueError(
                        "A real spectrum makes a self-adjoint operator. Received: is_self_adjoint=False"
                    )
                is_self_adjoint = True
            self._block_shape_tensor = shape(self._spectrum)[-self._depth :]
            wide = dtypes.complex128 if self._spectrum.dtype.size > 8 else dtypes.complex64
            if self._spectrum.dtype.base_dtype is dtypes.float64:
                wide = dtypes.complex128
            self._spectrum_complex = cast_to(self._spectrum, wide)
            self._moduli = absolute(self._spectrum)
            self._conjugate = raw.Conj(self._spectrum_complex)
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
        return self._block_shape_tensor

    def convolution_kernel(self, name: str = "convolution_kernel") -> Tensor:
        """The kernel whose Fourier transform the spectrum is."""
        with self._scope(name):
            return cast_to(self._transform(self._spectrum_complex, inverse=True), self.dtype)

    def assert_hermitian_spectrum(self, name: str = "assert_hermitian_spectrum") -> Any:
        """An operation that fails when run where the convolution kernel is not real."""
        with self._scope(name):
            kernel = self._transform(self._spectrum_complex, inverse=True)
            imaginary = raw.Abs(raw.Imag(kernel, Tout=kernel.dtype.real_dtype))
            small = reduce_max(absolute(kernel)) * 1e-3
            message = "Imaginary parts of the convolution kernel are not 0"
            return assert_less_equal(imaginary, small, message=message)

    def _dims(self) -> shapes.Dims:
        dims = self._spectrum.dims
        if dims is None:
            return None
        block = dims[-self._depth :]
        order = None if None in block else int(np.prod(block))  # type: ignore[arg-type]
        return (*dims[: -self._depth], order, order)

    def _shape_tensor(self) -> Tensor:
        lengths = shape(self._spectrum)
        batch = lengths[: -self._depth]
        order = reduce_prod(lengths[-self._depth :])
        return concat([batch, [order, order]], 0)

    def _transform(self, x: Tensor, inverse: bool = False) -> Tensor:
        name = ("IFFT" if inverse else "FFT") + {1: "", 2: "2D", 3: "3D"}[self._depth]
        return getattr(raw, name)(x)

    def _filtered(self, x: Tensor, adjoint: bool, divide: bool) -> Tensor:
        """Columns of `x`, `[..., n, k]`, transformed, multiplied (or divided), and transformed back."""
        spectrum = self._conjugate if adjoint else self._spectrum_complex
        x = cast_to(x, spectrum.dtype.base_dtype)
        column = raw.Reshape(spectrum, concat([self.batch_shape_tensor(), [-1, 1]], 0))
        x, column = with_one_batch(x, column)
        factor = raw.Reshape(column, concat([shape(x)[:-2], self._block_shape_tensor], 0))
        transformed = self._transform(self._blocks(_rotated(x, 1)))
        combined = transformed / factor if divide else factor * transformed
        back = self._transform(combined, inverse=True)
        return cast_to(_rotated(self._rows(back), -1), self.dtype)

    def _blocks(self, x: Tensor) -> Tensor:
        """`[..., n]` with n cut into the axes of the convolution."""
        block = self.block_shape
        if x.shape.is_fully_defined() and block.is_fully_defined():
            return reshape(x, [*x.shape.as_list()[:-1], *block.as_list()])
        return raw.Reshape(x, concat([shape(x)[:-1], self._block_shape_tensor], 0))

    def _rows(self, x: Tensor) -> Tensor:
        """What `_blocks` has cut, in one axis again."""
        if x.dims is not None and shapes.fully_defined(x.dims):
            lead, block = x.dims[: -self._depth], x.dims[-self._depth :]
            return reshape(x, [*lead, int(np.prod(block))])  # type: ignore[arg-type]
        lengths = shape(x)
        lead = lengths[: -self._depth]
        return raw.Reshape(x, concat([lead, [reduce_prod(lengths[-self._depth :])]], 0))

    def _matmul(self, x: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._filtered(adjoint_of(x) if adjoint_arg else x, adjoint, divide=False)

    def _solve(self, rhs: Tensor, adjoint: bool, adjoint_arg: bool) -> Tensor:
        return self._filtered(adjoint_of(rhs) if adjoint_arg else rhs, adjoint, divide=True)

    def _last_axes(self) -> list[int]:
        return [-1 - i for i in range(self._depth)]

    def _determinant(self) -> Tensor:
        return cast_to(raw.Prod(self._spectrum, self._last_axes()), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return cast_to(raw.Sum(raw.Log(self._moduli), self._last_axes()), self.dtype)

    def _trace(self) -> Tensor:
        dims = self._spectrum.dims
        axes: Any
        if dims is not None and shapes.fully_defined(dims):
            axes = list(range(len(dims) - self._depth, len(dims)))
        else:
            count = rank(self._spectrum)
            axes = range_(count - self._depth, count)
        real = raw.Sum(real_part(self._spectrum), axes)
        if not self.dtype.is_complex:
            return cast_to(real, self.dtype)
        if self._spectrum.dtype.is_complex:
            imaginary = raw.Sum(raw.Imag(self._spectrum, Tout=real.dtype), axes)
        else:
            imaginary = zeros_like(real)
        wide = dtypes.complex128 if real.dtype.base_dtype is dtypes.float64 else dtypes.complex64
        return cast_to(raw.Complex(real, imaginary, Tout=wide), self.dtype)

    def _diag_part(self) -> Tensor:
        dims = self._dims()
        order: Any
        if dims is not None and shapes.fully_defined(dims):
            row = ones(list(dims[:-1]), self.dtype)
            mean, order = self.trace(), to_tensor(np.int32(dims[-1] or 0), name="Cast/x")
        else:
            lead = self.shape_tensor()[:-1]
            order = self.domain_dimension_tensor()
            row = ones(lead, self.dtype)
            mean = self.trace()
        mean = mean / raw.Cast(order, DstT=self.dtype)
        return mean[..., None] * row

    def _assert_non_singular(self) -> Any:
        return assert_no_zeros(self._spectrum, "Singular operator: the spectrum contained zeros.")

    def _assert_self_adjoint(self) -> Any:
        return assert_real(self._spectrum, "Not self-adjoint: the spectrum was not real.")

    def _assert_positive_definite(self) -> Any:
        message = "Not positive definite: the real part of the spectrum was not positive everywhere."
        return assert_positive(real_part(self._spectrum), message=message)


def _rotated(x: Tensor, shift: int) -> Tensor:
    """`x` with its axes rotated by `shift` places to the right."""
    with name_scope("rotate_transpose"):
        assert_integer(to_tensor(np.int32(shift), name="shift"))
        if x.dims is not None:
            axes = np.roll(np.arange(len(x.dims), dtype=np.int32), shift)
            return transpose(x, axes)
        count = raw.Rank(x)
        return transpose(x, raw.Roll(raw.Range(0, count, 1), [shift], [0]))


@public("linalg.LinearOperatorCirculant")
class LinearOperatorCirculant(BlockCirculant):
    """Circulant matrices: convolutions of vectors.

    Args:
      spectrum: `[..., n]`, floating or complex: the Fourier transform of the first column.
      input_output_dtype: dtype of what it is applied to.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    _depth = 1

    def _adjoint(self) -> LinearOperator:
        return LinearOperatorCirculant(
            raw.Conj(self._spectrum),
            self.dtype,
            self.is_non_singular,
            self.is_self_adjoint,
            self.is_positive_definite,
        )

    def _inverse(self) -> LinearOperator:
        inverse = 1.0 / self._spectrum
        return LinearOperatorCirculant(
            inverse, self.dtype, self.is_non_singular, self.is_self_adjoint, self.is_positive_definite
        )


@public("linalg.LinearOperatorCirculant2D")
class LinearOperatorCirculant2D(BlockCirculant):
    """Block circulant matrices: convolutions over two axes.

    Args:
      spectrum: `[..., m, n]`, floating or complex: the Fourier transform of the convolution kernel.
      input_output_dtype: dtype of what it is applied to.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    _depth = 2


@public("linalg.LinearOperatorCirculant3D")
class LinearOperatorCirculant3D(BlockCirculant):
    """Nested block circulant matrices: convolutions over three axes.

    Args:
      spectrum: `[..., l, m, n]`, floating or complex: the Fourier transform of the convolution kernel.
      input_output_dtype: dtype of what it is applied to.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: as for `LinearOperator`.
    """

    _depth = 3
