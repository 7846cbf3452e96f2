"""Conversions between element types, by value and by bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.dispatch import elementwise
from millrace.building.scopes import name_scope
from millrace.core import dtypes, errors, shapes
from millrace.core.dtypes import ALL, COMPLEX, FLOATING, NARROW, NUMERIC, QUANTIZED
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.dialect.numpy.math import through
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.sparse.values import on_values

_SMOOTH = FLOATING | COMPLEX
_PLAIN = NUMERIC | QUANTIZED


def _check_castable(source: dtypes.DType, target: dtypes.DType) -> None:
    for dtype in (source, target):
        if dtype is dtypes.string or not dtype.is_numpy_compatible:
            raise errors.UnimplementedError(
                None, None, f"Cast {source.name} to {target.name} is not supported"
            )


def _bind_cast(dims, values, attributes):
    source, target = attributes["SrcT"], attributes["DstT"]
    if source is dtypes.string or target is dtypes.string or source.is_complex or attributes["Truncate"]:
        return None
    dtype, between = target.np_dtype, through(source.np_dtype, target.np_dtype)
    if between is not None:
        return lambda x: x.astype(between).astype(dtype)
    return lambda x: x.astype(dtype)


@declare(
    "Cast(x: SrcT) -> y: DstT",
    SrcT=ALL | NARROW,
    DstT=attrs.dtype(ALL | NARROW),
    Truncate=attrs.flag(False),
)
class Cast:
    """`x` in another dtype: to integers towards zero, to bool as x != 0, from complex the real part."""

    def shape(x):
        return x

    def kernel(xp, x, SrcT, DstT, Truncate):
        _check_castable(SrcT, DstT)
        if Truncate and DstT.is_floating and SrcT.is_floating and DstT.size < SrcT.size:
            return xp.cast(_towards_zero(xp, x, SrcT, DstT), DstT.np_dtype)
        return xp.cast(x, DstT.np_dtype)

    bind = _bind_cast

    def grad(op, dy):
        source = op.attrs["SrcT"]
        if source in _SMOOTH and op.attrs["DstT"] in _SMOOTH:
            return on_values(dy, lambda values: raw.Cast(values, DstT=source))
        return None


def _towards_zero(xp, x, source, target):
    """`x` without the low bits that `target` has no room for, so that the conversion rounds towards zero."""
    mantissa = {1: 0, 2: 7 if target is dtypes.bfloat16 else 10, 4: 23}[target.size]
    own = {2: 7 if source is dtypes.bfloat16 else 10, 4: 23, 8: 52}[source.size]
    if own <= mantissa:
        return x
    bits = np.dtype(f"u{source.size}")
    mask = np.asarray(~((1 << (own - mantissa)) - 1) & ((1 << (8 * source.size)) - 1), bits)
    return xp.bits_as(xp.bits_as(x, bits) & mask, source.np_dtype)


@declare("Bitcast(input: T) -> output: type", T=attrs.dtype(_PLAIN), type=attrs.dtype(_PLAIN))
class Bitcast:
    """The same bytes as another dtype; a last dimension comes or goes where the sizes differ."""

    def shape(input, T, type):
        if input is None or T.size == type.size:
            return input
        if T.size > type.size:
            return (*input, T.size // type.size)
        ratio = type.size // T.size
        if not input or input[-1] not in (None, ratio):
            raise ValueError(
                f"the last dimension must be {ratio} to read {T.name} as {type.name}. "
                f"Received: {shapes.format_dims(input)}"
            )
        return input[:-1]

    def kernel(xp, input, T, type):
        if type.size > T.size and (not input.shape or input.shape[-1] != type.size // T.size):
            raise refusal(f"Cannot bitcast {T.name} to {type.name}. Received: shape {list(input.shape)}")
        return xp.bits_as(input, type.np_dtype)

    grad = NOT_DIFFERENTIABLE


@public("cast", "dtypes.cast")
@elementwise("unary")
def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """`x` in another dtype: to integers towards zero, to bool as x != 0, from complex numbers the real part.

    Args:
      x: `[...]`, numeric or bool; or a SparseTensor or IndexedSlices.
      dtype: the dtype wanted.
      name: op name; default "Cast".

    Returns:
      Shape of `x`, dtype `dtype`; `x` itself where it has that dtype already.

    Raises:
      TypeError: `dtype` is not a dtype.
      UnimplementedError: when run, for strings and handles.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.cast([1.7, -1.7], tf.int32)))
      [ 1 -1]
    """
    target = dtypes.as_dtype(dtype).base_dtype
    if isinstance(x, Tensor) and x.dtype is target:
        return x
    if not isinstance(x, Tensor) and hasattr(x, "values") and hasattr(x, "dense_shape"):
        return x if x.dtype.base_dtype is target else on_values(x, lambda v: cast(v, target, name))
    with name_scope(name, "Cast", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return x if x.dtype.base_dtype is target else apply(Cast, x, DstT=target, name=scope)


@public("saturate_cast", "dtypes.saturate_cast")
@elementwise("unary")
def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """`value` in another dtype, clipped to the range of that dtype first.

    Args:
      value: `[...]`, real.
      dtype: the dtype wanted.
      name: op name; default "saturate_cast".

    Returns:
      Shape of `value`, dtype `dtype`.
    """
    with name_scope(name, "saturate_cast", [value]) as scope:
        value = convert_to_tensor(value, name="value")
        target, source = dtypes.as_dtype(dtype).base_dtype, value.dtype.base_dtype
        if source.min < target.min:
            value = raw.Maximum(value, _bound(source, target, lower=True))
        if source.max > target.max:
            value = raw.Minimum(value, _bound(source, target, lower=False))
        return cast(value, target, name=scope)


def _bound(source: dtypes.DType, target: dtypes.DType, lower: bool) -> Tensor:
    """The extreme of `target` as a number of dtype `source` that converts without leaving the range of
    `target`.
    """
    limit = target.min if lower else target.max
    value = np.asarray(limit, source.np_dtype)
    if not source.is_integer and not lower and target.is_integer and int(value) > int(limit):
        value = np.nextafter(
            value, np.asarray(0, value.dtype)
        )  # float32 has no 2**31 - 1: the next one below
    return raw.Const(value=value, dtype=source, name="min" if lower else "max")


@public("bitcast")
def bitcast(input: Any, type: Any, name: str | None = None) -> Tensor:
    """The bytes of `input` read as another dtype, without changing them.

    Args:
      input: `[...]`, numeric.
      type: the dtype wanted.
      name: op name; default "Bitcast".

    Returns:
      dtype `type`. The shape of `input` where both dtypes have one size; with a last dimension more
      where `type` is smaller; without its last dimension, which must hold just one element of `type`,
      where it is larger.

    Raises:
      ValueError: the last dimension does not hold one element of `type`.
    """
    return apply(Bitcast, input, type=type, name=name)


@public("to_float")
def to_float(x: Any, name: str = "ToFloat") -> Any:
    """`cast` to float32; arguments and result as there.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.to_float([1, 2])))
      [1. 2.]
    """
    return cast(x, dtypes.float32, name)


@public("to_double")
def to_double(x: Any, name: str = "ToDouble") -> Any:
    """`cast` to float64; arguments and result as there."""
    return cast(x, dtypes.float64, name)


@public("to_int32")
def to_int32(x: Any, name: str = "ToInt32") -> Any:
    """`cast` to int32; arguments and result as there.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.to_int32([1.7, -1.7])))
      [ 1 -1]
    """
    return cast(x, dtypes.int32, name)


@public("to_int64")
def to_int64(x: Any, name: str = "ToInt64") -> Any:
    """`cast` to int64; arguments and result as there."""
    return cast(x, dtypes.int64, name)


@public("to_bfloat16")
def to_bfloat16(x: Any, name: str = "ToBFloat16") -> Any:
    """`cast` to bfloat16; arguments and result as there."""
    return cast(x, dtypes.bfloat16, name)


@public("to_complex64")
def to_complex64(x: Any, name: str = "ToComplex64") -> Any:
    """`cast` to complex64; arguments and result as there."""
    return cast(x, dtypes.complex64, name)


@public("to_complex128")
def to_complex128(x: Any, name: str = "ToComplex128") -> Any:
    """`cast` to complex128; arguments and result as there."""
    return cast(x, dtypes.complex128, name)
