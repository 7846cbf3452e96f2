"""`tf.compat.v2.summary`: summaries whose values are tensors, written when their operations run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.static import static_value
from millrace.contributed.summary import writers
from millrace.core import dtypes, protos
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.flow.functional import map_fn
from millrace.lib.image.adjust import convert_image_dtype
from millrace.lib.math.checks import assert_non_negative, assert_rank, assert_scalar, assert_type
from millrace.lib.math.reductions import reduce_max, reduce_min
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import constant
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape, size
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast

_WAV = b"\x10\x0b"  # what an audio summary says of its encoding: field 2 is 11


@public("compat.v2.summary.experimental.summary_scope")
@contextlib.contextmanager
def summary_scope(name: str, default_name: str = "summary", values: Any = None) -> Iterator[tuple[str, str]]:
    """The scope of a summary's operations.

    Args:
      name: of the summary.
      default_name: of the scope where `name` has no character that a scope may have.
      values: tensors of whose graph the scope is.

    Yields:
      `(tag, scope)`; the tag is `name` behind the scope around it, and is never made unique.
    """
    around = get_default_graph().get_name_scope()
    legal = re.sub(r"[^A-Za-z0-9_.\-/]", "", name).lstrip("_/-\\")
    with name_scope(legal or None, default_name, values) as scope:
        yield (f"{around}/{name}" if around else name), scope


@public("compat.v2.summary.experimental.get_step")
def get_step() -> Any:
    """The step that summaries take by default; None where none was set."""
    return writers.state.step


@public("compat.v2.summary.experimental.set_step")
def set_step(step: Any) -> None:
    """Sets the step that summaries of this thread take by default: an integer, a tensor or a variable."""
    writers.state.step = step


@public("compat.v2.summary.record_if")
def record_if(condition: Any) -> Any:
    """A `with` in which summaries are recorded where `condition` holds.

    Args:
      condition: a bool, a bool scalar, or a function that returns one.
    """
    return writers.recording_where(condition)


@public("compat.v2.summary.create_noop_writer")
def create_noop_writer() -> writers.SummaryWriter:
    """A writer that writes nothing."""
    return writers.SummaryWriter()


@public("compat.v2.summary.create_file_writer")
def create_file_writer(
    logdir: Any,
    max_queue: Any = None,
    flush_millis: Any = None,
    filename_suffix: Any = None,
    name: str | None = None,
) -> writers.SummaryWriter:
    """A writer of event files, each call with a writer of its own; arguments as for `contrib.summary`'s.

    Raises:
      ValueError: `logdir` is None.
    """
    if logdir is None:
        raise ValueError("create_file_writer: logdir must be a folder. Received: None")
    with name_scope("create_file_writer"):
        return writers.create_file_writer(logdir, max_queue, flush_millis, filename_suffix, name)


def _step_of(step: Any) -> Tensor:
    step = get_step() if step is None else step
    if step is None:
        raise ValueError(
            "A summary needs a step: an argument, or tf.summary.experimental.set_step. Received: None"
        )
    step = convert.to_tensor(step)
    return step if step.dtype.base_dtype is dtypes.int64 else raw.Cast(step, DstT=dtypes.int64)


@public("compat.v2.summary.write")
def write(tag: str, tensor: Any, step: Any = None, metadata: Any = None, name: str | None = None) -> Any:
    """Writes a tensor to the default writer.

    Args:
      tag: under which it is written.
      tensor: `[...]`, or a function that returns it, which is called where summaries are recorded.
      step: an integer, the place on the horizontal axis; default what `experimental.set_step` set.
      metadata: a `SummaryMetadata`, or its bytes.
      name: of the scope; default "write_summary".

    Returns:
      A bool tensor: whether it was written; False where there is no writer.

    Raises:
      ValueError: there is a writer, and no step.
    """
    with name_scope(name, "write_summary") as scope:
        writer = writers.default_writer()
        if not isinstance(writer, writers.ResourceSummaryWriter):
            return constant(False)
        content = b"" if metadata is None else metadata
        content = content if isinstance(content, bytes) else content.SerializeToString()
        wanted = writers.should_record(default=True)

        def record() -> Tensor:
            value = raw.Identity(tensor() if callable(tensor) else tensor)
            done = raw.WriteSummary(writer.resource, _step_of(step), value, tag, content, name=scope)
            with control_dependencies([done]):
                return constant(True)

        known = static_value(wanted)
        if known is None:
            done = cond(wanted, record, lambda: constant(False), name="summary_cond")
        else:
            done = record() if known else constant(False)
        get_default_graph().add_to_collection(writers.OPERATIONS, done)
        return done


def _metadata(plugin: str, description: str | None, content: bytes = b"") -> Any:
    data = protos.SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return protos.SummaryMetadata(plugin_data=data, summary_description=description or "")


@public("compat.v2.summary.scalar")
def scalar(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Writes a number.

    Args:
      name: of the summary.
      data: a real scalar; it is written as float32.
      step: as for `write`.
      description: what is shown beside it.

    Returns:
      As `write`.
    """
    with summary_scope(name, "scalar_summary", [data, step]) as (tag, _):
        assert_scalar(data)
        return write(tag, cast(data, dtypes.float32), step, _metadata("scalars", description))


@public("compat.v2.summary.text")
def text(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Writes strings, `[...]`; the other arguments as for `scalar`."""
    with summary_scope(name, "text_summary", [data, step]) as (tag, _):
        assert_type(data, dtypes.string)
        return write(tag, data, step, _metadata("text", description))


@public("compat.v2.summary.histogram")
def histogram(
    name: str, data: Any, step: Any = None, buckets: Any = None, description: str | None = None
) -> Any:
    """Writes how many values lie in each of some intervals.

    Args:
      data: `[...]`, real.
      buckets: how many intervals; default 30.
      name, step, description: as for `scalar`.
    """
    with summary_scope(name, "histogram_summary", [data, buckets, step]) as (tag, _):
        counted = _buckets(data, 30 if buckets is None else buckets)
        return write(tag, counted, step, _metadata("histograms", description))


def _buckets(data: Any, count: Any) -> Tensor:
    """float64 `[count, 3]`: where each interval begins and ends, and how many values it has."""
    with name_scope("buckets"):
        assert_scalar(count)
        assert_type(count, dtypes.int32)
        values = cast(reshape(data, [-1]), dtypes.float64)

        def of_some() -> Tensor:
            least, largest = reduce_min(values), reduce_max(values)
            spread = largest - least
            return cond(raw.Equal(spread, 0), lambda: of_one(least), lambda: of_many(least, largest, spread))

        def of_one(value: Tensor) -> Tensor:
            begin, end = stack([value - 0.5]), stack([value + 0.5])
            return transpose(stack([begin, end, stack([cast(size(values), dtypes.float64)])]))

        def of_many(least: Tensor, largest: Tensor, spread: Tensor) -> Tensor:
            width = spread / cast(count, dtypes.float64)
            places = cast(raw.Floor((values - least) / width), dtypes.int32)
            hits = one_hot(raw.Minimum(places, count - 1), count)
            counts = cast(raw.Sum(hits, [0]), dtypes.float64)
            edges = raw.LinSpace(least, largest, count + 1)
            edges = concat([edges[:-1], [largest]], 0)  # rounded, the last one may lie below the largest
            return transpose(stack([edges[:-1], edges[1:], counts]))

        return cond(raw.Equal(size(values), 0), lambda: constant([], dtypes.float64, shape=[0, 3]), of_some)


def _encoded(values: Tensor, encode: Callable[[Tensor], Tensor], name: str) -> Tensor:
    """Each of `values` encoded, as strings `[n]`, also where there are none."""
    encoded = map_fn(encode, values, dtype=dtypes.string, name=name)
    return cond(raw.Greater(shape(encoded)[0], 0), lambda: encoded, lambda: constant([], dtypes.string))


@public("compat.v2.summary.image")
def image(
    name: str, data: Any, step: Any = None, max_outputs: Any = 3, description: str | None = None
) -> Any:
    """Writes images as PNG.

    Args:
      data: `[n, height, width, channels]` with 1 to 4 channels; floats are in [0, 1].
      max_outputs: how many of them are written.
      name, step, description: as for `scalar`.
    """
    with summary_scope(name, "image_summary", [data, max_outputs, step]) as (tag, _):
        assert_rank(data, 4)
        assert_non_negative(max_outputs)
        images = convert_image_dtype(data, dtypes.uint8, saturate=True)
        encoded = _encoded(images[:max_outputs], raw.EncodePng, "encode_each_image")
        lengths = shape(images)
        width = raw.AsString(lengths[2], name="width")
        dimensions = stack([width, raw.AsString(lengths[1], name="height")], name="dimensions")
        return write(tag, concat([dimensions, encoded], 0), step, _metadata("images", description))


@public("compat.v2.summary.audio")
def audio(
    name: str,
    data: Any,
    sample_rate: Any,
    step: Any = None,
    max_outputs: Any = 3,
    encoding: str | None = None,
    description: str | None = None,
) -> Any:
    """Writes clips of sound as WAV.

    Args:
      data: float32 `[clips, frames, channels]` in [-1, 1].
      sample_rate: frames per second, an int32 scalar.
      max_outputs: how many clips are written.
      encoding: "wav", or None for what it is.
      name, step, description: as for `scalar`.

    Raises:
      ValueError: another encoding.
    """
    if encoding not in (None, "wav"):
        raise ValueError(f"audio: encoding must be 'wav' or None. Received: {encoding!r}")
    with summary_scope(name, "audio_summary", [data, sample_rate, max_outputs, step]) as (tag, _):
        assert_rank(data, 3)
        assert_non_negative(max_outputs)
        clips = convert.to_tensor(data)[:max_outputs]
        encoded = _encoded(clips, lambda clip: raw.EncodeWav(clip, sample_rate), "encode_each_audio")
        labels = tile([""], shape(encoded)[:1])
        content = transpose(stack([encoded, labels]))
        return write(tag, content, step, _metadata("audio", description, _WAV))
