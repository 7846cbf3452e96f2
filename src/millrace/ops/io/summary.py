"""Summaries: values with names, as the serialized messages that event files keep and TensorBoard shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import protos, tensor_proto
from millrace.core.dtypes import ALL, BOOL, REAL, float16, float32, float64, string, uint8
from millrace.core.errors import refusal
from millrace.graph.attrs import count, integer, number, tensor, text, texts
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.records import summary_values
from millrace.opkit.text.pieces import objects, strings


def _serialized(summary: Any) -> np.ndarray:
    return objects([summary.SerializeToString()], ())


def _tag(tag: Any) -> str:
    """The one string that a tag holds."""
    found = strings(tag)
    if found.ndim != 0:
        raise refusal(f"tag must be a scalar. Received: shape {list(found.shape)}")
    return found[()].decode("utf-8", "replace")


def _numbered(tag: str, what: str, shown: int, most: int) -> list[str]:
    """The tags of several pictures or sounds; where only one may be shown it has no number."""
    return [f"{tag}/{what}"] * shown if most == 1 else [f"{tag}/{what}/{i}" for i in range(shown)]


@declare("ScalarSummary(tags: string, values: T) -> summary: string", T=REAL, host=True)
class ScalarSummary:
    """A summary of one number for each tag."""

    def shape(tags, values):
        return ()

    def kernel(xp, tags, values):
        tags, values = strings(tags), np.asarray(values)
        if tags.shape != values.shape:
            first = f" (tag '{tags.flat[0].decode('utf-8', 'replace')}')" if tags.size else ""
            raise refusal(
                f"tags and values not the same shape: {list(tags.shape)} != {list(values.shape)}{first}"
            )
        summary = protos.Summary()
        for tag, value in zip(tags.flat, values.flat, strict=True):
            summary.value.add(tag=tag.decode("utf-8", "replace"), simple_value=float(np.float32(value)))
        return _serialized(summary)

    grad = NOT_DIFFERENTIABLE


@declare(
    "HistogramSummary(tag: string, values: T) -> summary: string",
    T=dtype_attr(REAL | BOOL, float32),
    host=True,
)
class HistogramSummary:
    """A summary of how often values of each size occur."""

    def shape(tag, values):
        return ()

    def kernel(xp, tag, values):
        name, values = _tag(tag), np.asarray(values, np.float64)
        if np.isnan(values).any():
            raise refusal(f"Nan in summary histogram for: {name}")
        if np.isinf(values).any():
            raise refusal(f"Infinity in summary histogram for: {name}")
        summary = protos.Summary()
        summary.value.add(tag=name, histo=summary_values.histogram(values))
        return _serialized(summary)

    grad = NOT_DIFFERENTIABLE


@declare(
    "ImageSummary(tag: string, tensor: T) -> summary: string",
    T=dtype_attr(frozenset({uint8, float32, float16, float64}), float32),
    max_images=integer(3, minimum=1),
    bad_color=tensor(np.array([255, 0, 0, 255], np.uint8)),
    host=True,
)
class ImageSummary:
    """A summary of the first pictures of a batch."""

    def shape(tag, tensor):
        return ()

    def kernel(xp, tag, tensor, max_images, bad_color):
        if tensor.ndim != 4 or tensor.shape[3] not in (1, 3, 4):
            raise refusal(f"Tensor must be 4-D with last dim 1, 3, or 4, not {list(tensor.shape)}")
        depth = tensor.shape[3]
        if bad_color.ndim != 1 or len(bad_color) < depth:
            raise refusal(f"bad_color must have at least {depth} channels. Received: {bad_color.tolist()}")
        summary = protos.Summary()
        for name, pixels in zip(
            _numbered(_tag(tag), "image", min(len(tensor), max_images), max_images), tensor, strict=False
        ):
            summary.value.add(tag=name, image=summary_values.picture(pixels, bad_color[:depth]))
        return _serialized(summary)

    grad = NOT_DIFFERENTIABLE


def _sounds(tag: Any, tensor: Any, sample_rate: float, max_outputs: int) -> np.ndarray:
    if tensor.ndim not in (2, 3):
        raise refusal(f"input tensor must be 3-dimensional or 2-dimensional: {list(tensor.shape)}")
    if sample_rate <= 0:
        raise refusal(f"sample_rate must be > 0. Received: {sample_rate}")
    waves = tensor if tensor.ndim == 3 else tensor[:, :, np.newaxis]
    summary = protos.Summary()
    names = _numbered(_tag(tag), "audio", min(len(waves), max_outputs), max_outputs)
    for name, samples in zip(names, waves, strict=False):
        summary.value.add(tag=name, audio=summary_values.sound(samples, sample_rate))
    return _serialized(summary)


@declare(
    "AudioSummaryV2(tag: string, tensor: float32, sample_rate: float32) -> summary: string",
    max_outputs=integer(3, minimum=1),
    host=True,
)
class AudioSummaryV2:
    """A summary of the first sounds of a batch."""

    def shape(tag, tensor, sample_rate):
        return ()

    def kernel(xp, tag, tensor, sample_rate, max_outputs):
        return _sounds(tag, tensor, float(sample_rate), max_outputs)

    grad = NOT_DIFFERENTIABLE


@declare(
    "AudioSummary(tag: string, tensor: float32) -> summary: string",
    sample_rate=number(),
    max_outputs=integer(3, minimum=1),
    host=True,
)
class AudioSummary:
    """A summary of the first sounds of a batch, of a rate that is known while building."""

    def shape(tag, tensor):
        return ()

    def kernel(xp, tag, tensor, sample_rate, max_outputs):
        return _sounds(tag, tensor, sample_rate, max_outputs)

    grad = NOT_DIFFERENTIABLE


def _message(value: Any, dtype: Any) -> Any:
    """A TensorProto; numbers stand in it as bytes, however few there are."""
    if dtype is string:
        return tensor_proto.encode(strings(value), dtype)
    array = np.asarray(value)
    found = protos.TensorProto(dtype=dtype.as_datatype_enum, tensor_content=array.tobytes())
    found.tensor_shape.SetInParent()
    for size in array.shape:
        found.tensor_shape.dim.add(size=size)
    return found


@declare(
    "TensorSummaryV2(tag: string, tensor: T, serialized_summary_metadata: string) -> summary: string",
    T=ALL,
    host=True,
)
class TensorSummaryV2:
    """A summary of a whole tensor, with a message that says who shows it."""

    def shape(tag, tensor, serialized_summary_metadata):
        return ()

    def kernel(xp, tag, tensor, serialized_summary_metadata, T):
        summary = protos.Summary()
        value = summary.value.add(tag=_tag(tag), tensor=_message(tensor, T))
        value.metadata.CopyFrom(summary_values.metadata(strings(serialized_summary_metadata)[()]))
        return _serialized(summary)

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorSummary(tensor: T) -> summary: string",
    T=ALL,
    description=text(""),
    labels=texts(()),
    display_name=text(""),
    host=True,
)
class TensorSummary:
    """A summary of a whole tensor, under the name of the operation."""

    def shape(tensor):
        return ()

    def kernel(xp, tensor, T, op):
        summary = protos.Summary()
        summary.value.add(node_name=op.name, tensor=_message(tensor, T))
        return _serialized(summary)

    grad = NOT_DIFFERENTIABLE


@declare("MergeSummary(inputs: N*string) -> summary: string", N=count(1), host=True)
class MergeSummary:
    """One summary of the values of several."""

    def shape(inputs):
        return ()

    def kernel(xp, inputs):
        merged, seen = protos.Summary(), set()
        for data in (t for part in inputs for t in strings(part).flat):
            summary = protos.Summary()
            try:
                summary.ParseFromString(data)
            except Exception:
                raise refusal("Could not parse one of the summary inputs") from None
            for value in summary.value:
                if value.tag in seen:
                    raise refusal(f"Duplicate tag {value.tag} found in summary inputs")
                seen.add(value.tag)
            merged.MergeFrom(summary)
        return _serialized(merged)

    grad = NOT_DIFFERENTIABLE
