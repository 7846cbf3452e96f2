"""Strings cut into tokens, and tokens joined again by segments and as n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import shapes
from millrace.core.dtypes import INDEX, string
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


@public("string_split")
def string_split(
    source: Any,
    sep: Any = None,
    skip_empty: bool = True,
    delimiter: Any = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> SparseTensor:
    """Splits strings at any of the bytes of `sep`.

    Args:
      source: `[n]` strings.
      sep: scalar string, each of whose bytes separates; "" splits into single bytes; default " ".
      skip_empty: leave out empty tokens.
      delimiter: deprecated name of `sep`.
      result_type: "SparseTensor".
      name: scope of the operations; default "StringSplit".

    Returns:
      SparseTensor of `[n, longest]` tokens.

    Raises:
      ValueError: another result type.
    """
    _check_result(result_type)
    sep = delimiter if sep is None else sep
    with name_scope(name, "StringSplit", [source]):
        separator = convert_to_tensor(" " if sep is None else sep, dtype=string, name="Const")
        source = convert_to_tensor(source, dtype=string, name="Const")
        return SparseTensor(*apply(StringSplit, source, separator, skip_empty=skip_empty))


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


@public("strings.split")
def split(
    input: Any = None,
    sep: Any = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> SparseTensor:
    """Splits strings like Python's `str.split`.

    Args:
      input: `[n]` strings.
      sep: scalar string to split at; none or "" for runs of white space.
      maxsplit: split each string at most so often; -1 for no limit.
      result_type: "SparseTensor".
      source: another name of `input`.
      name: scope of the operations; default "StringSplit".

    Returns:
      SparseTensor of `[n, longest]` tokens.

    Raises:
      ValueError: another result type.
    """
    _check_result(result_type)
    x = source if input is None else input
    with name_scope(name, "StringSplit", [x]):
        separator = convert_to_tensor("" if sep is None else sep, dtype=string, name="Const")
        return SparseTensor(*apply(StringSplitV2, x, separator, maxsplit=maxsplit))


def _check_result(result_type: str) -> None:
    if result_type != "SparseTensor":
        raise ValueError(f"strings.split: result_type must be 'SparseTensor'. Received: {result_type!r}")


@public("strings.bytes_split")
def bytes_split_(input: Any, name: str | None = None) -> Tensor:
    """Splits one string into its bytes.

    Args:
      input: scalar string.
      name: scope of the operations; default "StringsByteSplit".

    Returns:
      `[length]` strings of one byte.

    Raises:
      ValueError: `input` is not a scalar.
    """
    with name_scope(name, "StringsByteSplit", [input]):
        x = convert_to_tensor(input, dtype=string)
        with_rank(x.dims, 0, "input")
        return apply(StringSplit, raw.Pack([x], name="stack"), "", skip_empty=True).values


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


@public("strings.ngrams")
def ngrams(
    data: Any,
    ngram_width: int | list[int] | tuple[int, ...],
    separator: str = " ",
    pad_values: str | tuple[str, str] | None = None,
    padding_width: int | None = None,
    preserve_short_sequences: bool = False,
    name: str | None = None,
) -> Tensor:
    """All n-grams of a row of tokens.

    Args:
      data: `[n]` strings.
      ngram_width: the size of the n-grams, or several sizes.
      separator: what to put between the tokens of one n-gram.
      pad_values: what to put in front and behind, one string or a pair; None for no padding.
      padding_width: how often; default as often as the size allows.
      preserve_short_sequences: give one n-gram of all tokens when they are too few.
      name: scope of the operations; default "StringNGrams".

    Returns:
      `[m]` strings; grouped by size where there are several.

    Raises:
      ValueError: a width is not positive, `data` is not a vector, or the padding is not described whole.
      TypeError: `pad_values` is neither a string nor a pair of strings.
    """
    widths = [ngram_width] if isinstance(ngram_width, int) else list(ngram_width)
    if min(widths, default=0) < 1:
        raise ValueError(f"strings.ngrams: each ngram_width must be at least 1. Received: {ngram_width}")
    if padding_width is not None and (pad_values is None or padding_width < 1):
        raise ValueError(
            "strings.ngrams: padding_width must be at least 1 and goes with pad_values. "
            f"Received: {padding_width} and {pad_values!r}"
        )
    left, right = (pad_values, pad_values) if isinstance(pad_values, str | bytes) else pad_values or ("", "")
    if not isinstance(left, str | bytes) or not isinstance(right, str | bytes):
        raise TypeError(f"strings.ngrams: pad_values must be one or two strings. Received: {pad_values!r}")
    width = 0 if pad_values is None else -1 if padding_width is None else padding_width
    with name_scope(name, "StringNGrams", [data]):
        x = convert_to_tensor(data, dtype=string)
        with_rank(x.dims, 1, "data")
        splits = raw.Pack([np.int32(0), raw.Size(x)], name="splits")
        return apply(
            StringNGrams,
            x,
            splits,
            separator=as_bytes(separator),
            ngram_widths=widths,
            left_pad=as_bytes(left),
            right_pad=as_bytes(right),
            pad_width=width,
            preserve_short_sequences=preserve_short_sequences,
        ).ngrams


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
