"""What summaries hold: histograms of values, pictures and sounds, as the messages that event files keep."""

from __future__ import annotations

import io
import wave
from functools import cache
from typing import Any

import numpy as np

from millrace.core import protos
from millrace.core.errors import refusal
from millrace.core.parsing import parsed
from millrace.opkit.image import png

# Below this a picture counts as blank, and is not scaled up.
_BLANK = 1e-6
_LARGEST = float(np.finfo(np.float64).max)


@cache
def _limits() -> np.ndarray:
    """The upper limits of a histogram's buckets: each a tenth above the one before, 1e-12 to 1e20."""
    positive = []
    limit = 1e-12
    while limit < 1e20:
        positive.append(limit)
        limit *= 1.1
    positive.append(_LARGEST)
    return np.array([-v for v in reversed(positive)] + [0.0] + positive)


def histogram(values: np.ndarray) -> Any:
    """A `HistogramProto` of numbers of any shape; runs of empty buckets are joined."""
    flat = np.asarray(values, np.float64).reshape(-1)
    limits = _limits()
    found = protos.HistogramProto(
        min=flat.min() if flat.size else _LARGEST,
        max=flat.max() if flat.size else -_LARGEST,
        num=flat.size,
        sum=_total(flat),
        sum_squares=_total(np.square(flat)),
    )
    places = np.minimum(np.searchsorted(limits, flat, side="right"), len(limits) - 1)
    counts = np.bincount(places, minlength=len(limits))
    full = counts > 0
    # A bucket is kept when it is full, or the last of a run of empty ones.
    kept = full | np.append(full[1:], True)
    found.bucket_limit.extend(limits[kept].tolist())
    found.bucket.extend(counts[kept].astype(np.float64).tolist())
    return found


def _total(values: np.ndarray) -> float:
    """The sum in order, as TensorFlow adds: pairs would round otherwise."""
    return float(np.add.accumulate(values)[-1]) if values.size else 0.0


def picture(pixels: np.ndarray, bad_color: np.ndarray) -> Any:
    """A `Summary.Image` of one picture.

    Args:
      pixels: uint8 or floating `[height, width, channels]`; floating ones are scaled to fill 0..255.
      bad_color: uint8 `[channels]`: the colour of pixels that are not finite.
    """
    height, width, channels = pixels.shape
    if pixels.dtype != np.uint8:
        pixels = _as_bytes(pixels.astype(np.float32), bad_color)
    return protos.Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=png.encode(pixels)
    )


def _as_bytes(pixels: np.ndarray, bad_color: np.ndarray) -> np.ndarray:
    """Floating pixels as bytes: 0 stays 0, or goes to 128 where there are negative ones."""
    finite = np.isfinite(pixels).all(axis=-1)
    good = pixels[finite]
    low, high = (good.min(), good.max()) if good.size else (np.float32(0), np.float32(0))
    largest = max(abs(low), abs(high)) if low < 0 else high
    room, offset = (127.0, 128.0) if low < 0 else (255.0, 0.0)
    scale = np.float32(0.0 if largest < _BLANK else room / largest)
    found = np.empty(pixels.shape, np.uint8)
    found[finite] = (good * scale + np.float32(offset)).astype(np.uint8)
    found[~finite] = bad_color
    return found


def sound(samples: np.ndarray, sample_rate: float) -> Any:
    """A `Summary.Audio` of one sound as a WAV file of 16 bits.

    Args:
      samples: `[frames, channels]` in [-1, 1].
      sample_rate: frames each second.
    """
    frames, channels = samples.shape
    scaled = samples.astype(np.float64) * 32768
    # Halves are rounded away from zero.
    whole = np.trunc(scaled + np.copysign(0.5, scaled)).clip(-32768, 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(int(sample_rate))
        out.writeframes(whole.tobytes())
    return protos.Summary.Audio(
        sample_rate=sample_rate,
        num_channels=channels,
        length_frames=frames,
        encoded_audio_string=file.getvalue(),
        content_type="audio/wav",
    )


def metadata(data: bytes) -> Any:
    """The `SummaryMetadata` that bytes hold.

    Raises:
      InvalidArgumentError: they are not such a message.
    """
    try:
        return parsed(protos.SummaryMetadata, data, "The metadata of a summary")
    except ValueError as error:
        raise refusal(str(error)) from None
