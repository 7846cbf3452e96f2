"""Operations that write events into a file while they run: writers by handle, for `tf.contrib.summary`."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np

from millrace.core import errors, protos, tensor_proto
from millrace.core.dtypes import REAL
from millrace.core.errors import refusal
from millrace.core.parsing import parsed
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import integer, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.records import summary_values
from millrace.opkit.records.event_file import EventFile
from millrace.opkit.records.summary_values import histogram, picture, sound
from millrace.opkit.state.resource import Resource, of
from millrace.opkit.text.pieces import strings


class Writer(Resource):
    """The event file of a handle, opened by the operation that creates it."""

    kind = "SummaryWriter"

    def __init__(self, attrs: dict[str, Any]) -> None:
        self._lock = threading.Lock()
        self._file: EventFile | None = None
        self._opened = False
        self._queue, self._seconds = 10, 120.0

    def open(self, logdir: str, queue: int, millis: int, suffix: str) -> None:
        """Opens the file; a second time it stays as it is."""
        with self._lock:
            if not self._opened:
                self._opened = True
                self._queue, self._seconds = queue, millis / 1000
                self._file = EventFile(logdir, suffix, "events.out")

    def event(self, event: Any) -> None:
        """Writes one event."""
        if self._file is None:
            said = "is closed" if self._opened else "was not initialized; run tf.contrib.summary.initialize()"
            raise errors.NotFoundError(None, None, f"the summary writer {said}")
        self._file.write(event, self._queue, self._seconds)

    def flush(self) -> None:
        """Hands what is pending to the operating system."""
        if self._file is not None:
            self._file.flush()

    def release(self) -> None:
        """Closes the file; nothing more can be written."""
        if self._file is not None:
            self._file.flush()
            self._file.close()
            self._file = None


def _text(x: Any) -> str:
    return strings(x)[()].decode("utf-8", "replace")


def _write(writer: Any, step: Any, *values: Any) -> list[Any]:
    summary = protos.Summary()
    summary.value.extend(values)
    of(Writer, writer).event(protos.Event(wall_time=time.time(), step=int(step), summary=summary))
    return []


@declare(
    "SummaryWriter() -> writer: resource",
    shared_name=text(""),
    container=text(""),
    state=Writer,
    effect=True,
    host=True,
)
class SummaryWriter:
    """A handle on a writer."""

    def shape():
        return ()

    def kernel(xp, state):
        return state, state

    grad = NOT_DIFFERENTIABLE


@declare(
    "CreateSummaryFileWriter(writer: resource, logdir: string, max_queue: int32, flush_millis: int32, "
    "filename_suffix: string)",
    effect=True,
    host=True,
)
class CreateSummaryFileWriter:
    """Opens the event file of a writer."""

    def shape(writer, logdir, max_queue, flush_millis, filename_suffix):
        return []

    def kernel(xp, writer, logdir, max_queue, flush_millis, filename_suffix):
        of(Writer, writer).open(_text(logdir), int(max_queue), int(flush_millis), _text(filename_suffix))
        return []

    grad = NOT_DIFFERENTIABLE


@declare(
    "WriteScalarSummary(writer: resource, step: int64, tag: string, value: T)", T=REAL, effect=True, host=True
)
class WriteScalarSummary:
    """Writes a number."""

    def shape(writer, step, tag, value):
        return []

    def kernel(xp, writer, step, tag, value):
        made = protos.Summary.Value(tag=_text(tag), simple_value=float(np.float32(value)))
        return _write(writer, step, made)

    grad = NOT_DIFFERENTIABLE


@declare(
    "WriteHistogramSummary(writer: resource, step: int64, tag: string, values: T)",
    T=dtype_attr(REAL),
    effect=True,
    host=True,
)
class WriteHistogramSummary:
    """Writes how often values of each size occur."""

    def shape(writer, step, tag, values):
        return []

    def kernel(xp, writer, step, tag, values):
        values, name = np.asarray(values, np.float64), _text(tag)
        if not np.isfinite(values).all():
            what = "Nan" if np.isnan(values).any() else "Infinity"
            raise refusal(f"{what} in summary histogram for: {name}")
        return _write(writer, step, protos.Summary.Value(tag=name, histo=histogram(values)))

    grad = NOT_DIFFERENTIABLE


@declare(
    "WriteImageSummary(writer: resource, step: int64, tag: string, tensor: T, bad_color: uint8)",
    T=REAL,
    max_images=integer(3, minimum=1),
    effect=True,
    host=True,
)
class WriteImageSummary:
    """Writes the first pictures of a batch."""

    def shape(writer, step, tag, tensor, bad_color):
        return []

    def kernel(xp, writer, step, tag, tensor, bad_color, max_images):
        if tensor.ndim != 4 or tensor.shape[3] not in (1, 3, 4):
            raise refusal(f"Tensor must be 4-D with last dim 1, 3, or 4, not {list(tensor.shape)}")
        name, count, depth = _text(tag), min(len(tensor), max_images), tensor.shape[3]
        tags = [f"{name}/image"] if max_images == 1 else [f"{name}/image/{i}" for i in range(count)]
        pictures = [picture(pixels, bad_color[:depth]) for pixels in tensor[:count]]
        made = [protos.Summary.Value(tag=t, image=p) for t, p in zip(tags, pictures, strict=True)]
        return _write(writer, step, *made)

    grad = NOT_DIFFERENTIABLE


@declare(
    "WriteAudioSummary(writer: resource, step: int64, tag: string, tensor: float, sample_rate: float)",
    max_outputs=integer(3, minimum=1),
    effect=True,
    host=True,
)
class WriteAudioSummary:
    """Writes the first sounds of a batch."""

    def shape(writer, step, tag, tensor, sample_rate):
        return []

    def kernel(xp, writer, step, tag, tensor, sample_rate, max_outputs):
        if tensor.ndim not in (2, 3):
            raise refusal(f"input tensor must be 3-dimensional or 2-dimensional: {list(tensor.shape)}")
        waves = tensor if tensor.ndim == 3 else tensor[:, :, np.newaxis]
        name, count = _text(tag), min(len(waves), max_outputs)
        tags = [f"{name}/audio"] if max_outputs == 1 else [f"{name}/audio/{i}" for i in range(count)]
        sounds = [sound(wave, float(sample_rate)) for wave in waves[:count]]
        made = [protos.Summary.Value(tag=t, audio=s) for t, s in zip(tags, sounds, strict=True)]
        return _write(writer, step, *made)

    grad = NOT_DIFFERENTIABLE


@declare(
    "WriteSummary(writer: resource, step: int64, tensor: T, tag: string, summary_metadata: string)",
    T=dtype_attr(),
    effect=True,
    host=True,
)
class WriteSummary:
    """Writes a tensor, with what a plugin needs to know of it."""

    def shape(writer, step, tensor, tag, summary_metadata):
        return []

    def kernel(xp, writer, step, tensor, tag, summary_metadata, T):
        value = protos.Summary.Value(tag=_text(tag), tensor=tensor_proto.encode(np.asarray(tensor), T))
        metadata = strings(summary_metadata)[()]
        if metadata:
            value.metadata.CopyFrom(summary_values.metadata(metadata))
        return _write(writer, step, value)

    grad = NOT_DIFFERENTIABLE


@declare("WriteGraphSummary(writer: resource, step: int64, tensor: string)", effect=True, host=True)
class WriteGraphSummary:
    """Writes a serialized GraphDef."""

    def shape(writer, step, tensor):
        return []

    def kernel(xp, writer, step, tensor):
        graph = strings(tensor)[()]
        of(Writer, writer).event(protos.Event(wall_time=time.time(), step=int(step), graph_def=graph))
        return []

    grad = NOT_DIFFERENTIABLE


@declare("WriteRawProtoSummary(writer: resource, step: int64, tensor: string)", effect=True, host=True)
class WriteRawProtoSummary:
    """Writes a serialized summary."""

    def shape(writer, step, tensor):
        return []

    def kernel(xp, writer, step, tensor):
        for data in strings(tensor).ravel().tolist():
            summary = parsed(protos.Summary, data, "WriteRawProtoSummary: an element of tensor")
            of(Writer, writer).event(protos.Event(wall_time=time.time(), step=int(step), summary=summary))
        return []

    grad = NOT_DIFFERENTIABLE


@declare("ImportEvent(writer: resource, event: string)", effect=True, host=True)
class ImportEvent:
    """Writes a serialized event."""

    def shape(writer, event):
        return []

    def kernel(xp, writer, event):
        try:
            message = parsed(protos.Event, strings(event)[()], "The event")
        except ValueError as error:
            raise refusal(str(error)) from None
        of(Writer, writer).event(message)
        return []

    grad = NOT_DIFFERENTIABLE


@declare("FlushSummaryWriter(writer: resource)", effect=True, host=True)
class FlushSummaryWriter:
    """Hands what is pending to the operating system."""

    def shape(writer):
        return []

    def kernel(xp, writer):
        of(Writer, writer).flush()
        return []

    grad = NOT_DIFFERENTIABLE


@declare("CloseSummaryWriter(writer: resource)", effect=True, host=True)
class CloseSummaryWriter:
    """Closes the event file."""

    def shape(writer):
        return []

    def kernel(xp, writer):
        of(Writer, writer).release()
        return []

    grad = NOT_DIFFERENTIABLE
