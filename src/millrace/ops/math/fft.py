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
from millrace.graph.attrs import dtype, later
from millrace.graph.opdef import OpDef, make_opdef, renamed
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


def _complex(signature: str, rank: int, inverse: bool, other: str, doc: str) -> OpDef:
    """Declares a transform of `rank` axes; `other` is the way back."""

    def shape(input: Dims) -> Dims:
        return at_least(input, rank)

    def kernel(xp: Any, input: Any) -> Any:
        return _transform(xp, input, rank, inverse)

    def grad(op: Any, dy: Tensor) -> Tensor:
        return _scaled(getattr(raw, other)(dy), dy, rank, inverse)

    members = {"shape": shape, "kernel": kernel, "grad": grad}
    return make_opdef(signature, members, {"doc": doc, "room": __name__}, {"Tcomplex": COMPLEX})


# fmt: off
FFT = _complex("FFT(input: Tcomplex) -> output: Tcomplex", 1, False, "IFFT",
    "The Fourier transform over the last axis.")
IFFT = _complex("IFFT(input: Tcomplex) -> output: Tcomplex", 1, True, "FFT",
    "The inverse Fourier transform over the last axis.")
FFT2D = _complex("FFT2D(input: Tcomplex) -> output: Tcomplex", 2, False, "IFFT2D",
    "The Fourier transform over the last two axes.")
IFFT2D = _complex("IFFT2D(input: Tcomplex) -> output: Tcomplex", 2, True, "FFT2D",
    "The inverse Fourier transform over the last two axes.")
FFT3D = _complex("FFT3D(input: Tcomplex) -> output: Tcomplex", 3, False, "IFFT3D",
    "The Fourier transform over the last three axes.")
IFFT3D = _complex("IFFT3D(input: Tcomplex) -> output: Tcomplex", 3, True, "FFT3D",
    "The inverse Fourier transform over the last three axes.")
# fmt: on

BatchFFT = renamed("BatchFFT", FFT)
BatchIFFT = renamed("BatchIFFT", IFFT)
BatchFFT2D = renamed("BatchFFT2D", FFT2D)
BatchIFFT2D = renamed("BatchIFFT2D", IFFT2D)
BatchFFT3D = renamed("BatchFFT3D", FFT3D)
BatchIFFT3D = renamed("BatchIFFT3D", IFFT3D)


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
    kind = np.complex128 if x.dtype == np.float64 else np.complex64
    if x.size == 0 or 0 in lengths:
        shape = (*x.shape[:-rank], *lengths[:-1], lengths[-1] // 2 + 1 if lengths[-1] else 0)
        return xp.zeros(shape, kind)
    return xp.fft.rfftn(x, s=lengths, axes=tuple(range(-rank, 0))).astype(kind)


def _inverse_real_transform(xp: Any, x: Any, fft_length: Any, rank: int) -> Any:
    lengths = [int(n) for n in fft_length]
    _check_real(x, lengths, rank, lengths[-1] // 2 + 1)
    kind = np.float64 if x.dtype == np.complex128 else np.float32
    if x.size == 0 or 0 in lengths:
        return xp.zeros((*x.shape[:-rank], *lengths), kind)
    return xp.fft.irfftn(x, s=lengths, axes=tuple(range(-rank, 0))).astype(kind)


def _real_gradient(op: Any, dy: Tensor, rank: int, inverse: str) -> tuple[Tensor, None]:
    """The adjoint of a real transform: the real part of a complex transform of the half spectrum.

    The half spectrum stands for itself alone (its mirror image is not an output), so inner frequencies must
    not count twice: the full inverse transform is taken of the spectrum padded with zeros.
    """
    x, length = op.inputs
    padded = _pad_last(dy, raw.Sub(length, raw.ConcatV2([length[:-1], _half_length(length)], 0)), rank)
    full = getattr(raw, inverse)(padded)
    scale = raw.Prod(raw.Cast(length, DstT=x.dtype.base_dtype), np.array([0], np.int32))
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
    kind = dy.dtype.base_dtype
    spectrum = getattr(raw, forward)(dy, length, Tcomplex=x.dtype.base_dtype)
    width, last = raw.Shape(spectrum)[-1], length[-1]
    position = raw.Range(0, width, 1)
    single = raw.LogicalOr(raw.Equal(position, 0), raw.Equal(raw.Mul(position, 2), last))
    ones = raw.Fill(raw.Pack([width]), np.array(1, kind.np_dtype))
    weight = raw.Select(single, ones, raw.Mul(ones, 2.0))
    weight = raw.RealDiv(weight, raw.Prod(raw.Cast(length, DstT=kind), np.array([0], np.int32)))
    scaled = raw.Mul(spectrum, raw.Complex(weight, raw.ZerosLike(weight), Tout=x.dtype.base_dtype))
    missing = raw.Sub(raw.Shape(x)[-rank:], raw.Shape(spectrum)[-rank:])
    return _pad_last(scaled, missing, rank), None


def _real(signature: str, rank: int, other: str, doc: str) -> OpDef:
    """Declares the transform of real signals; its gradient goes by the complex transform `other`."""

    def shape(input: Dims, fft_length: Known) -> Dims:
        return _real_shape(input, fft_length, rank, True)

    def kernel(xp: Any, input: Any, fft_length: Any) -> Any:
        return _real_transform(xp, input, fft_length, rank)

    def grad(op: Any, dy: Tensor) -> tuple[Tensor, None]:
        return _real_gradient(op, dy, rank, other)

    members = {"shape": shape, "kernel": kernel, "grad": grad}
    return make_opdef(signature, members, {"doc": doc, "room": __name__, "static": _LENGTH}, dict(_KINDS))


def _inverse_real(signature: str, rank: int, other: str, doc: str) -> OpDef:
    """Declares the way back; `other` is the way there."""

    def shape(input: Dims, fft_length: Known) -> Dims:
        return _real_shape(input, fft_length, rank, False)

    def kernel(xp: Any, input: Any, fft_length: Any) -> Any:
        return _inverse_real_transform(xp, input, fft_length, rank)

    def grad(op: Any, dy: Tensor) -> tuple[Tensor, None]:
        return _inverse_real_gradient(op, dy, rank, other)

    members = {"shape": shape, "kernel": kernel, "grad": grad}
    return make_opdef(signature, members, {"doc": doc, "room": __name__, "static": _LENGTH}, dict(_KINDS))


_LENGTH = frozenset(("fft_length",))
_KINDS = {
    "Treal": later(dtype(frozenset((dtypes.float32, dtypes.float64)), dtypes.float32)),
    "Tcomplex": later(dtype(COMPLEX, dtypes.complex64)),
}
# fmt: off
RFFT = _real("RFFT(input: Treal, fft_length: int32) -> output: Tcomplex", 1, "IFFT",
    "The non-negative frequencies of real signals, over the last axis.")
IRFFT = _inverse_real("IRFFT(input: Tcomplex, fft_length: int32) -> output: Treal", 1, "RFFT",
    "Real signals from their non-negative frequencies, over the last axis.")
RFFT2D = _real("RFFT2D(input: Treal, fft_length: int32) -> output: Tcomplex", 2, "IFFT2D",
    "The non-negative frequencies of real signals, over the last two axes.")
IRFFT2D = _inverse_real("IRFFT2D(input: Tcomplex, fft_length: int32) -> output: Treal", 2, "RFFT2D",
    "Real signals from their non-negative frequencies, over the last two axes.")
RFFT3D = _real("RFFT3D(input: Treal, fft_length: int32) -> output: Tcomplex", 3, "IFFT3D",
    "The non-negative frequencies of real signals, over the last three axes.")
IRFFT3D = _inverse_real("IRFFT3D(input: Tcomplex, fft_length: int32) -> output: Treal", 3, "RFFT3D",
    "Real signals from their non-negative frequencies, over the last three axes.")
# fmt: on


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
