"""Strings cut into tokens, and tokens joined again by segments and as n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core import shapes
from millrace.core.dtypes import INDEX
from millrace.core.public import public
from millrace.core.text import as_bytes
from millrace.graph.attrs import flag, integer, ints, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.text import pieces as bytes_text
from millrace.opkit.text import split as bytes_split
from millrace.opkit.text.pieces import attr_bytes, strings

_SPARSE_MATRIX = [(None, 2), (None,), (2,)]


@declare(
    "StringSplit(input: string, delimiter: string) -> indices: int64, values: string, shape: int64",
    skip_empty=flag(True),
    host=True,
)
class StringSplit:
    """Tokens between any of the delimiter's bytes."""

    def shape(input, delimiter):
        with_rank(input, 1, "input")
        with_rank(delimiter, 0, "delimiter")
        return _SPARSE_MATRIX

    def kernel(xp, input, delimiter, skip_empty):
        return bytes_split.split_any(strings(input), strings(delimiter).item(), skip_empty)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StringSplitV2(input: string, sep: string) -> indices: int64, values: string, shape: int64",
    maxsplit=integer(-1),
    host=True,
)
class StringSplitV2:
    """Tokens as Python's `split` gives them."""

    def shape(input, sep):
        with_rank(input, 1, "input")
        with_rank(sep, 0, "sep")
        return _SPARSE_MATRIX

    def kernel(xp, input, sep, maxsplit):
        return bytes_split.split_separator(strings(input), strings(sep).item(), maxsplit)

    grad = NOT_DIFFERENTIABLE


# --- n-grams -----------------------------------------------------------------------------------------------


@declare(
    "StringNGrams(data: string, data_splits: Tsplits) -> ngrams: string, ngrams_splits: Tsplits",
    Tsplits=INDEX,
    separator=text(),
    ngram_widths=ints(minimum=0),
    left_pad=text(),
    right_pad=text(),
    pad_width=integer(),
    preserve_short_sequences=flag(),
    host=True,
)
class StringNGrams:
    """All n-grams of the rows of a ragged array."""

    def shape(data, data_splits):
        with_rank(data, 1, "data")
        return [(None,), with_rank(data_splits, 1, "data_splits")]

    def kernel(xp, data, data_splits, separator, ngram_widths, left_pad, right_pad, pad_width,
               preserve_short_sequences):  # fmt: skip
        pads = attr_bytes(left_pad), attr_bytes(right_pad), pad_width
        return bytes_split.ngrams(
            strings(data), data_splits, attr_bytes(separator), ngram_widths, *pads, preserve_short_sequences
        )

    grad = NOT_DIFFERENTIABLE


# --- segments ----------------------------------------------------------------------------------------------


@declare(
    "UnsortedSegmentJoin(inputs: string, segment_ids: Tindices, num_segments: Tnumsegments) -> "
    "output: string",
    static=("num_segments",),
    Tindices=INDEX,
    Tnumsegments=INDEX,
    separator=text(""),
    host=True,
)
class UnsortedSegmentJoin:
    """The strings of each segment, joined."""

    def shape(inputs, segment_ids, num_segments):
        if num_segments.dims is not None and num_segments.dims != ():
            raise ValueError(
                f"num_segments must be a scalar. Received: {shapes.format_dims(num_segments.dims)}"
            )
        count = num_segments.value
        if inputs is None or segment_ids is None:
            return None
        shapes.merge(inputs[: len(segment_ids)], segment_ids)
        return (None if count is None else int(count), *inputs[len(segment_ids) :])

    def kernel(xp, inputs, segment_ids, num_segments, separator):
        return bytes_text.unsorted_segment_join(
            strings(inputs), np.asarray(segment_ids), int(num_segments), attr_bytes(separator)
        )

    grad = NOT_DIFFERENTIABLE


@public("strings.unsorted_segment_join")
def unsorted_segment_join(
    inputs: Any, segment_ids: Any, num_segments: Any, separator: str = "", name: str | None = None
) -> Tensor:
    """Joins the strings of each segment in their order.

    Args:
      inputs: `[s..., ...]` strings.
      segment_ids: `[s...]` int32 or int64, the segment of each.
      num_segments: scalar, how many segments there are.
      separator: what to put between.
      name: op name; default "UnsortedSegmentJoin".

    Returns:
      `[num_segments, ...]` strings.
    """
    return apply(
        UnsortedSegmentJoin, inputs, segment_ids, num_segments, separator=as_bytes(separator), name=name
    )
