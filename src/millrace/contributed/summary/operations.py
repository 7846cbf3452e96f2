"""`tf.contrib.summary`: operations that write a summary when they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies
from millrace.building.static import static_value
from millrace.contributed.summary.writers import (
    ResourceSummaryWriter,
    default_writer,
    should_record_summaries,
)
from millrace.core.dtypes import int64, string, uint8
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.summary.operations import summary_scope
from millrace.ops.array.constant import constant
from millrace.training.global_step import get_or_create_global_step


def _step(step: Any) -> Tensor:
    step = convert.to_tensor(get_or_create_global_step() if step is None else step)
    return step if step.dtype.base_dtype is int64 else raw.Cast(step, DstT=int64)


def _written(
    name: str,
    tensor: Any,
    write: Callable[[Any, str, str, Tensor], Any],
    family: str | None,
    prepare: Callable[[], None] = lambda: None,
) -> Any:
    """A summary where and when one is recorded: a bool tensor that tells whether it was.

    Args:
      name: the summary's.
      tensor: what is summarized.
      write: of the writer's handle, the tag, the scope and the tensor to the writing operation.
      family: begins the tag.
      prepare: adds what comes before the tensor.
    """
    writer = default_writer()
    if not isinstance(writer, ResourceSummaryWriter):
        return raw.NoOp()
    wanted = should_record_summaries()

    def record() -> Tensor:
        with summary_scope(name, family, values=[tensor]) as (tag, scope):
            prepare()
            taken = raw.Identity(tensor)
            with control_dependencies([write(writer.resource, tag, scope, taken)]):
                return constant(True)

    known = static_value(wanted)
    if known is None:
        done = cond(wanted, record, lambda: constant(False), name="")
    else:
        done = record() if known else constant(False)
    get_default_graph().add_to_collection("_SUMMARY_V2", done)
    return done


@public("contrib.summary.scalar")
def scalar(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Writes a number where summaries are recorded.

    Args:
      name: of the summary.
      tensor: a real scalar.
      family: begins the tag, and groups summaries on screen.
      step: an integer, the place on the horizontal axis; default: the global step.

    Returns:
      A bool tensor: whether it was recorded; an operation that does nothing where there is no writer.
    """

    def write(writer: Any, tag: str, scope: str, x: Tensor) -> Any:
        return raw.WriteScalarSummary(writer, _step(step), tag, x, name=scope)

    return _written(name, tensor, write, family)


@public("contrib.summary.histogram")
def histogram(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Writes how often values of each size occur; `tensor` is `[...]`, real. For the rest see `scalar`."""

    def write(writer: Any, tag: str, scope: str, x: Tensor) -> Any:
        return raw.WriteHistogramSummary(writer, _step(step), tag, x, name=scope)

    return _written(name, tensor, write, family)


@public("contrib.summary.image")
def image(
    name: str,
    tensor: Any,
    bad_color: Any = None,
    max_images: int = 3,
    family: str | None = None,
    step: Any = None,
) -> Any:
    """Writes pictures; for the rest see `scalar`.

    Args:
      name: of the summary.
      tensor: `[batch, height, width, channels]` of 1, 3 or 4 channels.
      bad_color: uint8 `[channels]`, the colour of pixels that are not numbers; default red.
      max_images: how many pictures of the batch at most.
      family, step: see `scalar`.
    """
    colour: list[Any] = []

    def prepare() -> None:
        colour.append(constant([255, 0, 0, 255], uint8) if bad_color is None else bad_color)

    def write(writer: Any, tag: str, scope: str, x: Tensor) -> Any:
        return raw.WriteImageSummary(
            writer, _step(step), tag, x, colour[-1], max_images=max_images, name=scope
        )

    return _written(name, tensor, write, family, prepare)


@public("contrib.summary.audio")
def audio(
    name: str, tensor: Any, sample_rate: Any, max_outputs: int, family: str | None = None, step: Any = None
) -> Any:
    """Writes sounds; for the rest see `scalar`.

    Args:
      name: of the summary.
      tensor: float32 `[batch, frames]` or `[batch, frames, channels]`, in [-1, 1].
      sample_rate: frames in a second.
      max_outputs: how many sounds of the batch at most.
      family, step: see `scalar`.
    """

    def write(writer: Any, tag: str, scope: str, x: Tensor) -> Any:
        return raw.WriteAudioSummary(
            writer, _step(step), tag, x, sample_rate, max_outputs=max_outputs, name=scope
        )

    return _written(name, tensor, write, family)


@public("contrib.summary.generic")
def generic(name: str, tensor: Any, metadata: Any = None, family: str | None = None, step: Any = None) -> Any:
    """Writes a tensor; for the rest see `scalar`.

    Args:
      name: of the summary.
      tensor: any.
      metadata: a `SummaryMetadata` for the plugin that shows it, or a string tensor of one serialized.
      family, step: see `scalar`.
    """
    described: list[Any] = []

    def prepare() -> None:
        if metadata is None:
            described.append(constant(""))
        elif hasattr(metadata, "SerializeToString"):
            described.append(constant(metadata.SerializeToString()))
        else:
            described.append(metadata)

    def write(writer: Any, tag: str, scope: str, x: Tensor) -> Any:
        return raw.WriteSummary(writer, _step(step), x, tag, described[-1], name=scope)

    return _written(name, tensor, write, family, prepare)


@public("contrib.summary.graph")
def graph(param: Any, step: Any = None, name: str | None = None) -> Any:
    """Writes a graph.

    Args:
      param: a string tensor of a serialized GraphDef.
      step: an integer; default: the global step.
      name: of the operation.

    Raises:
      TypeError: it is not a tensor.
    """
    if not isinstance(param, Tensor):
        raise TypeError(
            f"graph() needs a tensor (e.g. tf.placeholder) in graph mode, but was: {type(param).__name__}"
        )
    writer = default_writer()
    if not isinstance(writer, ResourceSummaryWriter):
        return raw.NoOp()
    return raw.WriteGraphSummary(writer.resource, _step(step), convert.to_tensor(param, string), name=name)


@public("contrib.summary.import_event")
def import_event(tensor: Any, name: str | None = None) -> Any:
    """Writes an event.

    Args:
      tensor: a string scalar, a serialized `Event`.
      name: of the operation.
    """
    writer = default_writer()
    if not isinstance(writer, ResourceSummaryWriter):
        return raw.NoOp()
    return raw.ImportEvent(writer.resource, tensor, name=name)
