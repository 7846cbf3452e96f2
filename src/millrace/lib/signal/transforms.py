"""Real Fourier transforms and cosine transforms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.lengths import (
    at_least_zero,
    fitted,
    length,
    rank_of,
    vector,
)
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import range_ as range_of
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.shape import rank as rank_tensor
from millrace.ops.array.shape import shape
from millrace.ops.math.cast import cast
from millrace.ops.math.complex import complex as complex_of

# ---------------------------------------------------------------- real Fourier transforms


def _lengths_of(fft_length: Any, rank: int, x: Tensor) -> tuple[Tensor, list[int] | None]:
    """The lengths as a tensor, and as numbers where the graph determines them and those of `x`."""
    tensor = to_tensor(fft_length, dtypes.int32)
    if tensor.dims is not None and tensor.dims != (rank,):
        raise ValueError(f"fft_length must have {rank} elements. Received: shape {tensor.shape}")
    value = static_value(tensor)
    if value is None or x.dims is None or None in x.dims[-rank:]:
        return tensor, None
    return tensor, [int(n) for n in value]


def _padded(x: Tensor, wanted: Tensor, rank: int) -> Tensor:
    """Zeros appended to the last `rank` axes where `wanted`, a vector, is longer."""
    outer = raw.Maximum(0, rank_tensor(x) - rank)
    lengths = shape(x)[-rank:]
    ahead = zeros([outer], dtypes.int32)
    missing = raw.Maximum(0, wanted - lengths)
    ends = concat([ahead, missing], 0)
    return raw.Pad(x, stack([zeros_like(ends), ends], axis=1))


def _rfft(x: Any, fft_length: Any, rank: int, name: str | None, default: str) -> Tensor:
    with name_scope(name, default, [x, fft_length]) as scope:
        x = to_tensor(x, dtypes.float32)
        if x.dims is not None and len(x.dims) < rank:
            raise ValueError(f"{default}: the input must have rank at least {rank}. Received: {x.shape}")
        if fft_length is None:
            known = x.dims is not None and None not in x.dims[-rank:]
            sizes = np.array(x.dims[-rank:], np.int32) if known else raw.Shape(x)[-rank:]  # type: ignore[index]
            size = to_tensor(sizes, name="Const")
        else:
            size, wanted = _lengths_of(fft_length, rank, x)
            x = _padded(x, size, rank) if wanted is None else fitted(x, [*wanted])
        return getattr(raw, default.upper())(x, size, name=scope)


def _irfft(x: Any, fft_length: Any, rank: int, name: str | None, default: str) -> Tensor:
    with name_scope(name, default, [x, fft_length]) as scope:
        x = to_tensor(x, dtypes.complex64)
        if x.dims is not None and len(x.dims) < rank:
            raise ValueError(f"{default}: the input must have rank at least {rank}. Received: {x.shape}")
        if fft_length is None:
            lengths = [length(x, i - rank) for i in range(rank)]
            size = to_tensor(vector(*lengths[:-1], at_least_zero((lengths[-1] - 1) * 2)), name="Const")
        else:
            size, wanted = _lengths_of(fft_length, rank, x)
            if wanted is None:
                x = _padded(x, concat([size[:-1], size[-1:] // 2 + 1], 0), rank)
            else:
                x = fitted(x, [*wanted[:-1], wanted[-1] // 2 + 1 if wanted[-1] else 0])
        return getattr(raw, default.upper())(x, size, name=scope)


@public("signal.rfft", "spectral.rfft")
def rfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """The non-negative frequencies of real signals, over the last axis.

    Args:
      input_tensor: float32 `[..., n]`.
      fft_length: `[1]`, how many samples to take; zeros are appended. Default n.
      name: op name; default "rfft".

    Returns:
      complex64 `[..., fft_length / 2 + 1]`.
    """
    return _rfft(input_tensor, fft_length, 1, name, "rfft")


@public("signal.rfft2d", "spectral.rfft2d")
def rfft2d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """As `rfft`, over the last two axes; `fft_length` is `[2]`."""
    return _rfft(input_tensor, fft_length, 2, name, "rfft2d")


@public("signal.rfft3d", "spectral.rfft3d")
def rfft3d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """As `rfft`, over the last three axes; `fft_length` is `[3]`."""
    return _rfft(input_tensor, fft_length, 3, name, "rfft3d")


@public("signal.irfft", "spectral.irfft")
def irfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """Real signals from their non-negative frequencies, over the last axis.

    Args:
      input_tensor: complex64 `[..., n]`.
      fft_length: `[1]`, how many samples to give; default 2 (n - 1).
      name: op name; default "irfft".

    Returns:
      float32 `[..., fft_length]`.
    """
    return _irfft(input_tensor, fft_length, 1, name, "irfft")


@public("signal.irfft2d", "spectral.irfft2d")
def irfft2d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """As `irfft`, over the last two axes; `fft_length` is `[2]`."""
    return _irfft(input_tensor, fft_length, 2, name, "irfft2d")


@public("signal.irfft3d", "spectral.irfft3d")
def irfft3d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Tensor:
    """As `irfft`, over the last three axes; `fft_length` is `[3]`."""
    return _irfft(input_tensor, fft_length, 3, name, "irfft3d")


def _shift(x: Any, axes: Any, name: str | None, default: str, sign: int) -> Tensor:
    with name_scope(name, default, [x]) as scope:
        x = to_tensor(x)
        rank = rank_of(x)
        if isinstance(axes, int):
            axes = [axes]
        if axes is not None and x.dims is not None and not all(-len(x.dims) <= a < len(x.dims) for a in axes):
            raise ValueError(f"{default}: axes must be axes of x, of shape {x.shape}. Received: {axes!r}")
        if axes is None:
            axes = list(range(rank))
        by = [(length(x, a) + (sign < 0)) // 2 for a in axes]
        shift = to_tensor(vector(*by), name="shift")
        return raw.Roll(x, shift, to_tensor(np.array(axes, np.int32), name="axis"), name=scope)


@public("signal.fftshift")
def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """Moves the zero frequency to the middle of each of `axes` (default all); same shape and dtype."""
    return _shift(x, axes, name, "fftshift", 1)


@public("signal.ifftshift")
def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Tensor:
    """Undoes `fftshift`; same shape and dtype."""
    return _shift(x, axes, name, "ifftshift", -1)


# ---------------------------------------------------------------- cosine transforms


def _phases(count: Tensor, negative: bool) -> Tensor:
    """2 exp(± i pi k / 2n) for k from 0 below n, which is `count`."""
    steps = range_of(count)
    angles = (-steps if negative else steps) * math.pi * 0.5 / count
    return 2.0 * raw.Exp(complex_of(0.0, angles))


def _first_and_rest(first: Tensor, rest: Tensor, count: Any) -> Tensor:
    """A vector of `first`, then `rest` for the other frequencies."""
    return raw.PadV2(raw.ExpandDims(first, 0), [[0, count - 1]], rest)


@public("signal.dct", "spectral.dct")
def dct(
    input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The cosine transform of type 1, 2 or 3 over the last axis.

    Args:
      input: float32 `[..., samples]`.
      type: 1, 2 or 3; as SciPy defines them.
      n: how many samples to take; zeros are appended. Default all.
      axis: -1.
      norm: None, or "ortho" for types 2 and 3.
      name: op name; default "dct".

    Returns:
      float32 `[..., n]`.

    Raises:
      ValueError: the type, `n` or `norm` is not supported.
      NotImplementedError: `axis` is not -1.
    """
    _check_cosine(type, n, axis, norm, "DCT")
    with name_scope(name, "dct", [input]):
        x = to_tensor(input, dtypes.float32)
        if x.dims == ():
            raise ValueError(f"{name or 'dct'}: input needs an axis of samples. Received: the scalar {x}")
        count = length(x, -1)
        if isinstance(count, Tensor):
            count = length(x, -1)  # TensorFlow asks twice
        if n is not None:
            taken = n if not isinstance(count, int) else min(n, count)
            x = fitted(x[..., :taken], [n])
            count = n
        samples = cast(count, dtypes.float32)
        if type == 1:
            if isinstance(count, int) and count < 2:
                raise ValueError(f"dct: type 1 needs more than one sample. Received: {count}")
            return raw.Real(rfft(concat([x, x[..., -2:0:-1]], -1)))
        if type == 2:
            phases = _phases(samples, negative=True)
            spectrum = rfft(x, fft_length=[2 * count])[..., :count]
            result = raw.Real(spectrum * phases)
            if norm == "ortho":
                first = 0.5 * raw.Rsqrt(samples)
                rest = first * raw.Sqrt(np.float32(2.0))
                result = result * _first_and_rest(first, rest, count)
            return result
        if norm == "ortho":
            first = raw.Sqrt(samples)
            x = x * _first_and_rest(first, first * raw.Sqrt(np.float32(0.5)), count)
        else:
            x = x * samples
        spectrum = _phases(samples, negative=False) * complex_of(x, 0.0)
        return irfft(spectrum, fft_length=[2 * count])[..., :count]


def _check_cosine(type: int, n: Any, axis: int, norm: str | None, what: str) -> None:
    if axis != -1:
        raise NotImplementedError(f"{what}: axis must be -1. Received: {axis}")
    if n is not None and n < 1:
        raise ValueError(f"{what}: n must be positive. Received: {n}")
    if type not in (1, 2, 3):
        raise ValueError(f"{what}: only types 1, 2 and 3 are supported. Received: {type}")
    if norm not in (None, "ortho"):
        raise ValueError(f"{what}: norm must be None or 'ortho'. Received: {norm!r}")
    if type == 1 and norm == "ortho":
        raise ValueError(f"{what}: type 1 has no norm 'ortho'. Received: {norm!r}")


@public("signal.idct", "spectral.idct")
def idct(
    input: Any, type: int = 2, n: Any = None, axis: int = -1, norm: str | None = None, name: str | None = None
) -> Tensor:
    """The inverse cosine transform, up to a factor of twice the number of samples unless `norm` is "ortho".

    Arguments and result as for `dct`.
    """
    _check_cosine(type, n, axis, norm, "IDCT")
    return dct(input, type={1: 1, 2: 3, 3: 2}[type], n=n, norm=norm, axis=axis, name=name)
