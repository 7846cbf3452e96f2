"""Signals in frames: windows, short-time transforms, mel filters."""

from __future__ import annotations

import math
from collections.abc import Callable
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
    Length,
    as_float,
    at_least_zero,
    fitted,
    float_range,
    length,
    vector,
    whole,
)
from millrace.lib.signal.transforms import dct, irfft, rfft
from millrace.opkit.rules import axes

# ---------------------------------------------------------------- windows

_LONG = 1 << 24  # elements of a window that is not put into the graph as a constant


def _cosine_window(
    name: str | None, default: str, length: Any, periodic: Any, dtype: Any, a: float, b: float
) -> Tensor:
    dtype = dtypes.as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"{default}: dtype must be floating. Received: {dtype.name}")
    with name_scope(name, default, [length, periodic]):
        count = whole(length, "window_length")
        if isinstance(periodic, Tensor):
            periodic = static_value(periodic)
        if isinstance(count, int) and count >= _LONG:  # computed in the run, where it may be too much
            if count >= 1 << 31:
                raise ValueError(f"{default}: window_length must fit int32. Received: {count}")
            count = to_tensor(count, dtypes.int32)
        if isinstance(count, int):
            if count == 1:
                return to_tensor(np.ones(1, dtype.np_dtype), dtype)
            period = count - 1 + (1 if periodic and count % 2 == 0 else 0)
            angles = np.arange(count, dtype=np.float64) * (2 * np.pi / max(period, 1))
            return to_tensor((a - b * np.cos(angles)).astype(dtype.np_dtype), dtype)
        even = 1 - count % 2
        period = raw.Maximum(count - 1 + (even if periodic else 0), 1)
        angles = float_range(count, dtype) * (2 * math.pi) / as_float(period, dtype)
        window = a - b * raw.Cos(angles)
        return raw.Select(raw.Fill(raw.Shape(window), raw.Equal(count, 1)), raw.OnesLike(window), window)


@public("signal.hann_window", "contrib.signal.hann_window")
def hann_window(
    window_length: Any, periodic: Any = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """A Hann window.

    Args:
      window_length: integer scalar.
      periodic: for Fourier analysis (one period, its end left out); otherwise symmetric.
      dtype: a floating dtype.
      name: op name; default "hann_window".

    Returns:
      `[window_length]` of `dtype`.

    Raises:
      ValueError: `dtype` is not floating.
    """
    return _cosine_window(name, "hann_window", window_length, periodic, dtype, 0.5, 0.5)


@public("signal.hamming_window", "contrib.signal.hamming_window")
def hamming_window(
    window_length: Any, periodic: Any = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """A Hamming window; arguments and result as for `hann_window`."""
    return _cosine_window(name, "hamming_window", window_length, periodic, dtype, 0.54, 0.46)


# ---------------------------------------------------------------- frames


@public("signal.frame", "contrib.signal.frame")
def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: Any = -1,
    name: str | None = None,
) -> Tensor:
    """Cuts an axis into frames that may overlap.

    Args:
      signal: `[..., samples, ...]`, any dtype.
      frame_length: samples per frame.
      frame_step: samples from one frame to the next.
      pad_end: fill the last frames up with `pad_value` instead of dropping samples.
      pad_value: scalar of the dtype of `signal`.
      axis: which axis.
      name: op name; default "frame".

    Returns:
      `[..., frames, frame_length, ...]`.

    Raises:
      ValueError: an argument is not a scalar, or the axis is out of range.
    """
    with name_scope(name, "frame", [signal, frame_length, frame_step, pad_value]):
        signal = to_tensor(signal, name="signal")
        width, step = whole(frame_length, "frame_length"), whole(frame_step, "frame_step")
        at = int(static_value(axis)) if isinstance(axis, Tensor) else int(axis)  # pyright: ignore[reportArgumentType]
        if signal.dims is not None:
            rank = len(signal.dims)
            if not -rank <= at < rank:
                raise ValueError(f"frame: axis must be in [{-rank}, {rank}). Received: {at}")
            at %= rank
        count = length(signal, at)
        if pad_end:
            frames = at_least_zero(-(-count // step))
            missing = at_least_zero(width + step * (frames - 1) - count)
            if not (isinstance(missing, int) and missing == 0):
                filler = to_tensor(pad_value, signal.dtype.base_dtype, "pad_value")
                signal = raw.PadV2(signal, _paddings(signal, at, missing), filler)
        else:
            frames = at_least_zero((count - width) // step + 1)
        starts = raw.ExpandDims(raw.Mul(raw.Range(0, frames, 1), step), 1)
        indices = raw.Add(starts, raw.ExpandDims(raw.Range(0, width, 1), 0))
        return raw.GatherV2(signal, indices, at)


def _paddings(signal: Tensor, at: int, missing: Length) -> Any:
    """What appends `missing` samples to one axis."""
    if signal.dims is None:
        rank = raw.Rank(signal)
        return axes.paddings(axes.from_the_front([at], rank), raw.Reshape(missing, [1]), rank)
    rows = [vector(0, missing if i == at else 0) for i in range(len(signal.dims))]
    return raw.Pack(rows) if isinstance(missing, Tensor) else np.stack(rows)


@public("signal.overlap_and_add", "contrib.signal.overlap_and_add")
def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Tensor:
    """Puts frames one after another and adds them where they overlap.

    Args:
      signal: `[..., frames, frame_length]`, numeric.
      frame_step: samples from one frame to the next.
      name: op name; default "overlap_and_add".

    Returns:
      `[..., (frames - 1) * frame_step + frame_length]`, the dtype of `signal`.

    Raises:
      ValueError: `frame_step` is not an integer scalar, or the rank is below 2.
    """
    with name_scope(name, "overlap_and_add", [signal, frame_step]):
        signal = to_tensor(signal, name="signal")
        if isinstance(frame_step, float) or (
            isinstance(frame_step, Tensor) and not frame_step.dtype.is_integer
        ):
            raise ValueError(f"overlap_and_add: frame_step must be an integer. Received: {frame_step!r}")
        rank = raw.Rank(signal) if signal.dims is None else len(signal.dims)
        if isinstance(rank, int) and rank < 2:
            raise ValueError(f"overlap_and_add: signal must have rank at least 2. Received: {signal.shape}")
        step = whole(frame_step, "frame_step")
        frames, width = length(signal, -2), length(signal, -1)
        total = (frames - 1) * step + width
        if isinstance(rank, int):
            order: Any = np.array([rank - 2, rank - 1, *range(rank - 2)], np.int32)
            back: Any = np.array([*range(1, rank - 1), 0], np.int32)
        else:
            order = axes.joined(axes.range_of(rank - 2, rank), axes.range_of(0, rank - 2))
            back = axes.joined(axes.range_of(1, rank - 1), [0])
        first = raw.Transpose(signal, order)
        starts = raw.ExpandDims(raw.Mul(raw.Range(0, frames, 1), step), 1)
        places = raw.Add(starts, raw.ExpandDims(raw.Range(0, width, 1), 0))
        added = raw.UnsortedSegmentSum(first, places, to_tensor(total, dtypes.int32))
        return raw.Transpose(added, back)


@public("signal.stft", "contrib.signal.stft")
def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Callable[..., Tensor] | None = hann_window,
    pad_end: bool = False,
    name: str | None = None,
) -> Tensor:
    """The short-time Fourier transform of real signals.

    Args:
      signals: float32 `[..., samples]`.
      frame_length: samples per window.
      frame_step: samples from one window to the next.
      fft_length: size of the transforms; default the next power of two from `frame_length`.
      window_fn: `(window_length, dtype=)` to a window, or None.
      pad_end: fill the last frames up with zeros.
      name: op name; default "stft".

    Returns:
      complex64 `[..., frames, fft_length / 2 + 1]`.
    """
    with name_scope(name, "stft", [signals, frame_length, frame_step]):
        signals = to_tensor(signals, name="signals")
        width = whole(frame_length, "frame_length")
        size = _enclosing_power_of_two(width) if fft_length is None else whole(fft_length, "fft_length")
        frames = frame(signals, width, frame_step, pad_end=pad_end)
        if window_fn is not None:
            frames = raw.Mul(frames, window_fn(width, dtype=frames.dtype), name="mul")
        return rfft(frames, vector(size))


def _enclosing_power_of_two(n: Length) -> Length:
    if isinstance(n, int):
        return 1 << max(n - 1, 0).bit_length()
    exponent = raw.Ceil(raw.RealDiv(raw.Log(raw.Cast(n, DstT=dtypes.float32)), math.log(2.0)))
    return raw.Cast(raw.Pow(to_tensor(2.0), exponent), DstT=dtypes.int32)


@public("signal.inverse_stft", "contrib.signal.inverse_stft")
def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: Callable[..., Tensor] | None = hann_window,
    name: str | None = None,
) -> Tensor:
    """Signals from their short-time Fourier transform.

    Args:
      stfts: complex64 `[..., frames, fft_length / 2 + 1]`.
      frame_length: samples per window.
      frame_step: samples from one window to the next.
      fft_length: size of the transforms; default the next power of two from `frame_length`.
      window_fn: `(window_length, dtype=)` to a window, or None; see `inverse_stft_window_fn`.
      name: op name; default "inverse_stft".

    Returns:
      float32 `[..., samples]`.
    """
    with name_scope(name, "inverse_stft", [stfts]):
        stfts = to_tensor(stfts, name="stfts")
        width = whole(frame_length, "frame_length")
        size = _enclosing_power_of_two(width) if fft_length is None else whole(fft_length, "fft_length")
        frames = irfft(stfts, vector(size))
        if isinstance(size, int) and isinstance(width, int):
            frames = frames[..., :width] if size > width else frames
        else:
            frames = frames[..., : raw.Minimum(size, width)]
        frames = fitted(frames, [width])
        if window_fn is not None:
            frames = raw.Mul(frames, window_fn(width, dtype=frames.dtype), name="mul")
        return overlap_and_add(frames, frame_step)


@public("signal.inverse_stft_window_fn", "contrib.signal.inverse_stft_window_fn")
def inverse_stft_window_fn(
    frame_step: Any, forward_window_fn: Callable[..., Tensor] = hann_window, name: str | None = None
) -> Callable[[Any, Any], Tensor]:
    """A window function for `inverse_stft` that undoes the window of `stft`.

    Args:
      frame_step: as given to `stft`.
      forward_window_fn: the window function that `stft` used.
      name: op name; default "inverse_stft_window_fn".

    Returns:
      `(frame_length, dtype)` to a window.
    """

    def window(frame_length: Any, dtype: Any) -> Tensor:
        with name_scope(name, "inverse_stft_window_fn", [forward_window_fn]):
            width, step = whole(frame_length, "frame_length"), whole(frame_step, "frame_step")
            forward = forward_window_fn(width, dtype=dtype)
            overlaps = -(-width // step)
            energy = fitted(raw.Square(forward), [overlaps * step])
            energy = raw.Sum(raw.Reshape(energy, vector(overlaps, step)), [0], keep_dims=True)
            energy = raw.Reshape(raw.Tile(energy, vector(overlaps, 1)), vector(overlaps * step))
            return raw.RealDiv(forward, energy[:width], name="truediv")

    return window


# ---------------------------------------------------------------- mel scale


def _hertz_to_mel(hertz: Tensor) -> Tensor:
    return 1127.0 * raw.Log(1.0 + hertz / 700.0)


@public("signal.linear_to_mel_weight_matrix", "contrib.signal.linear_to_mel_weight_matrix")
def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20,
    num_spectrogram_bins: Any = 129,
    sample_rate: Any = 8000,
    lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """A matrix that sums linear frequency bins into triangular bands, evenly spaced on the mel scale.

    Args:
      num_mel_bins: how many bands.
      num_spectrogram_bins: how many linear bins, from 0 to half the sample rate.
      sample_rate: samples per second.
      lower_edge_hertz: where the lowest band begins.
      upper_edge_hertz: where the highest band ends.
      dtype: a floating dtype.
      name: op name; default "linear_to_mel_weight_matrix".

    Returns:
      `[num_spectrogram_bins, num_mel_bins]` of `dtype`.

    Raises:
      ValueError: a number is out of its range.
    """
    dtype = dtypes.as_dtype(dtype)
    with name_scope(name, "linear_to_mel_weight_matrix"):
        rate = static_value(sample_rate) if isinstance(sample_rate, Tensor) else sample_rate
        _check_mel(num_mel_bins, rate, lower_edge_hertz, upper_edge_hertz, dtype)
        rate_tensor = raw.Cast(to_tensor(sample_rate), DstT=dtype)
        bins = whole(num_spectrogram_bins, "num_spectrogram_bins")
        zero = to_tensor(np.array(0.0, dtype.np_dtype))
        linear = raw.LinSpace(zero, rate_tensor / 2.0, bins)[1:]
        mel = raw.ExpandDims(_hertz_to_mel(linear), 1)
        ends = [
            _hertz_to_mel(to_tensor(np.array(e, dtype.np_dtype)))
            for e in (lower_edge_hertz, upper_edge_hertz)
        ]
        edges = raw.LinSpace(*ends, num_mel_bins + 2)  # pyright: ignore[reportCallIssue]
        lower, center, upper = (raw.ExpandDims(edges[i : num_mel_bins + i], 0) for i in range(3))
        rising, falling = (mel - lower) / (center - lower), (upper - mel) / (upper - center)
        weights = raw.Maximum(zero, raw.Minimum(rising, falling))
        return raw.Pad(weights, np.array([[1, 0], [0, 0]], np.int32))


def _check_mel(bands: int, rate: Any, lower: float, upper: float, dtype: dtypes.DType) -> None:
    if bands <= 0:
        raise ValueError(f"num_mel_bins must be positive. Received: {bands}")
    if lower < 0.0:
        raise ValueError(f"lower_edge_hertz must be non-negative. Received: {lower}")
    if lower >= upper:
        raise ValueError(f"lower_edge_hertz must be below upper_edge_hertz. Received: {lower} >= {upper}")
    if rate is not None:
        if rate <= 0.0:
            raise ValueError(f"sample_rate must be positive. Received: {rate}")
        if upper > rate / 2:
            raise ValueError(
                f"upper_edge_hertz must not exceed half the sample rate, {rate / 2}. Received: {upper}"
            )
    if not dtype.is_floating:
        raise ValueError(f"dtype must be floating. Received: {dtype.name}")


@public("signal.mfccs_from_log_mel_spectrograms", "contrib.signal.mfccs_from_log_mel_spectrograms")
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Tensor:
    """The mel-frequency cepstral coefficients.

    Args:
      log_mel_spectrograms: float32 `[..., num_mel_bins]`.
      name: op name; default "mfccs_from_log_mel_spectrograms".

    Returns:
      float32, same shape.

    Raises:
      ValueError: there are no bins.
    """
    with name_scope(name, "mfccs_from_log_mel_spectrograms", [log_mel_spectrograms]):
        x = to_tensor(log_mel_spectrograms)
        if x.dims == ():
            raise ValueError(
                f"mfccs_from_log_mel_spectrograms: an axis of bins is needed. Received: the scalar {x}"
            )
        count = length(x, -1)
        if count == 0:
            raise ValueError("num_mel_bins must be positive. Received: 0")
        return dct(x, type=2) * raw.Rsqrt(as_float(count, dtypes.float32) * 2.0)
