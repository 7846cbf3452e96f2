"""Discrete Fourier transforms over the last one, two or three axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.static import Known
from millrace.core import dtypes, shapes
from millrace.core.dtypes import COMPLEX
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import at_least

# ---------------------------------------------------------------- complex to complex


def _transform(xp: Any, x: Any, rank: int, inverse: bool) -> Any:
    if x.ndim < rank:
        raise refusal(f"Input must have rank of at least {rank}. Received: {list(x.shape)}")
    axes = tuple(range(-rank, 0))
    if 0 in x.shape:
        return xp.zeros_like(x)
    return (xp.fft.ifftn if inverse else xp.fft.fftn)(x, axes=axes).astype(x.dtype)


def _scaled(x: Tensor, like: Tensor, rank: int, inverse: bool) -> Tensor:
    """`x` times the number of elements transformed, or divided by it."""
    count = raw.Cast(_count(like, rank), DstT=x.dtype.base_dtype.real_dtype)
    count = raw.Reciprocal(count) if inverse else count
    return raw.Mul(x, raw.Complex(count, raw.ZerosLike(count), Tout=x.dtype.base_dtype))


def _count(x: Tensor, rank: int) -> Tensor:
    """The number of elements of the last `rank` axes, an int32 scalar."""
    return raw.Prod(raw.Shape(x)[-rank:], np.array([0], np.int32))


@declare("FFT(input: Tcomplex) -> output: Tcomplex", Tcomplex=COMPLEX)
class FFT:
    """The Fourier transform over the last axis."""

    def shape(input):
        return at_least(input, 1)

    def kernel(xp, input):
        return _transform(xp, input, 1, False)

    def grad(op, dy):
        return _scaled(raw.IFFT(dy), dy, 1, False)


@declare("IFFT(input: Tcomplex) -> output: Tcomplex", Tcomplex=COMPLEX)
class IFFT:
    """The inverse Fourier transform over the last axis."""

    def shape(input):
        return at_least(input, 1)

    def kernel(xp, input):
        return _transform(xp, input, 1, True)

    def grad(op, dy):
        return _scaled(raw.FFT(dy), dy, 1, True)


@declare("FFT2D(input: Tcomplex) -> output: Tcomplex", Tcomplex=COMPLEX)
class FFT2D:
    """The Fourier transform over the last two axes."""

    def shape(input):
        return at_least(input, 2)

    def kernel(xp, input):
        return _transform(xp, input, 2, False)

    def grad(op, dy):
        return _scaled(raw.IFFT2D(dy), dy, 2, False)


@declare("IFFT2D(input: Tcomplex) -> output: Tcomplex", Tcomplex=COMPLEX)
class IFFT2D:
    """The inverse Fourier transform over the last two axes."""

    def shape(input):
        return at_least(input, 2)

    def kernel(xp, input):
        return _transform(xp, input, 2, True)

    def grad(op, dy):
        return _scaled(raw.FFT2D(dy), dy, 2, True)


@declare("FFT3D(input: Tcomplex) -> output: Tcomplex", Tcomplex=COMPLEX)
class FFT3D:
    """The Fourier transform over the last three axes."""

    def shape(input):
        return at_least(input, 3)

    def kernel(xp, input):
        return _transform(xp, input, 3, False)

    def grad(op, dy):
        return _scaled(raw.IFFT3D(dy), dy, 3, False)


@declare("IFFT3D(input: Tcomplex) -> output: Tcomplex", Tcomplex=COMPLEX)
class IFFT3D:
    """The inverse Fourier transform over the last three axes."""

    def shape(input):
        return at_least(input, 3)

    def kernel(xp, input):
        return _transform(xp, input, 3, True)

    def grad(op, dy):
        return _scaled(raw.FFT3D(dy), dy, 3, True)


# ---------------------------------------------------------------- real to complex and back


def _real_shape(input: Dims, fft_length: Known, rank: int, halves: bool) -> Dims:
    at_least(input, rank)
    if fft_length.dims is not None and fft_length.dims not in ((rank,), (None,)):
        shown = shapes.format_dims(fft_length.dims)
        raise ValueError(f"'fft_length' must be a vector of {rank} elements. Received: shape {shown}")
    if input is None:
        return None
    value = fft_length.value
    if value is None:
        return (*input[:-rank], *(None,) * rank)
    lengths = [int(n) for n in value]
    if halves:
        lengths[-1] = lengths[-1] // 2 + 1 if lengths[-1] else 0
    return (*input[:-rank], *lengths)


def _check_real(x: Any, lengths: Any, rank: int, needed_last: int) -> None:
    if x.ndim < rank:
        raise refusal(f"Input must have rank of at least {rank}. Received: {list(x.shape)}")
    if any(n < 0 for n in lengths):
        raise refusal(f"fft_length must be non-negative. Received: {list(lengths)}")
    needed = [*lengths[:-1], needed_last]
    for axis, least in zip(range(-rank, 0), needed, strict=True):
        if x.size and x.shape[axis] < least:
            shown = f"{list(x.shape)} and fft_length {list(lengths)}"
            raise refusal(f"Input dimension {x.ndim + axis} must be at least {least}: {shown}")


def _real_transform(xp: Any, x: Any, fft_length: Any, rank: int) -> Any:
    lengths = [int(n) for n in fft_length]
    _check_real(x, lengths, rank, lengths[-1])
    if x.size == 0 or 0 in lengths:
        shape = (*x.shape[:-rank], *lengths[:-1], lengths[-1] // 2 + 1 if lengths[-1] else 0)
        return xp.zeros(shape, np.complex64)
    return xp.fft.rfftn(x, s=lengths, axes=tuple(range(-rank, 0))).astype(np.complex64)


def _inverse_real_transform(xp: Any, x: Any, fft_length: Any, rank: int) -> Any:
    lengths = [int(n) for n in fft_length]
    _check_real(x, lengths, rank, lengths[-1] // 2 + 1)
    if x.size == 0 or 0 in lengths:
        return xp.zeros((*x.shape[:-rank], *lengths), np.float32)
    return xp.fft.irfftn(x, s=lengths, axes=tuple(range(-rank, 0))).astype(np.float32)


def _real_gradient(op: Any, dy: Tensor, rank: int, inverse: str) -> tuple[Tensor, None]:
    """The adjoint of a real transform: the real part of a complex transform of the half spectrum.

    The half spectrum stands for itself alone (its mirror image is not an output), so inner frequencies must
    not count twice: the full inverse transform is taken of the spectrum padded with zeros.
    """
    x, length = op.inputs
    padded = _pad_last(dy, raw.Sub(length, raw.ConcatV2([length[:-1], _half_length(length)], 0)), rank)
    full = getattr(raw, inverse)(padded)
    scale = raw.Prod(raw.Cast(length, DstT=dtypes.float32), np.array([0], np.int32))
    real = raw.Mul(raw.Real(full), scale)
    missing = raw.Sub(raw.Shape(x)[-rank:], length)
    return _pad_last(real, missing, rank), None


def _half_length(length: Tensor) -> Tensor:
    return raw.Add(raw.FloorDiv(length[-1:], 2), 1)


def _pad_last(x: Tensor, after: Tensor, rank: int) -> Tensor:
    """Appends zeros to the last `rank` axes."""
    front = raw.Fill(raw.Pack([raw.Sub(raw.Rank(x), rank)]), 0)
    ends = raw.ConcatV2([front, after], 0)
    return raw.Pad(x, raw.Pack([raw.ZerosLike(ends), ends], axis=1))


def _inverse_real_gradient(op: Any, dy: Tensor, rank: int, forward: str) -> tuple[Tensor, None]:
    """The adjoint of an inverse transform: inner frequencies count twice, for their mirror images."""
    x, length = op.inputs
    spectrum = getattr(raw, forward)(dy, length)
    width, last = raw.Shape(spectrum)[-1], length[-1]
    position = raw.Range(0, width, 1)
    single = raw.LogicalOr(raw.Equal(position, 0), raw.Equal(raw.Mul(position, 2), last))
    ones = raw.Fill(raw.Pack([width]), np.array(1, np.float32))
    weight = raw.Select(single, ones, raw.Mul(ones, 2.0))
    weight = raw.RealDiv(weight, raw.Prod(raw.Cast(length, DstT=dtypes.float32), np.array([0], np.int32)))
    scaled = raw.Mul(spectrum, raw.Complex(weight, raw.ZerosLike(weight)))
    missing = raw.Sub(raw.Shape(x)[-rank:], raw.Shape(spectrum)[-rank:])
    return _pad_last(scaled, missing, rank), None


@declare("RFFT(input: float, fft_length: int32) -> output: complex64", static=("fft_length",))
class RFFT:
    """The non-negative frequencies of real signals, over the last axis."""

    def shape(input, fft_length):
        return _real_shape(input, fft_length, 1, True)

    def kernel(xp, input, fft_length):
        return _real_transform(xp, input, fft_length, 1)

    def grad(op, dy):
        return _real_gradient(op, dy, 1, "IFFT")


@declare("IRFFT(input: complex64, fft_length: int32) -> output: float", static=("fft_length",))
class IRFFT:
    """Real signals from their non-negative frequencies, over the last axis."""

    def shape(input, fft_length):
        return _real_shape(input, fft_length, 1, False)

    def kernel(xp, input, fft_length):
        return _inverse_real_transform(xp, input, fft_length, 1)

    def grad(op, dy):
        return _inverse_real_gradient(op, dy, 1, "RFFT")


@declare("RFFT2D(input: float, fft_length: int32) -> output: complex64", static=("fft_length",))
class RFFT2D:
    """The non-negative frequencies of real signals, over the last two axes."""

    def shape(input, fft_length):
        return _real_shape(input, fft_length, 2, True)

    def kernel(xp, input, fft_length):
        return _real_transform(xp, input, fft_length, 2)

    def grad(op, dy):
        return _real_gradient(op, dy, 2, "IFFT2D")


@declare("IRFFT2D(input: complex64, fft_length: int32) -> output: float", static=("fft_length",))
class IRFFT2D:
    """Real signals from their non-negative frequencies, over the last two axes."""

    def shape(input, fft_length):
        return _real_shape(input, fft_length, 2, False)

    def kernel(xp, input, fft_length):
        return _inverse_real_transform(xp, input, fft_length, 2)

    def grad(op, dy):
        return _inverse_real_gradient(op, dy, 2, "RFFT2D")


@declare("RFFT3D(input: float, fft_length: int32) -> output: complex64", static=("fft_length",))
class RFFT3D:
    """The non-negative frequencies of real signals, over the last three axes."""

    def shape(input, fft_length):
        return _real_shape(input, fft_length, 3, True)

    def kernel(xp, input, fft_length):
        return _real_transform(xp, input, fft_length, 3)

    def grad(op, dy):
        return _real_gradient(op, dy, 3, "IFFT3D")


@declare("IRFFT3D(input: complex64, fft_length: int32) -> output: float", static=("fft_length",))
class IRFFT3D:
    """Real signals from their non-negative frequencies, over the last three axes."""

    def shape(input, fft_length):
        return _real_shape(input, fft_length, 3, False)

    def kernel(xp, input, fft_length):
        return _inverse_real_transform(xp, input, fft_length, 3)

    def grad(op, dy):
        return _inverse_real_gradient(op, dy, 3, "RFFT3D")


# ---------------------------------------------------------------- public


@public("fft", "signal.fft", "spectral.fft")
def fft(input: Any, name: str | None = None) -> Tensor:
    """The Fourier transform over the last axis of a complex `[..., n]`; same shape and dtype."""
    return raw.FFT(input, name=name)


@public("ifft", "signal.ifft", "spectral.ifft")
def ifft(input: Any, name: str | None = None) -> Tensor:
    """The inverse Fourier transform over the last axis of a complex `[..., n]`; same shape and dtype."""
    return raw.IFFT(input, name=name)


@public("fft2d", "signal.fft2d", "spectral.fft2d")
def fft2d(input: Any, name: str | None = None) -> Tensor:
    """The Fourier transform over the last two axes of a complex `[..., m, n]`; same shape and dtype."""
    return raw.FFT2D(input, name=name)


@public("ifft2d", "signal.ifft2d", "spectral.ifft2d")
def ifft2d(input: Any, name: str | None = None) -> Tensor:
    """The inverse Fourier transform over the last two axes of a complex tensor; same shape and dtype."""
    return raw.IFFT2D(input, name=name)


@public("fft3d", "signal.fft3d", "spectral.fft3d")
def fft3d(input: Any, name: str | None = None) -> Tensor:
    """The Fourier transform over the last three axes of a complex tensor; same shape and dtype."""
    return raw.FFT3D(input, name=name)


@public("ifft3d", "signal.ifft3d", "spectral.ifft3d")
def ifft3d(input: Any, name: str | None = None) -> Tensor:
    """The inverse Fourier transform over the last three axes of a complex tensor; same shape and dtype."""
    return raw.IFFT3D(input, name=name)
