"""Spectrograms of sound, and the cepstral coefficients that speech is recognized by."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.attrs import flag, integer, number
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank

_FLOOR = 1e-12  # below this, the logarithm of an energy is that of this


def _bins(window_size: int) -> int:
    """The length of the transform of a window: the next power of two."""
    return 1 << (window_size - 1).bit_length()


@declare(
    "AudioSpectrogram(input: float32) -> spectrogram: float32",
    window_size=integer(),
    stride=integer(),
    magnitude_squared=flag(False),
    host=True,
)
class AudioSpectrogram:
    """The energies of the frequencies of each channel over time."""

    def shape(input, window_size, stride):
        samples, channels = with_rank(input, 2, "input")
        if window_size < 2 or stride < 1:
            raise ValueError(
                "window_size must be at least 2 and stride at least 1. "
                f"Received: window_size {window_size}, stride {stride}"
            )
        frames = None if samples is None else max(0, (samples - window_size) // stride + 1)
        return (channels, frames, _bins(window_size) // 2 + 1)

    def kernel(xp, input, window_size, stride, magnitude_squared):
        if input.ndim != 2:
            raise refusal(f"input must be 2-dimensional. Received: shape {list(input.shape)}")
        length = _bins(window_size)
        frames = max(0, (input.shape[0] - window_size) // stride + 1)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window_size) / window_size)
        starts = np.arange(frames) * stride
        cut = input.astype(np.float64).T[:, starts[:, None] + np.arange(window_size)]
        spectrum = np.fft.rfft(cut * window, length)
        energy = spectrum.real**2 + spectrum.imag**2
        return (energy if magnitude_squared else np.sqrt(energy)).astype(np.float32)

    grad = NOT_DIFFERENTIABLE


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


def _filterbank(bins: int, rate: float, low: float, high: float, count: int) -> np.ndarray:
    """`[bins, count]`: what each frequency adds to each of the overlapping triangles on the mel scale."""
    start, end = _mel(low), _mel(high)
    centres = start + (end - start) / (count + 1) * np.arange(1, count + 2)
    width = 0.5 * rate / (bins - 1)
    first, last = int(1.5 + low / width), int(high / width)
    places = np.arange(max(first, 0), min(last, bins - 1) + 1)
    mels = _mel(places * width)
    left = np.minimum(np.searchsorted(centres[:count], mels, side="left"), count) - 1
    below = np.where(left >= 0, centres[left], start)
    share = (centres[left + 1] - mels) / (centres[left + 1] - below)
    bank = np.zeros((bins, count))
    has_left, has_right = left >= 0, left + 1 < count
    bank[places[has_left], left[has_left]] += share[has_left]
    bank[places[has_right], left[has_right] + 1] += (1 - share)[has_right]
    return bank


def _cosines(channels: int, coefficients: int) -> np.ndarray:
    places = np.arange(channels) + 0.5
    turns = np.pi / channels * np.arange(coefficients)[None, :] * places[:, None]
    return np.sqrt(2.0 / channels) * np.cos(turns)


@declare(
    "Mfcc(spectrogram: float32, sample_rate: int32) -> output: float32",
    upper_frequency_limit=number(4000.0),
    lower_frequency_limit=number(20.0),
    filterbank_channel_count=integer(40),
    dct_coefficient_count=integer(13),
    host=True,
)
class Mfcc:
    """The mel-frequency cepstral coefficients of squared magnitudes."""

    def shape(spectrogram, sample_rate, dct_coefficient_count):
        channels, frames, _ = with_rank(spectrogram, 3, "spectrogram")
        with_rank(sample_rate, 0, "sample_rate")
        return (channels, frames, dct_coefficient_count)

    def kernel(xp, spectrogram, sample_rate, upper_frequency_limit, lower_frequency_limit,
               filterbank_channel_count, dct_coefficient_count):  # fmt: skip
        if spectrogram.ndim != 3:
            raise refusal(f"spectrogram must be 3-dimensional. Received: shape {list(spectrogram.shape)}")
        rate, bins = int(sample_rate), spectrogram.shape[2]
        low, high, count = (
            float(lower_frequency_limit),
            float(upper_frequency_limit),
            filterbank_channel_count,
        )
        if bins < 2 or rate <= 0 or count < 1 or low < 0 or high <= low:
            raise refusal(
                "Mfcc initialization failed for channel count "
                f"{bins}, sample rate {rate}, lower_frequency_limit {low:g}, upper_frequency_limit {high:g}, "
                f"filterbank_channel_count {count}"
            )
        if not 0 < dct_coefficient_count <= count:
            raise refusal(
                "dct_coefficient_count must be between 1 and filterbank_channel_count. "
                f"Received: {dct_coefficient_count} and {count}"
            )
        bank = _filterbank(bins, float(rate), low, high, count)
        energies = np.sqrt(spectrogram.astype(np.float64)) @ bank
        logs = np.log(np.maximum(energies, _FLOOR))
        return (logs @ _cosines(count, dct_coefficient_count)).astype(np.float32)

    grad = NOT_DIFFERENTIABLE
