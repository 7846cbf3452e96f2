"""`tf.summary`: operations that summarize tensors, gathered in a collection and merged into one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core import protos
from millrace.core.deprecation import deprecated
from millrace.core.dtypes import float32, string
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor

SummaryDescription = public("summary.SummaryDescription")(protos.SummaryDescription)

_NOT_IN_TAGS = re.compile(r"[^-/\w.]")


@public("python.ops.summary_op_util.clean_tag", "python.distribute.summary_op_util.clean_tag")
def _clean(name: str | None) -> str | None:
    """A name with underscores for characters that operation names cannot have, without leading slashes."""
    return None if name is None else _NOT_IN_TAGS.sub("_", name).lstrip("/")


@public("python.ops.summary_op_util.summary_scope")
@contextlib.contextmanager
def summary_scope(
    name: str, family: str | None = None, default_name: str | None = None, values: Any = None
) -> Iterator[tuple[str, str]]:
    """A name scope for a summary: the pair (tag, scope).

    Args:
      name: the summary's name.
      family: what comes before it in the tag.
      default_name: a name where `name` is None.
      values: the tensors of the summary.
    """
    name, family = _clean(name) or "", _clean(family)
    with name_scope(name if family is None else f"{family}/{name}", default_name, values) as scope:
        tag = scope.rstrip("/")
        if family is not None:
            # The family comes first in the tag even where other scopes are around, and groups tags on screen.
            if not scope.startswith(family):
                raise ValueError(
                    f"summary: the family's name must begin its scope. Received: {family!r} and {scope!r}"
                )
            tag = f"{family}/{tag}"
        yield tag, scope


@public("python.ops.summary_op_util.collect")
def collect(val: Any, collections: Any, default_collections: Any) -> None:
    """Adds a summary to collections.

    Args:
      val: the summary.
      collections: names; None: the default ones.
      default_collections: names.
    """
    graph = get_default_graph()
    for key in default_collections if collections is None else collections:
        graph.add_to_collection(key, val)


@public("python.ops.summary_op_util.skip_summary", "python.distribute.summary_op_util.skip_summary")
def skip_summary() -> bool:
    """False: there is one replica, and it writes."""
    return False


def _collected(summary: Tensor, collections: Any) -> Tensor:
    collect(summary, collections, [GraphKeys.SUMMARIES])
    return summary


@public("summary.scalar")
def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of one number.

    Args:
      name: of the operation, and the tag, with the name scopes around.
      tensor: a real scalar.
      collections: the collections that the summary joins; default SUMMARIES.
      family: comes first in the tag, which TensorBoard groups by it.

    Returns:
      A string scalar, a serialized `Summary`.

    Example:
      >>> w = tf.constant(0.5)
      >>> text = tf.summary.scalar("loss", w)
      >>> with tf.Session() as sess:
      ...     print(tf.Summary.FromString(sess.run(text)).value[0].simple_value)
      0.5
    """
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        return _collected(raw.ScalarSummary(tag, tensor, name=scope), collections)


@public("summary.histogram")
def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Tensor:
    """A summary of how often values of each size occur; it fails where a value is not finite.

    Args:
      name: of the operation, and the tag, with the name scopes around.
      values: real `[...]`.
      collections: the collections that the summary joins; default SUMMARIES.
      family: comes first in the tag.

    Returns:
      A string scalar, a serialized `Summary`.

    Example:
      >>> text = tf.summary.histogram("weights", [1.0, 2.0, 3.0])
      >>> with tf.Session() as sess:
      ...     print(tf.Summary.FromString(sess.run(text)).value[0].histo.num)
      3.0
    """
    with summary_scope(name, family, values=[values], default_name="HistogramSummary") as (tag, scope):
        return _collected(raw.HistogramSummary(tag, values, name=scope), collections)


@public("summary.image")
def image(
    name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None
) -> Tensor:
    """A summary of pictures; floating ones are scaled to fill 0..255, each on its own.

    Args:
      name: of the operation, and the tags' beginning: `name/image/0`, or `name/image` for one output.
      tensor: `[batch, height, width, channels]` of 1, 3 or 4 channels, uint8 or floating.
      max_outputs: how many pictures of the batch are kept.
      collections: the collections that the summary joins; default SUMMARIES.
      family: comes first in the tag.

    Returns:
      A string scalar, a serialized `Summary`.

    Example:
      >>> text = tf.summary.image("digits", tf.zeros([2, 4, 4, 1]))
      >>> with tf.Session() as sess:
      ...     print([v.tag for v in tf.Summary.FromString(sess.run(text)).value])
      ['digits/image/0', 'digits/image/1']
    """
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        return _collected(raw.ImageSummary(tag, tensor, max_images=max_outputs, name=scope), collections)


@public("summary.audio")
def audio(
    name: str,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int = 3,
    collections: Any = None,
    family: str | None = None,
) -> Tensor:
    """A summary of sounds.

    Args:
      name: of the operation, and the tags' beginning: `name/audio/0`, or `name/audio` for one output.
      tensor: float32 `[batch, frames, channels]` or `[batch, frames]` in [-1, 1].
      sample_rate: frames each second, a scalar.
      max_outputs: how many sounds of the batch are kept.
      collections: the collections that the summary joins; default SUMMARIES.
      family: comes first in the tag.

    Returns:
      A string scalar, a serialized `Summary`.
    """
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        sample_rate = convert.to_tensor(sample_rate, float32, "sample_rate")
        summary = raw.AudioSummaryV2(tag, tensor, sample_rate, max_outputs=max_outputs, name=scope)
        return _collected(summary, collections)


@public("summary.text")
def text(name: str, tensor: Any, collections: Any = None) -> Tensor:
    """A summary of texts, shown as Markdown; two dimensions make a table.

    Args:
      name: of the operation, and the tag, with the name scopes around.
      tensor: string `[...]`.
      collections: the collections that the summary joins; default SUMMARIES.

    Returns:
      A string scalar, a serialized `Summary`.

    Raises:
      ValueError: the tensor is of another dtype.
    """
    tensor = convert.to_tensor(tensor)
    if tensor.dtype.base_dtype is not string:
        raise ValueError(
            f"summary.text: takes a string tensor. Received: {tensor.name} of {tensor.dtype.name}"
        )
    metadata = protos.SummaryMetadata(plugin_data={"plugin_name": "text"})
    return tensor_summary(name, tensor, summary_metadata=metadata, collections=collections)


@public("summary.tensor_summary")
def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: str | None = None,
    collections: Any = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Tensor:
    """A summary of a whole tensor.

    Args:
      name: of the operation, and the tag, with the name scopes around.
      tensor: any `[...]`.
      summary_description: a longer text about it, Markdown.
      collections: the collections that the summary joins; default SUMMARIES.
      summary_metadata: a `SummaryMetadata` that says who shows it.
      family: comes first in the tag.
      display_name: shown in place of the tag.

    Returns:
      A string scalar, a serialized `Summary`.
    """
    metadata = protos.SummaryMetadata()
    if summary_metadata is not None:
        # Also what a plugin made with message classes of its own.
        metadata.ParseFromString(summary_metadata.SerializeToString())
    if display_name is not None:
        metadata.display_name = display_name
    if summary_description is not None:
        metadata.summary_description = summary_description
    with summary_scope(name, family, values=[tensor]) as (tag, scope):
        summary = raw.TensorSummaryV2(tag, tensor, metadata.SerializeToString(), name=scope)
        return _collected(summary, collections)


@public("summary.merge")
def merge(inputs: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """One summary of the values of several.

    Args:
      inputs: a list of string tensors, serialized summaries.
      collections: the collections that the summary joins; default none.
      name: scope; default "Merge".

    Returns:
      A string scalar, a serialized `Summary`; it fails where two values have one tag.

    Example:
      >>> merged = tf.summary.merge([tf.summary.scalar("loss", 0.5)])
      >>> with tf.Session() as sess:
      ...     print([v.tag for v in tf.Summary.FromString(sess.run(merged)).value])
      ['loss']
    """
    name = _clean(name)
    with name_scope(name, "Merge", inputs):
        return _collected(raw.MergeSummary(list(inputs), name=name), collections or [])


@public("summary.merge_all")
def merge_all(
    key: str = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None
) -> Tensor | None:
    """The summaries of a collection merged; None where there are none.

    Args:
      key: the collection.
      scope: keep the summaries whose names begin with this.
      name: scope; default "Merge".

    Example:
      >>> _ = tf.summary.scalar("loss", 0.5)
      >>> _ = tf.summary.scalar("accuracy", 0.9)
      >>> merged = tf.summary.merge_all()
      >>> with tf.Session() as sess:
      ...     print([v.tag for v in tf.Summary.FromString(sess.run(merged)).value])
      ['loss', 'accuracy']
    """
    found = get_default_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None


@public("summary.get_summary_description")
def get_summary_description(node_def: Any) -> Any:
    """The description in a TensorSummary node.

    Args:
      node_def: a NodeDef whose op is TensorSummary.

    Returns:
      A `SummaryDescription`.

    Raises:
      ValueError: the node is of another op.
    """
    if node_def.op != "TensorSummary":
        raise ValueError(f"get_summary_description: takes a TensorSummary node. Received: {node_def.op}")
    from google.protobuf import json_format

    found = protos.SummaryDescription()
    return json_format.Parse(node_def.attr["description"].s.decode("utf-8"), found)


# --- the names of TensorFlow 0.x ----------------------------------------------------------------------------


@public("scalar_summary", "contrib.deprecated.scalar_summary")
def scalar_summary(tags: Any, values: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """A summary of one number for each tag, which need not be an operation's name.

    Args:
      tags: string `[...]`.
      values: real `[...]`.
      collections: the collections that the summary joins; default SUMMARIES.
      name: op name; default "ScalarSummary".
    """
    deprecated("tf.scalar_summary", "tf.summary.scalar")
    with name_scope(name, "ScalarSummary", [tags, values]) as scope:
        return _collected(raw.ScalarSummary(tags, values, name=scope), collections)


@public("histogram_summary", "contrib.deprecated.histogram_summary")
def histogram_summary(tag: Any, values: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """A summary of how often values of each size occur.

    Args:
      tag: a string.
      values: real `[...]`.
      collections: the collections that the summary joins; default SUMMARIES.
      name: op name; default "HistogramSummary".
    """
    deprecated("tf.histogram_summary", "tf.summary.histogram")
    with name_scope(name, "HistogramSummary", [tag, values]) as scope:
        return _collected(raw.HistogramSummary(tag, values, name=scope), collections)


@public("image_summary", "contrib.deprecated.image_summary")
def image_summary(
    tag: Any, tensor: Any, max_images: int = 3, collections: Any = None, name: str | None = None
) -> Tensor:
    """A summary of pictures.

    Args:
      tag: a string.
      tensor: `[batch, height, width, channels]` of 1, 3 or 4 channels, uint8 or floating.
      max_images: how many pictures of the batch are kept.
      collections: the collections that the summary joins; default SUMMARIES.
      name: op name; default "ImageSummary".
    """
    deprecated("tf.image_summary", "tf.summary.image")
    with name_scope(name, "ImageSummary", [tag, tensor]) as scope:
        return _collected(raw.ImageSummary(tag, tensor, max_images=max_images, name=scope), collections)


@public("audio_summary", "contrib.deprecated.audio_summary")
def audio_summary(
    tag: Any,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int = 3,
    collections: Any = None,
    name: str | None = None,
) -> Tensor:
    """A summary of sounds.

    Args:
      tag: a string.
      tensor: float32 `[batch, frames, channels]` or `[batch, frames]` in [-1, 1].
      sample_rate: frames each second, a scalar.
      max_outputs: how many sounds of the batch are kept.
      collections: the collections that the summary joins; default SUMMARIES.
      name: op name; default "AudioSummary".
    """
    deprecated("tf.audio_summary", "tf.summary.audio")
    with name_scope(name, "AudioSummary", [tag, tensor]) as scope:
        sample_rate = convert.to_tensor(sample_rate, float32, "sample_rate")
        summary = raw.AudioSummaryV2(tag, tensor, sample_rate, max_outputs=max_outputs, name=scope)
        return _collected(summary, collections)


@public("merge_summary", "contrib.deprecated.merge_summary")
def merge_summary(inputs: Any, collections: Any = None, name: str | None = None) -> Tensor:
    """One summary of the values of several; see `tf.summary.merge`."""
    deprecated("tf.merge_summary", "tf.summary.merge")
    with name_scope(name, "MergeSummary", inputs) as scope:
        return _collected(raw.MergeSummary(list(inputs), name=scope), collections or [])


@public("merge_all_summaries", "contrib.deprecated.merge_all_summaries")
def merge_all_summaries(key: str = GraphKeys.SUMMARIES) -> Tensor | None:
    """The summaries of a collection merged; None where there are none."""
    deprecated("tf.merge_all_summaries", "tf.summary.merge_all")
    found = get_default_graph().get_collection(key)
    return merge_summary(found) if found else None
