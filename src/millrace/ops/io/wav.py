"""WAV files: sound as 16-bit samples, and back."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.text.pieces import strings

_PCM, _BITS = 1, 16
_EXTENDED = 0xFFFE
_SCALE = np.float32(1 / 32768)
_HEADER = "<4sI4s4sIHHIIHH4sI"
_MOST_BYTES = 2**32 - 1 - struct.calcsize(_HEADER)


def _format_of(chunk: bytes) -> tuple[int, int]:
    """Channels and samples per second, from the chunk that says the format."""
    if len(chunk) < 16:
        raise refusal(f"Bad format chunk size for WAV: Expected 16 or more. Received: {len(chunk)}")
    kind, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind not in (_PCM, _EXTENDED):
        raise refusal(f"Bad audio format for WAV: Expected {_PCM} (PCM), but got {kind}")
    if bits != _BITS:
        raise refusal(f"Can only read 16-bit WAV files, but received {bits}")
    if not channels or block != channels * _BITS // 8:
        raise refusal(f"Bad bytes per sample in WAV header: {channels} channels in blocks of {block} bytes")
    return channels, rate


def _decoded(data: bytes) -> tuple[np.ndarray, int]:
    """`[samples, channels]` of float32, and the samples per second."""
    if len(data) < 12:
        raise refusal(f"Data too short when trying to read string. Received: {len(data)} bytes")
    if data[:4] != b"RIFF":
        raise refusal(f"Header mismatch: Expected RIFF but found {data[:4]!r}")
    if data[8:12] != b"WAVE":
        raise refusal(f"Header mismatch: Expected WAVE but found {data[8:12]!r}")
    form, at = None, 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"fmt ":
            form = _format_of(data[at : at + size])
        elif name == b"data":
            if form is None:
                raise refusal("The data of a WAV file come before its format")
            if at + size > len(data):
                raise refusal(f"Data too short when trying to read values: {size} bytes are announced, "
                              f"{len(data) - at} are there")  # fmt: skip
            whole = size // (2 * form[0]) * form[0]
            samples = np.frombuffer(data, "<i2", whole, at).astype(np.float32) * _SCALE
            return samples.reshape(-1, form[0]), form[1]
        at += size + size % 2
    raise refusal("A WAV file holds no data chunk" if form else "A WAV file holds no format chunk")


def _fitted(samples: np.ndarray, count: int, channels: int) -> np.ndarray:
    """Cuts samples off or adds silence, cuts channels off or repeats the last one; -1 takes all."""
    if count != -1:
        samples = np.pad(samples[:count], [(0, max(0, count - len(samples))), (0, 0)])
    if channels != -1:
        samples = samples[:, np.minimum(np.arange(channels), samples.shape[1] - 1)]
    return samples


@declare(
    "DecodeWav(contents: string) -> audio: float32, sample_rate: int32",
    desired_channels=integer(-1),
    desired_samples=integer(-1),
    host=True,
)
class DecodeWav:
    """The samples of a 16-bit WAV file, between -1 and 1."""

    def shape(contents, desired_channels, desired_samples):
        with_rank(contents, 0, "contents")
        for name, size in (("desired_channels", desired_channels), ("desired_samples", desired_samples)):
            if size < -1:
                raise ValueError(f"{name} must be non-negative or -1. Received: {size}")
        wanted = (desired_samples, desired_channels)
        return [tuple(None if size == -1 else size for size in wanted), ()]

    def kernel(xp, contents, desired_channels, desired_samples):
        samples, rate = _decoded(strings(contents).item())
        return _fitted(samples, desired_samples, desired_channels), np.int32(rate)

    grad = NOT_DIFFERENTIABLE


@declare("EncodeWav(audio: float32, sample_rate: int32) -> contents: string", host=True)
class EncodeWav:
    """Samples between -1 and 1 as a 16-bit WAV file."""

    def shape(audio, sample_rate):
        with_rank(audio, 2, "audio")
        with_rank(sample_rate, 0, "sample_rate")
        return ()

    def kernel(xp, audio, sample_rate):
        if audio.ndim != 2:
            raise refusal(f"audio must be 2-dimensional. Received: shape {list(audio.shape)}")
        channels, rate = audio.shape[1], int(sample_rate)
        if not 0 < channels < 2**16 or rate <= 0:
            raise refusal(f"channels and sample_rate must be > 0. Received: {channels} and {rate}")
        size = 2 * audio.size
        if size > _MOST_BYTES:
            raise refusal(f"Provided channels and samples are too large for a WAV file: {list(audio.shape)}")
        header = struct.pack(
            _HEADER, b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, _PCM, channels, rate, 2 * channels * rate,
            2 * channels, _BITS, b"data", size,
        )  # fmt: skip
        held = np.clip(np.floor(audio * np.float32(32768) + np.float32(0.5)), -32768, 32767)
        return np.array(header + held.astype("<i2").tobytes(), object)

    grad = NOT_DIFFERENTIABLE


@public("audio.decode_wav")
def decode_wav(
    contents: Any, desired_channels: int = -1, desired_samples: int = -1, name: str | None = None
) -> Any:
    """The samples of a 16-bit WAV file.

    Args:
      contents: scalar string, the bytes of the file.
      desired_channels: how many channels the result has; others are left out, missing ones are as the last.
        -1: those of the file.
      desired_samples: how many samples; others are left out, missing ones are zero. -1: those of the file.
      name: op name; default "DecodeWav".

    Returns:
      A named tuple: `audio`, float32 `[samples, channels]` between -1 and 1, and `sample_rate`, an
      int32 scalar.

    Raises:
      InvalidArgumentError: when run, if the file is not a WAV file of 16-bit PCM or is cut off.
    """
    return apply(
        DecodeWav, contents, desired_channels=desired_channels, desired_samples=desired_samples, name=name
    )


@public("audio.encode_wav")
def encode_wav(audio: Any, sample_rate: Any, name: str | None = None) -> Tensor:
    """Samples as a 16-bit WAV file.

    Args:
      audio: float32 `[samples, channels]`; what is outside of [-1, 1] is cut off.
      sample_rate: int32 scalar, samples per second.
      name: op name; default "EncodeWav".

    Returns:
      A scalar string, the bytes of the file.
    """
    return apply(EncodeWav, audio, sample_rate, name=name)
