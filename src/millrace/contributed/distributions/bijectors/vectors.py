"""Bijectors of vectors: linear ones, permutations, ordered numbers, shares."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.base import Bijector
from millrace.core import shapes
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linear_operators.diagonal import LinearOperatorDiag, LinearOperatorLowerTriangular
from millrace.lib.linear_operators.identity import LinearOperatorIdentity, LinearOperatorScaledIdentity
from millrace.lib.linear_operators.update import LinearOperatorLowRankUpdate
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import expand_dims, invert_permutation
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.diag_band import matrix_diag_part, matrix_set_diag
from millrace.ops.math.cumulative import cumsum
from millrace.ops.math.elementwise import exp, log
from millrace.ops.nn.softmax import softmax


@public("contrib.distributions.bijectors.AffineLinearOperator")
class AffineLinearOperator(Bijector):
    """y = scale @ x + shift.

    Args:
      shift: a vector; None for none.
      scale: a linear operator that can be inverted; None for the identity.
      validate_args, name: as for `Bijector`.

    Raises:
      TypeError: the scale is not a linear operator.
    """

    def __init__(
        self,
        shift: Any = None,
        scale: Any = None,
        validate_args: bool = False,
        name: str = "affine_linear_operator",
    ) -> None:
        if scale is not None and not hasattr(scale, "log_abs_determinant"):
            raise TypeError(f"scale is not an instance of tf.LinearOperator. Received: {scale!r}")
        with name_scope(name, values=[shift]):
            self._shift = None if shift is None else convert_to_tensor(shift, name="shift")
        self._scale = scale
        super().__init__(
            forward_min_event_ndims=1,
            is_constant_jacobian=True,
            validate_args=validate_args,
            dtype=next((part.dtype.base_dtype for part in (scale, self._shift) if part is not None), None),
            name=name,
        )

    @property
    def shift(self) -> Tensor | None:
        """What is added."""
        return self._shift

    @property
    def scale(self) -> Any:
        """The linear operator."""
        return self._scale

    def _forward(self, x: Tensor) -> Tensor:
        y = x if self._scale is None else self._scale.matvec(x)
        return y if self._shift is None else y + self._shift

    def _inverse(self, y: Tensor) -> Tensor:
        x = y if self._shift is None else y - self._shift
        return x if self._scale is None else self._scale.solvevec(x)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        if self._scale is None:
            return convert_to_tensor(0.0, x.dtype.base_dtype)
        return self._scale.log_abs_determinant()


def make_scale(
    shift: Any, multiplier: Any, diag: Any, tril: Any, factor: Any = None, perturb_diag: Any = None
) -> Any:
    """A linear operator of the parts that `Affine` and the normal distributions take.

    Raises:
      ValueError: nothing says how long vectors are.
    """
    if tril is not None:
        tril = convert_to_tensor(tril, name="scale_tril")
        extra = None if diag is None else convert_to_tensor(diag)
        if multiplier is not None:
            multiplier = _for_each(multiplier)
            extra = multiplier if extra is None else extra + multiplier
        if extra is not None:
            tril = matrix_set_diag(tril, matrix_diag_part(tril) + extra)
        base: Any = LinearOperatorLowerTriangular(tril, is_non_singular=True)
    elif diag is not None:
        diag = convert_to_tensor(diag, name="scale_diag")
        if multiplier is not None:
            diag = diag + _for_each(multiplier)
        base = LinearOperatorDiag(
            diag,
            is_non_singular=True,
            is_self_adjoint=True,
            is_positive_definite=True if factor is not None else None,
        )
    else:
        base = _identity(shift, multiplier, factor)
    if factor is None:
        return base
    return LinearOperatorLowRankUpdate(
        base,
        convert_to_tensor(factor, name="scale_perturb_factor"),
        diag_update=None if perturb_diag is None else convert_to_tensor(perturb_diag),
        is_diag_update_positive=perturb_diag is None,
        is_non_singular=True,
        is_self_adjoint=True,
        is_positive_definite=True,
    )


def _for_each(multiplier: Any) -> Tensor:
    """Multipliers `[...]` as `[..., 1]`: each is for all elements of a vector."""
    return expand_dims(convert_to_tensor(multiplier, name="scale_identity_multiplier"), -1)


def _identity(shift: Any, multiplier: Any, factor: Any) -> Any:
    sized = shift if shift is not None else factor
    if sized is None:
        raise ValueError(
            "either loc or one of the scale's parts must say how long vectors are. Received: None"
        )
    sized = convert_to_tensor(sized)
    size = sized.dims[-1 if shift is not None else -2] if sized.dims else None
    rows = raw.Shape(sized)[-1 if shift is not None else -2] if size is None else size
    if multiplier is None:
        return LinearOperatorIdentity(
            rows, dtype=sized.dtype.base_dtype, is_self_adjoint=True, is_positive_definite=True
        )
    multiplier = convert_to_tensor(multiplier, name="scale_identity_multiplier")
    return LinearOperatorScaledIdentity(rows, multiplier, is_non_singular=True, is_self_adjoint=True)


@public("contrib.distributions.bijectors.Affine")
class Affine(Bijector):
    """y = scale @ x + shift, for a scale put together from parts.

    Args:
      shift: a vector, or a scalar where there is nothing else than a multiplier; None for none.
      scale_identity_multiplier: adds this times the identity.
      scale_diag: adds a diagonal matrix.
      scale_tril: adds a lower triangular matrix.
      scale_perturb_factor, scale_perturb_diag: add factor @ diag(perturb_diag) @ factor transposed.
      validate_args, name: as for `Bijector`.
    """

    def __init__(
        self,
        shift: Any = None,
        scale_identity_multiplier: Any = None,
        scale_diag: Any = None,
        scale_tril: Any = None,
        scale_perturb_factor: Any = None,
        scale_perturb_diag: Any = None,
        validate_args: bool = False,
        name: str = "affine",
    ) -> None:
        with name_scope(name):
            shift = None if shift is None else convert_to_tensor(shift, name="shift")
            single = scale_diag is None and scale_tril is None and scale_perturb_factor is None
            self._shift = shift
            if single:
                multiplier = scale_identity_multiplier
                self._scale: Any = None if multiplier is None else convert_to_tensor(multiplier)
            else:
                multiplier = scale_identity_multiplier
                if multiplier is not None and convert_to_tensor(multiplier).dims:
                    raise ValueError(
                        "scale_identity_multiplier must be a scalar beside other parts of the scale. "
                        f"Received: {multiplier!r}"
                    )
                self._scale = make_scale(
                    None,
                    multiplier,
                    scale_diag,
                    scale_tril,
                    scale_perturb_factor,
                    scale_perturb_diag,
                )
            self._single = single
        super().__init__(
            forward_min_event_ndims=1,
            is_constant_jacobian=True,
            validate_args=validate_args,
            dtype=next((part.dtype.base_dtype for part in (shift, self._scale) if part is not None), float32),
            name=name,
        )

    @property
    def shift(self) -> Tensor | None:
        """What is added."""
        return self._shift

    @property
    def scale(self) -> Any:
        """The linear operator; a scalar, or None, where there is only a multiplier."""
        return self._scale

    def _forward(self, x: Tensor) -> Tensor:
        if self._single:
            y = x if self._scale is None else x * self._scale
        else:
            y = self._scale.matvec(x)
        return y if self._shift is None else y + self._shift

    def _inverse(self, y: Tensor) -> Tensor:
        x = y if self._shift is None else y - self._shift
        if self._single:
            return x if self._scale is None else x / self._scale
        return self._scale.solvevec(x)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        if self._scale is None:
            return convert_to_tensor(0.0, x.dtype.base_dtype)
        if not self._single:
            return self._scale.log_abs_determinant()
        return log(raw.Abs(self._scale)) * raw.Cast(shape_of(x)[-1], DstT=x.dtype.base_dtype)


@public("contrib.distributions.bijectors.Permute")
class Permute(Bijector):
    """Another order of the last axis.

    Args:
      permutation: int32 or int64 `[n]`: which element comes where.
      validate_args, name: as for `Bijector`.

    Raises:
      TypeError: it is not of integers.
    """

    def __init__(self, permutation: Any, validate_args: bool = False, name: str | None = None) -> None:
        with name_scope(name, "permute", [permutation]):
            self._permutation = convert_to_tensor(permutation, name="permutation")
        if not self._permutation.dtype.is_integer:
            raise TypeError(
                f"permutation.dtype should be `int`-like. Received: {self._permutation.dtype.name}"
            )
        super().__init__(
            forward_min_event_ndims=1,
            is_constant_jacobian=True,
            validate_args=validate_args,
            name=name or "permute",
        )

    @property
    def permutation(self) -> Tensor:
        """Which element comes where."""
        return self._permutation

    def _forward(self, x: Tensor) -> Tensor:
        return gather(x, self._permutation, axis=-1)

    def _inverse(self, y: Tensor) -> Tensor:
        return gather(y, invert_permutation(self._permutation), axis=-1)

    def _forward_log_det_jacobian(self, x: Tensor) -> Any:
        return convert_to_tensor(0.0, x.dtype.base_dtype)


def _last_axis(shape: shapes.TensorShape, more: int) -> shapes.TensorShape:
    last = shape[-1].value if shape.ndims else None
    return shape if last is None else shape[:-1].concatenate([last + more])


@public("contrib.distributions.bijectors.SoftmaxCentered")
class SoftmaxCentered(Bijector):
    """The softmax of a vector and one more 0: n numbers to n + 1 shares."""

    def __init__(self, validate_args: bool = False, name: str = "softmax_centered") -> None:
        super().__init__(forward_min_event_ndims=1, validate_args=validate_args, name=name)

    def _forward_event_shape(self, input_shape: shapes.TensorShape) -> shapes.TensorShape:
        return _last_axis(input_shape, 1)

    def _inverse_event_shape(self, output_shape: shapes.TensorShape) -> shapes.TensorShape:
        return _last_axis(output_shape, -1)

    def _forward_event_shape_tensor(self, input_shape: Tensor) -> Tensor:
        return concat([input_shape[:-1], input_shape[-1:] + 1], 0)

    def _inverse_event_shape_tensor(self, output_shape: Tensor) -> Tensor:
        return concat([output_shape[:-1], output_shape[-1:] - 1], 0)

    def _forward(self, x: Tensor) -> Tensor:
        return softmax(concat([x, zeros_like(x[..., :1])], -1))

    def _inverse(self, y: Tensor) -> Tensor:
        logs = log(y)
        return logs[..., :-1] - logs[..., -1:]

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        return -reduce_sum(log(y), axis=-1)


@public("contrib.distributions.bijectors.Ordered")
class Ordered(Bijector):
    """Increasing numbers to free ones: the first, and the logarithms of the steps."""

    def __init__(self, validate_args: bool = False, name: str = "ordered") -> None:
        super().__init__(forward_min_event_ndims=1, validate_args=validate_args, name=name)

    def _forward(self, x: Tensor) -> Tensor:
        return concat([x[..., :1], log(x[..., 1:] - x[..., :-1])], -1)

    def _inverse(self, y: Tensor) -> Tensor:
        return cumsum(concat([y[..., :1], exp(y[..., 1:])], -1), axis=-1)

    def _inverse_log_det_jacobian(self, y: Tensor) -> Tensor:
        return reduce_sum(y[..., 1:], axis=-1)


@public("contrib.distributions.bijectors.TransformDiagonal")
class TransformDiagonal(Bijector):
    """A bijector of vectors, or of numbers, applied to the diagonal of matrices."""

    def __init__(
        self, diag_bijector: Any, validate_args: bool = False, name: str = "transform_diagonal"
    ) -> None:
        self._diag_bijector = diag_bijector
        super().__init__(forward_min_event_ndims=2, validate_args=validate_args, name=name)

    def _forward(self, x: Tensor) -> Tensor:
        return matrix_set_diag(x, self._diag_bijector.forward(matrix_diag_part(x)))

    def _inverse(self, y: Tensor) -> Tensor:
        return matrix_set_diag(y, self._diag_bijector.inverse(matrix_diag_part(y)))

    def _forward_log_det_jacobian(self, x: Tensor) -> Tensor:
        return self._diag_bijector.forward_log_det_jacobian(matrix_diag_part(x), event_ndims=1)
