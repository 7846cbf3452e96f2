"""Strings cut into rows of tokens, rows of tokens joined, and their n-grams."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.core.text import as_bytes
from millrace.graph.tensor import Tensor
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.reductions import aggregate
from millrace.lib.ragged.splits import shape_of, tensor_or_ragged
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.reshape import reshape
from millrace.ops.text.split import unsorted_segment_join
from millrace.ops.text.strings import reduce_join as dense_reduce_join

_RESULTS = ("SparseTensor", "RaggedTensor")


def _check_result(result_type: str) -> None:
    if result_type not in _RESULTS:
        raise ValueError(f"result_type must be 'RaggedTensor' or 'SparseTensor'. Received: {result_type!r}")


@public("string_split")
def string_split(
    source: Any,
    sep: Any = None,
    skip_empty: bool = True,
    delimiter: Any = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> Any:
    """Splits strings at any of the bytes of `sep`.

    Args:
      source: `[n]` strings.
      sep: scalar string, each of whose bytes separates; "" splits into single bytes; default " ".
      skip_empty: leave out empty tokens.
      delimiter: deprecated name of `sep`.
      result_type: "SparseTensor" or "RaggedTensor".
      name: scope of the operations; default "StringSplit".

    Returns:
      `[n, longest]` tokens as a SparseTensor, or a row of tokens for each string.

    Raises:
      ValueError: another result type.
    """
    with name_scope(name, "StringSplit", [source]):
        sep = delimiter if sep is None else sep
        separator = to_tensor(" " if sep is None else sep, dtypes.string, "Const")
        source = to_tensor(source, dtypes.string, "Const")
        found = raw.StringSplit(source, separator, skip_empty=skip_empty, name="StringSplit")
        _check_result(result_type)
        if result_type == "SparseTensor":
            return _sparse(found)
        return _rows_of(found, source.dims)


def _sparse(found: Any) -> SparseTensor:
    found.indices.dims, found.values.dims, found.shape.dims = (None, 2), (None,), (2,)
    return SparseTensor(found.indices, found.values, found.shape)


def _rows_of(found: Any, dims: shapes.Dims) -> RaggedTensor:
    """Rows of tokens from the places and values of a sparse matrix of them."""
    found.indices.dims, found.values.dims, found.shape.dims = (None, 2), (None,), (2,)
    rows = RaggedTensor.from_value_rowids(
        found.values, found.indices[:, 0], nrows=found.shape[0], validate=False
    )
    if dims is not None and dims[0] is not None:
        rows.row_splits.dims = (dims[0] + 1,)
    return rows


@public("strings.split")
def split(
    input: Any = None,
    sep: Any = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> Any:
    """Splits strings like Python's `str.split`.

    Args:
      input: `[...]` strings, a tensor or RaggedTensor; its rank must be known.
      sep: scalar string to split at; none or "" for runs of white space.
      maxsplit: split each string at most so often; -1 for no limit.
      result_type: "SparseTensor" or "RaggedTensor".
      source: deprecated name of `input`.
      name: scope of the operations; default "StringSplit".

    Returns:
      The tokens, in one dimension more than `input` has.

    Raises:
      ValueError: another result type, or a scalar that is to become sparse.
    """
    input = source if input is None else input
    with name_scope(name, "StringSplit", [input]):
        value = tensor_or_ragged(input, dtypes.string, "input")
        if result_type == "SparseTensor" and value.shape.ndims == 1:
            return _sparse(_split_vector(value, sep, maxsplit))
        found = split_rows(value, sep, maxsplit)
        _check_result(result_type)
        if result_type == "RaggedTensor":
            return found
        if not isinstance(found, RaggedTensor):
            raise ValueError("strings.split: the tokens of a scalar cannot become a SparseTensor")
        return found.to_sparse()


def _split_vector(value: Any, sep: Any, maxsplit: int) -> Any:
    separator = to_tensor("" if sep is None else sep, dtypes.string, "Const")
    return raw.StringSplitV2(value, separator, maxsplit=maxsplit, name="StringSplitV2")


@public("compat.v2.strings.split")
def split_rows(input: Any, sep: Any = None, maxsplit: int = -1, name: str | None = None) -> Any:
    """Splits strings like Python's `str.split` into rows of tokens: a RaggedTensor, of a scalar a vector.

    Args:
      input: `[...]` strings, a tensor or RaggedTensor.
      sep: scalar string to split at; none or "" for runs of white space.
      maxsplit: split each string at most so often; -1 for no limit.
      name: scope of the operations; default "StringSplit".
    """
    with name_scope(name, "StringSplit", [input]):
        value = tensor_or_ragged(input, dtypes.string, "input")
        if isinstance(value, RaggedTensor):
            return value.with_flat_values(split_rows(value.flat_values, sep, maxsplit))
        rank = value.shape.ndims
        if rank == 0:
            return split_rows(stack([value]), sep, maxsplit)[0]
        if rank in (1, None):
            return _rows_of(_split_vector(value, sep, maxsplit), value.dims)
        return split_rows(RaggedTensor.from_tensor(value, ragged_rank=rank - 1), sep, maxsplit)


@public("strings.bytes_split")
def bytes_split(input: Any, name: str | None = None) -> Any:
    """Splits strings into their bytes.

    Args:
      input: `[...]` strings, a tensor or RaggedTensor; its rank must be known.
      name: scope of the operations; default "StringsByteSplit".

    Returns:
      Strings of one byte, in one dimension more: a RaggedTensor, of a scalar a vector.

    Raises:
      ValueError: the rank is unknown.
    """
    with name_scope(name, "StringsByteSplit", [input]):
        value = tensor_or_ragged(input, dtypes.string, "input")
        if isinstance(value, RaggedTensor):
            return value.with_flat_values(bytes_split(value.flat_values))
        rank = value.shape.ndims
        if rank is None:
            raise ValueError("input must have a statically-known rank.")
        if rank == 0:
            return bytes_split(stack([value]))[0]
        if rank == 1:
            return _rows_of(raw.StringSplit(value, "", skip_empty=False, name="StringSplit"), value.dims)
        return bytes_split(RaggedTensor.from_tensor(value, ragged_rank=rank - 1))


@public("strings.ngrams")
def ngrams(
    data: Any,
    ngram_width: int | list[int] | tuple[int, ...],
    separator: str = " ",
    pad_values: str | tuple[str, str] | None = None,
    padding_width: int | None = None,
    preserve_short_sequences: bool = False,
    name: str | None = None,
) -> Any:
    """All n-grams of rows of tokens.

    Args:
      data: `[..., n]` strings, a tensor or RaggedTensor.
      ngram_width: the size of the n-grams, or several sizes.
      separator: what to put between the tokens of one n-gram.
      pad_values: what to put in front and behind, one string or a pair; None for no padding.
      padding_width: how often; default as often as the size allows.
      preserve_short_sequences: give one n-gram of all tokens when they are too few.
      name: scope of the operations; default "StringNGrams".

    Returns:
      `[..., m]` strings, ragged if `data` is; grouped by size where there are several.

    Raises:
      ValueError: a width is not positive, `data` is a scalar, or the padding is not described whole.
      TypeError: `pad_values` is neither a string nor a pair of strings.
    """
    with name_scope(name, "StringNGrams", [data]):
        widths = [ngram_width] if isinstance(ngram_width, int) else list(ngram_width)
        left, right = _padding(widths, ngram_width, pad_values, padding_width)
        width = 0 if pad_values is None else -1 if padding_width is None else padding_width

        def of_rows(rows: RaggedTensor) -> RaggedTensor:
            if isinstance(rows.values, RaggedTensor):
                return rows.with_values(of_rows(rows.values))
            found = raw.StringNGrams(
                rows.flat_values,
                rows.row_splits,
                separator=as_bytes(separator),
                ngram_widths=widths,
                left_pad=as_bytes(left),
                right_pad=as_bytes(right),
                pad_width=width,
                preserve_short_sequences=preserve_short_sequences,
                name="StringNGrams",
            )
            return RaggedTensor.from_row_splits(found.ngrams, found.ngrams_splits, validate=False)

        value = tensor_or_ragged(data, dtypes.string, "data")
        if isinstance(value, RaggedTensor):
            return of_rows(value)
        return _of_dense(value, of_rows)


def _of_dense(value: Tensor, of_rows: Any) -> Tensor:
    rank = value.shape.ndims
    if not rank:
        raise ValueError("Data must have rank>0")
    outer = concat([shape_of(value, dtypes.int32)[:-1], [-1]], axis=0)
    if rank == 1:
        return of_rows(RaggedTensor.from_row_starts(value, [0], validate=False))[0]
    rows = RaggedTensor.from_tensor(value, ragged_rank=rank - 1)
    found = reshape(of_rows(rows).flat_values, outer)
    found.dims = shapes.merge(found.dims, (*value.dims[:-1], None))  # type: ignore[index]
    return found


def _padding(widths: list[int], given: Any, pad_values: Any, padding_width: int | None) -> tuple[Any, Any]:
    if min(widths, default=0) < 1:
        raise ValueError(f"strings.ngrams: each ngram_width must be at least 1. Received: {given}")
    if padding_width is not None and (pad_values is None or padding_width < 1):
        raise ValueError(
            "strings.ngrams: padding_width must be at least 1 and goes with pad_values. "
            f"Received: {padding_width} and {pad_values!r}"
        )
    left, right = (pad_values, pad_values) if isinstance(pad_values, str | bytes) else pad_values or ("", "")
    if not isinstance(left, str | bytes) or not isinstance(right, str | bytes):
        raise TypeError(f"strings.ngrams: pad_values must be one or two strings. Received: {pad_values!r}")
    return left, right


def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: Any = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: Any = None,
) -> Any:
    """The strings of a ragged tensor joined over dimensions."""
    axis = reduction_indices if axis is None else axis
    keepdims = keep_dims if keepdims is None else keepdims

    def by_segments(data: Any, segment_ids: Any, num_segments: Any) -> Any:
        return unsorted_segment_join(data, segment_ids, num_segments, separator)

    def whole(data: Any, axis: Any = None, name: str | None = None) -> Any:
        return dense_reduce_join(data, axis, separator=separator, name=name)

    return aggregate(whole, by_segments, tensor_or_ragged(inputs), axis, keepdims, name, "RaggedSegmentJoin")
