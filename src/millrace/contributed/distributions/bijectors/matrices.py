"""Bijectors of matrices, between vectors and matrices, and between shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.contributed.distributions.bijectors.composed import Chain
from millrace.contributed.distributions.bijectors.elementwise import AffineScalar, Softplus
from millrace.contributed.distributions.bijectors.vectors import TransformDiagonal
from millrace.contributed.distributions.functions import fill_triangular, fill_triangular_inverse
from millrace.core import shapes
from millrace.core.dtypes import float32, int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import eye
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.decomposition import cholesky
from millrace.ops.linalg.diag_band import matrix_diag_part
from millrace.ops.linalg.matmul import matmul
from millrace.ops.linalg.solve import matrix_triangular_solve
from millrace.ops.math.elementwise import log


@public("contrib.distributions.bijectors.FillTriangular")
class FillTriangular(Bijector):
    """Vectors `[n (n + 1) / 2]` into triangular matrices `[n, n]`, in a spiral.

    Args:
      upper: make upper triangular matrices.
      validate_args, name: as for `Bijector`.
    """

    def __init__(
        self, upper: bool = False, validate_args: bool = False, name: str = "fill_triangular"
    ) -> None:
        self._upper = upper
        super().__init__(
            forward_min_event_ndims=1,
            inverse_min_event_ndims=2,
            validate_args=validate_args,
            name=name,
        )

    def _forward(self, x: Tensor) -> Tensor:
        return fill_triangular(x, self._upper)

    def _inverse(self, y: Tensor) -> Tensor:
        return fill_triangular_inverse(y, self._upper)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        return zeros_like(x[..., 0])

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        return zeros_like(y[..., 0, 0])

    def _forward_event_shape(self, input_shape: shapes.TensorShape) -> shapes.TensorShape:
        *batch, m = input_shape.as_list()
        n = None if m is None else round((0.25 + 2 * m) ** 0.5 - 0.5)
        return shapes.TensorShape([*batch, n, n])

    def _inverse_event_shape(self, output_shape: shapes.TensorShape) -> shapes.TensorShape:
        *batch, n, _ = output_shape.as_list()
        return shapes.TensorShape([*batch, None if n is None else n * (n + 1) // 2])

    def _forward_event_shape_tensor(self, input_shape: Tensor) -> Tensor:
        root = raw.Sqrt(0.25 + 2.0 * raw.Cast(input_shape[-1], DstT=float32)) - 0.5
        size = raw.Cast(raw.Round(root), DstT=int32)
        return concat([input_shape[:-1], [size, size]], 0)

    def _inverse_event_shape_tensor(self, output_shape: Tensor) -> Tensor:
        size = output_shape[-1]
        return concat([output_shape[:-2], [size * (size + 1) // 2]], 0)


@public("contrib.distributions.bijectors.CholeskyOuterProduct")
class CholeskyOuterProduct(Bijector):
    """Lower triangular matrices with a positive diagonal into the products with their transposes."""

    def __init__(self, validate_args: bool = False, name: str = "cholesky_outer_product") -> None:
        super().__init__(forward_min_event_ndims=2, validate_args=validate_args, name=name)

    def _forward(self, x: Tensor) -> Tensor:
        return matmul(x, x, adjoint_b=True)

    def _inverse(self, y: Tensor) -> Tensor:
        return cholesky(y)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        logs = log(matrix_diag_part(x))
        n = raw.Cast(shape_of(x)[-1], DstT=x.dtype.base_dtype)
        times = n - raw.Cast(raw.Range(0, shape_of(x)[-1], 1), DstT=x.dtype.base_dtype)
        return n * float(np.log(2.0)) + reduce_sum(logs * times, -1)


@public("contrib.distributions.bijectors.MatrixInverseTriL")
class MatrixInverseTriL(Bijector):
    """Lower triangular matrices into their inverses."""

    def __init__(self, validate_args: bool = False, name: str = "matrix_inverse_tril") -> None:
        super().__init__(forward_min_event_ndims=2, validate_args=validate_args, name=name)

    def _forward(self, x: Tensor) -> Tensor:
        batch = shape_of(x)
        one = raw.BroadcastTo(eye(batch[-1], dtype=x.dtype), batch)
        return matrix_triangular_solve(x, one)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._forward(y)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        n = raw.Cast(shape_of(x)[-1], DstT=x.dtype.base_dtype)
        return -2.0 * n * reduce_sum(log(raw.Abs(matrix_diag_part(x))), -1)


@public("contrib.distributions.bijectors.ScaleTriL")
class ScaleTriL(Chain):
    """Vectors into lower triangular matrices with a positive diagonal.

    Args:
      diag_bijector: makes the diagonal; default `Softplus`.
      diag_shift: added to the diagonal; None for none.
      validate_args, name: as for `Bijector`.
    """

    def __init__(
        self,
        diag_bijector: Any = None,
        diag_shift: Any = 1e-5,
        validate_args: bool = False,
        name: str = "scale_tril",
    ) -> None:
        inner = Softplus(validate_args=validate_args) if diag_bijector is None else diag_bijector
        if diag_shift is not None:
            inner = Chain([AffineScalar(shift=diag_shift), inner])
        super().__init__(
            [TransformDiagonal(diag_bijector=inner), FillTriangular()], validate_args=validate_args, name=name
        )


@public("contrib.distributions.bijectors.Reshape")
class Reshape(Bijector):
    """Events of one shape into events of another.

    Args:
      event_shape_out: the shape of results.
      event_shape_in: the shape of arguments; at most one length is -1, as in `event_shape_out`.
      validate_args, name: as for `Bijector`.

    Raises:
      ValueError: more than one length is -1, or the shapes have different sizes.
    """

    def __init__(
        self,
        event_shape_out: Any,
        event_shape_in: Any = (-1,),
        validate_args: bool = False,
        name: str | None = None,
    ) -> None:
        self._out = [int(d) for d in event_shape_out]
        self._in = [int(d) for d in event_shape_in]
        for sizes in (self._out, self._in):
            if sizes.count(-1) > 1 or any(d < -1 for d in sizes):
                raise ValueError(
                    f"Reshape: at most one length is -1, the others are not negative. Received: {sizes}"
                )
        if -1 not in self._out + self._in and np.prod(self._out) != np.prod(self._in):
            raise ValueError(f"Input/output `event_size`s do not match: {self._in} vs. {self._out}")
        super().__init__(
            forward_min_event_ndims=0,
            is_constant_jacobian=True,
            validate_args=validate_args,
            name=name or "reshape",
        )

    @staticmethod
    def _shaped(x: Tensor, own: list[int], other: list[int]) -> Tensor:
        batch = shape_of(x)
        rank = len(x.dims) - len(own)  # pyright: ignore[reportArgumentType]
        return reshape(x, concat([batch[:rank], other], 0))

    def _forward(self, x: Tensor) -> Tensor:
        return self._shaped(x, self._in, self._out)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._shaped(y, self._out, self._in)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        return convert_to_tensor(0.0, x.dtype.base_dtype)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Any:
        return convert_to_tensor(0.0, y.dtype.base_dtype)

    def _known(self, given: shapes.TensorShape, own: list[int], other: list[int]) -> shapes.TensorShape:
        dims = given.as_list()
        batch, event = dims[: len(dims) - len(own)], dims[len(dims) - len(own) :]
        if -1 in other and None not in event:
            rest = int(np.prod([d for d in other if d != -1]))
            size = int(np.prod([d or 0 for d in event]))
            other = [size // rest if d == -1 else d for d in other]
        return shapes.TensorShape([*batch, *(None if d == -1 else d for d in other)])

    def _forward_event_shape(self, input_shape: shapes.TensorShape) -> shapes.TensorShape:
        return self._known(input_shape, self._in, self._out)

    def _inverse_event_shape(self, output_shape: shapes.TensorShape) -> shapes.TensorShape:
        return self._known(output_shape, self._out, self._in)

    @staticmethod
    def _sized(given: Tensor, own: list[int], other: list[int]) -> Tensor:
        """The shape of events, `other` at the end, where `given` ends with `own`."""
        known = int(np.prod([d for d in other if d != -1]))
        rank = len(own)
        sizes: list[Any] = [raw.Prod(given[-rank:], 0) // known if d == -1 else d for d in other]
        return concat([given[:-rank], sizes], 0)

    def _forward_event_shape_tensor(self, input_shape: Tensor) -> Tensor:
        return self._sized(input_shape, self._in, self._out)

    def _inverse_event_shape_tensor(self, output_shape: Tensor) -> Tensor:
        return self._sized(output_shape, self._out, self._in)
