"""Mathematical functions made of operations: scaling, polynomials, special functions, clipping."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.dispatch import elementwise
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor


@public("scalar_mul", "math.scalar_mul")
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """A scalar times a tensor.

    Args:
      scalar: a scalar of the dtype of `x`.
      x: `[...]`, numeric; or IndexedSlices, whose values are scaled.
      name: op name; default "Mul".

    Returns:
      Shape and dtype of `x`; IndexedSlices where `x` is.

    Raises:
      ValueError: `scalar` is none.
    """
    scalar = convert_to_tensor(
        scalar, dtype=x.dtype.base_dtype if hasattr(x, "dtype") else None, name="scalar"
    )
    if scalar.dims != ():
        raise ValueError(f"scalar_mul: the first argument must be a scalar. Received: shape {scalar.shape}")
    if hasattr(x, "values") and hasattr(x, "indices"):
        return type(x)(
            values=raw.Mul(scalar, x.values, name=name), indices=x.indices, dense_shape=x.dense_shape
        )
    return raw.Mul(scalar, x, name=name)


@public("math.polyval")
def polyval(coeffs: Any, x: Any, name: str | None = None) -> Tensor:
    """The value of a polynomial.

    Args:
      coeffs: a list of tensors, the coefficient of the highest power first.
      x: broadcasts with the coefficients; same dtype.
      name: a scope; default "polyval".

    Returns:
      The broadcast shape, dtype of `x`; zeros where there are no coefficients.
    """
    with name_scope(name, "polyval", [*coeffs, x]):
        x = convert_to_tensor(x, name="x")
        if not coeffs:
            return raw.ZerosLike(x, name="zeros_like")
        tensors = [convert_to_tensor(c, x.dtype.base_dtype, f"coeff_{i}") for i, c in enumerate(coeffs)]
        total = tensors[0]
        for coefficient in tensors[1:]:
            total = coefficient + total * x
        return total


@public("log_sigmoid", "math.log_sigmoid")
@elementwise("unary")
def log_sigmoid(x: Any, name: str | None = None) -> Tensor:
    """log(1 / (1 + e**-x)), exact for large negative x.

    Args:
      x: `[...]`, floating.
      name: op name; default "LogSigmoid".

    Returns:
      Shape and dtype of `x`.
    """
    with name_scope(name, "LogSigmoid", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return raw.Neg(raw.Softplus(raw.Neg(x)), name=scope)


@public("math.bessel_i0")
def bessel_i0(x: Any, name: str | None = None) -> Tensor:
    """The modified Bessel function of order 0.

    Args:
      x: `[...]`, floating.
      name: a scope; default "bessel_i0".

    Returns:
      Shape and dtype of `x`.
    """
    with name_scope(name, "bessel_i0", [x]):
        x = convert_to_tensor(x)
        return raw.Exp(raw.Abs(x)) * raw.BesselI0e(x)


@public("math.bessel_i1")
def bessel_i1(x: Any, name: str | None = None) -> Tensor:
    """The modified Bessel function of order 1; arguments and result as for `bessel_i0`."""
    with name_scope(name, "bessel_i1", [x]):
        x = convert_to_tensor(x)
        return raw.Exp(raw.Abs(x)) * raw.BesselI1e(x)


@public("lbeta", "math.lbeta")
def lbeta(x: Any, name: str | None = None) -> Tensor:
    """The logarithm of |beta(x)| along the last axis: the sum of lgamma(x_i) minus lgamma of the sum.

    Args:
      x: `[..., n]`, floating.
      name: a scope; default "lbeta".

    Returns:
      `[...]`, dtype of `x`; -infinity where n is 0.
    """
    with name_scope(name, "lbeta", [x]):
        x = convert_to_tensor(x, name="x")
        parts = raw.Sum(raw.Lgamma(x), [-1])
        return raw.Sub(parts, raw.Lgamma(raw.Sum(x, [-1])), name="sub")


@public("clip_by_value")
@elementwise("unary")
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """`t` moved into [clip_value_min, clip_value_max]; where the bounds cross, the lower one.

    Args:
      t: `[...]`, floating, int32 or int64; or IndexedSlices.
      clip_value_min: broadcasts to the shape of `t`; same dtype.
      clip_value_max: broadcasts to the shape of `t`; same dtype.
      name: op name; default "clip_by_value".

    Returns:
      Shape and dtype of `t`.

    Raises:
      ValueError: a bound would make the result larger than `t`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.clip_by_value([-3.0, 0.5, 9.0], -1.0, 1.0)))
      [-1.   0.5  1. ]
    """
    if hasattr(t, "values") and hasattr(t, "indices"):
        values = clip_by_value(t.values, clip_value_min, clip_value_max, name)
        return type(t)(values=values, indices=t.indices, dense_shape=t.dense_shape)
    with name_scope(name, "clip_by_value", [t, clip_value_min, clip_value_max]) as scope:
        t = convert_to_tensor(t, name="t")
        low_enough = raw.Minimum(t, clip_value_max)
        _same_shape(t, low_enough, clip_value_max)
        clipped = raw.Maximum(low_enough, _named_y(clip_value_min, t), name=scope)
        _same_shape(t, clipped, clip_value_min)
    return clipped


def _named_y(value: Any, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else convert_to_tensor(value, like.dtype.base_dtype, "y")


def _same_shape(t: Tensor, clipped: Tensor, bound: Any) -> None:
    from millrace.core import shapes

    if not shapes.compatible(t.dims, clipped.dims):
        raise ValueError(
            f"clip_by_value: the bounds must broadcast to the shape of t, {t.shape}. "
            f"Received: a bound that makes it {clipped.shape}: {bound!r}"
        )
