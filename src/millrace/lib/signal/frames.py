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
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.math.lengths import fitted, length, whole
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.signal.transforms import dct, irfft, rfft
from millrace.lib.signal.windows import hann_window
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.array.concat import concat, split
from millrace.ops.array.constant import constant, zeros
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.fill import range_ as range_of
from millrace.ops.array.gather import gather
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast

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
        for value, what in ((frame_length, "frame_length"), (frame_step, "frame_step")):
            whole(value, what)
        cut = _Framing(signal, _scalar(frame_length, "frame_length"), _scalar(frame_step, "frame_step"), axis)
        return cut.frames(pad_end, pad_value)


def _scalar(value: Any, name: str) -> Tensor:
    tensor = to_tensor(value, name=name)
    return tensor if tensor.dtype.base_dtype is dtypes.int32 else raw.Cast(tensor, DstT=dtypes.int32)


class _Framing:
    """One call of `frame`: the signal is cut into pieces of the greatest common divisor of length and step,
    and each frame gathers its own.
    """

    def __init__(self, signal: Tensor, width: Tensor, step: Tensor, axis: Any) -> None:
        self.signal, self.width, self.step = signal, width, step
        self.axis = to_tensor(axis, dtypes.int32, "axis")
        known = static_value(self.axis)
        self.at = None if known is None else int(known)
        if signal.dims is not None and self.at is not None:
            rank = len(signal.dims)
            if not -rank <= self.at < rank:
                raise ValueError(f"frame: axis must be in [{-rank}, {rank}). Received: {self.at}")
            self.at %= rank

    def frames(self, pad_end: bool, pad_value: Any) -> Tensor:
        signal = self.signal
        rank = rank_tensor(signal)
        axis = range_of(rank)[self.axis]
        shape = shape_of(signal)
        before, samples, behind = split(shape, [axis, 1, rank - 1 - axis], 0)
        samples = reshape(samples, [])
        outer, inner = size(before), size(behind)
        if pad_end:
            filler = to_tensor(pad_value, signal.dtype.base_dtype)
            count = -(-samples // self.step)
            missing = raw.Maximum(0, self.width + self.step * (count - 1) - samples)
            rows = [zeros([outer, 2], dtypes.int32), [[0, missing]], zeros([inner, 2], dtypes.int32)]
            signal = raw.PadV2(signal, concat(rows, 0), filler)
            shape = shape_of(signal)
            samples = shape[axis]
        else:
            count = raw.Maximum(0, 1 + (samples - self.width) // self.step)
        piece = _common_divisor(self.width, self.step)
        in_frame, in_step, in_signal = self.width // piece, self.step // piece, samples // piece
        whole_pieces = concat([before, [in_signal * piece], behind], 0)
        as_pieces = concat([before, [in_signal, piece], behind], 0)
        pieces = reshape(
            raw.StridedSlice(signal, zeros_like(shape), whole_pieces, ones_like(shape)), as_pieces
        )
        starts = reshape(range_of(count) * in_step, [count, 1])
        places = starts + reshape(range_of(in_frame), [1, in_frame])
        found = gather(pieces, places, axis=axis)
        result = reshape(found, concat([before, [count, self.width], behind], 0))
        result.set_shape(self._dims(pad_end))
        return result

    def _dims(self, pad_end: bool) -> shapes.Dims:
        """The result's shape, as far as it is known."""
        dims, width, step = self.signal.dims, static_value(self.width), static_value(self.step)
        if dims is None or self.at is None:
            return None
        count, samples = None, dims[self.at]
        if None not in (width, step, samples):
            span = int(step)  # type: ignore[arg-type]
            count = -(-samples // span) if pad_end else 1 + (samples - int(width)) // span  # type: ignore[operator,arg-type]
        known = None if width is None else int(width)
        return (*dims[: self.at], None if count is None else max(0, count), known, *dims[self.at + 1 :])


def _common_divisor(a: Tensor, b: Tensor) -> Tensor:
    """The greatest common divisor of two positive scalars."""
    with name_scope("gcd"):
        known = static_value(a), static_value(b)
        if known[0] is not None and known[1] is not None:
            return constant(math.gcd(int(known[0]), int(known[1])), dtypes.int32)

        def goes_on(_: Tensor, rest: Tensor) -> Tensor:
            return raw.Greater(rest, zeros_like(rest))

        return while_loop(goes_on, lambda x, rest: (rest, raw.FloorMod(x, rest)), (a, b))[0]


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
        if signal.dims is not None and len(signal.dims) < 2:
            raise ValueError(f"overlap_and_add: signal must have rank at least 2. Received: {signal.shape}")
        whole(frame_step, "frame_step")
        return _added(signal, _scalar(frame_step, "frame_step"))


def _added(signal: Tensor, step: Tensor) -> Tensor:
    """Frames added, each cut into as many pieces of the step's length as it needs, by a skewed reshape: the
    pieces that belong to one place come to stand above each other.
    """
    shape = shape_of(signal)
    outer = shape[:-2]
    rank = size(outer)
    width, frames = shape[-1], shape[-2]
    total = width + step * (frames - 1)
    pieces = -(-width // step)
    rest = pieces * step - width
    rows = concat([zeros([rank, 2], dtypes.int32), [[0, pieces], [0, rest]]], 0)
    padded = raw.Pad(signal, rows)
    padded = reshape(padded, concat([outer, [frames + pieces, pieces, step]], 0))
    order = concat([range_of(rank), rank + [1, 0, 2]], 0)
    turned = raw.Transpose(padded, order, name="transpose")
    flat = reshape(turned, concat([outer, [(frames + pieces) * pieces, step]], 0))
    flat = flat[..., : (frames + pieces - 1) * pieces, :]
    skewed = reshape(flat, concat([outer, [pieces, frames + pieces - 1, step]], 0))
    summed = reduce_sum(skewed, -3)
    line = reshape(summed, concat([outer, [(frames + pieces - 1) * step]], 0))
    return line[..., :total]


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
        width, step, length = _checked(frame_length, frame_step, fft_length)
        frames = frame(signals, width, step, pad_end=pad_end)
        if window_fn is not None:
            frames = raw.Mul(frames, window_fn(width, dtype=frames.dtype), name="mul")
        return rfft(frames, [length])


def _checked(frame_length: Any, frame_step: Any, fft_length: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Length, step and size of the transforms as scalar tensors."""
    for value, what in (
        (frame_length, "frame_length"),
        (frame_step, "frame_step"),
        (fft_length, "fft_length"),
    ):
        if value is not None:
            whole(value, what)
    width, step = _scalar(frame_length, "frame_length"), _scalar(frame_step, "frame_step")
    given = _enclosing_power_of_two(width) if fft_length is None else _scalar(fft_length, "fft_length")
    return width, step, given


def _enclosing_power_of_two(n: Tensor) -> Tensor:
    known = static_value(n)
    if known is not None:
        return constant(1 << max(int(known) - 1, 0).bit_length(), dtypes.int32)
    exponent = raw.Ceil(raw.Log(raw.Cast(n, DstT=dtypes.float32)) / raw.Log(np.float32(2.0)))
    return raw.Cast(raw.Pow(np.float32(2.0), exponent), DstT=dtypes.int32)


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
        width, step, size = _checked(frame_length, frame_step, fft_length)
        frames = irfft(stfts, [size])
        taken, given = static_value(width), static_value(size)
        if taken is None or given is None:
            frames = frames[..., : raw.Minimum(size, width)]
            frames = fitted(frames, [width])
        elif int(given) > int(taken):
            frames = frames[..., : int(taken)]
        else:
            frames = fitted(frames, [int(taken)])
        if window_fn is not None:
            frames = raw.Mul(frames, window_fn(width, dtype=frames.dtype), name="mul")
        return overlap_and_add(frames, step)


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
    with name_scope(name, "inverse_stft_window_fn", [forward_window_fn]):
        whole(frame_step, "frame_step")
        step = _scalar(frame_step, "frame_step")

    def window(frame_length: Any, dtype: Any) -> Tensor:
        with name_scope(name, "inverse_stft_window_fn", [forward_window_fn]):
            whole(frame_length, "frame_length")
            width = _scalar(frame_length, "frame_length")
            forward = forward_window_fn(width, dtype=dtype)
            energy = raw.Square(forward)
            overlaps = -(-width // step)
            energy = raw.Pad(energy, [(0, overlaps * step - width)])
            energy = reduce_sum(reshape(energy, [overlaps, step]), 0, keepdims=True)
            energy = reshape(raw.Tile(energy, [overlaps, 1]), [overlaps * step])
            return raw.RealDiv(forward, energy[:width], name="truediv")

    return window


# ---------------------------------------------------------------- mel scale


def _hertz_to_mel(hertz: Tensor) -> Tensor:
    with name_scope("hertz_to_mel"):
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
    with name_scope(name, "linear_to_mel_weight_matrix") as scope:
        whole(num_spectrogram_bins, "num_spectrogram_bins")
        rate = static_value(sample_rate) if isinstance(sample_rate, Tensor) else sample_rate
        _check_mel(num_mel_bins, rate, lower_edge_hertz, upper_edge_hertz, dtype)
        rate_tensor = cast(to_tensor(sample_rate, None if isinstance(sample_rate, Tensor) else dtype,
                                     "sample_rate"), dtype)  # fmt: skip
        ends = [to_tensor(lower_edge_hertz, dtype, "lower_edge_hertz")]
        ends.append(to_tensor(upper_edge_hertz, dtype, "upper_edge_hertz"))
        zero = constant(0.0, dtype)
        linear = raw.LinSpace(zero, rate_tensor / 2.0, num_spectrogram_bins)[1:]
        mel = raw.ExpandDims(_hertz_to_mel(linear), 1)
        edges = raw.LinSpace(*[_hertz_to_mel(end) for end in ends], num_mel_bins + 2)  # pyright: ignore[reportCallIssue]
        bands = split(frame(edges, 3, 1), 3, axis=1)
        lower, center, upper = (reshape(band, [1, num_mel_bins]) for band in bands)
        rising, falling = (mel - lower) / (center - lower), (upper - mel) / (upper - center)
        weights = raw.Maximum(zero, raw.Minimum(rising, falling))
        return pad(weights, [[1, 0], [0, 0]], name=scope)


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
        return dct(x, type=2) * raw.Rsqrt(cast(count, dtypes.float32) * 2.0)
